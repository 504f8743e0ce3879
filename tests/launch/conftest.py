"""Sweeps of pretended runs (pretend.py), started as a user starts them, that no test leaves behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT, outcome_of
from tests.faults.conftest import figure  # noqa: F401

PRETEND = Path(__file__).with_name("pretend.py")
TINY = ["profile=demo", "tracker=none", "train.epochs=2", "hydra/launcher=local_gpus"]
SIX = ["resizer=none,plain,cbam", "aug=base,cutmix"]  # where a test names no other runs
PATIENCE = 300.0  # seconds that a test waits for what must come; a hundredth on a quiet machine
GPUS = {"CUDA_VISIBLE_DEVICES": "2,GPU-5b1d"}


class Sweep:
    """A running `pretend.py -m`, its runs folder and its ledger."""

    def __init__(self, folder: Path, *arguments: str, behaviour: dict[str, str] | None = None, **environment: str) -> None:
        self.runs, self.ledger = folder / "runs", folder / "ledger"
        self.ledger.touch()
        grid = [] if any(word.startswith("resizer=") for word in arguments) else SIX
        command = [sys.executable, str(PRETEND), "-m", *TINY, *grid, f"paths.runs={self.runs}", *arguments]
        told = {"LEDGER": str(self.ledger), "PRETEND": json.dumps(behaviour or {})}
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **GPUS, **told, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self) -> tuple[int, str, str]:
        """Wait for the end; return exit code, stdout and stderr."""
        out, error = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out, error

    def notes(self) -> list[list[str]]:
        """Return the ledger's whole lines, as words."""
        return [line.split() for line in self.ledger.read_text().splitlines(keepends=True) if line.endswith("\n")]

    def wait_for(self, number: int, *words: str) -> list[list[str]]:
        """Wait until so many lines of the ledger begin with these words; return them."""
        until = time.monotonic() + PATIENCE
        while len(found := [note for note in self.notes() if note[: len(words)] == list(words)]) < number:
            assert time.monotonic() < until and self.process.poll() is None, (words, self.notes(), self.process.poll())
            time.sleep(0.01)
        return found

    def words(self) -> dict[str, str]:
        """Return each planned run's outcome by `<resizer>-<aug>`, `missing` where there is none."""
        manifest = json.loads(sorted(self.runs.glob("sweeps/*/manifest.json"))[-1].read_text())
        folders = [self.runs / planned["run_id"] for planned in manifest["runs"]]
        there = [(folder, (folder / "outcome.json").exists()) for folder in folders]
        return {short(folder.name): outcome_of(folder)["outcome"] if found else "missing" for folder, found in there}

    def log(self, name: str) -> str:
        """Return the console of a run in the latest sweep."""
        return sorted(self.runs.glob(f"sweeps/*/{name}-vgg*.log"))[-1].read_text()


Start = Callable[..., Sweep]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start sweeps below the test's folder."""
    started: list[Sweep] = []

    def begin(*arguments: str, behaviour: dict[str, str] | None = None, **environment: str) -> Sweep:
        started.append(Sweep(tmp_path, *arguments, behaviour=behaviour, **environment))
        return started[-1]

    yield begin
    for sweep in started:
        if sweep.process.poll() is None:
            sweep.process.kill()
            sweep.process.communicate()
        for note in sweep.notes():
            if note[0] == "grandchild" and alive(int(note[1])):
                os.kill(int(note[1]), signal.SIGKILL)


def short(run_id: str) -> str:
    """Return `<resizer>-<aug>` of a run id."""
    return run_id.split("-vgg")[0]


def alive(process: int) -> bool:
    """Return True if a process still runs; one that nobody has waited for yet is dead."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone(process: int) -> bool:
    """Wait until a process is dead."""
    until = time.monotonic() + PATIENCE
    while alive(process):
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True
