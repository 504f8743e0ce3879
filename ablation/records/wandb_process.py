"""Time limits for calls of wandb, and its helper process. Imports wandb only inside the functions."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from ablation.records.numbers import duration

T = TypeVar("T")
GRACE = 5.0  # seconds beyond wandb's own limits, in case its helper process does not answer

log = logging.getLogger(__name__)


def bounded(call: Callable[[], T], seconds: float) -> T:
    """Return what `call` returns, or raise what it raises, within a time limit.

    Uses a daemon thread, so that neither training nor the end of the process waits for a call that hangs.

    Raises:
        TimeoutError: the call takes longer.
    """
    result: list[T] = []
    errors: list[Exception] = []

    def run() -> None:
        try:
            result.append(call())
        except Exception as error:
            errors.append(error)
        except SystemExit as error:  # wandb.teardown, if its helper process was killed
            errors.append(RuntimeError(f"exit code {error.code}"))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not result:
        raise TimeoutError(f"no answer in {duration(seconds)}")
    return result[0]


def stop() -> None:
    """Stop wandb's helper process, so that the next run starts a new one and the end of this process does not wait for it."""
    try:
        import wandb

        bounded(lambda: wandb.teardown(exit_code=1), GRACE)
    except TimeoutError:
        with contextlib.suppress(OSError):  # the helper has ended meanwhile
            for pid in helpers():
                os.kill(pid, signal.SIGKILL)
    except Exception:
        log.debug("wandb.teardown", exc_info=True)  # the helper had already ended


def helpers() -> list[int]:
    """Return the process ids of this process's wandb-core children, the newest last (on Linux; elsewhere an empty list)."""
    children = [int(pid) for file in Path("/proc/self/task").glob("*/children") for pid in file.read_text().split()]
    return sorted((pid for pid in children if _is_alive(pid)), key=_started)


def _is_alive(pid: int) -> bool:
    """Return True if a child is a wandb-core that has not ended: a killed one stays listed until its parent waits for it."""
    return Path(f"/proc/{pid}/comm").read_text().strip() == "wandb-core" and _stat(pid)[0] != "Z"


def _started(pid: int) -> int:
    return int(_stat(pid)[19])  # clock ticks since boot; the order of the threads that started them is arbitrary


def _stat(pid: int) -> list[str]:
    """Return the fields after the name in /proc/PID/stat; the first is the state."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
