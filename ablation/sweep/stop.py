"""Signals: SIGTERM and SIGUSR1 ask a process to stop at the next batch; what was finished is already on disk."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_asked = threading.Event()


class Preempted(Exception):
    """The run was asked to stop; the same command continues it. Exit code 75 (EX_TEMPFAIL)."""

    outcome = "preempted"


def stopping() -> bool:
    """Tell whether this process was asked to stop: true for the rest of its life, so later runs of a sweep do not start."""
    return _asked.is_set()


def check() -> None:
    """Raise where the process was asked to stop.

    Raises:
        Preempted: it was.
    """
    if stopping():
        raise Preempted("asked to stop; run the same command again to go on")


@contextmanager
def watch() -> Iterator[None]:
    """Listen for SIGTERM and SIGUSR1 inside the block (main thread only); earlier handlers are put back."""

    def ask(number: int, frame: FrameType | None) -> None:
        _asked.set()

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGUSR1)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
