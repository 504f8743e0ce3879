"""One cell against another: over seeds and test images, over seeds alone, or of single trained models.

    V  = sA^2/nA + sB^2/nB + max(0, var_i(Abar_i - Bbar_i) - mA/kA - mB/kB) / N
    df = V^2 / ((sA^2/nA)^2/(nA-1) + (sB^2/nB)^2/(nB-1) + image^2/(N-1))

Without correct images the last term is gone: Welch's t test, for this test set. One seed a side: McNemar's exact test.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import special

from ablation.reporting.statistics.estimate import EVERYWHERE, Estimate, Scope
from ablation.reporting.statistics.sample import Sample
from ablation.reporting.statistics.weighted_sum import contrast


def compare(a: Sample, b: Sample) -> Estimate:
    """Estimate mean(a) - mean(b) in points, of two cells on the same test images; the seeds need not be the same.

    One seed on one side and more on the other is a comparison of these trained models too, by Student's t over the images; with
    one seed and no correct images there is no test. Sources: see `Estimate` and `mcnemar`.

    Raises:
        ValueError: the two have a different number of test images.
    """
    estimate = contrast((a, b), (1, -1))
    if a.n == b.n == 1 and a.counts is not None and b.counts is not None and estimate.points is not None:
        won, lost = won_lost(a, b) or (0, 0)
        return mcnemar(won, lost, len(a.counts))
    return estimate


def won_lost(a: Sample, b: Sample) -> tuple[int, int] | None:
    """Return on how many images a larger share of a's seeds than of b's is correct, and a smaller; None if not known.

    Raises:
        ValueError: the two have a different number of test images.
    """
    if a.counts is None or b.counts is None:
        return None
    if len(a.counts) != len(b.counts):
        raise ValueError(f"test images {len(a.counts)} and {len(b.counts)}: must be the same in both cells")
    # shares on a common denominator: exact
    ours, theirs = a.counts.astype(np.int64) * b.counted, b.counts.astype(np.int64) * a.counted
    return int((ours > theirs).sum()), int((ours < theirs).sum())


def mcnemar(won: int, lost: int, images: int) -> Estimate:
    """Compare two trained models on the same N images.

    The p is exact: under the null hypothesis each image on which they differ is a fair toss (McNemar 1947,
    doi:10.1007/BF02295996). The interval is Bonett & Price's (2012, doi:10.3102/1076998611411915): one image more on each side,
    then Wald's. It is made to hold 0 wherever the exact p does not reject.

    Args:
        won: images that only the first classifies correctly.
        lost: images that only the second does.
        images: N.

    Raises:
        ValueError: negative counts, or more than N.
    """
    if min(won, lost) < 0 or won + lost > images or not images:
        raise ValueError(f"won {won}, lost {lost} of {images} images: must not be negative, nor more than all")
    points, centre = 100 * (won - lost) / images, (won - lost) / (images + 2)
    variance = 1e4 * ((won + lost + 2) / (images + 2) - centre**2) / (images + 2)
    found = Estimate(points, Scope.IMAGES, (), variance, max(images, 2), EVERYWHERE)
    return replace(found, exact_p=mcnemar_p(won, lost))


def mcnemar_p(won: int, lost: int) -> float:
    """Return the exact two-sided p of two counts of images: twice the smaller tail of fair tosses."""
    return min(1.0, 2 * float(special.bdtr(min(won, lost), won + lost, 0.5))) if won + lost else 1.0
