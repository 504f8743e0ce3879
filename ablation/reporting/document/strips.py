"""A plot as a row of marks for each cell or effect: where they stand on a common scale, in percent of its width.

Owns places and ticks. Knows no format: the page draws them at any width, so a label is never scaled, cut or crossed by a line.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from matplotlib.ticker import MaxNLocator

from ablation.reporting.statistics.estimate import Interval

TICKS = 7  # at most so many spaces between ticks: on 400 pixels their numbers stand apart
MARGIN = 0.05  # of the values' range, left free on either side


@dataclass(frozen=True)
class Scale:
    """A linear scale. A tick's number is as short as its step allows."""

    low: float
    high: float
    ticks: tuple[float, ...]

    def at(self, value: float) -> float:
        """Return a value's place in percent of the width."""
        return round(100 * (value - self.low) / (self.high - self.low), 2)


@dataclass(frozen=True)
class Mark:
    """One number: its place, and what it is."""

    place: float
    text: str


@dataclass(frozen=True)
class Strip:
    """The marks of one row, places in percent of the width. Without a number there is no mark."""

    seeds: Sequence[Mark] = ()
    mean: float | None = None
    ends: tuple[float, float] | None = None  # of the interval
    decided: bool = False  # the interval is on one side of what it is compared with
    report: Mark | None = None
    line: float | None = None  # what it is compared with: the baseline's mean, or 0


def scale(values: Iterable[float]) -> Scale:
    """Return a scale that holds all values and some room beside them, with ticks that a person would choose."""
    found = [value for value in values if math.isfinite(value)] or [0.0]
    low, high = min(found), max(found)
    room = MARGIN * (high - low) or 1.0
    low, high = low - room, high + room
    ticks = MaxNLocator(TICKS, steps=[1, 2, 5, 10]).tick_values(low, high)
    inner = [float(tick) for tick in ticks if low + room / 2 <= tick <= high - room / 2]
    return Scale(low, high, tuple(0.0 if abs(tick) < 1e-9 else tick for tick in inner))


def ends(found: Interval | None, on: Scale) -> tuple[float, float] | None:
    """Return the places of an interval's ends."""
    return (on.at(found.low), on.at(found.high)) if found else None
