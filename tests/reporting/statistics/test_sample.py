"""A cell in a few numbers: against explicit loops in fractions, and refusals of what cannot be."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ablation.reporting.statistics.sample import summarise

BITS = st.integers(2, 5).flatmap(
    lambda k: st.integers(2, 12).flatmap(
        lambda n: st.lists(st.lists(st.booleans(), min_size=n, max_size=n), min_size=k, max_size=k)
    )
)


def accuracies(correct: NDArray[np.bool_]) -> list[float]:
    return [100 * float(row.mean()) for row in correct]


def residual_by_hand(rows: list[list[bool]]) -> Fraction:
    """The mean square of seeds x images, term by term, in fractions."""
    k, images = len(rows), len(rows[0])
    row = [Fraction(sum(values), images) for values in rows]
    column = [Fraction(sum(values[image] for values in rows), k) for image in range(images)]
    grand = sum(row) / k
    terms = [(rows[s][i] - row[s] - column[i] + grand) ** 2 for s, i in product(range(k), range(images))]
    return sum(terms, Fraction(0)) / ((k - 1) * (images - 1))


@given(BITS)
def test_residual_and_floor_are_those_of_the_definition(rows: list[list[bool]]) -> None:
    correct = np.array(rows)
    found = summarise(accuracies(correct), correct)
    residual = 10_000 * residual_by_hand(rows)
    assert found.residual == pytest.approx(float(residual), abs=1e-9)
    shares = [Fraction(sum(values), len(values)) for values in rows]
    mean = sum(shares) / len(shares)
    spread = 10_000 * sum(((share - mean) ** 2 for share in shares), Fraction(0)) / (len(shares) - 1)
    assert found.variance == pytest.approx(float(max(spread, residual / len(rows[0]))), abs=1e-6)
    assert found.mean == pytest.approx(float(100 * mean))


def test_the_floor_raises_a_lucky_spread() -> None:
    """Two seeds of 50 % that agree on no image: no spread seen, yet each image is a toss."""
    correct = np.array([[True, True, False, False], [False, False, True, True]])
    found = summarise([50, 50], correct)
    # residual: every term is 1/4, eight of them over 1 * 3
    assert found.residual == pytest.approx(10_000 * 2 / 3)
    assert found.variance == pytest.approx(10_000 * 2 / 3 / 4)
    assert summarise([50, 50]).variance == 0


@given(BITS, st.integers(0, 100))
def test_the_order_of_seeds_and_images_changes_nothing(rows: list[list[bool]], seed: int) -> None:
    correct = np.array(rows)
    rng = np.random.default_rng(seed)
    moved = correct[rng.permutation(len(correct))][:, rng.permutation(correct.shape[1])]
    one, other = summarise(accuracies(correct), correct), summarise(accuracies(moved), moved)
    assert (one.n, one.mean, one.variance, one.residual) == (other.n, other.mean, other.variance, other.residual)


def test_few_seeds_and_none() -> None:
    none, one, two = summarise([]), summarise([93.5]), summarise([93.0, 94.0])
    assert (none.n, none.mean, none.variance, none.sd) == (0, None, None, None)
    assert (one.n, one.mean, one.variance, one.sd) == (1, 93.5, None, None)
    assert (two.n, two.mean, two.variance) == (2, 93.5, 0.5)
    assert two.sd == pytest.approx(math.sqrt(0.5))


def test_a_diverged_seed_is_no_number_and_not_left_out() -> None:
    found = summarise([93.0, math.nan, 94.0])
    assert found.n == 3
    assert found.mean is not None and math.isnan(found.mean)
    assert found.variance is None


def test_rounding_is_no_spread() -> None:
    assert summarise([93.1, 93.1 + 1e-12, 93.1]).variance == 0
    assert summarise([0.1 + 0.2, 0.3, 0.3]).variance == 0


def test_bits_of_fewer_seeds_keep_the_spread_of_all() -> None:
    correct = np.array([[True] * 6 + [False] * 4, [True] * 4 + [False] * 6])
    found = summarise([60, 40, 80], correct)
    assert (found.n, found.counted, found.images) == (3, 2, 10)
    assert found.variance == pytest.approx(400)


@pytest.mark.parametrize(
    ("values", "correct"),
    [
        ([101.0], None),
        ([-0.1], None),
        ([50.0], np.array([[1, 0]])),  # not boolean
        ([50.0], np.array([True, False])),  # no matrix
        ([50.0], np.array([[True, False]] * 2)),  # more rows than seeds
        ([50.0], np.zeros((1, 0), dtype=bool)),
        ([100.0], np.array([[True, False]])),  # the bits of another epoch
    ],
)
def test_what_cannot_be_is_refused(values: list[float], correct: NDArray[np.bool_] | None) -> None:
    with pytest.raises(ValueError, match=r"must be|not those given"):
        summarise(values, correct)
