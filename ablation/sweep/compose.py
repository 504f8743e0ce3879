"""Compose the runs of a sweep: the grid of their overrides, and Hydra's loader that composes each choice of options once.

Hydra composes every run three times, 50 ms each. Here a run's configuration is a copy of the one with its options, on which
the values are set by the call that Hydra itself makes.
"""

from __future__ import annotations

import copy
import functools
import itertools
import math
from collections.abc import Iterator
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl, get_overrides_dirname
from hydra._internal.config_repository import CachingConfigRepository
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from ablation.sweep import settings
from ablation.sweep.known_keys import check_has_key
from ablation.sweep.overrides import as_typed
from ablation.sweep.refusal import Refused

PER_RUN = ("overrides", "job")  # parts of Hydra's own node that each run has for itself
MANY = 1000  # runs: planning a larger grid takes more than some seconds


class _ReadOnce(CachingConfigRepository):
    """Reads each file of conf/ once for all choices; Hydra, which copies the repository for each, gets the same one."""

    def __deepcopy__(self, memo: dict[int, Any]) -> _ReadOnce:
        return self


class SweepLoader(ConfigLoaderImpl):
    """Hydra's configuration loader during one sweep. What it has composed stays as it was when conf/ is edited.

    Args:
        loader: Hydra's own.
    """

    def __init__(self, loader: ConfigLoaderImpl) -> None:
        self.config_search_path, self.repository = loader.config_search_path, _ReadOnce(loader.repository)  # type: ignore[assignment]
        self._by_options: dict[tuple[str, ...], DictConfig] = {}
        self._groups: dict[str, bool] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Launchers pickle it; each process composes its own."""
        return {**self.__dict__, "_by_options": {}}

    def load_sweep_config(self, master_config: DictConfig, sweep_overrides: list[str]) -> DictConfig:
        """Return the configuration of one run. Same arguments and errors as Hydra's."""
        return self._of_run(master_config, sweep_overrides, copied=True)

    def for_plan(self, master_config: DictConfig, sweep_overrides: list[str]) -> DictConfig:
        """Return the same to be read and dropped: of Hydra's own part, half of it all, only what differs is copied."""
        return self._of_run(master_config, sweep_overrides, copied=False)

    def _of_run(self, master_config: DictConfig, sweep_overrides: list[str], copied: bool) -> DictConfig:
        overrides = [parsed(override) for override in sweep_overrides]
        options = tuple(
            typed for typed, override in zip(sweep_overrides, overrides, strict=True) if self._chooses_option(override)
        )
        if options not in self._by_options:
            self._by_options[options] = super().load_sweep_config(master_config, list(options))
        composed = self._by_options[options]
        values = [override for override in overrides if not self._chooses_option(override)]
        copied = copied or any(override.key_or_group.startswith("hydra.") for override in values)
        shared = [] if copied else [composed.hydra._get_node(name) for name in composed.hydra if name not in PER_RUN]
        config = copy.deepcopy(composed, {id(node): node for node in shared})
        for override in values:
            check_has_key(config, override)
        self._apply_overrides_to_config(values, config)
        config.hydra.overrides.task = list(sweep_overrides)
        naming = config.hydra.job.config.override_dirname
        config.hydra.job.override_dirname = get_overrides_dirname(
            overrides, kv_sep=naming.kv_sep, item_sep=naming.item_sep, exclude_keys=naming.exclude_keys
        )
        OmegaConf.copy_cache(from_config=master_config, to_config=config)
        return config

    def _chooses_option(self, override: Override) -> bool:
        """Return True if an override chooses an option of a group, such as resizer=plain; False if it sets a value."""
        name = override.key_or_group
        if name not in self._groups:
            self._groups[name] = self.repository.group_exists(name)
        return self._groups[name] and not isinstance(override.value(), dict)


@functools.lru_cache(maxsize=4096)
def parsed(override: str) -> Override:
    """Return an override as Hydra reads it; not to be changed, because all runs share it.

    Raises:
        OverrideParseException: it cannot be read.
    """
    return OverridesParser.create().parse_override(override)


def in_rounds(config: DictConfig) -> bool:
    """Return True if the command's sweeper is hydra/sweeper=rounds."""
    return str(config.hydra.sweeper.get("_target_")).endswith(".Rounds")


def grid(config: DictConfig, loader: ConfigLoaderImpl) -> tuple[int, Iterator[list[str]]]:
    """Return the number of a sweep's runs, and their overrides in the sweeper's order.

    A sweep in rounds has the seeds of its last look.

    Args:
        config: of the command; its axes are those of hydra.sweeper.params, replaced by those on the command line.
        loader: knows the options that `glob` matches.

    Raises:
        HydraException: an override cannot be read, or is a sweep without steps such as interval().
        Refused: a sweep in rounds with seeds of its own.
    """
    study = [f"{key}={value}" for key, value in (config.hydra.sweeper.params or {}).items()]
    overrides = OverridesParser.create(config_loader=loader).parse_overrides(
        [*study, *as_typed(settings.as_typed(config.hydra))]
    )
    axes: dict[str, list[str]] = {}
    for override in overrides:
        axes[override.get_key_element()] = [run[0] for run in BasicSweeper.split_arguments([override], None)[0]]
        if not axes[override.get_key_element()]:
            options = ", ".join(sorted(loader.get_group_options(override.key_or_group)))
            raise Refused(f"{override.input_line}: matches nothing{f'; there are {options}' if options else ''}")
    if in_rounds(config):
        if "seed" in axes:
            raise Refused(f"{','.join(axes['seed'])}: hydra/sweeper=rounds chooses the seeds; set rounds.looks=[3,5,8] instead")
        axes["seed"] = [f"seed={seed}" for seed in range(config.rounds.looks[-1])]
    return math.prod(map(len, axes.values())), map(list, itertools.product(*axes.values()))
