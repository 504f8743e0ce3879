"""What can be said of trained models as they are, image by image: the sampling error of the test set, images won and lost.

Owns the uncertainty that comes from having N test images and not others; it holds with one seed and says nothing about training
again. That of the seeds is `statistics`'. Pure: arrays in, numbers out, nothing random.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ablation.reporting.statistics.seeds import LEVEL, Interval


@dataclass(frozen=True)
class ImageTest:
    """A model, or the models of several seeds, against others on the same test images."""

    seeds: int
    won: int  # (image, seed) pairs that only the first classifies correctly
    lost: int  # that only the second does
    images: int  # test images on which the two differ in sum over the seeds
    p: float  # two-sided, exact


def accuracy_interval(accuracy: float, images: int, method: str = "wilson") -> Interval:
    """Return the 95 % interval of one model's accuracy, in percent, as far as N test images can tell.

    Args:
        accuracy: percent, one model; a mean over seeds has no such interval.
        images: N, the test images.
        method: `wilson` (Wilson 1927), or `beta` for Clopper & Pearson's (1934), which never covers less than 95 %.
    """
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(round(accuracy * images / 100), images, alpha=LEVEL, method=method)
    return Interval(max(0.0, 100 * float(low)), min(100.0, 100 * float(high)))


def standard_error(accuracy: float, images: int) -> float:
    """Return the binomial standard error of one model's accuracy (percent), in points."""
    return 100 * math.sqrt(accuracy / 100 * (1 - accuracy / 100) / images)


def by_image(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> ImageTest:
    """Compare on the same images, in the same order; rows are seeds, paired.

    One seed: McNemar's test (1947), exact. Several: the images stay the unit, for the seeds of one image are no independent
    images and pooling their counts would overstate n. Each image is a cluster whose score is the wins less the losses over
    seeds, as in Durkalski et al. (2003, doi:10.1002/sim.1438), and all signs of the scores are flipped: their sum is a
    convolution of scaled binomials, so the p is exact. It answers for these trained models on other images of the kind.

    Args:
        first: (S, N) or (N,), from `correct`.
        second: of the same shape.

    Raises:
        ValueError: the shapes differ.
    """
    if first.shape != second.shape:
        raise ValueError(f"per-image test of {first.shape} against {second.shape} (seeds, images): must be equal")
    wins, losses = np.atleast_2d(first & ~second), np.atleast_2d(second & ~first)
    scores = wins.sum(axis=0, dtype=np.int64) - losses.sum(axis=0, dtype=np.int64)
    won, lost = int(scores[scores > 0].sum()), -int(scores[scores < 0].sum())
    p = _flipped(np.bincount(np.abs(scores)), min(won, lost))
    return ImageTest(len(wins), int(wins.sum()), int(losses.sum()), int((scores != 0).sum()), p)


def sign_test(won: int, lost: int) -> float:
    """Return the p of the exact McNemar test from its two counts."""
    return _flipped(np.array([0, won + lost]), min(won, lost))


def _flipped(sizes: NDArray[np.int64], smaller: int) -> float:
    """Return the two-sided p of a sum of signed scores.

    Args:
        sizes: how many images have the score 0, 1, 2, ... in size; zeros do not count.
        smaller: the scores of the less frequent sign, added up.
    """
    chance = np.ones(1)  # of each sum of the positive scores, if every sign were a toss
    for score, count in enumerate(sizes):
        if score and count:
            scaled = np.zeros(score * int(count) + 1)
            scaled[::score] = stats.binom.pmf(np.arange(count + 1), count, 0.5)
            chance = np.convolve(chance, scaled)
    return min(1.0, 2 * float(chance[: smaller + 1].sum()))
