"""Reading: the same values from both sources, in any order of the files, whatever lies between them."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ablation.records import tracker, wandb_process
from ablation.records.tracker import WandbTracker
from ablation.reporting.read import local_files
from ablation.reporting.read.frame import COLUMNS
from ablation.reporting.read.selection import Selection, select
from tests.reporting.constructed_records import SIX, TABLE1, Runs, config, outcome, run_id

NAMES = ("table.md", "table.csv", "runs.csv")


def texts(runs: Runs, out: str, study: str = "table1") -> dict[str, bytes]:
    """The written files."""
    return {name: (runs.folder.parent / out / study / name).read_bytes() for name in NAMES}


def test_both_sources_give_the_same_table(
    runs: Runs, make_table: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    """Byte for byte, through real W&B files: thirds, whole numbers, nulls; failed, diverged, preempted, killed, missing."""
    planned = [config(resizer, aug, seed, optimizer__lr=0.1 + 0.2) for resizer, aug in SIX for seed in (0, 1)]
    runs.manifest(TABLE1, planned)
    contents = [
        outcome(planned[0], best=280 / 3, last=90.0, seconds=1e-7, images_per_second=123456789.125),
        outcome(planned[1], best=100.0, last=0.0, peak_memory_bytes=None),
        outcome(planned[2], "failed", best=50.5),
        outcome(planned[3], "diverged", epochs=0, seconds=0.0, images_per_second=None) | {"best": None, "last": None},
        outcome(planned[4], "preempted"),
        outcome(planned[5], val={"epoch": 2, "test_acc": 1 / 7}, code={"commit": None, "dirty": True, "source": "ab" * 8}),
    ]
    for content in contents:
        runs.record(content)
        runs.track(content)
    killed = WandbTracker(mode="offline")
    killed.open(run_id(planned[6]), "name", "group", planned[6], runs.folder)
    killed.log({"epoch": 1, "test_acc": 98.76, "seconds": 1.0})
    os.kill(wandb_process.helpers()[-1], signal.SIGKILL)
    time.sleep(0.1)
    killed.log({"epoch": 2})
    assert killed.status["mode"] == "lost at epoch 2"
    runs.record(outcome(planned[6], "running"))

    assert make_table("--source", "local", out="local") == 2
    assert "source: local records" in capsys.readouterr().out
    assert make_table("--source", "offline", out="offline") == 2
    assert "source: W&B offline files" in capsys.readouterr().out
    assert texts(runs, "local") == texts(runs, "offline")
    assert (
        b"planned 12 = done 3 + diverged 1 + failed 1 + preempted 1 + killed 1 + missing 5" in texts(runs, "local")["table.md"]
    )
    frames = [read(runs.folder, select(runs.folder)) for read in (local_files.local, local_files.offline)]
    assert frames[0].to_dict("records") == frames[1].to_dict("records")
    assert list(frames[0].columns) == list(COLUMNS)
    row = frames[1].set_index("run_id").loc[run_id(planned[0])]
    assert (row["best_acc"], row["last_acc"], row["seconds"], row["best_epoch"]) == (280 / 3, 90.0, 1e-7, 7)
    assert row["config"]["optimizer.lr"] == 0.1 + 0.2


def test_both_sources_give_the_same_table_without_a_manifest(runs: Runs, make_table: Callable[..., int]) -> None:
    """Then the configuration comes from the source too, where 1.0 (optimizer.momentum) may be written as 1."""
    for content in (outcome(config("plain"), best=95.0), outcome(config("bicubic", optimizer__lr=1e22), "failed")):
        runs.record(content)
        runs.track(content)
    assert make_table("--source", "local", out="local") == 2
    assert make_table("--source", "offline", out="offline") == 2
    assert texts(runs, "local", "runs") == texts(runs, "offline", "runs")


def test_the_newest_offline_folder_of_a_run_counts(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the time in its name and the number of starts in that second; an id that ends like another's is another."""
    monkeypatch.setattr(tracker, "_remove_older", lambda *_, **__: None)
    flat = config()
    name = run_id(flat)
    for best in (91.0, 92.0, 93.0):
        runs.track(outcome(flat, best=best))
    other = outcome(flat, best=11.0) | {"run_id": f"x-{name}"}
    runs.track(other)
    folders = sorted(file.parent for file in (runs.folder / "wandb").glob(f"offline-run-*/run-{name}.wandb"))
    assert len(folders) == 3
    selection = Selection(TABLE1, {name: flat}, others=False, description="")
    assert list(local_files.offline(runs.folder, selection)["best_acc"]) == [93.0]
    early = runs.folder / "wandb" / f"offline-run-20200101_000000-{name}"
    max(folders, key=lambda folder: next(folder.glob("*.wandb")).stat().st_mtime_ns).rename(early)
    assert list(local_files.offline(runs.folder, selection)["best_acc"]) == [92.0]


def test_the_order_of_the_folder_is_no_matter(
    runs: Runs, make_table: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Byte-identical on rerun and under any listing: with a manifest, and without one."""
    for resizer, aug in SIX:
        for seed in (0, 1, 2):
            runs.record(outcome(config(resizer, aug, seed), best=90 + seed / 3))
    make_table(out="first")
    make_table(out="again")
    iterdir, glob = Path.iterdir, Path.glob
    monkeypatch.setattr(Path, "iterdir", lambda self: iter(sorted(iterdir(self), key=lambda path: path.name[::-1])))
    monkeypatch.setattr(Path, "glob", lambda self, pattern: reversed(list(glob(self, pattern))))
    make_table(out="shuffled")
    names = list(local_files.local(runs.folder, select(runs.folder))["run_id"])
    assert names == sorted(names)
    assert texts(runs, "first", "runs") == texts(runs, "again", "runs") == texts(runs, "shuffled", "runs")


DAMAGED = {
    "empty": "",
    "half a line": '{"format": 1, "outcome": "do',
    "no object": "[1, 2]",
    "foreign": '{"hello": "world"}',
    "another format": json.dumps(outcome(config()) | {"format": 7}),
    "unknown word": json.dumps(outcome(config()) | {"outcome": "great"}),
    "done without a number": json.dumps(outcome(config()) | {"best": None}),
    "a number that is text": json.dumps(outcome(config()) | {"best": {"epoch": 1, "test_acc": "99.9"}}),
    "not a number": json.dumps(outcome(config()) | {"last": {"epoch": 1, "test_acc": float("nan")}}),
    "a list for a place": json.dumps(outcome(config()) | {"best": [1, 2]}),
    "config of another kind": json.dumps(outcome(config()) | {"config": "plain"}),
    "binary": "\x00\xff",
}


@pytest.mark.parametrize("text", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_record_is_named_and_counted(runs: Runs, make_table: Callable[..., int], text: str) -> None:
    runs.manifest(TABLE1, [config(), config("plain")])
    runs.record(outcome(config())).write_text(text, encoding="latin-1")
    runs.record(outcome(config("plain"), best=95.0))
    assert make_table() == 2
    table = texts(runs, "reports")["table.md"].decode()
    assert "- planned 2 = done 1 + missing 1\n" in table
    assert f"- unreadable: 1 record, counted as without a result: {run_id(config())} (" in table
    assert "| Baseline | missing (n=0 of 1) |" in table
    assert "| + Resizer | 89.00 (n=1) |" in table


def test_a_damaged_offline_file_is_named_and_counted(runs: Runs, make_table: Callable[..., int]) -> None:
    runs.manifest(TABLE1, [config(), config("plain")])
    runs.track(outcome(config("plain")))
    folder = runs.folder / "wandb" / f"offline-run-20260101_000000-{run_id(config())}"
    folder.mkdir()
    (folder / f"run-{run_id(config())}.wandb").write_bytes(b"no such thing" * 10)
    assert make_table("--source", "offline") == 2
    table = texts(runs, "reports")["table.md"].decode()
    assert "- planned 2 = done 1 + killed 1\n" in table or "- planned 2 = done 1 + missing 1\n" in table
