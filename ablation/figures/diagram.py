"""Draw a module as a diagram: boxes from top to bottom, with every connection between them.

The longest path is the main column, parallel paths are drawn beside it, skip connections around it. module_graph.py reads
the boxes from the module.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch

from ablation.figures.module_graph import Box
from ablation.figures.sheet import INK, MARK, PALE, saved
from ablation.records.numbers import exact

TINTS = {
    "layer": "#cfe5f3",
    "resize": "#fbe3b4",
    "attention": "#c9e8df",
    "operation": "#eeeeee",
    "pointwise": "#eeeeee",
}
WIDE, SPACE, LANE = 2.35, 0.27, 0.2  # inches: width of a box, space below it, distance between skip connections
SIDE = -WIDE - 0.65  # inches: from the main column to the side column


def draw(stem: Path, boxes: Sequence[Box]) -> None:
    """Draw boxes from top to bottom: the longest path as the main column, other paths beside it.

    Connections along a column are arrows, skip connections lines around it.
    """
    centres = places(boxes)
    lanes = _lanes(boxes, centres)
    farthest = min(x for x, _ in centres)
    named = any(box.group for box, (x, _) in zip(boxes, centres, strict=True) if x == farthest)
    left = farthest - WIDE / 2 - (0.45 if named else 0.1)
    right = WIDE / 2 + LANE * (1 + max(lanes.values(), default=0))
    bottom = max(y + _half(box)[1] for box, (_, y) in zip(boxes, centres, strict=True)) + 0.1
    with saved(stem, right - left, bottom + 0.1) as figure:
        axes = figure.add_axes((0, 0, 1, 1), xlim=(left, right), ylim=(bottom, -0.1))
        axes.axis("off")
        _bands(axes, boxes, centres)
        for target, box in enumerate(boxes):
            for source in box.inputs:
                _connect(axes, boxes, centres, (source, target), lanes.get((source, target)))
        for box, (x, y) in zip(boxes, centres, strict=True):
            _box(axes, box, x, y)


def places(boxes: Sequence[Box]) -> list[tuple[float, float]]:
    """Return the centre (x, y) of every box in inches, y downwards; the longest path is at x = 0, others beside it."""
    paths: list[list[int]] = []  # the longest path to each box
    for index, box in enumerate(boxes):
        paths.append([*max((paths[source] for source in box.inputs), key=len, default=[]), index])
    centres, edge = {}, 0.0
    for index in paths[-1]:
        half = _half(boxes[index])[1]
        centres[index] = (0.0, edge + half)
        edge += 2 * half + SPACE
    for index in range(len(boxes)):
        if index not in centres:
            chain, end = [index], _reader(boxes, index)
            while end not in centres:
                chain, end = [*chain, end], _reader(boxes, end)
            path = paths[-1][paths[-1].index(boxes[index].inputs[0]) : paths[-1].index(end) + 1]
            centres |= {part: (SIDE, _between(centres, path, (step + 1) / (len(chain) + 1))) for step, part in enumerate(chain)}
    return [centres[index] for index in range(len(boxes))]


def _reader(boxes: Sequence[Box], index: int) -> int:
    return next(reader for reader, box in enumerate(boxes) if index in box.inputs)


def _between(centres: Mapping[int, tuple[float, float]], path: Sequence[int], share: float) -> float:
    """Return y at a fraction `share` of a path, interpolated between the boxes on it."""
    return float(np.interp(share * (len(path) - 1), range(len(path)), [centres[index][1] for index in path]))


def _lanes(boxes: Sequence[Box], centres: Sequence[tuple[float, float]]) -> dict[tuple[int, int], int]:
    """Return the lane, from 1, of each connection in the main column that skips boxes; longer ones are further out."""
    edges = [(source, target) for target, box in enumerate(boxes) for source in box.inputs]
    main = sorted((centre[1], index) for index, centre in enumerate(centres) if centre[0] == 0)
    near = set(pairwise(index for _, index in main))
    over = [edge for edge in edges if edge not in near and centres[edge[0]][0] == centres[edge[1]][0] == 0]
    lanes: dict[tuple[int, int], int] = {}
    for edge in sorted(over, key=lambda edge: centres[edge[1]][1] - centres[edge[0]][1]):
        top, bottom = centres[edge[0]][1], centres[edge[1]][1]
        taken = {lane for (a, b), lane in lanes.items() if centres[a][1] <= bottom and top <= centres[b][1]}
        lanes[edge] = next(lane for lane in range(1, len(edges) + 2) if lane not in taken)
    return lanes


def _bands(axes: Axes, boxes: Sequence[Box], centres: Sequence[tuple[float, float]]) -> None:
    """Draw a named background behind the boxes of each child module."""
    for group in dict.fromkeys(box.group for box in boxes if box.group):
        inside = [(x, y, *_half(box)) for box, (x, y) in zip(boxes, centres, strict=True) if box.group == group]
        low, high = min(x for x, *_ in inside) - WIDE / 2 - 0.08, max(x for x, *_ in inside) + WIDE / 2 + 0.08
        top, bottom = min(y - half for _, y, _, half in inside) - 0.07, max(y + half for _, y, _, half in inside) + 0.07
        style = "round,pad=0,rounding_size=0.1"
        axes.add_patch(FancyBboxPatch((low, top), high - low, bottom - top, style, fc="#f6f6f6", ec="#d0d0d0", lw=0.8))
        name = group.replace(": ", "\n")
        axes.text(low - 0.06, (top + bottom) / 2, name, rotation=90, ha="right", va="center", size=7, color=PALE)


def _connect(
    axes: Axes, boxes: Sequence[Box], centres: Sequence[tuple[float, float]], edge: tuple[int, int], lane: int | None
) -> None:
    """Draw one connection: down a column, around it in a lane, or to the other column."""
    (x, y), (to_x, to_y) = centres[edge[0]], centres[edge[1]]
    below, (half, high) = y + _half(boxes[edge[0]])[1], _half(boxes[edge[1]])
    branch = below + SPACE * 0.36
    if lane is not None:
        out = WIDE / 2 + LANE * lane
        path = [(x, branch), (out, branch), (out, to_y), (to_x + half, to_y)]
    elif x == to_x:
        path = [(x, below), (to_x, to_y - high)]
    elif x > to_x:  # into the side column
        path = [(x, branch), (to_x, branch), (to_x, to_y - high)]
    else:
        path = [(x, below), (x, to_y), (to_x - half, to_y)]
    skip = lane is not None or "resize" in (boxes[index].kind for index in edge if centres[index][0] != 0)
    colour = MARK if skip else INK
    if path[0][1] == branch:
        axes.add_patch(Circle(path[0], 0.03, fc=colour, ec="none", zorder=3))
    for (from_x, from_y), (corner_x, corner_y) in pairwise(path[:-1]):
        axes.plot((from_x, corner_x), (from_y, corner_y), color=colour, lw=1.2, solid_capstyle="round", zorder=2)
    arrow = FancyArrowPatch(
        *path[-2:], arrowstyle="-|>", mutation_scale=8, shrinkA=0, shrinkB=0, color=colour, lw=1.2, zorder=2
    )
    axes.add_patch(arrow)


def _half(box: Box) -> tuple[float, float]:
    """Return half of a box's width and height in inches."""
    if box.kind in ("sum", "product"):
        return 0.14, 0.14
    return WIDE / 2, 0.28 if box.then else 0.2


def _box(axes: Axes, box: Box, x: float, y: float) -> None:
    half, high = _half(box)
    if box.kind in ("sum", "product"):
        axes.add_patch(Circle((x, y), half, fc="white", ec=INK, lw=1.1, zorder=3))
        axes.text(x, y, box.text, ha="center", va="center_baseline", size=11, color=INK, zorder=4)
        return
    style = "round,pad=0,rounding_size=0.06"
    tint = TINTS.get(box.kind, "white")
    axes.add_patch(FancyBboxPatch((x - half, y - high), 2 * half, 2 * high, style, fc=tint, ec=INK, lw=0.9, zorder=3))
    count = "parameters shared" if box.shared else f"{exact(box.parameters)} parameters" if box.parameters else ""
    shape = " x ".join(map(str, box.shape))
    lines = [box.text, *([", ".join(box.then)] if box.then else []), f"{shape} · {count}" if count else shape]
    for number, line in enumerate(lines):
        last = number == len(lines) - 1
        offset = (number - (len(lines) - 1) / 2) * 0.165
        size, colour = (7.5, "#404040") if last else (8.5, INK)
        axes.text(x, y + offset, line, ha="center", va="center_baseline", size=size, color=colour, zorder=4)
