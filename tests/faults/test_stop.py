"""R5: signals to a real `python run.py -m`: what is finished stays, what is missing is named, the same command goes on."""

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

from ablation.records.earlier_record import EarlierRecord
from ablation.sweep import callback
from tests.commands import script
from tests.conftest import ROOT, outcome_of
from tests.faults import forks

pytestmark = pytest.mark.faults

EPOCHS = 12
TINY = [*forks.TINY[:-1], f"train.epochs={EPOCHS}"]
SIX = ["-m", "-v", *TINY, "resizer=none,plain,cbam", "aug=base,cutmix"]
THREE = ["-m", "-v", *TINY, "resizer=none,plain,cbam", "aug=base"]


class Command:
    """A running `python run.py`, followed line by line; killed at the end of the test if it lives."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "run.py", *arguments]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self.process = subprocess.Popen(command, cwd=ROOT, text=True, **pipes)
        assert self.process.stdout is not None
        self._lines: Iterator[str] = iter(self.process.stdout)
        self.said = ""

    def follow(self, cell: int, epoch: int) -> str:
        """Read on until the cell of that number (from 1, of those begun) has that epoch; return its run id."""
        begun: list[str] = []
        for line in self._lines:
            self.said += line
            if line.rstrip("\n").count("-") == 4 and " " not in line.strip():
                begun.append(line.strip())
            if len(begun) == cell and f"  epoch {epoch}/{EPOCHS}  " in line:
                return begun[-1]
        raise AssertionError(f"ended before:\n{self.said}\n{self.process.communicate()[1]}")

    def finish(self) -> tuple[int, str, str]:
        """Wait for the end; return exit code, stdout and stderr."""
        out, error = self.process.communicate(timeout=300)
        return self.process.returncode, self.said + out, error


def to_the_end(*arguments: str) -> tuple[int, str, str]:
    """Run a command that gets no signal; return exit code, stdout and stderr."""
    done = script("run.py", *arguments)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def command() -> Iterator[Callable[..., Command]]:
    """Start commands that do not outlive the test."""
    started: list[Command] = []

    def start(*arguments: str) -> Command:
        started.append(Command(*arguments))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
            one.process.communicate()


def words(runs: Path) -> dict[str, str]:
    """Return each run's outcome, in the order of the sweep; `missing` where there is none."""
    manifest = sorted(runs.glob("sweeps/*/manifest.json"))[-1]
    ids = [planned["run_id"] for planned in json.loads(manifest.read_text())["runs"]]
    there = {file.parent.name for file in runs.glob("*/outcome.json")}
    return {run_id: outcome_of(runs / run_id)["outcome"] if run_id in there else "missing" for run_id in ids}


def begun(said: str) -> list[str]:
    """Return the ids of the runs that a command began, from what it printed."""
    return [line for line in said.splitlines() if line.count("-") == 4 and " " not in line]


def test_a_sweep_that_is_preempted_twice(
    tmp_path: Path, command: Callable[..., Command], figure: Callable[[str, str], None]
) -> None:
    """SIGTERM in cell 3, the same command and SIGUSR1 in cell 5, the same command to the end, and once more."""
    runs = tmp_path / "runs"
    arguments = [*SIX, f"paths.runs={runs}"]
    latencies: list[float] = []
    expected: list[str] = []  # what the next command says of the run that was stopped
    for number, done, begin in ((signal.SIGTERM, 2, 3), (signal.SIGUSR1, 4, 3)):
        sweep = command(*arguments)
        run_id = sweep.follow(cell=begin, epoch=5)
        sent = time.monotonic()
        sweep.process.send_signal(number)
        code, said, error = sweep.finish()
        assert all(words in said for words in expected)
        expected.clear()
        latencies.append(time.monotonic() - sent)
        seen = words(runs)
        assert code == 75, said + error
        assert list(seen.values()) == ["done"] * done + ["preempted"] + ["missing"] * (5 - done)
        assert list(seen)[done] == run_id
        assert f"{6 - done} of 6 runs not finished; rerun this command to continue:" in error
        assert all(other in error for other, word in seen.items() if word != "done")
        assert "Traceback" not in said + error
        last = [line for line in said.splitlines() if line.startswith("  epoch")][-1]
        finished, durable = int(last.split()[1].split("/")[0]), forks.durable(runs / run_id)
        assert durable == finished and 5 <= finished <= EPOCHS  # what came while the thread was writing is written at the end
        expected.append(f"resume epoch={durable}")
    missing = [run_id for run_id, word in words(runs).items() if word != "done"]
    code, said, error = to_the_end(*arguments)
    assert code == 0 and begun(said) == missing and said.count("resume epoch=") == 1 and expected[0] in said, said + error
    assert set(words(runs).values()) == {"done"}
    folders = [runs / run_id for run_id in words(runs)]
    before = forks.tree(*folders)
    code, said, error = to_the_end(*arguments)
    assert code == 0 and begun(said) == [] and said.count("skipped") == 6
    assert forks.tree(*folders) == before
    figure(
        "R5",
        f"6-cell sweep stopped in cell 3 (SIGTERM) and cell 5 (SIGUSR1): exit 75 after {max(latencies):.1f} s at most,"
        f" 0 epochs lost, the same command trained exactly the {len(missing)} missing cells, the next one 0 epochs and 0 bytes",
    )
    for run_id, overrides in zip([*words(runs)][2:5:2], (["resizer=plain"], ["resizer=cbam"]), strict=True):
        undisturbed(tmp_path, runs / run_id, *overrides, "aug=base")


def undisturbed(tmp_path: Path, folder: Path, *overrides: str) -> None:
    """Assert that a run that was stopped equals one that never was, in another process."""
    config = forks.composed(*overrides, f"train.epochs={EPOCHS}")
    assert forks.forked(lambda: forks.train(config, tmp_path / "undisturbed"), tmp_path / "said") == 0
    assert forks.difference(forks.result(folder), forks.result(forks.folder_of(config, tmp_path / "undisturbed"))) == ""


def test_a_flood_of_signals(tmp_path: Path, command: Callable[..., Command], figure: Callable[[str, str], None]) -> None:
    """A second SIGTERM after 10 ms, then one every 20 ms until the process is gone: the same code, and few words."""
    runs = tmp_path / "runs"
    sweep = command(*SIX, f"paths.runs={runs}")
    sweep.follow(cell=1, epoch=5)
    sweep.process.send_signal(signal.SIGTERM)
    time.sleep(0.01)
    sent = 1
    while sweep.process.poll() is None:
        sweep.process.send_signal(signal.SIGTERM)
        sent += 1
        time.sleep(0.02)
    code, said, error = sweep.finish()
    figure("R5", f"{sent} SIGTERMs, the second after 10 ms, then one every 20 ms to the end: exit {code}")
    assert sent > 1 and code == 75
    assert list(words(runs).values()) == ["preempted"] + ["missing"] * 5
    assert "Traceback" not in said + error and error.count("\n") <= 8, error


def test_an_interrupt_leaves_the_rest_alone(tmp_path: Path, command: Callable[..., Command]) -> None:
    """SIGINT in cell 2 of 3: 130, the rest named and untouched, and the same command finishes exactly what is missing."""
    runs = tmp_path / "runs"
    arguments = [*THREE, f"paths.runs={runs}"]
    sweep = command(*arguments)
    run_id = sweep.follow(cell=2, epoch=3)
    sweep.process.send_signal(signal.SIGINT)
    code, said, error = sweep.finish()
    seen = words(runs)
    assert code == 130, said + error
    assert list(seen.values()) == ["done", "interrupted", "missing"] and list(seen)[1] == run_id
    assert "2 of 3 runs not finished" in error and all(other in error for other in list(seen)[1:])
    assert next(iter(seen)) not in error and "Traceback" not in said + error
    code, said, error = to_the_end(*arguments)
    assert code == 0 and begun(said) == list(seen)[1:] and "resume epoch=" in said, said + error
    assert set(words(runs).values()) == {"done"}


def test_a_signal_outside_a_run(tmp_path: Path, figure: Callable[[str, str], None]) -> None:
    """While the sweep is planned, and before a run has begun: a process is ours to stop at any time, always by code 75."""
    forks.composed()
    places = {"planning": (callback, "_check_all"), "between two runs": (EarlierRecord, "skip")}

    def signalled(when: str) -> int:
        owner, name = places[when]
        original = getattr(owner, name)

        def told(*arguments: object) -> object:
            os.kill(os.getpid(), signal.SIGTERM)
            return original(*arguments)

        setattr(owner, name, told)
        return forks.command(*THREE, f"paths.runs={tmp_path / when}")

    codes = {when: forks.forked(lambda w=when: signalled(w), tmp_path / f"{when}.said") for when in places}
    figure("R5", f"SIGTERM outside a run: {', '.join(f'{when}: exit {code}' for when, code in codes.items())}")
    assert set(codes.values()) == {75}, codes
    assert not any(file.read_text() for file in tmp_path.glob("*/*/epochs.jsonl"))  # nothing was trained
