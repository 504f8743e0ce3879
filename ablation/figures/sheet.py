"""Write figures as PNG and PDF, and draw sheets of images.

Equal input gives equal bytes. Colours are Okabe and Ito's (distinguishable with colour blindness) or tints of them, and are
never the only way to read a figure. The diagrams are in diagram.py.
"""

from __future__ import annotations

import textwrap
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ablation.figures import fonts

DPI = 200
WIDTH = 1400  # pixels of a sheet, about: a page is 7 inches wide
GAP = 8  # pixels between the images of a sheet
LINE = 25  # pixels of a line of text on a sheet
INK, PALE, MARK = "#1a1a1a", "#6b6b6b", "#D55E00"
STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "text.parse_math": False,
    "pdf.fonttype": 42,
    "savefig.facecolor": "white",
}
Window = tuple[int, int, int, int]  # top, left, height, width in pixels of the image


@dataclass(frozen=True)
class Row:
    """A labelled row of a sheet."""

    label: str
    pictures: np.ndarray  # (N, H, W) or (N, H, W, 3); 0 black, 1 white
    notes: Sequence[str] = ()  # below each picture


@contextmanager
def saved(stem: Path, width: float, height: float) -> Iterator[Figure]:
    """Yield an empty figure of a size in inches; write it as `stem`.png and `stem`.pdf."""
    settings: Any = {**mpl.rcParamsDefault, **STYLE}  # ignores a user's matplotlibrc
    with mpl.rc_context(settings), warnings.catch_warnings():
        figure = Figure(figsize=(width, height), dpi=DPI)
        yield figure
        fonts.cover(figure, STYLE["font.family"])  # logs missing letters once; matplotlib would warn for each
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(stem.with_suffix(".png"), metadata={"Software": None})
        figure.savefig(stem.with_suffix(".pdf"), metadata={"CreationDate": None})


def sheet(
    stem: Path,
    rows: Sequence[Sequence[np.ndarray | None]],
    labels: Sequence[str] = (),
    heads: Sequence[str] = (),
    notes: Sequence[Sequence[str]] = (),
    windows: Sequence[Sequence[Window] | None] = (),
    foot: str = "",
) -> None:
    """Draw images in rows, enlarged by a whole number, so that no image is blurred.

    Args:
        rows: images (H, W, 3) or (H, W) in [0, 1], or None for an empty tile; smaller ones are centred.
        labels: of the rows, at their left; heads: of the columns; foot: lines below.
        notes: of each row, one or two lines below each image; windows: of each row, what to outline in each image.
    """
    largest = max(max(image.shape[:2]) for row in rows for image in row if image is not None)
    columns = max(len(row) for row in rows)
    margin = 2 * GAP + round(max((len(line) for label in labels for line in label.split("\n")), default=0) * LINE * 0.56)
    tile = largest * max(1, round((WIDTH - margin) / columns / largest))
    below = [max((text.count("\n") + 1 for text in texts if text), default=0) for texts in notes] or [0] * len(rows)
    tops = [GAP + LINE * bool(heads) + row * (tile + GAP) + LINE * sum(below[:row]) for row in range(len(rows))]
    width = margin + columns * (tile + GAP)
    lines = [line for part in foot.splitlines() for line in textwrap.wrap(part, width // 10)]
    height = tops[-1] + tile + GAP + LINE * (below[-1] + len(lines))
    canvas = np.ones((height, width, 3), dtype=np.float32)
    with saved(stem, (width + 0.01) / DPI, (height + 0.01) / DPI) as figure:
        axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
        axes.axis("off")
        for row, images in enumerate(rows):
            for column, image in enumerate(images):
                left = margin + column * (tile + GAP)
                if image is not None:
                    x, y = _place(canvas, image, left, tops[row], tile, tile // largest)
                    if windows and (outlined := windows[row]):
                        _outline(axes, outlined[column], x, y, tile // largest)
                if notes and notes[row]:
                    _note(axes, notes[row][column], left + tile / 2, tops[row] + tile)
        axes.imshow(canvas, extent=(0, width, height, 0), interpolation="nearest", aspect="auto")
        for label, top in zip(labels, tops, strict=False):
            axes.text(margin - GAP, top + tile / 2, label, ha="right", va="center", size=8, color=INK, linespacing=1.3)
        for column, head in enumerate(heads):
            axes.text(margin + column * (tile + GAP) + tile / 2, LINE * 0.6, head, ha="center", va="center", size=8, color=INK)
        axes.text(GAP, height - GAP, "\n".join(lines), ha="left", va="bottom", size=7, color=PALE, linespacing=1.1)


def _note(axes: Axes, text: str, middle: float, bottom: float) -> None:
    """Write lines below an image, aligned by baseline so that the notes of a row are level."""
    for number, line in enumerate(text.split("\n")):
        axes.text(middle, bottom + LINE * (number + 0.8), line, ha="center", va="baseline", size=7, color=INK)


def _place(canvas: np.ndarray, image: np.ndarray, left: int, top: int, tile: int, scale: int) -> tuple[int, int]:
    """Enlarge an image into the middle of its tile; return the column and row of its first pixel."""
    enlarged = image.repeat(scale, 0).repeat(scale, 1)
    height, width = enlarged.shape[:2]
    x, y = left + (tile - width) // 2, top + (tile - height) // 2
    canvas[y : y + height, x : x + width] = (enlarged if image.ndim == 3 else enlarged[..., None]).clip(0, 1)
    return x, y


def _outline(axes: Axes, window: Window, x: int, y: int, scale: int) -> None:
    top, left, height, width = (scale * side for side in window)
    axes.add_patch(Rectangle((x + left, y + top), width, height, fill=False, ec=MARK, lw=1.8))
