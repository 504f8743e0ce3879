"""Image by image: McNemar's test against statsmodels, several seeds against enumeration, the test set's own error."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import mcnemar

from ablation.reporting.read.logits import correct
from ablation.reporting.statistics.per_image import accuracy_interval, by_image, sign_test, standard_error


def test_correct_takes_any_leading_axes() -> None:
    logits = np.array([[[2.0, 1.0], [0.0, 3.0], [1.0, 0.0]], [[0.0, 1.0], [5.0, 3.0], [1.0, 0.0]]])
    assert correct(logits, np.array([0, 1, 1])).tolist() == [[True, True, False], [False, False, False]]


def test_images_won_and_lost_by_hand() -> None:
    first = np.array([1, 1, 1, 1, 1, 1, 0, 1, 0], dtype=bool)
    second = np.array([0, 0, 0, 0, 0, 0, 1, 1, 0], dtype=bool)
    found = by_image(first, second)
    assert (found.seeds, found.won, found.lost, found.images) == (1, 6, 1, 7)
    assert found.p == pytest.approx(2 * (1 + 7) / 2**7)
    other = by_image(second, first)
    assert (other.won, other.lost, other.p) == (1, 6, found.p)


@pytest.mark.parametrize(("won", "lost"), [(0, 0), (1, 0), (0, 5), (6, 0), (17, 3), (41, 0), (391, 432), (3000, 2900)])
def test_one_seed_is_the_exact_mcnemar_test(won: int, lost: int) -> None:
    expected = min(1.0, mcnemar([[0, won], [lost, 0]], exact=True).pvalue)
    assert sign_test(won, lost) == pytest.approx(expected, rel=1e-9)


def test_several_seeds_flip_each_image_as_a_whole() -> None:
    draw = np.random.default_rng(2)
    for _ in range(20):
        first, second = draw.random((3, 9)) < 0.7, draw.random((3, 9)) < 0.5
        scores = first.sum(0).astype(int) - second.sum(0)
        sums = [abs(np.dot(signs, scores)) for signs in product((1, -1), repeat=9)]
        assert by_image(first, second).p == pytest.approx(np.mean([value >= abs(scores.sum()) for value in sums]))


def test_the_same_model_three_times_is_no_more_evidence_than_once() -> None:
    """Pooled counts would say 36 against 12: p = 0.0007. They are 12 against 4 images."""
    draw = np.random.default_rng(4)
    first, second = np.arange(200) >= 4, np.concatenate([np.ones(188, bool), np.zeros(12, bool)])
    order = draw.permutation(200)
    once = by_image(first[order], second[order])
    thrice = by_image(np.stack([first] * 3), np.stack([second] * 3))
    assert (once.won, once.lost, once.images) == (12, 4, 16)
    assert (thrice.won, thrice.lost, thrice.images) == (36, 12, 16)
    assert thrice.p == pytest.approx(once.p)
    assert sign_test(36, 12) < 0.001 < 0.05 < once.p


def test_order_of_seeds_and_images_changes_nothing() -> None:
    draw = np.random.default_rng(6)
    first, second = draw.random((2, 4, 500)) < 0.9
    images = draw.permutation(500)
    assert by_image(first[::-1][:, images], second[::-1][:, images]) == by_image(first, second)


@pytest.mark.parametrize("seeds", [1, 3])
def test_where_models_are_alike_it_keeps_its_level(seeds: int) -> None:
    """Images differ in difficulty, so the seeds of one image agree: the case in which pooled counts fail."""
    draw = np.random.default_rng(8)
    p = []
    for _ in range(600):
        first, second = draw.random((2, 1, 300)) < draw.beta(8, 1, 300)  # each model has its own idea of an image
        noise = draw.random((2, seeds, 300)) < 0.02
        p.append(by_image(first ^ noise[0], second ^ noise[1]).p)
    assert np.mean(np.array(p) <= 0.05) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 600)


def test_unequal_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(2, 5\) against \(1, 5\)"):
        by_image(np.ones((2, 5), bool), np.ones((1, 5), bool))


def test_wilson_by_its_formula() -> None:
    z, share, n = 1.959963984540054, 0.9313, 10_000
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    found = accuracy_interval(93.13, n)
    assert (found.low, found.high) == pytest.approx((100 * (centre - half), 100 * (centre + half)))


@pytest.mark.parametrize("method", ["wilson", "beta"])
@pytest.mark.parametrize("images", [1, 10, 360, 10_000])
def test_the_interval_of_an_accuracy_stays_on_the_scale(images: int, method: str) -> None:
    for right in {0, 1, images // 2, images - 1, images}:
        found = accuracy_interval(100 * right / images, images, method)
        assert 0 <= found.low <= 100 * right / images + 1e-9
        assert 100 * right / images - 1e-9 <= found.high <= 100
        assert found.high - found.low > 0


def test_standard_errors_of_the_report() -> None:
    assert round(standard_error(93.13, 10_000), 2) == 0.25
    assert round(standard_error(96.63, 10_000), 2) == 0.18
    assert standard_error(100, 10_000) == 0
