"""Accuracies drawn in a line of characters each, on one scale: `──●──` is a mean with its interval, `┊` the baseline's mean.

Owns the drawing. Computes nothing but places.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ablation.reporting.statistics.analysis import Row

WIDTH = 14  # characters


@dataclass(frozen=True)
class Scale:
    """Percent from the left end of a line to its right end."""

    low: float
    high: float
    metric: str
    baseline: float | None  # percent

    @classmethod
    def of(cls, rows: Sequence[Row], metric: str, baseline: Row | None) -> Scale:
        """Return the scale that holds all means with their intervals, the baseline's among them where one is given."""
        shown = [*rows, *([baseline] if baseline else [])]
        ends = [end for row in shown if (found := _ends(row, metric)) for end in found]
        mean = baseline.samples[metric].mean if baseline else None
        return cls(min(ends, default=0.0), max(ends, default=0.0), metric, mean)

    @property
    def name(self) -> str:
        """Both ends, as the heading over the lines."""
        left, right = f"{self.low:.1f}", f"{self.high:.1f}"
        return left + " " * (WIDTH - len(left) - len(right)) + right

    def strip(self, row: Row) -> str:
        """Return a cell's line; empty without an accuracy, or where all accuracies are equal."""
        ends = _ends(row, self.metric)
        if ends is None or self.high - self.low < 1e-6:
            return ""
        low, mean, high = (self._place(value) for value in ends)
        line = [" "] * WIDTH
        line[low : high + 1] = "─" * (high + 1 - low)
        if self.baseline is not None and self.baseline == self.baseline:
            line[self._place(self.baseline)] = "┊"
        line[mean] = "●"
        return "".join(line)

    def _place(self, value: float) -> int:
        return round((value - self.low) / (self.high - self.low) * (WIDTH - 1))


def _ends(row: Row, metric: str) -> tuple[float, float, float] | None:
    """Return low end, mean and high end: from three seeds on with the interval, as beside a mean."""
    mean, bounds = row.samples[metric].mean, row.means[metric].interval()
    if mean is None or mean != mean:
        return None
    return (mean, mean, mean) if bounds is None or row.samples[metric].n < 3 else (bounds.low, mean, bounds.high)
