"""What is done to a data set once on a machine: one process prepares, the others wait, a bar shows how far it is.

Owns the lock, the flush to disk and the bar. Never knows which data set it is, and prints nothing into a file.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


class Held(Exception):
    """Another process holds the lock."""


@contextmanager
def alone(lock: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold `lock` (an empty file, kept) against other processes; the kernel frees it when its holder dies.

    Raises:
        Held: another process has it, and `wait` is false.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Held(lock) from None
        yield


@contextmanager
def bar(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal's stderr that leaves no trace; yields the function that moves it by n of `total`."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=total)
        yield lambda count: progress.advance(task, count)


def flush(path: Path) -> None:
    """Bring a file or folder to the disk, so that a rename never publishes what a power cut could still lose."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def publish(path: Path, content: bytes) -> None:
    """Put `content` in place of a file by one rename: a reader sees the old bytes or the new ones."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
