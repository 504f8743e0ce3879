"""The grid of a terminal: what each entry says, which of many cells are shown, what is said of what is not there."""

from __future__ import annotations

import pytest

from ablation.reporting.document.document import Table, build
from ablation.reporting.document.entries import Section
from ablation.reporting.document.sections import FOLDED
from ablation.reporting.read.logits import CorrectReader
from tests.reporting.constructed_records import SIX, TABLE1, Runs, config
from tests.reporting.studies import NO_STUDY, analysis, argued, by_images, fill, record

BASE, PLAIN, CBAM = ("none", "base"), ("plain", "base"), ("cbam", "base")
PLAINLY = {**TABLE1, "cells": [{key: cell[key] for key in ("label", "where")} for cell in TABLE1["cells"]]}  # no report


def grid(table: Table, key: str = "cells") -> Section:
    (found,) = (section for section in table.screen if section.key == key)
    return found


def names(table: Table, key: str = "cells") -> list[str]:
    return [column.name for column in grid(table, key).columns]


def rows(table: Table, key: str = "cells") -> dict[str, dict[str, str]]:
    """A grid's entries as text, by cell and column; the line that is drawn stays out."""
    drawn = [place for place, column in enumerate(grid(table, key).columns) if column.spare == 6]
    return {
        row[0].text: {
            name: entry.text
            for place, (name, entry) in enumerate(zip(names(table, key), row, strict=True))
            if place and place not in drawn
        }
        for row in grid(table, key).rows
    }


def test_a_cell_stands_in_one_row_with_all_that_it_has(runs: Runs) -> None:
    """Each sd 0.1 of three seeds: a mean +- 4.303 x 0.0577, a difference +- 2.776 x 0.0816."""
    fill(runs, {BASE: [93.0, 93.1, 93.2], PLAIN: [95.0, 95.1, 95.2]}, drop=0.5)
    found = rows(argued(runs))
    assert found["Baseline"] == {
        "last %": "92.60 ± 0.25",
        "n": "3",
        "vs Baseline": "baseline",
        "p": "-",
        "P(better)": "-",
        "report": "93.13",
        "gap": "-0.03",
    }
    assert found["+ Resizer"] == {
        "last %": "94.60 ± 0.25",
        "n": "3",
        "vs Baseline": "+2.00 ± 0.23",
        "p": "< 0.001",
        "P(better)": "1.000",
        "report": "95.68",
        "gap": "-0.58",
    }


def test_images_won_and_lost_stand_where_they_are_known(runs: Runs) -> None:
    by_images(runs, {BASE: [[6, 7]], PLAIN: [[0, 1, 2, 3, 4, 5, 7]]}, 10, PLAINLY)
    assert rows(argued(runs, correct=CorrectReader(runs.folder)))["+ Resizer"]["won : lost"] == "6 : 1"
    assert "won : lost" not in names(argued(runs))


def test_no_column_holds_dashes_alone(runs: Runs) -> None:
    """One seed without correct images has a difference and no test: that is a line, and no column of it."""
    fill(runs, {BASE: [93.0], PLAIN: [95.0], CBAM: [94.0]}, PLAINLY)
    table = argued(runs)
    assert names(table)[:-1] == ["cell", "last %", "n", "vs Baseline"]
    assert rows(table)["+ Resizer"]["vs Baseline"] == "+2.00"
    assert "no test of + Resizer, + Resizer_CBAM: one seed shows no spread over seeds" in grid(table).lines
    fill(alone := Runs(runs.folder / "alone"), {BASE: [93.0]}, PLAINLY)
    assert names(argued(alone)) == ["cell", "last %", "n"]


def test_what_has_no_result_is_a_word_in_its_row_and_one_line(runs: Runs) -> None:
    fill(runs, {BASE: [93.0, 93.2, "failed"], PLAIN: ["diverged"] * 3, CBAM: [None, "running", None]})
    table = argued(runs)
    assert {label: (row["last %"], row["n"]) for label, row in rows(table).items()} == {
        "Baseline": ("93.10", "2 of 3"),
        "+ Resizer": ("diverged", "0 of 3"),
        "+ Resizer_CBAM": ("no accuracy", "0 of 3"),
    }
    assert [line for line in grid(table).lines if line.startswith(("without", "no test"))] == [
        "without an accuracy: Baseline (1 failed); + Resizer (diverged); + Resizer_CBAM (1 killed, 2 missing)"
    ]


def test_an_interval_at_the_end_of_the_scale_says_both_ends(runs: Runs) -> None:
    fill(runs, {BASE: [0.0, 1.0], PLAIN: [99.0, 100.0]})
    assert rows(argued(runs))["+ Resizer"]["vs Baseline"].endswith(", +100.00]")


def test_each_cell_has_its_own_baseline_where_there_are_several(runs: Runs) -> None:
    planned = [
        config(resizer, seed=seed, optimizer__lr=rate)
        for rate in (0.01, 0.1)
        for resizer in ("none", "plain")
        for seed in (0, 1)
    ]
    fates = [90 + flat["optimizer.lr"] * 10 + (flat["resizer"] == "plain") + flat["seed"] / 10 for flat in planned]
    record(runs, list(zip(planned, fates, strict=True)), {**NO_STUDY, "baseline": {"resizer": "none"}})
    table = argued(runs)
    differences = {label: row["vs baseline"][:5] for label, row in rows(table).items()}
    assert differences == {
        "lr 0.01 · none": "basel",
        "lr 0.01 · plain": "+1.00",
        "lr 0.1 · none": "basel",
        "lr 0.1 · plain": "+1.00",
    }
    assert any("to the cell of resizer none that shares all else" in line for line in grid(table).lines)


def test_the_named_cell_has_a_grid_of_its_own(runs: Runs) -> None:
    fill(runs, {BASE: [93.0, 93.1], PLAIN: [95.0, 95.1], CBAM: [94.0, 94.1]})
    found = rows(argued(runs, against="+ Resizer"), "against")
    assert {label: row["vs + Resizer"][:5] for label, row in found.items()} == {"Baseline": "-2.00", "+ Resizer_CBAM": "-1.00"}


def test_effects_are_a_line_each_and_exploratory_ones_on_demand(runs: Runs) -> None:
    fill(
        runs,
        {(resizer, aug): [90.0 + at, 90.2 + at] for at, resizer in enumerate(("none", "plain")) for aug in ("base", "cutmix")},
    )
    folded, whole = (build(analysis(runs), everything) for everything in (False, True))
    assert [row[0].text for row in grid(folded, "effects").rows] == ["resizer", "aug"]
    assert grid(folded, "effects").lines[-1] == "1 more effect, exploratory: --all"
    assert [row[0].text for row in grid(whole, "effects").rows] == ["resizer", "aug", "interaction"]
    assert rows(folded, "effects")["resizer"]["change"] == "none -> plain"


def test_labels_are_connected_with_the_levels_of_the_effects(runs: Runs) -> None:
    """Of the cells that differ from the baseline in one factor; a label that is its level says it itself."""
    fill(runs, {place: [90.0 + at, 90.2 + at] for at, place in enumerate([*SIX, ("bilinear", "base")])})
    assert (
        "labels: Baseline is none · base; + CutMix is none · cutmix; + Resizer is plain · base; + Resizer_CBAM is cbam · base"
        in (grid(argued(runs), "effects").lines)
    )
    cells = [{"label": "Bilinear", "where": {"resizer": "bilinear"}}, {"label": "Learned", "where": {"resizer": "plain"}}]
    fill(
        more := Runs(runs.folder / "b"), {PLAIN: [90.0, 90.1], ("bilinear", "base"): [91.0, 91.1]}, {**NO_STUDY, "cells": cells}
    )
    assert grid(argued(more), "effects").lines[-1] == "labels: Learned is plain"


@pytest.mark.parametrize(
    ("fates", "lines"),
    [
        ({BASE: [92.0, 92.0], PLAIN: [98.0, 98.0], CBAM: [94.0, 94.0]}, ["●             ", "┊            ●", "┊   ●         "]),
        ({BASE: [94.0], PLAIN: [94.0]}, []),
        ({BASE: [94.0], PLAIN: [None]}, []),
    ],
)
def test_accuracies_are_drawn_on_one_scale(runs: Runs, fates: dict[tuple[str, str], list[float]], lines: list[str]) -> None:
    """The lowest at the left end, the highest at the right, 14 characters; equal ones are not drawn."""
    fill(runs, fates)
    found = grid(argued(runs))
    drawn = [place for place, column in enumerate(found.columns) if column.spare == 6]
    assert [row[place].text for place in drawn for row in found.rows] == lines
    assert not drawn or found.columns[drawn[0]].name == "92.0      98.0"


# many cells


def test_of_many_cells_those_that_matter_stand_first_and_the_rest_on_demand(runs: Runs) -> None:
    """40 learning rates: the best, the next, then by rank; sections and values are whole."""
    planned = [config(seed=seed, optimizer__lr=float(rate)) for rate in range(1, 41) for seed in range(2)]
    record(runs, [(flat, 50 + flat["optimizer.lr"] + flat["seed"] / 10) for flat in planned], NO_STUDY)
    found = analysis(runs)
    folded, whole = build(found, everything=False), build(found)
    assert list(rows(folded))[:3] == ["lr 40", "lr 39", "lr 38"]
    assert len(grid(folded).rows) == len(grid(folded, "cost").rows) == FOLDED
    assert grid(folded).lines[-1] == "28 more cells: --all"
    assert len(grid(whole).rows) == len(folded.sections[0].rows) == len(folded.values) == 40


def test_a_decided_cell_stands_before_a_better_one_that_is_not(runs: Runs) -> None:
    cells = {("none", f"a{number:02d}"): [90.0, 94.0, 92.0 + number / 100] for number in range(14)}
    cells |= {("none", "base"): [91.0, 91.1, 91.2], ("worse", "base"): [80.0, 80.1, 80.2]}
    fill(runs, cells, {**NO_STUDY, "baseline": {"resizer": "none", "aug": "base"}})
    shown = list(rows(build(analysis(runs), everything=False)))
    assert len(shown) == FOLDED and shown[2:4] == ["none · base", "worse · base"]
