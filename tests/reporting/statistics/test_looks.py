"""Looks at a growing study: levels that add up, decisions that stand, seeds only where a comparison is open."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablation.reporting.statistics import looks as looks_
from ablation.reporting.statistics.estimate import LEVEL, Estimate, Reason
from ablation.reporting.statistics.family import Adjusted
from ablation.reporting.statistics.looks import LOOKS, Judged, Status, chance_left, shares
from ablation.reporting.statistics.power import planned
from ablation.reporting.statistics.sameness import Answer, as_shown, decide
from ablation.reporting.statistics.sample import summarise
from ablation.reporting.statistics.two_cells import compare
from benchmarks.rounds import CELLS, simulated

OPEN, SHOWN, SAME, HOPELESS, ENDED = Status
RISING = st.lists(st.integers(2, 60), min_size=2, max_size=6, unique=True).map(sorted)


def judge(
    estimates: list[Estimate], before: list[Status], look: int, looks: tuple[int, ...], margin: float | None = None
) -> list[Status]:
    """Judge by status alone."""
    known = [Judged(status, 0, Adjusted(None, None, LEVEL, status is SHOWN)) for status in before]
    return [each.status for each in looks_.judge(estimates, known, look, looks, margin)]


def estimate(points: float, seeds: int, sd: float = 1.0) -> Estimate:
    """Return a difference of two cells with so many seeds and this sd."""
    return replace(planned(sd, seeds), points=points)


def test_the_default_shares() -> None:
    """By hand: 0.05 (3/12)^3, then 0.05 ((5/12)^3 - (3/12)^3), and so on."""
    assert shares(LOOKS) == pytest.approx((0.00078125, 0.00283565, 0.01119792, 0.03518519), abs=1e-8)


@given(RISING)
def test_shares_add_up_to_the_level_and_rise(looks: list[int]) -> None:
    assert math.fsum(shares(looks)) == pytest.approx(LEVEL) and all(share > 0 for share in shares(looks))


@pytest.mark.parametrize("looks", [[], [5], [3, 3], [5, 3], [1, 4], [0, 2], [2.5, 4], [True, 4], ["3", "5"]])
def test_one_look_or_falling_looks_are_refused(looks: list[int]) -> None:
    with pytest.raises(ValueError, match=r"^looks \[.*\]: must be two or more rising numbers of seeds, the first at least 2"):
        shares(looks)


def test_a_large_difference_is_decided_and_a_null_one_loses_hope() -> None:
    """Decided at the second look, at its share over two comparisons; open at first."""
    first = judge([estimate(6, 3), estimate(0.5, 3)], [OPEN, OPEN], 0, LOOKS)
    assert first == [OPEN, OPEN]
    assert judge([estimate(6, 5), estimate(0.1, 5)], first, 1, LOOKS) == [SHOWN, HOPELESS]


def test_what_is_closed_stays_what_it_is() -> None:
    """A decision stands though its cells get no more seeds; a difference that was closed is not decided later."""
    before = [SHOWN, SAME, HOPELESS, ENDED]
    assert judge([estimate(0.1, 3), *[estimate(50, 12)] * 3], before, 3, LOOKS) == before


def test_decided_comparisons_no_longer_count_in_the_adjustment() -> None:
    """One of two is left: it needs the share itself, not half of it."""
    p = 0.75 * shares(LOOKS)[1]
    points = next(d for d in np.arange(0.5, 9, 0.01) if (estimate(float(d), 5).p or 1) < p)
    one = estimate(float(points), 5)
    assert judge([one, one], [OPEN, OPEN], 1, LOOKS) == [OPEN, OPEN]
    assert judge([one, one], [OPEN, SHOWN], 1, LOOKS) == [SHOWN, SHOWN]


@given(st.lists(st.floats(-8, 8), min_size=1, max_size=6), st.integers(0, 3))
def test_the_adjusted_p_is_below_the_level_exactly_where_it_is_shown(points: list[float], look: int) -> None:
    """So that a reader needs no other level than 0.05."""
    for each in looks_.judge([estimate(value, LOOKS[look]) for value in points], [None] * len(points), look, LOOKS):
        assert each.adjusted.adjusted is not None and each.look == look
        assert each.adjusted.shown == (each.status is SHOWN) == (each.adjusted.adjusted < LEVEL)


def test_the_same_needs_a_stated_margin() -> None:
    near = estimate(0.0, 8, sd=0.1)
    assert judge([near], [OPEN], 2, LOOKS) == [HOPELESS] and judge([near], [OPEN], 2, LOOKS, margin=1.0) == [SAME]


def test_after_the_last_look_nothing_is_open() -> None:
    assert judge([estimate(0.5, 12), estimate(9, 12)], [OPEN, OPEN], 3, LOOKS) == [ENDED, SHOWN]


def test_the_chance_that_is_left() -> None:
    """1 where nothing is known, 0 where a cell has no result; by hand for two sds of 1, 3 of 12 seeds, 2 points."""
    assert chance_left(Estimate.without_test(Reason.ONE_SEED, 3.0), 12, 0.01) == 1
    assert chance_left(Estimate.without_test(Reason.NO_SEED), 12, 0.01) == 0
    assert chance_left(Estimate.without_test(Reason.NOT_A_NUMBER, math.nan), 12, 0.01) == 0
    # limit: t(.995, 22) sqrt(2/12) = 2.8188 x 0.40825 = 1.15077; spread: sqrt(2/3 - 2/12) = 0.70711
    assert chance_left(estimate(2, 3), 12, 0.01) == pytest.approx(0.88513, abs=2e-5)  # Phi(1.20099) + Phi(-4.456)
    assert chance_left(estimate(2, 12), 12, 0.01) == 1 and chance_left(estimate(1, 12), 12, 0.01) == 0


@given(st.floats(-30, 30), st.sampled_from(LOOKS[:3]), st.integers(0, 2))
def test_a_difference_and_its_mirror_image_are_judged_alike(points: float, seeds: int, look: int) -> None:
    assert judge([estimate(points, seeds)], [OPEN], look, LOOKS) == judge([estimate(-points, seeds)], [OPEN], look, LOOKS)


def test_a_cell_without_a_result_is_not_waited_for() -> None:
    """A diverged cell has no accuracy, however many seeds are trained."""
    nothing = compare(summarise([]), summarise([90.0, 91.0, 92.0]))
    assert judge([nothing], [OPEN], 0, LOOKS) == [HOPELESS]


def test_simulated_studies() -> None:
    """Small: no more than 6 of 60 null studies have a claim, 20 points are all found and half the runs are saved."""
    null = simulated((2.1, 1.2, 1.2, 1.6, 2.1, 3.0, 4.0, 5.0), (0.0,) * CELLS, 60)
    assert null["false_claims"] is not None and null["false_claims"] <= 0.1
    large = simulated((2.1,) * CELLS, (0.0, *(20.0,) * 7), 10)
    assert large["found"] == 1 and large["runs_saved"] is not None and large["runs_saved"] > 0.5


@pytest.mark.parametrize(
    ("shown", "points", "answer"), [(True, 0.1, Answer.BETTER), (True, -0.1, Answer.WORSE), (False, 9.0, Answer.CANNOT_TELL)]
)
def test_seeds_after_a_look_decide_nothing(shown: bool, points: float, answer: Answer) -> None:
    """A claim stands where more seeds would no longer make it, and none is made between two looks."""
    decision = decide(estimate(points, 8), 0.01)
    assert as_shown(decision, Adjusted(0.5, None, 0.01, shown), points).answer is answer
