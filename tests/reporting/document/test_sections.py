"""The grids and the lines under them, as text: numbers computed by hand, words where there is no number."""

from __future__ import annotations

import math

import pytest
from scipy import stats

from ablation.reporting.document.document import Table
from ablation.reporting.document.entries import Section
from ablation.reporting.read.logits import CorrectReader
from tests.reporting.constructed_records import SIX, TABLE1, Runs, config, outcome
from tests.reporting.studies import NO_STUDY, argued, by_images, fill, percent, record

BASE, PLAIN, CBAM = ("none", "base"), ("plain", "base"), ("cbam", "base")


def texts(section: Section) -> list[list[str]]:
    return [[entry.text for entry in row] for row in section.rows]


def header(section: Section) -> list[str]:
    return [column.name for column in section.columns]


def section(table: Table, key: str) -> Section:
    (found,) = (section for section in table.sections if section.key == key)
    return found


def rows(table: Table, key: str) -> dict[str, list[str]]:
    """A grid's rows as text, by their first entry."""
    return {row[0]: row[1:] for row in texts(section(table, key))}


def effects(table: Table) -> dict[str, list[str]]:
    return {f"{row[0]} {row[1]}": row[2:] for row in texts(section(table, "factorial"))}


def line(table: Table, key: str, begins: str) -> str:
    (found,) = (line for line in section(table, key).lines if line.startswith(begins))
    return found


def keys(table: Table) -> list[str]:
    return [section.key for section in table.sections]


@pytest.mark.parametrize(
    ("fates", "text"),
    [
        ([94.0, 95.0, 96.0], "95.00 ± 2.48 (n=3)"),  # t = 4.3027, sd = 1, over the root of 3
        ([99.0, 99.5, 100.0], "99.50 [98.26, 100.00] (n=3)"),  # 1.24 to either side would be 100.74
        ([0.0, 0.5, 1.0], "0.50 [0.00, 1.74] (n=3)"),
        ([94.0, 95.0], "94.50 (n=2; 94.00, 95.00)"),
        ([94.0], "94.00 (n=1)"),
        ([95.0, 95.0, 95.0], "95.00 (n=3)"),
        ([95.0, 95.0, 95.0 + 1e-9], "95.00 (n=3)"),
        ([94.0, 95.0, "failed", "running"], "94.50 (n=2 of 4; 1 failed, 1 killed; 94.00, 95.00)"),
        ([94.0, "diverged", None, None], "94.00 (n=1 of 4; 1 diverged, 2 missing)"),
        (["failed", "failed"], "failed (n=0 of 2)"),
        (["failed", None], "1 failed, 1 missing (n=0 of 2)"),
    ],
)
def test_an_accuracy(runs: Runs, fates: list[float | str | None], text: str) -> None:
    """Nothing above 100, both values of two seeds, no interval of equal seeds, n in every entry."""
    fill(runs, {BASE: fates})
    assert rows(argued(runs), "accuracy")["Baseline"][0] == text


def test_no_bound_of_a_difference_lies_beyond_100_points(runs: Runs) -> None:
    fill(runs, {BASE: [0.0, 1.0], PLAIN: [99.0, 100.0]})
    assert rows(argued(runs), "differences")["+ Resizer"][1].endswith(", +100.00]")
    assert float(argued(runs).values[1]["difference_high"]) == 100.0


def test_best_last_and_val_stand_side_by_side_with_what_the_choice_adds(runs: Runs) -> None:
    planned = [config(seed=seed) for seed in range(3)]
    runs.manifest({**TABLE1, "cells": []}, planned)
    for flat, over_last in zip(planned, (10, 20, 30), strict=True):
        runs.record(outcome(flat, best=95.0, last=percent(9_500 - over_last), val={"epoch": 5, "test_acc": 94.95}))
    found = section(argued(runs), "accuracy")
    assert header(found) == ["cell", "last", "best", "val", "best - last", "best - val"]
    assert texts(found)[0][4:] == ["+0.20", "+0.05"]
    assert header(section(argued(runs, metric="val"), "accuracy"))[1:4] == ["val", "last", "best"]
    assert header(section(argued(runs, metric="best"), "accuracy"))[1:4] == ["best", "last", "val"]


@pytest.mark.parametrize(
    ("fates", "told"),
    [
        ([94.0, 95.0, 96.0], ["93.13", "+1.87", "90.03 to 99.97: inside"]),  # 4.3027 x sqrt(1 + 1/3)
        ([95.9, 96.0, 96.1], ["93.13", "+2.87", "95.50 to 96.50: outside"]),
        ([93.11], ["93.13", "-0.02", "-"]),
        ([93.13, 93.13], ["93.13", "0.00", "-"]),
        (["failed"], ["93.13", "failed", "-"]),
        ([None], ["93.13", "missing", "-"]),
    ],
)
def test_the_reports_number_stands_beside_one_more_run_of_ours(
    runs: Runs, fates: list[float | str | None], told: list[str]
) -> None:
    fill(runs, {BASE: fates, ("bicubic", "base"): [93.0]})
    table = argued(runs)
    assert header(section(table, "accuracy"))[-3:] == ["report", "gap", "one more run"]
    assert rows(table, "accuracy")["Baseline"][-3:] == told
    assert rows(table, "accuracy")["bicubic"][-3:] == ["-", "-", "-"]


def test_a_difference(runs: Runs) -> None:
    """Of 3 and 4 seeds, by scipy's Welch; a cell without a result has a reason in one line, and no column of dashes."""
    ours, base = [94.0, 95.5, 97.0, 99.0], [93.0, 93.5, 94.0]
    fill(runs, {BASE: [*base, "failed"], PLAIN: ours, CBAM: [None, None, None, None]})
    table, expected = argued(runs), stats.ttest_ind(ours, base, equal_var=False)
    low, high = expected.confidence_interval(0.95)
    found = section(table, "differences")
    assert found.title == "Difference to Baseline (last, points)"
    assert header(found) == ["cell", "points", "95 % interval", "p", "P(better)", "answer", "detects"]
    points, bounds, p, better, answer, _ = rows(table, "differences")["+ Resizer"]
    assert (points, bounds) == ("+2.88", f"[{low:+.2f}, {high:+.2f}]")
    assert float(p) == pytest.approx(min(1, 2 * expected.pvalue), rel=0.05)  # Holm over 2, one of them not run yet
    assert float(better) == pytest.approx(1 - expected.pvalue / 2, abs=0.0006)
    assert answer == "cannot tell"
    assert rows(table, "differences")["+ Resizer_CBAM"] == ["-", "-", "-", "-", "no test", "-"]
    assert found.lines[0].startswith("test: over seeds, for this test set")
    assert found.lines[-1] == "no test of + Resizer_CBAM: a cell has no finished run"
    assert line(table, "differences", "p: ").startswith("p: two-sided, Holm over 2;")


def test_what_a_comparison_detects_is_of_its_own_test_at_its_own_level(runs: Runs) -> None:
    """sd 0.1 in both of three seeds: error 0.0816, 4 degrees of freedom; power 0.8 by the noncentral t."""
    fill(runs, {BASE: [93.0, 93.1, 93.2], PLAIN: [93.3, 93.4, 93.2]})
    detects = float(rows(argued(runs), "differences")["+ Resizer"][-1])
    shift = detects / (0.1 * math.sqrt(2 / 3))
    assert 1 - stats.nct.cdf(stats.t.ppf(0.975, 4), 4, shift) == pytest.approx(0.8, abs=0.02)
    assert not any("resolve" in line for line in section(argued(runs), "differences").lines)


def test_images_won_and_lost_and_for_what_the_test_holds(runs: Runs) -> None:
    by_images(runs, {BASE: [[6, 7], [6, 7]], PLAIN: [[0, 1, 2, 3, 4, 5, 7]] * 2, CBAM: [[0, 1], [0, 2]]}, 10)
    table = argued(runs, correct=CorrectReader(runs.folder))
    assert rows(table, "differences")["+ Resizer"][5] == "6 : 1"
    assert line(table, "differences", "test: ").startswith("test: over seeds and test images")
    values = {row["cell"]: row for row in table.differences}
    assert (values["+ Resizer"]["won"], values["+ Resizer"]["lost"]) == (6, 1)


def test_what_holds_for_less_is_said_with_its_number(runs: Runs) -> None:
    by_images(runs, {BASE: [[6, 7], [6]], PLAIN: [[0, 1, 2], [0, 1]], CBAM: [[0, 1]]}, 10)
    lines = section(argued(runs, correct=CorrectReader(runs.folder)), "differences").lines
    assert [line.split(": ")[0] for line in lines[:2]] == ["test (1)", "test (1)"]
    assert "image by image" in lines[1]


def test_against_another_cell(runs: Runs) -> None:
    fill(runs, {BASE: [93.0, 93.5, 94.0], PLAIN: [95.0, 95.2, 95.4], CBAM: [96.0, 96.1, 96.5]})
    table = argued(runs, against="+ Resizer")
    assert keys(table) == ["accuracy", "differences", "against", "factorial", "cost"]
    assert section(table, "against").title == "Difference to + Resizer (last, points)"
    assert list(rows(table, "against")) == ["Baseline", "+ Resizer_CBAM"]
    assert "Holm over 3" in line(table, "against", "p: ")


def test_without_a_baseline_there_is_no_comparison_but_what_varies_has_its_effect(runs: Runs) -> None:
    fill(runs, {BASE: [93.0], PLAIN: [95.0]}, NO_STUDY)
    table = argued(runs)
    assert keys(table) == ["accuracy", "factorial", "cost"]
    assert effects(table) == {"resizer none -> plain": ["+2.00", "no test"]}
    assert not any("no effect" in line for line in table.lines)


def test_the_spread_over_seeds_stands_with_its_own_interval(runs: Runs) -> None:
    """sd 0.5 and 0.2 of three seeds each: root of (0.25 + 0.04) / 2."""
    fill(runs, {BASE: [93.0, 93.5, 94.0], PLAIN: [95.0, 95.2, 95.4]})
    (said,) = (line for line in section(argued(runs), "accuracy").lines if "scatters" in line)
    low, high = (0.3808 * math.sqrt(4 / stats.chi2.ppf(share, 4)) for share in (0.975, 0.025))
    assert said == (f"an accuracy scatters over seeds by 0.38 points (sd of 6 runs, pooled; 95 %: {low:.2f} to {high:.2f})")


def test_a_third_factor_is_analysed_with_the_others(runs: Runs) -> None:
    """Of 3 learning rates and 2 resizers: 1, 2 and 3 points for the resizer."""
    planned = [config(resizer, optimizer__lr=rate) for rate in (0.01, 0.1, 1.0) for resizer in ("none", "plain")]
    record(runs, [(flat, 90.0 + (at + 2) // 2 * (flat["resizer"] == "plain")) for at, flat in enumerate(planned)], TABLE1)
    table = argued(runs)
    assert section(table, "differences").title == "Difference to each one's baseline (last, points)"
    assert {name: row[0] for name, row in effects(table).items()} == {
        "resizer none -> plain (base; lr 0.01, 0.1, 1)": "+2.00",
        "optimizer.lr 0.01 -> 1 (none, plain; base)": "+1.00",
        "optimizer.lr 0.01 -> 0.1 (none, plain; base)": "+0.50",
        "interaction plain x lr 1 (base)": "+2.00",
        "interaction plain x lr 0.1 (base)": "+1.00",
    }


def test_what_no_two_cells_differ_in_alone_has_no_effect_and_that_is_said(runs: Runs) -> None:
    record(runs, [(config("none", train__epochs=10), 90.0), (config("plain", train__epochs=300), 90.0)], TABLE1)
    (said,) = (line for line in argued(runs).lines if line.startswith("no effect"))
    assert said == "no effect of resizer; train.epochs: no two cells differ in it alone"


def test_what_each_factor_adds(runs: Runs) -> None:
    """Planned are the contrasts and the main effects that are none of them; the rest is marked."""
    cells = {BASE: 90.0, ("bilinear", "base"): 92.0, PLAIN: 92.5, CBAM: 92.25}
    fill(runs, {place: [mean - 0.1, mean, mean + 0.1] for place, mean in cells.items()})
    found = effects(argued(runs))
    assert {name: (row[0], row[3]) for name, row in found.items()} == {
        "interpolation none -> bilinear (base)": ("+2.00", "better"),
        "learning bilinear -> plain (base)": ("+0.50", "better"),
        "attention plain -> cbam (base)": ("-0.25", "worse"),
        "resizer none -> plain (base)": ("+2.50", "better"),
        "resizer none -> cbam (base)": ("+2.25", "better"),
    }
    assert "Holm over 5 planned effects" in line(argued(runs), "factorial", "p: ")


def test_interactions_are_exploratory(runs: Runs) -> None:
    fill(runs, {place: [90.0 + at, 90.5 + at, 90.2 + at] for at, place in enumerate(SIX[:4])})
    answers = {row["kind"]: row["planned"] for row in argued(runs).contrasts}
    assert answers == {"contrast": False, "main effect": True, "interaction": False}
    assert effects(argued(runs))["interaction plain x cutmix"][3] == "exploratory: cannot tell"


def test_without_the_bilinear_control_its_steps_are_a_line_and_no_zeros(runs: Runs) -> None:
    fill(runs, {place: [90.0 + index, 90.5 + 2 * index] for index, place in enumerate(SIX)})
    table = argued(runs)
    assert not any(name.startswith(("interpolation", "learning")) for name in effects(table))
    assert (
        line(table, "factorial", "no runs for") == "no runs for: interpolation (none -> bilinear), learning (bilinear -> plain)"
    )
    values = {row["effect"]: row for row in table.contrasts}
    assert (values["learning"]["points"], values["learning"]["missing"]) == (None, "bilinear base, bilinear cutmix")


# cost


def test_costs_are_of_done_runs_and_what_is_unknown_is_a_dash(runs: Runs) -> None:
    planned = [config(seed=seed) for seed in range(3)] + [config("plain")]
    runs.manifest(TABLE1, planned)
    runs.record(outcome(planned[0], seconds=540.0, peak_memory_bytes=2 * 2**30))
    runs.record(outcome(planned[1], seconds=660.0) | {"best": {"epoch": 9, "test_acc": 90.0}})
    runs.record(outcome(planned[2], seconds=None))
    runs.record(outcome(planned[3], "failed"))
    table = argued(runs)
    assert header(section(table, "cost")) == ["cell", "s/epoch", "img/s", "memory", "params", "MACs", "epoch"]
    assert rows(table, "cost") == {
        "Baseline": ["2", "25,000", "3.22 GB", "134,301,514", "15.47 G", "7-9"],
        "+ Resizer": ["-", "-", "-", "-", "-", "-"],
    }


def test_every_row_is_as_wide_as_its_header(runs: Runs) -> None:
    fill(runs, {BASE: [93.0, None], PLAIN: ["failed", 95.0], CBAM: [None], ("bicubic", "mixup"): [95.0, 95.1]})
    for metric in ("best", "last", "val"):
        for section in argued(runs, metric=metric, against="+ Resizer").sections:
            assert {len(row) for row in section.rows} == {len(section.columns)}


def test_one_cell_alone(runs: Runs) -> None:
    fill(runs, {BASE: [93.0]})
    assert keys(argued(runs)) == ["accuracy", "cost"]
