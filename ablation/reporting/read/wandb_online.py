"""Read runs into one DataFrame from a W&B project, with time limits.

A run may have several pages in W&B: the newest that ended counts.
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
from ablation.records.wandb_client import Wrong, client_settings, has_key
from ablation.reporting.read.frame import Values, checked, join, unended
from ablation.reporting.read.selection import Selection

ALIAS = re.compile(r"(.+-[0-9a-f]{10})(?:-(\d))?")  # run id, which ends in a digest; -2, -3: its page was deleted before
SILENT = timedelta(minutes=10)  # without a heartbeat (W&B's client sends two a minute) a run counts as killed
PAGE = 1000  # runs per request, W&B's maximum
NAMED = 100  # up to so many planned runs are requested by name; for more, the whole project is read
TIMEOUT = 20  # seconds per request, unless WANDB_HTTP_TIMEOUT is set


class Unavailable(Exception):
    """A source cannot be read; the message is one line with the way out."""


@dataclass(frozen=True)
class Page:
    """A run in W&B. `epochs` reads its whole history and counts epochs; called only if `rows` is too small."""

    id: str
    state: str  # running, finished, failed, crashed, ...
    heartbeat: str  # ISO 8601, UTC
    config: dict[str, Any]
    summary: dict[str, Any]
    rows: int
    epochs: Callable[[], int]

    @property
    def ended(self) -> bool:
        """True if its process wrote the outcome. A crashed page may hold the outcome of an earlier start."""
        return self.state in ("finished", "failed") and "outcome" in self.summary


def online(runs: Path, selection: Selection, project: str, now: datetime | None = None) -> tuple[pd.DataFrame, list[str]]:
    """Read a W&B project, with one request per thousand runs.

    Args:
        runs: the runs folder; a run locked by a process of this machine is `running`, whatever its state in W&B.
        selection: which runs; other runs of the project are ignored, unless the selection includes them.
        project: NAME, of the account's default entity, or ENTITY/NAME.
        now: with a time zone; None is the current time.

    Returns:
        The DataFrame as from `local`, and a line for each run that has several pages or does not match its page's state.

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
    """Request a project's runs with all fields: lazy runs would need another request each."""
    for run in _runs(project, filters):
        yield Page(
            id=run.id,
            state=run.state,
            heartbeat=run.heartbeatAt,
            config=run.config,
            summary=run.summary_metrics,
            rows=run.historyLineCount or 0,
            epochs=partial(_epochs, run, _timeout() + wandb_process.GRACE),
        )


def every_run(project: str) -> list[Any]:
    """Return all runs of a W&B project, whatever program wrote them, as wandb's own objects with all fields.

    Raises:
        Unavailable: no key, no such project, no answer in time.
    """
    with _errors_as_one_line(project), _temporary_folder():
        return list(_runs(project, {}))


def has_foreign_runs(project: str) -> bool:
    """Return True if another program wrote a run of a W&B project, and this one wrote none.

    Raises:
        Unavailable: as `every_run`.
    """
    names = [run.id for run in every_run(project)]
    return bool(names) and not any(map(run_of, names))


def _runs(project: str, filters: dict[str, Any]) -> Iterator[Any]:
    import wandb

    client_settings()  # otherwise its login prints
    api = wandb_process.bounded(lambda: wandb.Api(timeout=_timeout()), _timeout() + wandb_process.GRACE)
    api.flush()
    yield from api.runs(project, filters=filters, order="+created_at", per_page=PAGE, lazy=False)


def _timeout() -> int:
    """Return the seconds that a request may take."""
    import wandb

    return int(wandb.env.get_http_timeout(TIMEOUT))


def _epochs(run: Any, seconds: float) -> int:
    """Count the epochs in a run's whole history, with a time limit: `history()` would return a sample of 500 rows."""

    def count() -> int:
        return len({row["epoch"] for row in run.scan_history(keys=["epoch"], use_cache=False)})

    return wandb_process.bounded(count, seconds)


@contextmanager
def _errors_as_one_line(project: str) -> Iterator[None]:
    """Turn what wandb raises into `Unavailable`."""
    try:
        if not has_key():
            raise Unavailable("W&B: no key: wandb login, or --source local")
    except Wrong as error:
        raise Unavailable(f"W&B: {error}") from error
    import wandb

    try:
        yield
    except Exception as error:
        wandb_process.stop()  # otherwise this process may hang at its exit
        raise Unavailable(f"W&B at {wandb.setup().settings.base_url}: {_reason(error, project)}") from error


def _reason(error: Exception, project: str) -> str:
    """Return the reason in one line; wandb reports an unreachable server as a failed login."""
    text = (str(error).splitlines() or [type(error).__name__])[0]
    if text.startswith("Could not find project"):
        return f"no project {project}, or none that this account may see: --project ENTITY/NAME"
    if isinstance(error, TimeoutError) or "did not respond in time" in text:
        return "no answer in time (WANDB_HTTP_TIMEOUT=60 waits longer): --source local needs none"
    return f"{text} ({type(error).__name__}): wandb login, or --source local"


@contextmanager
def _temporary_folder() -> Iterator[None]:
    """Set WANDB_DIR to a temporary folder: wandb makes a folder for each run that it reads."""
    before = os.environ.get("WANDB_DIR")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["WANDB_DIR"] = folder
        try:
            yield
        finally:
            os.environ.pop("WANDB_DIR")
            os.environ.update({} if before is None else {"WANDB_DIR": before})


def aliases(run_id: str, most: int) -> list[str]:
    """Return the first `most` ids that a run may have in W&B."""
    return [run_id, *(f"{run_id}-{number}" for number in range(2, most + 1))]


def run_of(page_id: str) -> str | None:
    """Return the id of a page's run, None if the page was not written by this program."""
    match = ALIAS.fullmatch(page_id)
    return match[1] if match and RUN_ID.fullmatch(match[1]) else None


def choose(pages: Iterable[Page], now: datetime) -> tuple[Values, list[str]]:
    """Choose the page of each run and read it.

    Args:
        pages: of a project, in any order; pages not written by this program are ignored.
        now: with a time zone.

    Returns:
        Flat values by run id, and a line for each run that has several pages or does not match its page's state.
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
            reason = "the newest that ended" if page.ended else "the newest; none ended"
            rest = ", ".join(sorted(other.id for other in others))
            lines.append(f"{name} is there {len(others) + 1} times: {page.id} counts ({reason}), not {rest}")
        values[name], line = _values(page, now)
        lines += [f"{page.id}: {line}"] if line else []
    return values, lines


def _values(page: Page, now: datetime) -> tuple[dict[str, Any], str | None]:
    """Return a page's flat values, and a line if they do not match the page's state."""
    try:
        if page.ended:
            planned = int(page.summary.get("epochs") or 0)
            if page.rows < planned and (logged := page.epochs()) < planned:
                return unended(page.config, "incomplete"), f"{logged} of {planned} epochs are there: incomplete"
            return checked(page.summary, page.config), None
        if page.state == "running" and now - _time(page.heartbeat) < SILENT:
            return unended(page.config, "alive"), None
        line = f"running, but silent since {page.heartbeat}: killed" if page.state == "running" else None
        return unended(page.config), line
    except (ValueError, KeyError, TypeError, AttributeError) as error:  # edited by hand, or written by another program
        problem = f"{type(error).__name__}: {error}"
        return {"problem": problem}, f"unreadable ({problem})"


def _time(text: str) -> datetime:
    """Return a time from W&B; without a time zone it is UTC."""
    time = datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=UTC)
