"""The section of ensembles and test-time augmentation: the report's future work, from ensembles.csv beside the table.

Reads the values that `reports/make_ensemble.py` wrote for exactly these runs; of other runs it returns nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ablation.records.numbers import exact, percent, points, probability
from ablation.reporting.document.entries import Column, Entry, Section

NAME = "ensembles.csv"
COLUMNS = ("cell", "method", "members", "accuracy", "member", "won", "lost", "p", "passes", "metric", "runs")
LINES = (
    "members: all seeds of a cell, or all runs; none is chosen by its accuracy. TTA: means over the seeds",
    "gain: over the member that is best on the test images; p: exact McNemar, of these trained models",
)


def digest(run_ids: Iterable[str]) -> str:
    """Return what a file and a table share that are of the same runs."""
    return hashlib.sha256("\n".join(sorted(run_ids)).encode()).hexdigest()[:16]


def read(folder: Path, run_ids: Iterable[str], metric: str) -> Section | None:
    """Return the section of a folder's ensembles.csv; None if there is none, or it is of other runs or another metric."""
    try:
        frame = pd.read_csv(folder / NAME)
    except (OSError, ValueError):
        return None
    if list(frame.columns) != list(COLUMNS) or set(frame["runs"]) != {digest(run_ids)} or set(frame["metric"]) != {metric}:
        return None
    rows: list[dict[str, Any]] = frame.astype(object).where(frame.notna(), None).to_dict("records")  # type: ignore[assignment]
    return section(rows)


def section(rows: Sequence[Mapping[str, Any]]) -> Section:
    """Return the section of rows with the keys in COLUMNS."""
    columns = [
        Column("cell"),
        Column("method"),
        *(Column(name, "number") for name in ("acc.", "gain", "won : lost", "p", "passes")),
    ]
    entries = []
    for row in rows:
        gain, p = row["accuracy"] - row["member"], row["p"]
        entries.append(
            [
                Entry(row["cell"], row["cell"]),
                Entry(row["method"], row["method"]),
                Entry(percent(row["accuracy"]), row["accuracy"]),
                Entry(points(gain), gain),
                Entry(f"{row['won']:.0f} : {row['lost']:.0f}", row["won"] - row["lost"]),
                Entry("mean" if p is None else probability(p), p),
                Entry(exact(row["passes"]), row["passes"]),
            ]
        )
    return Section("ensembles", "The report's future work: ensembles and test-time augmentation", columns, entries, LINES)
