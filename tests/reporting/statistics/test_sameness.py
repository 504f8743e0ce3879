"""Better, worse, the same, or cannot tell: against two one-sided tests by scipy, and consistent with Holm's level."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ablation.reporting.statistics.estimate import Estimate as Found
from ablation.reporting.statistics.estimate import Interval, Scope, SeedPart
from ablation.reporting.statistics.family import holm
from ablation.reporting.statistics.sameness import Answer, decide
from ablation.reporting.statistics.sample import summarise
from ablation.reporting.statistics.two_cells import compare, mcnemar


def difference(points: float, sd: float = 1.0, n: int = 3) -> Found:
    return Found(points, Scope.SEEDS, (SeedPart(sd**2, n), SeedPart(sd**2, n)), 0.0, None, Interval(-100, 100))


A, B = [90.0, 90.2, 90.4], [90.1, 90.2, 90.4]


def test_the_same_is_two_one_sided_tests() -> None:
    """scipy's one-sided Welch tests of A shifted by the margin, each way."""
    found = decide(compare(summarise(A), summarise(B)), margin=1.0)
    above = stats.ttest_ind([a + 1 for a in A], B, equal_var=False, alternative="greater").pvalue
    below = stats.ttest_ind([a - 1 for a in A], B, equal_var=False, alternative="less").pvalue
    assert found.same_p == pytest.approx(max(above, below))
    assert (found.answer, found.within, found.margin) == (Answer.SAME, True, 1.0)


def test_without_a_stated_margin_nothing_is_the_same() -> None:
    found = decide(compare(summarise(A), summarise(B)))
    assert (found.answer, found.same_p, found.within, found.margin) == (Answer.CANNOT_TELL, None, None, None)
    assert found.interval is not None
    assert found.interval.low < 0 < found.interval.high
    narrow = decide(compare(summarise(A), summarise(B)), margin=0.1)
    assert (narrow.answer, narrow.within) == (Answer.CANNOT_TELL, False)


@given(st.floats(-5, 5), st.floats(0.05, 3), st.integers(2, 12), st.floats(0.1, 5))
def test_within_is_the_90_percent_interval_inside_the_margin(points: float, sd: float, n: int, margin: float) -> None:
    estimate = difference(points, sd, n)
    interval, found = estimate.interval(0.10), decide(estimate, margin=margin)
    assert interval is not None
    if min(abs(interval.low + margin), abs(interval.high - margin)) > 1e-6:
        assert found.within == (-margin < interval.low and interval.high < margin)


def test_shown_and_smaller_than_what_matters() -> None:
    found = decide(difference(0.5, sd=0.1, n=10), margin=1.0)
    assert (found.answer, found.within) == (Answer.BETTER, True)
    assert decide(difference(-5, sd=0.1, n=10), margin=1.0).answer is Answer.WORSE
    assert decide(difference(-5, sd=0.1, n=10), margin=1.0).within is False


@given(st.lists(st.floats(-6, 6), min_size=1, max_size=8))
def test_answers_intervals_and_holm_agree(points: list[float]) -> None:
    estimates = [difference(value) for value in points]
    for estimate, each in zip(estimates, holm([estimate.p for estimate in estimates]), strict=True):
        found = decide(estimate, each.level)
        assert (found.answer in (Answer.BETTER, Answer.WORSE)) == each.shown
        assert found.interval is not None
        assert (0 not in found.interval) == each.shown


def test_no_test_is_no_answer() -> None:
    assert decide(compare(summarise([90]), summarise([91, 92])), margin=1).answer is Answer.NO_TEST
    assert decide(compare(summarise([90, 90]), summarise([91, 91])), margin=1).answer is Answer.NO_TEST


def test_two_trained_models_that_differ_on_few_images() -> None:
    assert decide(mcnemar(3, 2, 10_000), margin=0.5).answer is Answer.SAME
    assert decide(mcnemar(3, 2, 100), margin=0.5).answer is Answer.CANNOT_TELL


@pytest.mark.parametrize("margin", [0, -1, float("nan")])
def test_a_margin_must_be_above_0(margin: float) -> None:
    with pytest.raises(ValueError, match="must be above 0 points"):
        decide(difference(1), margin=margin)
