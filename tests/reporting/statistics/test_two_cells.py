"""One cell against another: the formula by explicit loops, its limits (Welch, McNemar), invariances and planted violations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from ablation.reporting.statistics.estimate import Estimate, Reason, Scope
from ablation.reporting.statistics.sample import Sample, summarise
from ablation.reporting.statistics.two_cells import compare, won_lost

PERCENT = st.lists(st.floats(0, 100), min_size=2, max_size=6)


def sample(correct: NDArray[np.bool_]) -> Sample:
    return summarise([100 * float(row.mean()) for row in correct], correct)


def drawn(seed: int, seeds: int = 3, images: int = 40, share: float = 0.6) -> NDArray[np.bool_]:
    """Cells that share what is hard: the image decides most of it."""
    hard = np.random.default_rng(99).normal(size=images)
    rng = np.random.default_rng(seed)
    return rng.normal(size=(seeds, images)) + 2 * hard > -2.2 * stats.norm.ppf(share)


def by_hand(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Difference, V and df of the specification, image by image and seed by seed, in shares of 1."""
    images = a.shape[1]
    seeds, noise = [], []
    for cell in (a, b):
        n, grand = len(cell), cell.mean()
        residual = 0.0
        for s in range(n):
            for i in range(images):
                residual += (cell[s, i] - cell[s].mean() - cell[:, i].mean() + grand) ** 2
        residual /= (n - 1) * (images - 1)
        spread = sum((row.mean() - grand) ** 2 for row in cell) / (n - 1)
        seeds.append(max(spread, residual / images) / n)
        noise.append(residual / n)
    differences = [a[:, i].mean() - b[:, i].mean() for i in range(images)]
    centre = sum(differences) / images
    across = sum((value - centre) ** 2 for value in differences) / (images - 1)
    image = max(0.0, across - sum(noise)) / images
    total = sum(seeds) + image
    freedom = total**2 / (seeds[0] ** 2 / (len(a) - 1) + seeds[1] ** 2 / (len(b) - 1) + image**2 / (images - 1))
    return centre, total, freedom


@pytest.mark.parametrize(("first", "second"), [(3, 3), (2, 5), (4, 2)])
def test_it_is_the_formula(first: int, second: int) -> None:
    a, b = drawn(1, first), drawn(2, second, share=0.4)
    centre, total, freedom = by_hand(a, b)
    found = compare(sample(a), sample(b))
    assert found.scope is Scope.SEEDS_AND_IMAGES
    assert found.points == pytest.approx(100 * centre)
    assert found.variance == pytest.approx(1e4 * total)
    assert found.freedom == pytest.approx(freedom)
    assert found.p == pytest.approx(2 * stats.t.sf(abs(centre) / math.sqrt(total), freedom))
    half = stats.t.ppf(0.975, freedom) * 100 * math.sqrt(total)
    interval = found.interval()
    assert interval is not None
    assert (interval.low, interval.high) == pytest.approx((100 * centre - half, 100 * centre + half))
    assert found.better == pytest.approx(stats.t.cdf(centre / math.sqrt(total), freedom))


def test_a_golden_of_four_images() -> None:
    """Small enough for paper. A: 110 0 / 101 0 (two seeds, four images), B: 100 0 / 000 1.

    Means .5 and .25, no spread in either; residual mean squares 1/3 each, so both variances are the floor 1/12. At the images
    A - B is .5, .5, .5, -.5: variance 1/4, less (1/3 + 1/3)/2, is below 0: the images add nothing.
    V = 2 (1/12)/2 = 1/12, df = 2.
    """
    a = np.array([[True, True, False, False], [True, False, True, False]])
    b = np.array([[True, False, False, False], [False, False, False, True]])
    found = compare(sample(a), sample(b))
    assert found.points == 25
    assert found.image_variance == 0
    assert found.variance == pytest.approx(1e4 / 12)
    assert found.freedom == pytest.approx(2)
    t = 0.25 * math.sqrt(12)
    assert found.p == pytest.approx(1 - t / math.sqrt(2 + t * t))  # Student's distribution of 2 degrees in closed form


@given(PERCENT, PERCENT)
def test_without_correct_images_it_is_welchs_test(a: list[float], b: list[float]) -> None:
    found = compare(summarise(a), summarise(b))
    if found.reason is Reason.NO_SPREAD:
        assert max(a) - min(a) < 1e-6 and max(b) - min(b) < 1e-6
        assert (found.p, found.interval(), found.better) == (None, None, None)
        return
    assert found.scope is Scope.SEEDS
    if min(max(a) - min(a), max(b) - min(b)) > 1e-3:  # below, scipy counts rounding as spread
        other = stats.ttest_ind(a, b, equal_var=False)
        assert found.p == pytest.approx(other.pvalue, rel=1e-6, abs=1e-12)
        interval, theirs = found.interval(), other.confidence_interval()
        assert interval is not None
        assert (interval.low, interval.high) == pytest.approx((max(-100, theirs.low), min(100, theirs.high)), abs=1e-6)


def test_many_images_that_differ_by_chance_alone_make_it_welchs_test() -> None:
    """Every image is alike: its residual noise is taken off, so that the image part goes to 0 as the images grow."""
    rng = np.random.default_rng(0)
    shifts = np.array([[-0.02], [-0.01], [0.01], [0.02]])
    a, b = (rng.random((4, 200_000)) < share + shifts for share in (0.6, 0.55))
    full = compare(sample(a), sample(b))
    alone = compare(summarise([100 * float(r.mean()) for r in a]), summarise([100 * float(r.mean()) for r in b]))
    assert full.variance == pytest.approx(alone.variance, rel=0.01)
    assert full.p == pytest.approx(alone.p, rel=0.05)


@given(st.integers(0, 10_000), st.integers(2, 5), st.integers(2, 5))
def test_swapping_the_cells_turns_the_sign_and_nothing_else(seed: int, first: int, second: int) -> None:
    a, b = sample(drawn(seed, first)), sample(drawn(seed + 1, second, share=0.7))
    one, other = compare(a, b), compare(b, a)
    assert one.points is not None and other.points is not None
    assert one.points == -other.points
    assert one.variance == pytest.approx(other.variance)
    assert one.p == pytest.approx(other.p)
    assert one.better == pytest.approx(1 - (other.better or 0))
    mine, theirs = one.interval(), other.interval()
    assert mine is not None and theirs is not None
    assert (mine.low, mine.high) == pytest.approx((-theirs.high, -theirs.low))


@given(st.integers(0, 10_000))
def test_the_order_of_seeds_and_images_changes_nothing(seed: int) -> None:
    a, b, rng = drawn(seed), drawn(seed + 1), np.random.default_rng(seed)
    images = rng.permutation(a.shape[1])
    moved = compare(sample(a[rng.permutation(3)][:, images]), sample(b[rng.permutation(3)][:, images]))
    assert moved == compare(sample(a), sample(b))


def test_another_order_of_images_in_one_cell_alone_is_another_result() -> None:
    """Planted violation: pairing by image is what the image part rests on."""
    a, b = drawn(1), drawn(2)
    assert compare(sample(a), sample(b[:, ::-1])).image_variance > 2 * compare(sample(a), sample(b)).image_variance


def test_images_that_all_get_right_shrink_the_difference_alone() -> None:
    """As many easy images again: a small difference and its error are halved, so p stays; images won and lost are the same."""
    a, b, easy = drawn(1), drawn(3), np.ones((3, 40), dtype=bool)
    small, large = compare(sample(a), sample(b)), compare(sample(np.hstack([a, easy])), sample(np.hstack([b, easy])))
    assert small.points is not None and large.points == pytest.approx(small.points / 2)
    assert small.error is not None and large.error == pytest.approx(small.error / 2, rel=0.03)
    assert won_lost(sample(a), sample(b)) == won_lost(sample(np.hstack([a, easy])), sample(np.hstack([b, easy])))


def test_equal_in_all_seeds_is_no_certainty() -> None:
    """+2 points in every one of ten seeds, each cell without spread: over seeds alone nothing can be said."""
    found = compare(summarise([93.0] * 10), summarise([91.0] * 10))
    assert (found.reason, found.points, found.p) == (Reason.NO_SPREAD, 2, None)
    correct = np.zeros((2, 100), dtype=bool)
    correct[:, :93] = True
    same = sample(correct)
    assert compare(same, same).reason is Reason.NO_SPREAD
    other = np.zeros((2, 100), dtype=bool)
    other[:, :91] = True
    of_images = compare(same, sample(other))  # always the same two images more: only the images speak
    assert of_images.scope is Scope.SEEDS_AND_IMAGES
    assert of_images.freedom == pytest.approx(99)
    assert of_images.p is not None and of_images.p > 0.05


def test_a_difference_of_few_images_is_no_win() -> None:
    """60 test images, 10 seeds, 2.6 images more in every pair of them: the seeds agree, the images are too few."""
    base, more = np.zeros((10, 60), dtype=bool), np.zeros((10, 60), dtype=bool)
    base[:, :40] = more[:, :42] = True
    for s in range(10):
        more[s, 42 + s % 2] = True
        base[s, 40 + s % 3] = s % 3 == 2
    full = compare(sample(more), sample(base))
    alone = compare(summarise((100 * more.mean(axis=1)).tolist()), summarise((100 * base.mean(axis=1)).tolist()))
    assert full.points == pytest.approx(alone.points)
    assert alone.p is not None and full.p is not None
    assert alone.p < 0.001
    assert full.p > 0.05


@given(PERCENT, PERCENT)
def test_nothing_leaves_what_is_possible(a: list[float], b: list[float]) -> None:
    found: Estimate = compare(summarise(a), summarise(b))
    interval = found.interval(0.001)
    if interval is not None:
        assert found.points is not None and found.p is not None and found.better is not None
        assert -100 <= interval.low <= found.points + 1e-9
        assert found.points - 1e-9 <= interval.high <= 100
        assert 0 <= found.p <= 1
        assert 0 <= found.better <= 1
        assert (0 in interval) == (found.p >= 0.001) or abs(found.p - 0.001) < 1e-9


def test_different_numbers_of_test_images_are_refused() -> None:
    with pytest.raises(ValueError, match=r"test images \[40, 50\]: must be the same"):
        compare(sample(drawn(1)), sample(drawn(2, images=50)))
