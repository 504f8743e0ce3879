"""Learning-rate schedules: pure functions of the epoch, so a resumed run needs no scheduler state.

They return a factor on the optimizer's lr.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol


class Schedule(Protocol):
    """The interface of a schedule that `Fit` calls."""

    def __call__(self, epoch: int, epochs: int) -> float:
        """Return the factor on the base learning rate in `epoch` (from 0) of `epochs`."""
        ...


@dataclass(frozen=True)
class Step:
    """Multiply by gamma at each milestone, as `torch.optim.lr_scheduler.MultiStepLR` stepped once per epoch.

    Attributes:
        milestones: fractions of the run; a milestone is epoch max(1, round(fraction * epochs)), counted from 0.
        gamma: factor at each milestone.
    """

    milestones: list[float]
    gamma: float

    def __call__(self, epoch: int, epochs: int) -> float:
        """Return gamma to the number of milestones reached."""
        passed = sum(epoch >= max(1, round(fraction * epochs)) for fraction in self.milestones)
        return float(self.gamma**passed)


@dataclass(frozen=True)
class Cosine:
    """Half a cosine period from 1 towards 0, constant within an epoch (Loshchilov & Hutter, ICLR 2017, eq. 5)."""

    def __call__(self, epoch: int, epochs: int) -> float:
        """Return (1 + cos(pi * epoch / epochs)) / 2: 1 in the first epoch, above 0 in the last."""
        return (1 + math.cos(math.pi * epoch / epochs)) / 2


@dataclass(frozen=True)
class Constant:
    """A constant learning rate: the factor is 1 in every epoch."""

    def __call__(self, epoch: int, epochs: int) -> float:
        """Return 1."""
        return 1.0
