"""One killed run, four views of it: the plan, the queue, the table and the watch say the same state and the same epochs."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

from omegaconf import DictConfig

from ablation.commands import table as make_table
from ablation.cost import estimate, model_size, plan_table
from ablation.launch import live_view, progress
from ablation.launch.queue import expected_work
from ablation.records import outcome
from ablation.records.manifest import write_manifest
from ablation.sweep.planned_run import Planned
from tests.sweep.planned_runs import planned, record

EPOCHS, CHECKPOINT, ROWS = 10, 5, 9


def killed(composed: Callable[..., DictConfig], runs: Path) -> Planned:
    """A run of ten epochs whose process was killed in its last: nine rows, and its newest checkpoint of epoch 5."""
    run = planned(composed, "profile=demo", "tracker=none", "engine.device=cpu", f"train.epochs={EPOCHS}", f"paths.runs={runs}")
    nothing = dict.fromkeys(("epochs", "seconds", "peak_memory_bytes", "best"))
    folder = record(run, "running", device="cpu, 1 threads", run_id=run.folder.name, **nothing)
    numbers = {"test_acc": 50.0, "seconds": 7.0, "images_per_second": 200.0}
    text = "".join(json.dumps({"epoch": epoch, **numbers}) + "\n" for epoch in range(1, ROWS + 1))
    (folder / "epochs.jsonl").write_text(text + '{"epoch": 10, "te')
    (folder / "checkpoints").mkdir()
    for epoch in (CHECKPOINT - 1, CHECKPOINT):
        (folder / "checkpoints" / f"epoch-{epoch:04d}.0123456789abcdef.pt").touch()
    (folder / "checkpoints" / "epoch-0007.0123456789abcdef.pt.damaged").touch()
    study = {"name": "demo", "title": "constructed"}
    write_manifest(runs / "sweeps" / "a", command="constructed", study=study, tracker={}, runs={folder.name: run.identity})
    return run


def test_a_killed_run_is_the_same_to_all(composed: Callable[..., DictConfig], tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    run = killed(composed, runs)
    assert (outcome.state(run.folder), outcome.epochs_done(run.folder)) == ("killed", CHECKPOINT)

    planned_costs = estimate.command_cost([run])
    (item,) = planned_costs.items
    assert (item.state, item.done, item.left) == ("killed", CHECKPOINT, EPOCHS - CHECKPOINT)
    assert plan_table._row(item, planned_costs)["so far"] == f"killed {CHECKPOINT}/{EPOCHS}"

    work = model_size.work(run)
    assert expected_work(run) == work.macs * work.trained * (EPOCHS - CHECKPOINT)

    assert make_table.main(["--runs", str(runs), "--source", "local", "--out", str(tmp_path / "tables")]) == 2
    with (tmp_path / "tables" / "demo" / "runs.csv").open() as file:
        (line,) = csv.DictReader(file)
    assert (line["outcome"], line["epochs"], line["best_acc"]) == ("killed", str(CHECKPOINT), "")

    (row,) = progress.read(progress.find(runs))
    assert (row.state, row.epoch, row.epochs, row.accuracy) == ("killed", CHECKPOINT, EPOCHS, 50.0)
    assert live_view.cells(row, [row], row.label)[2] == f"{CHECKPOINT}/{EPOCHS}"
