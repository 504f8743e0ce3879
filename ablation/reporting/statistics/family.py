"""Several comparisons at once: Holm's adjustment of the planned ones, and the ranking that needs none."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ablation.reporting.statistics.estimate import LEVEL
from ablation.reporting.statistics.sample import Sample


@dataclass(frozen=True)
class Adjusted:
    """One comparison of a family after Holm's adjustment (Holm 1979, Scandinavian Journal of Statistics 6, 65-70)."""

    p: float | None  # unadjusted
    adjusted: float | None
    level: float  # of the step that decided: shown if p is below it, so intervals and power at this level agree with the test
    shown: bool


def holm(p_values: Sequence[float | None], level: float = LEVEL) -> list[Adjusted]:
    """Adjust the p values of all planned comparisons, in their order.

    Args:
        p_values: one a planned comparison; None (not run yet, one seed) is never shown but counts as planned, so that a claim
            does not fall when the missing runs come in.
        level: of the family: the chance of one false claim or more.

    Raises:
        ValueError: a p that is no number from 0 to 1.
    """
    for p in p_values:
        if p is not None and not 0 <= p <= 1:
            raise ValueError(f"p {p}: must be 0 to 1, or None")
    count = len(p_values)
    order = sorted((p, index) for index, p in enumerate(p_values) if p is not None)
    adjusted: dict[int, float] = {}
    shown: dict[int, float] = {}  # index -> the level at which it was shown
    highest = 0.0
    for step, (p, index) in enumerate(order):
        highest = max(highest, min(1.0, (count - step) * p))
        adjusted[index] = highest
        if len(shown) == step and p < level / (count - step):
            shown[index] = level / (count - step)
    rest = level / max(1, count - len(shown))
    return [Adjusted(p, adjusted.get(at), shown.get(at, rest), at in shown) for at, p in enumerate(p_values)]


def at_look(looked: Mapping[str, Adjusted], name: str, now: Adjusted) -> Adjusted:
    """Return what the last look of a sweep in rounds made of a comparison; what it did not judge is not shown."""
    return looked.get(name, Adjusted(now.p, None, now.level, shown=False))


@dataclass(frozen=True)
class Ranking:
    """Cells by their mean over all their seeds, as indices.

    Winner against runner-up needs no adjustment for all the pairs that it was chosen from: the two-sided test of the two at its
    own level is valid (Hung & Fithian 2019, "Rank verification for exponential families", arXiv 1610.03944). A cell of one seed
    is no winner: it stands in `single` where it lies above the winner.
    """

    order: tuple[int, ...]  # highest first; cells without a number are left out
    winner: int | None  # of the cells with two seeds and more
    runner_up: int | None
    single: int | None  # the highest cell of one seed, if above the winner


def rank(samples: Sequence[Sample]) -> Ranking:
    """Rank cells by their means over all seeds; equal means keep the order given."""
    means = {at: s.mean for at, s in enumerate(samples) if s.mean is not None and not math.isnan(s.mean)}
    order = tuple(sorted(means, key=lambda at: -round(means[at], 6)))  # 0.1 + 0.2 is no winner over 0.3
    several = [at for at in order if samples[at].n > 1]
    winner = several[0] if several else None
    single = next((at for at in order if samples[at].n == 1), None)
    if winner is not None and single is not None and round(means[single] - means[winner], 6) <= 0:
        single = None
    return Ranking(order, winner, several[1] if len(several) > 1 else None, single)
