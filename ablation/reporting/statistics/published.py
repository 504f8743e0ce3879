"""What published accuracies say before anything is trained: their sampling error, which differences they resolve, seeds needed.

Owns the reading of a study's YAML and the argument from its numbers alone. Trains nothing, opens no run.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]
from scipy import stats

from ablation.reporting.statistics.effects import Effect, effects
from ablation.reporting.statistics.estimate import LEVEL, Interval
from ablation.reporting.statistics.power import planned, seeds_needed
from ablation.reporting.statistics.sample import summarise
from ablation.reporting.statistics.two_cells import mcnemar_p


@dataclass(frozen=True)
class Published:
    """A cell of a study with the accuracy in percent that was published for it."""

    label: str
    where: dict[str, str]
    accuracy: float


@dataclass(frozen=True)
class Comparison:
    """Two published accuracies on the same test images. Which images each got wrong is not published: hence the bounds."""

    change: str
    points: float
    images: int
    unpaired: float  # standard error in points, as if each had test images of its own
    paired: tuple[float, float]  # the same for one test set: smallest and largest that the overlap of errors allows
    differing: tuple[int, int]  # images on which the two can differ, fewest and most
    largest_p: float  # exact McNemar, where they differ the most
    resolving: int | None  # images on which they may differ at most for p < 0.05; None: p >= 0.05 wherever they differ

    @property
    def resolved(self) -> bool | None:
        """Whether p < 0.05 where every overlap of the errors gives the same answer; None where it depends on `resolving`."""
        if self.resolving is None:
            return False
        return True if self.resolving >= self.differing[1] else None


def read_study(folder: Path, name: str) -> dict[str, Any]:
    """Read the study node of `folder`/`name`.yaml and of the studies it builds on, without Hydra.

    Raises:
        LookupError: there is no such study; one line names those that there are.
    """
    names = sorted(file.stem for file in folder.glob("*.yaml"))
    if name not in names:
        raise LookupError(f"no study {name} in {folder}; it holds {', '.join(names) or 'none'}")
    content = yaml.safe_load((folder / f"{name}.yaml").read_text(encoding="utf-8"))
    study: dict[str, Any] = {}
    for base in content.get("defaults") or []:
        if isinstance(base, str) and base != "_self_":
            study |= read_study(folder, base)
    study |= content["study"]
    return study


def published(study: Mapping[str, Any]) -> list[Published]:
    """Return the study's cells that have a published accuracy, in its order."""
    cells = study.get("cells") or []
    return [Published(cell["label"], cell["where"], float(cell["report"])) for cell in cells if cell.get("report") is not None]


def comparisons(cells: Sequence[Published], baseline: Mapping[str, str] | None, images: int) -> list[Comparison]:
    """Compare each cell with the baseline, all cells that differ in one factor, and the two best, in the study's order."""
    best = sorted(cells, key=lambda cell: cell.accuracy)[-2:]
    chosen = [
        (first, second)
        for first, second in combinations(cells, 2)
        if first.where == baseline or len(_changes(first, second)) == 1 or (first in best and second in best)
    ]
    return [compare(first, second, images) for first, second in chosen]


def compare(first: Published, second: Published, images: int) -> Comparison:
    """Compare `second` with `first` on `images` test images."""
    wrong, wrong_now = (round(images * (1 - cell.accuracy / 100)) for cell in (first, second))
    gained = abs(wrong - wrong_now)
    # each image that only the worse gets right adds one that only the better does: two more on which they differ
    most = gained + 2 * min(wrong, wrong_now, images - max(wrong, wrong_now))
    errors = [100 * math.sqrt(differing - gained**2 / images) / images for differing in (gained, most)]
    return Comparison(
        change=_named(first, second),
        points=second.accuracy - first.accuracy,
        images=wrong - wrong_now,
        unpaired=math.hypot(standard_error(first.accuracy, images), standard_error(second.accuracy, images)),
        paired=(errors[0], errors[1]),
        differing=(gained, most),
        largest_p=mcnemar_p((most + gained) // 2, (most - gained) // 2),
        resolving=_resolving(gained, most),
    )


def _resolving(gained: int, most: int) -> int | None:
    """Return the most images on which two models may differ for a difference of `gained` images to have p < LEVEL."""
    if mcnemar_p(gained, 0) >= LEVEL:
        return None
    enough, too_many = 0, (most - gained) // 2 + 1  # images that the worse model alone gets right
    while too_many - enough > 1:
        middle = (enough + too_many) // 2
        enough, too_many = (middle, too_many) if mcnemar_p(gained + middle, middle) < LEVEL else (enough, middle)
    return gained + 2 * enough


def _changes(first: Published, second: Published) -> list[str]:
    return [key for key in first.where if first.where[key] != second.where.get(key)]


def _named(first: Published, second: Published) -> str:
    """Return `sgd -> adamw (cosine)`: what changes, and what both share."""
    changes = ", ".join(f"{first.where[key]} -> {second.where.get(key)}" for key in _changes(first, second))
    shared = ", ".join(value for key, value in first.where.items() if second.where.get(key) == value)
    return f"{changes} ({shared})" if shared else changes


def standard_error(accuracy: float, images: int) -> float:
    """Return the binomial standard error of one model's accuracy (percent), in points."""
    return 100 * math.sqrt(accuracy / 100 * (1 - accuracy / 100) / images)


def accuracy_interval(accuracy: float, images: int) -> Interval:
    """Return Wilson's (1927) 95 % interval of one model's accuracy, in percent, as far as N test images can tell."""
    found = stats.binomtest(round(accuracy * images / 100), images).proportion_ci(1 - LEVEL, method="wilson")
    return Interval(100 * float(found.low), 100 * float(found.high))


def seeds_for(points: float, sd: float) -> int | None:
    """Return the seeds a cell that show a difference between two cells (Welch's t test, power 0.8); None: more than 10,000.

    Args:
        points: the difference.
        sd: of an accuracy over seeds, points: assumed.
    """
    if not abs(points) > 0:
        return None
    needed = seeds_needed(planned(sd, 2), points)
    return None if needed is None else needed.seeds


def factors(cells: Sequence[Published], study: Mapping[str, Any], images: int) -> list[tuple[Effect, float | None]]:
    """Return the effects of a study with their unpaired standard errors in points, None where a cell is missing."""
    estimated, _ = effects([cell.where for cell in cells], [summarise([cell.accuracy]) for cell in cells], study)
    squares = [standard_error(cell.accuracy, images) ** 2 for cell in cells]
    weights = [effect.contrast.weights for effect in estimated]
    errors = [math.sqrt(math.fsum(w**2 * squares[cell] for cell, w in each.items())) if each else None for each in weights]
    return list(zip(estimated, errors, strict=True))


def expected_maximum(draws: int) -> float:
    """Return by how many sd the largest of independent normal draws lies above their mean (Blom 1958)."""
    return float(stats.norm.ppf((draws - 0.375) / (draws + 0.25)))
