"""A constructed study as the page and the LaTeX see it: records, curves and provenance made up, then read by the real way."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ablation.reporting.document.document import Table, build
from ablation.reporting.formats.html import page
from ablation.reporting.read import local_files
from ablation.reporting.read.provenance import Details, read
from ablation.reporting.read.selection import select
from ablation.reporting.statistics.analysis import Analysis, analyse
from tests.reporting.constructed_records import SIX, TABLE1, Runs, config, outcome, run_id

MEANS = dict(zip(SIX, (93.0, 94.6, 95.7, 96.4, 96.0, 96.7), strict=True))
# of seeds 0 to 2 around a cell's mean: no two cells differ by the same in all seeds
SPREADS = dict(
    zip(
        SIX,
        ((-0.2, 0.05, 0.3), (0.1, 0.3, -0.2), (0.0, -0.3, 0.2), (0.3, -0.1, 0.0), (-0.1, 0.2, 0.1), (0.2, 0.0, -0.3)),
        strict=True,
    )
)
CODE = {"commit": "c0ffee", "dirty": False, "source": "5ca1ab1e5ca1ab1e"}


@dataclass(frozen=True)
class Argued:
    """What the writers are given."""

    analysis: Analysis
    table: Table
    details: Details

    @property
    def cells(self) -> list[list[dict[str, Any]]]:
        """The rows of each cell's runs."""
        return [row.cell.runs for row in self.analysis.rows]

    def page(self) -> str:
        return page(self.analysis, self.table, self.details)


def argued(folder: Path, frame: pd.DataFrame | None = None) -> Argued:
    """Read a runs folder and argue it; `frame` in place of the records'."""
    selection = select(folder)
    read_frame = local_files.local(folder, selection) if frame is None else frame
    analysis = analyse(read_frame, selection.study, np.random.default_rng(0))
    return Argued(analysis, build(analysis), read(folder, [row.cell.runs for row in analysis.rows]))


def six_cells(folder: Path, study: Mapping[str, Any] = TABLE1, words: Mapping[tuple[str, str, int], str] | None = None) -> Path:
    """Record six cells of three seeds; `words` give runs another end than `done`, or `missing`. Returns the runs folder."""
    runs = Runs(folder / "runs")
    planned = [config(resizer, aug, seed) for resizer, aug in SIX for seed in range(3)]
    runs.manifest(dict(study), planned)
    for flat in planned:
        place = (flat["resizer"], flat["aug"], flat["seed"])
        word = (words or {}).get(place, "done")
        if word == "missing":
            continue
        best = round(MEANS[place[:2]] + SPREADS[place[:2]][place[2]], 2)
        ends = {"best": None, "last": None} if word != "done" else {}
        runs.record(outcome(flat, word, best=best, last=best - 0.3, seconds=600.0 * 2 ** SIX.index(place[:2])) | ends)
        beside(runs.folder / run_id(flat), [best - 20, best - 5, best - 0.3] if word == "done" else [11.0, 10.0])
    return runs.folder


def beside(folder: Path, accuracies: list[float]) -> None:
    """Write the files that a run's folder holds beside its outcome, an epoch an accuracy."""
    rows = [{"epoch": epoch, "test_acc": accuracy, "seconds": 2.0} for epoch, accuracy in enumerate(accuracies, 1)]
    (folder / "epochs.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    provenance = {
        "code": CODE,
        "versions": {"python": "3.11.7", "torch": "2.14.1"},
        "machine": {"host": "constructed", "system": "Linux", "machine": "x86_64"},
        "data_checksum": "68bbfc5b",
    }
    (folder / "provenance.json").write_text(json.dumps(provenance))
