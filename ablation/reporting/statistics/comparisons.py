"""One cell against another, decided: the difference, its adjusted p, the images won and lost, what it would detect.

Owns which comparisons are one family. Pure; random only by the generator that is passed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ablation.reporting.statistics.estimate import LEVEL, Estimate, Reason
from ablation.reporting.statistics.family import Adjusted, at_look, holm
from ablation.reporting.statistics.permutation import permutation_p
from ablation.reporting.statistics.rows import Row, mismatch
from ablation.reporting.statistics.same_images import Difference
from ablation.reporting.statistics.sameness import Decision, as_shown, decide
from ablation.reporting.statistics.two_cells import compare, won_lost

TOGETHER = 100  # comparisons whose permutations are looked at at once


@dataclass(frozen=True, eq=False)
class Comparison:
    """A cell minus another."""

    row: Row
    other: Row
    estimate: Estimate
    adjusted: Adjusted | None  # in the family of planned comparisons; None: of no family, and its p stands as it is
    decision: Decision
    mismatches: tuple[Difference, ...]  # why the two must not be compared
    won_lost: tuple[int, int] | None  # images that a larger share of this cell's seeds than of the other's has right; a smaller
    check: float | None  # of planned ones, p of the permutation test over seeds: no distribution assumed, for this test set
    best: float | None  # points at the epoch best on the test set
    last: float | None  # points at the last epoch

    @property
    def name(self) -> str:
        """The two labels, `Resizer - Baseline`."""
        return f"{self.row.cell.label} - {self.other.cell.label}"

    @property
    def level(self) -> float:
        """Of its test."""
        return LEVEL if self.adjusted is None else self.adjusted.level

    @property
    def p(self) -> float | None:
        """Adjusted for the family, if it is of one."""
        return self.estimate.p if self.adjusted is None else self.adjusted.adjusted

    @property
    def turned(self) -> bool:
        """True if best and last epoch disagree about which of the two is ahead."""
        return round(self.best or 0.0, 6) * round(self.last or 0.0, 6) < 0


Pairs = Sequence[tuple[Row, Row]]


def compared(
    pairs: Pairs,
    metric: str,
    margin: float | None,
    generator: np.random.Generator,
    family: bool,
    looked: Mapping[str, Adjusted] | None = None,
) -> list[Comparison]:
    """Compare cells.

    Args:
        pairs: (cell, the cell that it is compared with).
        metric: best, last or val.
        margin: smallest difference that matters, points; None if none was stated.
        generator: for the permutation check beyond 8 against 8 seeds.
        family: adjust for all of them by Holm's method, each pair counted once, whichever way round and however often.
        looked: of a sweep in rounds, what its looks made of each comparison, by name, in place of Holm's adjustment.
    """
    different = [mismatch(row, other) for row, other in pairs]
    estimates = [
        Estimate.without_test(Reason.OTHER_IMAGES) if apart else compare(row.samples[metric], other.samples[metric])
        for (row, other), apart in zip(pairs, different, strict=True)
    ]
    adjusted = _family(pairs, estimates) if family else [None] * len(pairs)
    checks = _checks(pairs, estimates, metric, generator) if family else [None] * len(pairs)
    if looked is not None:
        names = [f"{row.cell.label} - {other.cell.label}" for row, other in pairs]
        adjusted = [None if each is None else at_look(looked, name, each) for name, each in zip(names, adjusted, strict=True)]
    return [
        Comparison(
            row=row,
            other=other,
            estimate=estimate,
            adjusted=holms,
            decision=as_shown(decide(estimate, LEVEL if holms is None else holms.level, margin), holms, estimate.points),
            mismatches=apart,
            won_lost=None if apart else won_lost(row.samples[metric], other.samples[metric]),
            check=check,
            best=None if apart else _points(row, other, "best"),
            last=None if apart else _points(row, other, "last"),
        )
        for (row, other), estimate, holms, check, apart in zip(pairs, estimates, adjusted, checks, different, strict=True)
    ]


def family(comparisons: Sequence[Comparison]) -> int:
    """Return how many planned comparisons Holm's adjustment is over."""
    return len({_pair(each.row, each.other) for each in comparisons if each.adjusted is not None})


def _points(row: Row, other: Row, metric: str) -> float | None:
    one, two = row.samples[metric].mean, other.samples[metric].mean
    return None if one is None or two is None else one - two


def _pair(row: Row, other: Row) -> Hashable:
    """Return what two comparisons share that are the same, or the same the other way round."""
    return frozenset((id(row), id(other)))


def _family(pairs: Pairs, estimates: Sequence[Estimate]) -> list[Adjusted | None]:
    """Adjust over all that may be compared; what is not run yet counts."""
    tested = {
        _pair(*pair): each.p for pair, each in zip(pairs, estimates, strict=True) if each.reason is not Reason.OTHER_IMAGES
    }
    adjusted = dict(zip(tested, holm(list(tested.values())), strict=True))
    return [adjusted.get(_pair(*pair)) for pair in pairs]


def _checks(pairs: Pairs, estimates: Sequence[Estimate], metric: str, generator: np.random.Generator) -> list[float | None]:
    """Return the permutation p of each pair whose cells have two seeds; others of the table do not move it."""
    root = int(generator.integers(2**63))
    p_values: list[float | None] = [None] * len(pairs)
    sizes = defaultdict(list)
    for place, ((row, other), estimate) in enumerate(zip(pairs, estimates, strict=True)):
        one, two = row.cell.accuracies(metric), other.cell.accuracies(metric)
        if estimate.reason is not Reason.OTHER_IMAGES and min(len(one), len(two)) > 1:
            sizes[len(one), len(two)].append((place, list(one.values()), list(two.values())))
    for group in sizes.values():
        for start in range(0, len(group), TOGETHER):
            places, ones, twos = zip(*group[start : start + TOGETHER], strict=True)
            p = permutation_p(np.array(ones), np.array(twos), np.random.default_rng(root))
            for place, value in zip(places, p, strict=True):
                p_values[place] = float(value)
    return p_values
