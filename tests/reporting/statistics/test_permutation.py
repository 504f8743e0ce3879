"""The permutation test against scipy's, exact and Monte Carlo, and what few seeds allow."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from ablation.reporting.statistics.permutation import permutation_p


def test_it_is_scipys_exact_test() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(90, 1, (20, 4)).round(1), rng.normal(91, 1, (20, 5)).round(1)
    expected = [
        stats.permutation_test(
            (x, y), lambda p, q: np.abs(np.round(p.mean() - q.mean(), 9)), alternative="greater", vectorized=False
        ).pvalue
        for x, y in zip(a, b, strict=True)
    ]
    assert permutation_p(a, b, np.random.default_rng(0)) == pytest.approx(expected)


def test_three_seeds_a_side_allow_no_p_below_a_tenth() -> None:
    assert permutation_p(np.array([[99.0, 99, 99]]), np.array([[1.0, 2, 3]]), np.random.default_rng(0)) == pytest.approx([0.1])


def test_equal_cells_are_certain_of_nothing() -> None:
    assert permutation_p(np.full((1, 3), 90.0), np.full((1, 3), 90.0), np.random.default_rng(0)) == pytest.approx([1])


def test_many_seeds_are_drawn_at_random_and_the_order_of_seeds_changes_nothing() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(90, 1, (5, 20)), rng.normal(90.7, 1, (5, 20))
    found = permutation_p(a, b, np.random.default_rng(1))
    assert found == pytest.approx(stats.ttest_ind(a, b, axis=1).pvalue, abs=0.02)
    assert (permutation_p(a[:, ::-1], b[:, ::-1], np.random.default_rng(1)) == found).all()
    far = permutation_p(a, b + 50, np.random.default_rng(1))
    assert far == pytest.approx(1 / 10_000)
