"""How many seeds: against the textbook, against simulation, and where the answer is a word."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from ablation.reporting.statistics.power import needed_in_words, pooled_sd, resolvable, seeds_needed
from ablation.reporting.statistics.seeds import estimate


@pytest.mark.parametrize(("effect", "n"), [(0.2, 199), (0.5, 34), (0.8, 15)])
def test_pairs_for_small_medium_and_large_effects(effect: float, n: int) -> None:
    """The numbers that every table of the paired t test has (Cohen's d, two-sided 5 %, 80 %)."""
    assert seeds_needed(effect, 1.0) == n


def test_the_reports_smallest_difference_needs_hundreds_of_seeds() -> None:
    assert seeds_needed(0.02, 0.15 * math.sqrt(2)) == 885
    assert needed_in_words(0.02, 0.15 * math.sqrt(2)) == "885"
    assert seeds_needed(-0.02, 0.15 * math.sqrt(2)) == 885


@pytest.mark.parametrize("n", [2, 3, 5, 10, 100, 1000])
def test_what_n_seeds_resolve_needs_n_seeds(n: int) -> None:
    found = resolvable(n, 0.3)
    assert found is not None
    assert seeds_needed(found * 1.0001, 0.3) == n
    assert seeds_needed(found * 0.97, 0.3) > n  # type: ignore[operator]
    assert resolvable(n, 0.6) == pytest.approx(2 * found)


def test_simulated_seeds_find_it_eight_times_of_ten() -> None:
    draw = np.random.default_rng(1)
    for n in (2, 3, 6):
        difference = resolvable(n, 0.2)
        p = stats.ttest_1samp(draw.normal(difference, 0.2, (20_000, n)), 0, axis=1).pvalue
        assert np.mean(p < 0.05) == pytest.approx(0.8, abs=0.015)


def test_more_seeds_resolve_less_without_a_hole() -> None:
    """Two-sided, statsmodels' power is NaN here and there for large differences; none may come through."""
    found = [resolvable(n, 1.0) for n in range(2, 60)]
    assert all(before > after > 0 for before, after in pairwise(found))  # type: ignore[operator]
    needed = [seeds_needed(difference, 1.0) for difference in np.geomspace(0.01, 1000, 80)]
    assert needed == sorted(needed, reverse=True)  # type: ignore[type-var]
    assert needed[-1] == 2


@pytest.mark.parametrize(
    ("difference", "sd", "words"),
    [
        (0.0, 0.2, "no number of seeds: the difference is 0"),
        (0.5, 0.0, "unknown: the seeds show no spread"),
        (1e-6, 0.2, "more than 1,000,000"),
        (5.0, 0.2, "2"),
        (0.001, 0.2, "313,958"),
    ],
)
def test_needed_in_words(difference: float, sd: float, words: str) -> None:
    assert needed_in_words(difference, sd) == words


def test_without_seeds_or_spread_nothing_is_resolvable() -> None:
    assert resolvable(1, 0.2) is None
    assert resolvable(5, 0.0) is None
    assert resolvable(5, math.nan) is None


def test_spread_is_pooled_by_degrees_of_freedom() -> None:
    """Sums of squares 2 and 8 with 2 and 1 degrees of freedom; one seed has none."""
    cells = [estimate({0: 90, 1: 91, 2: 92}), estimate({0: 90, 1: 94}), estimate({0: 10})]
    assert pooled_sd(cells) == pytest.approx(math.sqrt(10 / 3))
    assert pooled_sd(cells[2:]) is None
    assert pooled_sd([estimate({0: 90, 1: 90})]) == 0
