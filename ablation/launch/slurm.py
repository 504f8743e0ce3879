"""Runs as jobs of SLURM: what a job does, how an array of them is submitted, and how its end is noticed.

Owns what is asked of submitit and of SLURM. submitit owns the requeue: its handler has SIGUSR2, see `ablation.sweep.signals`.
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
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus
from hydra_plugins.hydra_submitit_launcher.config import BaseQueueConf
from hydra_plugins.hydra_submitit_launcher.submitit_launcher import SlurmLauncher
from submitit.core.utils import FailedJobError, pickle_load

from ablation.launch import progress
from ablation.launch.live_view import Screen, say, shown
from ablation.records import manifest, outcome
from ablation.records.numbers import duration
from ablation.records.outcome import accuracies, changed
from ablation.sweep import signals
from ablation.sweep.devices import VISIBLE, check_slurm
from ablation.sweep.planned_run import Planned
from ablation.sweep.refusal import NotStarted, one_line
from ablation.sweep.signals import LeftInQueue, Preempted

PAUSE = 1.0  # seconds between two looks for results
PATROL = 15.0  # seconds between two questions to SLURM; a job that is twice over without a result has none
OVER = {"gone", "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "REVOKED", "TIMEOUT"}
SCRIPTS = Path(__file__).parents[2]  # what run.py finds beside it must be found in the job, too, wherever the command is typed


class Job(SlurmLauncher):
    """What a job does, by submitit's launcher: composes one run and carries out run.py's task. `checkpoint` queues it again."""

    def __call__(self, sweep_overrides: list[str], *arguments: Any) -> JobReturn:
        typed = shlex.join(["python", "run.py", *sweep_overrides])
        print(f"{socket.gethostname()} $ {VISIBLE}={os.environ.get(VISIBLE, '')} {typed}", flush=True)
        result: JobReturn = super().__call__(sweep_overrides, *arguments)
        return result


@dataclass
class Submitted:
    """One run and its job."""

    run: Planned
    job: submitit.Job[JobReturn]
    log: Path
    over: bool = False  # at the last patrol


@dataclass
class Array:
    """Jobs that were submitted together, at most `room` of them at once."""

    number: str  # SLURM's
    room: int
    items: list[Submitted]
    _closed: bool = field(default=False, init=False)  # nothing starts any more
    _patrol_due: float = field(default=0.0, init=False)

    @property
    def name(self) -> str:
        """The array in words."""
        return f"job {self.number}, {len(self.items)} run{'s'[: len(self.items) != 1]}"

    def ends(self, tick: Callable[[], object]) -> Iterator[tuple[Submitted, JobReturn]]:
        """Yield each run and what it came to, when it has: a result, or a job that is over without one.

        Args:
            tick: called between two looks.

        Raises:
            Preempted: this process was asked to stop.
        """
        self._patrol_due = time.monotonic() + PATROL
        while self.items:
            try:
                tick()
            except Exception as error:  # a view that breaks must not end the waiting
                tick = _nothing
                say(f"the view of the sweep ended: {type(error).__name__}: {error}")
            signals.raise_if_stopping()
            for item in [item for item in self.items if _arrived(item.job)]:
                self.items.remove(item)
                yield item, _result(item)
            if time.monotonic() > self._patrol_due:
                self._patrol_due = time.monotonic() + PATROL
                yield from self._patrol()
            time.sleep(PAUSE)

    def _patrol(self) -> Iterator[tuple[Submitted, JobReturn]]:
        """Yield runs whose job was over without a result, now and at the last patrol: a file may come later than the news."""
        states = _states()
        for item in list(self.items):
            state = states.get(item.job.job_id, "gone") if states is not None else "unknown"
            if self._closed and state == "CANCELLED":
                self.items.remove(item)  # not begun, and not missed
            elif item.over and state in OVER and not _arrived(item.job):
                self.items.remove(item)
                yield item, _lost(item, RuntimeError(f"killed: its job ended without a word, SLURM says: {state}"))
            item.over = state in OVER

    def cancel_waiting(self) -> None:
        """Take the jobs that have not started out of the queue."""
        subprocess.run(["scancel", "--state=PENDING", self.number], check=False)
        self._closed, self._patrol_due = True, 0.0


def submit(job: Job, runs: Mapping[int, Planned], folder: Path) -> Array:
    """Submit one array, and link each run's console to where it is looked for: `<run id>.log` in the sweep's folder.

    Args:
        job: set up.
        runs: by their place in the sweep.
        folder: the sweep's.

    Raises:
        Refused: there is no SLURM here.
        NotStarted: it did not take the array.
    """
    check_slurm()
    os.environ["PYTHONPATH"] = os.pathsep.join(
        filter(None, [str(SCRIPTS), os.environ.get("PYTHONPATH")])
    )  # sbatch passes it on
    state = Singleton.get_state()
    arguments = [(list(run.overrides), "hydra.sweep.dir", place, f"{place}", state) for place, run in runs.items()]
    try:
        jobs = _executor(job.params).map_array(job, *zip(*arguments, strict=True))
    except FailedJobError as error:
        lines = str(error).splitlines()
        said = [line for line in lines if "error: " in line or "fatal: " in line] or lines
        (folder / manifest.NAME).unlink(missing_ok=True)  # nothing was begun: this is no sweep
        raise NotStarted(f"hydra/launcher=slurm: SLURM took no job: {said[-1].strip()}") from None
    items = []
    for run, submitted in zip(runs.values(), jobs, strict=True):
        log = folder / f"{run.folder.name}.log"
        log.unlink(missing_ok=True)
        log.symlink_to(os.path.relpath(submitted.paths.stdout, folder.absolute()))
        items.append(Submitted(run, submitted, log))
    return Array(jobs[0].job_id.partition("_")[0], min(int(job.params["array_parallelism"]), len(items)), items)


def follow(array: Array, runs: Path, folder: Path, fail_fast: bool) -> dict[Path, JobReturn]:
    """Wait for an array's end, showing its sweep; return what each run came to, by its folder.

    Args:
        array: submitted.
        runs: the runs folder.
        folder: the sweep's.
        fail_fast: the first run that fails takes the jobs that have not started out of the queue.

    Raises:
        LeftInQueue: asked to stop waiting.
    """
    returned: dict[Path, JobReturn] = {}
    say(f"SLURM has them: {array.name}, at most {array.room} at once")
    try:
        with Screen(progress.planned(runs, folder)) as screen:  # how many run at once is the cluster's affair
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
    given = {key: value for key, value in parameters.items() if value is not None}
    folder, most = given.pop("submitit_folder"), given.pop("max_num_timeout")
    executor = submitit.AutoExecutor(folder, cluster="slurm", slurm_max_num_timeout=most)
    shared = {one.name for one in dataclasses.fields(BaseQueueConf)}
    executor.update_parameters(**{key if key in shared else f"slurm_{key}": value for key, value in given.items()})
    return executor


def _nothing() -> None:
    """Stand for a view that broke."""


def _arrived(job: submitit.Job[JobReturn]) -> bool:
    """Return True if a job has left its result. Setting a folder's mode makes NFS look at the server again."""
    folder = job.paths.folder
    with contextlib.suppress(OSError):
        folder.chmod(folder.stat().st_mode)
    return bool(job.paths.result_pickle.exists())


def _result(item: Submitted) -> JobReturn:
    """Return what a job left."""
    try:
        word, value = pickle_load(item.job.paths.result_pickle)
        if word == "success" and isinstance(value, JobReturn):
            return value
        return _lost(item, RuntimeError(f"failed: {str(value).strip().splitlines()[-1]}"))  # the traceback's last line
    except Exception as error:  # one that cannot be read here: its class is not importable, or wants other arguments
        return _lost(item, RuntimeError(f"failed: its result cannot be read: {type(error).__name__}: {error}"))


def _lost(item: Submitted, error: RuntimeError) -> JobReturn:
    """Return a failure of a run that could not tell its own."""
    return JobReturn(item.run.overrides, status=JobStatus.FAILED, _return_value=error)


def _states() -> dict[str, str] | None:
    """Return the state of each of the user's jobs that SLURM remembers, None where it does not answer."""
    command = ["squeue", "--states=all", "--array", "--noheader", "--format=%i %T", f"--user={os.getuid()}"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    return {words[0]: words[1] for line in said.splitlines() if len(words := line.split()) == 2}


def sentence(item: Submitted, result: JobReturn) -> str:
    """Say how a run ended: by its record's word, else by its error's. The error counts as told."""
    with contextlib.suppress(OSError):
        item.run.folder.chmod(item.run.folder.stat().st_mode)
    fresh = changed(item.run.folder) != item.run.earlier_change
    record = (outcome.read(item.run.folder) if fresh else None) or {}
    word, error = record.get("outcome", "running"), result._return_value
    if word == "done":
        return f"done: {accuracies(record)}, {record['epochs']} epochs in {duration(record['seconds'])}"
    if isinstance(error, Exception):
        error.printed = True  # type: ignore[attr-defined]  # command.py need not say it again
    if word != "running":
        message = ((record.get("error") or {}).get("message") or "no reason given").splitlines()
        return f"{word}: {message[0]} ({shown(item.log)})"
    if result.status == JobStatus.COMPLETED:
        return f"skipped, another process is at it ({shown(item.log)})"
    return f"{one_line(error, sys.argv[1:]) if isinstance(error, Exception) else error} ({shown(item.log)})"
