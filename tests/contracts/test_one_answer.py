"""One killed run, four views of it: the plan, the queue, the table and the watch say the same state and the same epochs."""

from __future__ import annotations

import csv
import json
import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from omegaconf import DictConfig

from ablation.commands import table as make_table
from ablation.cost import estimate, model_size, plan_table
from ablation.launch import live_view, progress
from ablation.launch.queue import expected_work
from ablation.records import outcome
from ablation.records.manifest import write_manifest
from ablation.reporting.read import selection
from ablation.sweep import settings
from ablation.sweep.planned_run import Planned
from tests.reporting.constructed_records import TABLE1, Runs, config
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


LAST = {  # what the manifests of two sweeps say of their beginning; the second is the last
    "another time zone": (
        ("20260102-010000-aaaa", "2026-01-01T16:00:00+00:00"),
        ("20260101-120000-bbbb", "2026-01-01T17:00:00+00:00"),
    ),
    "with an offset": (
        ("20260102-010000-aaaa", "2026-01-02T01:00:00+09:00"),
        ("20260101-120000-bbbb", "2026-01-01T12:00:00-05:00"),
    ),
    "ids of older manifests": (("20260101-120000-bbbb", None), ("20260102-010000-aaaa", None)),
    "an older manifest and a new one": (("20260102-010000-aaaa", None), ("20260101-120000-bbbb", "2026-01-03T00:00:00+00:00")),
    "folders with names of their own": (("z", "2026-01-01T00:00:00+00:00"), ("a", "2026-01-02T00:00:00+00:00")),
}


@pytest.mark.parametrize("name", LAST)
def test_the_last_sweep_is_the_one_that_began_last(name: str, tmp_path: Path) -> None:
    for sweep, said in LAST[name]:
        Runs(tmp_path / sweep).manifest(TABLE1, [config("plain")], sweep, **({"began": said} if said else {}))
        (tmp_path / "runs" / "sweeps").mkdir(parents=True, exist_ok=True)
        shutil.move(tmp_path / sweep / "sweeps" / sweep, tmp_path / "runs" / "sweeps" / sweep)
    last = LAST[name][1][0]
    assert progress.find(tmp_path / "runs").folder.name == last
    assert f"sweep {last} " in selection.select(tmp_path / "runs").description


def test_a_sweep_is_called_by_the_time_that_all_zones_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Seoul")
    time.tzset()
    before = datetime.now(UTC).replace(microsecond=0)
    called = datetime.strptime(settings.sweep_id()[:15], "%Y%m%d-%H%M%S").replace(tzinfo=UTC)
    monkeypatch.undo()
    time.tzset()
    assert before <= called <= datetime.now(UTC)
