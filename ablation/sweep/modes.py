"""The plan, check, fetch and cache modes of a command, which train nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from ablation.sweep.refusal import Refused, typed
from ablation.sweep.settings import MODES

if TYPE_CHECKING:
    from ablation.sweep.planned_run import Planned


class OtherMode(SystemExit):
    """Raised after planning if the command is not to train. A SystemExit, because Hydra's callbacks swallow an Exception.

    Attributes:
        mode: one of MODES.
        planned: the command's runs.
        config: the command's configuration.
    """

    def __init__(self, mode: str, planned: Sequence[Planned], config: DictConfig) -> None:
        super().__init__(1)
        self.mode, self.planned, self.config = mode, list(planned), config

    def run(self, trial: Callable[[Planned], Any]) -> int:
        """Run the mode and return the exit code.

        Args:
            trial: runs two training steps and one evaluation batch, see `ablation.training.trial`.
        """
        if self.mode == "plan":
            from ablation.cost import plan_table

            return plan_table.show(self.planned)
        if self.mode == "check":
            from ablation.sweep import try_cells

            return try_cells.cells(self.planned, trial)
        if self.mode == "cache":
            from ablation.sweep import cache

            return cache.list_or_clean(self.config)
        from ablation.sweep import fetch

        return fetch.parts(self.planned)


def check_mode(config: DictConfig, command: DictConfig, overrides: Sequence[str]) -> None:
    """Refuse a sweep over modes.

    Raises:
        Refused: a run has another mode than its command.
    """
    for key in MODES:
        if config[key] != command[key]:
            raise Refused(f"{typed(key, config[key], overrides)}: for the whole command, not for one run of it")
