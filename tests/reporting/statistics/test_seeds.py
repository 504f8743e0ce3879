"""Means and intervals over seeds: computed by hand, and on populations whose truth is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ablation.reporting.statistics.seeds import Estimate, Interval, Reason, estimate, gap, joined, optimism, over_seeds

T2 = 4.302652729911275  # Student's t at 97.5 %, 2 degrees of freedom, from any table


def generator() -> np.random.Generator:
    return np.random.default_rng(0)


def seeds(*values: float) -> dict[int, float]:
    return dict(enumerate(values))


def test_mean_sd_and_t_interval_are_those_of_the_textbook() -> None:
    found = estimate(seeds(94, 95, 96))
    assert (found.n, found.mean, found.sd) == (3, 95, 1)
    assert found.interval is not None
    assert found.interval.low == pytest.approx(95 - T2 / math.sqrt(3))
    assert found.interval.high == pytest.approx(95 + T2 / math.sqrt(3))
    assert 97 in found.interval
    assert 98 not in found.interval


def test_below_three_seeds_the_values_stand_alone() -> None:
    assert estimate({}) == Estimate((), None, None, None, (Reason("no-value", "no value"),))
    one = estimate(seeds(94.0))
    assert (one.values, one.mean, one.sd, one.interval, joined(one.reasons)) == ((94,), 94, None, None, "1 seed: no interval")
    two = estimate(seeds(94, 95))
    assert (two.values, two.mean, two.interval) == ((94, 95), 94.5, None)
    assert two.sd == pytest.approx(math.sqrt(0.5))
    assert joined(two.reasons) == "2 seeds: no interval below 3"
    assert [found.bootstrap for found in over_seeds([seeds(94), seeds(94, 95), {}], 360, generator())] == [None, None, None]


@pytest.mark.parametrize("values", [(100, 100, 98), (99.9, 100, 91), (0, 0.5, 4), (0, 100, 50)])
def test_an_accuracy_stays_between_0_and_100(values: tuple[float, ...]) -> None:
    found = over_seeds([seeds(*values)], 360, generator())[0]
    assert found.mean is not None
    for interval in (found.interval, found.bootstrap):
        assert interval is not None
        assert 0 <= interval.low <= found.mean <= interval.high <= 100


@pytest.mark.parametrize("noise", [0.0, 1e-13, 1e-9, 0.1])
def test_a_spread_below_an_image_is_no_certainty(noise: float) -> None:
    """Equal accuracies, or equal but for rounding: half an image of 360 is 0.14 points."""
    found = over_seeds([seeds(95, 95 + noise, 95)], 360, generator())[0]
    assert (found.interval, found.bootstrap, found.sd) == (None, None, 0)
    assert joined(found.reasons) == "equal in all 3 seeds, so no interval"


def test_one_image_of_spread_is_spread() -> None:
    found = estimate(seeds(95, 95, 95 + 100 / 360), images=360)
    assert found.interval is not None
    assert found.reasons == ()


def test_without_the_number_of_images_only_rounding_counts_as_equal() -> None:
    assert estimate(seeds(95, 95 + 1e-9, 95)).interval is None
    assert estimate(seeds(95, 95.01, 95)).interval is not None


def test_the_bootstrap_of_three_seeds_is_their_range() -> None:
    """Of 27 resamples one is the smallest value three times: 3.7 %, more than the 2.5 % that are cut off."""
    assert over_seeds([seeds(90, 93, 96)], 360, generator())[0].bootstrap == Interval(90, 96)


def test_order_of_seeds_and_cells_and_further_cells_change_nothing() -> None:
    draw = np.random.default_rng(3)
    cells = [seeds(*draw.normal(95, 0.3, n).round(2)) for n in (3, 5, 4, 5, 3, 5, 2, 6)]
    found = over_seeds(cells, 10_000, generator())
    assert over_seeds(cells, 10_000, generator()) == found
    assert over_seeds(cells[::-1], 10_000, generator()) == found[::-1]
    assert over_seeds(cells[1:2], 10_000, generator()) == found[1:2]
    backwards = [dict(reversed(cell.items())) for cell in cells]
    assert over_seeds(backwards, 10_000, generator()) == found
    renamed = [{-seed: value for seed, value in cell.items()} for cell in cells]
    for mine, other in zip(found, over_seeds(renamed, 10_000, generator()), strict=True):
        assert (mine.mean, mine.sd, mine.interval, mine.bootstrap) == (other.mean, other.sd, other.interval, other.bootstrap)


def test_another_generator_moves_the_bootstrap_alone() -> None:
    cells = [seeds(*np.random.default_rng(3).normal(95, 0.3, 9))]
    first, second = (over_seeds(cells, 10_000, np.random.default_rng(seed))[0] for seed in (0, 1))
    assert first.bootstrap != second.bootstrap
    assert first.interval == second.interval


@pytest.mark.parametrize("n", [3, 5])
def test_the_t_interval_holds_the_truth_95_times_of_100(n: int) -> None:
    draws = np.random.default_rng(7).normal(95, 0.2, (3000, n))
    held = np.mean([95 in interval for row in draws if (interval := estimate(seeds(*row)).interval)])
    assert abs(held - 0.95) < 4 * math.sqrt(0.95 * 0.05 / 3000)


def test_the_bootstrap_interval_holds_the_truth_nearly_as_often() -> None:
    draws = np.random.default_rng(7).normal(95, 0.2, (400, 20))
    found = over_seeds([seeds(*row) for row in draws], None, generator())
    held = np.mean([95 in interval for one in found if (interval := one.bootstrap)])
    assert 0.89 < held < 0.96


def test_optimism_is_counted_seed_by_seed() -> None:
    found = optimism({0: 95.0, 1: 95.5, 2: 96.0, 3: 99.0}, {2: 95.7, 1: 95.3, 0: 94.9}, images=10_000)
    assert found.values == pytest.approx((0.1, 0.2, 0.3))
    assert found.mean == pytest.approx(0.2)
    assert found.interval is not None
    assert found.interval.high == pytest.approx(0.2 + T2 * 0.1 / math.sqrt(3))


@pytest.mark.parametrize(
    ("published", "inside", "as_one_run"),
    [
        (95.0, True, True),
        (97.4, True, True),
        (97.5, False, True),
        (92.6, True, True),
        (99.9, False, True),
        (100.0, False, False),
    ],
)
def test_a_published_number_is_inside_our_interval_or_where_one_run_would_be(
    published: float, inside: bool, as_one_run: bool
) -> None:
    """Of 94, 95, 96: the mean is known to 2.48 points, one further run to 4.97."""
    found = gap(estimate(seeds(94, 95, 96)), published, images=10_000)
    assert found is not None
    assert (found.inside, found.as_one_run) == (inside, as_one_run)
    assert found.points == pytest.approx(95 - published)
    assert found.images == pytest.approx(100 * (95 - published))


def test_without_an_interval_a_gap_is_neither_inside_nor_outside() -> None:
    found = gap(estimate(seeds(96.61)), 96.63, images=10_000)
    assert found is not None
    assert (found.images, found.inside, found.as_one_run) == (-2, None, None)
    assert gap(estimate({}), 96.63) is None
