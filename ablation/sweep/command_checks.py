"""What a whole command is refused for before its first run: tracker, launcher, rounds, the folder of its records."""

from __future__ import annotations

import tempfile
from pathlib import Path

from omegaconf import DictConfig

from ablation.records import wandb_settings
from ablation.sweep import installation, settings
from ablation.sweep.devices import check_arguments, check_slurm, slots
from ablation.sweep.ranges import check_range
from ablation.sweep.refusal import Refused


def check_tracker(config: DictConfig) -> wandb_settings.Chosen | None:
    """Return where W&B sends the runs, None for nowhere; refuse before the first run what W&B would refuse at each start."""
    tracker = settings.plain(config.tracker)
    try:
        return None if tracker["mode"] == "disabled" else wandb_settings.check(tracker)
    except wandb_settings.Wrong as error:
        raise Refused(str(error)) from None


def check_launcher(config: DictConfig, on_this_machine: bool, mode: str | None) -> None:
    """Refuse bad launcher arguments before anything is written; with `on_this_machine` also devices that it lacks."""
    launcher = settings.plain(config.hydra.launcher)
    if "devices" in launcher:
        (slots if on_this_machine else check_arguments)(launcher, settings.as_typed(config.hydra, "hydra"))
    if "array_parallelism" in launcher and mode == "check":
        way_out = f"srun --gpus=1 {installation.command('run')} -m ... check=true, without hydra/launcher=slurm"
        raise Refused(f"check=true: tries the cells on this machine; on a node of the cluster: {way_out}")
    if "array_parallelism" in launcher and on_this_machine:
        check_slurm()


def check_rounds(config: DictConfig, sweep: bool) -> None:
    """Refuse looks that are none before they are used, and rounds of a single run."""
    for key in ("looks", "hours"):
        check_range(f"rounds.{key}", settings.plain(config.rounds)[key], settings.as_typed(config.hydra), {})
    if not sweep:
        raise Refused("hydra/sweeper=rounds: needs -m; without it a command is one run")


def check_writable(runs: Path) -> None:
    """Refuse a folder that no record can be written to, as in a checkout that others own, before the first run trains."""
    try:
        runs.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=runs):
            pass
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise Refused(
            f"paths.runs={runs}: cannot be written ({reason}): say paths.runs=FOLDER, or start in another folder"
        ) from None
