"""Runs as the planner sees them, and records on disk whose numbers are made up, to be computed by hand."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from ablation.sweep import planned_run
from ablation.sweep.planned_run import Planned

Compose = Callable[..., DictConfig]


def planned(composed: Compose, *overrides: str) -> Planned:
    """One run of a command, as the callback plans it."""
    return planned_run.plan(composed(*overrides), overrides)


def record(run: Planned, word: str = "done", *, device: str, host: str = socket.gethostname(), **outcome: Any) -> Path:
    """A record of a run: 10 epochs in 70 seconds, 91 %, 3 GB, unless said otherwise."""
    made_up = {"epochs": 10, "seconds": 70.0, "peak_memory_bytes": 3 * 10**9, "best": {"epoch": 7, "test_acc": 91.0}}
    made_up |= {"last": {"epoch": 10, "test_acc": 90.5}}
    about = {"format": 1, "digest": run.folder.name.rpartition("-")[2], "outcome": word, "code": {"source": "made up"}}
    content = {**about, "config": run.identity, "seed": run.identity["seed"], **made_up, **outcome}
    run.folder.mkdir(parents=True)
    (run.folder / "outcome.json").write_text(json.dumps(content))
    (run.folder / "provenance.json").write_text(json.dumps({"device": device, "machine": {"host": host}}))
    return run.folder


def tree(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Every file and folder below one, with its times and content."""
    found = {}
    for path in sorted(folder.rglob("*")):
        state = path.stat()
        found[str(path.relative_to(folder))] = (
            state.st_mtime_ns,
            state.st_ctime_ns,
            path.read_bytes() if path.is_file() else b"",
        )
    return found
