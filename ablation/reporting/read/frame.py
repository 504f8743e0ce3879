"""The DataFrame of runs: one row per run, with identical values from every source.

Defines the columns and checks values. Of a run's folder only the state and the epochs done are read.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from ablation.records.format1 import without_stated_targets
from ablation.records.outcome import ENDED, epochs_done, state, state_of, upgrade
from ablation.reporting.read.selection import Selection

# incomplete: W&B lacks epochs; missing: no record; unneeded: no record, and a sweep in rounds needs none
WORDS = (*ENDED, "killed", "incomplete", "running", "missing", "unneeded")

DECIMAL = {  # column -> key in W&B's summary; the path in outcome.json is the same, without run/
    "best_acc": "best/test_acc",
    "last_acc": "last/test_acc",
    "val_acc": "val/test_acc",
    "seconds": "run/seconds",
    "wall_seconds": "run/wall_seconds",
    "images_per_second": "run/images_per_second",
}
WHOLE = {
    "best_epoch": "best/epoch",
    "last_epoch": "last/epoch",
    "val_epoch": "val/epoch",
    "epochs": "epochs",
    "peak_memory_bytes": "peak_memory_bytes",
    "parameters": "parameters",
    "macs": "macs",
    "test_images": "test_images",
    "classes": "classes",
}
TEXT = {
    "device": "device",
    "dataset": "dataset",
    "started": "started",
    "ended": "ended",
    "code_source": "code/source",
    "code_commit": "code/commit",
    "code_dirty": "code/dirty",
    "code_own": "code/own",
    "mixed": "mixed",
}
COLUMNS = ("run_id", "outcome", "seed", "digest", *DECIMAL, *WHOLE, *TEXT, "config", "words", "problem")

Values = dict[str, dict[str, Any]]  # flat values by run id, with `outcome` and `config`; or only `problem`


def checked(flat: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    """Return the record with its config, after checking its outcome and accuracies.

    Raises:
        ValueError: they are not valid.
    """
    flat = upgrade(flat)
    if flat["outcome"] not in (*ENDED, "running"):
        raise ValueError(f"outcome {flat['outcome']!r}, expected one of {', '.join((*ENDED, 'running'))}")
    if flat["outcome"] == "done" and None in (_decimal(flat.get("best/test_acc")), _decimal(flat.get("last/test_acc"))):
        raise ValueError("done, but without an accuracy")
    for kind in ("best", "last", "val"):
        if not 0 <= (_decimal(flat.get(f"{kind}/test_acc")) or 0.0) <= 100:
            raise ValueError(f"{kind} accuracy {flat[f'{kind}/test_acc']}: must be 0 to 100 percent")
    return flat | {"config": dict(config.items())}


def unended(config: dict[str, Any], outcome: str = "running") -> dict[str, Any]:
    """Return the values of a run that has not ended: `running` (killed, if its lock is free), `alive` or `incomplete`."""
    return {"outcome": outcome, "config": dict(config.items())}


def join(runs: Path, selection: Selection, values: Values) -> pd.DataFrame:
    """Return a row for every planned run, and with `others` for every run that has values.

    Returns:
        COLUMNS, sorted by run id, dtype object.
    """
    planned = selection.planned
    names = sorted({*planned, *values} if selection.others else planned)
    rows = [_row(runs / name, planned.get(name), values.get(name)) | {"words": selection.words.get(name, {})} for name in names]
    unneeded = set((selection.rounds or {}).get("not_needed", ()))
    for row in rows:
        if row["outcome"] == "missing" and row["run_id"] in unneeded:
            row["outcome"] = "unneeded"
    return pd.DataFrame(rows, columns=list(COLUMNS), dtype=object)


def with_plan(frame: pd.DataFrame, selection: Selection) -> pd.DataFrame:
    """Return the frame with the configuration of each planned run from its manifest, not from its record."""
    planned = selection.planned
    rows = [row | _identity(planned.get(row["run_id"]) or row["config"]) for row in frame.to_dict("records")]
    return pd.DataFrame(rows, columns=list(COLUMNS), dtype=object)


def _row(folder: Path, planned: Mapping[str, Any] | None, values: Mapping[str, Any] | None) -> dict[str, Any]:
    problem = values.get("problem") if values else None
    known: Mapping[str, Any] = {} if values is None or problem else values
    outcome: str | None = known.get("outcome")
    if outcome != "incomplete":
        outcome = "running" if outcome == "alive" else state_of(outcome, folder)
    # results of unfinished runs are not used
    result: Mapping[str, Any] = known if outcome in ENDED else {}
    if outcome in ("killed", "running") and outcome == state(folder):
        result = {"epochs": epochs_done(folder)}
    return {
        "run_id": folder.name,
        "outcome": "missing" if outcome == "to do" else outcome,
        "digest": folder.name.rpartition("-")[2],
        **{column: _decimal(result.get(key)) for column, key in DECIMAL.items()},
        **{column: _whole(result.get(key)) for column, key in WHOLE.items()},
        **{column: result.get(key) for column, key in TEXT.items()},
        "problem": problem,
        **_identity(planned or known.get("config", {})),
    }


def _identity(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration, without the targets that earlier identities contained, and its seed."""
    config = {key: plain(value) for key, value in without_stated_targets(dict(flat)).items()}
    return {"config": config, "seed": config.get("seed")}


def plain(value: Any) -> Any:
    """Return a JSON value in the form common to all sources: W&B's reader writes 1.0 as 1."""
    if isinstance(value, list):
        return [plain(element) for element in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _decimal(value: Any) -> float | None:
    """Return a finite number, else None; W&B's reader writes non-finite ones as text, the record as null."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if number and math.isfinite(value) else None


def _whole(value: Any) -> int | None:
    number = _decimal(value)
    return None if number is None else int(value)
