"""The sweeper and the two launchers that Hydra finds as plugins; the work is done in ablation/sweep and ablation/launch.

Hydra imports this file at every start, even for --help: heavy or optional packages are imported inside `sweep` and `launch`.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.utils import JobReturn, JobStatus, configure_log
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

if TYPE_CHECKING:
    from ablation.launch.process import Child
    from ablation.sweep.devices import Slot
    from ablation.sweep.planned_run import Planned


class PlannedSweeper(Sweeper):
    """The runs that were planned, in batches: the grid is neither computed nor composed a second time.

    Args:
        max_batch_size: the largest number of runs given to the launcher at once, None for all.
        params: the study's axes, which the plan has used.
    """

    def __init__(self, max_batch_size: int | None, params: Any = None) -> None:
        self.max_batch_size = max_batch_size

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Make the launcher."""
        from hydra.core.plugins import Plugins

        self.config: DictConfig = config
        context: dict[str, Any] = {"hydra_context": hydra_context, "task_function": task_function, "config": config}
        self.launcher: Launcher = Plugins.instance().instantiate_launcher(**context)

    def sweep(self, arguments: list[str]) -> None:
        """Launch every planned run.

        Raises:
            Exception: of the first run that failed.
        """
        from ablation.sweep.planned_run import PLANNED

        folder = Path(self.config.hydra.sweep.dir)
        folder.mkdir(parents=True, exist_ok=True)
        OmegaConf.save(self.config, folder / "multirun.yaml")
        runs = [run.overrides for run in PLANNED]
        size = self.max_batch_size or max(1, len(runs))
        for start in range(0, len(runs), size):
            for result in self.launcher.launch(runs[start : start + size], initial_job_idx=start):
                _ = result.return_value


class Rounds(PlannedSweeper):
    """hydra/sweeper=rounds: the planned runs by seeds, as long as a planned comparison is open; see ablation/rounds."""

    def sweep(self, arguments: list[str]) -> None:
        """Launch round after round.

        Raises:
            Exception: of the first run that failed, after its round.
        """
        from ablation.rounds.loop import Rounds
        from ablation.sweep.planned_run import PLANNED

        planned, launched = list(PLANNED), 0

        def launch(batch: Sequence[Planned]) -> None:
            nonlocal launched
            PLANNED[:] = rounds.needed()  # of these alone a missing result is one
            results = self.launcher.launch([run.overrides for run in batch], initial_job_idx=launched)
            launched += len(batch)
            for result in results:
                _ = result.return_value

        limits = self.config.rounds
        rounds = Rounds(planned, list(limits.looks), Path(self.config.hydra.sweep.dir), limits.hours, launch)
        PLANNED[:] = rounds.run()


def batch(job_overrides: Sequence[Sequence[str]]) -> list[Planned]:
    """Return the planned runs of one batch of the sweeper."""
    from ablation.sweep.planned_run import PLANNED

    by_overrides = {tuple(run.overrides): run for run in PLANNED}
    return [by_overrides[tuple(overrides)] for overrides in job_overrides]


class LocalGpus(Launcher):
    """hydra/launcher=local_gpus: a queue over this machine's devices, one process per run, forked from this one on Linux.

    The arguments are described in conf/hydra/launcher/local_gpus.yaml and were checked when the command was planned.
    """

    def __init__(self, devices: Any, jobs_per_device: int, retries: int, wait_for_free: bool) -> None:
        self.retries, self.wait_for_free = retries, wait_for_free

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep the sweep's configuration; each process runs the same command, so the task function is not needed."""
        self.config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run a batch of planned runs; those that already have a result are printed and start no process.

        Raises:
            KeyboardInterrupt: SIGINT came before all runs had a result.
            Preempted: SIGTERM or SIGUSR1 came before all runs had a result, or while waiting for a GPU.
        """
        from ablation.commands.run import warm
        from ablation.cost import packing
        from ablation.launch import forked, progress
        from ablation.launch.live_view import Screen
        from ablation.launch.queue import Queue, expected_work, skipped
        from ablation.sweep import names
        from ablation.sweep.busy_gpus import wait
        from ablation.sweep.devices import VISIBLE, slots
        from ablation.sweep.signals import Preempted

        runs = batch(job_overrides)
        configure_log(self.config.hydra.job_logging, self.config.hydra.verbose)
        to_run = sorted((run for run in runs if not skipped(run)), key=expected_work, reverse=True)
        devices = slots(runs[0].launcher, jobs=packing.of_queue(to_run) if to_run else 1)
        if self.wait_for_free and to_run:
            wait([gpu for slot in devices for gpu in slot.environment[VISIBLE].split(",") if gpu])
        self.by_forking = bool(to_run) and forked.possible() and warm(to_run)
        with Screen(progress.planned(Path(self.config.paths.runs), Path(self.config.hydra.sweep.dir)), len(devices)) as screen:
            limits = {"retries": self.retries, "fail_fast": self.config.fail_fast}
            queue = Queue(to_run, devices, self._start, **limits, tick=screen.show, apart=names.of_command(runs))
            queue.work()
        if queue.stopped is not None:
            raise KeyboardInterrupt if queue.stopped == signal.SIGINT else Preempted("asked to stop")
        return [_job_return(run, queue.errors.get(run.folder)) for run in runs]

    def _start(self, run: Planned, slot: Slot) -> Child:
        from ablation.launch.process import Child, arguments
        from ablation.sweep.settings import as_typed

        log = Path(self.config.hydra.sweep.dir) / f"{run.run_id}.log"
        script_arguments = arguments(sys.argv[1:], as_typed(self.config.hydra, "hydra"), run.overrides)
        return Child(run, slot, log, sys.argv[0], script_arguments, self.by_forking)


def _job_return(run: Planned, error: RuntimeError | None) -> JobReturn:
    status = JobStatus.COMPLETED if error is None else JobStatus.FAILED
    return JobReturn(overrides=run.overrides, status=status, _return_value=error)


class Slurm(Launcher):
    """hydra/launcher=slurm: an array of SLURM jobs, one for each run without a result, submitted and requeued by submitit.

    The arguments are submitit's; conf/hydra/launcher/slurm.yaml has this project's defaults and their reasons.
    """

    def __init__(self, **parameters: Any) -> None:
        self.parameters = parameters

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what the setup of every job needs."""
        self.job_setup: dict[str, Any] = {"hydra_context": hydra_context, "task_function": task_function, "config": config}
        self.config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run a batch of planned runs; those that already have a result are printed and not submitted.

        Raises:
            NotStarted: this machine cannot submit to SLURM, or SLURM accepted no job.
            LeftInQueue: asked to stop waiting; the jobs stay in the queue.
        """
        from ablation.launch.queue import skipped
        from ablation.launch.slurm import Job, follow, submit

        runs, folder = batch(job_overrides), Path(self.config.hydra.sweep.dir)
        configure_log(self.config.hydra.job_logging, self.config.hydra.verbose)
        numbered = {initial_job_idx + index: run for index, run in enumerate(runs) if not skipped(run)}
        returned: dict[Path, JobReturn] = {}
        if numbered:
            job = Job(**self.parameters)
            job.setup(**self.job_setup)
            returned = follow(submit(job, numbered, folder), Path(self.config.paths.runs), folder, self.config.fail_fast)
        return [returned.get(run.folder) or JobReturn(run.overrides, status=JobStatus.COMPLETED) for run in runs]
