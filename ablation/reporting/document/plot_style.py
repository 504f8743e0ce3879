"""How a plot looks: one narrow canvas, a palette that follows the page's light and dark, each cell's colour, mark and dash.

Owns what all plots share and the way from matplotlib to SVG that stands in a page. Knows no number.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import product
from typing import Any

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from ablation.reporting.document.text import MINUS, visible

WIDTH = 400  # units: on a screen of 400 pixels the text is still 11 high
INK, MUTED, GRID, PAPER = "#000001", "#000002", "#000003", "#000004"  # stand-ins, replaced by the page's variables
SERIES = [f"#0000{number:02x}" for number in range(0x10, 0x18)]
# Okabe and Ito's colours (jfly.uni-koeln.de/color), the light ones darkened to 3:1 on white; the page has those for dark.
LIGHT = ["#4d4d4d", "#0072b2", "#d55e00", "#00805c", "#b0528c", "#a36a00", "#2585b8", "#7a7000"]
NAMES = {INK: "ink", MUTED: "muted", GRID: "grid", PAPER: "paper"} | {
    colour: f"series-{index}" for index, colour in enumerate(SERIES)
}
FALLBACK = {INK: "#1c2024", MUTED: "#5d656d", GRID: "#d9dde1", PAPER: "#ffffff"} | dict(zip(SERIES, LIGHT, strict=True))
MARKS = ["o", "s", "^", "D", "v", "P", "X", "p"]
DASHES: list[Any] = ["-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2))]
SETTINGS = {
    "svg.fonttype": "none",  # text stays text: it can be selected and read aloud
    "svg.hashsalt": "ablation",  # else the ids of marks are random
    "text.parse_math": False,  # a label may hold dollars
    "font.family": "DejaVu Sans",  # comes with matplotlib, and is wider than what a browser will use: nothing overlaps
    "font.size": 13,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 12,
    "ytick.labelsize": 12,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "path.simplify_threshold": 0.3,
}


@dataclass(frozen=True)
class Plot:
    """A drawing. Without `svg` there is nothing to draw, and `caption` says why."""

    name: str  # what it shows, for those who cannot see it
    svg: str
    caption: str


@dataclass(frozen=True)
class CellStyle:
    """A cell's style in every plot: mark and dash as well as colour."""

    colour: str
    mark: str
    dash: Any
    filled: bool

    def line(self, **more: Any) -> dict[str, Any]:
        """Return the arguments of a line with marks."""
        face = self.colour if self.filled else PAPER
        return {"color": self.colour, "linestyle": self.dash, "markerfacecolor": face, "markeredgecolor": self.colour, **more}


def cell_styles(levels: Sequence[Sequence[str | None]]) -> list[CellStyle]:
    """Give each cell its style: the first factor's colour and mark, the second's dash; by turns where that is not unique.

    Args:
        levels: of each factor that varies, the level of each cell.
    """
    number = len(levels[0]) if levels else 1
    ordered = sorted(levels, key=lambda factor: -len(set(factor)))  # there are more colours than dashes
    first, second = (*ordered[:2], *[[None] * number] * 2)[:2]
    colours, dashes = list(dict.fromkeys(first)), list(dict.fromkeys(second))
    indices = [(colours.index(one), dashes.index(other)) for one, other in zip(first, second, strict=True)]
    if len(set(indices)) < len(indices) or len(colours) > len(SERIES) or len(dashes) > len(DASHES):
        turns = [(index, turn) for turn, index in product(range(len(DASHES)), range(len(SERIES)))]
        indices = [turns[index % len(turns)] for index in range(number)]
    return [CellStyle(SERIES[index], MARKS[index], DASHES[turn], filled=turn == 0) for index, turn in indices]


def draw(name: str, key: str, height: float, paint: Callable[[Figure], None]) -> str:
    """Return what `paint` draws on a canvas of WIDTH x `height` as SVG to stand in a page: equal drawings, equal bytes.

    Args:
        name: read aloud in place of the drawing.
        key: begins every id, for a page holds several drawings.
        height: in units of a pixel.
        paint: draws on the figure.
    """
    file = io.StringIO()
    with matplotlib.style.context(["default", SETTINGS]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # that its own font lacks, but a browser's has
        figure = Figure(figsize=(WIDTH / 72, height / 72), dpi=72)
        paint(figure)
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    return _in_page(file.getvalue(), name, key, height)


def _in_page(text: str, name: str, key: str, height: float) -> str:
    """Keep what a page needs of a file: its shapes. Colours become variables, ids the drawing's own."""
    body = re.sub(r"^.*?<svg[^>]*>|<metadata>.*?</metadata>|<!--.*?-->|<style.*?</style>|</svg>\s*$", "", text, flags=re.DOTALL)
    body = re.sub(r"<[^>]+>", lambda tag: _tag(tag[0], key), body)
    body = re.sub(r"\n\s*", "\n", body).strip()
    head = f'<svg class="plot" viewBox="0 0 {WIDTH} {height:g}" role="img" aria-label="{escape(visible(name))}">'
    return f"{head}\n{body}\n</svg>"


def _tag(tag: str, key: str) -> str:
    tag = re.sub(r"#0000[01][0-9a-f]", lambda colour: f"var(--{NAMES[colour[0]]}, {FALLBACK[colour[0]]})", tag)
    tag = re.sub(r' transform="rotate\(-0 [^"]*"| clip-path="[^"]*"(?= style="fill: none; stroke: var\(--grid)', "", tag)
    tag = re.sub(r'\bid="', f'id="{key}-', tag)
    tag = re.sub(
        r"font-family: [^;\"]*;? ?|font: ([\d.]+px) [^;\"]*", lambda font: f"font-size: {font[1]}" if font[1] else "", tag
    )
    return re.sub(r'(url\(#|href="#)', rf"\g<1>{key}-", tag)


def short(text: str, most: int) -> str:
    """Return text cut to `most` characters: a drawing has no second line, and the table has the whole."""
    text = visible(text)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def plain_numbers(axes: Axes, *names: str) -> None:
    """Write the ticks of an axis as numbers, with a true minus and without powers."""
    for name in names:
        axis = getattr(axes, f"{name}axis")
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}".replace("-", MINUS)))


def logarithmic(axes: Axes) -> None:
    """Make the horizontal axis logarithmic, with ticks that a person would choose."""
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_minor_locator(NullLocator())
    plain_numbers(axes, "x")  # the scale brought its own


def legend(figure: Figure, entries: Sequence[tuple[str, dict[str, Any]]]) -> None:
    """Name the marks at the foot, in two columns where the names are short."""
    columns = legend_columns([label for label, _ in entries])
    handles = [Line2D([], [], **{"label": short(label, 48 // columns), **style}) for label, style in entries]
    figure.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(0.0, 0.0),
        ncols=columns,
        frameon=False,
        fontsize=12,
        handlelength=2.5,
        columnspacing=1.2,
        labelspacing=0.45,
        borderaxespad=0.0,
    )


def legend_columns(labels: Sequence[str]) -> int:
    """Return in how many columns the names stand."""
    return 2 if max(map(len, labels), default=0) <= 22 else 1


def legend_height(labels: Sequence[str]) -> float:
    """Return the height that a legend takes, in units of a pixel."""
    return 21.0 * -(-len(labels) // legend_columns(labels)) + 8
