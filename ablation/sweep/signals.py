"""Signals: on SIGTERM, SIGUSR1 or SIGHUP a process stops at the next batch; finished epochs are already on disk."""

from __future__ import annotations

import functools
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from ablation.records.lock import Busy

STOPS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)  # SIGHUP: the terminal or the SSH session is gone
_stop_requested = threading.Event()
_at_once = False  # a stop signal raises where the process stands


class Preempted(Exception):
    """The run was asked to stop; running the same command again continues it. Exit code 75 (EX_TEMPFAIL)."""

    outcome = "preempted"


class StoppedAtOnce(SystemExit):
    """A stop signal came while nothing was being trained: the process ends where it stands, with code 75."""

    def __init__(self) -> None:
        super().__init__(75)


class LeftInQueue(KeyboardInterrupt):
    """The command stops waiting for jobs that stay in the cluster's queue; running it again would queue each a second time.

    Args:
        code: the command's exit code, 75 or 130.
    """

    def __init__(self, code: int) -> None:
        super().__init__()
        self.code = code


class Requeued(SystemExit):
    """submitit has queued this run's job again and ends the process; the job resumes from its last checkpoint."""

    outcome = "preempted"


def stopping() -> bool:
    """Return True if this process was asked to stop. It stays True, so later runs of a sweep do not start."""
    return _stop_requested.is_set()


def raise_if_stopping() -> None:
    """Raise if this process was asked to stop.

    Raises:
        Preempted: it was asked to stop.
    """
    if stopping():
        raise Preempted("asked to stop; run the same command again to go on")


@contextmanager
def at_once() -> Iterator[None]:
    """End the process at once on a stop signal inside the block, which has nothing to save; or if one came before it.

    Raises:
        StoppedAtOnce: a SystemExit, which neither Hydra nor `except Exception` stops.
    """
    global _at_once
    _at_once = True
    try:
        if stopping():
            raise StoppedAtOnce
        yield
    finally:
        _at_once = False


def listen() -> dict[int, Any]:
    """Handle STOPS (main thread only, elsewhere Python sets no handlers); return the earlier handlers.

    In a submitit job, submitit's own handlers stay in place: they queue the job again, which then resumes.
    """

    def request_stop(number: int, frame: FrameType | None) -> None:
        _stop_requested.set()
        if _at_once:
            raise StoppedAtOnce

    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for number in (*STOPS, signal.SIGUSR2):
            handler = signal.getsignal(number)
            if number == signal.SIGHUP and handler is signal.SIG_IGN:
                continue  # nohup: the run goes on without its terminal
            if callable(handler) and (getattr(handler, "__module__", None) or "").startswith("submitit."):
                before[number] = signal.signal(number, _with_record(handler))
            elif number != signal.SIGUSR2:
                before[number] = signal.signal(number, request_stop)
    return before


def _with_record(handler: Callable[[int, FrameType | None], Any]) -> Callable[[int, FrameType | None], None]:
    """Wrap a submitit handler so that the run's record contains the outcome; the handler still does its work."""

    @functools.wraps(handler)
    def handle(number: int, frame: FrameType | None) -> None:
        try:
            handler(number, frame)
        except SystemExit:
            raise Requeued("queued again by submitit; it resumes from its last checkpoint") from None
        except Exception:  # not queued again (submitit logs why): stop as on SIGTERM, before SLURM kills the job
            _stop_requested.set()

    return handle


def finish() -> None:
    """Ignore further stop signals: everything is written and the exit code is decided.

    SIG_IGN rather than a handler: an interpreter that exits restores the default handlers, so a signal would kill it.
    """
    if stopping() and threading.current_thread() is threading.main_thread():
        for number in STOPS:
            signal.signal(number, signal.SIG_IGN)


@contextmanager
def watch(fail_fast: bool = False) -> Iterator[None]:
    """Handle STOPS inside the block (main thread only); earlier handlers are restored after it.

    Args:
        fail_fast: an error in the block also keeps later runs from starting.
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
