"""Show a sweep while it runs: a table of its runs in a terminal, one line per minute in a file.

Formats the progress that progress.py reads.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal

from rich.console import Console
from rich.live import Live
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from ablation.launch import progress
from ablation.launch.progress import Row, Sweep
from ablation.records.numbers import duration, figures, percent
from ablation.records.outcome import FINISHED

COLUMNS: dict[str, Literal["left", "right"]] = {  # text is aligned left, numbers right
    "run": "left",
    "state": "left",
    "epoch": "right",
    "last %": "right",
    "img/s": "right",
    "device": "left",
    "left": "right",
}
BASIS = "measured epochs; a run without one as the nearest that has"
WIDEST = 10_000  # characters: no line of the table is longer


def counts(rows: Sequence[Row]) -> str:
    """Return `6 runs: 2 done, 1 running, 3 to do`."""
    states = Counter(row.shown for row in rows)
    return f"{len(rows)} run{'s'[: len(rows) != 1]}: {', '.join(f'{number} {state}' for state, number in states.items())}"


def remaining(rows: Sequence[Row], slots: int | None = None) -> str:
    """Return the time left of the sweep and how it was estimated, as text.

    Args:
        rows: of `progress.read`.
        slots: number of runs at once, if the caller knows it; None: as many as run now.
    """
    running = sum(row.state == "running" for row in rows)
    if not any(row.open for row in rows):
        unfinished = sum(row.state not in FINISHED for row in rows)
        ended = f"{unfinished} without a result, with which the sweep's command goes on if typed again"
        return ended if unfinished else "nothing left to run"
    idle = "" if running or slots else "; no run is running now"
    if (seconds := progress.seconds_left(rows, slots)) is None:
        return f"left: unknown before the first epoch{idle}"
    return f"left: {duration(seconds)} ({slots or running or 1} at once; {BASIS}){idle}"


def cells(row: Row, rows: Sequence[Row], label: str) -> list[str]:
    """Return a run's row of the table, in the order of COLUMNS."""
    return [
        label,
        row.shown,
        f"{row.epoch}/{row.epochs}" if row.epoch else "",
        "" if row.accuracy is None else percent(row.accuracy),
        "" if row.images_per_second is None else figures(row.images_per_second),
        row.device if row.state == "running" else "",
        duration(progress.run_seconds_left(row, rows)) if row.open else "",
    ]


def table(rows: Sequence[Row], max_lines: int | None = None) -> Table:
    """Return the runs as a table, in the order of the plan.

    Args:
        rows: of `progress.read`.
        max_lines: if there are more runs, running, killed and failed ones are shown, and the last line counts the others.
    """
    labels = Counter(row.label for row in rows)
    result = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name, alignment in COLUMNS.items():
        result.add_column(name, justify=alignment, overflow="fold" if name == "run" else "ellipsis")
    displayed = list(rows)
    if max_lines is not None and len(rows) > max_lines:
        urgency = sorted(
            rows,
            key=lambda row: (
                ("running", "killed", "failed").index(row.state) if row.state in ("running", "killed", "failed") else 3
            ),
        )
        chosen = {row.run_id for row in urgency[: max(1, max_lines - 1)]}
        displayed = [row for row in rows if row.run_id in chosen]
    for row in displayed:
        result.add_row(*map(Text, cells(row, rows, row.label if labels[row.label] == 1 else row.run_id)))
    if len(displayed) < len(rows):
        result.add_row(Text(f"... and {counts([row for row in rows if row not in displayed])}"))
    return result


def sentence(rows: Sequence[Row], slots: int | None = None) -> str:
    """Return the sweep in one line: counts, running runs, time left."""
    running = [
        f"{row.label} {row.epoch}/{row.epochs}" + ("" if row.accuracy is None else f" {percent(row.accuracy)} %")
        for row in rows
        if row.state == "running"
    ]
    return "; ".join([counts(rows), *([", ".join(running)] if running else []), remaining(rows, slots)])


def show_once(sweep: Sweep) -> None:
    """Print the table and the time left."""
    console, rows = Console(highlight=False), progress.read(sweep)
    grid = table(rows)
    if not console.is_terminal:  # as wide as its longest line
        console.width = Measurement.get(console, console.options.update(max_width=WIDEST), grid).maximum
    console.print(grid)
    for line in (f"sweep {sweep.folder.name}: {counts(rows)}", remaining(rows)):
        console.print(Text(line), soft_wrap=True)


class Screen:
    """A context manager that shows a sweep at intervals: a table in a terminal, one line per minute in a file.

    Args:
        sweep: the planned sweep.
        slots: number of runs at once, None if unknown.
        every: seconds between two updates in a terminal.
        alone: nothing else prints; then the first update is immediate, and the last table stays on the screen.
    """

    def __init__(self, sweep: Sweep, slots: int | None = None, every: float = 2.0, alone: bool = False) -> None:
        self._sweep, self._slots = sweep, slots
        self._console = Console(highlight=False)
        self._in_terminal = self._console.is_terminal
        self._every = every if self._in_terminal else 60.0
        self._live = Live(console=self._console, auto_refresh=False, transient=not alone)
        self._due = time.monotonic() + (0 if alone or self._in_terminal else self._every)

    def show(self, now: bool = False) -> None:
        """Read the records and show them, if the next update is due or `now` is set."""
        if not now and time.monotonic() < self._due:
            return
        rows = progress.read(self._sweep)
        if self._in_terminal:
            view = Table.grid()
            view.add_row(table(rows, max_lines=max(2, self._console.height - 4)))
            view.add_row(Text(f"{counts(rows)}; {remaining(rows, self._slots)}"))
            self._live.update(view, refresh=True)
        else:
            print(f"{time.strftime('%H:%M')} {sentence(rows, self._slots)}", file=sys.stdout, flush=True)
        self._due = time.monotonic() + self._every

    def finished(self) -> bool:
        """Return True if no run of the sweep has still to be trained."""
        return not any(row.open for row in progress.read(self._sweep))

    def __enter__(self) -> Screen:
        if self._in_terminal:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._in_terminal:
            self._live.stop()


def shown(path: Path) -> Path:
    """Return a path as the user would type it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def say(line: str) -> None:
    """Print one line immediately. Errors such as a closed pipe are ignored: logs and records have the same facts."""
    with contextlib.suppress(OSError):
        print(line, flush=True)
