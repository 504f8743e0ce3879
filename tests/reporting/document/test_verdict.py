"""The verdict in full for each state a study can be in, and how often it claims something where there is nothing."""

from __future__ import annotations

import gc
import re
from collections.abc import Iterator

import numpy as np
import pytest

from ablation.reporting.document.verdict import verdict
from ablation.reporting.read.logits import correct_at
from ablation.reporting.statistics.analysis import analyse
from tests.reporting.constructed_records import SIX, TABLE1, Runs, config, outcome
from tests.reporting.studies import NO_STUDY, Fate, Place, fill, frame, logits, percent, said

BASE, PLAIN, CBAM, BOTH = ("none", "base"), ("plain", "base"), ("cbam", "base"), ("cbam", "cutmix")
NO_CONTROL = "What learning adds cannot be told (missing: bilinear base)."


def of_images(*right: int) -> list[Fate]:
    return [percent(number) for number in right]


def gained(*images: int) -> list[Fate]:
    """So many images more than `gained(0, 0, ...)`, whose seeds scatter by 10 images and more."""
    return of_images(*(9_300 + 10 * seed + gain for seed, gain in enumerate(images)))


STATES: dict[str, tuple[dict[Place, list[Fate]], str]] = {
    "a clear win": (  # 195 and 205 images in turn: sd 5.27, t 2.262, all of 10 of one sign: p = 2 / 1,024
        {BASE: gained(*[0] * 10), PLAIN: gained(*[195, 205] * 5)},
        "Highest is + Resizer: 95.45 % (best, 10 seeds). Against the next, Baseline: +2.00 points [+1.96, +2.04],"
        f" +200 of 10,000 test images, a win (p = 0.002). {NO_CONTROL}",
    ),
    "a tie of two images": (  # +12, -8, +2 images: sd 10, t 4.303
        {("plain", "cutmix"): gained(0, 0, 0), ("cbam", "cutmix"): gained(12, -8, 2)},
        "Highest is + Resizer_CBAM + CutMix: 93.12 % (best, 3 seeds). Against the next, + Resizer + CutMix: +0.02 points"
        " [-0.23, +0.27], +2 of 10,000 test images, a tie: the interval over 3 seeds holds 0. What learning adds cannot be"
        " told (missing: bilinear cutmix).",
    ),
    "n = 1, and the report's two images": (
        {BASE: [93.13], ("plain", "cutmix"): [96.61], BOTH: [96.63]},
        "Highest is + Resizer_CBAM + CutMix: 96.63 % (best, 1 seed). Against Baseline: +3.50 points, +350 of 10,000 test"
        " images, not resolved: one seed says nothing of the spread between seeds. Against the next, + Resizer + CutMix:"
        " +0.02 points, +2 of 10,000 test images, not resolved: one seed says nothing of the spread between seeds. What"
        " learning adds cannot be told (missing: bilinear cutmix).",
    ),
    "an incomplete sweep": (
        {BASE: [93.0, 93.5, "failed"], PLAIN: [95.0, "running", None], CBAM: [None, None, None]},
        "Highest is + Resizer: 95.00 % (best, 1 seed). Against the next, Baseline: +2.00 points, +200 of 10,000 test images,"
        f" not resolved: one seed says nothing of the spread between seeds. {NO_CONTROL}"
        " Provisional: 6 of 9 planned runs have no result (1 failed, 1 killed, 4 missing).",
    ),
    "one run lacks": (
        {BASE: [93.0, None]},
        "Baseline reaches 93.00 % (best, 1 seed); there is no other cell to compare it with."
        " Provisional: 1 of 2 planned runs has no result (1 missing).",
    ),
    "a diverged cell": (
        {BASE: [93.0, 93.5], PLAIN: [95.0, 95.4], CBAM: ["diverged", "diverged"]},
        "Highest is + Resizer: 95.20 % (best, 2 seeds). Against the next, Baseline: +1.95 points, +195 of 10,000 test images,"
        " not resolved: 2 seeds: no interval below 3; not enough seeds: n = 2 allows no p below 0.5."
        f" {NO_CONTROL} + Resizer_CBAM diverged in 2 of 2 runs: a result too, and no part of any mean.",
    ),
    "no result at all": (
        {BASE: [None, "failed"], PLAIN: ["running", "diverged"]},
        "No verdict: none of the planned runs has a best accuracy (1 diverged, 1 failed, 1 killed, 1 missing).",
    ),
    "all diverged": (
        {BASE: ["diverged"]},
        "No verdict: none of the planned runs has a best accuracy (1 diverged).",
    ),
    "the baseline is best": (  # 100, 200 and 300 images less
        {BASE: gained(0, 0, 0), PLAIN: gained(-100, -200, -300)},
        "Highest is Baseline: 93.10 % (best, 3 seeds). Against the next, + Resizer: +2.00 points [-0.48, +4.48],"
        f" +200 of 10,000 test images, not resolved: the interval over 3 seeds holds 0. {NO_CONTROL}",
    ),
    "a single cell": (
        {PLAIN: [95.0, 96.0, 97.0]},
        "+ Resizer reaches 96.00 % (best, 3 seeds); there is no other cell to compare it with.",
    ),
    "the others have no result yet": (
        {BASE: ["diverged"], PLAIN: [95.0]},
        "+ Resizer reaches 95.00 % (best, 1 seed); no other cell has a result."
        " Baseline diverged in 1 of 1 runs: a result too, and no part of any mean.",
    ),
    "an interval that excludes 0, of too few seeds": (  # 195, 200, 205: 200 ± 12.4 images, 198.7 ± 8.7 over the next
        {BASE: gained(0, 0, 0), PLAIN: gained(195, 200, 205), CBAM: gained(0, 1, 3)},
        "Highest is + Resizer: 95.10 % (best, 3 seeds). Against Baseline: +2.00 points [+1.88, +2.12],"
        " +200 of 10,000 test images, its interval excludes 0, but 3 seeds are too few for a test (Holm over 2:"
        " it takes at least 7). Against the next, + Resizer_CBAM: +1.99 points [+1.90, +2.07],"
        " +198.7 of 10,000 test images, its interval excludes 0, but 3 seeds are too few for a test (Bonferroni over 3 pairs:"
        f" it takes at least 7). {NO_CONTROL}",
    ),
    "equal in all seeds": (
        {BASE: gained(*[0] * 10), PLAIN: gained(*[17] * 10)},
        "Highest is + Resizer: 93.62 % (best, 10 seeds). Against the next, Baseline: +0.17 points, +17 of 10,000 test images,"
        f" not resolved: equal in all 10 seeds, so no interval. {NO_CONTROL}",
    ),
    "the same accuracy": (
        {BASE: [93.0], PLAIN: [95.0], CBAM: [95.0]},
        "Highest are + Resizer and + Resizer_CBAM, equal: 95.00 % (best). Against Baseline: +2.00 points, +200 of 10,000 test"
        " images, not resolved: one seed says nothing of the spread between seeds. Against the next, + Resizer_CBAM: 0.00"
        " points, 0 of 10,000 test images, not resolved: one seed says nothing of the spread between seeds."
        f" {NO_CONTROL}",
    ),
    "no seed in common": (
        {BASE: [93.0, None], PLAIN: [None, 95.0]},
        "Highest is + Resizer: 95.00 % (best, 1 seed). Against the next, Baseline: not comparable, no seed in common."
        f" {NO_CONTROL} Provisional: 2 of 4 planned runs have no result (2 missing).",
    ),
}


@pytest.mark.parametrize("state", STATES)
def test_what_is_said(runs: Runs, state: str) -> None:
    fates, sentence = STATES[state]
    fill(runs, fates)
    assert said(runs) == sentence


def test_leaders_are_chosen_by_looking_and_pay_for_it(runs: Runs) -> None:
    """Four cells are six pairs: 2 / 1,024 becomes 0.012 with ten seeds; 2 / 128 is not enough with seven."""
    shifts = {BASE: 0, PLAIN: 90, CBAM: 150, ("bicubic", "base"): 5}
    for n, decided in (
        (10, "a win (p = 0.012, Bonferroni over 6 pairs)"),
        (7, "its interval excludes 0, but 7 seeds are too few for a test (Bonferroni over 6 pairs: it takes at least 8)"),
    ):
        folder = Runs(runs.folder / str(n))
        fill(folder, {place: gained(*(shift + shift // 30 * seed for seed in range(n))) for place, shift in shifts.items()})
        assert "Against the next, + Resizer: " in said(folder)
        assert decided in said(folder)


def test_the_baseline_as_the_next_is_a_planned_comparison(runs: Runs) -> None:
    """Its p is Holm's over the table's comparisons, the one that stands in the grid."""
    fill(runs, {BASE: gained(*[0] * 10), PLAIN: gained(*range(100, 110)), CBAM: gained(*range(-100, -90))})
    assert "Against the next, Baseline: +1.04 points [+1.02, +1.07]" in said(runs)
    assert "a win (p = 0.0039, Holm over 2)" in said(runs)  # 2 / 1,024, twice


@pytest.mark.parametrize(("n", "p"), [(13, "p < 0.001"), (10, "p = 0.002")])
def test_a_p_is_written_as_in_a_paper(runs: Runs, n: int, p: str) -> None:
    fill(runs, {BASE: gained(*[0] * n), PLAIN: gained(*range(100, 100 + n))})
    assert f"a win ({p})." in said(runs)


def test_a_loss_is_one_only_if_the_asked_metric_says_so(runs: Runs) -> None:
    """The metric of the comparison is named."""
    fill(runs, {BASE: [95.0], PLAIN: [96.0]}, NO_STUDY)
    assert said(runs, metric="last").startswith("Highest is plain: 95.50 % (last, 1 seed).")
    assert said(runs, metric="val") == "No verdict: none of the planned runs has a val accuracy (2 done)."


def test_images_speak_of_trained_models_alone_and_name_their_epoch(runs: Runs) -> None:
    """The difference is of the best epoch, the logits are of the last."""
    fill(runs, {BASE: [93.0], PLAIN: [95.0]})
    logits(runs, config(), [6, 7])
    logits(runs, config("plain"), [0, 1, 2, 3, 4, 5, 7])
    words = "(image by image at the last epoch: 6 won, 1 lost, p = 0.12, of these trained models alone)"
    assert f"one seed says nothing of the spread between seeds {words}." in said(runs, correct=correct_at(runs.folder, "last"))


def test_learning_is_told_from_interpolation_where_there_is_a_control(runs: Runs) -> None:
    cells = {BASE: gained(0, 0, 0), ("bilinear", "base"): gained(100, 100, 100)}
    for name, more, sentence in (
        ("a", (101, 102, 103), "+0.02 points [-0.00, +0.04]"),
        ("b", (109, 110, 111), "+0.10 points [+0.08, +0.12], its interval excludes 0 (not adjusted for other effects)."),
        ("c", (110, 110, 110), "+0.10 points (equal in all 3 seeds, so no interval), not resolved."),
        ("d", (90, 89, 91), "-0.10 points [-0.12, -0.08], its interval excludes 0"),
    ):
        folder = Runs(runs.folder / name)
        fill(folder, {**cells, PLAIN: gained(*more)})
        expected = f"Learning, bilinear -> plain (base): {sentence}"
        assert expected.replace("-0.00", "0.00") in said(folder)


def test_a_study_without_a_resizer_says_nothing_of_learning(runs: Runs) -> None:
    fill(runs, {BASE: [93.0], ("none", "cutmix"): [94.0], ("bilinear", "base"): [95.0]})
    assert "earn" not in said(runs)


@pytest.mark.parametrize("source", ["best", "last"])
def test_a_number_without_the_count_of_images_makes_none_up(runs: Runs, source: str) -> None:
    planned = [config(), config("plain")]
    runs.manifest(TABLE1, planned)
    for flat in planned:
        runs.record(outcome(flat, test_images=None))
    assert "test images" not in said(runs, metric=source)


@pytest.fixture
def many_tables() -> Iterator[None]:
    """statsmodels' Holm collects garbage each time, which takes longer than all else here if everything loaded is looked at."""
    gc.freeze()
    yield
    gc.unfreeze()


def claims(text: str) -> list[str]:
    return re.findall(r"a (?:win|loss) \(p", text)


@pytest.mark.usefixtures("many_tables")
def test_where_nothing_differs_it_claims_a_win_at_most_once_in_twenty(runs: Runs) -> None:
    """200 tables of six equal cells, ten seeds each, seeds scattered as here: sd 0.2 points, whole images."""
    fill(runs, {place: [90.0] * 10 for place in SIX})
    rows, draw = frame(runs), np.random.default_rng(5)
    wins = excluded = 0
    for _ in range(200):
        rows["best_acc"] = [percent(int(number)) for number in draw.normal(9_500, 20, len(rows)).round()]
        text = verdict(analyse(rows, TABLE1, np.random.default_rng(0)))
        wins += bool(claims(text))
        excluded += "excludes 0" in text or bool(claims(text))
    assert wins <= 10
    assert 1 <= excluded <= 30  # the population is such that something could be claimed


@pytest.mark.usefixtures("many_tables")
def test_a_difference_of_five_sd_is_always_found(runs: Runs) -> None:
    fill(runs, {place: [90.0] * 10 for place in SIX})
    rows, draw = frame(runs), np.random.default_rng(6)
    planted = np.array([(config["resizer"], config["aug"]) == ("cbam", "cutmix") for config in rows["config"]])
    for _ in range(40):
        right = (draw.normal(9_500, 20, len(rows)) + 100 * planted).round()
        rows["best_acc"] = [percent(int(number)) for number in right]
        text = verdict(analyse(rows, TABLE1, np.random.default_rng(0)))
        assert text.startswith("Highest is + Resizer_CBAM + CutMix")
        assert re.search(r"Baseline: [^.]*\.\d\d points \[[^]]*\], [^.]*(?:\.\d)? of 10,000 test images, a win \(p", text), text


@pytest.mark.parametrize("fates", [[93.0, None], [93.0, 94.0], [93.0, "failed", 95.0], [93.0, 94.0, 93.5, 93.1]])
def test_no_claim_without_an_interval_and_a_p(runs: Runs, fates: list[Fate]) -> None:
    """However large the difference: fewer than six seeds reject nothing."""
    fill(runs, {BASE: fates, PLAIN: [99.9] * len(fates)})
    assert not claims(said(runs))


@pytest.mark.usefixtures("many_tables")
def test_what_is_claimed_is_what_the_grid_holds(runs: Runs) -> None:
    """A win has an interval above 0 and an adjusted p below 0.05, whatever the draw."""
    fill(runs, {place: [90.0] * 10 for place in SIX})
    rows, draw = frame(runs), np.random.default_rng(7)
    seen = 0
    for _ in range(30):
        shift = np.repeat(draw.normal(0, 15, 6).round(), 10)
        rows["best_acc"] = [percent(int(number)) for number in (draw.normal(9_500, 20, 60) + shift).round()]
        found = analyse(rows, TABLE1, np.random.default_rng(0))
        text = verdict(found)
        leader = found.leaders
        assert leader is not None
        planned = next((each for each in found.comparisons if each.row is leader.row), None)
        if planned and re.search(f"{re.escape(planned.other.cell.label)}: .*? a win \\(p", text.split("Against the next")[0]):
            seen += 1
            assert planned.difference.estimate.interval is not None
            assert planned.difference.estimate.interval.low > 0
            assert planned.difference.holm is not None
            assert planned.difference.holm < 0.05
    assert seen
