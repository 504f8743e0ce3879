"""One cell against another: exact tests by enumeration, what few seeds allow, Holm, and populations without a difference."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest

from ablation.reporting.statistics.images import Difference, differences, holm, seeds_to_reject, smallest_p
from ablation.reporting.statistics.seeds import Seeds, joined


def generator() -> np.random.Generator:
    return np.random.default_rng(0)


def compare(cell: Seeds, other: Seeds, images: int | None = 360) -> Difference:
    return differences([(cell, other)], images, generator())[0]


def of_images(*gained: int, images: int = 360) -> tuple[dict[int, float], dict[int, float]]:
    """A cell and its baseline, as percentages with all their rounding: seed k gains so many images."""
    baseline = {seed: 100 * (300 + 7 * seed) / images for seed in range(len(gained))}
    return {seed: 100 * (300 + 7 * seed + gain) / images for seed, gain in enumerate(gained)}, baseline


def enumerated(gained: tuple[int, ...]) -> float:
    """The sign-flip test as its definition says it."""
    sums = [
        abs(sum(sign * gain for sign, gain in zip(signs, gained, strict=True)))
        for signs in product((1, -1), repeat=len(gained))
    ]
    return float(np.mean([value >= abs(sum(gained)) for value in sums]))


def test_seventeen_images_in_both_of_two_seeds_prove_nothing() -> None:
    found = compare(*of_images(17, 17))
    assert found.images == 17
    assert (found.p, found.holm, found.smallest_p) == (0.5, 0.5, 0.5)
    assert found.estimate.interval is None
    assert joined(found.reasons) == "equal in both seeds, so no interval; not enough seeds: n = 2 allows no p below 0.5"


@pytest.mark.parametrize(
    "gained",
    [
        (3, 5),
        (1, 2, 3),
        (4, 4, 4, 4),
        (5, -2, 1, 0, 3),
        (1, 2, 3, 4, 5, 6),
        (9, -9, 1, 2, 2, 2, 7, 0),
        (3, -1, 2, 2, -4, 1, 5, -2, 1, 0),
    ],
)
def test_p_is_that_of_all_sign_patterns(gained: tuple[int, ...]) -> None:
    found = compare(*of_images(*gained))
    assert found.exact
    assert found.p == pytest.approx(enumerated(gained), abs=1e-12)
    assert found.p is not None
    assert found.p >= found.smallest_p
    assert found.images == pytest.approx(np.mean(gained))


def test_sums_that_are_equal_in_images_tie() -> None:
    """Near 96 % of 10,000 the rounding of a percentage is larger than the tolerance for a sum of one image."""
    gains = [tuple(int(gain) for gain in row) for row in np.random.default_rng(9).integers(-3, 4, (20, 7))]
    baseline = {seed: 100 * (9_600 + 7 * seed) / 10_000 for seed in range(7)}
    cells = [{seed: 100 * (9_600 + 7 * seed + gain) / 10_000 for seed, gain in enumerate(gained)} for gained in gains]
    for images in (10_000, None):
        found = differences([(cell, baseline) for cell in cells], images, generator())
        assert [one.p for one in found] == pytest.approx([enumerated(gained) for gained in gains], abs=1e-12)


def test_the_other_way_round_only_the_sign_changes() -> None:
    cell, baseline = of_images(5, -2, 1, 9, 3, 4)
    one, other = compare(cell, baseline), compare(baseline, cell)
    assert one.p == other.p
    assert one.estimate.mean == pytest.approx(-other.estimate.mean)  # type: ignore[operator]
    assert one.estimate.interval is not None
    assert other.estimate.interval is not None
    assert (one.estimate.interval.low, one.estimate.interval.high) == pytest.approx(
        (-other.estimate.interval.high, -other.estimate.interval.low)
    )


def test_the_interval_is_of_the_differences_not_of_the_cells() -> None:
    """Seeds that scatter by points but agree in the difference: pairing is what resolves it."""
    found = compare({0: 80.1, 1: 90.2, 2: 99.3}, {0: 80.0, 1: 90.0, 2: 99.0}, images=10_000)
    assert found.estimate.mean == pytest.approx(0.2)
    assert found.estimate.interval is not None
    assert found.estimate.interval.low == pytest.approx(0.2 - 4.302652729911275 * 0.1 / math.sqrt(3))


def test_seeds_that_one_lacks_are_left_out_and_counted() -> None:
    found = compare({0: 90.0, 1: 91.0, 2: 92.0, 7: 10.0}, {2: 91.0, 1: 90.5, 0: 90.0, 8: 99.0, 9: 99.0})
    assert found.estimate.values == (0, 0.5, 1)
    assert found.left_out == 3
    assert joined(found.reasons).endswith("3 seeds left out: only one of the two has them")


@pytest.mark.parametrize(
    ("n", "words"), [(0, "no seed in common; 2 seeds left out"), (1, "1 seed: no interval; not enough seeds: n = 1")]
)
def test_without_pairs_there_is_no_test(n: int, words: str) -> None:
    found = compare({0: 90.0}, {1 - n: 90.0})
    assert (found.p, found.holm, found.estimate.interval) == (None, None, None)
    assert joined(found.reasons).startswith(words)


def test_a_cell_against_itself() -> None:
    cell, _ = of_images(1, 2, 3, 4, 5, 6)
    found = compare(cell, cell)
    assert (found.images, found.p, found.estimate.interval) == (0, 1, None)


def test_many_seeds_are_drawn_and_said_so() -> None:
    """From 14 seeds on; all of one sign: never 0, the least that (k + 1) / (n + 1) allows."""
    found = compare(*of_images(*range(1, 15), images=10_000), images=10_000)
    assert not found.exact
    assert found.smallest_p == 2 / 10_000
    assert 2 / 10_000 <= found.p <= 10 / 10_000  # type: ignore[operator]
    gained = (3, -1, 2, 2, -4, 1, 5, -2, 1, 0, 3, -3, 2, 1)
    drawn = compare(*of_images(*gained)).p
    truth = enumerated(gained)
    assert abs(drawn - truth) < 5 * math.sqrt(truth * (1 - truth) / 9_999) * 2  # type: ignore[operator]


def test_order_of_pairs_and_seeds_changes_nothing() -> None:
    draw = np.random.default_rng(5)
    pairs = [of_images(*draw.integers(-9, 20, n)) for n in (2, 3, 6, 8, 14, 6, 15, 14)]
    found = differences(pairs, 360, generator())
    assert differences(pairs, 360, generator()) == found
    assert differences(pairs[::-1], 360, generator()) == found[::-1]
    shuffled = [(dict(reversed(cell.items())), other) for cell, other in pairs]
    assert differences(shuffled, 360, generator()) == found
    alone = [compare(*pair).p for pair in pairs]
    assert alone == [one.p for one in found]


@pytest.mark.parametrize("law", ["normal", "laplace", "cauchy"])
def test_where_nothing_differs_it_is_significant_no_more_often_than_its_level(law: str) -> None:
    draw = np.random.default_rng(11)
    gains = getattr(draw, {"normal": "standard_normal", "laplace": "laplace", "cauchy": "standard_cauchy"}[law])(size=(3000, 8))
    pairs = [(dict(enumerate(50 + np.clip(row, -50, 50))), dict.fromkeys(range(8), 50.0)) for row in gains]
    p = np.array([found.p for found in differences(pairs, None, generator())])
    for level in (0.01, 0.05, 0.2):
        assert np.mean(p <= level) <= level + 3 * math.sqrt(level * (1 - level) / len(p))
    assert np.mean(p <= 0.05) > 0.03  # and it is not merely timid


def test_seeds_of_a_correlated_pair_keep_the_level() -> None:
    """Pairs share their seed's luck: no difference, whatever the spread between seeds."""
    draw = np.random.default_rng(13)
    luck = draw.normal(95, 1, (2000, 7, 1)) + draw.normal(0, 0.1, (2000, 7, 2))
    pairs = [(dict(enumerate(row[:, 0])), dict(enumerate(row[:, 1]))) for row in luck]
    p = np.array([found.p for found in differences(pairs, 10_000, generator())])
    assert np.mean(p <= 0.05) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / len(p))


def test_a_clear_difference_is_found_from_six_seeds_on() -> None:
    assert compare(*of_images(20, 21, 19, 22, 20)).p == 2 / 32
    assert compare(*of_images(20, 21, 19, 22, 20, 18)).p == 2 / 64


def test_smallest_p() -> None:
    assert [smallest_p(n) for n in range(7)] == [1, 1, 0.5, 0.25, 0.125, 0.0625, 0.03125]
    assert smallest_p(13) == 2 / 8192
    assert smallest_p(14) == smallest_p(30) == 2 / 10_000


@pytest.mark.parametrize("comparisons", [1, 2, 3, 5, 11, 20, 100])
def test_seeds_to_reject_are_the_fewest_that_can(comparisons: int) -> None:
    fewest = seeds_to_reject(comparisons)
    assert comparisons * 2 / 2**fewest <= 0.05 < comparisons * 2 / 2 ** (fewest - 1)


def test_holm_by_hand() -> None:
    assert holm([0.01, None, 0.04, 0.03]) == [pytest.approx(0.03), None, pytest.approx(0.06), pytest.approx(0.06)]
    assert holm([None]) == [None]
    assert holm([]) == []
    assert holm([0.5, 0.5]) == [1, 1]


def test_holm_goes_over_the_table() -> None:
    one, many = of_images(1, 2, 3, 4, 5, 6), [of_images(1, -1, 1, -1, 1, -1)] * 4
    found = differences([one, *many], 360, generator())
    assert found[0].p == 2 / 64
    assert found[0].holm == pytest.approx(5 * 2 / 64)
    assert all(f.holm >= f.p for f in found)  # type: ignore[operator]
