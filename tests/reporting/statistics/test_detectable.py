"""Power: against scipy's noncentral t and simulation, and the seeds that it asks for are the fewest."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ablation.reporting.statistics.estimate import Estimate, Interval, Scope, SeedPart
from ablation.reporting.statistics.power import MOST, chance, detectable, planned, sd_interval, seeds_needed
from ablation.reporting.statistics.sample import summarise
from ablation.reporting.statistics.two_cells import compare, mcnemar

BOUNDS = Interval(-100, 100)


def estimate(sds: tuple[float, float] = (1.0, 1.0), seeds: tuple[int, int] = (3, 3), image_variance: float = 0.0) -> Estimate:
    parts = tuple(SeedPart(sd**2, n) for sd, n in zip(sds, seeds, strict=True))
    scope = Scope.SEEDS_AND_IMAGES if image_variance else Scope.SEEDS
    return Estimate(0.0, scope, parts, image_variance, 1_000 if image_variance else None, BOUNDS)


@given(
    st.floats(0.1, 5),
    st.floats(0.1, 5),
    st.integers(2, 12),
    st.sampled_from([0.05, 0.05 / 7, 0.05 / 40]),
    st.sampled_from([0.5, 0.8, 0.95]),
)
def test_what_is_detectable_is_detected_with_that_power(a: float, b: float, n: int, level: float, power: float) -> None:
    """scipy's own noncentral t beyond the critical value."""
    one = estimate((a, b), (n, n))
    found = detectable(one, level, power)
    assert found is not None and one.error is not None and one.freedom is not None
    critical = stats.t.ppf(1 - level / 2, one.freedom)
    assert stats.nct.sf(critical, one.freedom, found.points / one.error) == pytest.approx(power, abs=1e-4)
    assert chance(found.points, one.error, one.freedom, level) == pytest.approx(power, abs=1e-4)
    assert found.interval.low < found.points < found.interval.high


def test_it_is_the_power_of_the_printed_test() -> None:
    """4,000 comparisons of three seeds with the detectable difference planted: 80 % have a p below the level."""
    rng, level = np.random.default_rng(0), 0.05 / 7
    found = detectable(planned(1.0, 5), level)
    assert found is not None
    a, b = rng.normal(found.points, 1, (2_000, 5)), rng.normal(0, 1, (2_000, 5))
    shown = [
        (compare(summarise((50 + x).tolist()), summarise((50 + y).tolist())).p or 1) < level for x, y in zip(a, b, strict=True)
    ]
    # Welch's degrees of freedom vary from study to study: a little less than the 80 % of a known 8
    assert 0.72 < np.mean(shown) < 0.82


@given(st.floats(0.2, 5), st.floats(0.2, 5), st.integers(2, 9), st.integers(2, 9), st.floats(0.5, 10))
def test_the_seeds_asked_for_are_the_fewest(a: float, b: float, first: int, second: int, difference: float) -> None:
    one = estimate((a, b), (first, second))
    found = seeds_needed(one, difference)
    assert found is not None and found.seeds is not None and found.more is not None

    def power(n: int) -> float:
        parts = tuple(SeedPart(part.variance, max(part.n, n)) for part in one.seeds)
        grown = Estimate(0.0, Scope.SEEDS, parts, 0.0, None, BOUNDS)
        assert grown.error is not None and grown.freedom is not None
        return chance(difference, grown.error, grown.freedom)

    assert power(found.seeds) >= 0.8
    assert found.seeds == 2 or power(found.seeds - 1) < 0.8
    assert found.more == (max(0, found.seeds - first), max(0, found.seeds - second))
    assert found.limit == 0


def test_seeds_for_two_points_from_a_table() -> None:
    """Cohen's table: a difference of one sd at 80 % and two-sided 5 % takes 17 in each group."""
    found = seeds_needed(estimate((2.0, 2.0)), 2.0)
    assert found is not None
    assert (found.seeds, found.more) == (17, (14, 14))


def test_no_number_of_seeds_makes_up_for_few_images() -> None:
    one = estimate(image_variance=1.0)
    found = seeds_needed(one, 2.0)
    assert found is not None
    assert (found.seeds, found.more) == (None, None)
    assert found.limit == pytest.approx(2.802 + 0.002, abs=0.002)  # 1.96 + 0.84 standard errors
    more = seeds_needed(one, 3.0)
    assert more is not None and more.seeds is not None and more.seeds < MOST


def test_few_seeds_know_their_sd_badly() -> None:
    """Factors of any table of chi squared: 0.52 to 6.29 at n = 3, 0.69 to 1.83 at n = 10."""
    three, ten = sd_interval(1.0, 3), sd_interval(1.0, 10)
    assert (three.low, three.high) == pytest.approx((0.521, 6.285), abs=1e-3)
    assert (ten.low, ten.high) == pytest.approx((0.688, 1.826), abs=1e-3)
    with pytest.raises(ValueError, match="an sd needs 2"):
        sd_interval(1.0, 1)


def test_more_seeds_or_a_milder_level_detect_less() -> None:
    points = [found.points for n in (2, 3, 5, 10, 30) if (found := detectable(planned(0.2, n)))]
    assert points == sorted(points, reverse=True)
    strict, mild = detectable(planned(0.2, 3), 0.05 / 7), detectable(planned(0.2, 3))
    assert strict is not None and mild is not None and strict.points > mild.points


def test_without_a_test_there_is_no_power() -> None:
    none = compare(summarise([90]), summarise([91, 92]))
    assert detectable(none) is None
    assert seeds_needed(none, 2) is None
    models = mcnemar(10, 5, 1_000)
    assert seeds_needed(models, 2) is None  # no spread over seeds is known
    assert detectable(models) is not None
    for bad in (0, math.nan):
        with pytest.raises(ValueError, match="must not be 0 points"):
            seeds_needed(estimate(), bad)
    for sd, n in ((0.0, 3), (1.0, 1)):
        with pytest.raises(ValueError, match="must be 2 seeds or more"):
            planned(sd, n)
