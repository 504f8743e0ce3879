"""Write a table as CSV files, with numbers at full precision.

A missing number is an empty field; text is guarded against being read as a formula.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pandas as pd

from ablation.reporting.document.document import Table
from ablation.reporting.document.text import visible

RUN_COLUMNS = (
    "run_id",
    "cell",
    "outcome",
    "seed",
    "digest",
    "best_acc",
    "best_epoch",
    "last_acc",
    "last_epoch",
    "val_acc",
    "val_epoch",
    "epochs",
    "seconds",
    "images_per_second",
    "peak_memory_bytes",
    "parameters",
    "macs",
    "test_images",
    "device",
    "code_source",
    "code_commit",
    "code_dirty",
    "mixed",
)


def csv_files(table: Table) -> dict[str, str]:
    """Return each file's text by its name; an empty text if there are no rows."""
    return {
        "table.csv": comma_separated(_with_config([key for key in table.values[0] if key != "config"], table.values)),
        "runs.csv": comma_separated(_with_config(RUN_COLUMNS, table.runs)),
        "differences.csv": comma_separated(table.differences),
        "effects.csv": comma_separated(table.contrasts),
    }


def _with_config(columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the columns, then the whole configuration, one column per key; None if a row lacks the key."""
    keys = sorted({key for row in rows for key in row["config"]} - {"seed", *columns})
    return [{**{name: row[name] for name in columns}, **{key: row["config"].get(key) for key in keys}} for row in rows]


def comma_separated(rows: Sequence[dict[str, Any]]) -> str:
    """Return rows that share their keys as CSV, None as an empty field; an empty text if there are no rows."""
    if not rows:
        return ""
    frame = pd.DataFrame(rows, dtype=object).map(_value).rename(columns=_text)
    return frame.to_csv(index=False, lineterminator="\n")


def _value(value: Any) -> str | None:
    """Return numbers so that Python reads them back exactly, guarded text, other values as JSON."""
    if value is None:
        return None
    if isinstance(value, float) or type(value) is int:  # True is an int, and JSON's true
        return repr(value)
    return _text(value) if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _text(text: str) -> str:
    """Return text that a spreadsheet does not read as a formula."""
    text = visible(text)
    return f"'{text}" if text.lstrip().startswith(("=", "+", "-", "@")) else text
