"""The table as a picture: every mark stands where its number is, and what is missing is a word, never a mark."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablation.reporting.document import picture, sections
from ablation.reporting.document.cell_pictures import cells
from ablation.reporting.document.effect_pictures import differences, effects
from ablation.reporting.document.picture import Line, Picture
from ablation.reporting.document.reported import as_reported
from ablation.reporting.document.strips import TICKS, scale
from tests.reporting.argued import Argued, argued, six_cells
from tests.reporting.constructed_records import SIX, TABLE1, Runs, config
from tests.reporting.studies import NO_STUDY, analysis, fill, record

LATER = {(resizer, aug, seed): "missing" for resizer, aug in SIX for seed in (1, 2)}


@pytest.fixture
def study(tmp_path: Path) -> Argued:
    """Six cells of three seeds."""
    return argued(six_cells(tmp_path))


def by_label(found: Picture) -> dict[str, Line]:
    """The rows by their label."""
    return {line.label.text: line for line in found.lines}


def one(found: Argued) -> Picture:
    """The picture of cells that were all tested on the same images."""
    (only,) = cells(found.analysis)
    return only


# where things stand


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=20))
def test_a_scale_holds_its_values_and_few_round_ticks(values: list[float]) -> None:
    found = scale(values)
    assert all(0 < found.at(value) < 100 for value in values)
    assert 1 <= len(found.ticks) <= TICKS + 1
    assert all(0 < found.at(tick) < 100 and len(f"{tick:g}") <= 9 for tick in found.ticks)
    assert list(found.ticks) == sorted(found.ticks)


def test_every_seed_mean_interval_and_number_of_the_report_has_its_place(study: Argued) -> None:
    found = one(study)
    for row in study.analysis.rows:
        strip, on = by_label(found)[row.cell.label].strip, found.scale
        bounds = row.means["last"].interval()
        assert bounds and row.samples["last"].mean and row.cell.report
        assert [mark.place for mark in strip.seeds] == [on.at(value) for value in row.cell.accuracies("last").values()]
        assert (strip.mean, strip.ends) == (on.at(row.samples["last"].mean), (on.at(bounds.low), on.at(bounds.high)))
        assert strip.report and strip.report.place == on.at(row.cell.report)
    baseline = study.analysis.rows[0].samples["last"].mean
    assert {line.strip.line for line in found.lines} == {found.scale.at(baseline or 0.0)}


def test_the_reports_number_is_marked_only_where_its_protocol_is_ours(tmp_path: Path) -> None:
    found = one(argued(six_cells(tmp_path, TABLE1 | {"protocol": {**TABLE1["protocol"], "train.epochs": 200}})))
    assert not any(line.strip.report for line in found.lines)
    assert "report" not in dict(found.legend)


def test_a_papers_name_stands_for_the_reports(tmp_path: Path) -> None:
    found = one(argued(six_cells(tmp_path, TABLE1 | {"paper": "Zhang et al. 2018"})))
    assert dict(found.legend)["report"] == "Zhang et al. 2018, best epoch"
    assert by_label(found)["+ Resizer"].details[-1].startswith("Zhang et al. 2018: 95.68 % at its best epoch")


def test_a_difference_stands_at_its_points(study: Argued) -> None:
    found = differences(study.analysis.comparisons, "differences")
    assert found and len(found.lines) == 5
    for each, line in zip(study.analysis.comparisons, found.lines, strict=True):
        bounds = each.estimate.interval()
        assert bounds and each.estimate.points is not None
        assert line.strip.mean == found.scale.at(each.estimate.points)
        assert line.strip.ends == (found.scale.at(bounds.low), found.scale.at(bounds.high))
        assert line.strip.line == found.scale.at(0)


def test_a_row_says_what_its_test_decided(study: Argued) -> None:
    """The worst of six better cells is told apart from one that nothing is known of."""
    said = by_label(one(study))["+ CutMix"]
    assert (said.answer, said.strip.decided) == ("better", True)
    assert [each.text for each in said.values] == ["94.37 ± 0.63", "+1.62 ± 0.57"]
    assert [each.under for each in said.values] == ["n = 3", "better, p = 0.0014"]
    assert by_label(one(study))["Baseline"].values[1].text == ""
    assert not by_label(one(study))["Baseline"].strip.decided


def test_sameness_is_said_with_its_margin_and_without_the_p_of_another_question(runs: Runs) -> None:
    fill(runs, {SIX[0]: [90.0, 90.2, 90.1], SIX[2]: [90.1, 90.0, 90.2]})
    (found,) = cells(analysis(runs, smallest=2.0))
    line = by_label(found)["+ Resizer"]
    assert (line.answer, line.values[1].under) == ("same", "the same within 2")


def test_details_name_n_interval_test_and_runs(study: Argued) -> None:
    line = by_label(one(study))["+ Resizer"]
    assert line.details == [
        "n = 3",
        "last accuracy 95.37 %, 95 % interval 94.74 to 95.99 %",
        "against Baseline: +2.62 [+2.05, +3.19] points, better, p < 0.001 (for this test set)",
        "the report: 95.68 % at its best epoch, inside of where one more run of ours would lie (95 %)",
    ]
    assert [run["seed"] for run in line.runs] == [0, 1, 2]


# what is missing


def test_a_cell_without_a_result_has_a_word_and_no_mark(tmp_path: Path) -> None:
    words = {("plain", "base", seed): "diverged" for seed in range(3)} | {("cbam", "base", 0): "failed"}
    found = one(argued(six_cells(tmp_path, words=words)))
    line = by_label(found)["+ Resizer"]
    assert (line.strip.seeds, line.strip.mean, line.strip.ends) == ([], None, None)
    assert [each.text for each in line.values] == ["diverged", ""]
    assert by_label(found)["+ Resizer_CBAM"].values[0].under == "n = 2 of 3; 1 failed"


def test_without_a_baselines_result_the_reason_stands_in_the_differences_place(tmp_path: Path) -> None:
    found = one(argued(six_cells(tmp_path, words={("none", "base", seed): "missing" for seed in range(3)})))
    assert by_label(found)["+ CutMix"].values[1].text == "a cell has no finished run"
    assert {line.strip.line for line in found.lines} == {None}


def test_one_seed_is_a_dot_without_mean_or_interval(tmp_path: Path) -> None:
    found = argued(six_cells(tmp_path, words=LATER))
    strips = [line.strip for line in one(found).lines]
    assert all(len(strip.seeds) == 1 and strip.mean is None and strip.ends is None for strip in strips)
    assert not {"mean", "decided", "point"} & dict(one(found).legend).keys()
    shown = effects(found.analysis)
    assert shown and {line.strip.ends for line in shown.lines} == {None}
    assert dict(shown.legend) == {"point": "mean", "line": "no effect"}


def test_two_seeds_have_a_mean_and_no_interval(tmp_path: Path) -> None:
    found = one(argued(six_cells(tmp_path, words={place: word for place, word in LATER.items() if place[2] == 2})))
    assert all(line.strip.mean is not None and line.strip.ends is None for line in found.lines)


# what is shown first


def test_of_many_cells_the_best_stand_first_and_none_is_lost(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sections, "FOLDED", 4)
    fill(runs, {place: [90.0 + number, 90.3 + number, 90.7 + number] for number, place in enumerate(SIX)})
    (found,) = cells(analysis(runs))
    assert found.more and found.more.title == "2 more cells"
    shown = [line.label.text for line in found.lines]
    assert shown[0] == "+ Resizer_CBAM + CutMix" and "Baseline" in shown and len(shown) == 4
    assert Counter(shown + [line.label.text for line in found.more.lines]) == Counter(cell["label"] for cell in TABLE1["cells"])
    assert found.more.scale == found.scale


def test_a_picture_of_very_many_rows_ends_and_says_so(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tables have the others."""
    monkeypatch.setattr(sections, "FOLDED", 2)
    monkeypatch.setattr(picture, "MOST", 3)
    fill(runs, {place: [90.0 + number, 90.3 + number] for number, place in enumerate(SIX)})
    analysed = analysis(runs)
    (found,) = cells(analysed)
    assert found.more and (found.more.title, len(found.more.lines)) == ("4 more cells, the first 3 of them", 3)
    compared = differences(analysed.comparisons, "differences")
    assert compared and len(compared.lines) == 3


def test_without_any_number_there_is_no_picture_of_differences(tmp_path: Path) -> None:
    found = argued(six_cells(tmp_path, words={(resizer, aug, seed): "missing" for resizer, aug in SIX for seed in range(3)}))
    assert differences(found.analysis.comparisons, "differences") is None
    assert effects(found.analysis) is None
    assert [line.values[0].text for line in one(found).lines] == ["missing"] * 6


def test_planned_effects_stand_first_and_the_others_are_folded(study: Argued) -> None:
    found = effects(study.analysis)
    assert found and found.more
    names = [f"{line.label.text} {line.label.under}" for line in found.lines]
    assert names == [
        "Attention plain \u2192 cbam",
        "Resizer none \u2192 cbam",
        "Resizer none \u2192 plain",
        "Aug base \u2192 cutmix",
    ]
    assert dict(found.legend) == {"decided": "mean with 95 % interval, decided", "line": "no effect"}
    assert all(line.values[0].under.startswith("exploratory: ") for line in found.more.lines)
    assert "Interaction plain \u00d7 cutmix" in {f"{line.label.text} {line.label.under}" for line in found.more.lines}
    details = next(line for line in found.lines if line.label.text == "Attention").details
    assert details[1:] == [
        "mean of + Resizer_CBAM, + Resizer_CBAM + CutMix",
        "minus that of + Resizer, + Resizer + CutMix",
    ]


def test_each_kind_of_test_images_has_its_own_scale(runs: Runs) -> None:
    planned = [
        (config(resizer, "base", seed, data=data), accuracy + seed / 7 + (resizer == "plain"))
        for data, accuracy in (("cifar10", 94.0), ("cifar100", 75.0))
        for resizer in ("none", "plain")
        for seed in range(3)
    ]
    record(runs, planned, NO_STUDY | {"baseline": {"resizer": "none"}})
    found = cells(analysis(runs))
    assert [each.title for each in found] == [
        "data cifar10: accuracy at the last epoch",
        "data cifar100: accuracy at the last epoch",
    ]
    assert [len(each.lines) for each in found] == [2, 2]
    assert found[0].scale.low > found[1].scale.high
    assert len({each.key for each in found}) == 2


# as the report prints it


def test_the_reports_own_table_has_a_column_a_configuration(study: Argued) -> None:
    found = as_reported(study.analysis)
    assert found and list(found.labels) == [cell["label"] for cell in TABLE1["cells"]]
    rows = dict(found.rows)
    assert rows["the report, best epoch"] == ["93.13", "94.84", "95.68", "96.61", "96.09", "96.63"]
    assert rows["last epoch"][0] == "92.75 ± 0.62"


def test_the_reports_row_needs_its_protocol(tmp_path: Path) -> None:
    other = TABLE1 | {"protocol": {**TABLE1["protocol"], "train.epochs": 200}}
    found = as_reported(argued(six_cells(tmp_path, other, {("plain", "base", seed): "diverged" for seed in range(3)})).analysis)
    assert found and [name for name, _ in found.rows] == ["best epoch on the test set", "last epoch"]
    assert dict(found.rows)["last epoch"][2] == "diverged"


def test_a_study_without_cells_is_no_such_table(runs: Runs) -> None:
    record(runs, [(config("none", seed=seed), 90.0) for seed in range(2)], NO_STUDY)
    assert as_reported(analysis(runs)) is None
    assert effects(analysis(runs)) is None
