"""What is compared with what, and what the runs say of it: computed by hand from constructed records."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from ablation.reporting.analysis import Analysis, Comparison, analyse, family
from ablation.reporting.logits import correct_at
from ablation.reporting.selection import select
from ablation.reporting.statistics.seeds import joined
from ablation.reporting.verdict import verdict
from hypothesis import given, settings
from hypothesis import strategies as st

from ablation.reporting.read.logits import correct_at
from ablation.reporting.statistics.analysis import Analysis, Comparison, analyse, family
from ablation.reporting.statistics.contrasts import Untold
from tests.reporting.constructed_records import SIX, TABLE1, Runs, config, outcome, run_id
from tests.reporting.studies import NO_STUDY, Fate, Place, analysis, argued, fill, frame, logits, percent, record

T2 = 4.302652729911275  # Student's t at 97.5 %, 2 degrees of freedom
BASE, PLAIN, CBAM = ("none", "base"), ("plain", "base"), ("cbam", "base")


def gains(*images: int) -> list[float]:
    """A cell that gains so many images, seed by seed, on a baseline of `gains(0, 0, ...)`."""
    return [percent(9_300 + 10 * seed + gain) for seed, gain in enumerate(images)]


def by_label(comparisons: list[Comparison]) -> dict[str, Comparison]:
    return {comparison.row.cell.label: comparison for comparison in comparisons}


def baselines(found: Analysis) -> dict[str, str]:
    return {comparison.row.cell.label: comparison.other.cell.label for comparison in found.comparisons}


def test_a_cell_has_the_numbers_of_its_done_runs_alone(runs: Runs) -> None:
    """Six seeds were planned; of the failed, the killed and the missing one nothing is read."""
    fill(runs, {BASE: [94.0, "failed", 95.0, "running", 96.0, None]})
    (row,) = analysis(runs).rows
    assert row.seeds["best"] == {0: 94.0, 2: 95.0, 4: 96.0}
    found = row.accuracy["best"]
    assert (found.n, found.mean, found.sd) == (3, 95.0, 1.0)
    assert found.interval is not None
    assert (found.interval.low, found.interval.high) == pytest.approx((95 - T2 / math.sqrt(3), 95 + T2 / math.sqrt(3)))
    assert row.accuracy["last"].mean == 94.5
    assert row.accuracy["val"].n == 0


def test_what_choosing_the_epoch_on_the_test_set_adds(runs: Runs) -> None:
    planned = [config(seed=seed) for seed in range(3)]
    runs.manifest(TABLE1, planned)
    for flat, over_last, over_val in zip(planned, (10, 20, 30), (0, 5, 10), strict=True):
        val = {"epoch": 5, "test_acc": percent(9_500 - over_val)}
        runs.record(outcome(flat, best=95.0, last=percent(9_500 - over_last), val=val))
    (row,) = analysis(runs).rows
    assert (row.optimism["last"].mean, row.optimism["val"].mean) == pytest.approx((0.2, 0.05))
    assert row.optimism["last"].interval is not None
    assert row.optimism["last"].interval.high == pytest.approx(0.2 + T2 * 0.1 / math.sqrt(3))


@pytest.mark.parametrize("metric", ["best", "last"])
def test_the_gap_to_the_report_is_that_of_its_protocol(runs: Runs, metric: str) -> None:
    """The report's number is of the best epoch, whichever accuracy comes first."""
    ours = 95.0
    fill(runs, {BASE: [94.0, 95.0, 96.0]})
    gap = analysis(runs, metric=metric).rows[0].gap
    assert gap is not None
    assert (gap.points, gap.images) == pytest.approx((ours - 93.13, 100 * (ours - 93.13)))
    assert gap.inside


def test_a_difference_is_paired_by_seed_and_says_whom_it_left_out(runs: Runs) -> None:
    fill(runs, {BASE: [94.0, 95.0, 96.0, "failed", 90.0], PLAIN: [94.1, 95.2, 96.3, 99.9]})
    found = by_label(analysis(runs).comparisons)["+ Resizer"].difference
    assert found.estimate.values == pytest.approx((0.1, 0.2, 0.3))
    assert found.images == pytest.approx(20)
    assert found.left_out == 2


def test_holm_goes_over_the_whole_table_against_included(runs: Runs) -> None:
    """Sign patterns counted by hand; the baseline against the Resizer is the Resizer against the baseline: one test of five."""
    cells = {
        BASE: gains(0, 0, 0, 0, 0, 0),
        PLAIN: gains(1, 2, 3, 4, 5, 6),  # the extreme pattern and its mirror: 2 of 64
        CBAM: gains(-1, 2, 3, 4, 5, 6),  # and those with the 1 turned: 4 of 64
        ("bicubic", "base"): gains(1, -1, 1, -1, 1, -1),  # sum 0
    }
    fill(runs, cells)
    alone = by_label(analysis(runs).comparisons)
    p = {label: comparison.difference.p for label, comparison in alone.items()}
    assert p == {"+ Resizer": 2 / 64, "+ Resizer_CBAM": 4 / 64, "bicubic": 1.0}
    assert [comparison.difference.holm for comparison in alone.values()] == pytest.approx([3 * 2 / 64, 2 * 4 / 64, 1])

    found = analysis(runs, against="+ Resizer")
    against = by_label(found.against)
    assert [comparison.difference.p for comparison in against.values()] == [2 / 64, 1.0, 4 / 64]
    assert list(against) == ["Baseline", "+ Resizer_CBAM", "bicubic"]
    assert family(found) == 5
    assert [c.difference.holm for c in found.comparisons] == pytest.approx([5 * 2 / 64, 4 * 4 / 64, 1])
    assert [c.difference.holm for c in found.against] == pytest.approx([5 * 2 / 64, 1, 4 * 4 / 64])


def test_to_ask_for_the_baseline_again_changes_no_p(runs: Runs) -> None:
    fill(runs, {BASE: gains(0, 0, 0, 0, 0, 0), PLAIN: gains(1, 2, 3, 4, 5, 6), CBAM: gains(2, 3, 4, 5, 6, 7)})
    found = analysis(runs, against="Baseline")
    assert family(found) == 2
    assert [c.difference.holm for c in (*found.comparisons, *found.against)] == [4 / 64] * 4


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
        "+ Resizer, lr=0.01": "Baseline, lr=0.01",
        "+ Resizer, lr=0.1": "Baseline, lr=0.1",
        "+ Resizer_CBAM, lr=0.01": "Baseline, lr=0.01",
        "+ Resizer_CBAM, lr=0.1": "Baseline, lr=0.1",
    }
    assert [c.difference.estimate.mean for c in found.comparisons] == [1, 1, 2, 2]
    main = {effect.contrast.of: effect.estimate.mean for effect in found.effects if effect.contrast.kind == "main effect"}
    assert main == {
        "0.01 -> 0.1 (none, plain, cbam; base)": 3,
        "none -> cbam (base; lr=0.01, 0.1)": 2,
        "none -> plain (base; lr=0.01, 0.1)": 1,
    }
    assert next(iter(main)).startswith("0.01")  # the largest first
    assert found.untold == []


def test_a_baseline_may_be_a_value_instead_of_an_option(runs: Runs) -> None:
    planned = [config(resizer, optimizer__lr=rate) for rate in (0.01, 0.1) for resizer in ("none", "plain")]
    record(runs, [(flat, 90.0) for flat in planned], {**NO_STUDY, "baseline": {"optimizer.lr": 0.01}})
    assert baselines(analysis(runs)) == {"none, lr=0.1": "none, lr=0.01", "plain, lr=0.1": "plain, lr=0.01"}


@pytest.mark.parametrize("baseline", [None, {}, {"resizer": "bicubic"}])
def test_without_a_baseline_nothing_is_compared_with_it(runs: Runs, baseline: dict[str, str] | None) -> None:
    fill(runs, {BASE: [93.0, 93.0], PLAIN: [95.0, 95.5]}, {**NO_STUDY, "baseline": baseline})
    found = analysis(runs)
    assert (found.comparisons, found.against, found.sd) == ([], [], None)
    (effect,) = found.effects
    assert (effect.contrast.name, effect.estimate.values) == ("resizer", (2.0, 2.5))
    assert found.leaders is not None
    assert found.leaders.difference.estimate.values == (2.0, 2.5)


def test_effects_are_those_of_the_grid(runs: Runs) -> None:
    """2 points for the Resizer, 1 for CutMix, half a point more for both; the seeds' own luck cancels."""
    cells = {(r, a): 90.0 + 2 * (r == "plain") + (a == "cutmix") + 0.5 * (r == "plain" and a == "cutmix") for r, a in SIX[:4]}
    fill(runs, {place: [value + 0.25 * seed for seed in range(3)] for place, value in cells.items()})
    found = {(effect.contrast.name, effect.contrast.of): effect for effect in analysis(runs).effects}
    assert found["resizer", "none -> plain (base, cutmix)"].estimate.mean == pytest.approx(2.25)
    assert found["resizer", "none -> plain (base, cutmix)"].images == pytest.approx(225)
    assert found["aug", "base -> cutmix (none, plain)"].estimate.mean == pytest.approx(1.25)
    assert found["interaction", "plain x cutmix"].estimate.mean == pytest.approx(0.5)
    learning = found["learning", "bilinear -> plain (base, cutmix)"]
    assert (learning.estimate.mean, learning.images) == (None, None)
    assert [each.text for each in learning.reasons] == ["missing: bilinear base, bilinear cutmix"]


def marked(runs: Runs, *rights: tuple[str, int, list[int]], labels: dict[str, list[int]] | None = None) -> Comparison:
    """The Resizer and its baseline, with logits of ten images: (resizer, seed, images that it has right)."""
    planned = [config(resizer, seed=seed) for resizer in ("none", "plain") for seed in sorted({seed for _, seed, _ in rights})]
    record(runs, [(flat, 90.0 + flat["seed"] / 10) for flat in planned], TABLE1)
    for resizer, seed, right in rights:
        logits(runs, config(resizer, seed=seed), right, (labels or {}).get(resizer))
    return analysis(runs, correct=correct_at(runs.folder, "last")).comparisons[0]


BETTER, WORSE = [0, 1, 2, 3, 4, 5, 7], [6, 7]


def test_one_seed_is_compared_image_by_image(runs: Runs) -> None:
    """Six won, one lost: 2 * (1 + 7) / 2**7."""
    test = marked(runs, ("none", 0, WORSE), ("plain", 0, BETTER)).images
    assert test is not None
    assert (test.seeds, test.won, test.lost, test.images, test.p) == (1, 6, 1, 7, pytest.approx(0.125))


def test_a_second_seed_with_the_same_answers_is_no_more_evidence(runs: Runs) -> None:
    rights = [(resizer, seed, right) for resizer, right in (("none", WORSE), ("plain", BETTER)) for seed in (0, 1)]
    test = marked(runs, *rights).images
    assert test is not None
    assert (test.seeds, test.won, test.lost, test.images, test.p) == (2, 12, 2, 7, pytest.approx(0.125))


@pytest.mark.parametrize(
    ("rights", "labels", "words"),
    [
        ([("none", 0, WORSE)], None, "no logits here"),
        ([("none", 0, WORSE), ("plain", 0, BETTER), ("none", 1, WORSE)], None, "no logits here"),
        ([("none", 0, [0]), ("plain", 0, BETTER)], {"none": [0, 1]}, "other test images"),
        ([("none", 0, WORSE), ("plain", 0, BETTER)], {"none": [1] * 10}, "other test images"),
    ],
)
def test_without_the_same_images_of_all_seeds_there_is_a_word(
    runs: Runs, rights: list[tuple[str, int, list[int]]], labels: dict[str, list[int]] | None, words: str
) -> None:
    found = marked(runs, *rights, labels=labels)
    assert (found.images, joined(found.image_reasons)) == (None, words)


def test_without_a_source_of_logits_or_a_seed_in_common_there_is_a_word(runs: Runs) -> None:
    fill(runs, {BASE: [93.0, None], PLAIN: [None, 95.0]})
    assert joined(analysis(runs).comparisons[0].image_reasons) == "no logits here"
    assert joined(analysis(runs, correct=correct_at(runs.folder, "last")).comparisons[0].image_reasons) == "no seed in common"


def test_leaders_are_the_two_highest_means_and_rounding_makes_none(runs: Runs) -> None:
    """0.1 + 0.2 and 0.3 are equal accuracies: the table's order decides, not the last bit."""
    fill(runs, {BASE: [0.3], PLAIN: [0.1 + 0.2], CBAM: [0.2]})
    leaders = analysis(runs).leaders
    assert leaders is not None
    assert (leaders.row.cell.label, leaders.other.cell.label) == ("Baseline", "+ Resizer")
    assert analysis(runs, metric="val").leaders is None


@pytest.mark.parametrize(("known", "images"), [((10_000, 10_000), 10_000), ((10_000, 360), None), ((None, None), None)])
def test_images_are_known_if_they_are_the_same_everywhere(runs: Runs, known: tuple[Any, Any], images: int | None) -> None:
    planned = [config(), config("plain")]
    runs.manifest(TABLE1, planned)
    for flat, number in zip(planned, known, strict=True):
        runs.record(outcome(flat, test_images=number))
    found = analysis(runs)
    assert found.images == images
    assert found.comparisons[0].difference.images == (0 if images else None)


def test_a_foreign_record_does_not_end_the_table(runs: Runs) -> None:
    """Found beside planned runs: one without a seed, one without a resizer."""
    fill(runs, {BASE: [93.0, 94.0], PLAIN: [95.0, 96.0]})
    for place, lacking in enumerate(("seed", "resizer")):
        flat = {key: value for key, value in config().items() if key != lacking}
        runs.record(outcome(config()) | {"config": flat, "run_id": f"none-base-vgg16-s0-{place:010d}"})
    from ablation.reporting.read import local_files
    from ablation.reporting.read.selection import select

    selection = select(runs.folder, "all")
    found = analyse(local_files.local(runs.folder, selection), selection.study, np.random.default_rng(0))
    assert found.outcomes == {"done": 6}
    assert by_label(found.comparisons)["+ Resizer"].difference.estimate.mean == 2


@pytest.mark.parametrize(("count", "seeds"), [(6, 4), (2, 15)], ids=["all sign patterns", "drawn sign patterns"])
def test_the_order_of_rows_changes_nothing(runs: Runs, count: int, seeds: int) -> None:
    """Nor the verdict, which is made of the analysis alone."""
    draw = np.random.default_rng(1)
    cells: dict[Place, list[Fate]] = {place: list(draw.normal(95, 0.3, seeds).round(2)) for place in SIX[:count]}
    fill(runs, cells | {SIX[0]: [*cells[SIX[0]], None, "diverged"]})
    rows, study = frame(runs), select(runs.folder).study

    expected = analyse(rows, study, np.random.default_rng(0))

    @given(order=st.permutations(range(len(rows))))
    @settings(max_examples=10)
    def same(order: list[int]) -> None:
        again = analyse(rows.iloc[order], study, np.random.default_rng(0))
        assert again == expected and verdict(again) == verdict(expected)

    same()


def test_cells_that_differ_in_more_than_the_factors_are_no_comparison(runs: Runs) -> None:
    """Ten epochs of the one, three hundred of the other: whatever the difference is, it is not the resizer's."""
    planned = [config(seed=seed, train__epochs=10) for seed in range(6)] + [config("plain", seed=seed) for seed in range(6)]
    record(runs, [(flat, (80.0 if flat["resizer"] == "none" else 95.0) + 0.1 * flat["seed"]) for flat in planned], TABLE1)
    found = analysis(runs)
    assert not found.comparisons and all(effect.estimate.mean is None for effect in found.effects)
    assert found.untold == [Untold("resizer", "not crossed"), Untold("train.epochs", "not crossed")]
    assert "they differ in train.epochs too" in argued(runs).verdict and "win" not in argued(runs).verdict


def test_a_record_in_another_runs_folder_is_named_and_never_counted(runs: Runs) -> None:
    fill(runs, {BASE: [93.0], PLAIN: [95.0]})
    own, foreign = (runs.folder / run_id(config(resizer)) / "outcome.json" for resizer in ("plain", "none"))
    own.write_bytes(foreign.read_bytes())
    table = argued(runs)
    assert f"it is the record of {run_id(config())}" in " ".join(table.lines)
    assert [(row["cell"], row["best_n"]) for row in table.values] == [("Baseline", 1), ("+ Resizer", 0)]
