"""hydra/launcher=local_gpus: a fresh process a run, a queue over this machine's devices.

Hydra imports this file at every start, for --help too: what is heavy is imported in `launch`.
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


class LocalGpus(Launcher):
    """A queue of runs. The arguments stand in conf/hydra/launcher/local_gpus.yaml and were checked by the plan."""

    def __init__(self, devices: Any, jobs_per_device: int, retries: int) -> None:
        self.retries = retries

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep the sweep's configuration; the task is run.py's, in each process anew."""
        self.config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Carry a batch of planned runs out; those that have a result already are said and cost no process.

        Raises:
            KeyboardInterrupt, Preempted: asked to stop by SIGINT, or by SIGTERM or SIGUSR1, before all had a result.
        """
        from ablation.launch import progress
        from ablation.launch.live_view import Screen
        from ablation.launch.queue import Queue
        from ablation.sweep import settings
        from ablation.sweep.devices import slots
        from ablation.sweep.planned_run import PLANNED
        from ablation.sweep.signals import Preempted

        runs = PLANNED[initial_job_idx : initial_job_idx + len(job_overrides)]
        assert [run.overrides for run in runs] == [list(overrides) for overrides in job_overrides], "not what was planned"
        configure_log(self.config.hydra.job_logging, self.config.hydra.verbose)
        ahead = sorted((run for run in runs if not skipped(run)), key=expected_work, reverse=True)
        room = slots(settings.plain(self.config.hydra.launcher))
        with Screen(progress.planned(Path(self.config.paths.runs), Path(self.config.hydra.sweep.dir)), len(room)) as screen:
            limits = {"retries": self.retries, "fail_fast": self.config.fail_fast}
            queue = Queue(ahead, room, self._start, **limits, tick=screen.show)
            queue.work()
        if queue.stopped is not None:
            raise KeyboardInterrupt if queue.stopped == signal.SIGINT else Preempted("asked to stop")
        return [_job_return(run, queue.errors.get(run.folder)) for run in runs]

    def _start(self, run: Planned, slot: Slot) -> Child:
        from ablation.launch.process import Child, arguments

        log = Path(self.config.hydra.sweep.dir) / f"{run.folder.name}.log"
        given = arguments(sys.argv[1:], self.config.hydra.overrides.hydra, run.overrides)
        return Child(run, slot, log, sys.argv[0], given)


def skipped(run: Planned) -> bool:
    """Tell whether a run has a result already, and say so in its record's words."""
    from ablation.records.outcome import FINISHED
    from ablation.records.record import Record

    record = Record(run.folder, digest=run.digest, config=run.identity, study=run.study)
    return run.state in FINISHED and record.skip(run.config["rerun"])


def expected_work(run: Planned) -> int:
    """Return the multiply-accumulates that a run still needs forward: its time is about proportional to them."""
    from ablation.cost import model_size

    epoch = model_size.work(run)
    return int(epoch.macs * epoch.trained * max(1, run.train.epochs - run.epochs_done))


def _job_return(run: Planned, error: RuntimeError | None) -> JobReturn:
    status = JobStatus.COMPLETED if error is None else JobStatus.FAILED
    return JobReturn(overrides=run.overrides, status=status, _return_value=error)
