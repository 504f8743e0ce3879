"""A number from elsewhere beside ours: does it lie where one more run of ours would?

Not whether it lies in the interval of our mean: that shrinks with every seed, until every single run lies outside.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ablation.reporting.statistics.estimate import LEVEL, Interval, Reason, quantile
from ablation.reporting.statistics.sample import Sample


@dataclass(frozen=True)
class OneMoreRun:
    """Our mean minus the published number, and the interval in which one more run of ours lies with 95 %.

    mean -+ t(n - 1) s sqrt(1 + 1/n), within 0 to 100 (Hahn & Meeker 1991, chapter 4): normal seeds, the same test images.
    """

    gap: float | None  # points; None without a run
    interval: Interval | None  # percent
    inside: bool | None  # the number lies in it; None where there is no interval
    reason: Reason | None


def one_more_run(ours: Sample, published: float) -> OneMoreRun:
    """Compare a cell with a published accuracy (percent) of a single run.

    Raises:
        ValueError: a number outside 0 to 100.
    """
    if not 0 <= published <= 100:
        raise ValueError(f"published accuracy {published}: must be 0 to 100 percent")
    if ours.mean is None:
        return OneMoreRun(None, None, None, Reason.NO_SEED)
    gap = ours.mean - published
    if math.isnan(gap):
        return OneMoreRun(gap, None, None, Reason.NOT_A_NUMBER)
    if ours.variance is None or ours.variance == 0:
        return OneMoreRun(gap, None, None, Reason.ONE_SEED if ours.n == 1 else Reason.NO_SPREAD)
    half = quantile(1 - LEVEL / 2, ours.n - 1) * math.sqrt(ours.variance * (1 + 1 / ours.n))
    interval = Interval(max(0.0, ours.mean - half), min(100.0, ours.mean + half))
    return OneMoreRun(gap, interval, published in interval, None)
