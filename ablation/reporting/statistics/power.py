"""What the printed test would detect, and how many seeds a difference takes.

The power is that of the test of `Estimate`, at the level at which it was made: noncentral t with its standard error and degrees
of freedom, in the difference's own direction (the other tail adds nothing that counts).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from scipy import optimize, special

from ablation.reporting.statistics.estimate import EVERYWHERE, LEVEL, Estimate, Interval, Scope, SeedPart, quantile

POWER = 0.8
MOST = 10_000  # seeds a cell


@dataclass(frozen=True)
class Detectable:
    """The difference that a test detects with the stated power (Cohen 1988, chapter 2), points.

    `interval` is the same at both ends of the standard error's own 95 % interval: with few seeds it is wide.
    """

    points: float
    interval: Interval
    level: float
    power: float


@dataclass(frozen=True)
class SeedsNeeded:
    """Seeds that a difference takes; None if no number up to MOST is enough, as where `limit` lies above the difference."""

    difference: float  # points
    seeds: int | None  # a cell, in all; a cell that has more keeps them
    more: tuple[int, ...] | None  # to add, per cell of the estimate
    limit: float  # points: what endless seeds on these test images would detect; 0 if the images are not drawn again


def chance(difference: float, error: float, freedom: float, level: float = LEVEL) -> float:
    """Return the power: the chance to detect a difference in points, given its standard error and degrees of freedom."""
    return _power(abs(difference) / error, freedom, level)


def detectable(estimate: Estimate, level: float = LEVEL, power: float = POWER) -> Detectable | None:
    """Return what this comparison would detect at its level; None where nothing can be tested."""
    error, freedom = estimate.error, estimate.freedom
    if not error or not freedom:
        return None
    points = _noncentrality(freedom, level, power) * error
    # the variance is distributed as chi squared / df: its interval is that of the standard error
    low, high = (math.sqrt(freedom / float(special.chdtri(freedom, tail))) for tail in (LEVEL / 2, 1 - LEVEL / 2))
    return Detectable(points, Interval(points * low, points * high), level, power)


def seeds_needed(estimate: Estimate, difference: float, level: float = LEVEL, power: float = POWER) -> SeedsNeeded | None:
    """Return the seeds a cell that show a difference, with the spread that was seen; None where no spread over seeds is known.

    Raises:
        ValueError: a difference of 0, or no number.
    """
    if not abs(difference) > 0:
        raise ValueError(f"difference {difference}: must not be 0 points")
    if estimate.scope not in (Scope.SEEDS, Scope.SEEDS_AND_IMAGES):
        return None
    limit = 0.0
    if estimate.images and estimate.image_variance:
        limit = _noncentrality(estimate.images - 1, level, power) * math.sqrt(estimate.image_variance)

    def enough(n: int) -> bool:
        grown = with_seeds(estimate, n)
        return grown.error is not None and chance(difference, grown.error, grown.freedom or math.nan, level) >= power

    if not enough(MOST):
        return SeedsNeeded(difference, None, None, limit)
    seeds = 2
    while not enough(seeds):
        seeds = min(2 * seeds, MOST)
    few = seeds // 2  # not enough, or below 2
    while seeds - few > 1:
        middle = (few + seeds) // 2
        few, seeds = (few, middle) if enough(middle) else (middle, seeds)
    return SeedsNeeded(difference, seeds, tuple(max(0, seeds - part.n) for part in estimate.seeds), limit)


def planned(sd: float, seeds: int) -> Estimate:
    """Return what a comparison of two cells would rest on: seeds a cell with an assumed sd in points; nothing was run yet.

    Raises:
        ValueError: fewer than 2 seeds, or an sd that is not above 0.
    """
    if seeds < 2 or not sd > 0:
        raise ValueError(f"{seeds} seeds with sd {sd}: must be 2 seeds or more and above 0 points")
    parts = (SeedPart(sd**2, seeds),) * 2
    return Estimate(0.0, Scope.SEEDS, parts, 0.0, None, EVERYWHERE)


def pooled_sd(cells: Sequence[Sequence[float]]) -> float | None:
    """Pool the sd over seeds of several cells' accuracies (percent), weighted by n - 1; None without a spread."""
    several = [values for values in cells if len(values) > 1]
    squares = math.fsum((value - math.fsum(values) / len(values)) ** 2 for values in several for value in values)
    return math.sqrt(squares / sum(len(values) - 1 for values in several)) if squares > 0 else None


def sd_interval(sd: float, n: int) -> Interval:
    """Return the 95 % interval of a standard deviation of n normal values, in the unit of `sd`.

    Raises:
        ValueError: fewer than 2 values.
    """
    if n < 2:
        raise ValueError(f"{n} values: an sd needs 2")
    low, high = (sd * math.sqrt((n - 1) / float(special.chdtri(n - 1, tail))) for tail in (LEVEL / 2, 1 - LEVEL / 2))
    return Interval(low, high)


def with_seeds(estimate: Estimate, n: int) -> Estimate:
    """Return the estimate as if each cell had n seeds or those that it has, whichever is more."""
    return replace(estimate, seeds=tuple(replace(part, n=max(part.n, n)) for part in estimate.seeds))


def _power(effect: float, freedom: float, level: float) -> float:
    """Return the upper tail of noncentral t beyond the critical value; `effect` in standard errors."""
    return 1 - float(special.nctdtr(freedom, effect, quantile(1 - level / 2, freedom)))


def _noncentrality(freedom: float, level: float, power: float) -> float:
    """Return the difference in standard errors that is detected with this power."""
    # the largest plausible error estimate times the critical value, and room for the noise
    highest = quantile(1 - level / 2, freedom) * math.sqrt(float(special.chdtri(freedom, 1 - power)) / freedom)
    return float(optimize.brentq(lambda effect: _power(effect, freedom, level) - power, 0.0, 3 * highest + 10, xtol=1e-6))
