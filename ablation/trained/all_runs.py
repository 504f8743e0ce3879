"""The runs of a folder as one DataFrame, and the records of one cell."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from ablation.records import outcome
from ablation.records.manifest import RUN_ID
from ablation.reporting.read.local_files import local
from ablation.reporting.read.selection import NO_STUDY, Selection


def runs(folder: str | Path = "runs") -> pd.DataFrame:
    """Return a row for each run of a folder, whatever sweep it belongs to.

    Returns:
        Columns as in `ablation.reporting.read.frame.COLUMNS` (accuracies in percent, empty where there is no result), and one
        for each key of the identity: `resizer`, `optimizer.lr`, ... Index: the run id.

    Raises:
        FileNotFoundError: there is no such folder.
    """
    path = Path(folder)
    if not path.is_dir():
        raise FileNotFoundError(f"{path}: no such folder; runs are in the folder that paths.runs names, by default runs")
    frame = local(path, Selection(NO_STUDY, {}, others=True, description=""))
    keys = pd.DataFrame(frame["config"].tolist(), index=frame.index).drop(columns=["seed"], errors="ignore")
    return frame.drop(columns="config").join(keys).set_index("run_id").infer_objects()


def same_cell(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the records of the done runs beside a run that differ from it in the seed alone, itself included."""
    own = outcome.read(folder)
    for other in sorted(folder.absolute().parent.iterdir()):
        record = None
        if own is not None and RUN_ID.fullmatch(other.name):
            with contextlib.suppress(OSError, ValueError):  # not a readable record
                record = outcome.read(other)
        if record and own and record["outcome"] == "done" and _cell(record) == _cell(own):
            yield record


def _cell(record: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record["config"].items() if key != "seed"}
