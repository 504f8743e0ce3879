"""Small simulations with a fixed generator: claims where nothing differs, coverage, and power at 0.6 and at 20 points.

The large ones are `benchmarks/inference.py`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[3]))  # `benchmarks` is no part of the package

from benchmarks.inference import CELLS, UNEQUAL, mean_of, null_study, planted_study
from benchmarks.simulated import CIFAR, SMALL, Population

TABLES = 200
HIGHEST = 0.05 + 3 * (0.05 * 0.95 / TABLES) ** 0.5  # three standard errors above the nominal rate


@pytest.mark.parametrize("sds", [(2.1,) * CELLS, UNEQUAL], ids=["equal", "unequal"])
@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_claims_where_nothing_differs(seeds: int, sds: tuple[float, ...]) -> None:
    """Family-wise error of comparisons, of effects and of winner against runner-up; every interval holds 0 in 95 %."""
    rng = np.random.default_rng(seeds)
    found = mean_of([null_study(SMALL, sds, seeds, rng) for _ in range(TABLES)])
    for claim in ("T1", "effects", "winner"):
        assert found[claim] <= HIGHEST, claim
    assert found["T1 coverage"] == pytest.approx(0.95, abs=0.025)
    assert found["effects coverage"] == pytest.approx(0.95, abs=0.025)


def test_the_images_are_part_of_the_error() -> None:
    """Ten seeds, 0.15 points apart: over seeds alone many studies make a claim where nothing differs, over both few do."""
    population, rng = Population(2_000, 95.0, CIFAR.shared, CIFAR.own, CIFAR.run), np.random.default_rng(0)
    found = mean_of([null_study(population, (0.3,) * CELLS, 10, rng) for _ in range(TABLES)])
    assert found["T1"] <= HIGHEST
    assert found["Welch"] > 0.15
    assert found["Welch coverage"] < 0.88 < 0.93 < found["T1 coverage"]


@pytest.mark.parametrize(
    ("population", "sd", "gain", "seeds", "least"),
    [(CIFAR, 0.15, 0.6, 3, 0.35), (CIFAR, 0.15, 0.6, 5, 0.85), (SMALL, 2.1, 20.0, 3, 0.9), (SMALL, 2.1, 20.0, 5, 0.98)],
    ids=["0.6 points, 3 seeds", "0.6 points, 5 seeds", "20 points, 3 seeds", "20 points, 5 seeds"],
)
def test_a_planted_difference_is_shown(population: Population, sd: float, gain: float, seeds: int, least: float) -> None:
    """At the level of Holm's first step among seven, where the exact test over seeds could show nothing."""
    rng = np.random.default_rng(seeds)
    found = mean_of([planted_study(population, sd, gain, seeds, rng) for _ in range(100)])
    assert found["T1"] >= least
    assert found["T1 coverage"] >= 0.88


def test_the_population_is_what_it_says() -> None:
    """Mean and sd over seeds of 3,000 runs, each on images of its own."""
    rng, sd = np.random.default_rng(0), 2.1
    pairs = [SMALL.draw(rng, 2, (sd,), (5.0,))[0] for _ in range(1_500)]
    accuracies = np.array([100 * cell.mean(axis=1) for cell in pairs])
    assert accuracies.mean() == pytest.approx(65, abs=0.2)
    assert np.sqrt(accuracies.var(axis=1, ddof=1).mean()) == pytest.approx(sd, rel=0.06)
