"""The grids and the lines under them, as text: numbers computed by hand, words where there is no number."""

from __future__ import annotations

import math
import re

import pytest
from scipy import stats

from ablation.reporting.document.document import Table
from ablation.reporting.document.entries import Section
from ablation.reporting.read.logits import correct_at
from tests.reporting.constructed import SIX, TABLE1, Runs, config, outcome
from tests.reporting.studies import NO_STUDY, argued, fill, logits, percent

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
        ([94.0, 94.0], "94.00 (n=2; 94.00, 94.00)"),
        ([94.0], "94.00 (n=1)"),
        ([95.0, 95.0, 95.0], "95.00 (n=3; equal)"),
        ([95.0, 95.0, 95.0 + 1e-9], "95.00 (n=3; equal)"),
        ([94.0, 95.0, "failed", "running"], "94.50 (n=2 of 4; 1 failed, 1 killed; 94.00, 95.00)"),
        ([94.0, "diverged", None, None], "94.00 (n=1 of 4; 1 diverged, 2 missing)"),
        (["failed", "failed"], "failed (n=0 of 2)"),
        (["failed", None], "1 failed, 1 missing (n=0 of 2)"),
    ],
)
def test_an_accuracy(runs: Runs, fates: list[float | str | None], text: str) -> None:
    """Acceptance rows 3, 4 and 6: nothing above 100, both values of two seeds, no interval of equal seeds, n in every entry."""
    fill(runs, {BASE: fates})
    assert rows(argued(runs), "accuracy")["Baseline"][0] == text


def test_best_last_and_val_stand_side_by_side_with_what_the_choice_adds(runs: Runs) -> None:
    planned = [config(seed=seed) for seed in range(3)]
    runs.manifest({**TABLE1, "cells": []}, planned)
    for flat, over_last in zip(planned, (10, 20, 30), strict=True):
        runs.record(outcome(flat, best=95.0, last=percent(9_500 - over_last), val={"epoch": 5, "test_acc": 94.95}))
    found = section(argued(runs), "accuracy")
    assert header(found) == ["cell", "best", "last", "val", "best - last", "best - val"]
    half = 4.302652729911275 * 0.1 / math.sqrt(3)
    assert texts(found)[0][4:] == [f"+0.20 [0.00, {0.2 + half:+.2f}]", "+0.05"]
    assert header(section(argued(runs, metric="val"), "accuracy"))[1:4] == ["val", "best", "last"]
    assert header(section(argued(runs, metric="last"), "accuracy"))[1:4] == ["last", "best", "val"]


@pytest.mark.parametrize(
    ("fates", "report", "gap"),
    [
        ([94.0, 95.0, 96.0], "93.13", "+1.87 (+187 images, inside)"),
        ([95.9, 96.0, 96.1], "93.13", "+2.87 (+287 images, outside)"),
        ([93.11], "93.13", "-0.02 (-2 images)"),
        ([93.13, 93.13], "93.13", "0.00 (0 images)"),
        (["failed"], "93.13", "failed"),
        ([None], "93.13", "missing"),
    ],
)
def test_the_reports_number_stands_beside_ours(runs: Runs, fates: list[float | str | None], report: str, gap: str) -> None:
    fill(runs, {BASE: fates, ("bicubic", "base"): [93.0]})
    table = argued(runs)
    assert header(section(table, "accuracy"))[-2:] == ["report", "gap"]
    assert rows(table, "accuracy")["Baseline"][-2:] == [report, gap]
    assert rows(table, "accuracy")["bicubic"][-2:] == ["-", "-"]


def test_without_the_number_of_images_none_is_made_up(runs: Runs) -> None:
    planned = [config(), config("plain")]
    runs.manifest(TABLE1, planned)
    for flat in planned:
        runs.record(outcome(flat, best=95.0, test_images=None))
    table = argued(runs)
    assert rows(table, "accuracy")["Baseline"][-1] == "+1.87"
    assert rows(table, "differences")["+ Resizer"][:4] == ["0.00", "1 seed: no interval", "-", "1"]


def test_a_difference(runs: Runs) -> None:
    """Gains of 100, 200 and 300 images; the fourth seed has no partner; of no seed there is a word."""
    fill(runs, {BASE: [93.0, 93.5, 94.0, "failed"], PLAIN: [94.0, 95.5, 97.0, 99.0], CBAM: [None, None, None, 95.0]})
    table = argued(runs)
    found = section(table, "differences")
    assert found.title == "Difference to Baseline (best, points)"
    assert header(found) == ["cell", "points", "95 % interval", "images", "n", "p", "Holm", "won : lost", "McNemar p"]
    assert rows(table, "differences") == {
        "+ Resizer": ["+2.00", "[-0.48, +4.48]", "+200", "3", "0.25", "0.25", "no logits here", "-"],
        "+ Resizer_CBAM": ["-", "no seed in common", "-", "0", "-", "-", "no logits here", "-"],
    }
    assert line(table, "differences", "seeds that only one") == (
        "seeds that only one of the two has, left out: + Resizer (1), + Resizer_CBAM (4)"
    )


def test_seventeen_images_in_both_of_two_seeds(runs: Runs) -> None:
    """Acceptance row 3: no p below what n allows, but that the seeds are not enough, and the difference in images."""
    cells = {BASE: [percent(300, 360), percent(310, 360)], PLAIN: [percent(317, 360), percent(327, 360)]}
    planned = [(config(resizer, seed=seed), value) for (resizer, _), row in cells.items() for seed, value in enumerate(row)]
    runs.manifest(TABLE1, [flat for flat, _ in planned])
    for flat, value in planned:
        runs.record(outcome(flat, best=value, last=value, test_images=360))
    table = argued(runs)
    assert rows(table, "differences")["+ Resizer"][:6] == [
        "+4.72",
        "equal in both seeds, so no interval",
        "+17",
        "2",
        "0.5",
        "0.5",
    ]
    assert "n = 2: 0.5 (not enough seeds)" in line(table, "differences", "p: ")
    assert "+17 of 360 test images" in table.verdict
    assert "not enough seeds: n = 2 allows no p below 0.5" in table.verdict
    assert "win" not in table.verdict


@pytest.mark.parametrize(
    ("n", "cells", "said"),
    [
        (
            3,
            2,
            "two-sided, exact; smallest p possible: n = 3: 0.25 (not enough seeds); with Holm over 1, p below 0.05"
            " takes at least 6",
        ),
        (6, 3, "two-sided, exact; smallest p possible: n = 6: 0.031; with Holm over 2, p below 0.05 takes at least 7"),
        (13, 2, "two-sided, exact; smallest p possible: n = 13: < 0.001; with Holm over 1, p below 0.05 takes at least 6"),
        (
            14,
            2,
            "two-sided, Monte Carlo; smallest p possible: n = 14: < 0.001; with Holm over 1, p below 0.05 takes at least 6",
        ),
    ],
)
def test_the_smallest_p_is_printed(runs: Runs, n: int, cells: int, said: str) -> None:
    places = [BASE, PLAIN, CBAM][:cells]
    fill(runs, {place: [percent(9_300 + 10 * seed + seed * index) for seed in range(n)] for index, place in enumerate(places)})
    assert line(argued(runs), "differences", "p: ") == f"p: sign-flip test over seeds, {said} seeds"


def test_cells_of_several_n_say_the_smallest_p_of_each(runs: Runs) -> None:
    luck = [percent(9_300 + 7 * seed) for seed in range(15)]
    fill(runs, {BASE: luck, PLAIN: [value + 1 + 0.01 * seed for seed, value in enumerate(luck)], CBAM: [94.0, 95.0, None]})
    said = line(argued(runs), "differences", "p: ")
    assert (
        "two-sided, Monte Carlo from 14 seeds on; smallest p possible: n = 2: 0.5 (not enough seeds); n = 15: < 0.001" in said
    )


def test_one_seed_has_no_p_and_nothing_is_said_of_one(runs: Runs) -> None:
    fill(runs, {BASE: [93.0], PLAIN: [95.0]})
    table = argued(runs)
    assert rows(table, "differences")["+ Resizer"] == [
        *("+2.00", "1 seed: no interval", "+200", "1", "-", "-", "no logits here", "-")
    ]
    assert [line[:6] for line in section(table, "differences").lines] == ["power:"]
    assert "±" not in "".join(table.lines)


@pytest.mark.parametrize(
    ("seeds", "counts", "p"),
    [(1, "6 : 1", "0.12"), (2, "12 : 2", "0.12")],  # 2 * (1 + 7) / 2**7, the images being the same in both seeds
)
def test_images_won_and_lost(runs: Runs, seeds: int, counts: str, p: str) -> None:
    fill(runs, {BASE: [93.0, 93.1][:seeds], PLAIN: [95.0, 95.3][:seeds], CBAM: [96.0] * seeds})
    for seed in range(seeds):
        logits(runs, config(seed=seed), [6, 7])
        logits(runs, config("plain", seed=seed), [0, 1, 2, 3, 4, 5, 7])
    table = argued(runs, correct=correct_at(runs.folder, "last"))
    assert rows(table, "differences")["+ Resizer"][-2:] == [counts, p]
    assert rows(table, "differences")["+ Resizer_CBAM"][-2:] == ["no logits here", "-"]
    assert "last epoch" in line(table, "differences", "won : lost")
    assert [(row["cell"], row["won"], row["lost"], row["seeds"], row["epoch"]) for row in table.images] == [
        ("+ Resizer", 6 * seeds, seeds, seeds, "last")
    ]


def test_power_and_the_seeds_that_the_reports_differences_would_take(runs: Runs) -> None:
    """sd 0.10 by construction. 0.02 points are d = 0.2: 199 pairs, as every table of the paired t test has it."""
    fill(runs, {BASE: [93.0, 93.5, 94.0], PLAIN: [94.9, 95.5, 96.1]})
    table = argued(runs)
    power = line(table, "differences", "power: ")
    assert power.startswith("power: seeds scatter by 0.10 points here")
    said = re.search(r"n = 3 resolves (\d+\.\d\d) points with a power of 80 %", power)
    assert said is not None
    limit, shift = stats.t.ppf(0.975, 2), float(said[1]) / 0.1 * math.sqrt(3)
    assert 1 - stats.nct.cdf(limit, 2, shift) == pytest.approx(0.8, abs=0.02)
    needed = line(table, "differences", "seeds that the report")
    assert needed.endswith("; + Resizer_CBAM + CutMix over + Resizer + CutMix +0.02: 199")
    assert "+ CutMix +1.71: " in needed
    assert "+ Resizer_CBAM + CutMix +3.50: " in needed


@pytest.mark.parametrize("fates", [[95.0], [95.0, 95.5]])
def test_without_a_spread_power_is_unknown(runs: Runs, fates: list[float]) -> None:
    fill(runs, {BASE: [93.0, 93.5][: len(fates)], PLAIN: [*fates]})
    assert line(argued(runs), "differences", "power: ").startswith("power: unknown")


def test_against_another_cell(runs: Runs) -> None:
    fill(runs, {BASE: [93.0, 93.5, 94.0], PLAIN: [95.0, 95.2, 95.4], CBAM: [96.0, 96.1, 96.5]})
    table = argued(runs, against="+ Resizer")
    assert keys(table) == ["accuracy", "differences", "against", "factorial", "cost"]
    assert section(table, "against").title == "Difference to + Resizer (best, points)"
    assert list(rows(table, "against")) == ["Baseline", "+ Resizer_CBAM"]
    assert "with Holm over 3" in line(table, "against", "p: ")
    assert [line[:6] for line in section(table, "against").lines].count("power:") == 0


def test_against_alone_has_its_power_too(runs: Runs) -> None:
    fill(runs, {BASE: [93.0, 93.5, 94.0], PLAIN: [95.0, 95.2, 95.4]}, NO_STUDY)
    table = argued(runs, against="plain")
    assert keys(table) == ["accuracy", "against", "factorial", "cost"]
    assert line(table, "against", "power: ").startswith("power: seeds scatter by 0.30 points")


def test_without_a_baseline_there_is_no_comparison_but_what_varies_has_its_effect(runs: Runs) -> None:
    fill(runs, {BASE: [93.0], PLAIN: [95.0]}, NO_STUDY)
    table = argued(runs)
    assert keys(table) == ["accuracy", "factorial", "cost"]
    assert effects(table) == {"resizer none -> plain": ["+2.00", "1 seed: no interval", "+200", "1"]}
    assert not any("no effect" in line for line in table.lines)


def test_a_third_factor_is_analysed_with_the_others(runs: Runs) -> None:
    """Of 3 learning rates and 2 resizers: 1, 2 and 3 points for the resizer."""
    planned = [config(resizer, optimizer__lr=rate) for rate in (0.01, 0.1, 1.0) for resizer in ("none", "plain")]
    runs.manifest(TABLE1, planned)
    for place, flat in enumerate(planned):
        runs.record(outcome(flat, best=90.0 + (place + 2) // 2 * (flat["resizer"] == "plain")))
    table = argued(runs)
    assert section(table, "differences").title == "Difference to each one's baseline (best, points)"
    found = {name: row[0] for name, row in effects(table).items() if row[0] != "-"}
    assert found == {
        "resizer none -> plain (base; lr=0.01, lr=0.1, lr=1)": "+2.00",
        "optimizer.lr 0.01 -> 1 (none, plain; base)": "+1.00",
        "optimizer.lr 0.01 -> 0.1 (none, plain; base)": "+0.50",
        "interaction plain x lr=1 (base)": "+2.00",
        "interaction plain x lr=0.1 (base)": "+1.00",
    }


def test_what_no_two_cells_differ_in_alone_has_no_effect_and_that_is_said(runs: Runs) -> None:
    planned = [config("none", train__epochs=10), config("plain", train__epochs=300)]
    runs.manifest(TABLE1, planned)
    for flat in planned:
        runs.record(outcome(flat))
    (said,) = (line for line in argued(runs).lines if line.startswith("no effect"))
    assert said == "no effect of resizer; train.epochs: no two cells differ in it alone"


def test_what_each_factor_adds(runs: Runs) -> None:
    """Interpolation 1, 2, 3 points, learning 0.5 in all seeds, attention -0.25; each said once."""
    fill(
        runs,
        {
            BASE: [90.0, 90.0, 90.0],
            ("bilinear", "base"): [91.0, 92.0, 93.0],
            PLAIN: [91.5, 92.5, 93.5],
            CBAM: [91.25, 92.25, 93.25],
        },
    )
    assert effects(argued(runs)) == {
        "interpolation none -> bilinear (base)": ["+2.00", "[-0.48, +4.48]", "+200", "3"],
        "learning bilinear -> plain (base)": ["+0.50", "equal in all 3 seeds, so no interval", "+50", "3"],
        "attention plain -> cbam (base)": ["-0.25", "equal in all 3 seeds, so no interval", "-25", "3"],
        "resizer none -> plain (base)": ["+2.50", "[+0.02, +4.98]", "+250", "3"],
        "resizer none -> cbam (base)": ["+2.25", "[-0.23, +4.73]", "+225", "3"],
    }


def test_without_the_bilinear_control_its_steps_are_words_and_no_zeros(runs: Runs) -> None:
    fill(runs, {place: [90.0 + index, 90.5 + 2 * index] for index, place in enumerate(SIX)})
    found = effects(argued(runs))
    missing = ["-", "missing: bilinear base, bilinear cutmix", "-", "0"]
    assert found["interpolation none -> bilinear (base, cutmix)"] == missing
    assert found["learning bilinear -> plain (base, cutmix)"] == missing
    assert found["attention plain -> cbam (base, cutmix)"][0] == "+3.00"
    values = {row["effect"]: row for row in argued(runs).contrasts}
    assert (values["learning"]["points"], values["learning"]["n"]) == (None, 0)
    assert values["learning"]["words"] == "missing: bilinear base, bilinear cutmix"


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
