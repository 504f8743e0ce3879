"""Studies built from the accuracies that their runs shall have, and what is argued from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ablation.records.correctness import NAME, CorrectImages, encode, label_digest, pack
from ablation.reporting.document.document import Table, build
from ablation.reporting.document.verdict import verdict
from ablation.reporting.read import local_files
from ablation.reporting.read.selection import select
from ablation.reporting.statistics.analysis import Analysis, analyse
from tests.reporting.constructed_records import TABLE1, Runs, config, outcome, run_id

Place = tuple[str, str]
Fate = float | str | None  # of a seed: accuracy at the best epoch; the outcome of a run without one; None: never started
NO_STUDY: dict[str, Any] = {"name": "none", "title": "Accuracy (%)"}
IMAGES = 10_000


def percent(right: float, images: int = IMAGES) -> float:
    """So many images of the test set, with all the rounding of a percentage."""
    return 100 * right / images


def fill(runs: Runs, fates: Mapping[Place, Sequence[Fate]], study: Mapping[str, Any] = TABLE1, drop: float = 0.0) -> None:
    """Plan and record a grid of (resizer, aug), a fate a seed; the last epoch is `drop` points below the best."""
    cells = [(config(resizer, aug, seed), fate) for (resizer, aug), row in fates.items() for seed, fate in enumerate(row)]
    record(runs, cells, study, drop)


def record(runs: Runs, cells: Sequence[tuple[dict[str, Any], Fate]], study: Mapping[str, Any], drop: float = 0.0) -> None:
    """Plan and record any configurations."""
    runs.manifest(dict(study), [flat for flat, _ in cells])
    for flat, fate in cells:
        if isinstance(fate, str):
            runs.record(outcome(flat, fate, best=11.11, last=11.11))
        elif fate is not None:
            runs.record(outcome(flat, best=fate, last=fate - drop))


def frame(runs: Runs) -> pd.DataFrame:
    """The runs of the last sweep, from the local records."""
    return local_files.local(runs.folder, select(runs.folder))


def analysis(runs: Runs, shuffled: int | None = None, **options: Any) -> Analysis:
    """What is computed from the runs; `shuffled`: from the same rows in another order."""
    rows = frame(runs)
    if shuffled is not None:
        rows = rows.sample(frac=1, random_state=shuffled)
    return analyse(rows, select(runs.folder).study, np.random.default_rng(0), **options)


def argued(runs: Runs, shuffled: int | None = None, **options: Any) -> Table:
    """The table of the runs."""
    return build(analysis(runs, shuffled, **options))


def said(runs: Runs, **options: Any) -> str:
    """The verdict of the runs."""
    return str(verdict(analysis(runs, **options)))


def correct(runs: Runs, flat: Mapping[str, Any], rights: Mapping[str, Sequence[int]], images: int, labels: Any = None) -> None:
    """Write a run's correct.bits: by metric the images that it classifies as labelled."""
    packed = {metric: pack(np.isin(np.arange(images), list(right))) for metric, right in rights.items()}
    truth = np.zeros(images, dtype=np.int64) if labels is None else np.array(labels)
    folder = runs.folder / run_id(dict(flat))
    folder.mkdir(exist_ok=True)
    (folder / NAME).write_bytes(encode(CorrectImages(images, label_digest(truth), packed)))


def by_images(
    runs: Runs, cells: Mapping[Place, Sequence[Sequence[int]]], images: int, study: Mapping[str, Any] = TABLE1
) -> None:
    """Plan and record cells by the images that each seed has right, at the best epoch and at the last."""
    planned = [(config(*place, seed), right) for place, row in cells.items() for seed, right in enumerate(row)]
    runs.manifest(dict(study), [flat for flat, _ in planned])
    for flat, right in planned:
        accuracy = percent(len(right), images)
        runs.record(outcome(flat, best=accuracy, last=accuracy, test_images=images))
        correct(runs, flat, {"best": right, "last": right}, images)


def logits(runs: Runs, flat: Mapping[str, Any], right: Sequence[int], labels: Sequence[int] | None = None) -> None:
    """Write a run's predictions.npz: `right` holds the images that its last epoch classifies as labelled."""
    truth = np.zeros(10, dtype=np.int64) if labels is None else np.array(labels)
    scores = np.zeros((len(truth), 3), dtype=np.float32)
    scores[np.arange(len(truth)), (truth + 1) % 3] = 1.0
    scores[list(right), truth[list(right)]] = 2.0
    folder = runs.folder / run_id(dict(flat))
    folder.mkdir(exist_ok=True)
    with (folder / "predictions.npz").open("wb") as file:
        np.savez(file, last=scores, best=-scores, labels=truth)
