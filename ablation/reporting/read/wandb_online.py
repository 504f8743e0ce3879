"""What W&B's runs say of ours: whose mirror each is, which of several counts, and what has not ended there.

Pure: takes pages as plain values and the time, returns flat values and sentences. Who asks W&B is `sources`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ablation.records.manifest import RUN_ID
from ablation.reporting.read.frame import Found, checked, unended

ALIAS = re.compile(r"(.+-[0-9a-f]{10})(?:-(\d))?")  # a run id ends in its digest; its page was deleted: -2, then -3 (tracker)
SILENT = timedelta(minutes=10)  # without a heartbeat (W&B's client sends two a minute): nobody trains there any more


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
        """Whether its process said how the run ended. A crashed page may hold an outcome: that of an earlier start."""
        return self.state in ("finished", "failed") and "outcome" in self.summary


def aliases(run_id: str, most: int) -> list[str]:
    """Return the ids under which W&B may show a run, `most` of them."""
    return [run_id, *(f"{run_id}-{number}" for number in range(2, most + 1))]


def run_of(page_id: str) -> str | None:
    """Return the run that a page mirrors, None if it is no run of ours."""
    match = ALIAS.fullmatch(page_id)
    return match[1] if match and RUN_ID.fullmatch(match[1]) else None


def read(pages: Iterable[Page], now: datetime) -> tuple[Found, list[str]]:
    """Choose the page of each run and read it.

    Args:
        pages: of a project, in any order; those that mirror no run are ignored.
        now: with a time zone.

    Returns:
        Flat values by run id, and a line for each run that is there more than once, or not as W&B's word for it suggests.
    """
    of: dict[str, list[Page]] = defaultdict(list)
    for page in pages:
        if (name := run_of(page.id)) is not None:
            of[name].append(page)
    found: Found = {}
    lines: list[str] = []
    for name in sorted(of):
        page, *others = sorted(of[name], key=lambda page: (page.ended, page.id), reverse=True)  # X-2 is younger than X
        if others:
            why = "the newest that ended" if page.ended else "the newest; none ended"
            lines.append(f"{name} is there {len(others) + 1} times: {page.id} counts ({why}), not {_ids(others)}")
        found[name], line = _values(page, now)
        lines += [f"{page.id}: {line}"] if line else []
    return found, lines


def _ids(pages: Iterable[Page]) -> str:
    return ", ".join(sorted(page.id for page in pages))


def _values(page: Page, now: datetime) -> tuple[dict[str, Any], str | None]:
    """Return a page's flat values, and a line where they are not what the page's own word suggests."""
    try:
        if page.ended:
            planned = int(page.summary.get("epochs") or 0)
            if page.rows < planned and (there := page.epochs()) < planned:
                return unended(page.config, "incomplete"), f"{there} of {planned} epochs are there: incomplete"
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
