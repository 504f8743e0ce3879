"""Plots of cells: learning curves, and accuracy against cost.

Owns what is drawn and the sentence under it, which says what the marks mean and what could not be drawn. Computes nothing but
means of curves and the Pareto front; every other number is the analysis'.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ablation.reporting.document.plot_style import (
    MUTED,
    WIDTH,
    Look,
    Plot,
    draw,
    legend,
    legend_height,
    logarithmic,
    looks,
    plain_numbers,
)
from ablation.reporting.document.sections import done, mean, seconds_per_epoch
from ablation.reporting.read.provenance import Curve
from ablation.reporting.statistics.analysis import Analysis, Row
from ablation.reporting.statistics.cells import Cell
from ablation.reporting.statistics.estimate import Interval
from ablation.reporting.statistics.factors import factors

CELLS = 12  # cells in one panel of curves, or of cost: more cannot be distinguished
PANEL, LEFT, BELOW, ABOVE = 300.0, 40.0, 46.0, 26.0  # units of a pixel: height without the legend, what the axes leave
COSTS: dict[str, Callable[[Cell], list[Any]]] = {
    "seconds": seconds_per_epoch,
    "macs": lambda cell: done(cell, "macs"),
}


def curves(analysis: Analysis, of: Mapping[str, Curve], words: str = "") -> Plot:
    """Draw test accuracy over epochs: a thin line a seed, a thick one for their mean where all have a row.

    Args:
        analysis: its done and diverged runs are drawn, of no other run a number is shown.
        of: by run id.
        words: what of it is missing, and why.
    """
    name = "Test accuracy over epochs, percent"
    rows = [(row, look) for row, look in _with_looks(analysis) if any(of.get(run["run_id"]) for run in _ended(row))]
    if not rows:
        return Plot(name, "", words or "No learning curves: no run that ended has its rows here.")
    drawn = rows[:CELLS]
    lines = [(row.cell.label, {"color": look.colour, "linestyle": look.dash, "linewidth": 2.2}) for row, look in drawn]

    def paint(figure: Figure, foot: float) -> None:
        axes = _panel(figure, foot, "test accuracy, %", "epoch")
        for row, look in drawn:
            _curves(axes, row, look, of)
        axes.grid(axis="y")
        axes.margins(x=0.02)
        axes.xaxis.set_major_locator(MaxNLocator(7, integer=True))

    shown = [[run["outcome"] for run in _ended(row) if of.get(run["run_id"])] for row, _ in drawn]
    parts = ["Test accuracy over epochs."]
    parts += ["Thin: one seed; thick: their mean."] if any(len(words) > 1 for words in shown) else []
    parts += ["A cross ends a run that diverged."] if any("diverged" in words for words in shown) else []
    parts += [f"The first {CELLS} of {len(rows)} cells are drawn."] if len(rows) > CELLS else []
    return Plot(name, _with_legend(name, "curves", lines, paint), " ".join([*parts, *filter(None, [words])]))


def _with_legend(
    name: str, key: str, entries: Sequence[tuple[str, dict[str, Any]]], paint: Callable[[Figure, float], None]
) -> str:
    foot = legend_height([label for label, _ in entries])

    def both(figure: Figure) -> None:
        paint(figure, foot)
        legend(figure, entries)

    return draw(name, key, PANEL + foot, both)


def _panel(figure: Figure, foot: float, above: str, below: str) -> Axes:
    """Return axes that leave `foot` to the legend. Their vertical axis is named above, where its name is read level."""
    height = PANEL + foot
    axes = figure.add_axes((LEFT / WIDTH, (foot + BELOW) / height, 1 - (LEFT + 10) / WIDTH, (PANEL - BELOW - ABOVE) / height))
    axes.set_title(above, loc="left", fontsize=13, x=-LEFT / (WIDTH - LEFT - 10), pad=10)
    axes.set_xlabel(below)
    axes.set_axisbelow(True)
    plain_numbers(axes, "x", "y")
    return axes


def _ended(row: Row) -> list[dict[str, Any]]:
    return [run for run in row.cell.runs if run["outcome"] in ("done", "diverged")]


def _with_looks(analysis: Analysis) -> list[tuple[Row, Look]]:
    found = factors([row.cell.config for row in analysis.rows], analysis.study)
    return list(zip(analysis.rows, looks([factor.cells for factor in found]), strict=True))


def _curves(axes: Axes, row: Row, look: Look, of: Mapping[str, Curve]) -> None:
    runs = [(run, of[run["run_id"]]) for run in _ended(row) if of.get(run["run_id"])]
    alone = len(runs) == 1
    one: dict[str, Any] = (
        {"linestyle": look.dash, "linewidth": 2.2} if alone else {"linestyle": "-", "linewidth": 0.8, "alpha": 0.55}
    )
    for run, curve in runs:
        epochs, accuracies = zip(*curve, strict=True)
        axes.plot(epochs, accuracies, color=look.colour, **one)
        if run["outcome"] == "diverged":
            axes.plot(epochs[-1:], accuracies[-1:], "x", color=look.colour, markersize=9, markeredgewidth=2)
    finished = [dict(curve) for run, curve in runs if run["outcome"] == "done"]
    if len(finished) > 1:
        shared = sorted(set.intersection(*map(set, finished)))
        means = [mean([curve[epoch] for curve in finished]) for epoch in shared]
        axes.plot(shared, means, color=look.colour, linestyle=look.dash, linewidth=2.2)


@dataclass(frozen=True)
class _Spot:
    """A cell in the plane of cost and accuracy."""

    row: Row
    look: Look
    price: float
    interval: Interval | None  # of the accuracy, percent
    mean: float

    def mark(self) -> dict[str, Any]:
        return self.look.line(marker=self.look.mark, linestyle="none", markersize=8, markeredgewidth=1.8)


def cost(analysis: Analysis, kind: str) -> Plot:
    """Draw accuracy against cost, with the front of the cells that no other beats in both.

    Args:
        analysis: done runs alone have a cost.
        kind: `seconds` or `macs`.
    """
    found = _spots(analysis, kind)
    unit, size = _unit(kind, [spot.price for spot in found])
    name = f"{analysis.metric} accuracy in percent against {unit}"
    if not found:
        return Plot(name, "", f"Nothing to draw: no cell has both an accuracy and {unit}.")
    front = pareto([(spot.price, spot.mean) for spot in found])
    others = [place for place in range(len(found)) if place not in front]
    drawn = [found[place] for place in sorted([*front, *others][:CELLS])]
    entries = [(spot.row.cell.label, spot.mark()) for spot in drawn]
    best = "; ".join(found[place].row.cell.label for place in front[:CELLS])
    parts = ["Bars: 95 %."] if any(spot.interval for spot in drawn) else []
    parts += [f"On the Pareto front of the means: {best}."]
    parts += [f"{CELLS} of {len(found)} cells are drawn, those of the front first."] if len(found) > CELLS else []

    def paint(figure: Figure, foot: float) -> None:
        axes = _panel(figure, foot, f"{analysis.metric} accuracy, %", unit)
        best = [found[place] for place in front]
        axes.plot([spot.price / size for spot in best], [spot.mean for spot in best], **line)
        for spot in drawn:
            _spot(axes, spot, spot.price / size)
        prices = [spot.price for spot in drawn]
        if min(prices) > 0 and max(prices) > 8 * min(prices):
            logarithmic(axes)
        axes.grid()
        axes.margins(0.08)

    line: dict[str, Any] = {"color": MUTED, "linewidth": 1.4}
    svg = _with_legend(name, f"cost-{kind}", [*entries, ("Pareto front", line)], paint)
    return Plot(name, svg, " ".join(parts))


def _spots(analysis: Analysis, kind: str) -> list[_Spot]:
    return [
        _Spot(row, look, mean(numbers), row.means[analysis.metric].interval() if sample.n > 2 else None, sample.mean)
        for row, look in _with_looks(analysis)
        if (numbers := COSTS[kind](row.cell)) and (sample := row.samples[analysis.metric]).mean is not None
    ]


def _spot(axes: Axes, spot: _Spot, place: float) -> None:
    if spot.interval:
        ends = [spot.interval.low, spot.interval.high]
        axes.plot([place, place], ends, color=spot.look.colour, linewidth=1.6)
    axes.plot([place], [spot.mean], **spot.mark())


def _unit(kind: str, prices: Sequence[float]) -> tuple[str, float]:
    """Return what a cost is called, and what it is divided by."""
    if kind == "seconds":
        return "seconds an epoch", 1.0
    return ("GMACs an image", 1e9) if max(prices, default=1e9) >= 1e9 else ("million MACs an image", 1e6)


def pareto(points: Sequence[tuple[float, float]]) -> list[int]:
    """Return which (cost, accuracy) no other beats: none is as cheap and better, or cheaper and as good; by cost."""
    kept: list[int] = []
    for place in sorted(range(len(points)), key=lambda place: (points[place][0], -points[place][1], place)):
        if not kept or points[place][1] > points[kept[-1]][1]:
            kept.append(place)
    return kept
