"""The result of every comparison: a difference in points with its variance, degrees of freedom and what it holds for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from scipy import special

LEVEL = 0.05  # two-sided: intervals hold 95 %


class Scope(Enum):
    """What would be drawn again: the claim holds for other draws of it, and for nothing more."""

    SEEDS_AND_IMAGES = "over seeds and test images"
    SEEDS = "for this test set"
    IMAGES = "of these trained models"


class Reason(Enum):
    """Why there is no test."""

    NO_SEED = "a cell has no finished run"
    OTHER_IMAGES = "not tested on the same images"
    ONE_SEED = "one seed shows no spread over seeds"
    NO_SPREAD = "no spread to judge by: equal in all seeds"
    NOT_A_NUMBER = "an accuracy is not a number"


@dataclass(frozen=True)
class Interval:
    """A closed interval, in the unit of what it surrounds."""

    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        """Return True if a value lies in it, its ends included."""
        return self.low <= value <= self.high


EVERYWHERE = Interval(-100.0, 100.0)  # points: what a difference of two accuracies can be


@dataclass(frozen=True)
class SeedPart:
    """One cell's part of a variance: `variance` is that of one run, its weight squared included; n runs divide it."""

    variance: float  # points squared
    n: int


@dataclass(frozen=True)
class Estimate:
    """A difference or another contrast, in points.

    Variance and Student's t follow the multi-reader multi-case studies of radiology, trained models being the readers and test
    images the cases (Obuchowski & Rockette 1995, doi:10.1080/03610919508813243; Gallas 2006, doi:10.1016/j.acra.2005.11.030),
    with the degrees of freedom of Welch (1947) and Satterthwaite (1946).
    """

    points: float | None  # None without a seed, NaN where an accuracy is NaN
    scope: Scope | None  # None where nothing can be tested
    seeds: tuple[SeedPart, ...]  # a part per cell; empty if no seed is drawn again
    image_variance: float  # points squared, of this contrast on N images; 0 if no image is drawn again
    images: int | None  # N
    bounds: Interval  # what is possible
    reason: Reason | None = None
    exact_p: float | None = None  # in place of Student's

    @classmethod
    def without_test(cls, reason: Reason, points: float | None = None) -> Estimate:
        """Return an estimate that says nothing but its points, and why."""
        return cls(points, None, (), 0.0, None, EVERYWHERE, reason)

    @property
    def variance(self) -> float | None:
        """Squared standard error, points squared; None where nothing can be tested."""
        return None if self.scope is None else math.fsum([part.variance / part.n for part in self.seeds]) + self.image_variance

    @property
    def error(self) -> float | None:
        """Standard error in points; None where nothing can be tested."""
        return None if self.variance is None else math.sqrt(self.variance)

    @property
    def freedom(self) -> float | None:
        """Degrees of freedom; None where nothing can be tested."""
        if self.scope is None:
            return None
        return freedom(self.seeds, self.image_variance, self.images)

    @property
    def p(self) -> float | None:
        """Two-sided p of "no difference"; None where nothing can be tested."""
        if self.exact_p is not None or not self.error or self.points is None:
            return self.exact_p
        return 2 * float(special.stdtr(self.freedom, -abs(self.points) / self.error))

    @property
    def better(self) -> float | None:
        """P(better): the share of Student's distribution of the difference that lies above 0; None without a test."""
        if not self.error or self.points is None:
            return None
        return float(special.stdtr(self.freedom, self.points / self.error))

    def interval(self, level: float = LEVEL) -> Interval | None:
        """Return the interval that holds 1 - level, within what is possible; None without a test.

        It holds 0 wherever p >= level; leaves it out wherever p is below (of exact p, but for a few counts).
        """
        if not self.error or self.points is None:
            return None
        half = quantile(1 - level / 2, self.freedom) * self.error
        low, high = self.points - half, self.points + half
        if self.exact_p is not None and self.exact_p >= level:
            low, high = min(low, 0.0), max(high, 0.0)
        return Interval(max(self.bounds.low, low), min(self.bounds.high, high))


def freedom(seeds: Sequence[SeedPart], image_variance: float = 0.0, images: int | None = None) -> float:
    """Return Satterthwaite's degrees of freedom of a sum of variances; NaN for a sum of 0.

    V^2 / sum (V_k^2 / f_k) with f = n - 1 for a cell's seeds and N - 1 for the images.
    """
    parts = [(part.variance / part.n, part.n - 1) for part in seeds]
    parts += [(image_variance, images - 1)] if images and image_variance else []
    total = math.fsum(variance for variance, _ in parts)
    if not total > 0:
        return math.nan
    # as shares of the total: the squares of very small variances would underflow
    return 1 / math.fsum((variance / total) ** 2 / count for variance, count in parts)


def quantile(share: float, freedom: float | None) -> float:
    """Return Student's t below which `share` of it lies."""
    return float(special.stdtrit(freedom, share))
