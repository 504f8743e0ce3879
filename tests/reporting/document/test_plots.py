"""The plots and what they are drawn from: every mark stands where its number is, and what is missing is said."""

from __future__ import annotations

import json
import re
import struct
import zlib
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import pytest
from scipy import stats

from ablation.reporting.document import cost_plot
from ablation.reporting.document import curves as curves_module
from ablation.reporting.document.cost_plot import cost, pareto
from ablation.reporting.document.curves import accuracy as curves
from ablation.reporting.document.curves import differences
from ablation.reporting.document.plot_style import FALLBACK, SERIES, cell_styles
from ablation.reporting.formats.html import figures_of
from ablation.reporting.read import provenance
from ablation.reporting.read.provenance import read
from ablation.reporting.statistics.curve_difference import difference_by_epoch
from tests.reporting.argued import Argued, argued, beside, six_cells
from tests.reporting.constructed_records import SIX, Runs, config, outcome, run_id

AUGS = ("base", "cutmix", "mixup")
NOTHING = {(resizer, aug, seed): "missing" for resizer, aug in SIX for seed in range(3)}


def shapes(svg: str) -> ElementTree.Element:
    """A drawing as XML: it is well formed."""
    return ElementTree.fromstring(svg.replace("xlink:href", "href"))


def texts(svg: str) -> list[str]:
    """What is written in a drawing, from left to right and top to bottom."""
    return ["".join(element.itertext()) for element in shapes(svg).iter("text")]


@pytest.fixture
def study(tmp_path: Path) -> Argued:
    """Six cells of three seeds."""
    return argued(six_cells(tmp_path))


def test_nothing_to_draw_is_said(tmp_path: Path) -> None:
    found = argued(six_cells(tmp_path, words=NOTHING)).analysis
    for drawn in (cost(found, "seconds"), cost(found, "macs"), curves(found, {})):
        assert drawn.svg == ""
        assert drawn.caption


def test_curves_are_of_ended_runs_and_a_cross_ends_one_that_diverged(tmp_path: Path) -> None:
    """A running cell's rows are on disk, but none of its numbers is shown."""
    words = {
        ("plain", "base", 0): "diverged",
        ("cbam", "base", 0): "running",
        ("cbam", "base", 1): "missing",
        ("cbam", "base", 2): "missing",
    }
    found = argued(six_cells(tmp_path, words=words))
    drawn = curves(found.analysis, found.details.curves)
    assert "A cross ends a run that diverged." in drawn.caption
    assert "+ Resizer_CBAM" not in texts(drawn.svg)
    assert "+ Resizer" in texts(drawn.svg)
    whole = argued(six_cells(tmp_path / "whole"))
    assert "cross" not in curves(whole.analysis, whole.details.curves).caption


def test_the_mean_of_curves_stops_with_the_shortest(tmp_path: Path) -> None:
    """Beyond, it would jump to the seeds that are left. The mean is the thick line: here of two epochs, not of three."""
    folder = six_cells(tmp_path)
    beside(folder / run_id(config("none", "base", 0)), [50.0, 60.0])
    found = argued(folder)
    drawn = shapes(curves(found.analysis, found.details.curves).svg)
    style = f"stroke: var(--series-0, {FALLBACK[SERIES[0]]}); stroke-width: 2.2"
    lines = [
        path.get("d", "")
        for path in drawn.iter("path")
        if style in path.get("style", "") and "dash" not in path.get("style", "")
    ]
    assert [line.count("L") + 1 for line in lines] == [2, 3]  # the mean; its line in the legend always has three


def test_the_difference_to_the_baseline_by_hand(tmp_path: Path) -> None:
    """Seeds 92.8, 93.05, 93.3 against 94.7, 94.9, 94.4: the band's ends are Welch's by scipy, at every epoch."""
    found = argued(six_cells(tmp_path))
    drawn = differences(found.analysis, found.details.curves)
    assert drawn is not None and "Difference to Baseline, mean over seeds. Bands: 95 %" in drawn.caption
    assert "Baseline" not in texts(drawn.svg) and "+ CutMix" in texts(drawn.svg)
    ours, theirs = (
        [found.details.curves[run_id(config("none", aug, seed))] for seed in range(3)] for aug in ("cutmix", "base")
    )
    estimates = difference_by_epoch(ours, theirs)
    assert [epoch for epoch, _ in estimates] == [1, 2, 3]
    for index, (_, estimate) in enumerate(estimates):
        welch = stats.ttest_ind([each[index][1] for each in ours], [each[index][1] for each in theirs], equal_var=False)
        bounds = estimate.interval()
        assert bounds and (bounds.low, bounds.high) == pytest.approx(tuple(welch.confidence_interval()))


def test_a_difference_ends_with_the_shortest_curve_and_needs_three_seeds(tmp_path: Path) -> None:
    folder = six_cells(tmp_path, words={(*cell, 2): "diverged" for cell in SIX[1:]})
    found = argued(folder)
    assert differences(found.analysis, found.details.curves) is None  # a run that diverged is no third seed
    assert difference_by_epoch([[(1, 50.0), (2, 60.0)]], [[(2, 55.0), (3, 70.0)]])[0][1].points == 5.0
    assert [epoch for epoch, _ in difference_by_epoch([[(1, 50.0), (2, 60.0)]], [[(2, 55.0), (3, 70.0)]])] == [2]
    assert difference_by_epoch([], [[(1, 50.0)]]) == []


@pytest.mark.parametrize(
    ("points", "front"),
    [
        ([], []),
        ([(1.0, 90.0)], [0]),
        ([(1.0, 90.0), (2.0, 95.0), (3.0, 94.0)], [0, 1]),
        ([(2.0, 95.0), (1.0, 90.0), (1.0, 91.0)], [2, 0]),  # by cost; as cheap and worse is beaten
        ([(1.0, 90.0), (1.0, 90.0)], [0]),  # a tie counts once, the first
        ([(1.0, 95.0), (2.0, 90.0), (2.0, 95.0)], [0]),
    ],
)
def test_the_front_by_hand(points: list[tuple[float, float]], front: list[int]) -> None:
    assert pareto(points) == front


def test_cost_names_its_front_and_its_unit(study: Argued) -> None:
    """Seconds grow with the cell in the constructed records, so a cell is on the front if all before it are worse."""
    drawn = cost(study.analysis, "seconds")
    assert drawn.caption.endswith("Baseline; + CutMix; + Resizer; + Resizer + CutMix; + Resizer_CBAM + CutMix.")
    said = texts(drawn.svg)
    assert "seconds an epoch" in said
    assert {"2", "5", "10", "20", "50"} <= set(said)  # from 2 to 64 s: a logarithmic axis, its ticks plain numbers
    assert not any("$" in text for text in said)
    assert "GMACs an image" in texts(cost(study.analysis, "macs").svg)


def test_equal_drawings_are_equal_bytes(study: Argued, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a user's own matplotlib settings are."""
    import matplotlib

    first = curves(study.analysis, study.details.curves).svg
    monkeypatch.setitem(matplotlib.rcParams, "lines.linewidth", 7.0)
    monkeypatch.setitem(matplotlib.rcParams, "svg.fonttype", "path")
    assert curves(study.analysis, study.details.curves).svg == first


def test_cells_differ_in_more_than_colour() -> None:
    """Up to 32 cells: of two that share mark and dash none shares the colour too, and of six none shares mark and dash."""
    six = cell_styles([[resizer for resizer, _ in SIX], [aug for _, aug in SIX]])
    assert all((first.mark, first.filled) != (second.mark, second.filled) for first, second in combinations(six, 2))
    many = cell_styles([[str(place) for place in range(32)]])
    assert len({(style.colour, str(style.dash)) for style in many}) == 32


def test_a_label_is_drawn_as_it_is(tmp_path: Path) -> None:
    """Dollars are no mathematics, markup is no markup, and what has no room ends in an ellipsis."""
    runs = Runs(tmp_path / "runs")
    names = ["$x^2$ <b>&amp;", "y" * 200]
    cells = [{"label": label, "where": {"aug": aug}} for label, aug in zip(("base", *names), AUGS, strict=True)]
    study = {"name": "s", "baseline": {"resizer": "none", "aug": "base"}, "cells": cells}
    planned = [config("none", aug) for aug in AUGS]
    runs.manifest(study, planned)
    for flat in planned:
        runs.record(outcome(flat, best=90.0 + len(flat["aug"])))
    said = texts(cost(argued(runs.folder).analysis, "seconds").svg)
    assert names[0] in said
    assert any(re.fullmatch("y{20,50}\u2026", text) for text in said)


# what they are drawn from


def test_a_damaged_file_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    folder = six_cells(tmp_path)
    first, second, third = (run_id(config("none", "base", seed)) for seed in range(3))
    (folder / first / "epochs.jsonl").write_text('{"epoch": 1, "test_acc": 50.0}\n{"epoch": 2, "te')
    (folder / second / "provenance.json").write_text("[[[" * 2000)
    (folder / third / "epochs.jsonl").unlink()
    found = argued(folder).details
    assert found.problems == [
        f"{first}/epochs.jsonl: JSONDecodeError",
        f"{third}/epochs.jsonl: not there",
        f"{second}/provenance.json: {found.problems[2].rpartition(' ')[2]}",
    ]
    assert len(found.curves) == 16
    assert dict(found.facts)["Versions"] == ["python 3.11.7, torch 2.14.1"]


def test_a_row_without_a_number_is_no_zero(tmp_path: Path) -> None:
    folder = six_cells(tmp_path)
    name = run_id(config("none", "base", 0))
    rows = [{"epoch": 1, "test_acc": None}, {"epoch": 2, "test_acc": float("nan")}, {"epoch": 3, "test_acc": 50.0}]
    (folder / name / "epochs.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert list(argued(folder).details.curves[name]) == [(3, 50.0)]


def test_of_many_runs_the_first_seed_of_each_cell_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = six_cells(tmp_path)
    monkeypatch.setattr(provenance, "MOST", 17)
    found = argued(folder).details
    assert sorted(found.curves) == sorted(run_id(config(resizer, aug, 0)) for resizer, aug in SIX)
    assert found.words == "There are 18 runs: of each cell only the first seed is read."
    monkeypatch.setattr(provenance, "MOST", 4)
    assert len(argued(folder).details.curves) == 4


def test_runs_that_are_only_elsewhere_have_words_and_no_problems(tmp_path: Path) -> None:
    """Read from W&B on another machine: that is no damage."""
    found = argued(six_cells(tmp_path))
    away = read(tmp_path / "elsewhere", found.cells)
    assert (away.curves, away.commands, away.problems) == ({}, [], [])
    assert away.words == "No learning curves: the runs' own folders, which hold them, are not here."
    assert dict(away.facts)["Code"] == ["commit c0ffee"]
    assert curves(found.analysis, away.curves, away.words).caption == away.words


def test_several_versions_are_counted(tmp_path: Path) -> None:
    folder = six_cells(tmp_path)
    file = folder / run_id(config("none", "base", 0)) / "provenance.json"
    file.write_text(file.read_text().replace("2.14.1", "2.99.0"))
    versions = dict(argued(folder).details.facts)["Versions"]
    assert versions == ["python 3.11.7, torch 2.14.1 (17 runs)", "python 3.11.7, torch 2.99.0 (1 run)"]


def test_the_host_is_nobodys_business(tmp_path: Path) -> None:
    """A page is shown around: the machine's kind says what matters, its name does not."""
    assert dict(argued(six_cells(tmp_path)).details.facts)["Machine"] == ["Linux, x86_64"]


def test_only_commands_that_planned_these_runs_are_shown(tmp_path: Path) -> None:
    folder = six_cells(tmp_path)
    other = folder / "sweeps" / "20250101-000000-bbbb"
    other.mkdir()
    (other / "manifest.json").write_text(
        json.dumps({"sweep_id": other.name, "command": "another", "study": {"name": "x"}, "runs": []})
    )
    assert argued(folder).details.commands == ["constructed"]


def test_more_cells_than_can_be_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some are drawn, and it is said: never a picture that looks whole."""
    found = argued(six_cells(tmp_path))
    monkeypatch.setattr(curves_module, "CELLS", 4)
    monkeypatch.setattr(cost_plot, "CELLS", 4)
    assert "The first 4 of 6 cells are drawn." in curves(found.analysis, found.details.curves).caption
    drawn = cost(found.analysis, "seconds")
    assert "4 of 6 cells are drawn, those of the front first." in drawn.caption
    assert "+ Resizer_CBAM" not in texts(drawn.svg)


# the report's figures


def png() -> bytes:
    """The smallest PNG: one grey pixel."""
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)), (b"IDAT", zlib.compress(b"\x00\x80")), (b"IEND", b"")]
    framed = [struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


def test_figures_are_carried_and_a_bad_one_is_a_line(tmp_path: Path) -> None:
    """A file outside the folder, one that is no PNG, one that is not there: none is opened or shown, each is named."""
    folder = tmp_path / "figures"
    folder.mkdir()
    (folder / "good.png").write_bytes(png())
    (folder / "fake.png").write_text("<svg onload=alert(1)>")
    (tmp_path / "secret.png").write_bytes(png())
    entries = [
        {"number": 8, "title": "t8", "caption": "c8", "file": "good.png"},
        {"number": 4, "title": "t4", "caption": "c4", "file": "good.png"},
        {"number": 5, "title": "t5", "caption": "c5", "file": "../secret.png"},
        {"number": 6, "title": "t6", "caption": "c6", "file": "fake.png"},
        {"number": 7, "title": "t7", "caption": "c7", "file": "absent.png"},
    ]
    (folder / "figures.json").write_text(json.dumps({"figures": entries}))
    found = figures_of(folder)
    assert [(picture.number, picture.title, picture.caption) for picture in found.shown] == [(4, "t4", "c4"), (8, "t8", "c8")]
    assert found.problems == [
        "figure 5: its file is not in the figures' folder",
        "figure 6: not a PNG",
        "figure 7: No such file or directory",
    ]


def test_no_figures_are_no_problem(tmp_path: Path) -> None:
    found = figures_of(tmp_path)
    assert (list(found.shown), list(found.problems)) == ([], [])


def test_a_damaged_list_of_figures_is_named(tmp_path: Path) -> None:
    (tmp_path / "figures.json").write_text("{")
    assert figures_of(tmp_path).problems == ["figures.json: JSONDecodeError"]
