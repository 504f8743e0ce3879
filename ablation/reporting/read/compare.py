"""Compare two sources of a sweep: every value of every run that ended, exactly.

Pure functions of two DataFrames of `frame`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pandas as pd

from ablation.reporting.read.frame import COLUMNS, ENDED

VALUES = tuple(column for column in COLUMNS if column not in ("run_id", "config", "words", "problem"))
ABSENT = "nothing"
Row = dict[str, Any]
NO_ROW: Row = {"outcome": "missing", "problem": None}


def disagreements(one: pd.DataFrame, other: pd.DataFrame, names: tuple[str, str] = ("one", "other")) -> list[str]:
    """Return a line for each value in which two sources differ: `<run id>: <key>: <name> <value>, <name> <value>`.

    A run that ended in only one of them gives one line, with its outcomes; a run that ended in neither gives none.

    Args:
        one: as `frame.join` returns it.
        other: likewise, in any order.
        names: of the two sources, for the lines.
    """
    different = []
    for run_id, mine, others in _pairs(one, other):
        if _ended(mine) and _ended(others):
            a, b = _flat(mine), _flat(others)
            different += [
                (run_id, key, a.get(key, ABSENT), b.get(key, ABSENT)) for key in {**a, **b} if a.get(key) != b.get(key)
            ]
        elif _ended(mine) or _ended(others) or mine["problem"] or others["problem"]:
            different.append((run_id, "outcome", _outcome(mine), _outcome(others)))
    return [f"{run_id}: {key}: {names[0]} {a}, {names[1]} {b}" for run_id, key, a, b in different]


def agreement(one: pd.DataFrame, other: pd.DataFrame) -> str:
    """Return a summary of a comparison of at least one run without differences: `agree: 12 runs, 41 values each`."""
    sizes = compared(one, other)
    values = f"{min(sizes)} to {max(sizes)}" if len({*sizes}) > 1 else str(sizes[0])
    unended = len({*one["run_id"], *other["run_id"]}) - len(sizes)
    rest = f"; {unended} more ended in neither" if unended else ""
    return f"agree: {len(sizes)} run{'s'[: len(sizes) != 1]}, {values} values each{rest}"


def compared(one: pd.DataFrame, other: pd.DataFrame) -> list[int]:
    """Return the number of values of each run that ended in both."""
    return [len(_flat(mine)) for _, mine, others in _pairs(one, other) if _ended(mine) and _ended(others)]


def _pairs(one: pd.DataFrame, other: pd.DataFrame) -> Iterator[tuple[str, Row, Row]]:
    """Yield run id and both rows of each run."""
    mine, others = (
        {str(row["run_id"]): {str(key): value for key, value in row.items()} for row in frame.to_dict("records")}
        for frame in (one, other)
    )
    for run_id in sorted({*mine, *others}):
        yield run_id, mine.get(run_id, NO_ROW), others.get(run_id, NO_ROW)


def _ended(row: Row) -> bool:
    return row["outcome"] in ENDED


def _outcome(row: Row) -> str:
    """Return the outcome, with the reason if the record could not be read."""
    return f"{row['outcome']} ({row['problem']})" if row["problem"] else str(row["outcome"])


def _flat(row: Row) -> dict[str, str]:
    """Return every value as JSON, which distinguishes 1 from true and is exact; configuration keys as `config <key>`."""
    values = {**{column: row[column] for column in VALUES}, **{f"config {key}": value for key, value in row["config"].items()}}
    return {key: json.dumps(value, ensure_ascii=False, sort_keys=True) for key, value in values.items()}
