"""One panel of a plot of cells: its axes with the vertical one named above, each cell in its style, the legend at the foot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ablation.reporting.document.plot_style import (
    WIDTH,
    CellStyle,
    cell_styles,
    draw,
    legend,
    legend_height,
    plain_numbers,
)
from ablation.reporting.statistics.analysis import Analysis, Row
from ablation.reporting.statistics.factors import factors

CELLS = 12  # in one panel: more cannot be distinguished
HEIGHT, LEFT, BELOW, ABOVE = 300.0, 40.0, 46.0, 26.0  # units of a pixel: height without the legend, what the axes leave


def styled(analysis: Analysis) -> list[tuple[Row, CellStyle]]:
    """Return every cell with its style, the same in all plots of a study."""
    varied = factors([row.cell.config for row in analysis.rows], analysis.study)
    return list(zip(analysis.rows, cell_styles([factor.cells for factor in varied]), strict=True))


def with_legend(
    name: str, key: str, entries: Sequence[tuple[str, dict[str, Any]]], paint: Callable[[Figure, float], None]
) -> str:
    """Return a panel and the legend under it as SVG.

    Args:
        name: read aloud in place of the drawing.
        key: begins every id of the drawing.
        entries: label and line style of each entry of the legend.
        paint: draws the panel, given the figure and the legend's height in units of a pixel.
    """
    foot = legend_height([label for label, _ in entries])

    def both(figure: Figure) -> None:
        paint(figure, foot)
        legend(figure, entries)

    return draw(name, key, HEIGHT + foot, both)


def panel(figure: Figure, foot: float, above: str, below: str) -> Axes:
    """Return axes that leave `foot` to the legend. Their vertical axis is named above, where its name is read level."""
    height = HEIGHT + foot
    axes = figure.add_axes((LEFT / WIDTH, (foot + BELOW) / height, 1 - (LEFT + 10) / WIDTH, (HEIGHT - BELOW - ABOVE) / height))
    axes.set_title(above, loc="left", fontsize=13, x=-LEFT / (WIDTH - LEFT - 10), pad=10)
    axes.set_xlabel(below)
    axes.set_axisbelow(True)
    plain_numbers(axes, "x", "y")
    return axes
