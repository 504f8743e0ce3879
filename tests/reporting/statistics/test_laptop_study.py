"""Eight cells of three seeds, trained on two CPU cores, recomputed: every figure of their re-analysis, within rounding."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from scipy import stats

from ablation.reporting.statistics.estimate import Estimate, Scope
from ablation.reporting.statistics.family import holm, rank
from ablation.reporting.statistics.sample import Sample, summarise
from ablation.reporting.statistics.two_cells import compare
from ablation.reporting.statistics.weighted_sum import contrast

STUDY = Path(__file__).parent / "laptop"
IMAGES, SEEDS = 1_000, 3
AUGS, RESIZERS = ("base", "cutmix"), ("none", "bilinear", "plain", "cbam")

# at the last epoch: difference to Baseline, half its 95 % interval, Holm's p over the seven
DIFFERENCES = {
    "Bilinear": (22.2, 2.1, 0.0),
    "Bilinear + CutMix": (19.6, 2.3, 0.0),
    "Resizer": (8.0, 4.2, 0.018),
    "Resizer_CBAM + CutMix": (6.2, 4.5, 0.061),
    "Resizer_CBAM": (6.6, 6.4, 0.14),
    "Resizer + CutMix": (2.7, 5.5, 0.26),
    "CutMix": (-2.0, 2.6, 0.26),
}


def cells(metric: str, key: str | list[str]) -> dict[object, Sample]:
    runs = pd.read_csv(STUDY / "runs.csv")
    return {name: summarise(group[metric].tolist()) for name, group in runs.groupby(key)}


def at_most(estimate: Estimate, won: int, lost: int, p: float) -> Estimate:
    """Add the largest image part that the published per-image counts allow: the seeds' noise is not taken off.

    The per-image p is nearly normal, so (won - lost) / z is the root of the images' squared scores over three seeds.
    """
    squares = ((won - lost) / stats.norm.isf(p / 2)) ** 2
    variance = (squares - (won - lost) ** 2 / IMAGES) / SEEDS**2 / (IMAGES - 1)
    return replace(estimate, scope=Scope.SEEDS_AND_IMAGES, image_variance=1e4 * variance / IMAGES, images=IMAGES)


def test_differences_at_the_last_epoch() -> None:
    found, counts = cells("last_acc", "cell"), pd.read_csv(STUDY / "images.csv")
    estimates = {
        str(row.cell): at_most(compare(found[row.cell], found["Baseline"]), int(row.won), int(row.lost), float(row.p))
        for row in counts.itertuples()
    }
    adjusted = dict(zip(estimates, holm([estimate.p for estimate in estimates.values()]), strict=True))
    assert estimates.keys() == DIFFERENCES.keys()
    for cell, (points, half, p) in DIFFERENCES.items():
        interval = estimates[cell].interval()
        assert interval is not None
        assert estimates[cell].points == pytest.approx(points, abs=0.05)
        assert (interval.high - interval.low) / 2 == pytest.approx(half, abs=0.051)
        assert adjusted[cell].adjusted == pytest.approx(p, abs=0.005 if p > 0.1 else 0.0005)
    assert [cell for cell in DIFFERENCES if adjusted[cell].shown] == ["Bilinear", "Bilinear + CutMix", "Resizer"]


def change(start: str, end: str) -> dict[tuple[str, str], float]:
    return {(end, aug): 0.5 for aug in AUGS} | {(start, aug): -0.5 for aug in AUGS}


CUTMIX = {(resizer, aug): 0.25 if aug == "cutmix" else -0.25 for resizer in RESIZERS for aug in AUGS}


@pytest.mark.parametrize(
    ("metric", "weights", "points", "half"),
    [
        ("best_acc", change("none", "bilinear"), 21.3, 1.9),
        ("best_acc", change("bilinear", "plain"), -15.2, 2.6),
        ("best_acc", CUTMIX, -2.5, 1.8),
        ("best_acc", change("none", "cbam"), 6.95, 3.24),
        ("last_acc", change("none", "bilinear"), 21.9, 1.2),
        ("last_acc", change("bilinear", "plain"), -15.6, 3.0),
        ("last_acc", CUTMIX, -2.6, 1.9),
    ],
)
def test_effects_over_seeds(metric: str, weights: dict[tuple[str, str], float], points: float, half: float) -> None:
    """At the best epoch and at the last: -15.2 +- 2.6 is the best epoch's, the last one's is -15.6 +- 3.0."""
    found = cells(metric, ["resizer", "aug"])
    estimate = contrast([found[place] for place in weights], list(weights.values()))
    interval = estimate.interval()
    assert interval is not None
    assert estimate.points == pytest.approx(points, abs=0.051)
    assert (interval.high - interval.low) / 2 == pytest.approx(half, abs=0.051)
    assert estimate.scope is Scope.SEEDS


def test_the_best_cell_is_bilinear_and_its_runner_up_has_cutmix() -> None:
    found = cells("last_acc", "cell")
    names, ranking = list(found), rank(list(found.values()))
    assert ranking.winner is not None and ranking.runner_up is not None
    assert (names[ranking.winner], names[ranking.runner_up]) == ("Bilinear", "Bilinear + CutMix")
