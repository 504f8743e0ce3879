"""Weighted sums of cells: by loops, against the comparison of two, over a grid, and without the correct images."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ablation.reporting.statistics.estimate import Interval, Reason, Scope
from ablation.reporting.statistics.sample import Sample, summarise
from ablation.reporting.statistics.two_cells import compare
from ablation.reporting.statistics.weighted_sum import contrast


def cells(seed: int, seeds: tuple[int, ...] = (3, 2, 4, 3), images: int = 30) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    hard = rng.normal(size=images)
    return [rng.normal(size=(n, images)) + 2 * hard > -0.5 for n in seeds]


def samples(seed: int) -> list[Sample]:
    return [summarise([100 * float(row.mean()) for row in cell], cell) for cell in cells(seed)]


@pytest.mark.parametrize("weights", [(0.5, 0.5, -0.5, -0.5), (1, -1, -1, 1), (1, 0, 0, -1), (0.25, 0.25, 0.25, 0.25)])
def test_it_is_the_formula(weights: tuple[float, ...]) -> None:
    """Everything in shares of 1, term by term."""
    drawn = cells(1)
    images = drawn[0].shape[1]
    points, noise, parts = 0.0, 0.0, []
    for w, cell in zip(weights, drawn, strict=True):
        if not w:
            continue
        n, grand = len(cell), cell.mean()
        residual = sum(
            (cell[s, i] - cell[s].mean() - cell[:, i].mean() + grand) ** 2 for s, i in product(range(n), range(images))
        ) / ((n - 1) * (images - 1))
        spread = sum((row.mean() - grand) ** 2 for row in cell) / (n - 1)
        points += w * grand
        noise += w * w * residual / n
        parts.append((w * w * max(spread, residual / images) / n, n - 1))
    sums = [sum(w * cell[:, i].mean() for w, cell in zip(weights, drawn, strict=True)) for i in range(images)]
    centre = sum(sums) / images
    image = max(0.0, sum((value - centre) ** 2 for value in sums) / (images - 1) - noise) / images
    parts.append((image, images - 1))
    total = sum(part for part, _ in parts)
    found = contrast(samples(1), weights)
    assert found.scope is Scope.SEEDS_AND_IMAGES
    assert found.points == pytest.approx(100 * points)
    assert found.variance == pytest.approx(1e4 * total)
    assert found.freedom == pytest.approx(total**2 / sum(part**2 / count for part, count in parts))


@given(st.integers(0, 1_000))
def test_a_difference_of_two_is_the_comparison(seed: int) -> None:
    a, b, *_ = samples(seed)
    assert contrast([a, b], [1, -1]) == compare(a, b)
    assert contrast([a, b, a], [1, -1, 0]) == compare(a, b)


@given(st.integers(0, 1_000), st.floats(0.1, 4))
def test_scaling_the_weights_scales_all_but_p(seed: int, factor: float) -> None:
    weights = (0.5, 0.5, -0.5, -0.5)
    one, more = contrast(samples(seed), weights), contrast(samples(seed), [factor * w for w in weights])
    assert one.points is not None and one.error is not None
    assert more.points == pytest.approx(factor * one.points, abs=1e-9)
    assert more.error == pytest.approx(factor * one.error)
    assert more.freedom == pytest.approx(one.freedom)
    assert more.p == pytest.approx(one.p, abs=1e-9)


def test_a_mean_alone_has_the_textbooks_interval() -> None:
    found = contrast([summarise([94, 95, 96])], [1])
    interval = found.interval()
    assert interval is not None
    half = 4.302652729911275 / math.sqrt(3)  # Student's t of 2 degrees, from any table
    assert (interval.low, interval.high) == pytest.approx((95 - half, 95 + half))
    assert contrast([summarise([99, 100, 100])], [1]).interval() == Interval(pytest.approx(99.667 - 1.434, abs=2e-3), 100)


def test_seeds_need_be_neither_shared_nor_equally_many() -> None:
    """Effects of 3 seeds: Satterthwaite, by scipy's weights of two groups after averaging."""
    low, high = summarise([50, 51, 52, 53]), summarise([60, 64])
    found = contrast([high, low], [1, -1])
    other = stats.ttest_ind([60, 64], [50, 51, 52, 53], equal_var=False)
    assert (found.p, found.freedom) == (pytest.approx(other.pvalue), pytest.approx(other.df))


def test_bounds_are_those_of_the_weights() -> None:
    wild = [summarise([0, 100, 50])] * 4
    interval = contrast(wild, [1, -1, -1, 1]).interval(0.001)
    assert interval == Interval(-200, 200)
    assert contrast(wild, [0.5, 0.5, -0.5, -0.5]).interval(0.001) == Interval(-100, 100)


def test_one_cell_of_one_seed_takes_the_seeds_away() -> None:
    drawn = cells(3)
    of_all = [summarise([100 * float(row.mean()) for row in cell], cell) for cell in [drawn[0][:1], *drawn[1:]]]
    found = contrast(of_all, [0.5, 0.5, -0.5, -0.5])
    assert found.scope is Scope.IMAGES
    assert found.seeds == ()
    alone = [summarise([50.0]), *(summarise([float(v) for v in (50, 51)]) for _ in range(3))]
    assert contrast(alone, [0.5, 0.5, -0.5, -0.5]).reason is Reason.ONE_SEED
    assert contrast([summarise([]), *alone[1:]], [0.5, 0.5, -0.5, -0.5]).reason is Reason.NO_SEED


def test_without_the_bits_of_one_cell_it_is_for_this_test_set() -> None:
    a, b, c, _ = samples(5)
    found = contrast([a, b, c, summarise([60, 61])], [0.5, 0.5, -0.5, -0.5])
    assert (found.scope, found.image_variance) == (Scope.SEEDS, 0)


@pytest.mark.parametrize("weights", [(1,), (0, 0), (math.nan, 1), (1, math.inf)])
def test_weights_that_make_no_contrast_are_refused(weights: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="must be finite, one a cell, not all 0"):
        contrast([summarise([1, 2])] * 2, weights)
