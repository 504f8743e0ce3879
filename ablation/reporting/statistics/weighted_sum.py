"""Weighted sums of cells: a mean, a main effect, an interaction, a planned contrast.

    sum_c w_c mean_c        V = sum_c w_c^2 s_c^2 / n_c  +  max(0, var_i(sum_c w_c mean_ci) - sum_c w_c^2 m_c / k_c) / N

mean_ci is the share of cell c's k_c counted seeds in which image i is correct, m_c its mean square of seeds x images. Seeds
need not be the same in the cells, nor equally many: what cells share by a seed (the order of batches) hardly moves accuracies.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ablation.reporting.statistics.estimate import Estimate, Interval, Reason, Scope, SeedPart
from ablation.reporting.statistics.sample import Sample


def contrast(samples: Sequence[Sample], weights: Sequence[float]) -> Estimate:
    """Estimate a contrast of cells on the same test images.

    Over seeds and images where every cell has two seeds whose correct images are known; over seeds where every cell has two;
    over images, for the trained models as they are, where some cell has one seed and all have their correct images. Else there
    is no test and a reason. Sources: see `Estimate`.

    Args:
        samples: cells; those of weight 0 do not count.
        weights: one a cell; (1, -1) is a difference, 1 the mean itself.

    Raises:
        ValueError: no weight, not one a cell, not finite, or test images of different number.
    """
    if len(samples) != len(weights) or not any(weights) or not all(map(math.isfinite, weights)):
        raise ValueError(f"weights {list(weights)} of {len(samples)} cells: must be finite, one a cell, not all 0")
    pairs = [(sample, float(weight)) for sample, weight in zip(samples, weights, strict=True) if weight]
    bounds = Interval(100 * sum(min(weight, 0) for _, weight in pairs), 100 * sum(max(weight, 0) for _, weight in pairs))
    points = _points(pairs)
    if points is None or math.isnan(points):
        reason = Reason.NO_SEED if points is None else Reason.NOT_A_NUMBER
        return Estimate(points, None, (), 0.0, None, bounds, reason)
    values = _per_image(pairs)
    images = None if values is None else len(values)
    if any(sample.n == 1 for sample, _ in pairs):
        if values is None or images is None or images < 2:
            return Estimate(points, None, (), 0.0, images, bounds, Reason.ONE_SEED)
        return _tested(Estimate(points, Scope.IMAGES, (), _variance(values) / images, images, bounds))
    seeds = tuple(SeedPart(weight**2 * (sample.variance or 0.0), sample.n) for sample, weight in pairs)
    residual = _residual(pairs)
    if values is None or residual is None or images is None or images < 2:
        return _tested(Estimate(points, Scope.SEEDS, seeds, 0.0, images, bounds))
    image_variance = max(0.0, _variance(values) - residual) / images
    return _tested(Estimate(points, Scope.SEEDS_AND_IMAGES, seeds, image_variance, images, bounds))


def _tested(estimate: Estimate) -> Estimate:
    """Give the reason instead of the scope where nothing varies."""
    if estimate.variance:
        return estimate
    return Estimate(estimate.points, None, (), 0.0, estimate.images, estimate.bounds, Reason.NO_SPREAD)


def _points(pairs: Sequence[tuple[Sample, float]]) -> float | None:
    """Return the contrast of the means, over all seeds; None if a cell has none."""
    terms = [weight * sample.mean for sample, weight in pairs if sample.mean is not None]
    return math.fsum(terms) if len(terms) == len(pairs) else None


def _per_image(pairs: Sequence[tuple[Sample, float]]) -> NDArray[np.float64] | None:
    """Return the contrast at each image (N,), in points; None if a cell's correct images are unknown."""
    sizes = {sample.images for sample, _ in pairs}
    if None in sizes:
        return None
    if len(sizes) > 1:
        raise ValueError(f"test images {sorted(size for size in sizes if size)}: must be the same in all cells")
    terms = [(100 * weight / sample.counted) * sample.counts for sample, weight in pairs if sample.counts is not None]
    return np.asarray(sum(terms), dtype=np.float64)


def _residual(pairs: Sequence[tuple[Sample, float]]) -> float | None:
    """Return the part of the variance over images that comes from the seeds; None if a cell counts fewer than two."""
    terms = [weight**2 * sample.residual / sample.counted for sample, weight in pairs if sample.residual is not None]
    return math.fsum(terms) if len(terms) == len(pairs) else None


def _variance(values: NDArray[np.float64]) -> float:
    """Return the variance over images; sorted, so that their order does not move the last bit."""
    return float(np.sort(values).var(ddof=1))
