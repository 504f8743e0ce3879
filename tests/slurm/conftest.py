"""One SLURM for all tests of this folder, and sweeps in it, started as a user starts them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT, TINY, outcome_of
from tests.faults.conftest import figure  # noqa: F401
from tests.slurm.cluster import Cluster, wait_until

SMALL = ["hydra/launcher=slurm", "hydra.launcher.cpus_per_task=1", "hydra.launcher.mem_gb=1"]  # two fit in the pretended node
PATIENCE = 900.0  # seconds; a fiftieth on a quiet machine


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A SLURM with two pretended GPUs; an error where its packages are not installed."""
    with Cluster() as one:
        yield one


class Sweep:
    """A running `python run.py -m` and its runs folder."""

    def __init__(self, cluster: Cluster, folder: Path, *arguments: str) -> None:
        self.cluster, self.runs = cluster, folder / "runs"
        folder.mkdir(exist_ok=True)
        grid = [] if any(word.startswith("resizer=") for word in arguments) else ["resizer=none,plain,cbam", "aug=base,cutmix"]
        command = [sys.executable, str(ROOT / "run.py"), "-m", *TINY, *grid, "paths.runs=runs", *arguments]
        self.process = subprocess.Popen(
            command,
            cwd=folder,  # not the repository: a job must find the code all the same
            env=cluster.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self) -> tuple[int, str, str]:
        """Wait for the end; return exit code, stdout and stderr."""
        out, error = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out, error

    @property
    def folders(self) -> list[Path]:
        """The planned runs' folders, in the order of the plan."""
        plan = json.loads(sorted(self.runs.glob("sweeps/*/manifest.json"))[-1].read_text())
        return [self.runs / run["run_id"] for run in plan["runs"]]

    def words(self) -> list[str]:
        """Return each planned run's outcome, in the order of the plan."""
        return [outcome_of(folder)["outcome"] for folder in self.folders]

    def console(self, folder: Path) -> str:
        """Return what a run said in the latest sweep."""
        return sorted(self.runs.glob(f"sweeps/*/{folder.name}.log"))[-1].read_text()

    def job(self, folder: Path) -> str:
        """Return SLURM's id of a run's job."""
        return re.findall(r"JobEnvironment\(job_id=(\w+)", self.console(folder))[-1]

    def send(self, folder: Path, number: int) -> None:
        """Send a signal to the process that holds a run, past SLURM."""
        os.kill(int((folder / "lock").read_text().split()[1]), number)

    def follow(self, *at_least: int) -> list[Path]:
        """Wait until the first runs of the plan have so many epochs each; return their folders."""

        def there() -> bool:
            assert self.process.poll() is None, self.process.communicate()
            if not list(self.runs.glob("sweeps/*/manifest.json")):
                return False
            return all(epochs(folder) >= number for folder, number in zip(self.folders, at_least, strict=False))

        wait_until(there, PATIENCE, lambda: f"{self.cluster.jobs()} {[epochs(folder) for folder in self.folders]}")
        return self.folders[: len(at_least)]


def epochs(folder: Path) -> int:
    """Return how many epochs a run has on disk."""
    rows = folder / "epochs.jsonl"
    return rows.read_text().count("\n") if rows.exists() else 0


Start = Callable[..., Sweep]


@pytest.fixture
def start(cluster: Cluster, tmp_path: Path) -> Iterator[Start]:
    """Start sweeps below the test's folder, in SLURM unless asked otherwise; nothing of them outlives the test."""
    started: list[Sweep] = []

    def begin(*arguments: str, name: str = "slurm") -> Sweep:
        started.append(Sweep(cluster, tmp_path / name, *(SMALL if name == "slurm" else []), *arguments))
        return started[-1]

    yield begin
    for sweep in started:
        if sweep.process.poll() is None:
            sweep.process.kill()
            sweep.process.communicate()
    cluster.empty()
