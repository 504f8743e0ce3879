"""A module as a diagram: boxes from top to bottom, with every connection between them. Boxes in, files out.

Owns the layout: the longest way is the main column, parallel ways stand beside it, skip connections go around. Knows no module:
module_graph.py reads the boxes from the module that is trained.
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
WIDE, SPACE, LANE = 2.35, 0.27, 0.2  # inches: of a box, below it, between skip connections
SIDE = -WIDE - 0.65  # inches: from the main column to the side column


def draw(stem: Path, boxes: Sequence[Box]) -> None:
    """Draw boxes from top to bottom: the longest way through them as the main column, other ways beside it.

    Every connection is drawn: along a column as an arrow, a skip connection as a line around it.
    """
    at = places(boxes)
    lanes = _lanes(boxes, at)
    farthest = min(x for x, _ in at)
    named = any(box.group for box, (x, _) in zip(boxes, at, strict=True) if x == farthest)
    left = farthest - WIDE / 2 - (0.45 if named else 0.1)
    right = WIDE / 2 + LANE * (1 + max(lanes.values(), default=0))
    bottom = max(y + _half(box)[1] for box, (_, y) in zip(boxes, at, strict=True)) + 0.1
    with saved(stem, right - left, bottom + 0.1) as figure:
        axes = figure.add_axes((0, 0, 1, 1), xlim=(left, right), ylim=(bottom, -0.1))
        axes.axis("off")
        _bands(axes, boxes, at)
        for target, box in enumerate(boxes):
            for source in box.inputs:
                _connect(axes, boxes, at, (source, target), lanes.get((source, target)))
        for box, (x, y) in zip(boxes, at, strict=True):
            _box(axes, box, x, y)


def places(boxes: Sequence[Box]) -> list[tuple[float, float]]:
    """Return the centre (x, y) of every box in inches, y downwards: the longest way at x = 0, others between its boxes."""
    before: list[list[int]] = []  # the longest way to each box
    for position, box in enumerate(boxes):
        before.append([*max((before[source] for source in box.inputs), key=len, default=[]), position])
    at, edge = {}, 0.0
    for position in before[-1]:
        half = _half(boxes[position])[1]
        at[position] = (0.0, edge + half)
        edge += 2 * half + SPACE
    for position in range(len(boxes)):
        if position not in at:
            chain, end = [position], _reader(boxes, position)
            while end not in at:
                chain, end = [*chain, end], _reader(boxes, end)
            way = before[-1][before[-1].index(boxes[position].inputs[0]) : before[-1].index(end) + 1]
            at |= {part: (SIDE, _between(at, way, (step + 1) / (len(chain) + 1))) for step, part in enumerate(chain)}
    return [at[position] for position in range(len(boxes))]


def _reader(boxes: Sequence[Box], position: int) -> int:
    return next(reader for reader, box in enumerate(boxes) if position in box.inputs)


def _between(at: Mapping[int, tuple[float, float]], way: Sequence[int], share: float) -> float:
    """Return y at a share of the boxes of a way: beside one of them where the share meets it."""
    return float(np.interp(share * (len(way) - 1), range(len(way)), [at[position][1] for position in way]))


def _lanes(boxes: Sequence[Box], at: Sequence[tuple[float, float]]) -> dict[tuple[int, int], int]:
    """Return the lane, from 1, of each connection within the main column that passes over boxes; longer ones lie outside."""
    edges = [(source, target) for target, box in enumerate(boxes) for source in box.inputs]
    main = sorted((place[1], position) for position, place in enumerate(at) if place[0] == 0)
    near = set(pairwise(position for _, position in main))
    over = [edge for edge in edges if edge not in near and at[edge[0]][0] == at[edge[1]][0] == 0]
    lanes: dict[tuple[int, int], int] = {}
    for edge in sorted(over, key=lambda edge: at[edge[1]][1] - at[edge[0]][1]):
        top, bottom = at[edge[0]][1], at[edge[1]][1]
        taken = {lane for (a, b), lane in lanes.items() if at[a][1] <= bottom and top <= at[b][1]}
        lanes[edge] = next(lane for lane in range(1, len(edges) + 2) if lane not in taken)
    return lanes


def _bands(axes: Axes, boxes: Sequence[Box], at: Sequence[tuple[float, float]]) -> None:
    """Draw what belongs to one child module on one ground, with its name."""
    for group in dict.fromkeys(box.group for box in boxes if box.group):
        inside = [(x, y, *_half(box)) for box, (x, y) in zip(boxes, at, strict=True) if box.group == group]
        low, high = min(x for x, *_ in inside) - WIDE / 2 - 0.08, max(x for x, *_ in inside) + WIDE / 2 + 0.08
        top, bottom = min(y - half for _, y, _, half in inside) - 0.07, max(y + half for _, y, _, half in inside) + 0.07
        style = "round,pad=0,rounding_size=0.1"
        axes.add_patch(FancyBboxPatch((low, top), high - low, bottom - top, style, fc="#f6f6f6", ec="#d0d0d0", lw=0.8))
        name = group.replace(": ", "\n")
        axes.text(low - 0.06, (top + bottom) / 2, name, rotation=90, ha="right", va="center", size=7, color=PALE)


def _connect(
    axes: Axes, boxes: Sequence[Box], at: Sequence[tuple[float, float]], edge: tuple[int, int], lane: int | None
) -> None:
    """Draw one arrow: down the column, or branching off below its source, around or into the other column."""
    (x, y), (to_x, to_y) = at[edge[0]], at[edge[1]]
    below, (half, high) = y + _half(boxes[edge[0]])[1], _half(boxes[edge[1]])
    branch = below + SPACE * 0.36
    if lane is not None:
        out = WIDE / 2 + LANE * lane
        way = [(x, branch), (out, branch), (out, to_y), (to_x + half, to_y)]
    elif x == to_x:
        way = [(x, below), (to_x, to_y - high)]
    elif x > to_x:  # into the side column
        way = [(x, branch), (to_x, branch), (to_x, to_y - high)]
    else:
        way = [(x, below), (x, to_y), (to_x - half, to_y)]
    skip = lane is not None or "resize" in (boxes[position].kind for position in edge if at[position][0] != 0)
    colour = MARK if skip else INK
    if way[0][1] == branch:
        axes.add_patch(Circle(way[0], 0.03, fc=colour, ec="none", zorder=3))
    for (from_x, from_y), (corner_x, corner_y) in pairwise(way[:-1]):
        axes.plot((from_x, corner_x), (from_y, corner_y), color=colour, lw=1.2, solid_capstyle="round", zorder=2)
    arrow = FancyArrowPatch(*way[-2:], arrowstyle="-|>", mutation_scale=8, shrinkA=0, shrinkB=0, color=colour, lw=1.2, zorder=2)
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
