"""A sweep's manifest: its planned runs, written before the first one starts; tables take their rows from it.

Writes runs/sweeps/<sweep id>/manifest.json, and has the legal form of a run id.
"""

from __future__ import annotations

import re
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
) -> Path:
    """Write a sweep's manifest.

    Args:
        folder: runs/sweeps/<sweep id>; its name is the sweep's id.
        command: as typed.
        study: the whole resolved study, so that the table needs no configuration.
        tracker: the resolved tracker.
        runs: flat identity by run id, in the order of the sweep.
        rounds: of a sweep in rounds, its looks and its budget, fixed before the first run.

    Returns:
        The file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "sweep_id": folder.name,
        "command": command,
        "study": study,
        "tracker": tracker,
        **({"rounds": rounds} if rounds else {}),
        "runs": [{"run_id": run_id, "config": config} for run_id, config in runs.items()],
    }
    write_json(folder / NAME, content)
    return folder / NAME
