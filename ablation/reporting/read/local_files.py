"""Runs as one DataFrame, a row a run: from the local records, from W&B, or from W&B's offline files. All give the same values.

Owns reading. Every planned run has a row, whatever became of it; a number stands only where its run reached an end.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from ablation.records import outcome, wandb_process
from ablation.records.manifest import RUN_ID
from ablation.records.tracker import IDS
from ablation.reporting.read import wandb_online
from ablation.reporting.read.frame import COLUMNS, ENDED, WORDS, checked, join, unended
from ablation.reporting.read.selection import Selection

__all__ = ["COLUMNS", "ENDED", "WORDS", "Unavailable", "local", "offline", "online"]
PAGE = 1000  # runs a request: the most that W&B gives
NAMED = 100  # planned runs up to which W&B is asked for them by name; above, for the whole project
TIMEOUT = 20  # seconds a request, where WANDB_HTTP_TIMEOUT says nothing


class Unavailable(Exception):
    """A source cannot be read; the message is one line and names the way out."""


def local(runs: Path, selection: Selection) -> pd.DataFrame:
    """Read runs/<run id>/outcome.json.

    Returns:
        COLUMNS, sorted by run id, dtype object: accuracies in percent, seconds of the whole run, MACs of one image, None where
        there is no value. `config` is the flat identity, `problem` says why a record could not be read.
    """
    names: Iterable[str] = selection.planned
    if selection.others and runs.is_dir():
        names = {*names, *(folder.name for folder in runs.iterdir() if RUN_ID.fullmatch(folder.name))}
    found = {name: record for name in names if (record := _record(runs / name)) is not None}
    return join(runs, selection, found)


def offline(runs: Path, selection: Selection) -> pd.DataFrame:
    """Read runs/wandb/offline-run-*: of each run the newest folder. Returns what `local` returns."""
    newest: dict[str, tuple[tuple[str, int], Path]] = {}
    for file in (runs / "wandb").glob("offline-run-*/run-*.wandb"):
        run_id = file.stem.removeprefix("run-")
        stamp = re.fullmatch(rf"offline-run-(\d+_\d+)-{re.escape(run_id)}(?:-(\d+))?", file.parent.name)
        if stamp and wandb_online.run_of(run_id) == run_id and (selection.others or run_id in selection.planned):
            age = (stamp[1], int(stamp[2] or 0))  # started in the same second: numbered
            newest[run_id] = max(newest.get(run_id, (age, file)), (age, file))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        summaries = pool.map(_summary, [file for _, file in newest.values()])
        return join(runs, selection, dict(zip(newest, summaries, strict=True)))


def online(runs: Path, selection: Selection, project: str, now: datetime | None = None) -> tuple[pd.DataFrame, list[str]]:
    """Read a project of W&B: one request a thousand runs.

    Args:
        runs: the runs folder: a run that a process of this machine holds is `running`, whatever W&B says.
        selection: which runs; others that the project holds are ignored, unless the selection wants them.
        project: NAME, of the account's default entity, or ENTITY/NAME.
        now: with a time zone; None is the clock.

    Returns:
        What `local` returns, and a line for each run that is there twice, or unfinished though W&B's word is another.

    Raises:
        Unavailable: no key, no such project, no answer in time.
    """
    filters: dict[str, Any] = {"jobType": "train"}  # not the summaries that `publish` writes
    if not selection.others and len(selection.planned) <= NAMED:
        filters["name"] = {"$in": [alias for name in selection.planned for alias in wandb_online.aliases(name, IDS)]}
    with _asking(project), _no_folders():
        asked = (
            page for page in _pages(project, filters) if selection.others or wandb_online.run_of(page.id) in selection.planned
        )
        found, lines = wandb_online.read(asked, now or datetime.now(UTC))
    return join(runs, selection, found), lines


def _pages(project: str, filters: dict[str, Any]) -> Iterator[wandb_online.Page]:
    """Ask W&B for a project's runs, whole: the lazy kind would ask again for each."""
    import wandb

    wandb.setup(settings=wandb.Settings(silent=True))  # else its login talks
    timeout = wandb.env.get_http_timeout(TIMEOUT)
    api = wandb_process.bounded(lambda: wandb.Api(timeout=timeout), timeout + wandb_process.GRACE)
    api.flush()
    for run in api.runs(project, filters=filters, order="+created_at", per_page=PAGE, lazy=False):
        yield wandb_online.Page(
            id=run.id,
            state=run.state,
            heartbeat=run.heartbeatAt,
            config=run.config,
            summary=run.summary_metrics,
            rows=run.historyLineCount or 0,
            epochs=partial(_epochs, run, timeout + wandb_process.GRACE),
        )


def _epochs(run: Any, seconds: float) -> int:
    """Count the epochs of a run's whole history: `history()` would draw 500 rows. The scan has no time limit of its own."""

    def count() -> int:
        return len({row["epoch"] for row in run.scan_history(keys=["epoch"], use_cache=False)})

    return wandb_process.bounded(count, seconds)


@contextmanager
def _asking(project: str) -> Iterator[None]:
    """Turn what wandb raises into one line with the way out."""
    if not wandb_process.has_key():
        raise Unavailable("W&B: no key: wandb login, or --source local")
    import wandb

    try:
        yield
    except Exception as error:
        wandb_process.stop()  # else the process waits at its end for what may hang
        raise Unavailable(f"W&B at {wandb.setup().settings.base_url}: {_why(error, project)}") from error


def _why(error: Exception, project: str) -> str:
    """Say what went wrong: wandb calls a server that is away a login that failed."""
    text = (str(error).splitlines() or [type(error).__name__])[0]
    if text.startswith("Could not find project"):
        return f"no project {project}, or none that this account may see: --project ENTITY/NAME"
    if isinstance(error, TimeoutError) or "did not respond in time" in text:
        return "no answer in time (WANDB_HTTP_TIMEOUT=60 waits longer): --source local needs none"
    return f"{text} ({type(error).__name__}): wandb login, or --source local"


@contextmanager
def _no_folders() -> Iterator[None]:
    """Let wandb make the folder that it makes for each run it reads where it goes away again."""
    before = os.environ.get("WANDB_DIR")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["WANDB_DIR"] = folder
        try:
            yield
        finally:
            os.environ.pop("WANDB_DIR")
            os.environ.update({} if before is None else {"WANDB_DIR": before})


def _record(folder: Path) -> dict[str, Any] | None:
    """Return a run's record as flat values, None if there is none."""
    try:
        record = outcome.read(folder)
        if record is None:
            return None
        if record["run_id"] != folder.name:
            raise ValueError(f"it is the record of {record['run_id']}")
        return checked(outcome.summary(record), record["config"])
    except outcome.Unreadable as error:
        return {"problem": error.reason}
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
        return checked(run["summary"], run["config"]) if ended else unended(run["config"])
    except Exception as error:
        return {"problem": f"{type(error).__name__}: {error}"}
