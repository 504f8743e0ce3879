"""The verdict in full for each state a study can be in, and how often it claims something where there is nothing."""

from __future__ import annotations

import re

import numpy as np
import pytest

from ablation.reporting.document.caveats import reports
from ablation.reporting.document.document import build
from ablation.reporting.document.verdict import MOST, Verdict, verdict
from ablation.reporting.read.logits import CorrectReader
from ablation.reporting.statistics.analysis import analyse
from ablation.reporting.statistics.family import Adjusted
from ablation.reporting.statistics.looks import Looked
from tests.reporting.constructed_records import SIX, TABLE1, Runs, config, outcome
from tests.reporting.studies import NO_STUDY, Fate, Place, analysis, by_images, fill, frame, percent, record

BASE, PLAIN, CBAM, BOTH = ("none", "base"), ("plain", "base"), ("cbam", "base"), ("cbam", "cutmix")
BILINEAR = ("bilinear", "base")
NO_CONTROL = "What learning (bilinear -> plain) adds is not known: no run has resizer=bilinear; add it to the sweep."
COMMAND = "python run.py -m resizer=none,plain,cbam seed=0,1,2"


def said(runs: Runs, **options: object) -> Verdict:
    return verdict(analysis(runs, command=COMMAND, **options))


STATES: dict[str, tuple[dict[Place, list[Fate]], list[str]]] = {
    "a clear win": (
        {BASE: [93.0, 93.1, 93.2], PLAIN: [95.0, 95.1, 95.2]},  # sd 0.1 each: 2 +- 2.776 x 0.1 x sqrt(2 / 3)
        [
            "+ Resizer beats Baseline by 2.00 points (95 %: 1.77 to 2.23; on this test set alone).",
            NO_CONTROL,
            "Beside the report, at the best epoch: + Resizer is 0.58 points below it, outside the 95 % range of one more run;"
            " 1 of 2 agrees.",
        ],
    ),
    "two images of ten thousand": (
        {("plain", "cutmix"): [93.0, 93.1, 93.2], ("cbam", "cutmix"): [93.12, 93.02, 93.22]},
        [
            "+ Resizer_CBAM + CutMix is highest with 93.12 % at the last epoch (3 seeds), but not shown to beat the next, +"
            " Resizer + CutMix.",
            "The difference is +0.02 points (95 %: -0.21 to +0.25; on this test set alone); if it is really 0.02 points, to"
            " show it would take 394 seeds a cell.",
            NO_CONTROL,
            "Beside the report, at the best epoch: + Resizer + CutMix is 3.51 points below it, + Resizer_CBAM + CutMix 3.51"
            " below, outside the 95 % range of one more run; none of 2 agrees.",
        ],
    ),
    "one seed, and the report's two images": (
        {BASE: [93.13], ("plain", "cutmix"): [96.61], BOTH: [96.63]},
        [
            "+ Resizer_CBAM + CutMix is highest with 96.63 %, but one seed a cell decides nothing.",
            "Two more seeds a cell (1.01 h of training) would show how much seeds scatter.",
            NO_CONTROL,
        ],
    ),
    "an incomplete sweep": (
        {BASE: [93.0, 93.5, "failed"], PLAIN: [95.0, "running", None], CBAM: [None, None, None]},
        [
            "Provisional, 6 of 9 planned runs without a result (1 failed, 1 killed, 4 missing): Baseline reaches 93.25 % at the"
            " last epoch (2 seeds); no other cell has two seeds.",
            NO_CONTROL,
            "Changing resizer (none -> plain): cannot tell, one seed shows no spread over seeds.",
            "Beside the report, at the best epoch: 1 of 1 agrees, within the 95 % range of one more run.",
            "+ Resizer stands higher, 95.00 %, but one seed makes no winner.",
        ],
    ),
    "a diverged cell": (  # both sds 0.25 or so: t of 2 seeds, at half the level
        {BASE: [93.0, 93.5], PLAIN: [95.0, 95.4], CBAM: ["diverged", "diverged"]},
        [
            "+ Resizer is highest with 95.20 % at the last epoch (2 seeds), but not shown to beat Baseline.",
            "The difference is +2.0 points (95 %, adjusted for 2 comparisons: -0.2 to +4.1; on this test set alone); if it is"
            " really 2.0 points, 1 more seed of both (20.2 min of training) would likely show it.",
            NO_CONTROL,
            "Beside the report, at the best epoch: 2 of 2 agree, within the 95 % range of one more run.",
            "+ Resizer_CBAM diverged in 2 of 2 runs; no mean contains a diverged run.",
        ],
    ),
    "no result at all": (
        {BASE: [None, "failed"], PLAIN: ["running", "diverged"]},
        ["No verdict: none of the planned runs has a last accuracy (1 diverged, 1 failed, 1 killed, 1 missing)."],
    ),
    "the baseline is best": (
        {BASE: [93.0, 93.1, 93.2], PLAIN: [92.0, 91.1, 90.2]},
        [
            "Baseline is highest with 93.10 % at the last epoch (3 seeds), but not shown to beat the next, + Resizer.",
            "The difference is +2.0 points (95 %: -0.2 to +4.2; on this test set alone); if it is really 2.0 points, 1 more"
            " seed of both (20.2 min of training) would likely show it.",
            NO_CONTROL,
            "Beside the report, at the best epoch: + Resizer is 4.58 points below it, outside the 95 % range of one more run;"
            " 1 of 2 agrees.",
        ],
    ),
    "a single cell": (
        {PLAIN: [95.0, 96.0, 97.0]},
        [
            "+ Resizer reaches 96.00 % at the last epoch (3 seeds); there is no other cell to compare it with.",
            NO_CONTROL,
            "Beside the report, at the best epoch: 1 of 1 agrees, within the 95 % range of one more run.",
        ],
    ),
    "the others have no result": (
        {BASE: ["diverged"], PLAIN: [95.0]},
        [
            "+ Resizer reaches 95.00 % at the last epoch (1 seed); no other cell has a result.",
            NO_CONTROL,
            "Baseline diverged in 1 of 1 runs; no mean contains a diverged run.",
        ],
    ),
    "a tie": (
        {BASE: [93.0, 94.0, 95.0], PLAIN: [94.5, 93.5, 94.0]},
        [
            "Baseline and + Resizer are equal and highest with 94.00 % at the last epoch (3 seeds).",
            "The difference is 0 points (95 %: -2.1 to +2.1; on this test set alone).",
            NO_CONTROL,
            "Beside the report, at the best epoch: 2 of 2 agree, within the 95 % range of one more run.",
        ],
    ),
    "equal in all seeds": (
        {BASE: [93.0] * 3, PLAIN: [94.0] * 3},
        [
            "+ Resizer is highest with 94.00 % at the last epoch (3 seeds), but not shown to beat Baseline.",
            "+1.00 points, but equal in all seeds, so there is no spread to judge by.",
            NO_CONTROL,
        ],
    ),
    "a lone seed on top": (
        {BASE: [93.0, 93.1, 93.3], PLAIN: [95.0, 95.1, 95.3], CBAM: [97.0, None, None]},
        [
            "Provisional, 2 of 9 planned runs missing: + Resizer beats Baseline by 2.00 points (95 %: 1.65 to 2.35; on this"
            " test set alone).",
            NO_CONTROL,
            "Attention (plain -> cbam): cannot tell, one seed shows no spread over seeds.",
            "Changing resizer (none -> cbam): cannot tell, one seed shows no spread over seeds.",
            "+ Resizer_CBAM stands higher, 97.00 %, but one seed makes no winner.",
        ],
    ),
    "with the control": (
        {BASE: [93.0, 93.1, 93.3], BILINEAR: [95.0, 95.1, 95.3], PLAIN: [95.5, 95.1, 95.9], CBAM: [95.9, 95.0, 96.1]},
        [
            "+ Resizer_CBAM beats Baseline by 2.5 points (95 %: 1.2 to 3.9; on this test set alone).",
            "It is undecided whether + Resizer_CBAM beats the next, + Resizer: the difference is +0.17 points (95 %:"
            " -1.0 to +1.4); if it is really 0.17 points, to show it would take 144 seeds a cell.",
            "Learning (bilinear -> plain): cannot tell, +0.37 points (95 %, adjusted for all effects: -0.8 to +1.5); if it is"
            " really 0.37 points, 13 more seeds of both (4.37 h of training) would likely show it.",
            "Interpolation (none -> bilinear) adds 2.00 points (95 %: 1.65 to 2.35).",
            "Changing resizer (none -> plain) adds 2.37 points (95 %: 1.50 to 3.23).",
        ],
    ),
}


@pytest.mark.parametrize("state", STATES)
def test_what_is_said(runs: Runs, state: str) -> None:
    fates, sentences = STATES[state]
    fill(runs, fates)
    found = said(runs)
    assert [found.headline, *found.sentences] == sentences
    assert len(found.sentences) <= MOST
    assert str(found) == " ".join(sentences)


# what would decide it


CONTROL = "python run.py -m seed=0,1,2 resizer=bilinear"  # that was not run


@pytest.mark.parametrize(
    ("state", "commands"),
    [
        ("a clear win", [CONTROL]),
        ("two images of ten thousand", [CONTROL]),  # 391 more seeds are no advice
        ("one seed, and the report's two images", ["python run.py -m resizer=none,plain,cbam seed=1,2", CONTROL]),
        ("a diverged cell", ["python run.py -m resizer=none,plain aug=base seed=2", CONTROL]),
        ("with the control", ["python run.py -m resizer=bilinear,plain aug=base 'seed=range(3,16)'"]),
    ],
)
def test_what_is_open_comes_with_the_commands_that_decide_it(runs: Runs, state: str, commands: list[str]) -> None:
    """The sweep's own command, of the cells in question alone where they are a grid, with seeds that no run has."""
    fill(runs, STATES[state][0])
    assert [step.command for step in said(runs).steps] == commands
    assert not verdict(analysis(runs)).steps  # no sweep's command is known


def test_each_command_says_what_it_decides(runs: Runs) -> None:
    learning = "to decide what learning (bilinear -> plain) adds"
    fill(runs, STATES["a diverged cell"][0])
    assert [step.purpose for step in said(runs).steps] == ["to decide between + Resizer and Baseline", learning]
    fill(more := Runs(runs.folder / "b"), STATES["one seed, and the report's two images"][0])
    assert [step.purpose for step in said(more).steps] == ["to see how much seeds scatter", learning]
    fill(both := Runs(runs.folder / "c"), {BASE: [93.0, 93.5], PLAIN: [93.4, 94.1], CBAM: [93.5, 94.2]})  # two differences
    assert [step.purpose for step in said(both).steps] == ["to decide between + Resizer_CBAM and Baseline", learning]


def test_a_stated_margin_says_what_matters(runs: Runs) -> None:
    fill(runs, {BASE: [93.0, 93.1, 93.2], PLAIN: [93.1, 93.05, 93.2]})
    assert (
        "; if it is 0.15 points, the smallest that matters, 4 more seeds of both (1.34 h of training) would likely show it"
        in said(runs, smallest=0.15).sentences[0]
    )
    assert said(runs, smallest=0.5).headline == "+ Resizer and Baseline are the same within 0.5 points (90 %: -0.14 to +0.17)."


def test_an_interval_says_what_it_is_adjusted_for(runs: Runs) -> None:
    """Of a sweep in rounds at its first look: one comparison, at the level that the look spends."""
    fill(runs, {BASE: [93.0, 93.5, 93.9], PLAIN: [93.4, 93.8, 94.4]})
    comparison = {"+ Resizer - Baseline": Adjusted(0.3, 1.0, 0.01, shown=False)}
    looked = Looked((3, 5), 1, comparison, {}, {}, frozenset())
    assert "(95 %, adjusted for the looks: -" in said(runs, looked=looked).sentences[0]
    cells = build(analysis(runs, looked=looked)).screen[0]
    assert any("± 95 % of one difference alone; p decides: two-sided; over seeds" in line for line in cells.lines)


# one seed


def test_one_seed_says_once_what_it_can_image_by_image(runs: Runs) -> None:
    """6 : 1 of ten images have p = 0.125; 12 : 1 of twenty 0.003."""
    by_images(runs, {BASE: [[6, 7]], PLAIN: [[0, 1, 2, 3, 4, 5, 7]]}, 10)
    found = said(runs, correct=CorrectReader(runs.folder))
    assert found.headline == "+ Resizer is highest with 70.00 %, but one seed a cell decides nothing."
    assert found.sentences[0].startswith(
        "Image by image, the trained models of + Resizer and Baseline cannot be told apart (6 images won, 1 lost, p = 0.12);"
        " two"
    )
    by_images(more := Runs(runs.folder / "b"), {BASE: [[12, 13]], PLAIN: [[*range(12), 13]]}, 20)
    assert verdict(analysis(more, correct=CorrectReader(more.folder))).sentences[0] == (
        "Image by image, the trained model of + Resizer is better than that of Baseline (12 images won, 1 lost, p = 0.0034);"
        " training again may give another; two more seeds a cell (40.3 min of training) would show how much seeds scatter."
    )


# statements that were false


def test_nothing_wins_over_a_cell_of_other_test_images(runs: Runs) -> None:
    """It was "a win, +18.95 points": of CIFAR-10 over CIFAR-100."""
    planned = [
        config(resizer, seed=seed, data=data)
        for data in ("cifar10", "cifar100")
        for resizer in ("none", "plain")
        for seed in (0, 1, 2)
    ]
    fates = [90 - 20 * (flat["data"] == "cifar100") + (flat["resizer"] == "plain") + flat["seed"] / 10 for flat in planned]
    record(runs, list(zip(planned, fates, strict=True)), TABLE1)
    found = said(runs)
    assert [found.headline, *found.sentences] == [
        "Results on different test images are not compared (data cifar10, data cifar100).",
        "data cifar10: + Resizer · cifar10 beats Baseline · cifar10 by 1.00 points (95 %: 0.77 to 1.23; on this test set"
        " alone).",
        "data cifar100: + Resizer · cifar100 beats Baseline · cifar100 by 1.00 points (95 %: 0.77 to 1.23; on this test set"
        " alone).",
        NO_CONTROL,
    ]


def test_the_highest_is_never_below_what_it_is_compared_with(runs: Runs) -> None:
    """Ranked by all seeds and compared by the shared ones, "Highest is A" stood beside "A minus B: -0.49"."""
    fill(runs, {BASE: [93.0, 93.02, None, None], PLAIN: [92.5, 92.54, 95.0, 95.1]})
    found = str(said(runs))
    assert found.startswith("Provisional, 2 of 8 planned runs missing: + Resizer is highest with 93.78 %")
    assert "-0.49" not in found and re.search(r"is \+0\.7\d points \(95 %: -\d\.\d to \+\d\.\d;", found)


def test_the_factor_in_question_is_no_other_factor(runs: Runs) -> None:
    """Of two learning rates it was said that "they differ in optimizer.lr too"."""
    planned = [config(seed=seed, optimizer__lr=rate) for rate in (0.01, 0.1) for seed in range(3)]
    record(runs, [(flat, 90 + 20 * flat["optimizer.lr"] + flat["seed"] / 10) for flat in planned], NO_STUDY)
    assert str(said(runs)) == "lr 0.1 beats the next, lr 0.01, by 1.80 points (95 %: 1.57 to 2.03; on this test set alone)."


def test_three_seeds_decide_a_large_difference_and_no_number_is_too_few(runs: Runs) -> None:
    """The sign-flip test said of 20 seeds that they are too few, and of +21 points over three that nothing is resolved."""
    cells = {BASE: [54.6, 54.9, 53.9], BILINEAR: [76.7, 77.1, 76.3]}
    fill(runs, cells)
    assert said(runs).headline == ("bilinear beats Baseline by 22.2 points (95 %: 21.2 to 23.3; on this test set alone).")
    assert "few" not in str(said(runs))


def test_a_difference_that_is_equal_in_all_seeds_is_decided_by_their_spread(runs: Runs) -> None:
    """ "Not resolved" stood beside p = 0.002: pairing by seed saw no spread where both cells scatter."""
    fill(runs, {BASE: [93.0 + seed / 10 for seed in range(10)], PLAIN: [95.0 + seed / 10 for seed in range(10)]})
    assert said(runs).headline == "+ Resizer beats Baseline by 2.00 points (95 %: 1.72 to 2.28; on this test set alone)."


def test_best_and_last_epoch_that_disagree_are_said(runs: Runs) -> None:
    planned = [config(resizer, seed=seed) for resizer in ("none", "plain") for seed in range(3)]
    runs.manifest(TABLE1, planned)
    for flat in planned:
        plain = flat["resizer"] == "plain"
        runs.record(outcome(flat, best=95.0 - plain + flat["seed"] / 10, last=93.0 + plain + flat["seed"] / 10))
    assert said(runs).headline.startswith("+ Resizer beats Baseline by 1.00 points")
    assert said(runs).sentences[0] == (
        "That is at the last epoch; at the best epoch it is the other way round: Baseline is 1.00 points ahead."
    )
    assert said(runs, metric="best").sentences[0] == (
        "That is at the epoch best on the test set; at the last epoch it is the other way round: + Resizer is 1.00 points"
        " ahead."
    )


def test_of_validated_epochs_the_one_is_named_whose_order_is_the_other(runs: Runs) -> None:
    """At the epoch best on held-out images the plain cell is ahead as at the last: it is the best epoch that differs."""
    planned = [config(resizer, seed=seed) for resizer in ("none", "plain") for seed in range(3)]
    runs.manifest(NO_STUDY, planned)
    for flat in planned:
        plain, shift = flat["resizer"] == "plain", flat["seed"] * (1 + (flat["resizer"] == "plain"))
        held_out = {"epoch": 5, "test_acc": 92.0 + 0.1 * plain + shift}
        runs.record(outcome(flat, best=95.0 - plain + shift / 10, last=93.0 + plain + shift / 10, val=held_out))
    found = said(runs, metric="val")
    assert found.headline.startswith("plain is highest with 93.1") or found.headline.startswith("plain is highest with 94.1")
    assert found.sentences[0] == "At the best epoch it is the other way round: none is 0.90 points ahead."


# any grid


def test_a_grid_without_a_study_has_its_factors_told_the_largest_first(runs: Runs) -> None:
    planned = [
        config(resizer, seed=seed, optimizer__lr=rate)
        for rate in (0.01, 0.1)
        for resizer in ("none", "plain")
        for seed in range(3)
    ]
    fates = [
        90
        + 2 * (flat["optimizer.lr"] == 0.1) * (1 + 0.25 * (flat["resizer"] == "plain"))
        + (flat["resizer"] == "plain")
        + flat["seed"] / 10
        for flat in planned
    ]
    record(runs, list(zip(planned, fates, strict=True)), NO_STUDY)
    assert [said(runs).headline, *said(runs).sentences] == [
        "lr 0.1 · plain beats the next, lr 0.1 · none, by 1.50 points (95 %: 1.27 to 1.73; on this test set alone).",
        "Changing optimizer.lr (0.01 -> 0.1, averaged over none and plain) adds 2.25 points (95 %: 2.12 to 2.38).",
        "Changing resizer (none -> plain, averaged over lr 0.01 and 0.1) adds 1.25 points (95 %: 1.12 to 1.38).",
    ]


def test_a_mean_that_leaves_out_a_level_names_the_one_that_it_is_of(runs: Runs) -> None:
    """CutMix was not run with the control, so learning is of the base augmentation alone."""
    fill(runs, {place: [90.0 + at, 90.1 + at, 90.3 + at] for at, place in enumerate([*SIX, BILINEAR])})
    assert "Learning (bilinear -> plain, aug base) costs 4.00 points (95 %: " in str(said(runs))


LEARNING = "What learning (bilinear -> plain) adds is not known"


@pytest.mark.parametrize(
    ("cells", "sentence", "added"),
    [
        ({BASE: [93.0, 93.1], CBAM: [95.0, 95.1]}, "no run has resizer=bilinear or resizer=plain; add both", "bilinear,plain"),
        ({BASE: [93.0, 93.1], BILINEAR: [95.0, 95.1]}, "no run has resizer=plain; add it", "plain"),
        ({BASE: [93.0, 93.1], PLAIN: [95.0, 95.1]}, "no run has resizer=bilinear; add it", "bilinear"),
    ],
)
def test_the_headline_contrast_is_always_told(runs: Runs, cells: dict[Place, list[Fate]], sentence: str, added: str) -> None:
    """Whichever of its levels lacks; the command adds what lacks."""
    fill(runs, cells)
    assert str(said(runs)).count("What learning") == 1
    assert f"{LEARNING}: {sentence} to the sweep." in said(runs).sentences
    assert said(runs).steps[-1].command == f"python run.py -m seed=0,1,2 resizer={added}"


def test_a_headline_contrast_whose_runs_are_planned_waits_for_them(runs: Runs) -> None:
    fill(runs, {BASE: [93.0, 93.1], BILINEAR: [95.0, 95.1], PLAIN: [None, None]})
    assert f"{LEARNING} yet: no run with resizer=plain has a result." in said(runs).sentences
    fill(more := Runs(runs.folder / "b"), {BASE: [93.0], BILINEAR: [95.0, 95.1], ("plain", "cutmix"): [95.0, 95.2]})
    assert f"{LEARNING} yet: missing plain base, bilinear cutmix." in said(more).sentences


def test_a_headline_contrast_that_one_data_set_lacks_is_told_of_it(runs: Runs) -> None:
    grid = [("cifar10", "none"), ("cifar10", "bilinear"), ("cifar10", "plain"), ("cifar100", "none"), ("cifar100", "plain")]
    planned = [config(resizer, seed=seed, data=data) for data, resizer in grid for seed in range(3)]
    record(runs, [(flat, 90 + len(flat["resizer"]) + flat["seed"] / 10) for flat in planned], TABLE1)
    assert said(runs).sentences[-1] == (f"data cifar100: w{LEARNING[1:]}: no run has resizer=bilinear; add it to the sweep.")


def test_of_what_is_open_the_second_command_adds_the_fewest_seeds(runs: Runs) -> None:
    """The next cell lies close, so that telling them apart would take many seeds; the headline contrast takes few."""
    fates: dict[Place, list[Fate]] = {BASE: [91.1, 90.5], BILINEAR: [95.5, 97.7], PLAIN: [95.0, 89.7]}
    fill(runs, {**fates, ("bilinear", "cutmix"): [97.5, 92.5], ("plain", "cutmix"): [86.4, 83.8]})
    first, second = said(runs).steps
    assert first.purpose == "to decide between bilinear \u00b7 base and Baseline"
    assert second.purpose == "to decide what learning (bilinear -> plain) adds" and 0 < second.seeds < 10


def test_a_study_without_contrasts_says_nothing_of_learning(runs: Runs) -> None:
    study = {**TABLE1, "contrasts": {}, "headline": None}
    fill(runs, {BASE: [93.0, 93.1], ("none", "cutmix"): [94.0, 94.1], BILINEAR: [95.0, 95.1]}, study)
    assert "earn" not in str(said(runs))


def test_of_many_numbers_outside_the_farthest_is_named(runs: Runs) -> None:
    fill(runs, {place: [50.0 - at, 50.1 - at, 50.2 - at] for at, place in enumerate(SIX)})
    (sentence,) = (each.text for each in reports(analysis(runs)))
    assert sentence == (
        "Beside the report, at the best epoch: 6 of 6 lie outside the 95 % range of one more run, the farthest: + Resizer_CBAM"
        " + CutMix is 51.53 points below it; none of 6 agrees."
    )


# how often it is wrong


def claims(found: Verdict) -> bool:
    return " beats " in re.sub("undecided whether .*? beats", "", str(found)) or " worse than " in str(found)


def test_where_nothing_differs_the_headline_claims_a_win_at_most_once_in_twenty(runs: Runs) -> None:
    """200 tables of six equal cells, three seeds each. At a true rate of 0.05 more than 18 of 200 are as rare as 1 in 150."""
    fill(runs, {place: [90.0] * 3 for place in SIX})
    rows, draw = frame(runs), np.random.default_rng(5)
    wins = open_ = 0
    for _ in range(200):
        rows["last_acc"] = [percent(int(number)) for number in draw.normal(9_500, 20, len(rows)).round()]
        found = verdict(analyse(rows, TABLE1, np.random.default_rng(0)))
        wins += " beats " in found.headline and "not shown to beat" not in found.headline
        open_ += "not shown to beat" in found.headline or "are equal and highest" in found.headline
    assert wins <= 18
    assert wins + open_ == 200


def test_a_difference_of_ten_sd_is_always_found_by_five_seeds(runs: Runs) -> None:
    fill(runs, {place: [90.0] * 5 for place in SIX})
    rows, draw = frame(runs), np.random.default_rng(6)
    planted = np.array([(flat["resizer"], flat["aug"]) == BOTH for flat in rows["config"]])
    for _ in range(40):
        right = (draw.normal(9_500, 20, len(rows)) + 200 * planted).round()
        rows["last_acc"] = [percent(int(number)) for number in right]
        found = verdict(analyse(rows, TABLE1, np.random.default_rng(0)))
        assert found.headline.startswith("+ Resizer_CBAM + CutMix beats Baseline by "), found.headline


@pytest.mark.parametrize("fates", [[93.0, None], [93.0], [93.0, "failed", None]])
def test_no_claim_over_a_cell_of_one_seed(runs: Runs, fates: list[Fate]) -> None:
    fill(runs, {BASE: fates, PLAIN: [99.9, 99.8, 99.7]})
    assert not claims(said(runs))


def test_it_is_the_same_under_any_order_of_rows(runs: Runs) -> None:
    fill(runs, {BASE: [93.0, 93.1, 93.3], PLAIN: [93.5, 93.1, 93.3], CBAM: [93.4, 93.0, 93.7], BOTH: [None, "diverged"]})
    assert {verdict(analysis(runs, shuffled=seed)) for seed in range(5)} == {verdict(analysis(runs))}
