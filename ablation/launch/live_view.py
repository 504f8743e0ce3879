"""A sweep while it runs: a table of its runs in a terminal, one line a minute in a file.

Owns how progress looks; progress.py says what it is.
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

COLUMNS: dict[str, Literal["left", "right"]] = {  # words stand to the left, numbers to the right
    "run": "left",
    "state": "left",
    "epoch": "right",
    "last %": "right",
    "img/s": "right",
    "device": "left",
    "left": "right",
}
BASIS = "measured epochs; a run without one as the nearest that has"
WIDEST = 10_000  # more characters than a line of the table can have


def counts(rows: Sequence[Row]) -> str:
    """Return `6 runs: 2 done, 1 running, 3 to do`."""
    states = Counter(row.shown for row in rows)
    return f"{len(rows)} run{'s'[: len(rows) != 1]}: {', '.join(f'{number} {state}' for state, number in states.items())}"


def remaining(rows: Sequence[Row], slots: int | None = None) -> str:
    """Say how long the sweep still takes, and from what that is known.

    Args:
        rows: of `progress.read`.
        slots: runs at once, where the one who asks has launched them; else as many as run now.
    """
    running = sum(row.state == "running" for row in rows)
    if not any(row.open for row in rows):
        return "nothing left to run"
    idle = "" if running or slots else "; no run is running now"
    if (seconds := progress.seconds_left(rows, slots)) is None:
        return f"left: unknown before the first epoch{idle}"
    return f"left: {duration(seconds)} ({slots or running or 1} at once; {BASIS}){idle}"


def cells(row: Row, rows: Sequence[Row], label: str) -> list[str]:
    """Return a run's line of the table, under COLUMNS."""
    return [
        label,
        row.shown,
        f"{row.epoch}/{row.epochs}" if row.epoch else "",
        "" if row.accuracy is None else percent(row.accuracy),
        "" if row.images_per_second is None else figures(row.images_per_second),
        row.device if row.state == "running" else "",
        duration(progress.run_seconds_left(row, rows)) if row.open else "",
    ]


def table(rows: Sequence[Row], room: int | None = None) -> Table:
    """Return the runs as a table, in the order of the plan.

    Args:
        rows: of `progress.read`.
        room: lines that there are; then what runs comes first, and the last line counts the runs left out.
    """
    labels = Counter(row.label for row in rows)
    result = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name, side in COLUMNS.items():
        result.add_column(name, justify=side, overflow="fold" if name == "run" else "ellipsis")
    inside = list(rows)
    if room is not None and len(rows) > room:
        urgency = sorted(
            rows,
            key=lambda row: (
                ("running", "killed", "failed").index(row.state) if row.state in ("running", "killed", "failed") else 3
            ),
        )
        chosen = {row.run_id for row in urgency[: max(1, room - 1)]}
        inside = [row for row in rows if row.run_id in chosen]
    for row in inside:
        result.add_row(*map(Text, cells(row, rows, row.label if labels[row.label] == 1 else row.run_id)))
    if len(inside) < len(rows):
        result.add_row(Text(f"... and {counts([row for row in rows if row not in inside])}"))
    return result


def sentence(rows: Sequence[Row], slots: int | None = None) -> str:
    """Return the sweep in one line: counts, what runs, time left."""
    at_work = [
        f"{row.label} {row.epoch}/{row.epochs}" + ("" if row.accuracy is None else f" {percent(row.accuracy)} %")
        for row in rows
        if row.state == "running"
    ]
    return "; ".join([counts(rows), *([", ".join(at_work)] if at_work else []), remaining(rows, slots)])


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
    """A context that shows a sweep when `show` is called and it is time: in a terminal a table, in a file a line a minute.

    Args:
        sweep: what was planned.
        slots: runs at once, where that is known.
        every: seconds between two looks in a terminal.
        alone: nothing else prints: the first look is due at once, and the last table stays.
    """

    def __init__(self, sweep: Sweep, slots: int | None = None, every: float = 2.0, alone: bool = False) -> None:
        self._sweep, self._slots = sweep, slots
        self._console = Console(highlight=False)
        self._in_terminal = self._console.is_terminal
        self._every = every if self._in_terminal else 60.0
        self._live = Live(console=self._console, auto_refresh=False, transient=not alone)
        self._due = time.monotonic() + (0 if alone or self._in_terminal else self._every)

    def show(self, now: bool = False) -> None:
        """Look at the records and show them, if it is time or has to be now."""
        if not now and time.monotonic() < self._due:
            return
        rows = progress.read(self._sweep)
        if self._in_terminal:
            view = Table.grid()
            view.add_row(table(rows, room=max(2, self._console.height - 4)))
            view.add_row(Text(f"{counts(rows)}; {remaining(rows, self._slots)}"))
            self._live.update(view, refresh=True)
        else:
            print(f"{time.strftime('%H:%M')} {sentence(rows, self._slots)}", file=sys.stdout, flush=True)
        self._due = time.monotonic() + self._every

    def finished(self) -> bool:
        """Return True if no run of the sweep is open any more."""
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
    """Print one line, at once; a closed pipe loses the line, which stands in the logs and records too."""
    with contextlib.suppress(OSError):
        print(line, flush=True)
