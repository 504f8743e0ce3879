"""Plot of the cells' accuracy against their cost.

Owns what is drawn and the sentence under it, which says what the marks mean and what could not be drawn. Computes nothing but
the Pareto front; every other number is the analysis'.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ablation.reporting.document.panel import CELLS, panel, styled, with_legend
from ablation.reporting.document.plot_style import MUTED, CellStyle, Plot, logarithmic
from ablation.reporting.document.sections import done, mean, seconds_per_epoch
from ablation.reporting.statistics.analysis import Analysis, Row
from ablation.reporting.statistics.cells import Cell
from ablation.reporting.statistics.estimate import Interval

COSTS: dict[str, Callable[[Cell], list[Any]]] = {
    "seconds": seconds_per_epoch,
    "macs": lambda cell: done(cell, "macs"),
}


@dataclass(frozen=True)
class _Spot:
    """A cell in the plane of cost and accuracy."""

    row: Row
    style: CellStyle
    price: float
    interval: Interval | None  # of the accuracy, percent
    mean: float

    def mark(self) -> dict[str, Any]:
        return self.style.line(marker=self.style.mark, linestyle="none", markersize=8, markeredgewidth=1.8)


def cost(analysis: Analysis, kind: str) -> Plot:
    """Draw accuracy against cost, with the front of the cells that no other beats in both.

    Args:
        analysis: done runs alone have a cost.
        kind: `seconds` or `macs`.
    """
    spots = _spots(analysis, kind)
    unit, size = _unit(kind, [spot.price for spot in spots])
    name = f"{analysis.metric} accuracy in percent against {unit}"
    if not spots:
        return Plot(name, "", f"Nothing to draw: no cell has both an accuracy and {unit}.")
    front = pareto([(spot.price, spot.mean) for spot in spots])
    others = [index for index in range(len(spots)) if index not in front]
    drawn = [spots[index] for index in sorted([*front, *others][:CELLS])]
    entries = [(spot.row.cell.label, spot.mark()) for spot in drawn]
    best = "; ".join(spots[index].row.cell.label for index in front[:CELLS])
    parts = ["Bars: 95 %."] if any(spot.interval for spot in drawn) else []
    parts += [f"On the Pareto front of the means: {best}."]
    parts += [f"{CELLS} of {len(spots)} cells are drawn, those of the front first."] if len(spots) > CELLS else []

    def paint(figure: Figure, foot: float) -> None:
        axes = panel(figure, foot, f"{analysis.metric} accuracy, %", unit)
        best = [spots[index] for index in front]
        axes.plot([spot.price / size for spot in best], [spot.mean for spot in best], **line)
        for spot in drawn:
            _spot(axes, spot, spot.price / size)
        prices = [spot.price for spot in drawn]
        if min(prices) > 0 and max(prices) > 8 * min(prices):
            logarithmic(axes)
        axes.grid()
        axes.margins(0.08)

    line: dict[str, Any] = {"color": MUTED, "linewidth": 1.4}
    svg = with_legend(name, f"cost-{kind}", [*entries, ("Pareto front", line)], paint)
    return Plot(name, svg, " ".join(parts))


def _spots(analysis: Analysis, kind: str) -> list[_Spot]:
    return [
        _Spot(row, style, mean(numbers), row.means[analysis.metric].interval() if sample.n > 2 else None, sample.mean)
        for row, style in styled(analysis)
        if (numbers := COSTS[kind](row.cell)) and (sample := row.samples[analysis.metric]).mean is not None
    ]


def _spot(axes: Axes, spot: _Spot, x: float) -> None:
    if spot.interval:
        ends = [spot.interval.low, spot.interval.high]
        axes.plot([x, x], ends, color=spot.style.colour, linewidth=1.6)
    axes.plot([x], [spot.mean], **spot.mark())


def _unit(kind: str, prices: Sequence[float]) -> tuple[str, float]:
    """Return what a cost is called, and what it is divided by."""
    if kind == "seconds":
        return "seconds an epoch", 1.0
    return ("GMACs an image", 1e9) if max(prices, default=1e9) >= 1e9 else ("million MACs an image", 1e6)


def pareto(points: Sequence[tuple[float, float]]) -> list[int]:
    """Return which (cost, accuracy) no other beats: none is as cheap and better, or cheaper and as good; by cost."""
    kept: list[int] = []
    for index in sorted(range(len(points)), key=lambda index: (points[index][0], -points[index][1], index)):
        if not kept or points[index][1] > points[kept[-1]][1]:
            kept.append(index)
    return kept
