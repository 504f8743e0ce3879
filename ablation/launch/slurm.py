"""Runs as SLURM jobs: what a job does, how a job array is submitted, and how the end of its jobs is detected.

submitit queues jobs again: its own handler has SIGUSR2, see `ablation.sweep.signals`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import submitit
from hydra.core.utils import JobReturn, JobStatus, configure_log
from hydra_plugins.hydra_submitit_launcher.config import BaseQueueConf
from hydra_plugins.hydra_submitit_launcher.submitit_launcher import SlurmLauncher
from submitit.core.utils import FailedJobError, pickle_load

from ablation.launch import progress
from ablation.launch.live_view import Screen, say, shown
from ablation.records import manifest, outcome
from ablation.records.numbers import duration
from ablation.records.outcome import accuracies, changed
from ablation.sweep import installation, signals
from ablation.sweep.devices import VISIBLE, check_slurm
from ablation.sweep.planned_run import Planned
from ablation.sweep.refusal import NotStarted, one_line
from ablation.sweep.signals import LeftInQueue, Preempted

PAUSE = 1.0  # seconds between two checks for results
POLL = 15.0  # seconds between two calls of squeue; a job that has ended at two calls and left no result has failed
ENDED = {
    "gone",
    "BOOT_FAIL",
    "CANCELLED",
    "COMPLETED",
    "DEADLINE",
    "FAILED",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "REVOKED",
    "TIMEOUT",
}
SCRIPTS = Path(__file__).parents[2]  # put on the job's PYTHONPATH: run.py's packages must be importable there, too


class Job(SlurmLauncher):
    """One job, on submitit's launcher: train one run as it was planned. Its `checkpoint` queues the job again."""

    def __call__(self, run: Planned) -> JobReturn:
        """Train the run; on any error return it, as Hydra does."""
        typed = f"{installation.command('run')} {shlex.join(run.overrides)}"
        print(f"{socket.gethostname()} $ {VISIBLE}={os.environ.get(VISIBLE, '')} {typed}", flush=True)
        configure_log(self.config.hydra.job_logging, self.config.hydra.verbose)
        os.environ.update(run.environment)
        result = JobReturn(overrides=run.overrides)
        try:
            result.return_value = self.task_function(run)
            result.status = JobStatus.COMPLETED
        except Exception as error:
            result.return_value = error
            result.status = JobStatus.FAILED
        return result


@dataclass
class Submitted:
    """One run and its job."""

    run: Planned
    job: submitit.Job[JobReturn]
    log: Path
    ended: bool = False  # at the last poll


@dataclass
class Array:
    """Jobs that were submitted together, at most `parallelism` of them at once."""

    number: str  # SLURM's job id
    parallelism: int
    items: list[Submitted]
    _closed: bool = field(default=False, init=False)  # waiting jobs were cancelled
    _poll_due: float = field(default=0.0, init=False)

    @property
    def name(self) -> str:
        """The array's name in messages."""
        return f"job {self.number}, {len(self.items)} run{'s'[: len(self.items) != 1]}"

    def ends(self, tick: Callable[[], object]) -> Iterator[tuple[Submitted, JobReturn]]:
        """Yield each run with its result as soon as its job ends; a job that ends without a result is a failure.

        Args:
            tick: called between two checks.

        Raises:
            Preempted: this process was asked to stop.
        """
        self._poll_due = time.monotonic() + POLL
        while self.items:
            try:
                tick()
            except Exception as error:  # an error in the view must not end the waiting
                tick = _nothing
                say(f"the view of the sweep ended: {type(error).__name__}: {error}")
            signals.raise_if_stopping()
            for item in [item for item in self.items if _has_result(item.job)]:
                self.items.remove(item)
                yield item, _result(item)
            if time.monotonic() > self._poll_due:
                self._poll_due = time.monotonic() + POLL
                yield from self._poll()
            time.sleep(PAUSE)

    def _poll(self) -> Iterator[tuple[Submitted, JobReturn]]:
        """Yield runs whose job had ended without a result now and at the last poll: a result file may appear with a delay."""
        states = _job_states()
        for item in list(self.items):
            state = states.get(item.job.job_id, "gone") if states is not None else "unknown"
            if self._closed and state == "CANCELLED":
                self.items.remove(item)  # never started: no failure
            elif item.ended and state in ENDED and not _has_result(item.job):
                self.items.remove(item)
                yield item, _failure(item, RuntimeError(f"killed: its job ended without a result, SLURM says: {state}"))
            item.ended = state in ENDED

    def cancel_waiting(self) -> None:
        """Cancel the jobs that have not started."""
        subprocess.run(["scancel", "--state=PENDING", self.number], check=False)
        self._closed, self._poll_due = True, 0.0


def submit(job: Job, runs: Mapping[int, Planned], folder: Path) -> Array:
    """Submit one array, and link each job's console output as `<run id>.log` in the sweep's folder.

    Args:
        job: after its `setup`.
        runs: by index in the sweep.
        folder: of the sweep.

    Raises:
        Refused: this machine cannot submit to SLURM.
        NotStarted: SLURM did not accept the array.
    """
    check_slurm()
    # sbatch passes the variable on to the job
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(SCRIPTS), os.environ.get("PYTHONPATH")]))
    try:
        jobs = _executor(job.params).map_array(job, list(runs.values()))
    except FailedJobError as error:
        lines = str(error).splitlines()
        errors = [line for line in lines if "error: " in line or "fatal: " in line] or lines
        (folder / manifest.NAME).unlink(missing_ok=True)  # no run started, so the sweep does not count
        raise NotStarted(f"hydra/launcher=slurm: SLURM took no job: {errors[-1].strip()}") from None
    items = []
    for run, submitted in zip(runs.values(), jobs, strict=True):
        log = folder / f"{run.folder.name}.log"
        log.unlink(missing_ok=True)
        log.symlink_to(os.path.relpath(submitted.paths.stdout, folder.absolute()))
        items.append(Submitted(run, submitted, log))
    return Array(jobs[0].job_id.partition("_")[0], min(int(job.params["array_parallelism"]), len(items)), items)


def follow(array: Array, runs: Path, folder: Path, fail_fast: bool) -> dict[Path, JobReturn]:
    """Wait until all jobs of an array have ended, and show the sweep meanwhile; return each run's result by its folder.

    Args:
        array: submitted.
        runs: the runs folder.
        folder: of the sweep.
        fail_fast: after the first run that fails, cancel the jobs that have not started.

    Raises:
        LeftInQueue: asked to stop waiting.
    """
    returned: dict[Path, JobReturn] = {}
    say(f"submitted to SLURM: {array.name}, at most {array.parallelism} at once")
    try:
        with Screen(progress.planned(runs, folder)) as screen:  # no slots: the cluster decides how many run at once
            for item, result in array.ends(screen.show):
                returned[item.run.folder] = result
                say(f"{item.run.run_id}: {sentence(item, result)}")
                if fail_fast and result.status == JobStatus.FAILED:
                    array.cancel_waiting()
    except (KeyboardInterrupt, Preempted) as stop:
        say(f"not waiting any more: what is left stays in SLURM's queue (to end it: scancel {array.number})")
        raise LeftInQueue(75 if isinstance(stop, Preempted) else 130) from None
    return returned


def _executor(parameters: Mapping[str, Any]) -> submitit.AutoExecutor:
    """Return submitit's executor with these parameters, named as in conf/hydra/launcher/slurm.yaml; None is SLURM's default."""
    remaining = {key: value for key, value in parameters.items() if value is not None}
    folder, max_timeouts = remaining.pop("submitit_folder"), remaining.pop("max_num_timeout")
    executor = submitit.AutoExecutor(folder, cluster="slurm", slurm_max_num_timeout=max_timeouts)
    shared = {entry.name for entry in dataclasses.fields(BaseQueueConf)}
    executor.update_parameters(**{key if key in shared else f"slurm_{key}": value for key, value in remaining.items()})
    return executor


def _nothing() -> None:
    """Do nothing: replaces the tick of a view that raised."""


def _has_result(job: submitit.Job[JobReturn]) -> bool:
    """Return True if a job has written its result. Setting the folder's mode makes NFS refresh its cache."""
    folder = job.paths.folder
    with contextlib.suppress(OSError):
        folder.chmod(folder.stat().st_mode)
    return bool(job.paths.result_pickle.exists())


def _result(item: Submitted) -> JobReturn:
    """Return the result that a job has written."""
    try:
        status, value = pickle_load(item.job.paths.result_pickle)
        if status == "success" and isinstance(value, JobReturn):
            return value
        return _failure(item, RuntimeError(f"failed: {str(value).strip().splitlines()[-1]}"))  # the traceback's last line
    except Exception as error:  # for example a class that is not importable here, or takes other arguments
        return _failure(item, RuntimeError(f"failed: its result cannot be read: {type(error).__name__}: {error}"))


def _failure(item: Submitted, error: RuntimeError) -> JobReturn:
    """Return the failed result of a job that returned none."""
    return JobReturn(item.run.overrides, status=JobStatus.FAILED, _return_value=error)


def _job_states() -> dict[str, str] | None:
    """Return the state of each of the user's jobs that SLURM lists, None if squeue fails."""
    command = ["squeue", "--states=all", "--array", "--noheader", "--format=%i %T", f"--user={os.getuid()}"]
    try:
        output = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    return {fields[0]: fields[1] for line in output.splitlines() if len(fields := line.split()) == 2}


def sentence(item: Submitted, result: JobReturn) -> str:
    """Return how a run ended, from its record or else from its error, which is marked as printed."""
    with contextlib.suppress(OSError):
        item.run.folder.chmod(item.run.folder.stat().st_mode)
    fresh = changed(item.run.folder) != item.run.earlier_change
    record = (outcome.read(item.run.folder) if fresh else None) or {}
    word, error = record.get("outcome", "running"), result._return_value
    if word == "done":
        return f"done: {accuracies(record)}, {record['epochs']} epochs in {duration(record['seconds'])}"
    if isinstance(error, Exception):
        error.printed = True  # type: ignore[attr-defined]  # command.py does not print it again
    if word != "running":
        message = ((record.get("error") or {}).get("message") or "no reason given").splitlines()
        return f"{word}: {message[0]} ({shown(item.log)})"
    if result.status == JobStatus.COMPLETED:
        return f"skipped, another process is running it ({shown(item.log)})"
    return f"{one_line(error, sys.argv[1:]) if isinstance(error, Exception) else error} ({shown(item.log)})"
