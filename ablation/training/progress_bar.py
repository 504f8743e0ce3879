"""The progress bar of a run: images done, images per second, time left. Shown in a terminal only."""

from __future__ import annotations

import sys
from types import TracebackType

from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeRemainingColumn


class Bar:
    """A context manager, called with the number of images just trained.

    Args:
        label: the run id.
        images: in all remaining epochs.
    """

    def __init__(self, label: str, images: int) -> None:
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
        )
        self._progress = Progress(*columns, transient=True, disable=not sys.stdout.isatty())
        self._task: TaskID = self._progress.add_task(label, total=images, rate="")

    def __call__(self, images: int) -> None:
        """Advance by `images`."""
        self._progress.advance(self._task, images)
        speed = self._progress.tasks[0].speed
        if speed:
            self._progress.update(self._task, rate=f"{speed:,.0f} img/s")

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._progress.stop()
