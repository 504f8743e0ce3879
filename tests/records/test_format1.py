"""Records of format 1, whose identity held module paths: their runs are found, skipped and tabled under today's identity."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig

from ablation.records.format1 import STATED, without_stated_targets
from ablation.records.outcome import folder_of
from ablation.records.record import Record
from ablation.reporting.read.local_files import local
from ablation.reporting.read.selection import Selection
from ablation.sweep import planned_run
from ablation.sweep.identity import GROUPS, digest, run_id

Compose = Callable[..., DictConfig]
GOLDEN = {  # digests under which format 1 trained the report's cells, from plans that were printed then
    ("none", "base"): "2c27e5258e",
    ("bilinear", "base"): "21445d1af6",
    ("plain", "base"): "41ad679a4c",
    ("cbam", "base"): "65f5a21121",
}


def with_targets(identity: dict[str, Any]) -> dict[str, Any]:
    return identity | {f"{group}._target_": STATED[group][identity[group]] for group in GROUPS}


def old_record(runs: Path, identity: dict[str, Any], **change: Any) -> Path:
    """Write a run's outcome as format 1 did."""
    before = with_targets(identity)
    folder = runs / run_id(before)
    folder.mkdir(parents=True)
    best = {"epoch": 2, "test_acc": 61.25}
    outcome = {"format": 1, "run_id": folder.name, "digest": digest(before), "outcome": "done", "study": "demo", "seed": 0}
    outcome |= {"config": before, "best": best, "last": best, "val": None, "epochs": 2, "seconds": 3.0}
    outcome |= {"code": {"commit": None, "dirty": None, "source": "0123456789abcdef"}}
    (folder / "outcome.json").write_text(json.dumps(outcome | change))
    return folder


@pytest.mark.parametrize("cell", GOLDEN, ids="-".join)
def test_the_paths_of_format_1_give_its_digests(composed: Compose, cell: tuple[str, str]) -> None:
    identity = planned_run.identity(composed(f"resizer={cell[0]}", f"aug={cell[1]}"))
    assert digest(with_targets(identity)) == GOLDEN[cell]
    assert without_stated_targets(with_targets(identity)) == identity


def test_a_target_that_was_typed_stays(composed: Compose) -> None:
    identity = planned_run.identity(composed("resizer=plain")) | {"resizer._target_": "ablation.models.resizer.Interpolate"}
    assert without_stated_targets(identity) == identity


def test_a_run_done_in_format_1_is_found_skipped_and_tabled(
    composed: Compose, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = composed("profile=demo", f"paths.runs={tmp_path}")
    identity = planned_run.identity(config)
    folder = old_record(tmp_path, identity)
    assert planned_run.plan(config).folder == folder != tmp_path / run_id(identity)
    with caplog.at_level(logging.INFO):
        assert Record(folder, digest=digest(identity), config=identity, study="demo").earlier.skip()
    assert "done, skipped" in caplog.text
    planned = {folder.name: with_targets(identity)}  # as its sweep's manifest has it
    (row,) = local(tmp_path, Selection({"name": "demo"}, planned, others=False, description="")).to_dict("records")
    assert row["best_acc"] == 61.25 and row["config"] == identity


@pytest.mark.parametrize(
    "change",
    [{"outcome": "failed"}, {"format": 3}, {"config": {}}, {"config": None}],
    ids=["no result", "another format", "another run", "damaged"],
)
def test_what_is_no_result_of_this_run_is_passed_over(composed: Compose, tmp_path: Path, change: dict[str, Any]) -> None:
    identity = planned_run.identity(composed("profile=demo"))
    old_record(tmp_path, identity, **change)
    assert folder_of(tmp_path, run_id(identity), identity) == tmp_path / run_id(identity)


def test_a_folder_of_todays_id_goes_first(composed: Compose, tmp_path: Path) -> None:
    identity = planned_run.identity(composed("profile=demo"))
    old_record(tmp_path, identity)
    (tmp_path / run_id(identity)).mkdir()
    assert folder_of(tmp_path, run_id(identity), identity).name == run_id(identity)
