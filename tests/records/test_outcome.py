"""The one answer to what state a run is in and how many epochs of it are done, of folders made by hand."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
from omegaconf import DictConfig

from ablation.cost import estimate
from ablation.launch import progress
from ablation.records import outcome
from ablation.records.lock import Lock
from ablation.records.outcome import ENDED, FINISHED, FORMAT, NEW, State, epochs_done, state
from ablation.records.record import Record
from ablation.reporting.read import local_files
from ablation.reporting.read.selection import select
from ablation.sweep import planned_run
from tests.conftest import TINY

KEPT = Path(__file__).with_name("format1")  # a runs folder: one run of two epochs, as the version before format 2 wrote it

HOLD = "import pathlib, sys; from ablation.records.lock import Lock; held = Lock(pathlib.Path(sys.argv[1]))\n"
HOLD += "print(1, flush=True)\nsys.stdin.read()"


def folder(path: Path, word: str | None = None, *, checkpoint: int = 0, rows: int = 0, **record: Any) -> Path:
    """A run's folder: its record, the name of its newest checkpoint, and its rows, with half a row more."""
    (path / "checkpoints").mkdir(parents=True)
    if word:
        content = {"format": 1, "run_id": path.name, "outcome": word, "config": {"seed": 0}, **record}
        (path / "outcome.json").write_text(json.dumps(content))
    for epoch in range(1, checkpoint + 1):
        (path / "checkpoints" / f"epoch-{epoch:04d}.0123456789abcdef.pt").touch()
    (path / "epochs.jsonl").write_text("".join(f'{{"epoch": {n + 1}}}\n' for n in range(rows)) + '{"epo')
    return path


def held(path: Path) -> subprocess.Popen[str]:
    """Hold a run in another process, until its standard input ends."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], text=True, **pipes)
    assert process.stdout is not None and process.stdout.readline() == "1\n"
    return process


@pytest.mark.parametrize("word", [*ENDED, "running", None])
def test_state_and_epochs_while_held_and_when_free(tmp_path: Path, word: str | None) -> None:
    """A result stays one; any other run is `running` while it is held and then has its rows, else its checkpoint's epochs."""
    run = folder(tmp_path / "a", word, checkpoint=5, rows=9, epochs=7)
    Lock(run).release()  # the file stays behind, free
    result = word in FINISHED
    free = {"running": "killed", None: "to do"}.get(word, word)
    assert (state(run), epochs_done(run)) == (free, 7 if result else 5)
    process = held(run)
    try:
        assert (state(run), epochs_done(run)) == ((word, 7) if result else ("running", 9))
    finally:
        process.communicate("")
    assert state(run) in get_args(State)


def test_nothing_is_there(tmp_path: Path) -> None:
    for nowhere in (tmp_path / "nowhere", tmp_path):
        assert (state(nowhere), epochs_done(nowhere), outcome.read(nowhere)) == ("to do", 0, None)


def test_a_file_in_the_folders_place_is_not_taken_for_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert (state(tmp_path / "file"), epochs_done(tmp_path / "file")) == ("unreadable", 0)
    with pytest.raises(NotADirectoryError, match="file"):
        outcome.read(tmp_path / "file")


@pytest.mark.parametrize("name", ["epoch-0007.0123456789abcdef.pt.damaged", ".tmp.epoch.1", "best-0007.0123456789abcdef.pt"])
def test_no_run_goes_on_from_it(tmp_path: Path, name: str) -> None:
    run = folder(tmp_path / "a", "failed", checkpoint=5)
    (run / "checkpoints" / name).touch()
    assert epochs_done(run) == 5


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not JSON"),
        ("\xff", "not JSON"),
        ("[]", "is no record"),
        ('{"outcome": "done"}', "format None"),
        ('{"format": 77, "outcome": "done"}', "format 77"),
        ('{"format": 1, "outcome": "great", "config": {}}', "outcome 'great'"),
        ('{"format": 1, "outcome": [], "config": {}}', r"outcome \[\]"),
        ('{"format": 1, "outcome": "done"}', "config None"),
        ('{"format": 1, "outcome": "done", "config": {}, "epochs": "x"}', "epochs 'x'"),
        ('{"format": 1, "outcome": "done", "config": {}, "last": [1]}', r"last \[1\]"),
    ],
)
def test_what_is_no_record_is_named_with_the_way_out(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "outcome.json").write_text(text, encoding="latin-1")
    with pytest.raises(ValueError, match=f"{why}.*move .* away to go on"):
        outcome.read(tmp_path)
    assert (state(tmp_path), epochs_done(tmp_path)) == ("unreadable", 0)


def test_a_record_of_format_1_is_read_as_one_of_today(tmp_path: Path) -> None:
    """Its values stay, what it does not know is None, and its file is not touched."""
    (run,) = KEPT.glob("plain-*")
    content = json.loads((run / "outcome.json").read_text())
    assert content["format"] == 1
    identity = {key: value for key, value in content["config"].items() if not key.endswith("._target_")}
    assert outcome.read(run) == content | {"format": FORMAT, "config": identity} | dict.fromkeys(NEW)
    assert json.loads((run / "outcome.json").read_text()) == content
    assert outcome.upgrade(outcome.upgrade(content)) == outcome.upgrade(content)
    assert (state(run), epochs_done(run)) == ("done", 2)


def test_a_run_of_format_1_is_a_result_to_the_plan_the_table_and_the_view(
    tmp_path: Path, composed: Callable[..., DictConfig]
) -> None:
    runs = tmp_path / "runs"
    shutil.copytree(KEPT, runs)
    (folder,) = runs.glob("plain-*")
    content = json.loads((folder / "outcome.json").read_text())

    assert Record(folder, digest=content["digest"], config=content["config"], study="demo").earlier.skip()

    run = planned_run.plan(composed(*TINY, "resizer=plain", f"paths.runs={runs}"))  # as the kept run was trained
    assert run.folder == folder, "a run done in format 1 was not found"
    (item,) = estimate.command_cost([run]).items
    assert (item.state, item.done, item.left) == ("done", 2, 0)

    (row,) = local_files.local(runs, select(runs)).to_dict("records")
    assert (row["outcome"], row["best_acc"], row["epochs"], row["problem"]) == ("done", 12.5, 2, None)
    assert row["seconds"] == content["seconds"] and row["started"] is None and row["wall_seconds"] is None

    (seen,) = progress.read(progress.find(runs))
    assert (seen.state, seen.open, seen.epoch, seen.accuracy) == ("done", False, 2, 12.5)
