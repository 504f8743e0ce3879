"""What can be said of accuracies over seeds: means with their intervals, the optimism of choosing an epoch, gaps.

Owns the uncertainty that comes from training again with another seed; that of the test images is `per_image`'s. Pure: percent
and points in and out, randomness only from the generator that is passed, results independent of the order of seeds and cells.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

LEVEL = 0.05  # two-sided: intervals hold 95 %
FEWEST = 3  # seeds for an interval; with two, t is 12.7 and the interval says nothing that the two values do not
RESAMPLES = 1_999  # of the bootstrap; 1,000 do for a percentile interval (Efron & Tibshirani 1993, chapter 14)
BATCH = 500  # resamples held at once, whatever the number of cells: the random stream must not depend on it
GRAIN = 1e-6  # points that count as equal where the number of test images is unknown

Seeds = Mapping[int, float]  # accuracy in percent by seed


@dataclass(frozen=True)
class Interval:
    """A closed 95 % interval, in the unit of what it surrounds."""

    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        """Whether a value lies in it, its ends included."""
        return self.low <= value <= self.high


@dataclass(frozen=True)
class Reason:
    """Why a number or an interval is missing, or what it leaves out: a code for programs, a text for people."""

    code: str  # no-value, one-seed, two-seeds, equal, no-common-seed, no-test, left-out, missing, no-logits, other-images
    text: str


Reasons = tuple[Reason, ...]  # the weightiest first


def joined(reasons: Reasons) -> str:
    """Return all reasons as one text for people."""
    return "; ".join(reason.text for reason in reasons)


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds and its uncertainty. `reasons`: why there is no interval; then the values speak for themselves."""

    values: tuple[float, ...]  # one a seed, by seed
    mean: float | None
    sd: float | None  # of n - 1; None below 2 seeds
    interval: Interval | None  # Student's t
    reasons: Reasons = ()
    bootstrap: Interval | None = None

    @property
    def n(self) -> int:
        """Number of seeds."""
        return len(self.values)


@dataclass(frozen=True)
class Gap:
    """Our mean minus a published number. `inside`: the number lies in our mean's interval.

    `as_one_run`: it lies where one further run of ours would (95 % prediction interval), the fairer question for a number
    that is itself a single run. Both are None without an interval.
    """

    points: float
    images: float | None
    inside: bool | None
    as_one_run: bool | None


def estimate(accuracies: Seeds, images: int | None = None, low: float = 0.0, high: float = 100.0) -> Estimate:
    """Estimate a mean over seeds with its t interval.

    Args:
        accuracies: percent (or points) by seed.
        images: test images; a spread below half an image is no spread: its interval would be a claim of certainty.
        low: of the scale; the interval is clipped to it.
        high: of the scale.
    """
    values = tuple(float(accuracies[seed]) for seed in sorted(accuracies))
    n = len(values)
    if not n:
        return Estimate((), None, None, None, (Reason("no-value", "no value"),))
    # fsum is the same in every order; rounding could still place the mean outside the values it comes from
    mean = min(max(math.fsum(values) / n, min(values)), max(values))
    if n < 2:
        return Estimate(values, mean, None, None, (Reason("one-seed", "1 seed: no interval"),))
    if max(values) - min(values) < grain(images) / 2:
        equal = Reason("equal", f"equal in {f'all {n}' if n > 2 else 'both'} seeds, so no interval")
        return Estimate(values, mean, 0.0, None, (equal,))
    sd = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1))
    if n < FEWEST:
        return Estimate(values, mean, sd, None, (Reason("two-seeds", f"{n} seeds: no interval below {FEWEST}"),))
    half = _t(n) * sd / math.sqrt(n)
    return Estimate(values, mean, sd, Interval(max(low, mean - half), min(high, mean + half)))


def grain(images: int | None) -> float:
    """Return the step in which accuracies are counted: one test image, in points."""
    return 100 / images if images else GRAIN


def over_seeds(cells: Sequence[Seeds], images: int | None, generator: np.random.Generator) -> list[Estimate]:
    """Estimate every cell's accuracy, with a t and a bootstrap interval within [0, 100].

    The bootstrap is the percentile one (Efron & Tibshirani 1993, chapter 13): it needs no normal seeds, but with few of them it
    is too short (at n = 3 it is the range of the values), so the t interval is the one to print first.
    """
    estimates = [estimate(cell, images) for cell in cells]
    stream = restart(generator)
    for places, sample in by_size([found.values if found.interval else () for found in estimates], FEWEST):
        found = stats.bootstrap(
            (sample,), np.mean, n_resamples=RESAMPLES, batch=BATCH, axis=-1, method="percentile", rng=stream()
        ).confidence_interval
        for place, low, high in zip(places, found.low, found.high, strict=True):
            interval = Interval(max(0.0, float(low)), min(100.0, float(high)))
            estimates[place] = replace(estimates[place], bootstrap=interval)
    return estimates


def in_images(points: float | None, images: int | None) -> float | None:
    """Return how many test images a difference in points is."""
    return None if points is None or not images else round(points * images / 100, 6)


def optimism(chosen: Seeds, other: Seeds, images: int | None = None) -> Estimate:
    """Estimate in points what choosing the epoch on the test set adds: best - last, or best - val, seed by seed."""
    return estimate({seed: chosen[seed] - other[seed] for seed in chosen.keys() & other.keys()}, images, 0.0, 100.0)


def gap(ours: Estimate, published: float, images: int | None = None) -> Gap | None:
    """Compare our mean with a published number (percent); None without runs."""
    if ours.mean is None:
        return None
    points = ours.mean - published
    if ours.interval is None or ours.sd is None:
        return Gap(points, in_images(points, images), None, None)
    one_run = _t(ours.n) * ours.sd * math.sqrt(1 + 1 / ours.n)
    return Gap(points, in_images(points, images), published in ours.interval, abs(points) <= one_run)


def by_size(rows: Sequence[Sequence[float]], fewest: int) -> Iterator[tuple[list[int], np.ndarray]]:
    """Yield (places, values (rows of one length n, n)): values sorted, so that the order of seeds changes nothing."""
    places = defaultdict(list)
    for place, row in enumerate(rows):
        if len(row) >= fewest:
            places[len(row)].append(place)
    for found in places.values():
        yield found, np.sort(np.array([rows[place] for place in found], dtype=float), axis=-1)


def restart(generator: np.random.Generator) -> Callable[[], np.random.Generator]:
    """Return a function that gives the same stream each time: other cells of the table must not move a cell's interval."""
    root = int(generator.integers(2**63))
    return lambda: np.random.default_rng(root)


def _t(n: int) -> float:
    return float(stats.t.ppf(1 - LEVEL / 2, n - 1))
