"""Plots over epochs: each cell's test accuracy, and its difference to its baseline.

Owns what is drawn and the sentence under it, which says what the lines mean and what could not be drawn. Computes nothing but
means of curves; the differences are `curve_difference`'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ablation.reporting.document.panel import CELLS, panel, styled, with_legend
from ablation.reporting.document.plot_style import MUTED, CellStyle, Plot
from ablation.reporting.document.sections import mean
from ablation.reporting.read.provenance import Curve
from ablation.reporting.statistics.analysis import Analysis, Row
from ablation.reporting.statistics.curve_difference import difference_by_epoch

BOLD: dict[str, Any] = {"linewidth": 2.2}
SHORT = 24  # letters of a label that an axis has room for
SEEDS = 3  # fewest of a cell whose difference is drawn


def accuracy(analysis: Analysis, curves: Mapping[str, Curve], missing: str = "") -> Plot:
    """Draw test accuracy over epochs: a thin line a seed, a thick one for their mean where all have a row.

    Args:
        analysis: its done and diverged runs are drawn, of no other run a number is shown.
        curves: by run id.
        missing: which curves are missing, and why.
    """
    name = "Test accuracy over epochs, percent"
    rows = [(row, style) for row, style in styled(analysis) if any(curves.get(run["run_id"]) for run in _ended(row))]
    if not rows:
        return Plot(name, "", missing or "No learning curves: no run that ended has its rows here.")
    drawn = rows[:CELLS]
    lines = [(row.cell.label, {"color": style.colour, "linestyle": style.dash, **BOLD}) for row, style in drawn]

    def paint(figure: Figure, foot: float) -> None:
        axes = panel(figure, foot, "test accuracy, %", "epoch")
        for row, style in drawn:
            _cell(axes, row, style, curves)
        _over_epochs(axes)

    outcomes = [[run["outcome"] for run in _ended(row) if curves.get(run["run_id"])] for row, _ in drawn]
    parts = ["Test accuracy over epochs."]
    parts += ["Thin: one seed; thick: their mean."] if any(len(each) > 1 for each in outcomes) else []
    parts += ["A cross ends a run that diverged."] if any("diverged" in each for each in outcomes) else []
    parts += _first(len(rows))
    return Plot(name, with_legend(name, "curves", lines, paint), " ".join([*parts, *filter(None, [missing])]))


def differences(analysis: Analysis, curves: Mapping[str, Curve]) -> Plot | None:
    """Draw each cell's difference to its baseline over epochs, with the 95 % interval of every epoch as a band.

    Args:
        analysis: its done runs of cells that are compared with a baseline count.
        curves: by run id.

    Returns:
        None where no cell and its baseline have three seeds with curves: the intervals of two are wider than any plot.
    """
    name = "Difference to the baseline in test accuracy over epochs, points"
    finished = {id(row): [curve for run in row.cell.done if (curve := curves.get(run["run_id"]))] for row in analysis.rows}
    compared = {id(each.row): each.other for each in analysis.comparisons if not each.mismatches}
    rows = [
        (row, style, difference_by_epoch(finished[id(row)], finished[id(other)]))
        for row, style in styled(analysis)
        if (other := compared.get(id(row))) and min(len(finished[id(row)]), len(finished[id(other)])) >= SEEDS
    ]
    rows = [(row, style, points) for row, style, points in rows if points]
    if not rows:
        return None
    drawn = rows[:CELLS]
    lines = [(row.cell.label, {"color": style.colour, "linestyle": style.dash, **BOLD}) for row, style, _ in drawn]
    baselines = list(dict.fromkeys(compared[id(row)].cell.label for row, _, _ in drawn))

    named = baselines[0] if len(baselines) == 1 and len(baselines[0]) <= SHORT else "the baseline"

    def paint(figure: Figure, foot: float) -> None:
        axes = panel(figure, foot, f"difference to {named}, points", "epoch")
        axes.axhline(0, color=MUTED, linewidth=1.2)
        for _, style, estimates in drawn:
            epochs, means = zip(*((epoch, each.points) for epoch, each in estimates), strict=True)
            axes.plot(epochs, means, color=style.colour, linestyle=style.dash, **BOLD)
            bands = [(epoch, bounds.low, bounds.high) for epoch, each in estimates if (bounds := each.interval())]
            if bands:
                ends, low, high = zip(*bands, strict=True)
                axes.fill_between(ends, low, high, color=style.colour, alpha=0.15, linewidth=0)
        _over_epochs(axes)

    bands = "Bands: 95 % over seeds, for this test set, of each epoch alone."
    parts = [f"Difference to {'; '.join(baselines)}, mean over seeds. {bands}"]
    return Plot(name, with_legend(name, "curve-differences", lines, paint), " ".join([*parts, *_first(len(rows))]))


def _first(cells: int) -> list[str]:
    return [f"The first {CELLS} of {cells} cells are drawn."] if cells > CELLS else []


def _over_epochs(axes: Axes) -> None:
    axes.grid(axis="y")
    axes.margins(x=0.02)
    axes.xaxis.set_major_locator(MaxNLocator(7, integer=True))


def _ended(row: Row) -> Sequence[dict[str, Any]]:
    return [run for run in row.cell.runs if run["outcome"] in ("done", "diverged")]


def _cell(axes: Axes, row: Row, style: CellStyle, curves: Mapping[str, Curve]) -> None:
    runs = [(run, curves[run["run_id"]]) for run in _ended(row) if curves.get(run["run_id"])]
    alone = len(runs) == 1
    one: dict[str, Any] = {"linestyle": style.dash, **BOLD} if alone else {"linestyle": "-", "linewidth": 0.8, "alpha": 0.55}
    for run, curve in runs:
        epochs, accuracies = zip(*curve, strict=True)
        axes.plot(epochs, accuracies, color=style.colour, **one)
        if run["outcome"] == "diverged":
            axes.plot(epochs[-1:], accuracies[-1:], "x", color=style.colour, markersize=9, markeredgewidth=2)
    finished = [dict(curve) for run, curve in runs if run["outcome"] == "done"]
    if len(finished) > 1:
        shared = sorted(set.intersection(*map(set, finished)))
        means = [mean([curve[epoch] for curve in finished]) for epoch in shared]
        axes.plot(shared, means, color=style.colour, linestyle=style.dash, **BOLD)
