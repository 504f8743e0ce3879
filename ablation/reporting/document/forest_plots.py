"""Plots of differences: each cell against another, and what each factor adds. A row each: its mean, its interval.

Owns what a row shows. Computes nothing: every number is the analysis'. A missing number is a word in its place, never a point.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ablation.reporting.document.plot_style import INK, MUTED, PAPER, SERIES, WIDTH, Plot, draw, plain_numbers, short
from ablation.reporting.document.sections import estimated
from ablation.reporting.document.text import typeset, typeset_cell
from ablation.reporting.statistics.analysis import Analysis, Comparison
from ablation.reporting.statistics.estimate import Estimate

MOST = 40  # rows of a drawing; the table has them all
LETTERS = 54  # of a row's name and number together
ROW, HEAD, AXIS = 40.0, 28.0, 52.0  # heights in units of a pixel


@dataclass(frozen=True)
class Item:
    """One row of a plot of differences: under a heading, where its `head` is another than the row's before."""

    head: str
    label: str
    estimate: Estimate


def forest(analysis: Analysis, comparisons: Sequence[Comparison], key: str = "forest") -> Plot:
    """Draw each cell's difference to the other, with its interval."""
    others = list(dict.fromkeys(comparison.other.cell.label for comparison in comparisons))
    other = others[0] if len(others) == 1 else "its own baseline"
    found = [Item("", comparison.row.cell.label, comparison.estimate) for comparison in comparisons]
    name = f"Difference of each cell to {other}, in points ({analysis.metric})"
    return _differences(name, f"{analysis.metric} accuracy minus that of {short(other, 24)}, points", key, found)


def factorial(analysis: Analysis) -> Plot:
    """Draw what each factor adds: the study's contrasts, main effects, interactions."""
    found = [
        Item(
            effect.contrast.name[:1].upper() + effect.contrast.name[1:],
            typeset_cell(effect.contrast.of),
            effect.estimate,
        )
        for effect in analysis.effects
        if effect.contrast.weights
    ]
    name = f"What each factor adds, in points ({analysis.metric})"
    return _differences(name, f"{analysis.metric} accuracy, points", "factorial", found)


def _differences(name: str, unit: str, key: str, found: Sequence[Item]) -> Plot:
    drawn = found[:MOST]
    if not any(item.estimate.points is not None for item in drawn):
        return Plot(name, "", "Nothing to draw: no difference has a number.")
    heads = len({item.head for item in drawn} - {""})
    height = ROW * len(drawn) + HEAD * heads + AXIS
    known = any(item.estimate.interval() for item in drawn)
    caption = (
        "Square: the difference with its 95 % interval, filled where that excludes 0." if known else "Circles: differences."
    )
    more = f" The first {MOST} of {len(found)} are drawn." if len(found) > MOST else ""
    return Plot(name, draw(name, key, height, lambda figure: _paint(figure, drawn, unit, height)), caption + more)


def _paint(figure: Figure, drawn: Sequence[Item], unit: str, height: float) -> None:
    axes = figure.add_axes((6 / WIDTH, AXIS / height, 1 - 12 / WIDTH, 1 - AXIS / height))
    axes.set_ylim(height - AXIS, 0)
    axes.axvline(0, color=INK, linewidth=1)
    place, head = 0.0, ""
    for item in drawn:
        if item.head != head:
            head = item.head
            axes.text(0, place + 20, short(head, 40), transform=axes.get_yaxis_transform(), weight="bold")
            place += HEAD
        _item(axes, item, place)
        place += ROW
    axes.margins(x=0.04)
    axes.spines["left"].set_visible(False)
    axes.set_yticks([])
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    axes.set_xlabel(unit)
    plain_numbers(axes, "x")


def _item(axes: Axes, item: Item, place: float) -> None:
    """Write a row's name and number, and under them draw what is known."""
    found, bounds = item.estimate, item.estimate.interval()
    room = LETTERS - min(len(item.label), 30)
    said = typeset(estimated(found)) if found.points is not None else short(found.reason.value if found.reason else "", room)
    over = {"facecolor": PAPER, "edgecolor": "none", "pad": 1}  # the lines of the grid
    style: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "fontsize": 12.5, "bbox": over}
    axes.text(0, place + 14, short(item.label, LETTERS - len(said)), **style)
    axes.text(1, place + 14, said, ha="right", color=MUTED if found.points is None else INK, **style)
    middle, colour = place + 27, SERIES[1]
    if bounds and found.points is not None:
        ends = [bounds.low, bounds.high]
        axes.plot(ends, [middle, middle], color=colour, linewidth=2.2)
        axes.plot(ends, [middle, middle], "|", color=colour, markersize=9, markeredgewidth=2.2)
        face = PAPER if 0 in bounds else colour
        axes.plot(
            [found.points], [middle], "s", markersize=8, markerfacecolor=face, markeredgecolor=colour, markeredgewidth=1.8
        )
    elif found.points is not None:
        axes.plot([found.points], [middle], "o", markersize=7, markerfacecolor="none", markeredgecolor=colour)
