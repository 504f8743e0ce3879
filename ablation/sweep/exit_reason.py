"""Why a run's process ended where its record does not say it: skipped, refused, failed before the record was begun.

A launcher names a small file in the environment of the process, which writes it at its end. What is on the console is for
people.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from ablation.records.files import read_json, write_json

VARIABLE = "ABLATION_EXIT_REASON"  # the file's path


def write(word: str, reason: str) -> None:
    """Write why this process ends, if a launcher asked for it; one that cannot be written leaves the exit code to speak.

    Args:
        word: `skipped`, `refused`, `failed`, `preempted` or `interrupted`.
        reason: one line.
    """
    if path := os.environ.get(VARIABLE):
        with contextlib.suppress(OSError):
            write_json(Path(path), {"word": word, "reason": reason})


def take(file: Path) -> tuple[str, str] | None:
    """Return (word, reason) of a process that ended, None where it wrote none; the file is removed."""
    try:
        content = read_json(file) or {}
        return str(content["word"]), str(content["reason"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    finally:
        file.unlink(missing_ok=True)
