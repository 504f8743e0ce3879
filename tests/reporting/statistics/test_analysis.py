"""What is compared with what, and what the runs say of it: computed by hand from constructed records."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ablation.reporting.document.csv_rows import cell_values, difference_values, effect_values
from ablation.reporting.read.logits import CorrectReader
from ablation.reporting.statistics.analysis import Analysis, Comparison, analyse, family
from ablation.reporting.statistics.contrasts import NoEffect
from ablation.reporting.statistics.estimate import Reason, Scope
from ablation.reporting.statistics.same_images import Mismatch
from ablation.reporting.statistics.sameness import Answer
from tests.reporting.constructed_records import SIX, TABLE1, Runs, config, outcome, run_id
from tests.reporting.studies import IMAGES, NO_STUDY, analysis, argued, by_images, correct, fill, frame, logits, percent, record

BASE, PLAIN, CBAM = ("none", "base"), ("plain", "base"), ("cbam", "base")


def by_label(comparisons: list[Comparison]) -> dict[str, Comparison]:
    return {comparison.row.cell.label: comparison for comparison in comparisons}


def baselines(found: Analysis) -> dict[str, str]:
    return {comparison.row.cell.label: comparison.other.cell.label for comparison in found.comparisons}


def only(found: Analysis) -> Comparison:
    (comparison,) = found.comparisons
    return comparison


# cells


def test_a_cell_has_the_numbers_of_its_done_runs_alone(runs: Runs) -> None:
    """Six seeds were planned; of the failed, the killed and the missing one nothing is read."""
    fill(runs, {BASE: [94.0, "failed", 95.0, "running", 96.0, None]}, drop=0.5)
    (row,) = analysis(runs).rows
    assert row.cell.accuracies("best") == {0: 94.0, 2: 95.0, 4: 96.0}
    found = row.samples["best"]
    assert (found.n, found.mean, found.sd) == (3, 95.0, 1.0)
    bounds = row.means["best"].interval()
    assert bounds is not None
    half = stats.t.ppf(0.975, 2) / math.sqrt(3)
    assert (bounds.low, bounds.high) == pytest.approx((95 - half, 95 + half))
    assert row.samples["last"].mean == 94.5
    assert row.samples["val"].n == 0


def test_what_choosing_the_epoch_on_the_test_set_adds(runs: Runs) -> None:
    planned = [config(seed=seed) for seed in range(3)]
    runs.manifest(TABLE1, planned)
    for flat, over_last, over_val in zip(planned, (10, 20, 30), (0, 5, 10), strict=True):
        val = {"epoch": 5, "test_acc": percent(9_500 - over_val)}
        runs.record(outcome(flat, best=95.0, last=percent(9_500 - over_last), val=val))
    (row,) = analysis(runs).rows
    assert row.optimism == pytest.approx({"last": 0.2, "val": 0.05})


@pytest.mark.parametrize("metric", ["best", "last"])
def test_the_report_is_beside_one_more_run_at_the_best_epoch_whichever_is_compared(runs: Runs, metric: str) -> None:
    """A mean of 95 with sd 1: one more run lies within 4.30 x sqrt(1 + 1/3) of it."""
    fill(runs, {BASE: [94.0, 95.0, 96.0]}, drop=3.0)
    found = analysis(runs, metric=metric).rows[0].report
    assert found is not None and found.interval is not None
    assert found.gap == pytest.approx(95.0 - 93.13)
    assert found.interval.low == pytest.approx(95 - stats.t.ppf(0.975, 2) * math.sqrt(4 / 3))
    assert found.inside


def test_two_records_of_one_seed_are_both_shown_and_neither_counts(runs: Runs) -> None:
    """A foreign record of the same configuration used to replace the run silently: 99 % in place of 93."""
    fill(runs, {BASE: [93.0, 93.5], PLAIN: [95.0, 95.5]})
    runs.record(outcome(config(), best=99.0, last=99.0) | {"run_id": f"none-base-vgg16-s0-{0:010d}"})
    from ablation.reporting.document.document import build
    from ablation.reporting.read import local_files
    from ablation.reporting.read.selection import select

    selection = select(runs.folder, "all")
    found = analyse(local_files.local(runs.folder, selection), selection.study, np.random.default_rng(0))
    assert found.rows[0].cell.accuracies("last") == {1: 93.5}
    table = build(found)
    assert [row["last_acc"] for row in table.runs if row["cell"] == "Baseline" and row["seed"] == 0] in ([93, 99], [99, 93])
    (line,) = (line for line in table.lines if "stands in 2 records" in line)
    assert line.startswith("seed 0 of Baseline stands in 2 records, none of them counted: ")


def test_a_foreign_record_does_not_end_the_table(runs: Runs) -> None:
    """Found beside planned runs: one without a seed, one without a resizer, one of 120 %."""
    fill(runs, {BASE: [93.0, 94.0], PLAIN: [95.0, 96.0]})
    for place, lacking in enumerate(("seed", "resizer")):
        flat = {key: value for key, value in config().items() if key != lacking}
        runs.record(outcome(config()) | {"config": flat, "run_id": f"none-base-vgg16-s0-{place:010d}"})
    runs.record(outcome(config(), best=120.0) | {"run_id": f"none-base-vgg16-s0-{3:010d}"})
    from ablation.reporting.read import local_files
    from ablation.reporting.read.selection import select

    selection = select(runs.folder, "all")
    rows = local_files.local(runs.folder, selection)
    found = analyse(rows, selection.study, np.random.default_rng(0))
    assert by_label(found.comparisons)["+ Resizer"].estimate.points == 2
    assert [problem for problem in rows["problem"] if problem] == ["ValueError: best accuracy 120.0: must be 0 to 100 percent"]


def test_cells_are_named_by_what_differs(runs: Runs) -> None:
    planned = [config(resizer, optimizer__lr=rate) for rate in (0.1, 0.01) for resizer in ("plain", "cbam")]
    record(runs, [(flat, 90.0) for flat in planned], NO_STUDY)
    assert [row.cell.label for row in analysis(runs).rows] == [
        "lr 0.01 · cbam",
        "lr 0.01 · plain",
        "lr 0.1 · cbam",
        "lr 0.1 · plain",
    ]


# comparisons


def test_seeds_need_not_be_the_same_and_none_is_left_out(runs: Runs) -> None:
    """Of 3 and 2 seeds: Welch's t test of the two samples, as scipy has it."""
    fill(runs, {BASE: [94.0, 95.0, 96.0, "failed"], PLAIN: [None, None, None, 97.0, 99.0]})
    found = only(analysis(runs)).estimate
    expected = stats.ttest_ind([97.0, 99.0], [94.0, 95.0, 96.0], equal_var=False)
    assert (found.points, found.scope) == (3.0, Scope.SEEDS)
    assert found.p == pytest.approx(expected.pvalue)


def test_the_last_epoch_is_compared_by_default(runs: Runs) -> None:
    """At the best epoch the baseline is ahead by luck of the choice; both are kept, and that they disagree."""
    planned = [config(resizer, seed=seed) for resizer in ("none", "plain") for seed in range(3)]
    runs.manifest(TABLE1, planned)
    for flat in planned:
        plain = flat["resizer"] == "plain"
        runs.record(outcome(flat, best=95.0 - plain + flat["seed"] / 10, last=93.0 + plain + flat["seed"] / 10))
    found = only(analysis(runs))
    assert found.estimate.points == pytest.approx(1.0)
    assert (found.best, found.last, found.turned) == (pytest.approx(-1.0), pytest.approx(1.0), True)


def test_images_count_where_the_correct_ones_are_known(runs: Runs) -> None:
    """60 images, ten seeds: +2.6 images in the mean, in every seed. Over seeds alone p is tiny; the images were luck."""
    base = [list(range(30 - seed % 2)) for seed in range(10)]
    more = [[*range(3, 30), *range(40, 46)][: 32 + seed % 3] for seed in range(10)]
    by_images(runs, {BASE: base, PLAIN: more}, 60)
    alone, both = only(analysis(runs)), only(analysis(runs, correct=CorrectReader(runs.folder)))
    assert alone.estimate.p is not None and alone.estimate.p < 0.001
    assert alone.estimate.scope is Scope.SEEDS
    assert both.estimate.scope is Scope.SEEDS_AND_IMAGES
    assert both.estimate.p is not None and both.estimate.p > 0.05
    assert both.decision.answer is Answer.CANNOT_TELL
    assert both.won_lost == (7, 3)


def test_correct_images_of_some_seeds_do_for_the_images(runs: Runs) -> None:
    """Old records kept none: the seeds' spread is of all seeds, the images' of those that have them."""
    rights = {place: [[*range(20 + seed)] for seed in range(3)] for place in (BASE, PLAIN)}
    by_images(runs, rights, 40)
    for place in (BASE, PLAIN):
        (runs.folder / run_id(config(*place, 2)) / "correct.bits").unlink()
    found = only(analysis(runs, correct=CorrectReader(runs.folder)))
    assert found.row.samples["last"].counted == 2 and found.row.samples["last"].n == 3
    assert found.estimate.scope is Scope.SEEDS_AND_IMAGES


def test_old_records_are_compared_by_their_logits(runs: Runs) -> None:
    planned = [config(), config("plain")]
    runs.manifest(TABLE1, planned)
    for flat, right in zip(planned, ([6, 7], [0, 1, 2, 3, 4, 5, 7]), strict=True):
        runs.record(outcome(flat, best=percent(10 - len(right), 10), last=percent(len(right), 10), test_images=10))
        logits(runs, flat, right)
    found = only(analysis(runs, correct=CorrectReader(runs.folder)))
    assert found.won_lost == (6, 1)
    assert found.estimate.p == pytest.approx(0.125)  # 2 x (1 + 7) / 2 ** 7
    assert found.estimate.scope is Scope.IMAGES


def test_correct_images_of_another_accuracy_are_left_out_and_named(runs: Runs) -> None:
    by_images(runs, {BASE: [[0, 1], [0, 1, 2]], PLAIN: [[0, 1, 3], [0, 1]]}, 10)
    correct(runs, config("plain", seed=0), {"last": range(9)}, 10)
    found = analysis(runs, correct=CorrectReader(runs.folder))
    assert found.rows[1].unfit == (run_id(config("plain", seed=0)),)
    assert found.rows[1].samples["last"].counted == 1
    assert any(run_id(config("plain", seed=0)) in line for line in argued(runs, correct=CorrectReader(runs.folder)).lines)


def test_holm_goes_over_all_planned_comparisons_each_once(runs: Runs) -> None:
    """The baseline against the Resizer is the Resizer against the baseline: five pairs of four cells, not six."""
    draw = np.random.default_rng(3)
    cells = {BASE: 93.0, PLAIN: 94.0, CBAM: 93.1, ("bicubic", "base"): 93.5}
    fill(runs, {place: list(mean + draw.normal(0, 0.3, 4)) for place, mean in cells.items()})
    alone = analysis(runs)
    assert family(alone.comparisons) == 3
    smallest = min(alone.comparisons, key=lambda each: each.estimate.p or 1.0)
    assert smallest.p == pytest.approx(3 * (smallest.estimate.p or math.nan))
    found = analysis(runs, against="+ Resizer")
    assert family([*found.comparisons, *found.against]) == 5
    one, other = by_label(found.comparisons)["+ Resizer"], by_label(found.against)["Baseline"]
    assert (one.p, one.estimate.p) == (pytest.approx(other.p), pytest.approx(other.estimate.p))
    assert family([*(again := analysis(runs, against="Baseline")).comparisons, *again.against]) == 3


def test_the_permutation_check_stands_beside(runs: Runs) -> None:
    """3 against 3, all of one above all of the other: 2 of 20 ways."""
    fill(runs, {BASE: [93.0, 93.1, 93.2], PLAIN: [95.0, 95.1, 95.2]})
    assert only(analysis(runs)).check == pytest.approx(0.1)


@pytest.mark.parametrize("asked", ["+ Resizer", "resizer=plain", "aug=base,resizer=plain"])
def test_a_cell_is_asked_for_by_label_or_by_options(runs: Runs, asked: str) -> None:
    fill(runs, {BASE: [93.0], PLAIN: [95.0]})
    assert [comparison.other.cell.label for comparison in analysis(runs, against=asked).against] == ["+ Resizer"]


@pytest.mark.parametrize(("asked", "said"), [("nobody", "no cell"), ("aug=base", "2 cells"), ("resizer=cbam", "no cell")])
def test_what_names_no_cell_or_several_is_refused(runs: Runs, asked: str, said: str) -> None:
    fill(runs, {BASE: [93.0], PLAIN: [95.0]})
    with pytest.raises(LookupError, match=f"^--against {asked}: {said}; choose one label of: Baseline; \\+ Resizer$"):
        analysis(runs, against=asked)


def test_each_learning_rate_has_its_own_baseline(runs: Runs) -> None:
    """The resizer's own keys, which the baseline lacks, are no difference to it."""
    planned = [config(resizer, optimizer__lr=rate) for rate in (0.01, 0.1) for resizer in ("none", "plain", "cbam")]
    record(runs, [(flat, 90.0 + place) for place, flat in enumerate(planned)], TABLE1)
    found = analysis(runs)
    assert baselines(found) == {
        "+ Resizer · lr 0.01": "Baseline · lr 0.01",
        "+ Resizer · lr 0.1": "Baseline · lr 0.1",
        "+ Resizer_CBAM · lr 0.01": "Baseline · lr 0.01",
        "+ Resizer_CBAM · lr 0.1": "Baseline · lr 0.1",
    }
    assert [c.estimate.points for c in found.comparisons] == [1, 1, 2, 2]
    main = {effect.contrast.of: effect.estimate.points for effect in found.effects if effect.contrast.kind == "main effect"}
    assert main == {
        "0.01 -> 0.1 (none, plain, cbam; base)": 3,
        "none -> cbam (base; lr 0.01, 0.1)": 2,
        "none -> plain (base; lr 0.01, 0.1)": 1,
    }
    assert next(iter(main)).startswith("0.01")  # the largest first
    assert found.no_effect == []


def test_a_baseline_may_be_a_value_instead_of_an_option(runs: Runs) -> None:
    planned = [config(resizer, optimizer__lr=rate) for rate in (0.01, 0.1) for resizer in ("none", "plain")]
    record(runs, [(flat, 90.0) for flat in planned], {**NO_STUDY, "baseline": {"optimizer.lr": 0.01}})
    assert baselines(analysis(runs)) == {"lr 0.1 · none": "lr 0.01 · none", "lr 0.1 · plain": "lr 0.01 · plain"}


@pytest.mark.parametrize("baseline", [None, {}, {"resizer": "bicubic"}])
def test_without_a_baseline_nothing_is_compared_with_it(runs: Runs, baseline: dict[str, str] | None) -> None:
    fill(runs, {BASE: [93.0, 93.0], PLAIN: [95.0, 95.5]}, {**NO_STUDY, "baseline": baseline})
    found = analysis(runs)
    assert (found.comparisons, found.against) == ([], [])
    (effect,) = found.effects
    assert (effect.contrast.name, effect.estimate.points) == ("resizer", 2.25)
    (group,) = found.groups
    assert group.next is not None and group.next.estimate.points == 2.25


def test_cells_that_differ_in_more_than_the_factors_have_no_baseline(runs: Runs) -> None:
    """Ten epochs of the one, three hundred of the other: whatever the difference is, it is not the resizer's."""
    planned = [config(seed=seed, train__epochs=10) for seed in range(6)] + [config("plain", seed=seed) for seed in range(6)]
    record(runs, [(flat, (80.0 if flat["resizer"] == "none" else 95.0) + 0.1 * flat["seed"]) for flat in planned], TABLE1)
    found = analysis(runs)
    assert not found.comparisons and all(effect.estimate.points is None for effect in found.effects)
    assert found.no_effect == [NoEffect("resizer", "not crossed"), NoEffect("train.epochs", "not crossed")]


# the same test images, or no comparison


def two_sets(runs: Runs, **changes: tuple[Any, Any]) -> Analysis:
    """Two resizers on each of two kinds of test images, three seeds."""
    sides = [{key: pair[side] for key, pair in changes.items()} for side in (0, 1)]
    planned = [config(resizer, seed=seed, **side) for side in sides for resizer in ("none", "plain") for seed in range(3)]
    record(runs, [(flat, 70.0 + 20 * (place < 6) + flat["seed"] / 10) for place, flat in enumerate(planned)], NO_STUDY)
    return analysis(runs)


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"data": ("cifar10", "cifar100")}, ["data cifar10", "data cifar100"]),
        ({"data__test_limit": (60, 360)}, ["test_limit 360", "test_limit 60"]),
        ({"data__listing": ("a" * 64, "b" * 64)}, ["folder aaaaaaaa", "folder bbbbbbbb"]),
        ({"data__content": ("a" * 64, "b" * 64)}, ["folder aaaaaaaa", "folder bbbbbbbb"]),
    ],
)
def test_no_cell_leads_over_one_of_other_test_images(runs: Runs, changes: dict[str, tuple[Any, Any]], names: list[str]) -> None:
    found = two_sets(runs, **changes)
    assert sorted(group.name for group in found.groups) == names
    for group in found.groups:
        assert group.next is not None and group.next.estimate.points == 0
    assert {effect.contrast.name for effect in found.effects} == {"resizer"}  # and no "effect" of the data
    assert {effect.tested_on for effect in found.effects} == {*names}


def test_a_baseline_on_other_images_is_no_comparison_and_why_is_typed(runs: Runs) -> None:
    fill(runs, {BASE: [93.0, 93.5], PLAIN: [95.0, 95.5]})
    for seed in range(2):
        runs.record(outcome(config("plain", seed=seed), best=95.0, last=95.0 + seed, test_images=360))
    found = only(analysis(runs))
    assert (found.estimate.points, found.estimate.reason, found.decision.answer) == (None, Reason.OTHER_IMAGES, Answer.NO_TEST)
    assert [(each.kind, each.one, each.other) for each in found.mismatches] == [(Mismatch.COUNT, 360, 10_000)]
    assert family([found]) == 0
    (line,) = (line for section in argued(runs).sections for line in section.lines if "same images" in line)
    assert line == "no test of + Resizer: not tested on the same images (number of test images 360 and 10000)"


def test_images_in_another_order_are_other_images(runs: Runs) -> None:
    by_images(runs, {BASE: [[0], [1]], PLAIN: [[2], [3]]}, 4)
    for seed in range(2):
        correct(runs, config("plain", seed=seed), {"last": [2 + seed], "best": [2 + seed]}, 4, labels=[0, 0, 0, 1])
    found = only(analysis(runs, correct=CorrectReader(runs.folder)))
    assert [each.kind for each in found.mismatches] == [Mismatch.LABELS]
    assert only(analysis(runs)).mismatches == ()  # nothing is known of them there


def test_seeds_of_one_cell_on_different_images_are_not_put_together(runs: Runs) -> None:
    fill(runs, {BASE: [93.0, 93.5, 94.0], PLAIN: [95.0, 95.5, 96.0]})
    runs.record(outcome(config("plain", seed=2), best=96.0, last=96.0, test_images=360))
    assert only(analysis(runs)).estimate.reason is Reason.OTHER_IMAGES


# who leads


def test_leaders_are_the_two_highest_means_and_rounding_makes_none(runs: Runs) -> None:
    """0.1 + 0.2 and 0.3 are equal accuracies: the table's order decides, not the last bit."""
    fill(runs, {BASE: [0.3, 0.3], PLAIN: [0.1 + 0.2, 0.3], CBAM: [0.2, 0.2]})
    (group,) = analysis(runs).groups
    assert group.winner is not None and group.next is not None
    assert (group.winner.cell.label, group.next.other.cell.label) == ("Baseline", "+ Resizer")
    assert analysis(runs, metric="val").groups[0].ranked == []


def test_a_cell_of_one_seed_is_no_winner(runs: Runs) -> None:
    fill(runs, {BASE: [93.0, 93.1], PLAIN: [94.0, 94.1], CBAM: [97.0, None]})
    (group,) = analysis(runs).groups
    assert group.winner is not None and group.single is not None
    assert (group.winner.cell.label, group.single.cell.label) == ("+ Resizer", "+ Resizer_CBAM")


def test_the_leader_is_the_highest_of_the_means_that_are_printed(runs: Runs) -> None:
    """Over all seeds A leads; over the shared ones B would by 0.49: A leads, and the difference printed is A's."""
    fill(runs, {BASE: [93.0, 93.0, None, None], PLAIN: [92.5, 92.52, 95.0, 95.0]})
    found = analysis(runs)
    (group,) = found.groups
    assert group.winner is not None and group.winner.cell.label == "+ Resizer"
    assert only(found).estimate.points == pytest.approx((92.5 + 92.52 + 95 + 95) / 4 - 93)


# the whole


@pytest.mark.parametrize(("known", "images"), [((10_000, 10_000), 10_000), ((10_000, 360), None), ((None, None), None)])
def test_images_are_known_if_they_are_the_same_everywhere(runs: Runs, known: tuple[Any, Any], images: int | None) -> None:
    planned = [config(), config("plain")]
    runs.manifest(TABLE1, planned)
    for flat, number in zip(planned, known, strict=True):
        runs.record(outcome(flat, test_images=number))
    assert analysis(runs).images == images


def test_the_spread_over_seeds_is_pooled_with_its_own_interval(runs: Runs) -> None:
    fill(runs, {BASE: [93.0, 94.0], PLAIN: [95.0, 97.0], CBAM: [95.0, None]})
    found = analysis(runs).spread
    assert found is not None
    assert (found.sd, found.runs) == (pytest.approx(math.sqrt((0.5 + 2.0) / 2)), 4)
    assert found.interval.low < found.sd < found.interval.high


def test_effects_are_those_of_the_grid(runs: Runs) -> None:
    """2 points for the Resizer, 1 for CutMix, half a point more for both."""
    cells = {(r, a): 90.0 + 2 * (r == "plain") + (a == "cutmix") + 0.5 * (r == "plain" and a == "cutmix") for r, a in SIX[:4]}
    fill(runs, {place: [value + 0.25 * seed for seed in range(3)] for place, value in cells.items()})
    found = {(effect.contrast.name, effect.contrast.of): effect.estimate for effect in analysis(runs).effects}
    assert found["resizer", "none -> plain (base, cutmix)"].points == pytest.approx(2.25)
    assert found["aug", "base -> cutmix (none, plain)"].points == pytest.approx(1.25)
    assert found["interaction", "plain x cutmix"].points == pytest.approx(0.5)
    assert found["learning", "bilinear -> plain (base, cutmix)"].reason is Reason.NO_SEED


def test_a_stated_margin_makes_sameness(runs: Runs) -> None:
    fill(runs, {BASE: [93.0, 93.1, 93.05], PLAIN: [93.02, 93.08, 93.1]})
    assert only(analysis(runs)).decision.answer is Answer.CANNOT_TELL
    assert only(analysis(runs, smallest=0.5)).decision.answer is Answer.SAME
    fill(same := Runs(runs.folder / "b"), {BASE: [93.0, 93.1, 93.05], PLAIN: [93.02, 93.08, 93.1]}, {**TABLE1, "smallest": 0.5})
    assert only(analysis(same)).decision.answer is Answer.SAME
    with pytest.raises(ValueError, match="smallest 0: must be above 0 points"):
        analysis(runs, smallest=0)


def test_the_order_of_rows_changes_nothing(runs: Runs) -> None:
    draw = np.random.default_rng(1)
    fill(runs, {place: [float(value) for value in draw.normal(95, 0.3, 15).round(2)] for place in SIX})

    def values(**options: Any) -> list[Any]:
        found = analysis(runs, against="+ CutMix", **options)
        return [cell_values(found), difference_values(found), effect_values(found)]

    first = values()
    for seed in range(2):
        assert values(shuffled=seed) == first


def test_two_thousand_runs_are_argued_in_many_cells_and_in_few(runs: Runs) -> None:
    """200 cells of ten seeds, and 2,000 cells of one: 100 and 1,000 learning rates, each with its own baseline."""
    record(runs, [(config(), 95.0)], TABLE1)
    row = frame(runs).to_dict("records")[0]
    values = np.random.default_rng(0).integers(9_400, 9_600, 2_000)
    for seeds in (10, 1):
        flat = [
            config(resizer, seed=seed, optimizer__lr=float(rate))
            for rate in range(1, 1_000 // seeds + 1)
            for resizer in ("none", "plain")
            for seed in range(seeds)
        ]
        rows = [
            row | {"run_id": run_id(one), "seed": one["seed"], "last_acc": percent(int(value)), "config": one}
            for one, value in zip(flat, values, strict=True)
        ]
        found = analyse(pd.DataFrame(rows, dtype=object), TABLE1, np.random.default_rng(0))
        assert len(found.comparisons) == 1_000 // seeds
    assert found.images == IMAGES


def test_a_record_in_another_runs_folder_is_named_and_never_counted(runs: Runs) -> None:
    fill(runs, {BASE: [93.0], PLAIN: [95.0]})
    own, foreign = (runs.folder / run_id(config(resizer)) / "outcome.json" for resizer in ("plain", "none"))
    own.write_bytes(foreign.read_bytes())
    table = argued(runs)
    assert f"it is the record of {run_id(config())}" in " ".join(table.lines)
    assert [(row["cell"], row["best_n"]) for row in table.values] == [("Baseline", 1), ("+ Resizer", 0)]
