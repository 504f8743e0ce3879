"""Why a run's process ended, if its record does not contain it: skipped, refused, or failed before the record was written.

A launcher passes the path of a small file in an environment variable; the process writes the file when it ends. Launchers
never parse the console.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from ablation.records.files import read_json, write_json

VARIABLE = "ABLATION_EXIT_REASON"  # the file's path


def write(word: str, reason: str) -> None:
    """Write why this process ends, if a launcher passed a path. If that fails, the launcher uses the exit code alone.

    Args:
        word: `skipped`, `refused`, `failed`, `preempted` or `interrupted`.
        reason: one line.
    """
    if path := os.environ.get(VARIABLE):
        with contextlib.suppress(OSError):
            write_json(Path(path), {"word": word, "reason": reason})


def take(file: Path) -> tuple[str, str] | None:
    """Return (word, reason) of a process that ended, None if it wrote no file; the file is removed."""
    try:
        content = read_json(file) or {}
        return str(content["word"]), str(content["reason"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    finally:
        file.unlink(missing_ok=True)
