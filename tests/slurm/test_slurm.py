"""hydra/launcher=slurm in a real SLURM: the same runs as ever, whatever the cluster does to their jobs."""

from __future__ import annotations

import datetime
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from omegaconf import DictConfig

from ablation.sweep import planned_run
from tests.conftest import ROOT, TINY, outcome_of
from tests.faults import forks
from tests.slurm.cluster import Cluster, wait_until
from tests.slurm.conftest import PATIENCE, Start, Sweep, epochs

pytestmark = pytest.mark.system

Figure = Callable[[str, str], None]
LONG = ["resizer=plain", "aug=base,cutmix", "data.limit=200", "train.epochs=100"]  # ten seconds or more
ENDLESS = ["resizer=none", "aug=base,cutmix", "train.epochs=100000"]


def equal(sweep: Sweep, other: Sweep) -> None:
    """Assert that two sweeps have the same runs, to the last bit."""
    assert [folder.name for folder in sweep.folders] == [folder.name for folder in other.folders]
    for one, same in zip(sweep.folders, other.folders, strict=True):
        assert forks.difference(forks.result(one), forks.result(same)) == ""


def starts(console: str) -> int:
    """Return how often a job was begun, from its console."""
    return console.count("Starting with JobEnvironment")


def test_six_runs_are_those_of_the_basic_launcher(cluster: Cluster, start: Start, figure: Figure) -> None:
    basic, began = start(name="basic"), time.monotonic()
    sweep = start()
    code, said, error = sweep.finish()
    figure("slurm", f"six tiny runs, two at once, in {time.monotonic() - began:.0f} s")
    assert (code, error) == (0, ""), said
    assert said.splitlines()[0] == "plan: 6 runs: 6 to do" and said.count(": done: best ") == 6
    assert basic.finish()[0] == 0
    equal(sweep, basic)
    (folder,) = sweep.runs.glob("sweeps/*")
    names = {
        "manifest.json",
        "configurations.json",
        "multirun.yaml",
        ".submitit",
        *(f"{run.name}.log" for run in sweep.folders),
    }
    assert {file.name for file in folder.iterdir()} == names
    alone_on_their_gpus([sweep.console(run) for run in sweep.folders])
    before, jobs = forks.tree(*sweep.folders), len(cluster.jobs())
    code, said, error = start().finish()
    assert (code, error, said.count("done, skipped")) == (0, "", 6)
    assert forks.tree(*sweep.folders) == before and len(cluster.jobs()) == jobs  # nothing was submitted


def alone_on_their_gpus(consoles: list[str]) -> None:
    """Assert that both GPUs were used, and each by one run at a time, from submitit's first and last line in each console."""
    spans: dict[str, list[tuple[datetime.datetime, datetime.datetime]]] = {}
    for console in consoles:
        (gpu,) = re.findall(r"^\S+ \$ CUDA_VISIBLE_DEVICES=(\d+) python run\.py resizer=", console, re.MULTILINE)
        times = [datetime.datetime.fromisoformat(one) for one in re.findall(r"^submitit INFO \((.+?)\)", console, re.MULTILINE)]
        spans.setdefault(gpu, []).append((times[0], times[-1]))
    assert set(spans) == {"0", "1"}
    for used in spans.values():
        assert all(earlier[1] <= later[0] for earlier, later in pairwise(sorted(used)))


def test_a_job_that_is_queued_again_goes_on(cluster: Cluster, start: Start, figure: Figure) -> None:
    """By submitit, on the signal that SLURM sends before a job's time is over, and by SLURM, for a higher partition."""
    basic = start(*LONG, name="basic")
    sweep = start(*LONG, "hydra.launcher.max_num_timeout=1", "hydra.launcher.timeout_min=5")
    signalled, other = sweep.follow(3, 3)
    sweep.send(other, signal.SIGSTOP)  # SLURM lets it go on when it asks it to end: however fast, it is in the middle then
    cluster.ask("scancel", "--signal=USR2", sweep.job(signalled))
    wait_until(lambda: outcome_of(signalled)["outcome"] == "preempted", PATIENCE, lambda: sweep.console(signalled))
    stopped = epochs(signalled)
    assert outcome_of(signalled)["error"]["message"] == "queued again by submitit; it resumes from its last checkpoint"
    cluster.ask("sbatch", "--partition=high", "--gpus-per-node=2", "--output=/dev/null", "--wrap=sleep 1")
    wait_until(lambda: cluster.jobs()[sweep.job(other)] == "PENDING", PATIENCE, lambda: str(cluster.jobs()))
    killed = epochs(other)
    code, said, error = sweep.finish()
    assert (code, error) == (0, ""), said
    assert sweep.words() == ["done", "done"] and 3 <= stopped < 100 and 3 <= killed < 100
    resumed = {
        folder: [int(one) for one in re.findall(r": resume epoch=(\d+)", sweep.console(folder))] for folder in sweep.folders
    }
    figure(
        "slurm",
        f"queued again by submitit at epoch {stopped}, by SLURM at {killed}: resumed at {[*resumed.values()]}, same bits",
    )
    for folder, epoch in ((signalled, stopped), (other, killed)):
        assert resumed[folder][0] in (epoch, epoch + 1)  # the checkpoint comes before the row
        assert starts(sweep.console(folder)) >= 2
    assert basic.finish()[0] == 0
    equal(sweep, basic)


def test_a_job_whose_time_is_over_and_one_that_is_killed(cluster: Cluster, start: Start, figure: Figure) -> None:
    """No requeue is left for the first, the second cannot say a word: the command outlives both and names them."""
    sweep = start(
        *ENDLESS, "hydra.launcher.max_num_timeout=0", "hydra.launcher.timeout_min=1", "hydra.launcher.signal_delay_s=20"
    )
    timed, killed = sweep.follow(1, 1)
    sweep.send(killed, signal.SIGKILL)
    code, said, error = sweep.finish()
    assert code == 75, said + error
    assert sweep.words() == ["preempted", "running"] and forks.durable(timed) == epochs(timed) >= 1
    assert "timed-out too many times" in sweep.console(timed)
    assert cluster.jobs()[sweep.job(timed)] == "COMPLETED"  # in time
    assert f"{timed.name}: preempted: asked to stop; run the same command again to go on (runs/sweeps/" in said
    assert f"{killed.name}: killed: its job ended without a result, SLURM says: FAILED (runs/sweeps/" in said
    assert error.splitlines()[-3:] == [
        "2 of 2 runs not finished; rerun this command to continue:",
        f"  preempted   {timed.name}",
        f"  killed      {killed.name}",
    ]
    figure("slurm", f"a time limit of 1 min: stopped at epoch {epochs(timed)}, which is on disk, exit {code}")


def test_the_command_can_be_left(cluster: Cluster, start: Start) -> None:
    sweep = start(*ENDLESS)
    first, second = sweep.follow(1, 1)
    sweep.process.send_signal(signal.SIGINT)
    code, said, error = sweep.finish()
    assert (code, error) == (130, "")  # they are SLURM's now: nobody is told to type the command again
    number = sweep.job(first).partition("_")[0]
    assert said.endswith(f"what is left stays in SLURM's queue (to end it: scancel {number})\n")
    assert [cluster.jobs()[sweep.job(folder)] for folder in (first, second)] == ["RUNNING"] * 2


def test_fail_fast_takes_what_waits_out_of_the_queue(
    cluster: Cluster, start: Start, composed: Callable[..., DictConfig], tmp_path: Path
) -> None:
    """One at a time, and the first fails: a file is where its checkpoints must go. The second may have begun by then."""
    cell = ["resizer=none", "aug=base"]
    first = planned_run.plan(composed(*TINY, *cell, "seed=0")).folder.name
    (tmp_path / "slurm" / "runs" / first).mkdir(parents=True)
    (tmp_path / "slurm" / "runs" / first / "checkpoints").touch()
    sweep = start(*cell, "seed=0,1,2", "fail_fast=true", "hydra.launcher.array_parallelism=1")
    code, said, error = sweep.finish()
    assert code == 1 and f"{first}: failed: " in said and "checkpoints" in said, said + error
    assert "of 3 runs not finished" in error and f"to do       {sweep.folders[2].name}" in error and "Traceback" not in error
    assert not (sweep.folders[2] / "outcome.json").exists() and "CANCELLED" in cluster.jobs().values()


def test_what_slurm_does_not_take_is_one_line(start: Start) -> None:
    code, said, error = start("hydra.launcher.partition=nowhere", "resizer=none", "aug=base").finish()
    assert code == 1 and said == "plan: 1 run: 1 to do\n"
    assert "refused: hydra/launcher=slurm: SLURM took no job: sbatch: error: " in error
    assert "invalid partition" in error.lower() and "Traceback" not in error


def refused(folder: Path, **environment: str) -> tuple[int, str]:
    command = [sys.executable, "run.py", "-m", "profile=demo", "hydra/launcher=slurm", f"paths.runs={folder / 'runs'}"]
    environment = {**os.environ, **environment}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    return done.returncode, done.stderr


def test_without_submitit(tmp_path: Path) -> None:
    """As where it is not installed: an empty package stands in its place, so nothing registers its configuration."""
    for name in ("hydra_plugins/hydra_submitit_launcher", "submitit"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "__init__.py").touch()
    code, error = refused(tmp_path, PYTHONPATH=str(tmp_path))
    assert code == 1 and not (tmp_path / "runs").exists()
    assert error == "refused: hydra/launcher=slurm: submitit is not installed: pip install hydra-submitit-launcher\n"


def test_without_slurm(tmp_path: Path) -> None:
    code, error = refused(tmp_path, PATH=str(tmp_path))
    assert code == 1
    assert not (tmp_path / "runs").exists()
    assert error.startswith("refused: hydra/launcher=slurm: no sbatch and srun here: start it on a node of the cluster")
