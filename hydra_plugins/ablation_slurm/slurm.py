"""hydra/launcher=slurm: an array of SLURM jobs, one for each run without a result, submitted and requeued by submitit.

Hydra imports this file at every start, for --help too: what is heavy, or may not be installed, is imported in `launch`.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.utils import JobReturn, JobStatus, configure_log
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

if TYPE_CHECKING:
    from ablation.launch.slurm import Array


def check() -> None:
    """Refuse a machine that cannot submit, before anything is written.

    Raises:
        Refused: there is no sbatch or no srun.
    """
    from ablation.sweep.refusal import Refused

    if shutil.which("sbatch") is None or shutil.which("srun") is None:
        raise Refused("hydra/launcher=slurm: no sbatch and srun here: start it on a node of the cluster that has them")


class Slurm(Launcher):
    """Waits for jobs. The arguments are submitit's; conf/hydra/launcher/slurm.yaml says what ours default to, and why."""

    def __init__(self, **parameters: Any) -> None:
        self.parameters = parameters

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what every job needs."""
        self.needs: dict[str, Any] = {"hydra_context": hydra_context, "task_function": task_function, "config": config}
        self.config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Carry a batch of planned runs out; those that have a result already are said and not submitted.

        Raises:
            Refused: there is no SLURM here, or it took no job.
            KeyboardInterrupt, Preempted: asked to stop waiting; the jobs stay in the queue.
        """
        from ablation.launch.slurm import Job, submit
        from ablation.sweep.planned_run import PLANNED
        from hydra_plugins.ablation_launchers import skipped

        runs = PLANNED[initial_job_idx : initial_job_idx + len(job_overrides)]
        assert [run.overrides for run in runs] == [list(overrides) for overrides in job_overrides], "not what was planned"
        configure_log(self.config.hydra.job_logging, self.config.hydra.verbose)
        numbered = {initial_job_idx + place: run for place, run in enumerate(runs) if not skipped(run)}
        returned: dict[Path, JobReturn] = {}
        if numbered:
            job = Job(**self.parameters)
            job.setup(**self.needs)
            returned = self._follow(submit(job, numbered, Path(self.config.hydra.sweep.dir)))
        return [returned.get(run.folder) or JobReturn(run.overrides, status=JobStatus.COMPLETED) for run in runs]

    def _follow(self, array: Array) -> dict[Path, JobReturn]:
        """Follow an array to its end; return what each run came to, by its folder."""
        from ablation.launch import progress
        from ablation.launch.live_view import Screen
        from ablation.launch.queue import say
        from ablation.launch.slurm import sentence
        from ablation.sweep.planned_run import PLANNED
        from ablation.sweep.signals import Preempted

        returned: dict[Path, JobReturn] = {}
        say(f"SLURM has them: {array.name}, at most {array.room} at once")
        sweep = progress.planned(Path(self.config.paths.runs), Path(self.config.hydra.sweep.dir))
        try:
            with Screen(sweep) as screen:  # how many run at once is the cluster's affair
                for item, result in array.ends(screen.show):
                    returned[item.run.folder] = result
                    say(f"{item.run.folder.name}: {sentence(item, result)}")
                    if self.config.fail_fast and result.status == JobStatus.FAILED:
                        array.cancel_waiting()
        except (KeyboardInterrupt, Preempted):
            say(f"not waiting any more: what is left stays in SLURM's queue (to end it: scancel {array.number})")
            PLANNED.clear()  # they are SLURM's now: typing the command again would queue each a second time
            raise
        return returned
