"""The audit of published numbers: bounds by brute force, the report's own six numbers, and the script's output."""

from __future__ import annotations

import math
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from scipy.stats import binomtest

from ablation.reporting.statistics.published import (
    Published,
    compare,
    comparisons,
    expected_maximum,
    factors,
    published,
    read_study,
)
from reports import audit as script

ROOT = Path(__file__).parents[3]
STUDIES = ROOT / "conf" / "study"


def cells(*accuracies: float) -> list[Published]:
    return [
        Published(str(place), {"resizer": str(place), "aug": "base"}, accuracy) for place, accuracy in enumerate(accuracies)
    ]


@pytest.mark.parametrize(("right", "right_now"), [(20, 28), (28, 20), (25, 25), (2, 4), (0, 30), (30, 29), (11, 20)])
def test_bounds_are_those_of_every_overlap(right: int, right_now: int) -> None:
    """30 images: all tables of both right, one right, none right that have these margins."""
    overlaps = []
    for both in range(31):
        won, lost = right_now - both, right - both
        if won >= 0 and lost >= 0 and both + won + lost <= 30:
            p = binomtest(won, won + lost).pvalue if won + lost else 1.0
            overlaps.append((won + lost, 100 / 30 * math.sqrt(won + lost - (won - lost) ** 2 / 30), p))
    found = compare(*cells(100 * right / 30, 100 * right_now / 30), images=30)
    assert found.images == right_now - right
    assert found.differing == (min(overlaps)[0], max(overlaps)[0])
    assert found.paired == pytest.approx((min(overlaps)[1], max(overlaps)[1]))
    assert found.largest_p == pytest.approx(max(p for _, _, p in overlaps))
    assert found.resolving == max((differing for differing, _, p in overlaps if p < 0.05), default=None)
    certain = {bool(p < 0.05) for _, _, p in overlaps}
    assert found.resolved is (certain.pop() if len(certain) == 1 else None)


def test_two_images_of_ten_thousand_are_not_resolved_whatever_the_overlap() -> None:
    found = compare(*cells(96.61, 96.63), images=10_000)
    assert (found.images, found.resolved, found.resolving) == (2, False, None)
    assert found.points == pytest.approx(0.02)


def test_attention_without_cutmix_depends_on_the_overlap() -> None:
    found = compare(*cells(95.68, 96.09), images=10_000)
    assert round(found.unpaired, 2) == 0.28
    assert found.differing == (41, 823)
    assert (found.resolved, found.resolving) == (None, 415)


def test_equal_numbers_and_perfect_ones() -> None:
    equal = compare(*cells(90, 90), images=100)
    assert (equal.images, equal.paired[0], equal.resolved) == (0, 0, False)
    perfect = compare(*cells(100, 100), images=100)
    assert (perfect.unpaired, perfect.differing, perfect.largest_p) == (0, (0, 0), 1)


def test_which_cells_are_compared() -> None:
    study = read_study(STUDIES, "table1")
    found = comparisons(published(study), study["baseline"], 10_000)
    assert [one.change for one in found] == [
        "base -> cutmix (none)",
        "none -> plain (base)",
        "none -> plain, base -> cutmix",
        "none -> cbam (base)",
        "none -> cbam, base -> cutmix",
        "none -> plain (cutmix)",
        "none -> cbam (cutmix)",
        "base -> cutmix (plain)",
        "plain -> cbam (base)",
        "plain -> cbam (cutmix)",
        "base -> cutmix (cbam)",
    ]
    assert [one.images for one in found] == [171, 255, 348, 296, 350, 177, 179, 93, 41, 2, 54]
    without = comparisons(published(study), None, 10_000)
    assert len(without) == 9  # one factor at a time; the two best are such a pair here


def test_factors_of_the_report() -> None:
    study = read_study(STUDIES, "table1")
    found = {
        f"{one.contrast.name}: {one.contrast.of}": (one.estimate.points, error)
        for one, error in factors(published(study), study, 10_000)
    }
    assert found["resizer: none -> plain (base, cutmix)"][0] == pytest.approx(2.16)
    assert found["interaction: cbam x cutmix"][0] == pytest.approx(-1.17)
    assert found["interpolation: none -> bilinear (base, cutmix)"] == (None, None)
    four = (93.13, 94.84, 96.09, 96.63)
    error = 100 * math.sqrt(sum(a / 100 * (1 - a / 100) for a in four) / 10_000)
    assert found["interaction: cbam x cutmix"][1] == pytest.approx(error)
    (alone,) = factors(cells(90, 91), {}, 100)  # of a study that names nothing
    assert (alone[0].contrast.of, alone[0].estimate.points) == ("0 -> 1", 1)


def test_a_study_is_read_with_those_it_builds_on() -> None:
    controls = read_study(STUDIES, "controls")
    assert controls["name"] == "controls"
    assert controls["protocol"] == read_study(STUDIES, "table1")["protocol"]
    assert [cell.accuracy for cell in published(controls)] == [93.13, 94.84, 95.68, 96.61, 96.09, 96.63]


def test_the_best_of_many_epochs_lies_above_their_mean() -> None:
    assert expected_maximum(2) == pytest.approx(1 / math.sqrt(math.pi), abs=0.03)  # exact for two draws
    assert expected_maximum(150) == pytest.approx(2.63, abs=0.03)
    assert all(expected_maximum(n) < expected_maximum(m) for n, m in pairwise((2, 10, 100, 1000)))


@pytest.mark.parametrize("study", ["table1", "controls"])
def test_the_script_fits_80_columns(study: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert script.main(["--study", study]) == 0
    said = capsys.readouterr().out
    assert max(map(len, said.splitlines())) <= 80
    words = " ".join(said.split())
    assert "plain -> cbam (cutmix) +0.02 +2 0.26 0.01-0.26 no 884" in words
    assert "not resolved whatever the overlap: 1 of 11 (plain -> cbam (cutmix): +2 images)" in words
    assert "interpolation: none -> bilinear (base, cutmix) cannot be told, missing: bilinear base, bilinear cutmix" in words
    assert "assumed, not measured" in words
    assert "an estimate (Blom 1958)" in words


def test_the_assumed_spread_can_be_changed(capsys: pytest.CaptureFixture[str]) -> None:
    assert script.main(["--seed-sd", "0.3"]) == 0
    words = " ".join(capsys.readouterr().out.split())
    assert "0.26 0.01-0.26 no 3,533" in words
    assert "scatters by 0.3 points" in words


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--study", "tabel1"], "no study tabel1 in"),
        (["--study", "demo"], "study demo holds 0 published numbers"),
        (["--seed-sd", "nan"], "--seed-sd nan: must be in (0, 100) points"),
        (["--images", "0"], "--images 0: must be >= 1"),
    ],
)
def test_what_cannot_be_audited_is_one_line(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert script.main(arguments) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"nothing to audit: {said}")
    assert captured.err.count("\n") == 1


def test_it_runs_without_torch_and_hydra() -> None:
    code = "import sys; from reports.audit import main; main([]); print({'torch', 'hydra', 'omegaconf'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.endswith("set()\n")
