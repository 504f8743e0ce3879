"""Holm's adjustment by its definition, and the ranking by all seeds."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablation.reporting.statistics.estimate import LEVEL
from ablation.reporting.statistics.family import holm, rank
from ablation.reporting.statistics.sample import summarise

P = st.floats(0, 1)


def test_holms_own_example() -> None:
    """p = .01, .04, .03, .005: times 3, 1, 2, 4 in order of size, never falling."""
    found = holm([0.01, 0.04, 0.03, 0.005])
    assert [each.adjusted for each in found] == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert [each.shown for each in found] == [True, False, False, True]
    # decided at .05/3, then twice at the step at which it stopped, .05/2, and at .05/4
    assert [each.level for each in found] == pytest.approx([0.05 / 3, 0.05 / 2, 0.05 / 2, 0.05 / 4])


@given(st.lists(st.one_of(st.none(), P), max_size=12))
def test_by_its_definition(values: list[float | None]) -> None:
    """Adjusted is the highest of (m - rank) p up to its own rank; shown is the same as adjusted below the level."""
    found = holm(values)
    given_p = sorted(p for p in values if p is not None)
    for p, each in zip(values, found, strict=True):
        assert each.p == p
        if p is None:
            assert (each.adjusted, each.shown) == (None, False)
            continue
        place = max(index for index, other in enumerate(given_p) if other == p)
        expected = max(min(1.0, (len(values) - index) * given_p[index]) for index in range(place + 1))
        assert each.adjusted == pytest.approx(expected)
        assert p <= expected <= 1
        if abs(expected - LEVEL) > 1e-9:
            assert each.shown == (expected < LEVEL)
            assert each.shown == (p < each.level)  # so that intervals at this level agree


@given(st.lists(P, min_size=1, max_size=10))
def test_the_order_of_comparisons_changes_nothing(values: list[float]) -> None:
    forwards, backwards = holm(values), holm(values[::-1])[::-1]
    assert [each.adjusted for each in forwards] == [each.adjusted for each in backwards]
    assert [each.shown for each in forwards] == [each.shown for each in backwards]


def test_a_planned_comparison_counts_before_it_is_run() -> None:
    """No claim falls when the missing runs come in: .02 is shown alone, not as one of three planned."""
    assert holm([0.02])[0].shown
    before = holm([0.02, None, None])
    assert not before[0].shown
    assert before[0].adjusted == pytest.approx(0.06)
    assert holm([0.01, None, None])[0].shown and holm([0.01, 1.0, 1.0])[0].shown


@pytest.mark.parametrize("p", [-0.1, 1.1, math.nan])
def test_no_p_is_refused(p: float) -> None:
    with pytest.raises(ValueError, match="must be 0 to 1, or None"):
        holm([0.5, p])


def test_the_ranking_is_by_all_seeds() -> None:
    """Nine seeds of A with mean 95, of which the two shared ones are its worst: A is first, and its difference is positive."""
    a, b = summarise([90, 91, 96, 96, 96, 96, 96, 97, 97]), summarise([93, 93.5])
    found = rank([b, a])
    assert (found.winner, found.runner_up, found.single) == (1, 0, None)


def test_one_seed_is_no_winner() -> None:
    ten, one, two, none = summarise([90.0 + s / 10 for s in range(10)]), summarise([99]), summarise([80, 81]), summarise([])
    diverged = summarise([99, math.nan])
    found = rank([two, one, none, diverged, ten])
    assert found.order == (1, 4, 0)
    assert (found.winner, found.runner_up, found.single) == (4, 0, 1)
    low = rank([ten, summarise([50])])
    assert (low.winner, low.runner_up, low.single) == (0, None, None)
    alone = rank([summarise([50]), summarise([60])])
    assert (alone.winner, alone.runner_up, alone.single) == (None, None, 1)
    assert rank([]).order == ()
