"""Files that are old or new, never half: temporary file, fsync, one rename, fsync of the folder."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any


@contextmanager
def named(path: Path) -> Iterator[Path]:
    """Say which file an error is about: the system names none when a write fails, as on a full disk."""
    try:
        yield path
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


def write(path: Path, fill: Callable[[IO[bytes]], object]) -> None:
    """Put what `fill` writes in place of `path` by one rename; on any error the old file stays and no new one is left."""
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
    """Write strict JSON: a NaN is an error here, so the caller must have said null and why."""
    text = json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
    write(path, lambda file: file.write(text.encode()))


def read_json(path: Path) -> Any | None:
    """Return the content, or None where there is no such file.

    Raises:
        ValueError: the file is not JSON; the message names it.
    """
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ValueError(f"{path}: not JSON ({error}); move it away to go on") from None
