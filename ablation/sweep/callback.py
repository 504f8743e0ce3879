"""Before the first run starts: compose, check and build every run of the command, write the manifest, print the plan.

Hydra only warns about an Exception in a callback and continues, so every error here ends in SystemExit.
"""

from __future__ import annotations

import contextlib
import shlex
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.global_hydra import GlobalHydra
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from ablation.records.earlier_record import EarlierRecord
from ablation.records.manifest import write_manifest
from ablation.records.numbers import duration
from ablation.records.outcome import FINISHED
from ablation.sweep import (
    busy_gpus,
    command_checks,
    confounded,
    data_findings,
    exit_reason,
    frozen,
    gpu_facts,
    installation,
    known_keys,
    modes,
    names,
    overrides,
    own_parts,
    security,
    settings,
    signals,
)
from ablation.sweep.compose import MANY, SweepLoader, grid, in_rounds
from ablation.sweep.planned_run import PLANNED, Planned, plan
from ablation.sweep.refusal import Refused, one_line

SECONDS_PER_RUN = 0.02  # of planning, on one core
BASIC = "hydra._internal.core_plugins.basic_launcher.BasicLauncher"


class PlanCallback(Callback):
    """Hydra's hooks. Has no attributes: launchers pickle it."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Plan a single run; it has no manifest."""
        _plan_or_exit(config, sweep=False)

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Plan every run of a sweep."""
        _plan_or_exit(config, sweep=True)


def _plan_or_exit(config: DictConfig, sweep: bool) -> None:
    """Plan the command's runs; on any error print one line and exit with code 1, so that no run starts."""
    reason = ""
    try:
        with signals.at_once():
            _plan(config, sweep)
        return
    except Exception as error:
        PLANNED.clear()
        reason = f"planning failed: {type(error).__name__}"  # if the words for it fail, too
        reason = one_line(error, settings.as_typed(config.hydra)) or reason
    finally:
        if reason:
            refuse(reason)


def refuse(reason: str) -> NoReturn:
    """Print why the command is refused, on a console that may be gone, and exit with code 1."""
    with contextlib.suppress(OSError, ValueError):
        print(f"refused: {reason}", file=sys.stderr, flush=True)
    exit_reason.write("refused", reason)
    raise SystemExit(1) from None


def _plan(config: DictConfig, sweep: bool) -> None:
    """Check and build all runs of the command, print the plan, and write a sweep's manifest.

    Raises:
        OtherMode: the command trains nothing.
        Exception: the command cannot be run.
    """
    mode = settings.mode_of(config)
    if mode == "cache":  # needs no runs
        raise modes.OtherMode(mode, [], config)
    on_this_machine = mode not in ("plan", "fetch")  # those need neither this machine's devices nor a W&B key
    if on_this_machine:
        command_checks.check_tracker(config)
    if sweep:
        command_checks.check_launcher(config, on_this_machine, mode)
    if in_rounds(config):
        command_checks.check_rounds(config, sweep)
    _check_all(_runs(config) if sweep else [(settings.as_typed(config.hydra), config)], config, on_this_machine)
    if mode != "fetch":
        data_findings.show(PLANNED)
        confounded.show(PLANNED)
        busy_gpus.show(busy_gpus.busy())
    if mode == "plan" or (sweep and mode is None):
        _print(config)
    if mode:
        runs, PLANNED[:] = list(PLANNED), []  # no run will be trained, so none counts as unfinished
        raise modes.OtherMode(mode, runs, config)
    if any(run.state not in FINISHED for run in PLANNED):
        command_checks.check_writable(Path(config.paths.runs))
    if sweep:
        _write(config)


def _runs(config: DictConfig) -> Iterable[tuple[list[str], DictConfig]]:
    """Return (overrides, whole configuration) of every run of a sweep; Hydra's launchers get the same configurations."""
    hydra = GlobalHydra.instance().hydra
    assert hydra is not None and isinstance(hydra.config_loader, ConfigLoaderImpl)
    hydra.config_loader = loader = SweepLoader(hydra.config_loader)
    count, runs = grid(config, loader)
    if count > MANY:
        print(f"plan: {count:,} runs, a large grid: planning takes about {duration(count * SECONDS_PER_RUN)}", flush=True)
    return ((overrides, loader.for_plan(config, overrides)) for overrides in runs)


def _check_all(jobs: Iterable[tuple[list[str], DictConfig]], command: DictConfig, on_this_machine: bool) -> None:
    """Check all runs without torch first, which takes a second; then build each distinct cell that will be trained.

    Args:
        jobs: overrides and configuration of each run.
        command: the configuration of the whole command.
        on_this_machine: also check that this machine can train the runs.
    """
    planned: dict[Path, Planned] = {}
    for typed, config in jobs:
        own_parts.check_hydra(config, command)
        values = settings.check_config(config, typed)
        modes.check_mode(config, command, typed)
        run = plan(config, typed, values)
        security.check_secrets(((f"hydra.job.env_set.{name}", value) for name, value in run.environment.items()), typed)
        known_keys.check(config, values, typed)
        if run.folder in planned:
            raise Refused(f"{' '.join(typed)}: planned twice (run {run.run_id}); name each run once")
        earlier = EarlierRecord(run.folder, run.digest, run.identity, run.own_code)
        try:
            earlier.read()  # refuses a folder of another run
        except NotADirectoryError:
            raise Refused(f"paths.runs={run.folder.parent}: is or lies in a file, must be a folder") from None
        if run.config["rerun"] != "stale" and (words := earlier.other_data(frozen.data_checksums(run))):
            raise Refused(f"{run.folder}: {words}: rerun=stale trains it again")
        planned[run.folder] = run
    PLANNED[:] = planned.values()
    _build_all([run for run in PLANNED if settings.mode_of(command) or run.state not in FINISHED], on_this_machine)


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
            elif on_this_machine and "devices" in run.launcher:
                gpu_facts.check_queue(run)


def _print(config: DictConfig) -> None:
    """Print the number of runs in each state, and the axes that the study added to the sweep."""
    typed = {override.partition("=")[0].lstrip("+~") for override in settings.as_typed(config.hydra)}
    added = {key: value for key, value in (config.hydra.sweeper.params or {}).items() if key not in typed}
    if added and len(PLANNED) > 1:
        print(f"study {config.study.name} adds {' '.join(f'{key}={value}' for key, value in added.items())}")
    states = [run.state for run in PLANNED]
    counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    most = f", at most: looks at {', '.join(map(str, config.rounds.looks))} seeds a cell" if in_rounds(config) else ""
    print(f"plan: {len(PLANNED)} run{'s'[: len(PLANNED) != 1]}: {counts}{most}")


def _write(config: DictConfig) -> None:
    """Write the sweep's configurations and manifest, with the W&B project as it is now; say where W&B sends the runs."""
    tracker, chosen = settings.plain(config.tracker), command_checks.check_tracker(config)
    if chosen is not None:
        tracker |= {key: chosen.fields[key] for key in ("project", "entity")}
    if chosen is not None and (line := chosen.first_line()):
        print(line)
    folder = Path(config.hydra.sweep.dir)
    folder.mkdir(parents=True, exist_ok=True)
    frozen.write(folder, PLANNED)
    write_manifest(
        folder,
        command=shlex.join(overrides.as_typed(installation.typed())),
        study=settings.plain(config.study),
        tracker=tracker,
        runs={run.run_id: run.identity for run in PLANNED},
        words=names.words(PLANNED),
        rounds=settings.plain(config.rounds) if in_rounds(config) else None,
    )
