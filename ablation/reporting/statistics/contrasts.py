"""Which effects cells can show: the study's contrasts, main effects and interactions, each as weights over the cells.

Owns what a contrast is and which cells it takes. Pure: configurations in, weights out; no accuracy is read here.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any, Literal

from ablation.reporting.read.frame import plain
from ablation.reporting.statistics.config_keys import ABSENT, Config, shown
from ablation.reporting.statistics.factors import Factor, factors

Kind = Literal["contrast", "main effect", "interaction"]
Context = tuple[str | None, ...]  # levels of the factors that a contrast is not about, one a factor; None: it is, or has none
MOST = 24  # levels of a factor, or rows of one interaction: more are a search, and no effect of it is made
NAMED = 6  # levels of a factor that a contrast's name lists before it only counts


@dataclass(frozen=True)
class Contrast:
    """An effect: the sum over cells of weight times mean accuracy. Without weights it has no value: see `missing`."""

    kind: Kind
    name: str  # the study's name of it, the factor's, or `interaction`
    change: str  # `none -> plain`: its levels
    of: str  # `none -> plain (base, cutmix)`: the levels of other factors, too, that it is a mean over
    weights: Mapping[int, float]  # by cell
    missing: tuple[str, ...] = ()  # cells without a result that it needs
    without: tuple[str, ...] = ()  # levels of other factors that its mean leaves out: a cell of theirs has no result
    over: tuple[tuple[str, ...], ...] = ()  # of each other factor that varies the levels of its mean: `lr 0.01`, `0.1`


@dataclass(frozen=True)
class NoEffect:
    """A factor, interaction or group of cells without an effect, and why."""

    name: str
    reason: Literal["not crossed", "many levels", "other keys"]


@dataclass(frozen=True)
class _Grid:
    """Cells by their factors; `done` are those that have a result."""

    configs: Sequence[Config]
    factors: Sequence[Factor]
    done: Sequence[int]


@dataclass(frozen=True)
class _Side:
    """Cells whose mean a contrast adds (sign 1) or subtracts (sign -1); `levels` by the place of their factor."""

    sign: int
    levels: Mapping[int, str]
    cells: Sequence[int]


def contrasts(
    configs: Sequence[Config], study: Config, done: Sequence[int] | None = None
) -> tuple[list[Contrast], list[NoEffect]]:
    """Return the study's contrasts in its order, main effects, two-way interactions, and what has no effect.

    Each is a mean over those levels of the other factors that all its sides have; a study's contrast stands at each of them
    too. Main effects and interactions are relative to the factors' reference levels.

    Args:
        configs: flat configurations without the seed, one a cell.
        study: names contrasts as `name: {key: [from, to]}`.
        done: cells that have a result; None: all.
    """
    foreign = _foreign(configs)
    known = [{} if cell in foreign else config for cell, config in enumerate(configs)]
    mine = [cell for cell in (range(len(configs)) if done is None else done) if cell not in foreign]
    grid = _Grid(known, factors(known, study), mine)
    chosen = [each for name, change in (study.get("contrasts") or {}).items() for each in _of_study(grid, name, change)]
    no_effect = [NoEffect(f"{len(foreign)} of {len(configs)} cells", "other keys")] if foreign else []
    crossed = []
    for index, factor in enumerate(grid.factors):
        if len(factor.levels) > MOST:
            no_effect.append(NoEffect(factor.name, "many levels"))
        elif _crossed(grid, index):
            crossed.append(index)
            chosen += _main_effects(grid, index)
        elif len(factor.levels) > 1:
            no_effect.append(NoEffect(factor.name, "not crossed"))
    for one, other in combinations(crossed, 2):
        first, second = grid.factors[one], grid.factors[other]
        if (len(first.levels) - 1) * (len(second.levels) - 1) > MOST:
            no_effect.append(NoEffect(f"{first.name} x {second.name}", "many levels"))
        else:
            chosen += _interactions(grid, one, other)
    return chosen, no_effect


def _foreign(configs: Sequence[Config]) -> set[int]:
    """Return the cells that have other options than most: records of another program, or of another version."""
    options = [tuple(sorted(key for key in config if "." not in key)) for config in configs]
    kinds = Counter(options)
    common = max(sorted(kinds), key=kinds.__getitem__, default=())
    return {cell for cell, names in enumerate(options) if names != common}


def _of_study(grid: _Grid, name: str, change: Mapping[str, Sequence[Any]]) -> Iterator[Contrast]:
    """Yield a contrast of the study: over all levels of the other factors, then at each of them."""
    own = {index for index, factor in enumerate(grid.factors) if factor.keys & change.keys()}
    sides = []
    for sign, end in ((-1, 0), (1, 1)):
        wanted = {key: plain(levels[end]) for key, levels in change.items()}
        cells = [
            cell for cell in grid.done if all(grid.configs[cell].get(key, ABSENT) == value for key, value in wanted.items())
        ]
        sides.append(_Side(sign, {min(own, default=-1): " ".join(map(shown, wanted.values()))}, cells))
    of = " -> ".join(level for side in sides for level in side.levels.values())
    split = _split(grid, sides, own)
    yield _mean(grid, "contrast", name, of, sides, split)
    shared = [context for context in _contexts(grid, split) if all(context in cells for cells in split)]
    for context in shared if 1 < len(shared) <= MOST else []:
        yield _mean(grid, "contrast", name, of, sides, [{context: cells[context]} for cells in split])


def _crossed(grid: _Grid, index: int) -> bool:
    """Return True if some cells, with a result or without, differ from the reference level's in this factor alone."""
    factor = grid.factors[index]
    reference = _side(grid, 1, {index: factor.reference}, planned=True)
    others = [_side(grid, 1, {index: level}, planned=True) for level in factor.levels if level != factor.reference]
    pairs = (_split(grid, [reference, other], {index}) for other in others)
    return any(first.keys() & second.keys() for first, second in pairs)


def _main_effects(grid: _Grid, index: int) -> Iterator[Contrast]:
    """Yield a factor's change from its reference level to each other level that has a result."""
    factor = grid.factors[index]
    reference = _side(grid, -1, {index: factor.reference})
    for level in factor.levels:
        side = _side(grid, 1, {index: level})
        if level != factor.reference and side.cells:
            split = _split(grid, [reference, side], {index})
            yield _mean(grid, "main effect", factor.name, f"{factor.reference} -> {level}", [reference, side], split)


def _interactions(grid: _Grid, one: int, other: int) -> Iterator[Contrast]:
    """Yield (both changed) - (the first alone) - (the second alone) + (neither), where all four are among the cells."""
    first, second = grid.factors[one], grid.factors[other]
    for level, with_level in product(first.levels, second.levels):
        corners = [(1, level, with_level), (-1, level, second.reference), (-1, first.reference, with_level)]
        where = [(sign, {one: a, other: b}) for sign, a, b in [*corners, (1, first.reference, second.reference)]]
        changed = level != first.reference and with_level != second.reference
        if changed and all(_side(grid, sign, levels, planned=True).cells for sign, levels in where):
            sides = [_side(grid, sign, levels) for sign, levels in where]
            of = f"{first.unit}{level} x {second.unit}{with_level}"
            yield _mean(grid, "interaction", "interaction", of, sides, _split(grid, sides, {one, other}))


def _side(grid: _Grid, sign: int, levels: Mapping[int, str], planned: bool = False) -> _Side:
    """Return the cells of these levels that have a result, or with `planned` all of them."""
    cells = range(len(grid.configs)) if planned else grid.done
    having = [cell for cell in cells if all(grid.factors[index].cells[cell] == level for index, level in levels.items())]
    return _Side(sign, levels, having)


def _split(grid: _Grid, sides: Sequence[_Side], own: set[int]) -> list[dict[Context, list[int]]]:
    """Return each side's cells by their levels of the factors that are not `own` and that all sides' cells have."""
    used = [
        index not in own and all(factor.cells[cell] is not None for side in sides for cell in side.cells)
        for index, factor in enumerate(grid.factors)
    ]
    split = []
    for side in sides:
        cells: dict[Context, list[int]] = defaultdict(list)
        for cell in side.cells:
            context = [factor.cells[cell] if use else None for factor, use in zip(grid.factors, used, strict=True)]
            cells[tuple(context)].append(cell)
        split.append(dict(cells))
    return split


def _contexts(grid: _Grid, split: Sequence[Mapping[Context, Sequence[int]]]) -> list[Context]:
    """Return the levels of the other factors at which some side has a result, in the factors' order."""
    orders = [{level: index for index, level in enumerate(factor.levels)} for factor in grid.factors]
    seen = {context for cells in split for context in cells}
    return sorted(seen, key=lambda context: [-1 if x is None else order[x] for order, x in zip(orders, context, strict=True)])


def _mean(
    grid: _Grid,
    kind: Kind,
    name: str,
    of: str,
    sides: Sequence[_Side],
    split: Sequence[Mapping[Context, Sequence[int]]],
) -> Contrast:
    """Weigh the cells of all sides equally over the levels of the other factors that all sides have."""
    seen = _contexts(grid, split) or [(None,) * len(grid.factors)]
    whole = [context for context in seen if all(context in cells for cells in split)]
    if not whole:
        missing = dict.fromkeys(
            _place(grid, context, side.levels)
            for context in seen
            for side, cells in zip(sides, split, strict=True)
            if context not in cells
        )
        return Contrast(kind, name, of, _over(grid, of, seen), {}, tuple(missing))
    weights: dict[int, float] = defaultdict(float)
    for context in whole:
        for side, cells in zip(sides, split, strict=True):
            for cell in cells[context]:
                weights[cell] += side.sign / (len(whole) * len(cells[context]))
    without = tuple(_place(grid, context, {}) for context in seen if context not in whole)
    return Contrast(kind, name, of, _over(grid, of, whole), dict(weights), (), without, _averaged(grid, whole))


def _place(grid: _Grid, context: Context, levels: Mapping[int, str]) -> str:
    """Return a place of the grid in words: levels in the order of the factors."""
    others = {index: f"{grid.factors[index].unit}{level}" for index, level in enumerate(context) if level is not None}
    own = {index: f"{grid.factors[index].unit if index >= 0 else ''}{level}" for index, level in levels.items()}
    return " ".join(text for _, text in sorted({**others, **own}.items()))


def _averaged(grid: _Grid, contexts: Sequence[Context]) -> tuple[tuple[str, ...], ...]:
    """Return the levels of each other factor that some contexts have, the first with its unit; one alone with its factor."""
    parts = []
    for index, factor in enumerate(grid.factors):
        levels = list(dict.fromkeys(level for context in contexts if (level := context[index]) is not None))
        if levels and len(factor.levels) > 1:
            unit = factor.unit or (f"{factor.name} " if len(levels) == 1 else "")
            parts.append((f"{unit}{levels[0]}", *levels[1:]))
    return tuple(parts)


def _over(grid: _Grid, of: str, contexts: Sequence[Context]) -> str:
    """Add to a contrast's name the levels of the other factors that it is a mean over."""
    parts = []
    for index, factor in enumerate(grid.factors):
        levels = list(dict.fromkeys(level for context in contexts if (level := context[index]) is not None))
        if levels:
            listed = f"{factor.unit}{', '.join(levels)}"
            parts.append(listed if len(levels) <= NAMED else f"{len(levels)} levels of {factor.name}")
    return f"{of} ({'; '.join(parts)})" if parts else of
