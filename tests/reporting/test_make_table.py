"""The command: which runs it chooses, its exit codes, and that no name does harm."""

from __future__ import annotations

import csv
import math
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ablation.reporting.document.document import Table
from ablation.reporting.formats.csv_files import comma_separated
from tests.commands import script
from tests.reporting.constructed_records import TABLE1, Runs, config, outcome
from tests.reporting.studies import argued

ROOT = Path(__file__).parents[2]
DEMO: dict[str, Any] = {"name": "demo", "title": "Digits", "note": None, "cells": [], "protocol": None}
HOSTILE = ["two\r\n| rows |", "=cmd|' /C calc'!A0", "[red]markup[/red]\x1b[31m"]  # any text: test_hostile_text.py


def shell(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The script as it is typed."""
    return script("reports/make_table.py", *arguments)


def test_help_imports_nothing_that_must_be_installed() -> None:
    done = subprocess.run([sys.executable, "-S", "reports/make_table.py", "--help"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0
    assert "--sweep last|ID|all" in done.stdout


def test_reporting_runs_without_torch_and_from_anywhere(runs: Runs, tmp_path: Path) -> None:
    runs.manifest(TABLE1, [config()])
    runs.record(outcome(config()))
    code = (
        "import sys, runpy\ntry: runpy.run_path(sys.argv.pop(1), run_name='__main__')\n"
        "finally: print('imported', {'torch', 'hydra'} & sys.modules.keys())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(ROOT / "reports" / "make_table.py")], cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"^Baseline +89\.00 +1 ", done.stdout, re.MULTILINE)
    assert done.stdout.endswith("imported set()\n")


@pytest.mark.parametrize("arguments", [["--metric", "worst"], ["--source", "stars"], ["--nonsense"], ["--sweep"]])
def test_wrong_usage_is_one_line_and_code_1(arguments: list[str]) -> None:
    done = shell(*arguments)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1


def test_an_empty_folder_says_what_was_looked_for(tmp_path: Path) -> None:
    for folder in (tmp_path / "absent", tmp_path):
        done = shell("--runs", str(folder), "--out", str(tmp_path / "out"))
        assert done.returncode == 1
        assert (
            done.stderr
            == f"nothing written: no run found, looked for {folder}/sweeps/*/manifest.json and {folder}/*/outcome.json\n"
        )
    assert not (tmp_path / "out").exists()


@pytest.fixture
def three_sweeps(runs: Runs) -> Runs:
    """Two sweeps of table1, then one of demo, and a run of no sweep."""
    runs.manifest(TABLE1, [config(), config("plain")], "20260101-000000-aaaa")
    runs.manifest(TABLE1, [config("plain"), config("cbam")], "20260102-000000-aaaa")
    runs.manifest(DEMO, [config("bilinear")], "20260103-000000-aaaa")
    for resizer in ("none", "plain", "cbam", "bilinear", "bicubic"):
        runs.record(outcome(config(resizer)))
    return runs


@pytest.mark.parametrize(
    ("arguments", "study", "planned", "said"),
    [
        ([], "demo", 1, "sweep 20260103-000000-aaaa of"),
        (["--sweep", "last"], "demo", 1, "sweep 20260103-000000-aaaa of"),
        (["--sweep", "20260101-000000-aaaa"], "table1", 2, "sweep 20260101-000000-aaaa of"),
        (["--study", "table1"], "table1", 3, "2 sweeps of"),
        (["--study", "table1", "--sweep", "last"], "table1", 2, "sweep 20260102-000000-aaaa of"),
    ],
)
def test_a_sweep_or_a_study_is_chosen(
    three_sweeps: Runs,
    make_table: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    study: str,
    planned: int,
    said: str,
) -> None:
    assert make_table(*arguments) == 0
    out = capsys.readouterr().out
    assert f"planned {planned} = done {planned}" in out
    assert said in out
    assert (three_sweeps.folder.parent / "reports" / study / "table.md").exists()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--sweep", "all"], "holds studies demo, table1: choose with --study NAME or --sweep ID"),
        (["--sweep", "20269999"], "no sweep 20269999 in"),
        (["--study", "table9"], "no sweep of study table9 in"),
    ],
)
def test_what_cannot_be_chosen_is_refused(
    three_sweeps: Runs, make_table: Callable[..., int], capsys: pytest.CaptureFixture[str], arguments: list[str], reason: str
) -> None:
    assert make_table(*arguments) == 1
    assert reason in capsys.readouterr().err
    assert not (three_sweeps.folder.parent / "reports").exists()


def test_all_of_one_study_takes_runs_of_no_sweep_too(
    runs: Runs, make_table: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    runs.manifest(TABLE1, [config(), config("plain")])
    runs.record(outcome(config()))
    runs.record(outcome(config("bicubic")))
    assert make_table("--sweep", "all") == 2
    assert "planned 3 = done 2 + missing 1" in capsys.readouterr().out


def test_without_a_manifest_every_run_is_shown_and_that_is_said(
    runs: Runs, make_table: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    runs.record(outcome(config()))
    runs.record(outcome(config("plain"), "failed"))
    (runs.folder / "replaced").mkdir()
    assert make_table() == 2
    out = capsys.readouterr().out
    assert "planned 2 = done 1 + failed 1" in out
    assert "no manifest in" in out
    assert re.search(r"^none +89\.00 +1$", out, re.MULTILINE)


def test_a_damaged_manifest_is_named(runs: Runs, make_table: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    runs.manifest(TABLE1, [config()])
    runs.record(outcome(config()))
    for name, text in {
        "b": "{",
        "c": '{"study": {"name": "x"}, "runs": [{"run_id": "../../evil", "config": {}}]}',
        "d": "[]",
    }.items():
        (runs.folder / "sweeps" / name).mkdir()
        (runs.folder / "sweeps" / name / "manifest.json").write_text(text)
    assert make_table() == 0
    out = capsys.readouterr().out
    assert out.count("unreadable, left out") == 3
    assert "sweep 20260101-000000-aaaa" in out


def bars(table: Table) -> list[int]:
    """The bars of each line of the grids in Markdown: header, rule, rows."""
    return [len(section.columns) + 1 for section in table.sections for _ in range(2 + len(section.rows))]


@pytest.mark.parametrize("text", HOSTILE)
def test_text_is_inert_in_markdown_csv_and_terminal(
    runs: Runs, make_table: Callable[..., int], capsys: pytest.CaptureFixture[str], text: str
) -> None:
    """As label, title, note, option and device: one row stays one row, nothing is live, no file lies elsewhere."""
    study = {
        "name": "table1",
        "title": text,
        "note": text,
        "cells": [{"label": text, "where": {"aug": "base"}}, {"label": "plain", "where": {"aug": "cutmix"}}],
    }
    planned = [config(), config(aug="cutmix", schedule=text)]
    runs.manifest(study, planned)
    for flat in planned:
        runs.record(outcome(flat, device=text))
    before = {file for file in runs.folder.parent.rglob("*") if file.is_file()}
    assert make_table() == 0
    folder = runs.folder.parent / "reports" / "table1"
    assert {file for file in runs.folder.parent.rglob("*") if file.is_file()} - before == set(folder.iterdir())

    markdown = (folder / "table.md").read_text()
    live = re.sub(r"\\[\\|`*\[\]~$_]", "", markdown)  # what is escaped is dead
    rows = [line for line in live.splitlines() if line.startswith("|")]
    shown = argued(runs)
    assert [row.count("|") for row in rows] == bars(shown)
    assert len([line for line in live.splitlines() if line.startswith("#")]) == len(shown.sections) + 2  # the title, the runs
    listed = [*shown.lines, *(line for section in shown.sections for line in section.lines)]
    assert len([line for line in live.splitlines() if line.startswith("- ")]) == len(listed)
    assert not re.search(r"[`<>*\[\]~$\x00-\x09\x0b-\x1f\u202e]", live)
    assert "&lt;b" not in live.replace("&amp;lt;", "")
    with (folder / "table.csv").open(newline="") as file:
        cells = list(csv.reader(file))
    assert len({len(row) for row in cells}) == 1
    assert len(cells) == 3
    assert not [cell for row in cells for cell in row if re.match(r"\s*[=+@-]", cell)]
    printed = capsys.readouterr().out
    assert not re.search(r"[\x00-\x09\x0b-\x1f\u202e]", printed)
    assert not text.startswith("[red]") or "[red]markup[/red]" in printed


@pytest.mark.parametrize("name", ["../../evil", "Ünï", "", "a/b", "x" * 50, "."])
def test_a_hostile_study_writes_into_the_reports_folder(runs: Runs, make_table: Callable[..., int], name: str) -> None:
    runs.manifest({**DEMO, "name": name}, [config()])
    runs.record(outcome(config()))
    assert make_table() == 0
    (folder,) = (runs.folder.parent / "reports").iterdir()
    assert re.fullmatch(r"study-[0-9a-f]{10}", folder.name)
    names = sorted(file.name for file in folder.iterdir())
    assert names == ["index.html", "runs.csv", "table.csv", "table.md", "table.tex"]


@pytest.mark.parametrize("width", [80, 120])
def test_the_printed_table_fits(runs: Runs, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """But for the command, which is to be copied: nothing is cut, and no line is longer than the terminal."""
    runs.manifest(TABLE1, [config("cbam", "cutmix", seed) for seed in range(3)])
    runs.record(outcome(config("cbam", "cutmix", 0), best=96.5))
    runs.record(outcome(config("cbam", "cutmix", 1), "failed"))
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.chdir(runs.folder.parent)
    done = script(str(ROOT / "reports" / "make_table.py"), "--cost", cwd=runs.folder.parent)
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= width and "…" not in done.stdout
    (cell,) = (line for line in lines if line.startswith("+ Resizer_CBAM + CutMix  ") and "89.00" in line)
    assert re.search(r"89\.00 +1 of 3 +96\.63 +-0\.13", cell)
    assert "without an accuracy: + Resizer_CBAM + CutMix (1 failed, 1 missing)" in done.stdout
    for cost in ("3.22 GB", "25,000", "134,301,514"):
        assert cost in done.stdout


def test_it_ends_on_the_files_and_the_next_command(
    runs: Runs, make_table: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    """What is open is decided by the verdict's command; what has no result by the sweep's own."""
    runs.manifest({**TABLE1, "headline": None}, [config(seed=seed) for seed in (0, 1)])
    runs.record(outcome(config()))
    folder = runs.folder.parent / "reports" / "table1"
    assert make_table() == 2
    lines = capsys.readouterr().out.splitlines()
    assert lines[-3:] == [f"page: {folder / 'index.html'}", "next, to go on with what has no result:", "  constructed"]
    runs.record(outcome(config(seed=1)))
    assert make_table() == 0
    assert capsys.readouterr().out.splitlines()[-1] == "  python reports/make_figures.py"


def test_of_two_things_that_are_open_each_has_its_command(
    runs: Runs, make_table: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    """New cells are of use while runs are missing; more seeds wait for those."""
    planned = [config(resizer, seed=seed) for resizer in ("none", "plain") for seed in (0, 1)]
    runs.manifest(TABLE1, planned)
    for flat, last in zip(planned[:3], (93.0, 93.9, 93.5), strict=True):
        runs.record(outcome(flat, last=last))
    control = ["next, to decide what learning (bilinear -> plain) adds:", "  constructed -m resizer=bilinear"]
    assert make_table() == 2
    assert capsys.readouterr().out.splitlines()[-4:] == ["next, to go on with what has no result:", "  constructed", *control]
    runs.record(outcome(planned[3], last=94.2))
    assert make_table() == 0
    *_, purpose, seeds, first, second = capsys.readouterr().out.splitlines()
    assert (purpose, [first, second]) == ("next, to decide between + Resizer and Baseline:", control)
    assert seeds == "  constructed -m 'seed=range(2,33)'"


def test_brief_is_the_page_and_one_sentence(
    runs: Runs, make_table: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    runs.manifest(TABLE1, [config(seed=seed) for seed in (0, 1)])
    for seed, last in enumerate((89.0, 90.0)):
        runs.record(outcome(config(seed=seed), last=last))
    assert make_table("--brief") == 0
    page, headline = capsys.readouterr().out.splitlines()
    assert page == f"page: {runs.folder.parent / 'reports' / 'table1' / 'index.html'}"
    assert headline.startswith("Baseline reaches 89.50 % at the last epoch (2 seeds)")


def test_a_missing_number_is_an_empty_field_and_nan_is_none() -> None:
    """And truth stays a word of JSON, an integer an integer beside them."""
    rows = [{"a": None, "b": math.nan, "c": True, "d": 3}, {"a": 1.0, "b": None, "c": None, "d": None}]
    assert comma_separated(rows) == "a,b,c,d\n,nan,true,3\n1.0,,,\n"
    assert comma_separated([]) == ""
