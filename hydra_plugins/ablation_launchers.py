"""The two launchers, as Hydra finds them; what they do stands in ablation/launch.

Hydra imports this file at every start, for --help too: what is heavy, or may not be installed, is imported in `launch`.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.utils import JobReturn, JobStatus, configure_log
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

if TYPE_CHECKING:
    from ablation.launch.process import Child
    from ablation.sweep.devices import Slot
    from ablation.sweep.planned_run import Planned


def batch(job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[Planned]:
    """Return the planned runs of one batch of the sweeper."""
    from ablation.sweep.planned_run import PLANNED

    runs = PLANNED[initial_job_idx : initial_job_idx + len(job_overrides)]
    assert [run.overrides for run in runs] == [list(overrides) for overrides in job_overrides], "not what was planned"
    return runs


class LocalGpus(Launcher):
    """hydra/launcher=local_gpus: a queue over this machine's devices, a fresh process a run.

    The arguments stand in conf/hydra/launcher/local_gpus.yaml and were checked by the plan.
    """

    def __init__(self, devices: Any, jobs_per_device: int, retries: int) -> None:
        self.retries = retries

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep the sweep's configuration; the task is run.py's, in each process anew."""
        self.config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run a batch of planned runs; those that have a result already are printed and cost no process.

        Raises:
            KeyboardInterrupt, Preempted: asked to stop by SIGINT, or by SIGTERM or SIGUSR1, before all had a result.
        """
        from ablation.launch import progress
        from ablation.launch.live_view import Screen
        from ablation.launch.queue import Queue, expected_work, skipped
        from ablation.sweep.devices import slots
        from ablation.sweep.signals import Preempted

        runs = batch(job_overrides, initial_job_idx)
        configure_log(self.config.hydra.job_logging, self.config.hydra.verbose)
        ahead = sorted((run for run in runs if not skipped(run)), key=expected_work, reverse=True)
        room = slots(runs[0].launcher)
        with Screen(progress.planned(Path(self.config.paths.runs), Path(self.config.hydra.sweep.dir)), len(room)) as screen:
            limits = {"retries": self.retries, "fail_fast": self.config.fail_fast}
            queue = Queue(ahead, room, self._start, **limits, tick=screen.show)
            queue.work()
        if queue.stopped is not None:
            raise KeyboardInterrupt if queue.stopped == signal.SIGINT else Preempted("asked to stop")
        return [_job_return(run, queue.errors.get(run.folder)) for run in runs]

    def _start(self, run: Planned, slot: Slot) -> Child:
        from ablation.launch.process import Child, arguments

        log = Path(self.config.hydra.sweep.dir) / f"{run.run_id}.log"
        given = arguments(sys.argv[1:], self.config.hydra.overrides.hydra, run.overrides)
        return Child(run, slot, log, sys.argv[0], given)


def _job_return(run: Planned, error: RuntimeError | None) -> JobReturn:
    status = JobStatus.COMPLETED if error is None else JobStatus.FAILED
    return JobReturn(overrides=run.overrides, status=status, _return_value=error)


class Slurm(Launcher):
    """hydra/launcher=slurm: an array of SLURM jobs, one for each run without a result, submitted and requeued by submitit.

    The arguments are submitit's; conf/hydra/launcher/slurm.yaml says what ours default to, and why.
    """

    def __init__(self, **parameters: Any) -> None:
        self.parameters = parameters

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what every job needs."""
        self.needs: dict[str, Any] = {"hydra_context": hydra_context, "task_function": task_function, "config": config}
        self.config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run a batch of planned runs; those that have a result already are printed and not submitted.

        Raises:
            NotStarted: there is no SLURM here, or it took no job.
            LeftInQueue: asked to stop waiting; the jobs stay in the queue.
        """
        from ablation.launch.queue import skipped
        from ablation.launch.slurm import Job, follow, submit

        runs, folder = batch(job_overrides, initial_job_idx), Path(self.config.hydra.sweep.dir)
        configure_log(self.config.hydra.job_logging, self.config.hydra.verbose)
        numbered = {initial_job_idx + index: run for index, run in enumerate(runs) if not skipped(run)}
        returned: dict[Path, JobReturn] = {}
        if numbered:
            job = Job(**self.parameters)
            job.setup(**self.needs)
            returned = follow(submit(job, numbered, folder), Path(self.config.paths.runs), folder, self.config.fail_fast)
        return [returned.get(run.folder) or JobReturn(run.overrides, status=JobStatus.COMPLETED) for run in runs]
