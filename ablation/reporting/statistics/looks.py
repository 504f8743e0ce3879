"""A study that is looked at while its seeds come in: the level of each look, and which comparisons need more seeds.

Every look tests at its own share of the level, fixed beforehand. The shares add up to the level, so the chance of a false claim
at any look is below it, whatever the dependence between looks (Bonferroni). Pure.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from itertools import pairwise
from typing import Any

from scipy import special

from ablation.reporting.statistics.estimate import LEVEL, Estimate
from ablation.reporting.statistics.family import Adjusted, holm
from ablation.reporting.statistics.power import with_seeds
from ablation.reporting.statistics.sameness import decide

LOOKS = (3, 5, 8, 12)  # seeds a cell
HOPE = 0.1  # smallest chance of a decision for which seeds are still trained
SPENT = 3  # the level spent after a share t of the seeds is LEVEL * t^3: little early, most at the end


class Status(Enum):
    """What is known of a planned comparison after a look."""

    OPEN = "open"
    SHOWN = "decided"
    SAME = "the same"
    HOPELESS = "no hope"  # less than HOPE to be decided with the seeds that are left
    ENDED = "undecided"  # after the last look


def check_looks(looks: Sequence[int]) -> None:
    """Check the seeds a cell at each look.

    Raises:
        ValueError: fewer than two looks, fewer than two seeds at the first, or no rise from look to look.
    """
    whole = all(type(seeds) is int for seeds in looks)
    if len(looks) < 2 or not whole or looks[0] < 2 or any(one >= other for one, other in pairwise(looks)):
        raise ValueError(
            f"looks {list(looks)}: must be two or more rising numbers of seeds, the first at least 2, as {list(LOOKS)}"
        )


def shares(looks: Sequence[int], level: float = LEVEL) -> tuple[float, ...]:
    """Return the level of each look; they add up to `level`.

    The power family of Kim & DeMets (1987, Biometrika 74, 149-154) with exponent 3, close to O'Brien & Fleming's limits.

    Raises:
        ValueError: see `check_looks`.
    """
    check_looks(looks)
    spent = [level * (seeds / looks[-1]) ** SPENT for seeds in looks]
    return tuple(now - before for now, before in zip(spent, [0.0, *spent], strict=False))


@dataclass(frozen=True)
class Judged:
    """A planned comparison after a look.

    `adjusted.adjusted` is adjusted for the other comparisons and for the looks: below LEVEL wherever it is shown.
    """

    status: Status
    look: int  # at which it was closed, or the last one: from 0
    adjusted: Adjusted


@dataclass(frozen=True)
class Looked:
    """What a sweep in rounds knew after its last look: what it made of each planned comparison and effect, by name."""

    looks: tuple[int, ...]  # seeds a cell
    complete: int  # looks that were judged
    comparisons: dict[str, Adjusted]
    effects: dict[str, Adjusted]
    counts: dict[str, int]  # planned comparisons and effects by their status
    not_needed: frozenset[str]  # ids of planned runs that no open comparison needs

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> Looked:
        """Return the content of a rounds.json.

        Raises:
            KeyError, TypeError, ValueError: it is none.
        """
        check_looks(content["looks"])
        families: dict[str, dict[str, Adjusted]] = {}
        counts: Counter[str] = Counter()
        for family in ("comparisons", "effects"):
            named = content[family].items()
            families[family] = {
                name: Adjusted(each["p"], each["adjusted"], float(each["level"]), each["status"] == Status.SHOWN.value)
                for name, each in named
            }
            counts.update(Status(each["status"]).value for _, each in named)
        return cls(
            tuple(content["looks"]),
            int(content["complete"]),
            families["comparisons"],
            families["effects"],
            dict(counts),
            frozenset(content["not_needed"]),
        )


def judge(
    estimates: Sequence[Estimate],
    before: Sequence[Judged | None],
    look: int,
    looks: Sequence[int],
    margin: float | None = None,
) -> list[Judged]:
    """Judge a family of planned comparisons at one look.

    Holm's adjustment counts those that are not decided yet: a claim of an earlier look stands (its share is spent), and the
    first false claim of all would be one of those that are left.

    Args:
        estimates: one a planned comparison, with the seeds trained so far.
        before: what they were after the look before, None at the first. A comparison that is not open stays what it is.
        look: from 0.
        looks: seeds a cell at each look.
        margin: smallest difference that matters, points; None if none was stated.

    Raises:
        ValueError: see `check_looks`.
    """
    share, last = shares(looks)[look], look == len(looks) - 1
    closed = [None if each is None or each.status is Status.OPEN else each for each in before]
    shown = [each is not None and each.status is Status.SHOWN for each in closed]
    tested = [
        0.0 if known else None if each is not None else estimate.p
        for estimate, each, known in zip(estimates, closed, shown, strict=True)
    ]
    adjusted = holm(tested, share)
    final = shares(looks)[-1]  # of the last comparison: if all others are decided by then
    result: list[Judged] = []
    for estimate, before_it, each in zip(estimates, closed, adjusted, strict=True):
        if before_it is not None:
            result.append(before_it)
            continue
        for_looks = None if each.adjusted is None else min(1.0, each.adjusted * LEVEL / share)
        if each.shown:
            status = Status.SHOWN
        elif _same(estimate, share, margin):
            status = Status.SAME
        elif last:
            status = Status.ENDED
        else:
            status = Status.OPEN if chance_left(estimate, looks[-1], final) >= HOPE else Status.HOPELESS
        result.append(Judged(status, look, replace(each, adjusted=for_looks)))
    return result


def chance_left(estimate: Estimate, seeds: int, level: float) -> float:
    """Return the chance that a comparison is decided once each cell has so many seeds, given what is known now.

    The predictive power (Spiegelhalter et al. 1986, Controlled Clinical Trials 7, 8-17): the difference at the end is normal
    around the present one, its variance what the seeds to come take off the present estimate's. 1 where nothing is known yet, 0
    where a cell has no result or an accuracy is no number.
    """
    if estimate.points is None or math.isnan(estimate.points):
        return 0.0
    at_end = with_seeds(estimate, seeds)
    if estimate.variance is None or at_end.error is None or not at_end.freedom:
        return 1.0  # one seed, or equal in all seeds: more may show a spread
    limit = float(special.stdtrit(at_end.freedom, 1 - level / 2)) * at_end.error
    spread = math.sqrt(max(estimate.variance - at_end.error**2, 0.0))
    if not spread:
        return float(abs(estimate.points) > limit)
    return float(special.ndtr((estimate.points - limit) / spread) + special.ndtr((-estimate.points - limit) / spread))


def _same(estimate: Estimate, share: float, margin: float | None) -> bool:
    """Return True if a difference lies within the stated margin, tested at the look's share."""
    same_p = None if margin is None else decide(estimate, margin=margin).same_p
    return same_p is not None and same_p < share
