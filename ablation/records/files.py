"""Atomic writes: a temporary file, fsync, one rename, fsync of the folder. A reader sees the old file or the new one."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any


@contextmanager
def named(path: Path) -> Iterator[Path]:
    """Add the path to an OSError that has none, such as that of a write to a full disk."""
    try:
        yield path
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


def write(path: Path, fill: Callable[[IO[bytes]], object]) -> None:
    """Replace `path` atomically by what `fill` writes; on any error the old file stays and the temporary one is deleted."""
    temporary = path.with_name(f".tmp.{path.name}.{os.getpid()}")
    try:
        with named(path), temporary.open("wb") as file:
            fill(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames and removals in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: Path, content: Any) -> None:
    """Write strict JSON; raise ValueError for a NaN, which the caller must replace by null."""
    text = json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
    write(path, lambda file: file.write(text.encode()))


def read_json(path: Path) -> Any | None:
    """Return the content, or None if there is no such file.

    Raises:
        ValueError: the file is not JSON; the message names it.
    """
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ValueError(f"{path}: not JSON ({error}); move it away to go on") from None
