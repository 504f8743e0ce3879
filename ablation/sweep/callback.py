"""Before the first run starts: compose, check and build every run of the command, write the manifest, print the plan.

Hydra only warns about an Exception in a callback and continues, so every error here ends in SystemExit.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from ablation.records.manifest import write_manifest
from ablation.records.outcome import FINISHED
from ablation.records.record import Record
from ablation.records.wandb_process import has_key
from ablation.sweep import busy_gpus, confounded, data_findings, exit_reason, installation, modes, own_parts, settings
from ablation.sweep.devices import check_arguments, check_slurm, slots
from ablation.sweep.planned_run import PLANNED, Planned, plan
from ablation.sweep.refusal import Refused, one_line

BASIC = "hydra._internal.core_plugins.basic_launcher.BasicLauncher"


class PlanCallback(Callback):
    """Hydra's hooks. Has no attributes: launchers pickle it."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Plan a single run; it has no manifest."""
        _guard(config, lambda: [(list(config.hydra.overrides.task), config)], sweep=None)

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Plan every run of a sweep."""
        _guard(config, lambda: _jobs(config), sweep=Path(config.hydra.sweep.dir))


def _guard(config: DictConfig, jobs: Callable[[], Iterable[tuple[list[str], DictConfig]]], sweep: Path | None) -> None:
    """Plan the command's runs; on any error print one line and exit with code 1, so that no run starts."""
    overrides: list[str] = list(config.hydra.overrides.task)
    try:
        mode = modes.mode_of(config)
        if mode == "cache":  # needs no runs
            raise modes.OtherMode(mode, [], config)
        on_this_machine = mode not in ("plan", "fetch")  # those need neither this machine's devices nor a W&B key
        if on_this_machine:
            _check_tracker(config)
        if sweep:
            _check_launcher(config, on_this_machine, mode)
        _check_all(jobs(), config, on_this_machine)
        if mode != "fetch":
            data_findings.show(PLANNED)
            confounded.show(PLANNED)
            busy_gpus.show(busy_gpus.busy())
        if mode == "plan" or (sweep and mode is None):
            _print(config)
        if mode:
            runs, PLANNED[:] = list(PLANNED), []  # no run will be trained, so none counts as unfinished
            raise modes.OtherMode(mode, runs, config)
        if sweep:
            _write(config, sweep)
    except Exception as error:
        reason = one_line(error, overrides)
        print(f"refused: {reason}", file=sys.stderr)
        exit_reason.write("refused", reason)
        raise SystemExit(1) from None


def _jobs(config: DictConfig) -> Iterator[tuple[list[str], DictConfig]]:
    """Yield (overrides, whole configuration) of every job in the sweeper's order, with the calls that Hydra itself makes."""
    loader = GlobalHydra.instance().config_loader()
    arguments = [f"{key}={value}" for key, value in (config.hydra.sweeper.params or {}).items()]
    parsed = OverridesParser.create(config_loader=loader).parse_overrides([*arguments, *config.hydra.overrides.task])
    for overrides in BasicSweeper.split_arguments(parsed, max_batch_size=None)[0]:
        yield list(overrides), loader.load_sweep_config(config, list(overrides))


def _check_all(jobs: Iterable[tuple[list[str], DictConfig]], command: DictConfig, on_this_machine: bool) -> None:
    """Check all runs without torch first, which takes a second; then build each distinct cell that will be trained.

    Args:
        jobs: overrides and configuration of each run.
        command: the configuration of the whole command.
        on_this_machine: also check that this machine can train the runs.
    """
    planned: dict[Path, Planned] = {}
    for overrides, config in jobs:
        own_parts.check_hydra(config, command)
        settings.check_config(config, overrides)
        modes.check_mode(config, command, overrides)
        run = plan(config, overrides)
        if run.folder in planned:
            raise Refused(f"{' '.join(overrides)}: planned twice (run {run.run_id}); name each run once")
        record = Record(run.folder, digest=run.digest, config=run.identity, study=run.study, own=run.own_code)
        record.old()  # refuses a folder of another run
        planned[run.folder] = run
    PLANNED[:] = planned.values()
    _build_all([run for run in PLANNED if modes.mode_of(command) or run.state not in FINISHED], on_this_machine)


def _build_all(runs: Sequence[Planned], on_this_machine: bool) -> None:
    """Build the parts of the runs, once for all seeds of a cell."""
    built: set[tuple[str, str]] = set()
    for run in runs:
        from ablation.cost import model_size as model_size  # torch takes seconds: imported only if there is a run to build

        parts = run.cell, str(run.config["tracker"])
        if parts not in built:
            built.add(parts)
            model_size.size(run)
            if on_this_machine and (run.launcher["_target_"] == BASIC or run.launcher.get("devices") == "cpu"):
                model_size.check_machine(run)


def _check_tracker(config: DictConfig) -> None:
    """Refuse `online` without a W&B key before the first run, not at the start of each run."""
    mode = config.tracker.mode if config.tracker.mode != "auto" else os.environ.get("WANDB_MODE")
    if mode == "online" and not has_key():
        name = "tracker.mode=online" if config.tracker.mode == "online" else "WANDB_MODE=online"
        raise Refused(f"{name}: there is no W&B key: wandb login (or set WANDB_API_KEY), or tracker.mode=offline")


def _check_launcher(config: DictConfig, on_this_machine: bool, mode: str | None) -> None:
    """Refuse bad launcher arguments before anything is written; with `on_this_machine` also devices that it lacks."""
    launcher = settings.plain(config.hydra.launcher)
    if "devices" in launcher:
        (slots if on_this_machine else check_arguments)(launcher, config.hydra.overrides.hydra)
    if "array_parallelism" in launcher and mode == "check":
        way_out = f"srun --gpus=1 {installation.command('run')} -m ... check=true, without hydra/launcher=slurm"
        raise Refused(f"check=true: tries the cells on this machine; on a node of the cluster: {way_out}")
    if "array_parallelism" in launcher and on_this_machine:
        check_slurm()


def _print(config: DictConfig) -> None:
    """Print the number of runs in each state, and the axes that the study added to the sweep."""
    typed = {override.partition("=")[0].lstrip("+~") for override in config.hydra.overrides.task}
    added = {key: value for key, value in (config.hydra.sweeper.params or {}).items() if key not in typed}
    if added and len(PLANNED) > 1:
        print(f"study {config.study.name} adds {' '.join(f'{key}={value}' for key, value in added.items())}")
    states = [run.state for run in PLANNED]
    counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    print(f"plan: {len(PLANNED)} run{'s'[: len(PLANNED) != 1]}: {counts}")


def _write(config: DictConfig, sweep: Path) -> None:
    """Write the sweep's manifest."""
    write_manifest(
        sweep,
        command=shlex.join(installation.typed()),
        study=settings.plain(config.study),
        tracker=settings.plain(config.tracker),
        runs={run.run_id: run.identity for run in PLANNED},
    )
