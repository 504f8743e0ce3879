"""How many seeds an answer takes: what n seeds can resolve, and the seeds that a difference needs.

Owns the power of the paired t test, two-sided at 5 %, at 80 % unless asked otherwise. Pure, nothing random.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from scipy import optimize

from ablation.reporting.statistics.seeds import LEVEL, Estimate

POWER = 0.8
MOST = 1_000_000  # seeds beyond which the answer is a word
LARGE = 20.0  # a difference of so many sd is seen by two seeds


def pooled_sd(estimates: Iterable[Estimate]) -> float | None:
    """Pool the seeds' sd over cells or comparisons, weighted by n - 1: usable where each has only two or three seeds."""
    spread = [(found.n - 1, found.sd) for found in estimates if found.sd is not None]
    freedom = sum(weight for weight, _ in spread)
    return math.sqrt(math.fsum(weight * sd**2 for weight, sd in spread) / freedom) if freedom else None


def resolvable(n: int, sd: float, power: float = POWER) -> float | None:
    """Return the difference in points that n paired seeds detect with this power; None below 2 seeds or without spread.

    Args:
        n: seeds that both cells have.
        sd: of the seeds' differences, in points.
        power: chance to detect it.
    """
    if n < 2 or not sd > 0:
        return None
    return sd * float(optimize.brentq(lambda effect: _power(effect, n) - power, 1e-9, LARGE))


def seeds_needed(difference: float, sd: float, power: float = POWER) -> int | None:
    """Return the fewest paired seeds, at least 2, that detect a difference in points; None: more than MOST, or undefined."""
    if not sd > 0 or not abs(difference) > 0:
        return None
    effect = abs(difference) / sd
    if _power(effect, MOST) < power:
        return None
    few, enough = 1, 2
    while _power(effect, enough) < power:
        few, enough = enough, min(2 * enough, MOST)
    while enough - few > 1:
        middle = (few + enough) // 2
        few, enough = (few, middle) if _power(effect, middle) >= power else (middle, enough)
    return enough


def needed_in_words(difference: float, sd: float, power: float = POWER) -> str:
    """Return the seeds as text: `867`, `more than 1,000,000`, or why there is no number."""
    if not abs(difference) > 0:
        return "no number of seeds: the difference is 0"
    if not sd > 0:
        return "unknown: the seeds show no spread"
    seeds = seeds_needed(difference, sd, power)
    return f"more than {MOST:,}" if seeds is None else f"{seeds:,}"


def _power(effect: float, n: int) -> float:
    """Return the chance to find a difference of `effect` sd, in its own direction."""
    from statsmodels.stats.power import TTestPower

    # one tail at half the level: the other adds nothing that counts, but is NaN at random from 7 standard errors on
    power = float(TTestPower().power(effect, n, LEVEL / 2, alternative="larger"))
    return 1.0 if math.isnan(power) else power  # beyond 36 standard errors its density underflows
