"""Runs as one DataFrame from a W&B project: which page of a run counts, and what has not ended there.

Owns asking W&B, in bounded time, and choosing among its pages.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from ablation.records import wandb_process
from ablation.records.manifest import RUN_ID
from ablation.records.tracker import IDS
from ablation.reporting.read.frame import Values, checked, join, unended
from ablation.reporting.read.selection import Selection

ALIAS = re.compile(r"(.+-[0-9a-f]{10})(?:-(\d))?")  # a run id ends in its digest; its page was deleted: -2, then -3 (tracker)
SILENT = timedelta(minutes=10)  # without a heartbeat (W&B's client sends two a minute) a run counts as killed
PAGE = 1000  # runs a request: the most that W&B gives
NAMED = 100  # planned runs up to which W&B is asked for them by name; above, for the whole project
TIMEOUT = 20  # seconds a request, where WANDB_HTTP_TIMEOUT says nothing


class Unavailable(Exception):
    """A source cannot be read; the message is one line and names the way out."""


@dataclass(frozen=True)
class Page:
    """A run as W&B shows it. `epochs` counts those of its history one by one, asked only where `rows` is too small."""

    id: str
    state: str  # running, finished, failed, crashed, ...
    heartbeat: str  # ISO 8601, UTC
    config: dict[str, Any]
    summary: dict[str, Any]
    rows: int
    epochs: Callable[[], int]

    @property
    def ended(self) -> bool:
        """True if its process wrote how the run ended. A crashed page may hold an outcome: that of an earlier start."""
        return self.state in ("finished", "failed") and "outcome" in self.summary


def online(runs: Path, selection: Selection, project: str, now: datetime | None = None) -> tuple[pd.DataFrame, list[str]]:
    """Read a project of W&B: one request a thousand runs.

    Args:
        runs: the runs folder: a run that a process of this machine holds is `running`, whatever W&B says.
        selection: which runs; others that the project holds are ignored, unless the selection wants them.
        project: NAME, of the account's default entity, or ENTITY/NAME.
        now: with a time zone; None is the clock.

    Returns:
        What `local` returns, and a line for each run that has several pages, or is not what its page's state suggests.

    Raises:
        Unavailable: no key, no such project, no answer in time.
    """
    filters: dict[str, Any] = {"jobType": "train"}  # not the summaries that `publish` writes
    if not selection.others and len(selection.planned) <= NAMED:
        filters["name"] = {"$in": [alias for name in selection.planned for alias in aliases(name, IDS)]}
    with _errors_as_one_line(project), _temporary_folder():
        pages = (page for page in _pages(project, filters) if selection.others or run_of(page.id) in selection.planned)
        values, lines = choose(pages, now or datetime.now(UTC))
    return join(runs, selection, values), lines


def _pages(project: str, filters: dict[str, Any]) -> Iterator[Page]:
    """Ask W&B for a project's runs, whole: the lazy kind would ask again for each."""
    import wandb

    wandb.setup(settings=wandb.Settings(silent=True))  # else its login talks
    timeout = wandb.env.get_http_timeout(TIMEOUT)
    api = wandb_process.bounded(lambda: wandb.Api(timeout=timeout), timeout + wandb_process.GRACE)
    api.flush()
    for run in api.runs(project, filters=filters, order="+created_at", per_page=PAGE, lazy=False):
        yield Page(
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
def _errors_as_one_line(project: str) -> Iterator[None]:
    """Turn what wandb raises into `Unavailable`."""
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
def _temporary_folder() -> Iterator[None]:
    """Give wandb, which makes a folder for each run that it reads, a temporary one."""
    before = os.environ.get("WANDB_DIR")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["WANDB_DIR"] = folder
        try:
            yield
        finally:
            os.environ.pop("WANDB_DIR")
            os.environ.update({} if before is None else {"WANDB_DIR": before})


def aliases(run_id: str, most: int) -> list[str]:
    """Return the ids under which W&B may show a run, `most` of them."""
    return [run_id, *(f"{run_id}-{number}" for number in range(2, most + 1))]


def run_of(page_id: str) -> str | None:
    """Return the id of the run that a page shows, None if it is no run of ours."""
    match = ALIAS.fullmatch(page_id)
    return match[1] if match and RUN_ID.fullmatch(match[1]) else None


def choose(pages: Iterable[Page], now: datetime) -> tuple[Values, list[str]]:
    """Choose the page of each run and read it.

    Args:
        pages: of a project, in any order; those that show no run of ours are ignored.
        now: with a time zone.

    Returns:
        Flat values by run id, and a line for each run that has several pages, or is not what its page's state suggests.
    """
    pages_of: dict[str, list[Page]] = defaultdict(list)
    for page in pages:
        if (name := run_of(page.id)) is not None:
            pages_of[name].append(page)
    values: Values = {}
    lines: list[str] = []
    for name in sorted(pages_of):
        page, *others = sorted(pages_of[name], key=lambda page: (page.ended, page.id), reverse=True)  # X-2 is younger than X
        if others:
            why = "the newest that ended" if page.ended else "the newest; none ended"
            rest = ", ".join(sorted(other.id for other in others))
            lines.append(f"{name} is there {len(others) + 1} times: {page.id} counts ({why}), not {rest}")
        values[name], line = _values(page, now)
        lines += [f"{page.id}: {line}"] if line else []
    return values, lines


def _values(page: Page, now: datetime) -> tuple[dict[str, Any], str | None]:
    """Return a page's flat values, and a line where they are not what the page's state suggests."""
    try:
        if page.ended:
            planned = int(page.summary.get("epochs") or 0)
            if page.rows < planned and (logged := page.epochs()) < planned:
                return unended(page.config, "incomplete"), f"{logged} of {planned} epochs are there: incomplete"
            return checked(page.summary, page.config), None
        if page.state == "running" and now - _time(page.heartbeat) < SILENT:
            return unended(page.config, "alive"), None
        silent = f"running, but silent since {page.heartbeat}: killed" if page.state == "running" else None
        return unended(page.config), silent
    except (ValueError, KeyError, TypeError, AttributeError) as error:  # edited by hand, or of a foreign program
        problem = f"{type(error).__name__}: {error}"
        return {"problem": problem}, f"unreadable ({problem})"


def _time(text: str) -> datetime:
    """Return a time of W&B's, which is UTC with or without saying so."""
    time = datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=UTC)
