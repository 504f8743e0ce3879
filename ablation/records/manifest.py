"""A sweep's manifest: its planned runs, written before the first one starts; tables take their rows from it.

Writes runs/sweeps/<sweep id>/manifest.json, and has the legal form of a run id and the time at which a sweep began.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ablation.records.files import write_json

NAME = "manifest.json"
ROUNDS = "rounds.json"  # beside it, of a sweep in rounds: see ablation/rounds/journal.py
RUN_ID = re.compile(r"[a-z0-9_-]{1,64}")  # a run id read from a file must not lead out of the runs folder


def write_manifest(
    folder: Path,
    *,
    command: str,
    study: dict[str, Any],
    tracker: dict[str, Any],
    runs: dict[str, dict[str, Any]],
    rounds: dict[str, Any] | None = None,
    words: Mapping[str, Mapping[str, str]] | None = None,
) -> Path:
    """Write a sweep's manifest.

    Args:
        folder: runs/sweeps/<sweep id>; its name is the sweep's id.
        command: as typed.
        study: the whole resolved study, so that the table needs no configuration.
        tracker: the resolved tracker.
        runs: flat identity by run id, in the order of the sweep.
        rounds: of a sweep in rounds, its looks and its budget, fixed before the first run.
        words: by run id, names for values that its identity holds as a digest.

    Returns:
        The file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "sweep_id": folder.name,
        "began": datetime.now(UTC).isoformat(),
        "command": command,
        "study": study,
        "tracker": tracker,
        **({"rounds": rounds} if rounds else {}),
        "runs": [_run(run_id, config, (words or {}).get(run_id)) for run_id, config in runs.items()],
    }
    write_json(folder / NAME, content)
    return folder / NAME


def _run(run_id: str, config: dict[str, Any], words: Mapping[str, str] | None) -> dict[str, Any]:
    return {"run_id": run_id, "config": config, **({"words": dict(words)} if words else {})}


def began(folder: Path, manifest: Mapping[str, Any]) -> float:
    """Return when a sweep began, in seconds since 1970: as its manifest says; of an older one by its id, else its file's time.

    Args:
        folder: of the sweep.
        manifest: its content; empty if it cannot be read.
    """
    with suppress(KeyError, TypeError, ValueError):
        return datetime.fromisoformat(manifest["began"]).timestamp()
    with suppress(ValueError):
        return datetime.strptime(folder.name[:15], "%Y%m%d-%H%M%S").replace(tzinfo=UTC).timestamp()
    with suppress(OSError):
        return (folder / NAME).stat().st_mtime
    return 0.0
