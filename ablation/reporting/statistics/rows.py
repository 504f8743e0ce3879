"""A cell with what its done runs say: accuracies, correct images, the test images that they are of.

Owns which of a run's numbers are used together. Pure but for the function that reads a run's correct images.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ablation.records.correctness import CorrectImages
from ablation.reporting.statistics.cells import Cell
from ablation.reporting.statistics.config_keys import FOLDER
from ablation.reporting.statistics.estimate import Estimate
from ablation.reporting.statistics.published_number import OneMoreRun, one_more_run
from ablation.reporting.statistics.same_images import Difference, ImageSet, differences
from ablation.reporting.statistics.sample import Sample, summarise
from ablation.reporting.statistics.weighted_sum import contrast

METRICS = ("best", "last", "val")
PROTOCOL = "best"  # the report's accuracies are those of the epoch best on the test set

Correct = Callable[[str], CorrectImages | None]  # of a run id; None: not to be had


@dataclass(frozen=True, eq=False)
class Row:
    """A cell, analysed."""

    cell: Cell
    samples: dict[str, Sample]  # best, last, val; correct images are counted for the compared metric alone
    means: dict[str, Estimate]  # percent, with the interval printed beside a mean
    optimism: dict[str, float]  # last, val: mean of best minus it, points, where recorded
    tested_on: tuple[ImageSet, ...]  # distinct, of its done runs; several: its own seeds must not be put together
    report: OneMoreRun | None  # beside the report's number, where the protocol is the report's
    unfit: tuple[str, ...]  # run ids whose correct images are not those of their recorded accuracy
    wall_seconds: float | None  # of a run, median


def row_of(cell: Cell, metric: str, correct: Correct | None) -> Row:
    """Analyse a cell.

    Args:
        cell: its done runs count.
        metric: whose correct images are counted.
        correct: gives the correct images of a run.
    """
    read = {run["run_id"]: correct(run["run_id"]) if correct else None for run in cell.done}
    unfit = tuple(run["run_id"] for run in cell.done if (found := read[run["run_id"]]) and not _fits(found, run))
    fitting = {name: found for name, found in read.items() if found and name not in unfit}
    tested_on = _tested_on(cell, fitting)
    samples = {each: _sample(cell, each, fitting if len(tested_on) == 1 else {}) for each in METRICS}
    means = {each: contrast([sample], [1]) for each, sample in samples.items()}
    best, seconds = cell.accuracies("best"), [run["wall_seconds"] or run["seconds"] for run in cell.done]
    chosen = {each: cell.accuracies(each) for each in ("last", "val")}
    return Row(
        cell=cell,
        samples={each: sample if each == metric else _bare(sample) for each, sample in samples.items()},
        means=means,
        optimism={
            each: statistics.fmean(best[seed] - values[seed] for seed in sorted(values))
            for each, values in chosen.items()
            if values and values.keys() <= best.keys()
        },
        tested_on=tested_on,
        report=None if cell.report is None else one_more_run(samples[PROTOCOL], cell.report),
        unfit=unfit,
        wall_seconds=statistics.median(known) if (known := [each for each in seconds if each]) else None,
    )


def mismatch(row: Row, other: Row) -> tuple[Difference, ...]:
    """Return why two rows must not be compared; empty if all their runs were tested on the same images."""
    sets = dict.fromkeys((*row.tested_on, *other.tested_on))
    return next((found for one in sets for two in sets if (found := differences(one, two))), ())


def _bare(sample: Sample) -> Sample:
    """Return a sample without its counts: 10,000 cells of 10,000 images are 100 MB a metric."""
    return replace(sample, counts=None, counted=0, residual=None)


def _fits(found: CorrectImages, run: dict[str, object]) -> bool:
    """Return True if correct images are those that a run's record counts, at every epoch that both have."""
    if run["test_images"] is not None and run["test_images"] != found.images:
        return False
    for metric in found.packed:
        recorded, counted = run.get(f"{metric}_acc"), found.accuracy(metric)
        if (
            isinstance(recorded, float) and counted is not None and abs(recorded - counted) * found.images >= 50
        ):  # half an image
            return False
    return True


def _tested_on(cell: Cell, correct: dict[str, CorrectImages]) -> tuple[ImageSet, ...]:
    config = cell.config
    named = ImageSet(config.get("data"), config.get(FOLDER), config.get("data.test_limit"), None, None)
    sets: dict[ImageSet, None] = {}
    for run in cell.done:
        kept, count = correct.get(run["run_id"]), run["test_images"]
        if kept is not None:
            sets[replace(named, count=kept.images, labels=kept.labels)] = None
        else:
            sets[replace(named, count=count)] = None
    apart = [one for one in sets if any(differences(one, two) for two in sets)]
    if apart:
        return tuple(sets)
    return (_merged(list(sets) or [named]),)


def _merged(sets: Sequence[ImageSet]) -> ImageSet:
    """Return what some records of the same images say together."""
    count = next((each.count for each in sets if each.count is not None), None)
    labels = next((each.labels for each in sets if each.labels is not None), None)
    return replace(sets[0], count=count, labels=labels)


def _sample(cell: Cell, metric: str, correct: dict[str, CorrectImages]) -> Sample:
    accuracies = cell.accuracies(metric)
    kept = [correct[run["run_id"]].at(metric) for run in cell.done if run["run_id"] in correct and run["seed"] in accuracies]
    marks = [each for each in kept if each is not None]
    return summarise(list(accuracies.values()), np.stack(marks) if marks else None)
