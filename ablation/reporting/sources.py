"""Runs as one DataFrame, a row a run: from the local records, or from W&B's offline files. Both give the same values, exactly.

Owns reading. Every planned run has a row, whatever became of it; a number stands only where its run reached an end.
"""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd

from ablation.records.lock import locked
from ablation.records.record import FORMAT
from ablation.reporting.selection import RUN_ID, Selection

ENDED = ("done", "diverged", "failed", "preempted", "interrupted")  # what a record says
WORDS = (*ENDED, "killed", "running", "missing")  # what a table says: `running` and nobody holds the lock is killed

DECIMAL = {  # column -> key in W&B's summary; the path in outcome.json is the same, without run/
    "best_acc": "best/test_acc",
    "last_acc": "last/test_acc",
    "val_acc": "val/test_acc",
    "seconds": "run/seconds",
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
}
TEXT = {
    "device": "device",
    "code_source": "code/source",
    "code_commit": "code/commit",
    "code_dirty": "code/dirty",
    "mixed": "mixed",
}
COLUMNS = ("run_id", "outcome", "seed", "digest", *DECIMAL, *WHOLE, *TEXT, "config", "problem")

Found = dict[str, dict[str, Any]]  # flat values by run id, with `outcome` and `config`; or `problem` alone


def local(runs: Path, selection: Selection) -> pd.DataFrame:
    """Read runs/<run id>/outcome.json.

    Returns:
        COLUMNS, sorted by run id, dtype object: accuracies in percent, seconds of the whole run, MACs of one image, None where
        there is no value. `config` is the flat identity, `problem` says why a record could not be read.
    """
    names: Iterable[str] = selection.planned
    if selection.others and runs.is_dir():
        names = {*names, *(folder.name for folder in runs.iterdir() if RUN_ID.fullmatch(folder.name))}
    found = {name: record for name in names if (record := _record(runs / name / "outcome.json")) is not None}
    return _join(runs, selection, found)


def offline(runs: Path, selection: Selection) -> pd.DataFrame:
    """Read runs/wandb/offline-run-*: of each run the newest folder. Returns what `local` returns."""
    newest: dict[str, tuple[tuple[str, int], Path]] = {}
    for file in (runs / "wandb").glob("offline-run-*/run-*.wandb"):
        run_id = file.stem.removeprefix("run-")
        stamp = re.fullmatch(rf"offline-run-(\d+_\d+)-{re.escape(run_id)}(?:-(\d+))?", file.parent.name)
        if stamp and RUN_ID.fullmatch(run_id) and (selection.others or run_id in selection.planned):
            age = (stamp[1], int(stamp[2] or 0))  # started in the same second: numbered
            newest[run_id] = max(newest.get(run_id, (age, file)), (age, file))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        summaries = pool.map(_summary, [file for _, file in newest.values()])
        return _join(runs, selection, dict(zip(newest, summaries, strict=True)))


def _record(file: Path) -> dict[str, Any] | None:
    """Return an outcome.json as flat values, None if there is none."""
    try:
        outcome = json.loads(file.read_bytes())
        flat = {key: value for key, value in outcome.items() if not isinstance(value, dict)}
        flat |= {f"run/{key}": flat.get(key) for key in ("seconds", "images_per_second")}
        for kind in ("best", "last", "val", "code"):
            flat |= {f"{kind}/{key}": value for key, value in (outcome.get(kind) or {}).items()}
        return _checked(flat, outcome["config"])
    except (FileNotFoundError, NotADirectoryError):
        return None
    except Exception as error:  # whatever a foreign or damaged file leads to: the others are read
        return {"problem": f"{type(error).__name__}: {error}"}


def _summary(file: Path) -> dict[str, Any]:
    """Return an offline W&B file as flat values, by W&B's own reader."""
    from wandb.util import get_core_path

    arguments = ["leet", "inspect", "--summary", "--json"]
    core = [get_core_path(), *arguments, "--no-observability", "--run-file", str(file), str(file.parent)]
    command_line = [sys.executable, "-m", "wandb", *arguments, str(file.parent)]  # documented, but 0.4 s instead of 0.02
    try:
        for command in (core, command_line):
            done = subprocess.run(command, capture_output=True, timeout=60)
            if done.returncode == 0:
                break
        run = json.loads(done.stdout)
        ended = "outcome" in run["summary"]
        return _checked(run["summary"] if ended else {"outcome": "running", "format": FORMAT}, run["config"])
    except Exception as error:
        return {"problem": f"{type(error).__name__}: {error}"}


def _checked(flat: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    """Return the record with its config, if it is one that this code wrote.

    Raises:
        ValueError: it is not.
    """
    if flat["format"] != FORMAT:
        raise ValueError(f"format {flat['format']}, expected {FORMAT}")
    if flat["outcome"] not in (*ENDED, "running"):
        raise ValueError(f"outcome {flat['outcome']!r}, expected one of {', '.join((*ENDED, 'running'))}")
    if flat["outcome"] == "done" and (_decimal(flat["best/test_acc"]) is None or _decimal(flat["last/test_acc"]) is None):
        raise ValueError("done, but without an accuracy")
    return flat | {"config": dict(config.items())}


def _join(runs: Path, selection: Selection, found: Found) -> pd.DataFrame:
    """Give every planned run, and with `others` every run found, its row."""
    planned = selection.planned
    names = sorted({*planned, *found} if selection.others else planned)
    rows = [_row(runs / name, planned.get(name), found.get(name)) for name in names]
    return pd.DataFrame(rows, columns=list(COLUMNS), dtype=object)


def _row(folder: Path, planned: Mapping[str, Any] | None, found: Mapping[str, Any] | None) -> dict[str, Any]:
    problem = found.get("problem") if found else None
    known: Mapping[str, Any] = {} if found is None or problem else found
    word = known.get("outcome")
    ended = word in ENDED
    if not ended:
        word = "running" if locked(folder) else "killed" if known else "missing"
    values = known if ended else {}  # of an unfinished run no number is read, wherever it stands
    config = {key: plain(value) for key, value in (planned or known.get("config", {})).items()}
    return {
        "run_id": folder.name,
        "outcome": word,
        "seed": config.get("seed"),
        "digest": folder.name.rpartition("-")[2],
        **{column: _decimal(values.get(key)) for column, key in DECIMAL.items()},
        **{column: _whole(values.get(key)) for column, key in WHOLE.items()},
        **{column: values.get(key) for column, key in TEXT.items()},
        "config": config,
        "problem": problem,
    }


def plain(value: Any) -> Any:
    """Return a JSON value in the one form that all sources share: W&B's reader writes 1.0 as 1."""
    if isinstance(value, list):
        return [plain(element) for element in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _decimal(value: Any) -> float | None:
    """Return a finite number; W&B's reader writes others as text, the record as null."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if number and math.isfinite(value) else None


def _whole(value: Any) -> int | None:
    number = _decimal(value)
    return None if number is None else int(value)
