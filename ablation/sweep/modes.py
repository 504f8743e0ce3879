"""What a command does instead of training: `plan=true`, `check=true` and `fetch=true`.

Owns the choice. Each of them ends the command, with its exit code.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from ablation.sweep.refusal import Refused, typed

if TYPE_CHECKING:
    from ablation.sweep.planned_run import Planned

KEYS = ("plan", "check", "fetch")


class Instead(SystemExit):
    """The command was planned, and is asked for something else than training: the one exception that Hydra's hooks let pass.

    Attributes:
        asked: one of KEYS.
        planned: the command's runs.
    """

    def __init__(self, asked: str, planned: Sequence[Planned]) -> None:
        super().__init__(1)
        self.asked, self.planned = asked, list(planned)

    def carry_out(self, trial: Callable[[Planned], Any]) -> int:
        """Do it and return the exit code.

        Args:
            trial: two training steps and one evaluation batch of a run, see `ablation.training.trial`.
        """
        if self.asked == "plan":
            from ablation.cost import plan_table

            return plan_table.show(self.planned)
        if self.asked == "check":
            from ablation.sweep import try_cells

            return try_cells.cells(self.planned, trial)
        from ablation.sweep import fetch

        return fetch.parts(self.planned)


def asked(config: DictConfig) -> str | None:
    """Return what a command does instead of training, None for training.

    Raises:
        Refused: it is asked for two things.
    """
    wanted = [key for key in KEYS if config[key] is True]
    if len(wanted) > 1:
        raise Refused(f"{' '.join(f'{key}=true' for key in wanted)}: one at a time")
    return wanted[0] if wanted else None


def check(config: DictConfig, command: DictConfig, overrides: Sequence[str]) -> None:
    """Refuse a run that is asked for something else than its command is.

    Raises:
        Refused: one of KEYS is swept.
    """
    for key in KEYS:
        if config[key] != command[key]:
            raise Refused(f"{typed(key, config[key], overrides)}: for the whole command, not for one run of it")
