"""Reading W&B by its real client, from a server on loopback: the local table to the last byte, a word for what is not whole.

What the real server's own rules are, no test here knows.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ablation.records import wandb_process
from ablation.records.tracker import WandbTracker
from ablation.reporting.read import local_files, source, wandb_online
from ablation.reporting.read.frame import COLUMNS, ENDED, WORDS
from ablation.reporting.read.selection import Selection, select
from tests.commands import script
from tests.reporting.constructed_records import SIX, TABLE1, Runs, config, outcome, run_id
from tests.reporting.tracked import EPOCHS, NEVER_SILENT, ONLINE, ended, show, two_runs
from tests.wandb_server import Run, Server

ROOT = Path(__file__).parents[3]
Table = Callable[..., int]
Printed = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal that wraps no line of these."""
    monkeypatch.setenv("COLUMNS", "1000")


def texts(runs: Runs, out: str, study: str = "table1") -> dict[str, bytes]:
    """The written files."""
    folder = runs.folder.parent / out / study
    return {name: (folder / name).read_bytes() for name in ("table.md", "table.csv", "runs.csv")}


def beside(printed: str) -> list[str]:
    """What is said beside the table: the counts and all after the notes, without the paths."""
    lines = printed.splitlines()
    first = next(index for index, line in enumerate(lines) if line.startswith("planned "))
    return [
        lines[first],
        *(line for line in lines if line.startswith(("W&B: ", "none-", "plain-", "and ", "source: ", "the local"))),
    ]


# The same values


def test_the_table_from_wandb_is_the_local_one(runs: Runs, make_table: Table, server: Server, capsys: Printed) -> None:
    """Byte for byte, written and read by the real client: thirds, whole numbers, nulls; every outcome; killed and missing."""
    planned = [config(resizer, aug, seed, optimizer__lr=0.1 + 0.2) for resizer, aug in SIX for seed in (0, 1)]
    runs.manifest(TABLE1, planned, tracker=ONLINE)
    contents = [
        ended(planned[0], best=280 / 3, last=90.0, seconds=1e-7, images_per_second=123456789.125),
        ended(planned[1], best=100.0, last=0.0, peak_memory_bytes=None, mixed="device"),
        ended(planned[2], "failed", best=50.5),
        ended(planned[3], "diverged", epochs=0, seconds=0.0, images_per_second=None) | {"best": None, "last": None},
        ended(planned[4], "preempted"),
        ended(planned[5], "interrupted", epochs=0) | {"best": None, "last": None},
        ended(planned[6], val={"epoch": 2, "test_acc": 1 / 7}, code={"commit": None, "dirty": True, "source": "ab" * 8}),
    ]
    for content in contents:
        runs.record(content)
        runs.track(content, "online")
    killed = WandbTracker(mode="online")
    killed.open(run_id(planned[7]), "name", "group", planned[7], runs.folder)
    killed.log({"epoch": 1, "test_acc": 98.76, "seconds": 1.0})
    os.kill(wandb_process.helpers()[-1], signal.SIGKILL)
    runs.record(outcome(planned[7], "running"))
    time.sleep(0.1)
    wandb_process.stop()

    asked = server.requests.copy()
    assert make_table("--source", "wandb", out="wandb") == 2
    assert {key: count for key, count in (server.requests - asked).items() if key != "telemetry"} == {
        "Viewer": 1,
        "GetDefaultEntity": 1,
        "Runs": 1,
    }
    assert "source: W&B ablation, sweep " in capsys.readouterr().out
    assert make_table("--source", "local", out="local") == 2
    assert make_table(out="auto") == 2
    assert "source: W&B ablation and 8 local records, no disagreement, sweep " in capsys.readouterr().out
    assert texts(runs, "wandb") == texts(runs, "local") == texts(runs, "auto")
    counts = b"planned 12 = done 3 + diverged 1 + failed 1 + preempted 1 + interrupted 1 + killed 1 + missing 4"
    assert counts in texts(runs, "wandb")["table.md"]
    selection = select(runs.folder)
    mine, (theirs, _) = local_files.local(runs.folder, selection), wandb_online.online(runs.folder, selection, "ablation")
    assert list(theirs.columns) == list(COLUMNS)
    assert theirs.to_dict("records") == mine.to_dict("records")


def test_without_a_manifest_every_training_run_of_the_project_counts(runs: Runs, make_table: Table, server: Server) -> None:
    """Then the configuration is W&B's too, where 1.0 (optimizer.momentum) may be written as 1."""
    for content in (ended(config("plain"), best=95.0), ended(config("bicubic", optimizer__lr=1e22), "failed")):
        runs.record(content)
        runs.track(content, "online")
    foreign = {"sunny-dog-7": {}, "x" * 200: {}, "table1-summary": {"attributes": {"jobType": "summary"}}}
    for name, changes in foreign.items():
        show(server, ended(config()), page=name, **changes)
    assert make_table("--source", "wandb", "--project", "ablation", out="wandb") == 2
    assert make_table("--source", "local", out="local") == 2
    assert texts(runs, "wandb", "runs") == texts(runs, "local", "runs")


def test_wandb_fills_in_the_runs_that_have_no_record_here(
    runs: Runs, make_table: Table, server: Server, capsys: Printed
) -> None:
    """A sweep trained on two machines: its table is whole on each."""
    first, second = two_runs(runs, server)
    make_table("--source", "local", out="whole")
    (runs.folder / second / "outcome.json").unlink()
    assert make_table("--source", "local", out="part") == 2
    capsys.readouterr()
    assert make_table(out="auto") == 0
    assert "W&B ablation and 1 local record, no disagreement" in capsys.readouterr().out
    assert texts(runs, "auto") == texts(runs, "whole") != texts(runs, "part")
    for file in (runs.folder / first).iterdir():
        file.unlink()
    assert make_table(out="none") == 0
    assert texts(runs, "none") == texts(runs, "whole")


# How much is asked


def test_1500_runs_are_two_requests(runs: Runs, server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing is asked run by run, and the folder that wandb makes for each run is not left behind."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    planned = [config("plain", seed=seed) for seed in range(1500)]
    runs.manifest(TABLE1, planned)
    for flat in planned:
        show(server, ended(flat))
    frame, lines = wandb_online.online(runs.folder, select(runs.folder), "tester/ablation")
    assert (set(frame["outcome"]), len(frame), lines) == ({"done"}, 1500, [])
    assert {key: count for key, count in server.requests.items() if key != "telemetry"} == {
        "Viewer": 1,
        "GetDefaultEntity": 1,
        "Runs": 2,
    }
    assert list(scratch.rglob("*")) == []
    assert "WANDB_DIR" not in os.environ


def test_a_small_sweep_is_asked_for_by_name(runs: Runs, server: Server) -> None:
    """In a project of thousands it is one request all the same; what was deleted and begun again is found."""
    _, second = two_runs(runs, server)
    server.runs[f"{second}-2"] = server.runs.pop(second)
    for number in range(2500):
        server.runs[f"r{number}"] = Run(f"r{number}", "ablation", number, attributes={"jobType": "train"})
    frame, _ = wandb_online.online(runs.folder, select(runs.folder), "ablation")
    assert list(frame["best_acc"]) == [90.0, 95.0]
    assert server.requests["Runs"] == 1


def test_what_changed_is_read_again(runs: Runs, server: Server) -> None:
    first, _ = two_runs(runs, server)
    selection = select(runs.folder)
    assert list(wandb_online.online(runs.folder, selection, "ablation")[0]["best_acc"]) == [90.0, 95.0]
    server.runs[first].summary["best/test_acc"] = 91.0
    assert list(wandb_online.online(runs.folder, selection, "ablation")[0]["best_acc"]) == [91.0, 95.0]


# Histories: row 42


@pytest.mark.parametrize(
    ("rows", "counted", "word", "said"),
    [
        (600, 600, "done", []),
        (600, 0, "done", []),  # the count lags behind: the rows themselves decide
        (599, 599, "incomplete", ["none-base-vgg16-s0-DIGEST: 599 of 600 epochs are there: incomplete"]),
        (0, 0, "incomplete", ["none-base-vgg16-s0-DIGEST: 0 of 600 epochs are there: incomplete"]),
    ],
)
def test_a_short_history_is_incomplete(runs: Runs, server: Server, rows: int, counted: int, word: str, said: list[str]) -> None:
    """600 rows, of which W&B's `history()` would draw 500."""
    runs.manifest(TABLE1, [config()])
    attributes = {"jobType": "train", "historyLineCount": counted}
    show(server, ended(config(), epochs=600), rows=rows, attributes=attributes)
    frame, lines = wandb_online.online(runs.folder, select(runs.folder), "ablation")
    assert list(frame["outcome"]) == [word]
    assert (frame["best_acc"][0] is None) == (word != "done")
    digest = run_id(config()).rpartition("-")[2]
    assert lines == [line.replace("DIGEST", digest) for line in said]
    assert server.requests["RunSampledHistory"] == 0
    if counted == 600:
        assert {key for key in server.requests if "History" in key} == set()


# What may have become of a run there: row 43

Change = Callable[[Server, str], Any]


def crashed(server: Server, name: str) -> None:
    server.runs[name].state = "crashed"


def again(server: Server, name: str, **changes: Any) -> None:
    show(server, ended(config(), best=91.0), page=f"{name}-2", **changes)


def running(heartbeat: str) -> Change:
    """Begun again: the summary still holds the earlier start's numbers."""

    def change(server: Server, name: str) -> None:
        server.runs[name].state, server.runs[name].heartbeat = "running", heartbeat

    return change


def edited(server: Server, name: str) -> None:
    server.runs[name].summary |= {"best/test_acc": 99.5, "device": "another"}


BOTH, ALL = "source: W&B ablation and 2 local records", "planned 2 = done 2"
AGREE, ONE = f"{BOTH}, no disagreement", f"{BOTH}; the local record counts: 1 disagreement"
TWICE = "W&B: X is there 2 times: X-2 counts (the newest that ended), not X"
OLDER = "W&B: X is there 2 times: X counts (the newest that ended), not X-2"
SILENT = "W&B: X: running, but silent since 2026-01-02T00:00:00: killed"
SHORT = "W&B: X: 1 of 2 epochs are there: incomplete"
UNREADABLE = "ValueError: a record in format 3, this version reads 1 and 2"
BAD = f"W&B: X: unreadable ({UNREADABLE})"
DEVICE = 'X: device: local record "NVIDIA Constructed 1", W&B "another"'


def differs(word: str) -> str:
    return f"X: outcome: local record done, W&B {word}"


SCENARIOS: dict[str, tuple[Change, list[str], list[str]]] = {  # change, said under `auto`, said under `wandb`; X is the run
    "as it was": (lambda server, name: None, [ALL, AGREE], [ALL]),
    "deleted": (
        lambda server, name: server.delete(name),
        [ALL, differs("missing"), ONE],
        ["planned 2 = done 1 + missing 1"],
    ),
    "deleted, then shown under the next id": (
        lambda server, name: server.runs.update({f"{name}-2": server.runs.pop(name)}),
        [ALL, AGREE],
        [ALL],
    ),
    "there twice, both ended": (again, [ALL, TWICE, "X: best_acc: local record 90.0, W&B 91.0", ONE], [ALL, TWICE]),
    "there twice, the newer crashed": (
        lambda server, name: again(server, name, state="crashed"),
        [ALL, OLDER, AGREE],
        [ALL, OLDER],
    ),
    "crashed": (crashed, [ALL, differs("killed"), ONE], ["planned 2 = done 1 + killed 1"]),
    "running": (running(NEVER_SILENT), [ALL, differs("running"), ONE], ["planned 2 = done 1 + running 1"]),
    "running, but silent": (
        running("2026-01-02T00:00:00"),
        [ALL, SILENT, differs("killed"), ONE],
        ["planned 2 = done 1 + killed 1", SILENT],
    ),
    "rows lost": (
        lambda server, name: server.runs[name].lines.pop(),
        [ALL, SHORT, differs("incomplete"), ONE],
        ["planned 2 = done 1 + incomplete 1", SHORT],
    ),
    "edited by hand": (
        edited,
        [ALL, "X: best_acc: local record 90.0, W&B 99.5", DEVICE, f"{BOTH}; the local record counts: 2 disagreements"],
        [ALL],
    ),
    "made unreadable": (
        lambda server, name: server.runs[name].summary.update(format=3),
        [ALL, BAD, differs(f"missing ({UNREADABLE})"), ONE],
        ["planned 2 = done 1 + missing 1", BAD],
    ),
    "beside another sweep's runs": (
        lambda server, name: show(server, ended(config("cbam")), page="cbam-base-vgg16-s0-0123456789"),
        [ALL, AGREE],
        [ALL],
    ),
}
CHANGED = ("there twice, both ended", "edited by hand")  # the number itself


@pytest.mark.parametrize("name", SCENARIOS)
def test_whatever_became_of_a_run_there(name: str, runs: Runs, make_table: Table, server: Server, capsys: Printed) -> None:
    """Golden: the local record counts and what disagrees is said; W&B alone gives a word, no number, where it is not whole."""
    change, auto, alone = SCENARIOS[name]
    first, _ = two_runs(runs, server)
    assert make_table("--source", "local", out="local") == 0
    change(server, first)
    capsys.readouterr()

    def said() -> list[str]:
        """With the run's id short, and the sweep's name away."""
        return [line.replace(first, "X").split(", sweep ")[0] for line in beside(capsys.readouterr().out)]

    assert make_table(out="auto") == 0
    assert said() == auto
    assert texts(runs, "auto") == texts(runs, "local")
    code = make_table("--source", "wandb", out="alone")
    assert said() == [*alone, "source: W&B ablation"]
    assert code == (0 if alone[0] == ALL else 2)
    assert (b"90.00" in texts(runs, "alone")["table.md"]) == (alone[0] == ALL and name not in CHANGED)


def test_many_disagreements_are_counted(runs: Runs, make_table: Table, server: Server, capsys: Printed) -> None:
    planned = [config("plain", seed=seed) for seed in range(12)]
    runs.manifest(TABLE1, planned, tracker=ONLINE)
    for flat in planned:
        runs.record(ended(flat))
        show(server, ended(flat, best=50.0))
    assert make_table() == 0
    said = beside(capsys.readouterr().out)
    assert sum("best_acc: local record 90.0, W&B 50.0" in line for line in said) == 10
    assert "and 2 more: --check names all" in said


# Words: row 44


def test_no_number_of_an_unfinished_run_is_shown(runs: Runs, make_table: Table, server: Server) -> None:
    """Every word once; what an unfinished run's page shows (98.76 of its last row, 97.53 of an earlier start) is nowhere."""
    words = [word for word in WORDS if word != "unneeded"]  # what a sweep in rounds leaves out is on no server
    planned = dict(zip(words, (config("plain", seed=seed) for seed in range(len(words))), strict=True))
    runs.manifest(TABLE1, planned.values())
    for word in ENDED:
        show(server, ended(planned[word], word))
    old = {"best": {"epoch": 1, "test_acc": 97.53}}
    show(server, ended(planned["killed"], **old), state="crashed")
    show(server, ended(planned["incomplete"], **old), rows=EPOCHS - 1)
    show(server, ended(planned["running"], **old), state="running", heartbeat=NEVER_SILENT)
    assert make_table("--source", "wandb", "--project", "ablation") == 2
    written = texts(runs, "reports")
    assert f"planned {len(words)} = {' + '.join(f'{word} 1' for word in words)}".encode() in written["table.md"]
    for text in written.values():
        assert b"97.53" not in text and b"98.76" not in text


def test_the_time_decides_whether_a_silent_run_is_alive(runs: Runs, server: Server) -> None:
    runs.manifest(TABLE1, [config()])
    show(server, ended(config()), state="running", heartbeat="2026-01-02T00:00:00Z")
    words = {}
    for minute in (0, 9, 10, 59):
        now = datetime(2026, 1, 2, 0, minute, tzinfo=UTC)
        words[minute] = wandb_online.online(runs.folder, select(runs.folder), "ablation", now)[0]["outcome"][0]
    assert words == {0: "running", 9: "running", 10: "killed", 59: "killed"}


# Trouble


NO_ANSWER = "W&B at URL: no answer in time (WANDB_HTTP_TIMEOUT=60 waits longer): --source local needs none"
NO_PROJECT = "W&B at URL: no project ablation, or none that this account may see: --project ENTITY/NAME"
Trouble = Callable[[Server, pytest.MonkeyPatch], Any]
TROUBLE: dict[str, tuple[Trouble, str]] = {
    "no key": (lambda server, patch: patch.delenv("WANDB_API_KEY"), "W&B: no key: wandb login, or --source local"),
    "a key that is none": (lambda server, patch: patch.setenv("WANDB_API_KEY", "short"), "W&B at URL: WANDB_API_KEY invalid: "),
    "a key that is refused": (lambda server, patch: server.fail("401"), "W&B at URL: Failed to verify credentials with URL: "),
    "no such project": (lambda server, patch: server.runs.clear(), NO_PROJECT),
    "hangs": (lambda server, patch: server.fail("hang"), NO_ANSWER),
    "hangs later": (lambda server, patch: server.fail("hang", "Runs"), NO_ANSWER),
    "500": (lambda server, patch: server.fail("500", "Runs"), NO_ANSWER),
    "hangs at a history": (lambda server, patch: hang_at_a_history(server), NO_ANSWER),
}


def hang_at_a_history(server: Server) -> None:
    """The one request that wandb puts no limit to."""
    next(iter(server.runs.values())).lines.clear()
    server.fail("hang", "RunHistoryKeys")


@pytest.mark.faults
@pytest.mark.parametrize("name", TROUBLE)
def test_trouble_is_one_line_and_auto_goes_on_with_the_records(
    name: str, runs: Runs, make_table: Table, server: Server, monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    monkeypatch.setenv("WANDB_HTTP_TIMEOUT", "1")
    monkeypatch.setattr(wandb_process, "GRACE", 1.0)
    two_runs(runs, server)
    begin, line = TROUBLE[name]
    begin(server, monkeypatch)
    line = line.replace("URL", server.url)
    assert make_table("--source", "wandb") == 1
    printed = capsys.readouterr()
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert printed.err.startswith(f"nothing written: {line}")
    assert not (runs.folder.parent / "reports").exists()

    assert make_table() == 0
    said = beside(capsys.readouterr().out)
    assert said[1].startswith(f"the local records alone, since W&B tracked this sweep online but: {line}")
    assert said[2].startswith("source: local records, sweep ")


@pytest.mark.faults
@pytest.mark.parametrize("request_", ["Runs", "RunHistoryKeys"])
def test_a_server_that_hangs_does_not_hold_the_command(runs: Runs, server: Server, request_: str) -> None:
    """Its end included, and wandb adds nothing to what is said."""
    two_runs(runs, server)
    hang_at_a_history(server)
    server.fail("hang", request_)
    arguments = ["--source", "wandb", "--runs", str(runs.folder)]
    done = script("reports/make_table.py", *arguments, environment={"WANDB_HTTP_TIMEOUT": "1"})
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done.stderr
    assert server.fired[request_] > 0


def test_another_account_has_no_such_project(runs: Runs, make_table: Table, server: Server, capsys: Printed) -> None:
    two_runs(runs, server)
    assert make_table("--source", "wandb", "--project", "somebody/ablation") == 1
    assert "no project somebody/ablation" in capsys.readouterr().err
    assert make_table("--source", "wandb", "--project", "tester/ablation") == 0


# Which source, which project


@pytest.mark.parametrize(
    ("planned", "records", "expected"),
    [
        ("online", [], True),
        ("offline", ["online"], False),
        ("disabled", [], False),
        ("auto", [], False),
        ("auto", ["offline", "offline"], False),
        ("auto", ["offline", "online"], True),
        (None, ["online"], True),
        (None, ["disabled"], False),
    ],
)
def test_auto_follows_where_the_sweep_was_tracked(runs: Runs, planned: str | None, records: list[str], expected: bool) -> None:
    """As its manifest says; where the key was to decide, as the records say."""
    flats = [config(seed=seed) for seed in range(3)]
    if planned:
        runs.manifest(TABLE1, flats, tracker={"mode": planned, "project": "ablation"})
    for flat, mode in zip(flats, records, strict=False):
        runs.record(outcome(flat, tracker={"mode": mode, "path": None}))
    assert source.online(runs.folder, select(runs.folder)) == expected


@pytest.mark.parametrize(
    ("path", "expected"), [("wandb/run-20260101_000000-x", True), ("wandb/offline-run-20260101_000000-x", False)]
)
def test_a_tracker_that_was_lost_was_online_if_its_folder_says_so(runs: Runs, path: str, expected: bool) -> None:
    runs.record(outcome(config(), tracker={"mode": "lost at epoch 3", "path": path}))
    runs.record(outcome(config("plain"))).write_text("[]")
    assert source.online(runs.folder, select(runs.folder)) == expected


@pytest.mark.parametrize(
    ("tracker", "asked", "expected"),
    [
        ({"project": "ablation", "entity": None}, None, "ablation"),
        ({"project": "ablation", "entity": "lab"}, None, "lab/ablation"),
        ({"project": "ablation", "entity": "lab"}, "mine", "mine"),
        ({"project": "ablation"}, "you/yours", "you/yours"),
        ({}, "you/yours", "you/yours"),
        ({}, None, "which project? "),
        ({"mode": "disabled"}, None, "which project? "),
        ({}, "a/b/c", "--project a/b/c: must be NAME or ENTITY/NAME"),
        ({}, "/b", "--project /b: must be NAME or ENTITY/NAME"),
        ({}, "a/", "--project a/: must be NAME or ENTITY/NAME"),
    ],
)
def test_the_project_is_the_one_asked_for_or_the_sweeps_own(
    tmp_path: Path, tracker: dict[str, Any], asked: str | None, expected: str
) -> None:
    selection = Selection(TABLE1, {}, others=False, description="", tracker=tracker)
    try:
        assert source.project(tmp_path, selection, asked) == expected
    except wandb_online.Unavailable as error:
        assert str(error).startswith(f"W&B: {expected}")


def test_a_single_run_says_its_project_in_its_configuration(runs: Runs) -> None:
    """It has no manifest; what cannot be read is passed over."""
    for name, text in {
        "a-b-c-s0-0123456789": "tracker: {project: mine, entity: lab}",
        "d": ":",
        "e": "[]",
        "f": "a: b",
    }.items():
        (runs.folder / name).mkdir()
        (runs.folder / name / "config.yaml").write_text(text)
    assert source.project(runs.folder, select(runs.folder)) == "lab/mine"


def test_wandb_is_imported_only_if_it_is_asked(runs: Runs) -> None:
    runs.manifest(TABLE1, [config()], tracker={"mode": "offline", "project": "ablation"})
    runs.record(outcome(config()))
    code = "import sys; from ablation.commands.table import main; print(main(sys.argv[1:]), 'wandb' in sys.modules)"
    command = [sys.executable, "-c", code, "--runs", str(runs.folder), "--out", str(runs.folder.parent)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.endswith("0 False\n"), done.stderr
    assert json.loads((runs.folder / run_id(config()) / "outcome.json").read_text())["outcome"] == "done"
