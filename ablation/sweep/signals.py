"""Signals: SIGTERM and SIGUSR1 ask a process to stop at the next batch; what was finished is already on disk."""

from __future__ import annotations

import functools
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from ablation.records.lock import Busy

_stop_requested = threading.Event()


class Preempted(Exception):
    """The run was asked to stop; the same command continues it. Exit code 75 (EX_TEMPFAIL)."""

    outcome = "preempted"


class LeftInQueue(KeyboardInterrupt):
    """The command stops waiting for jobs that stay in a cluster's queue: typed again, it would queue each a second time.

    Args:
        code: the command's exit code, 75 or 130.
    """

    def __init__(self, code: int) -> None:
        super().__init__()
        self.code = code


class Requeued(SystemExit):
    """submitit has queued this run's job again, and ends the process; it goes on after its last checkpoint."""

    outcome = "preempted"


def stopping() -> bool:
    """Return True if this process was asked to stop: true for the rest of its life, so later runs of a sweep do not start."""
    return _stop_requested.is_set()


def raise_if_stopping() -> None:
    """Raise where the process was asked to stop.

    Raises:
        Preempted: it was.
    """
    if stopping():
        raise Preempted("asked to stop; run the same command again to go on")


def listen() -> dict[int, Any]:
    """Listen for SIGTERM and SIGUSR1 (main thread only, elsewhere Python sets no handlers); return the earlier handlers.

    In a job of submitit, what has a handler of submitit's stays its own: it queues the job again, which then resumes.
    """

    def ask(number: int, frame: FrameType | None) -> None:
        _stop_requested.set()

    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
            handler = signal.getsignal(number)
            if callable(handler) and (getattr(handler, "__module__", None) or "").startswith("submitit."):
                before[number] = signal.signal(number, _telling(handler))
            elif number != signal.SIGUSR2:
                before[number] = signal.signal(number, ask)
    return before


def _telling(handler: Callable[[int, FrameType | None], Any]) -> Callable[[int, FrameType | None], None]:
    """Wrap a handler of submitit's so that the run's record tells what it does; what it does stays the same."""

    @functools.wraps(handler)
    def told(number: int, frame: FrameType | None) -> None:
        try:
            handler(number, frame)
        except SystemExit:
            raise Requeued("queued again by submitit; it goes on after its last checkpoint") from None
        except Exception:  # not queued again, its log says why: the run stops as if asked to, before SLURM ends it
            _stop_requested.set()

    return told


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
            _stop_requested.set()
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
