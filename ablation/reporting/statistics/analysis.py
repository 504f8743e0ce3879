"""Every number that the table, the page and the verdict argue with, computed once from the runs of a study.

Owns which cells are compared with which and which runs count. The statistics themselves are their own files'. Pure.
"""

from __future__ import annotations

import functools
import json
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from ablation.reporting.read.logits import Correct
from ablation.reporting.statistics.cells import Cell, cells
from ablation.reporting.statistics.contrasts import Untold
from ablation.reporting.statistics.effects import Effect, effects
from ablation.reporting.statistics.images import Difference, differences, holm
from ablation.reporting.statistics.per_image import ImageTest, by_image
from ablation.reporting.statistics.power import pooled_sd
from ablation.reporting.statistics.seeds import Estimate, Gap, Reason, Reasons, Seeds, gap, optimism, over_seeds


class Unknown(LookupError):
    """A cell that was asked for by name and is not there."""


@dataclass(frozen=True)
class Row:
    """A cell with what its done runs say."""

    cell: Cell
    accuracy: dict[str, Estimate]  # best, last, val: percent
    optimism: dict[str, Estimate]  # last, val: best minus it, points
    gap: Gap | None  # to the report's number, where the protocol is the report's

    @property
    def seeds(self) -> dict[str, Seeds]:
        """Accuracy by seed of the done runs, by metric."""
        return {metric: accuracies(self.cell, metric) for metric in self.accuracy}


@dataclass(frozen=True)
class Comparison:
    """A cell against another. `images` compares image by image; without it `image_reasons` say why."""

    row: Row
    other: Row
    difference: Difference
    images: ImageTest | None
    image_reasons: Reasons


@dataclass(frozen=True)
class Analysis:
    """A study's runs, analysed. Comparisons and effects are of `metric`; those image by image of `images_at`."""

    study: Mapping[str, Any]
    metric: str
    images_at: str
    rows: list[Row]
    outcomes: Counter[str]
    comparisons: list[Comparison]  # each cell with its baseline
    against: list[Comparison]  # each cell with the one that was asked for
    leaders: Comparison | None  # the highest mean with the next one; chosen by looking, so its p is not adjusted for that
    effects: list[Effect]
    untold: list[Untold]  # factors and interactions that have no effect, and why
    images: int | None  # test images, if they are known and the same for all runs
    sd: float | None  # of the seeds' differences, pooled over the comparisons


def analyse(
    frame: pd.DataFrame,
    study: Mapping[str, Any],
    generator: np.random.Generator,
    metric: str = "best",
    against: str | None = None,
    correct: Correct | None = None,
    images_at: str = "last",
) -> Analysis:
    """Analyse a study's runs.

    Args:
        frame: of `sources`, at least one row.
        study: the study's node.
        generator: for the bootstrap and, beyond 13 seeds, the sign-flip test.
        metric: `best`, `last` or `val`: the accuracy that is compared.
        against: a cell to compare all others with: its label, or what tells it apart, as `key=value,key=value`.
        correct: gives a run's correctly classified test images at `images_at`, where its logits are here.
        images_at: the epoch whose logits those are.

    Raises:
        Unknown: `against` names no cell, or several; one line says what there is.
    """
    found = cells(frame, study)
    images = _images(frame)
    rows = _rows(found, metric, images, generator)
    asked = _named(rows, against)
    pairs = [(row, other) for row, other in _baselines(rows, study) if other is not row]
    wanted = [(row, asked) for row in rows if asked is not None and row is not asked]
    compared = _compare([*pairs, *wanted], metric, images, generator, correct)
    factorial, untold = effects(
        [row.cell.config for row in rows], [accuracies(row.cell, metric) for row in rows], study, images
    )
    return Analysis(
        study=study,
        metric=metric,
        images_at=images_at,
        rows=rows,
        outcomes=Counter(frame["outcome"]),
        comparisons=compared[: len(pairs)],
        against=compared[len(pairs) :],
        leaders=next(iter(_compare(_leaders(rows, metric), metric, images, generator, correct)), None),
        effects=factorial,
        untold=untold,
        images=images,
        sd=pooled_sd(comparison.difference.estimate for comparison in compared),
    )


def family(analysis: Analysis) -> int:
    """Return how many comparisons Holm's adjustment is over: those that have a p, each counted once."""
    tested = [each for each in (*analysis.comparisons, *analysis.against) if each.difference.p is not None]
    return max(1, len({_pair(each.row, each.other) for each in tested}))


def accuracies(cell: Cell, metric: str) -> dict[int, float]:
    """Return the accuracy in percent of each done run, by seed: no other run has a number here."""
    name = f"{metric}_acc"
    done = [run for run in cell.runs if run["outcome"] == "done" and run[name] is not None]
    return {run["seed"]: run[name] for run in done if isinstance(run["seed"], int)}  # a foreign record may lack a seed


def _images(frame: pd.DataFrame) -> int | None:
    """Return the number of test images, if it is known and one; records of before it was kept say it if it was limited."""
    known = {row["test_images"] or row["config"].get("data.test_limit") for row in frame.to_dict("records")}
    known.discard(None)
    return int(known.pop()) if len(known) == 1 else None


def _rows(found: Sequence[Cell], metric: str, images: int | None, generator: np.random.Generator) -> list[Row]:
    seeds = {kind: [accuracies(cell, kind) for cell in found] for kind in ("best", "last", "val")}
    estimates = {kind: over_seeds(each, images, generator) for kind, each in seeds.items()}
    return [
        Row(
            cell=cell,
            accuracy={kind: estimates[kind][place] for kind in estimates},
            optimism={kind: optimism(seeds["best"][place], seeds[kind][place], images) for kind in ("last", "val")},
            gap=None if cell.report is None else gap(estimates["best"][place], cell.report, images),  # the report's protocol
        )
        for place, cell in enumerate(found)
    ]


def _baselines(rows: Sequence[Row], study: Mapping[str, Any]) -> Iterable[tuple[Row, Row]]:
    """Yield each cell with the baseline that shares all else with it: of two learning rates, each has its own."""
    where = study.get("baseline") or {}
    found = [row for row in rows if where and all(row.cell.config.get(key) == value for key, value in where.items())]
    kinds = defaultdict(list)  # baselines by the keys that they have: an option may lack those of another
    for row in found:
        kinds[frozenset(row.cell.config)].append(row)

    @functools.cache  # every cell with every baseline would be quadratic
    def alike(kind: frozenset[str], shared: frozenset[str]) -> dict[str, list[Row]]:
        groups = defaultdict(list)
        for row in kinds[kind]:
            groups[_values(row, shared)].append(row)
        return dict(groups)

    for row in rows:
        free = frozenset(key for key in row.cell.config if key not in where and key.partition(".")[0] not in where)
        kin = [other for kind in kinds for other in alike(kind, free & kind).get(_values(row, free & kind), [])]
        for other in kin if len(kin) == 1 else []:
            yield row, other


def varying(configs: Sequence[Mapping[str, Any]], factors: Iterable[str]) -> list[str]:
    """Return the keys in which those configurations differ that have them, beside the factors' own."""
    keys = {key for config in configs for key in config if key.partition(".")[0] not in factors}
    return sorted(key for key in keys if len({json.dumps(config[key]) for config in configs if key in config}) > 1)


def _values(row: Row, keys: Iterable[str]) -> str:
    return json.dumps({key: row.cell.config[key] for key in keys}, sort_keys=True)


def _named(rows: Sequence[Row], against: str | None) -> Row | None:
    """Return the cell that `--against` asks for."""
    if against is None:
        return None
    found = [row for row in rows if row.cell.label == against]
    if not found and "=" in against:
        wanted = dict(part.split("=", 1) for part in against.split(",") if "=" in part)
        found = [row for row in rows if all(str(row.cell.config.get(key)) == value for key, value in wanted.items())]
    if len(found) == 1:
        return found[0]
    labels = "; ".join(row.cell.label for row in rows)
    raise Unknown(f"--against {against}: {'no cell' if not found else f'{len(found)} cells'}; choose one label of: {labels}")


def _compare(
    pairs: Sequence[tuple[Row, Row]], metric: str, images: int | None, generator: np.random.Generator, correct: Correct | None
) -> list[Comparison]:
    """Compare over seeds, Holm's adjustment over all pairs, each counted once, and image by image."""
    seeds = [(accuracies(row.cell, metric), accuracies(other.cell, metric)) for row, other in pairs]
    found = _adjusted(pairs, differences(seeds, images, generator))
    return [
        Comparison(row, other, difference, *_image_test(row.cell, other.cell, correct))
        for (row, other), difference in zip(pairs, found, strict=True)
    ]


def _pair(row: Row, other: Row) -> Hashable:
    """Return what two comparisons share that are the same, or the same the other way round."""
    return frozenset((id(row), id(other)))


def _adjusted(pairs: Sequence[tuple[Row, Row]], found: Sequence[Difference]) -> Sequence[Difference]:
    """Adjust over what is tested, not over how often it is shown: `--against` repeats a comparison or turns it round."""
    tested: dict[Hashable, float | None] = {}
    for pair, difference in zip(pairs, found, strict=True):
        tested.setdefault(_pair(*pair), difference.p)
    if len(tested) == len(pairs):
        return found
    adjusted = dict(zip(tested, holm(list(tested.values())), strict=True))
    return [replace(difference, holm=adjusted[_pair(*pair)]) for pair, difference in zip(pairs, found, strict=True)]


def _image_test(cell: Cell, other: Cell, correct: Correct | None) -> tuple[ImageTest | None, Reasons]:
    """Compare the seeds that both have image by image."""
    no_logits = Reason("no-logits", "no logits here")
    if correct is None:
        return None, (no_logits,)
    mine, theirs = ({run["seed"]: run["run_id"] for run in each.runs if run["outcome"] == "done"} for each in (cell, other))
    pairs = [(correct(mine[seed]), correct(theirs[seed])) for seed in sorted(mine.keys() & theirs.keys())]
    both = [(first, second) for first, second in pairs if first is not None and second is not None]
    if len({marks.labels for pair in both for marks in pair}) > 1:
        return None, (Reason("other-images", "other test images"),)
    if not both or len(both) < len(pairs):
        return None, (no_logits if pairs else Reason("no-common-seed", "no seed in common"),)
    return by_image(np.stack([first.right for first, _ in both]), np.stack([second.right for _, second in both])), ()


def _leaders(rows: Sequence[Row], metric: str) -> list[tuple[Row, Row]]:
    """Return the two cells of the highest means, as one pair; of equal means the first in the table leads."""
    found = [row for row in rows if row.accuracy[metric].n]
    ranked = sorted(found, key=lambda row: -round(row.accuracy[metric].mean or 0.0, 6))  # rounding makes no leader
    return [(ranked[0], ranked[1])] if len(ranked) > 1 else []
