"""`--publish`: the table and its figures in a W&B run of their own, by the real client, and never among the runs themselves."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import wandb

from ablation.records import wandb_process
from ablation.reporting.document.csv_rows import numbers
from ablation.reporting.formats.wandb_report import publish
from ablation.reporting.read import local_files, wandb_online
from ablation.reporting.read.selection import select
from tests.reporting.constructed_records import TABLE1, Runs, config
from tests.reporting.tracked import ended, two_runs
from tests.wandb_server import Server

Table = Callable[..., int]
Printed = pytest.CaptureFixture[str]
ROWS = [
    {"cell": "Baseline", "planned": 1, "done": 1, "best_acc": 93.5, "report": 93.13, "p_exact": None},
    {"cell": "+ CutMix", "planned": 2, "done": 0, "best_acc": "1 failed, 1 missing", "report": 94.84, "p_exact": True},
    {"cell": "a, b", "planned": 1, "done": 1, "best_acc": 1e-07, "report": None, "gap": math.nan, "config": {"seed": 3}},
]
NUMBERS = {
    "Baseline/planned": 1,
    "Baseline/done": 1,
    "Baseline/best_acc": 93.5,
    "Baseline/report": 93.13,
    "+ CutMix/planned": 2,
    "+ CutMix/done": 0,
    "+ CutMix/report": 94.84,
    "a, b/planned": 1,
    "a, b/done": 1,
    "a, b/best_acc": 1e-07,
}


def picture(value: int) -> bytes:
    """A PNG of one grey pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes([0, value]))) + chunk(b"IEND", b"")
    )


@pytest.fixture
def report(tmp_path: Path) -> Path:
    """A reports folder as the scripts leave it."""
    folder = tmp_path / "reports" / "table1"
    folder.mkdir(parents=True)
    (folder / "table.md").write_text("# <Table> 1\n\n| a | b |\n")
    (folder / "figures").mkdir()
    (folder / "figures" / "figure8.png").write_bytes(picture(8))
    (folder / "figures" / "accuracy.png").write_bytes(picture(9))
    return folder


def uploaded(server: Server, page: str, ending: str) -> list[bytes]:
    """The media of a page that end so."""
    return [content for name, content in server.runs[page].files.items() if name.startswith("media/") and name.endswith(ending)]


def shown(server: Server, page: str) -> dict[str, Any]:
    """The page's own numbers."""
    return {key: value for key, value in server.runs[page].summary.items() if key in NUMBERS}


def test_everything_goes_into_one_run(report: Path, runs: Runs, server: Server) -> None:
    """Page, pictures, numbers; W&B shows it as a summary in the study's group, finished."""
    said = publish(report, NUMBERS, runs.folder, "tester/ablation")
    assert said == f"published: 10 numbers and 3 media at {server.url}/tester/ablation/runs/table1-summary"
    page = server.runs["table1-summary"]
    assert (page.attributes["jobType"], page.attributes["group"], page.state) == ("summary", "table1", "finished")
    assert shown(server, "table1-summary") == NUMBERS
    assert uploaded(server, "table1-summary", ".html") == [b"<pre># &lt;Table&gt; 1\n\n| a | b |\n</pre>"]
    assert sorted(uploaded(server, "table1-summary", ".png")) == sorted([picture(8), picture(9)])
    (row,) = page.history()
    assert {"table", "figures/figure8", "figures/accuracy"} <= set(row)


def test_a_written_page_is_shown_as_it_is(report: Path, runs: Runs, server: Server) -> None:
    (report / "index.html").write_text("<!doctype html><p>the page</p>")
    publish(report, NUMBERS, runs.folder, "ablation")
    assert uploaded(server, "table1-summary", ".html") == [b"<!doctype html><p>the page</p>"]


def test_published_again_it_goes_on_in_the_same_run(report: Path, runs: Runs, server: Server) -> None:
    """The newest numbers stand in the summary, and every state in the history."""
    publish(report, NUMBERS, runs.folder, "ablation")
    publish(report, NUMBERS | {"Baseline/best_acc": 94.5}, runs.folder, "ablation")
    assert list(server.runs) == ["table1-summary"]
    assert server.runs["table1-summary"].summary["Baseline/best_acc"] == 94.5
    assert len(server.runs["table1-summary"].lines) == 2


@pytest.mark.faults
def test_a_summary_that_was_deleted_is_shown_under_the_next_id(report: Path, runs: Runs, server: Server) -> None:
    """W&B refuses the old one for ever, and its client asks for eight seconds."""
    publish(report, NUMBERS, runs.folder, "ablation")
    server.delete("table1-summary")
    assert publish(report, NUMBERS, runs.folder, "ablation").endswith("/runs/table1-summary-2")


def test_it_is_no_run_of_the_table(runs: Runs, make_table: Table, server: Server, capsys: Printed) -> None:
    """By the command: the line, and the same table afterwards from every source, of the sweep and of all runs."""
    two_runs(runs, server)
    assert make_table("--publish") == 0
    assert "published: " in capsys.readouterr().out
    page = server.runs["table1-summary"]
    assert page.summary["Baseline/best_acc"] == 90.0 and page.summary["+ Resizer/best_acc"] == 95.0
    (runs.folder / "sweeps").rename(runs.folder.parent / "away")
    selection = select(runs.folder)
    assert selection.others
    frame, lines = wandb_online.online(runs.folder, selection, "ablation")
    assert (len(frame), lines) == (2, [])


def test_without_a_key_it_stays_here(report: Path, runs: Runs, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """In W&B's own files, which are no run of the table either; published again it replaces them."""
    monkeypatch.delenv("WANDB_API_KEY")
    for _ in range(2):
        said = publish(report, NUMBERS, runs.folder, "ablation")
        wandb.teardown()
    (folder,) = (runs.folder / "wandb").glob("offline-run-*-table1-summary*")
    assert said == f"published offline: 10 numbers and 3 media in {folder} (upload: wandb sync {folder})"
    assert len(list(folder.rglob("*.png"))) == 2
    runs.record(ended(config()))
    assert list(local_files.offline(runs.folder, select(runs.folder))["run_id"]) == []
    assert server.runs == {}


@pytest.mark.faults
@pytest.mark.parametrize(("kind", "requests"), [("refuse", ()), ("hang", ("file_stream", "PUT"))])
def test_a_server_in_trouble_costs_a_line(
    kind: str, requests: tuple[str, ...], report: Path, runs: Runs, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not reached: offline. Lost on the way: what is here can go up later. Both within the tracker's limits."""
    for name, value in {"init_timeout": 1.0, "finish_timeout": 1.0}.items():
        monkeypatch.setattr(f"ablation.reporting.formats.wandb_report.{name.upper()}", value)
    monkeypatch.setattr(wandb_process, "GRACE", 1.0)
    server.fail(kind, *requests)
    said = publish(report, NUMBERS, runs.folder, "ablation")
    assert said.count("\n") == 0
    (folder,) = (runs.folder / "wandb").glob(f"{'offline-' * (kind == 'refuse')}run-*-table1-summary*")
    if kind == "refuse":
        assert said == f"published offline: 10 numbers and 3 media in {folder} (upload: wandb sync {folder})"
    else:
        assert said.startswith("not published: W&B: ")
        assert said.endswith(f"; what is in {folder} goes up with wandb sync --include-online {folder}")


def test_what_cannot_be_published_costs_no_table(runs: Runs, make_table: Table, server: Server, capsys: Printed) -> None:
    """No project known, W&B disabled: the table is written all the same."""
    runs.manifest(TABLE1, [config()])
    runs.record(ended(config()))
    server.runs.clear()
    assert make_table("--publish", "--source", "local") == 0
    printed = capsys.readouterr().out
    assert "not published: W&B: which project? " in printed
    assert (runs.folder.parent / "reports" / "table1" / "table.csv").exists()


def test_disabled_is_said(report: Path, runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert publish(report, NUMBERS, runs.folder, "ablation").startswith("not published: W&B is disabled")
    assert list(runs.folder.iterdir()) == []


def test_numbers_are_the_tables_own_and_words_stay_out() -> None:
    """Nothing is read back from a text: a yes or no, a word, what is missing and the configuration are no numbers."""
    assert numbers(ROWS) == NUMBERS
    assert {type(value) for key, value in numbers(ROWS).items() if key.endswith("planned")} == {int}
