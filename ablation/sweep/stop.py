"""Signals: SIGTERM and SIGUSR1 ask a process to stop at the next batch; what was finished is already on disk."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from ablation.records.lock import Busy

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


def listen() -> dict[int, Any]:
    """Listen for SIGTERM and SIGUSR1 (main thread only, elsewhere Python sets no handlers); return the earlier handlers."""

    def ask(number: int, frame: FrameType | None) -> None:
        _asked.set()

    in_main = threading.current_thread() is threading.main_thread()
    return {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGUSR1) if in_main}


def finish() -> None:
    """Let further requests to stop change nothing: all is written, the exit code stands, Python is about to end.

    Ignored, not handled: a finishing interpreter gives its own handlers back, and the next signal would kill it.
    """
    if stopping() and threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGUSR1):
            signal.signal(number, signal.SIG_IGN)


@contextmanager
def watch(fail_fast: bool = False) -> Iterator[None]:
    """Listen for SIGTERM and SIGUSR1 inside the block (main thread only); earlier handlers are put back.

    Args:
        fail_fast: an error in the block stops the runs after it, too.
    """
    before = listen()
    try:
        yield
    except Exception as error:
        if fail_fast and not isinstance(error, Preempted | Busy):
            _asked.set()
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
