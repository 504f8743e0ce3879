"""Every number that the table, the page and the verdict argue with, computed once from the runs of a study.

Owns which cells are compared with which. The statistics themselves are their own files'. Pure.
"""

from __future__ import annotations

import functools
import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ablation.reporting.statistics.cells import cells
from ablation.reporting.statistics.comparisons import Comparison, compared, family
from ablation.reporting.statistics.contrasts import NoEffect
from ablation.reporting.statistics.effects import Effect, effects, on
from ablation.reporting.statistics.estimate import Interval
from ablation.reporting.statistics.family import rank
from ablation.reporting.statistics.looks import Looked
from ablation.reporting.statistics.power import sd_interval
from ablation.reporting.statistics.rows import Correct, Row, mismatch, row_of
from ablation.reporting.statistics.same_images import Difference

__all__ = ["Analysis", "Comparison", "Correct", "Group", "Row", "Spread", "Unknown", "analyse", "family"]


class Unknown(LookupError):
    """`--against` names no cell, or several."""


@dataclass(frozen=True)
class Spread:
    """The standard deviation of an accuracy over seeds, pooled over the cells, in points."""

    sd: float
    interval: Interval  # of the sd, 95 %
    runs: int


@dataclass(frozen=True, eq=False)
class Group:
    """Cells that were tested on the same images, and who leads among them."""

    name: str  # what its images are, `data cifar10`; empty where there is one group
    rows: list[Row]
    ranked: list[Row]  # highest mean first
    winner: Row | None  # of two seeds and more
    next: Comparison | None  # the winner with the next, of two seeds both; chosen by looking, and valid without an adjustment
    single: Row | None  # the highest cell of one seed, where it lies above the winner
    single_next: Comparison | None  # where no cell has two seeds: the highest with the next, as trained models


@dataclass(frozen=True, eq=False)
class Analysis:
    """A study's runs, analysed. Comparisons and effects are of `metric`."""

    study: Mapping[str, Any]
    metric: str
    rows: list[Row]
    outcomes: Counter[str]
    comparisons: list[Comparison]  # each cell with its baseline
    against: list[Comparison]  # each cell with the one that `against` names
    groups: list[Group]
    effects: list[Effect]
    no_effect: list[NoEffect]  # factors and interactions that have no effect, and why
    images: int | None  # test images, if they are known and the same for all runs
    spread: Spread | None
    smallest: float | None  # points that matter, as stated
    command: str | None  # of the newest sweep
    looked: Looked | None = None  # of a sweep in rounds


def analyse(
    frame: pd.DataFrame,
    study: Mapping[str, Any],
    generator: np.random.Generator,
    metric: str = "last",
    against: str | None = None,
    correct: Correct | None = None,
    smallest: float | None = None,
    command: str | None = None,
    looked: Looked | None = None,
) -> Analysis:
    """Analyse a study's runs.

    Args:
        frame: of `source`, at least one row.
        study: the study's node.
        generator: for the permutation check of many seeds.
        metric: `best`, `last` or `val`: the accuracy that is compared.
        against: a cell to compare all others with: its label, or what tells it apart, as `key=value,key=value`.
        correct: gives a run's correct test images, where they are here.
        smallest: difference in points that matters; None: the study's `smallest`, which may state none.
        command: that planned the runs, for the command that would decide what is open.
        looked: of a sweep in rounds, what it knew after its last look: its levels count.

    Raises:
        Unknown: `against` names no cell, or several; the message lists the labels.
        ValueError: `smallest` is not above 0.
    """
    margin = study.get("smallest") if smallest is None else smallest
    if margin is not None and not margin > 0:
        raise ValueError(f"smallest {margin}: must be above 0 points")
    rows = [row_of(cell, metric, correct) for cell in cells(frame, study)]
    reference = _named(rows, against)
    pairs = [(row, other) for row, other in _baselines(rows, study) if other is not row]
    to_reference = [(row, reference) for row in rows if reference is not None and row is not reference]
    all_pairs = compared(
        [*pairs, *to_reference], metric, margin, generator, family=True, looked=looked.comparisons if looked else None
    )
    groups = _groups(rows, metric, margin, generator)
    estimated, no_effect = _effects(groups, study, metric, margin, looked)
    counts = {images.count for row in rows if row.cell.done for images in row.tested_on}
    return Analysis(
        study=study,
        metric=metric,
        rows=rows,
        outcomes=Counter(frame["outcome"]),
        comparisons=all_pairs[: len(pairs)],
        against=all_pairs[len(pairs) :],
        groups=groups,
        effects=estimated,
        no_effect=no_effect,
        images=next(iter(counts)) if len(counts) == 1 else None,
        spread=_spread(rows, metric),
        smallest=margin,
        command=command,
        looked=looked,
    )


def _baselines(rows: Sequence[Row], study: Mapping[str, Any]) -> Iterable[tuple[Row, Row]]:
    """Yield each cell with the baseline that shares all else with it: of two learning rates, each has its own."""
    where = study.get("baseline") or {}
    candidates = [row for row in rows if where and all(row.cell.config.get(key) == value for key, value in where.items())]
    kinds = defaultdict(list)  # baselines by the keys that they have: an option may lack those of another
    for row in candidates:
        kinds[frozenset(row.cell.config)].append(row)

    @functools.cache  # every cell with every baseline would be quadratic
    def alike(kind: frozenset[str], shared: frozenset[str]) -> dict[str, list[Row]]:
        groups = defaultdict(list)
        for row in kinds[kind]:
            groups[_values(row, shared)].append(row)
        return dict(groups)

    for row in rows:
        free = frozenset(key for key in row.cell.config if key not in where and key.partition(".")[0] not in where)
        kin = [other for kind in kinds for other in alike(kind, free & kind).get(_values(row, free & kind), [])]
        for other in kin if len(kin) == 1 else []:
            yield row, other


def _values(row: Row, keys: Iterable[str]) -> str:
    return json.dumps({key: row.cell.config[key] for key in keys}, sort_keys=True)


def _named(rows: Sequence[Row], against: str | None) -> Row | None:
    """Return the cell that `--against` names."""
    if against is None:
        return None
    matches = [row for row in rows if row.cell.label == against]
    if not matches and "=" in against:
        wanted = dict(part.split("=", 1) for part in against.split(",") if "=" in part)
        matches = [row for row in rows if all(str(row.cell.config.get(key)) == value for key, value in wanted.items())]
    if len(matches) == 1:
        return matches[0]
    labels = "; ".join(row.cell.label for row in rows)
    raise Unknown(
        f"--against {against}: {'no cell' if not matches else f'{len(matches)} cells'}; choose one label of: {labels}"
    )


def _groups(rows: Sequence[Row], metric: str, margin: float | None, generator: np.random.Generator) -> list[Group]:
    """Put cells together that were tested on the same images; a cell whose own seeds were not stands alone."""
    together: list[list[Row]] = []
    kinds: list[dict[Any, Row]] = []  # of each group a row for each set of images that some record names
    for row in rows:
        kin = next((place for place, seen in enumerate(kinds) if not any(mismatch(each, row) for each in seen.values())), None)
        if kin is None:
            together.append([])
            kinds.append({})
            kin = len(kinds) - 1
        together[kin].append(row)
        kinds[kin].setdefault(row.tested_on, row)
    names = _names(together)
    return [_led(name, group, metric, margin, generator) for name, group in zip(names, together, strict=True)]


def _names(groups: Sequence[Sequence[Row]]) -> list[str]:
    """Return a name of each group's test images."""
    if len(groups) < 2:
        return [""] * len(groups)
    firsts = [group[0] for group in groups]
    apart: dict[str, Difference] = {}
    for other in firsts[1:]:
        apart |= {each.kind.value: each for each in mismatch(firsts[0], other)}
    fields = {"data": "data", "number of test images": "count", "test_limit": "limit", "labels": "labels", "folder": "folder"}
    kind = next((kind for kind in fields if kind in apart), "labels")
    values = [getattr(row.tested_on[0], fields[kind]) for row in firsts]
    if len({*values}) < len(values):
        return [f"test images {place}" for place, _ in enumerate(values, 1)]
    if kind == "number of test images":
        return [f"{value} test images" for value in values]
    return [f"{kind} {str(value)[:12] if kind == 'labels' else value}" for value in values]


def _led(name: str, rows: list[Row], metric: str, margin: float | None, generator: np.random.Generator) -> Group:
    samples = [row.samples[metric] for row in rows]
    ranking = rank(samples)

    def against(one: int | None, other: int | None) -> Comparison | None:
        if one is None or other is None:
            return None
        return compared([(rows[one], rows[other])], metric, margin, generator, family=False)[0]

    several = len(ranking.order) > 1
    return Group(
        name=name,
        rows=rows,
        ranked=[rows[place] for place in ranking.order],
        winner=None if ranking.winner is None else rows[ranking.winner],
        next=against(ranking.winner, ranking.runner_up),
        single=None if ranking.single is None else rows[ranking.single],
        single_next=against(ranking.order[0], ranking.order[1]) if ranking.winner is None and several else None,
    )


def _effects(
    groups: Sequence[Group], study: Mapping[str, Any], metric: str, margin: float | None, looked: Looked | None
) -> tuple[list[Effect], list[NoEffect]]:
    """Return the effects within each group: test images are no factor, and no sum goes over two kinds of them."""
    estimated: list[Effect] = []
    no_effect: dict[NoEffect, None] = {}
    for group in groups:
        samples = [row.samples[metric] for row in group.rows]
        known = {name.removesuffix(f" {group.name}"): each for name, each in looked.effects.items()} if looked else None
        tested, without = effects([row.cell.config for row in group.rows], samples, study, margin, known)
        estimated += [on(effect, group.name) for effect in tested]
        no_effect |= dict.fromkeys(without)
    return estimated, list(no_effect)


def _spread(rows: Sequence[Row], metric: str) -> Spread | None:
    """Pool the variances over seeds, each weighted by its n - 1."""
    parts = [(sample.n, sample.variance) for row in rows if (sample := row.samples[metric]).variance is not None]
    freedom = sum(n - 1 for n, _ in parts)
    variance = math.fsum((n - 1) * (value or 0.0) for n, value in parts) / freedom if freedom else 0.0
    if not variance > 0:
        return None
    sd = math.sqrt(variance)
    return Spread(sd, sd_interval(sd, freedom + 1), sum(n for n, _ in parts))
