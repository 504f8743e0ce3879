"""Plots of differences: each cell against another, and what each factor adds. A row each: its seeds, its mean, its interval.

Owns what a row shows. Computes nothing: every number is the analysis'. A missing number is a word in its place, never a point.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ablation.reporting.document.plot_style import INK, MUTED, PAPER, SERIES, WIDTH, Plot, draw, plain_numbers, short
from ablation.reporting.document.sections import distinct, estimated
from ablation.reporting.document.text import typeset, typeset_cell
from ablation.reporting.statistics.analysis import Analysis, Comparison
from ablation.reporting.statistics.seeds import Estimate, Reasons

MOST = 40  # rows of a drawing; the table has them all
LETTERS = 54  # of a row's name and number together
SEEDS = 60  # of a row that are drawn; more are a cloud that the interval says better
ROW, HEAD, AXIS = 40.0, 28.0, 52.0  # heights in units of a pixel


@dataclass(frozen=True)
class Item:
    """One row of a plot of differences: under a heading, where its `head` is another than the row's before."""

    head: str
    label: str
    estimate: Estimate
    reasons: Reasons  # where there is no number, or no interval


def forest(analysis: Analysis, comparisons: Sequence[Comparison], key: str = "forest") -> Plot:
    """Draw each cell's difference to the other, with its seeds and its interval."""
    others = list(dict.fromkeys(comparison.other.cell.label for comparison in comparisons))
    other = others[0] if len(others) == 1 else "its own baseline"
    found = [
        Item("", comparison.row.cell.label, comparison.difference.estimate, comparison.difference.reasons)
        for comparison in comparisons
    ]
    name = f"Difference of each cell to {other}, in points ({analysis.metric})"
    return _differences(name, f"{analysis.metric} accuracy minus that of {short(other, 24)}, points", key, found)


def factorial(analysis: Analysis) -> Plot:
    """Draw what each factor adds: the study's contrasts, main effects, interactions."""
    found = [
        Item(
            effect.contrast.name[:1].upper() + effect.contrast.name[1:],
            typeset_cell(effect.contrast.of),
            effect.estimate,
            effect.reasons,
        )
        for effect in distinct(analysis.effects)
    ]
    name = f"What each factor adds, in points ({analysis.metric})"
    return _differences(name, f"{analysis.metric} accuracy, points", "factorial", found)


def _differences(name: str, unit: str, key: str, found: Sequence[Item]) -> Plot:
    drawn = found[:MOST]
    if not any(item.estimate.n for item in drawn):
        return Plot(name, "", "Nothing to draw: no difference has a number.")
    heads = len({item.head for item in drawn} - {""})
    height = ROW * len(drawn) + HEAD * heads + AXIS
    several = any(0 < item.estimate.n <= SEEDS for item in drawn)
    caption = "Circles: one a seed, without an interval where they stand alone." if several else ""
    if any(item.estimate.interval for item in drawn):
        caption = f"Square: mean with its 95 % interval, filled where the interval excludes 0. {caption}".strip()
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
    found = item.estimate
    room = LETTERS - min(len(item.label), 30)
    said = typeset(estimated(found)) if found.n else short((item.reasons or found.reasons)[0].text, room)
    said += f" (n={found.n})" if found.n and not found.interval else ""
    over = {"facecolor": PAPER, "edgecolor": "none", "pad": 1}  # the lines of the grid
    style: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "fontsize": 12.5, "bbox": over}
    axes.text(0, place + 14, short(item.label, LETTERS - len(said)), **style)
    axes.text(1, place + 14, said, ha="right", color=INK if found.n else MUTED, **style)
    middle, colour = place + 27, SERIES[1]
    seed: dict[str, Any] = {"markersize": 5, "markeredgecolor": MUTED}
    seed |= {} if found.interval else {"markersize": 7, "markeredgecolor": colour}
    values = found.values if found.n <= SEEDS or not found.interval else ()
    axes.plot(values, [middle] * len(values), "o", markerfacecolor="none", **seed)
    if found.interval and found.mean is not None:
        ends = [found.interval.low, found.interval.high]
        axes.plot(ends, [middle, middle], color=colour, linewidth=2.2)
        axes.plot(ends, [middle, middle], "|", color=colour, markersize=9, markeredgewidth=2.2)
        face = PAPER if 0 in found.interval else colour
        axes.plot([found.mean], [middle], "s", markersize=8, markerfacecolor=face, markeredgecolor=colour, markeredgewidth=1.8)
