"""One seed a side, or on one of them: McNemar's exact test, images won and lost, and where there is no test."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from ablation.reporting.statistics.estimate import Reason, Scope
from ablation.reporting.statistics.sample import Sample, summarise
from ablation.reporting.statistics.two_cells import compare, mcnemar, won_lost


def sample(correct: NDArray[np.bool_]) -> Sample:
    return summarise([100 * float(row.mean()) for row in correct], correct)


def test_images_won_are_those_that_a_larger_share_of_seeds_gets_right() -> None:
    """Two seeds against three: 1/2 > 1/3, 1/2 < 2/3, 2/2 = 3/3, 0 < 1/3."""
    a = np.array([[True, True, True, False], [False, False, True, False]])
    b = np.array([[True, True, True, False], [False, True, True, True], [False, False, True, False]])
    assert won_lost(sample(a), sample(b)) == (1, 2)
    assert won_lost(sample(b), sample(a)) == (2, 1)
    assert won_lost(sample(a), summarise([50, 60])) is None


def test_one_seed_a_side_is_mcnemar() -> None:
    a, b = np.array([[True] * 8 + [False] * 12]), np.array([[False] * 7 + [True] + [False] * 11 + [True]])
    found = compare(sample(a), sample(b))
    assert found.scope is Scope.IMAGES
    assert won_lost(sample(a), sample(b)) == (7, 1)
    assert found.p == pytest.approx(stats.binomtest(7, 8).pvalue) == pytest.approx(2 * 9 / 256)
    assert found.points == 30
    # Bonett & Price: one image more on each side, 8 of 22 and 2 of 22
    half = stats.t.ppf(0.975, 19) * math.sqrt((10 / 22 - (6 / 22) ** 2) / 22)
    interval = found.interval()
    assert interval is not None
    assert (interval.low, interval.high) == pytest.approx((min(0, 30 - 100 * half), 30 + 100 * half))


@given(st.integers(0, 120), st.integers(0, 120), st.integers(0, 5_000), st.sampled_from([0.05, 0.05 / 7]))
def test_mcnemars_interval_never_says_more_than_its_p(won: int, lost: int, both: int, level: float) -> None:
    found = mcnemar(won, lost, won + lost + both + 1)
    assert found.p == pytest.approx(stats.binomtest(won, won + lost).pvalue if won + lost else 1.0)
    interval = found.interval(level)
    assert interval is not None
    assert -100 <= interval.low <= interval.high <= 100
    assert 0 in interval or (found.p or 0) < level


def test_one_seed_against_several_is_of_these_models() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.random((1, 400)) < 0.6, rng.random((3, 400)) < 0.5
    found = compare(sample(a), sample(b))
    assert found.scope is Scope.IMAGES
    theirs = stats.ttest_1samp(a[0] - b.mean(axis=0), 0)
    assert found.p == pytest.approx(theirs.pvalue)
    assert found.freedom == 399


def test_where_there_is_no_test_there_is_a_reason() -> None:
    three, one, none, diverged = summarise([90, 91, 92]), summarise([95]), summarise([]), summarise([90, math.nan])
    reasons = {(one, three): Reason.ONE_SEED, (none, three): Reason.NO_SEED, (three, diverged): Reason.NOT_A_NUMBER}
    for (a, b), reason in reasons.items():
        found = compare(a, b)
        assert (found.reason, found.scope) == (reason, None)
        assert (found.p, found.interval(), found.better, found.variance, found.freedom) == (None,) * 5
    assert compare(one, three).points == 4
    assert compare(none, three).points is None
    points = compare(three, diverged).points
    assert points is not None and math.isnan(points)


@pytest.mark.parametrize("counts", [(-1, 2, 10), (6, 5, 10), (0, 0, 0)])
def test_counts_that_cannot_be_are_refused(counts: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="must not be negative, nor more than all"):
        mcnemar(*counts)
