"""The tracker: what real offline W&B runs hold, and that nothing W&B does stops a run. Read back by W&B's own reader."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import wandb
from wandb.util import get_core_path

from ablation.records import tracker, wandb_process, wandb_settings
from ablation.records.record import Tracker
from ablation.records.tracker import WandbTracker

CONFIG = {"resizer": "plain", "optimizer.lr": 0.1, "backbone.mean": [0.5, 0.25], "data.limit": None, "seed": 0}
SUMMARY = {"outcome": "done", "best/test_acc": 93.13, "best/epoch": 2, "seconds": 1 / 3, "code/commit": None, "epochs": 3}


def row(epoch: int, **changes: Any) -> dict[str, Any]:
    """A constructed row of epochs.jsonl."""
    metrics = {"lr": 0.01, "train_loss": 0.1 * epoch, "test_loss": 0.7, "test_acc": 50.0 + epoch, "val_acc": None}
    return {"epoch": epoch, **metrics, "seconds": 1.5, "images_per_second": 99.5, **changes}


def opened(runs: Path, run_id: str = "plain-base-s0-aaaa", **changes: Any) -> WandbTracker:
    """A tracker with a run open."""
    history = changes.pop("history", ())
    result = WandbTracker(**{"mode": "offline", "init_timeout": 10, "finish_timeout": 5, **changes})
    result.open(run_id, f"name of {run_id}", "table1", CONFIG, runs, history)
    return result


def folders(runs: Path, run_id: str) -> list[Path]:
    """A run's offline folders."""
    return [file.parent for file in (runs / "wandb").glob(f"offline-run-*/run-{run_id}.wandb")]


def inspect(folder: Path, *options: str) -> str:
    """What W&B's reader says; `finish` returns some milliseconds before the helper process has written the file's end."""
    file = next(folder.glob("*.wandb"))
    command = [get_core_path(), "leet", "inspect", "--no-observability", "--json", "--run-file", file]
    for _ in range(100):
        run = json.loads(subprocess.run([*command, "--summary", folder], capture_output=True, check=True).stdout)
        if run["exit_code"] is not None:
            break
        time.sleep(0.02)
    return subprocess.run([*command, *options, folder], capture_output=True, check=True, text=True).stdout


def summary(runs: Path, run_id: str = "plain-base-s0-aaaa") -> dict[str, Any]:
    """State, config and summary of a run's only folder."""
    (folder,) = folders(runs, run_id)
    content: dict[str, Any] = json.loads(inspect(folder, "--summary"))
    return content


def history(runs: Path, run_id: str = "plain-base-s0-aaaa") -> list[dict[str, Any]]:
    """The rows of a run's only folder."""
    (folder,) = folders(runs, run_id)
    records = [json.loads(line) for line in inspect(folder).splitlines()]
    items = [record["history"]["item"] for record in records if record["type"] == "history"]
    return [{key: value for key, value in item.items() if not key.startswith("_")} for item in items]


def said(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    """What the tracker logged; W&B's own log goes to W&B's own files."""
    return [record.getMessage() for record in caplog.records if record.name == tracker.__name__ and record.levelno >= level]


@pytest.fixture
def fresh_client() -> Iterator[None]:
    """W&B's client reads the environment once; a test that changes it needs a new one."""
    wandb.teardown()
    yield
    wandb.teardown()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting is what is tested: make it short."""
    monkeypatch.setattr(wandb_process, "GRACE", 0.5)


def test_a_run_is_tracked_whole(tmp_path: Path) -> None:
    """Config, rows over their epoch, pictures and summary come back as they were given, by the documented reader."""
    tracker: Tracker = opened(tmp_path, images_every=2)
    for epoch in (1, 2, 3):
        tracker.log(row(epoch, test_loss=float("nan")))
        tracker.image("resizer", lambda: np.full((4, 5, 3), 200, np.uint8), epoch)
    tracker.close(SUMMARY, failed=False)

    folder = tmp_path / str(tracker.status["path"])
    assert tracker.status["mode"] == "offline"
    assert folder.parent == tmp_path / "wandb"
    inspect(folder)  # waits for its end
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--summary", "--json", str(folder)]
    run = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    assert (run["state"], run["exit_code"], run["project"]) == ("finished", 0, "ablation")
    assert (run["run_id"], run["name"]) == ("plain-base-s0-aaaa", "name of plain-base-s0-aaaa")
    assert run["config"] == CONFIG
    assert {key: run["summary"].get(key) for key in SUMMARY} == SUMMARY
    rows = history(tmp_path)
    assert ["resizer.path" in line for line in rows] == [True, True, False]  # a picture lies in its epoch's row
    rows = [{key: value for key, value in line.items() if not key.startswith("resizer")} for line in rows]
    want = [row(epoch, test_loss="NaN") for epoch in (1, 2, 3)]
    assert rows == [{key: value for key, value in line.items() if value is not None} for line in want]
    assert len(list((folder / "files" / "media").rglob("*.png"))) == 2  # epochs 1 and 2


def test_curves_are_drawn_over_the_epoch(tmp_path: Path) -> None:
    opened(tmp_path).close({}, failed=False)
    (folder,) = folders(tmp_path, "plain-base-s0-aaaa")
    records = [json.loads(line) for line in inspect(folder).splitlines()]
    metrics = [record["metric"] for record in records if record["type"] == "metric"]
    assert [(metric["glob_name"], metric["step_metric"]) for metric in metrics] == [("*", "epoch")]


def test_a_failed_run_is_failed_though_others_follow(tmp_path: Path) -> None:
    """Closed as failed, or never closed at all: the next run of the process neither hides it nor goes on in it."""
    opened(tmp_path, "closed").close({"outcome": "failed"}, failed=True)
    opened(tmp_path, "forgotten").log(row(1))
    after = opened(tmp_path, "after")
    after.log(row(1, test_acc=77.0))
    after.close({}, failed=False)
    states = {run_id: summary(tmp_path, run_id)["state"] for run_id in ("closed", "forgotten", "after")}
    assert states == {"closed": "failed", "forgotten": "failed", "after": "finished"}
    assert [line["test_acc"] for line in history(tmp_path, "forgotten")] == [51.0]
    assert [line["test_acc"] for line in history(tmp_path, "after")] == [77.0]


def test_a_resumed_run_has_one_folder_with_its_whole_history(tmp_path: Path) -> None:
    other = opened(tmp_path, "x-plain-base-s0-aaaa")  # ends like the other's id
    other.close({}, failed=False)
    first = opened(tmp_path)
    for epoch in (1, 2, 3):
        first.log(row(epoch))
    first.close({"outcome": "preempted"}, failed=True)
    again = opened(tmp_path, history=[row(1), row(2)])  # epoch 3 was after the last checkpoint
    for epoch in (3, 4):
        again.log(row(epoch))
    again.close({"outcome": "done"}, failed=False)
    assert [line["epoch"] for line in history(tmp_path)] == [1, 2, 3, 4]
    assert summary(tmp_path)["summary"]["outcome"] == "done"
    assert (tmp_path / str(again.status["path"])).is_dir()
    assert (tmp_path / str(other.status["path"])).is_dir()


def test_training_goes_on_when_wandb_dies(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """SIGKILL of the helper process: one warning, the epoch is kept, and the next run is tracked again."""
    tracker = opened(tmp_path)
    tracker.log(row(1))
    helper = wandb_process.helpers()[-1]
    os.kill(helper, signal.SIGKILL)
    time.sleep(0.1)
    for epoch in (2, 3, 4):
        tracker.log(row(epoch))
        tracker.image("resizer", lambda: np.zeros((2, 2, 3), np.uint8), epoch)
    tracker.close(SUMMARY, failed=False)
    assert tracker.status["mode"] == "lost at epoch 2"
    warnings = said(caplog, logging.WARNING)
    assert len(warnings) == 1
    assert "lost at epoch 2" in warnings[0]

    after = opened(tmp_path, "after")
    after.close(SUMMARY, failed=False)
    assert (after.status["mode"], summary(tmp_path, "after")["state"]) == ("offline", "finished")


@pytest.mark.faults
def test_a_wandb_that_hangs_is_left_behind(tmp_path: Path, impatient: None) -> None:
    """A helper process that answers nothing (stopped): `close` comes back, the next run gets a fresh one."""
    tracker = opened(tmp_path, finish_timeout=0.5)
    tracker.log(row(1))
    helper = wandb_process.helpers()[-1]
    os.kill(helper, signal.SIGSTOP)
    tracker.close(SUMMARY, failed=False)
    assert tracker.status["mode"] == "lost at epoch 1"
    after = opened(tmp_path, "after")
    after.close(SUMMARY, failed=False)
    assert summary(tmp_path, "after")["state"] == "finished"
    assert helper not in wandb_process.helpers()  # killed


def test_an_unreachable_server_means_offline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, fresh_client: None
) -> None:
    """Port 9 refuses: within its limit the run is opened offline, said once with the command that uploads it."""
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("WANDB_API_KEY", "c0ffee" * 7)
    tracker = opened(tmp_path, mode="online", init_timeout=1)
    tracker.log(row(1))
    tracker.close(SUMMARY, failed=False)
    assert tracker.status["mode"] == "offline"
    assert summary(tmp_path)["state"] == "finished"
    warnings = said(caplog, logging.WARNING)
    assert len(warnings) == 1
    assert f"wandb sync {tmp_path}" in warnings[0]


def test_a_runs_folder_that_cannot_be_written_costs_the_tracker_alone(tmp_path: Path) -> None:
    blocked = tmp_path / "runs"
    blocked.write_text("a file where the folder should be")
    tracker = opened(blocked)
    tracker.log(row(1))
    tracker.close(SUMMARY, failed=False)
    assert tracker.status == {"mode": "lost at epoch 0", "path": None}


def test_a_picture_that_fails_costs_the_tracker_alone(tmp_path: Path) -> None:
    def fail() -> np.ndarray:
        raise RuntimeError("constructed")

    tracker = opened(tmp_path)
    tracker.log(row(1))
    tracker.image("resizer", fail, 1)
    assert tracker.status["mode"] == "lost at epoch 1"
    tracker.close(SUMMARY, failed=False)


@pytest.mark.parametrize(("every", "due"), [(0, []), (1, [1, 2, 3, 4]), (2, [1, 2, 4]), (3, [1, 3])])
def test_pictures_are_made_only_when_due(tmp_path: Path, every: int, due: list[int]) -> None:
    made: list[int] = []

    def picture(epoch: int) -> Callable[[], np.ndarray]:
        def pixels() -> np.ndarray:
            made.append(epoch)
            return np.zeros((2, 2, 3), np.uint8)

        return pixels

    tracker = opened(tmp_path, images_every=every)
    for epoch in (1, 2, 3, 4):
        tracker.log(row(epoch))
        tracker.image("resizer", picture(epoch), epoch)
    tracker.close({}, failed=False)
    assert made == due


def test_a_disabled_tracker_leaves_no_trace(tmp_path: Path) -> None:
    tracker: Tracker = WandbTracker(mode="disabled")
    tracker.open("a", "a", "a", CONFIG, tmp_path / "runs", [row(1)])
    tracker.log(row(2))
    tracker.image("resizer", lambda: pytest.fail("asked for a picture"), 1)
    tracker.close(SUMMARY, failed=True)
    assert tracker.status == {"mode": "disabled", "path": None}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("silent", [False, True])
def test_the_mode_is_said_once_a_process(
    silent: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Or not at all, with WANDB_SILENT."""
    monkeypatch.setenv("WANDB_SILENT", str(silent).lower())
    monkeypatch.setattr(wandb_settings, "_said", set())
    caplog.set_level(logging.INFO)
    for run_id in ("a", "b"):
        opened(tmp_path, run_id).close({}, failed=False)
    assert said(caplog, logging.INFO) == ([] if silent else ["W&B: offline (tracker.mode=offline)"])


def test_the_key_is_in_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_client: None) -> None:
    canary = "canary" * 7
    monkeypatch.setenv("WANDB_API_KEY", canary)
    tracker = opened(tmp_path)
    tracker.log(row(1))
    tracker.close(SUMMARY, failed=False)
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert len(files) > 2
    assert [file for file in files if canary.encode() in file.read_bytes()] == []


def test_wandb_is_imported_when_a_run_is_opened_not_before() -> None:
    code = "import sys, ablation.records.tracker; sys.exit('wandb' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
