"""Read runs into one DataFrame, a row per run, from the local records or from W&B's offline files.

Every planned run has a row; only runs that ended have results.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd

from ablation.records import outcome
from ablation.records.manifest import RUN_ID
from ablation.reporting.read.frame import checked, join, unended
from ablation.reporting.read.selection import Selection
from ablation.reporting.read.wandb_online import run_of


def local(runs: Path, selection: Selection) -> pd.DataFrame:
    """Read runs/<run id>/outcome.json.

    Returns:
        COLUMNS, sorted by run id, dtype object: accuracies in percent, seconds of the whole run, MACs of one image, None if
        there is no value. `config` is the flat identity, `problem` says why a record could not be read.
    """
    records = {name: record for name in _names(runs, selection) if (record := _record(runs / name)) is not None}
    return join(runs, selection, records)


def offline(runs: Path, selection: Selection) -> pd.DataFrame:
    """Read runs/wandb/offline-run-*, or where WANDB_DIR put it: of each run the newest folder. Returns what `local` returns."""
    newest: dict[str, tuple[tuple[str, int], Path]] = {}
    for file in (file for folder in _wandb_folders(runs, selection) for file in folder.glob("offline-run-*/run-*.wandb")):
        run_id = file.stem.removeprefix("run-")
        stamp = re.fullmatch(rf"offline-run-(\d+_\d+)-{re.escape(run_id)}(?:-(\d+))?", file.parent.name)
        if stamp and run_of(run_id) == run_id and (selection.others or run_id in selection.planned):
            age = (stamp[1], int(stamp[2] or 0))  # runs started in the same second are numbered
            newest[run_id] = max(newest.get(run_id, (age, file)), (age, file))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        summaries = pool.map(_summary, [file for _, file in newest.values()])
        return join(runs, selection, dict(zip(newest, summaries, strict=True)))


def _names(runs: Path, selection: Selection) -> set[str]:
    """Return the ids of the planned runs, and with `others` of every run in the folder."""
    others = runs.iterdir() if selection.others and runs.is_dir() else ()
    return {*selection.planned, *(folder.name for folder in others if RUN_ID.fullmatch(folder.name))}


def _wandb_folders(runs: Path, selection: Selection) -> set[Path]:
    """Return the folders of W&B's offline files: runs/wandb, and those that records of the runs name."""
    found = {(runs / "wandb").resolve()}
    for name in _names(runs, selection):
        try:
            path = ((outcome.read(runs / name) or {}).get("tracker") or {}).get("path")
        except (OSError, ValueError, AttributeError):
            continue
        if isinstance(path, str) and Path(path).name.startswith("offline-run-"):
            found.add((runs / path).parent.resolve())
    return found


def _record(folder: Path) -> dict[str, Any] | None:
    """Return a run's record as flat values, None if there is none."""
    try:
        record = outcome.read(folder)
        if record is None:
            return None
        if record["run_id"] != folder.name:
            raise ValueError(f"it is the record of {record['run_id']}")
        return checked(outcome.summary(record), record["config"])
    except NotADirectoryError:
        return None
    except outcome.Unreadable as error:
        return {"problem": error.reason}
    except Exception as error:  # foreign or damaged files raise many types: read the others
        return {"problem": f"{type(error).__name__}: {error}"}


def _summary(file: Path) -> dict[str, Any]:
    """Return an offline W&B file as flat values, with W&B's own reader."""
    from wandb.util import get_core_path

    arguments = ["leet", "inspect", "--summary", "--json"]
    core = [get_core_path(), *arguments, "--no-observability", "--run-file", str(file), str(file.parent)]
    command_line = [sys.executable, "-m", "wandb", *arguments, str(file.parent)]  # documented, but 0.4 s instead of 0.02
    try:
        for command in (core, command_line):
            process = subprocess.run(command, capture_output=True, timeout=60)
            if process.returncode == 0:
                break
        run = json.loads(process.stdout)
        ended = "outcome" in run["summary"]
        return checked(run["summary"], run["config"]) if ended else unended(run["config"])
    except Exception as error:
        return {"problem": f"{type(error).__name__}: {error}"}
