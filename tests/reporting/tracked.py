"""Runs as a W&B server shows them, built by hand: what the real tracker would have left there, and what may become of it."""

from __future__ import annotations

import json
from typing import Any

from ablation.records.outcome import summary
from tests.reporting.constructed import TABLE1, Runs, config, outcome, run_id
from tests.wandb_server import Run, Server

ONLINE = {"mode": "online", "project": "ablation", "entity": None}
NEVER_SILENT = "2999-01-01T00:00:00Z"  # a heartbeat that no clock overtakes
EPOCHS = 2


def ended(flat: dict[str, Any], word: str = "done", **changes: Any) -> dict[str, Any]:
    """A constructed outcome.json of two epochs, tracked online."""
    return outcome(flat, word, **{"epochs": EPOCHS, "tracker": {"mode": "online", "path": None}, **changes})


def show(server: Server, content: dict[str, Any], page: str | None = None, rows: int | None = None, **changes: Any) -> Run:
    """Put a run on the server: under its own id or another's, with as many rows as epochs or `rows`."""
    name = page or content["run_id"]
    lines = [
        json.dumps({"epoch": epoch, "_step": epoch}) for epoch in range(1, (content["epochs"] if rows is None else rows) + 1)
    ]
    about = {"jobType": "train", "group": "table1"}
    flat = {key: {"value": value} for key, value in content["config"].items()} | {"_wandb": {"value": {"t": 1}}}
    known = summary(content) | {"test_acc": 98.76, "_step": EPOCHS}  # W&B keeps the last row there too
    ended_as = "failed" if content["outcome"] in ("failed", "preempted", "interrupted") else "finished"
    fields = {"attributes": about, "config": flat, "summary": known, "lines": lines, "state": ended_as, **changes}
    server.runs[name] = Run(name, "ablation", len(server.runs) + 1, **fields)
    return server.runs[name]


def two_runs(runs: Runs, server: Server) -> tuple[str, str]:
    """A sweep of two done runs, here and there alike; returns their ids."""
    planned = [config(), config("plain")]
    runs.manifest(TABLE1, planned, tracker=ONLINE)
    for flat, best in zip(planned, (90.0, 95.0), strict=True):
        content = ended(flat, best=best)
        runs.record(content)
        show(server, content)
    return run_id(planned[0]), run_id(planned[1])
