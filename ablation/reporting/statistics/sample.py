"""One cell's seeds in a few numbers: mean, variance over seeds, and per test image in how many seeds it is correct.

Every test of this package starts from a `Sample`, so each run is read once whatever it is compared with.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

EQUAL = 1e-6  # points: accuracies that differ by less are equal but for rounding


@dataclass(frozen=True, eq=False)
class Sample:
    """The runs of one cell, a seed each.

    The seeds' variance contains the residual variance of a run on N images, so an estimate below `residual / N` is luck of few
    seeds and is raised to it (a floor; the components are those of Gallas 2006, doi:10.1016/j.acra.2005.11.030).
    """

    n: int  # seeds
    mean: float | None  # percent; None without a seed, NaN where a seed's accuracy is NaN
    variance: float | None  # over seeds (n - 1), points squared, with the floor; None below 2 seeds
    counts: NDArray[np.unsignedinteger[Any]] | None  # (N,): seeds in which the image is correct
    counted: int  # seeds behind `counts`
    residual: float | None  # of seeds x images, points squared for one image; None below 2 counted seeds

    @property
    def images(self) -> int | None:
        """Number of test images, None where no correctness is known."""
        return None if self.counts is None else len(self.counts)

    @property
    def sd(self) -> float | None:
        """Standard deviation over seeds, points."""
        return None if self.variance is None else math.sqrt(self.variance)


def summarise(accuracies: Sequence[float], correct: NDArray[np.bool_] | None = None) -> Sample:
    """Summarise the seeds of one cell.

    Args:
        accuracies: (n,) percent, one a seed, in any order.
        correct: (k, N), which test images are correct; k = n rows, or fewer where some seeds kept none.

    Raises:
        ValueError: an accuracy outside 0 to 100; `correct` is not a boolean matrix of 1 to n rows; or its row means are other
            accuracies than those given (another epoch, other images).
    """
    values = sorted(float(value) for value in accuracies)
    for value in values:
        if value < 0 or value > 100:
            raise ValueError(f"accuracy {value}: must be 0 to 100 percent")
    if correct is not None:
        _check(values, correct)
    n = len(values)
    mean = math.fsum(values) / n if n else None
    if mean is None or math.isnan(mean):
        return Sample(n, mean, None, None, 0, None)
    mean = min(max(mean, values[0]), values[-1])  # a rounded mean must not leave its values
    residual = _residual(correct) if correct is not None and len(correct) > 1 else None
    variance = None
    if n > 1:
        squares = math.fsum((value - mean) ** 2 for value in values)
        variance = squares / (n - 1) if values[-1] - values[0] >= EQUAL else 0.0
        if correct is not None and residual is not None:
            variance = max(variance, residual / correct.shape[1])
    if correct is None:
        return Sample(n, mean, variance, None, 0, None)
    counts = correct.sum(axis=0, dtype=np.min_scalar_type(len(correct)))
    return Sample(n, mean, variance, counts, len(correct), residual)


def _check(values: Sequence[float], correct: NDArray[np.bool_]) -> None:
    """Raise ValueError unless `correct` can belong to these accuracies."""
    if correct.dtype != bool or correct.ndim != 2 or not 1 <= len(correct) <= len(values) or not correct.shape[1]:
        raise ValueError(
            f"correct: {correct.dtype} array of shape {correct.shape}; must be bool of shape (1 to {len(values)} seeds, images)"
        )
    if len(correct) < len(values) or any(map(math.isnan, values)):
        return
    rows = np.sort(100 * correct.mean(axis=1))
    off = float(np.abs(rows - np.array(values)).max())
    if off >= 50 / correct.shape[1]:  # half an image
        raise ValueError(
            f"correct: its accuracies {rows.round(3).tolist()} are not those given, {[round(value, 3) for value in values]}"
        )


def _residual(correct: NDArray[np.bool_]) -> float:
    """Return the mean square of seeds x images in points squared.

    sum (A - row mean - column mean + grand mean)^2 / ((k - 1)(N - 1)), from sums of squares; A^2 = A, so they are integers.
    """
    k, images = correct.shape
    if images < 2:
        return 0.0
    rows = [int(total) for total in correct.sum(axis=1, dtype=np.int64)]
    columns = correct.sum(axis=0, dtype=np.int64)
    total = sum(rows)
    # each sum of squares times k * images
    square = total * (k * images - total)
    square -= k * sum(row * row for row in rows) - total * total
    square -= images * int((columns * columns).sum()) - total * total
    return float(1e4 * square / (k * images * (k - 1) * (images - 1)))
