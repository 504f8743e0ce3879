"""Whether one cell beats another: differences over the seeds that both have, with an exact test and Holm's adjustment.

Owns the comparison of cells over seeds; image by image it is `per_image`'s. Pure: points in and out, randomness only from the
generator that is passed, results independent of the order of seeds and cells.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from ablation.reporting.statistics.seeds import (
    BATCH,
    LEVEL,
    Estimate,
    Reason,
    Reasons,
    Seeds,
    by_size,
    estimate,
    in_images,
    restart,
)

EXACT = 10_000  # sign patterns up to which all are enumerated: 13 seeds
DRAWS = 9_999  # at random beyond


@dataclass(frozen=True)
class Difference:
    """A cell minus another over the seeds that both have: in points, and in test images where their number is known."""

    estimate: Estimate
    images: float | None
    left_out: int  # seeds that only one of the two has
    p: float | None  # two-sided sign-flip test; None below 2 seeds
    exact: bool  # all sign patterns were enumerated; else Monte Carlo, p = (k + 1) / (draws + 1)
    smallest_p: float  # that so many seeds allow
    holm: float | None
    reasons: Reasons  # why there is no interval, why no p, what is left out


def differences(pairs: Sequence[tuple[Seeds, Seeds]], images: int | None, generator: np.random.Generator) -> list[Difference]:
    """Compare cells seed by seed; Holm's adjustment is over all pairs that are passed.

    The p is that of the sign-flip test: under the null hypothesis each seed's difference is as likely to be its negative. It
    assumes no distribution, and with n seeds it cannot go below 2 / 2**n. The interval is Student's, of the differences.

    Args:
        pairs: (cell, the cell it is compared with), accuracies in percent by seed.
        images: test images, if known.
        generator: for the Monte Carlo test of 14 seeds and more.
    """
    rows = [{seed: cell[seed] - other[seed] for seed in cell.keys() & other.keys()} for cell, other in pairs]
    unit = 100 / images if images else 1.0
    tested = _sign_flip([[value / unit for value in row.values()] for row in rows], restart(generator))
    adjusted = holm(tested)
    return [
        _difference(estimate(row, images, -100.0, 100.0), images, len(cell.keys() ^ other.keys()), p, corrected)
        for row, (cell, other), p, corrected in zip(rows, pairs, tested, adjusted, strict=True)
    ]


def _difference(found: Estimate, images: int | None, left_out: int, p: float | None, adjusted: float | None) -> Difference:
    least = smallest_p(found.n)
    reasons = [*found.reasons]
    if not found.n:
        reasons = [Reason("no-common-seed", "no seed in common")]
    elif least > LEVEL:
        reasons.append(Reason("no-test", f"not enough seeds: n = {found.n} allows no p below {least:.3g}"))
    if left_out:
        one = left_out == 1
        text = f"{left_out} seed{'' if one else 's'} left out: only one of the two has {'it' if one else 'them'}"
        reasons.append(Reason("left-out", text))
    exact = 2**found.n <= EXACT
    return Difference(found, in_images(found.mean, images), left_out, p, exact, least, adjusted, tuple(reasons))


def smallest_p(n: int) -> float:
    """Return the smallest two-sided p that a sign-flip test of n seeds can give."""
    return min(1.0, 2 / 2**n) if 2**n <= EXACT else 2 / (DRAWS + 1)


def seeds_to_reject(comparisons: int, level: float = LEVEL) -> int:
    """Return the seeds from which on the sign-flip test can reject at all when Holm adjusts for so many comparisons."""
    return 1 + math.ceil(math.log2(max(1, comparisons) / level) - 1e-12)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjust for multiple comparisons (Holm 1979); None stays None and does not count."""
    from statsmodels.stats.multitest import multipletests

    given = [p for p in p_values if p is not None]
    adjusted = iter(multipletests(given, method="holm")[1] if given else ())
    return [None if p is None else float(next(adjusted)) for p in p_values]


def _sign_flip(rows: Sequence[Sequence[float]], stream: Callable[[], np.random.Generator]) -> list[float | None]:
    """Return the two-sided p of each row of differences (images, else points), None below two; rows of one length at once."""
    found: list[float | None] = [None] * len(rows)
    for places, sample in by_size(rows, 2):
        result = stats.permutation_test(
            (sample,),
            _total,
            permutation_type="samples",
            n_resamples=EXACT if 2 ** sample.shape[-1] <= EXACT else DRAWS,
            batch=BATCH,
            axis=-1,
            vectorized=True,
            rng=stream(),
        )
        for place, p in zip(places, result.pvalue, strict=True):
            found[place] = float(p)
    return found


def _total(differences: np.ndarray, axis: int) -> np.ndarray:
    """Add up. Sums that are equal in images must tie, but percentages carry rounding: it ends here."""
    return np.asarray(np.round(differences.sum(axis=axis), 6))
