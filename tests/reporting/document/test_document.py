"""What the table says: computed by hand from constructed records."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ablation.reporting.formats import correct_images
from ablation.reporting.formats.write import write
from ablation.reporting.read.logits import CorrectReader
from tests.reporting.constructed_records import SIX, TABLE1, Runs, config, outcome, run_id
from tests.reporting.studies import argued, by_images

GOLDEN = """\
## Accuracy (%)

| cell | last | best | best - last | report | gap | one more run |
| --- | ---: | ---: | ---: | ---: | ---: | ---: |
| Baseline | 92.75 (n=2; 92.50, 93.00) | 93.25 (n=2; 93.00, 93.50) | +0.50 | 93.13 | +0.12 | 87.75 to 98.75: inside |
| + CutMix | 94.00 (n=2; 93.75, 94.25) | 94.50 (n=2; 94.25, 94.75) | +0.50 | 94.84 | -0.34 | 89.00 to 100.00: inside |
| + Resizer | 95.25 (n=2; 95.00, 95.50) | 95.75 (n=2; 95.50, 96.00) | +0.50 | 95.68 | +0.07 | 90.25 to 100.00: inside |
| + Resizer + CutMix | 96.00 (n=2; 95.75, 96.25) | 96.50 (n=2; 96.25, 96.75) | +0.50 | 96.61 | -0.11 | 91.00 to 100.00: inside |
| + Resizer_CBAM | 95.50 (n=2; 95.25, 95.75) | 96.00 (n=2; 95.75, 96.25) | +0.50 | 96.09 | -0.09 | 90.50 to 100.00: inside |
| + Resizer_CBAM + CutMix | 96.25 (n=2; 96.00, 96.50) | 96.75 (n=2; 96.50, 97.00) | +0.50 | 96.63 | +0.12 |\
 91.25 to 100.00: inside |
"""  # one more run: t(1) = 12.71 times 0.354 times the root of 1.5, within 100
DIFFERENCES = {
    "+ CutMix": 1.25,
    "+ Resizer": 2.5,
    "+ Resizer + CutMix": 3.25,
    "+ Resizer_CBAM": 2.75,
    "+ Resizer_CBAM + CutMix": 3.5,
}
EFFECTS = {  # of the means: (1.25 + 0.75 + 0.75) / 3 for CutMix, 3.25 - 2.5 - 1.25 for the interaction
    ("resizer", "none -> plain (base, cutmix)"): 2.25,
    ("resizer", "none -> cbam (base, cutmix)"): 2.5,
    ("aug", "base -> cutmix (none, plain, cbam)"): 2.75 / 3,
    ("interaction", "plain x cutmix"): -0.5,
    ("interaction", "cbam x cutmix"): -0.5,
    ("interpolation", "none -> bilinear (base, cutmix)"): None,
    ("learning", "bilinear -> plain (base, cutmix)"): None,
    ("attention", "plain -> cbam (base, cutmix)"): 0.25,
    ("attention", "plain -> cbam (base)"): 0.25,
    ("attention", "plain -> cbam (cutmix)"): 0.25,
}
HEADINGS = ["Accuracy (%)", "Difference to Baseline (last, points)", "What each factor adds (last, points)", "Cost", "Runs"]
MEANS = dict(zip(SIX, (93.25, 94.5, 95.75, 96.5, 96.0, 96.75), strict=True))
LABELS = ["Baseline", *DIFFERENCES]


def golden(runs: Runs) -> None:
    """Six cells, two seeds, 0.25 below and above the mean at the best epoch, 0.5 less at the last."""
    planned = [config(resizer, aug, seed) for seed in (0, 1) for resizer, aug in reversed(SIX)]
    runs.manifest(TABLE1, planned)
    for flat in planned:
        best = MEANS[flat["resizer"], flat["aug"]] + (0.25 if flat["seed"] else -0.25)
        chosen = {"epoch": 7 + flat["seed"], "test_acc": best}
        runs.record(outcome(flat, last=best - 0.5, seconds=540.0 + 120 * flat["seed"]) | {"best": chosen})


def read(file: Path) -> list[dict[str, str]]:
    """A CSV by Python's own reader."""
    with file.open(newline="") as lines:
        return list(csv.DictReader(lines))


def table(runs: Runs, name: str = "table.md", study: str = "table1", out: str = "reports") -> Path:
    """A written file."""
    return runs.folder.parent / out / study / name


def sections(runs: Runs, study: str = "table1") -> dict[str, list[str]]:
    """The lines of the Markdown by their heading."""
    found = table(runs, study=study).read_text().split("\n## ")[1:]
    return {heading: text for heading, *text in (part.splitlines() for part in found)}


def entries(runs: Runs, begins: str = "Accuracy", study: str = "table1") -> dict[str, list[str]]:
    """The rows of the section whose heading begins so, by label."""
    (found,) = (text for heading, text in sections(runs, study).items() if heading.startswith(begins))
    rows = [line for line in found if line.startswith("| ")][2:]
    return {cells[0]: cells[1:] for cells in ([cell.strip() for cell in row.strip("|").split(" | ")] for row in rows)}


def lines(runs: Runs, study: str = "table1") -> list[str]:
    """The lines about the whole table."""
    return [line[2:] for line in sections(runs, study)["Runs"] if line.startswith("- ")]


def test_the_table_of_the_report(runs: Runs, make_table: Callable[..., int]) -> None:
    golden(runs)
    assert make_table() == 0
    text = table(runs).read_text()
    assert text.startswith(
        "# Table 1, accuracy on CIFAR-10, VGG16 (%)\n\n\\+ Resizer_CBAM + CutMix is highest with 96.25 % at the last epoch"
    )
    assert f"\n\n{GOLDEN}\n- an accuracy scatters over seeds by 0.35 points" in text
    assert list(sections(runs)) == HEADINGS
    assert {label: float(row[0]) for label, row in entries(runs, "Difference").items()} == DIFFERENCES
    assert list(entries(runs, "Cost")) == LABELS
    assert all(row == ["2", "25,000", "3.22 GB", "134,301,514", "15.47 G", "7-8"] for row in entries(runs, "Cost").values())
    assert lines(runs)[0] == "planned 12 = done 12"


def test_the_same_numbers_in_full_for_programs(runs: Runs, make_table: Callable[..., int]) -> None:
    golden(runs)
    assert make_table() == 0
    values = read(table(runs, "table.csv"))
    assert [float(row["best_acc"]) for row in values] == list(MEANS.values())
    assert [values[0][key] for key in ("report", "planned", "done", "missing")] == ["93.13", "2", "2", "0"]
    assert [values[0][key] for key in ("seconds_per_epoch", "best_epoch", "macs")] == ["2.0", "7.5", "15470314496"]
    last = values[-1]
    assert [last[key] for key in ("baseline", "difference", "answer", "holds")] == [
        *("Baseline", "3.5", "cannot tell", "for this test set")
    ]
    welch = stats.ttest_ind([96.0, 96.5], [92.5, 93.0], equal_var=False)
    assert float(last["p"]) == pytest.approx(welch.pvalue)
    assert float(last["permutation_p"]) == pytest.approx(2 / 6)  # of 6 ways to deal two and two runs
    assert [values[0][key] for key in ("baseline", "difference", "p", "holm")] == [""] * 4
    assert [values[0][key] for key in ("best_n", "best_minus_last", "best_minus_val", "outcome")] == ["2", "0.5", "", "done"]
    assert float(values[0]["gap"]) == pytest.approx(0.12)
    assert (values[0]["report_inside"], values[0]["val_acc"]) == ("true", "")
    effects = {
        (row["effect"], row["of"]): float(row["points"]) if row["points"] else None for row in read(table(runs, "effects.csv"))
    }
    assert effects == {name: points if points is None else pytest.approx(points) for name, points in EFFECTS.items()}
    by_run = read(table(runs, "runs.csv"))
    assert len(by_run) == 12
    assert [(row["cell"], row["seed"], row["best_acc"], row["outcome"]) for row in by_run[:2]] == [
        ("Baseline", "0", "93.0", "done"),
        ("Baseline", "1", "93.5", "done"),
    ]


def test_nothing_planned_disappears(runs: Runs, make_table: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    """Acceptance row 6: twelve planned, eight done, one killed, three never started."""
    planned = [config(resizer, aug, seed) for resizer, aug in SIX for seed in (0, 1)]
    runs.manifest(TABLE1, planned)
    for flat in planned[:8]:
        runs.record(outcome(flat, best=95.0))
    runs.record(outcome(planned[8], "running") | {"best": {"epoch": 3, "test_acc": 98.765}})
    assert make_table() == 2
    assert [row[0] for row in entries(runs).values()] == [
        *["89.00 (n=2; 89.00, 89.00)"] * 4,
        "1 killed, 1 missing (n=0 of 2)",
        "missing (n=0 of 2)",
    ]
    assert lines(runs)[0] == "planned 12 = done 8 + killed 1 + missing 3"
    assert "planned 12 = done 8 + killed 1 + missing 3" in capsys.readouterr().out
    for name in ("table.md", "table.csv", "runs.csv", "effects.csv"):
        assert "98.7" not in table(runs, name).read_text()  # the killed run's number
    outcomes = [row["outcome"] for row in read(table(runs, "runs.csv"))]
    assert sorted(outcomes) == ["done"] * 8 + ["killed"] + ["missing"] * 3
    assert [(row["best_acc"], row["outcome"]) for row in read(table(runs, "table.csv"))][4:] == [
        *(("", "1 killed, 1 missing"), ("", "missing"))
    ]
    assert "Provisional, 4 of 12 planned runs without a result (1 killed, 3 missing): " in table(runs).read_text()
    assert entries(runs, "Difference")["+ Resizer_CBAM + CutMix"] == ["-", "no test"]


@pytest.mark.parametrize("word", ["diverged", "failed", "preempted", "interrupted"])
def test_no_number_of_a_run_that_is_not_done(runs: Runs, make_table: Callable[..., int], word: str) -> None:
    """Alone it is a word; beside a done run it is left out of the mean and said."""
    planned = [config(seed=0), config("plain", seed=0), config("plain", seed=1), config("plain", seed=2)]
    runs.manifest(TABLE1, planned)
    for flat in planned:
        runs.record(outcome(flat, "done" if flat["seed"] else word, best=97.77 if not flat["seed"] else 95.0))
    assert make_table() == (0 if word == "diverged" else 2)
    assert entries(runs)["Baseline"] == [f"{word} (n=0 of 1)", f"{word} (n=0)", "-", "93.13", word, "-"]
    assert entries(runs)["+ Resizer"][:2] == [f"89.00 (n=2 of 3; 1 {word}; 89.00, 89.00)", "95.00 (n=2; 95.00, 95.00)"]
    assert entries(runs, "Cost")["Baseline"] == ["-"] * 6
    assert "97.77" not in table(runs).read_text()
    assert lines(runs)[0] == f"planned 4 = done 2 + {word} 2"


def test_a_run_that_is_on_is_running(runs: Runs, make_table: Callable[..., int]) -> None:
    """The lock tells it from a killed one; it is held by another process, as in life."""
    import subprocess
    import sys

    planned = [config(seed=seed) for seed in (0, 1)]
    runs.manifest(TABLE1, planned)
    folders = [runs.record(outcome(flat, "running")).parent for flat in planned]
    hold = "held = Lock(pathlib.Path(sys.argv[1])); print(1, flush=True); input()"
    code = f"import sys, pathlib; from ablation.records.lock import Lock; {hold}"
    holder = subprocess.Popen([sys.executable, "-c", code, str(folders[0])], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"1\n"
        assert make_table() == 2
    finally:
        holder.communicate(b"\n")
    assert lines(runs)[0] == "planned 2 = done 0 + killed 1 + running 1"


@pytest.mark.parametrize(
    ("metric", "header", "first"),
    [
        ("best", ["best", "last"], ["95.00 (n=1)", "94.00 (n=1)"]),
        ("last", ["last", "best"], ["94.00 (n=1)", "95.00 (n=1)"]),
        ("val", ["val", "last", "best"], ["94.50 (n=1)", "94.00 (n=1)", "95.00 (n=1)"]),
    ],
)
def test_the_three_accuracies_are_never_mixed(
    runs: Runs, make_table: Callable[..., int], metric: str, header: list[str], first: list[str]
) -> None:
    runs.manifest(TABLE1, [config(), config("plain")])
    runs.record(outcome(config(), best=95.0, last=94.0, val={"epoch": 5, "test_acc": 94.5}))
    runs.record(outcome(config("plain"), best=95.0, last=94.0))
    assert make_table("--metric", metric) == 0
    assert sections(runs)["Accuracy (%)"][1].split(" | ")[1 : len(header) + 1] == header
    assert f"Difference to Baseline ({metric}, points)" in sections(runs)
    assert entries(runs)["Baseline"][: len(first)] == first
    if metric == "val":
        assert entries(runs)["+ Resizer"][0] == "no val (n=0 of 1)"


def test_another_protocol_takes_no_number_from_the_report(runs: Runs, make_table: Callable[..., int]) -> None:
    """A profile's runs stand alone, and a line names every key of the protocol that differs."""
    planned = [config(resizer, aug, backbone="vgg_tiny", train__epochs=10) for resizer, aug in SIX]
    runs.manifest(TABLE1, planned)
    for flat in planned:
        runs.record(outcome(flat))
    assert make_table() == 0
    assert "| report |" not in table(runs).read_text()
    assert "93.13" not in table(runs).read_text()
    assert {row["report"] for row in read(table(runs, "table.csv"))} == {""}
    assert "the report used another protocol: backbone vgg16 (here vgg_tiny), train.epochs 300 (here 10)" in lines(runs)


def test_the_protocol_is_compared_cell_by_cell(runs: Runs, make_table: Callable[..., int]) -> None:
    """resizer.size does not exist for resizer=none and is no difference there; such a cell keeps the report's number."""
    planned = [config("none"), config("plain", resizer__size=160)]
    runs.manifest(TABLE1, planned)
    for flat in planned:
        runs.record(outcome(flat))
    assert make_table() == 0
    assert [row[-3:-1] for row in entries(runs).values()] == [["93.13", "-3.13"], ["-", "-"]]
    assert "the report used another protocol than + Resizer: resizer.size 224 (here 160)" in lines(runs)


def test_of_two_data_sets_the_rows_of_another_protocol_are_named(runs: Runs, make_table: Callable[..., int]) -> None:
    planned = [config(resizer, data=data) for data in ("cifar10", "cifar100") for resizer in ("none", "plain")]
    runs.manifest(TABLE1, planned)
    for flat in planned:
        runs.record(outcome(flat))
    assert make_table() == 0
    rows = "Baseline · cifar100, + Resizer · cifar100"
    assert f"the report used another protocol than {rows}: data cifar10 (here cifar100)" in lines(runs)


def test_a_stated_margin_is_explained_once(runs: Runs, make_table: Callable[..., int]) -> None:
    golden(runs)
    assert make_table("--smallest", "0.5") == 0
    stated = [line for line in lines(runs) if line.startswith("smallest difference")]
    assert stated == [
        "smallest difference that matters: 0.5 points, stated by --smallest; "
        '"the same" rests on two one-sided tests at 5 %: a 90 % interval within that'
    ]


def test_a_demonstration_says_so_and_borrows_nothing(
    runs: Runs, make_table: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    note = "handwritten digits, a demonstration: not the report's data"
    bare = [{key: value for key, value in cell.items() if key != "report"} for cell in TABLE1["cells"]]
    runs.manifest({"name": "demo", "title": "Digits (%)", "note": note, "cells": bare, "protocol": None}, [config()])
    runs.record(outcome(config()))
    assert make_table() == 0
    text = table(runs, study="demo").read_text()
    assert note in text
    assert "93.13" not in text
    assert "another protocol" not in text
    assert note in capsys.readouterr().out


def test_cells_that_share_their_options_are_told_apart(runs: Runs, make_table: Callable[..., int]) -> None:
    """By what differs; numbers sort as numbers; cells of no study follow the study's."""
    planned = [config("plain", resizer__channels=channels) for channels in (128, 8, 16)]
    planned += [config(), config("bicubic"), config("bicubic", backbone="resnet18")]
    runs.manifest(TABLE1, planned)
    for flat in planned:
        runs.record(outcome(flat))
    make_table()
    assert list(entries(runs)) == [
        "Baseline",
        "+ Resizer · channels 8",
        "+ Resizer · channels 16",
        "+ Resizer · channels 128",
        "bicubic · resnet18",
        "bicubic · vgg16",
    ]
    assert (
        "cells of the study that the sweep leaves out: + CutMix; + Resizer + CutMix; + Resizer_CBAM; + Resizer_CBAM + CutMix"
        in lines(runs)
    )


def test_mixed_code_and_mixed_devices_are_said(runs: Runs, make_table: Callable[..., int]) -> None:
    """Acceptance row 5. Runs without a number count for neither."""
    planned = [config(seed=seed) for seed in range(4)]
    runs.manifest(TABLE1, planned)
    for flat, source, device, word in zip(
        planned, "aabc", ("cpu", "cpu", "gpu", "tpu"), ("done", "done", "done", "failed"), strict=True
    ):
        runs.record(outcome(flat, word, code={"commit": None, "dirty": None, "source": source * 16}, device=device))
    make_table()
    versions = "aaaaaaaaaaaaaaaa (2 runs), bbbbbbbbbbbbbbbb (1 run)"
    assert f"its runs were made by 2 versions of the code: {versions}; rerun=stale trains old ones again" in lines(runs)
    assert "times of different devices: cpu (2 runs), gpu (1 run)" in lines(runs)


@pytest.mark.parametrize("values", [(0.1, 0.2, 0.3), (93.1, 1e-13, 95.7)])
def test_means_are_exact_and_in_full_in_the_csv(runs: Runs, make_table: Callable[..., int], values: tuple[float, ...]) -> None:
    """The correctly rounded sum, whatever the order of the seeds."""
    from fractions import Fraction

    planned = [config(seed=seed) for seed in range(3)]
    runs.manifest(TABLE1, planned)
    for flat, value in zip(planned, values, strict=True):
        runs.record(outcome(flat, best=value))
    make_table()
    exact = float(sum(Fraction(value) for value in values)) / 3
    assert read(table(runs, "table.csv"))[0]["best_acc"] == repr(exact)
    assert [row["best_acc"] for row in read(table(runs, "runs.csv"))] == [repr(value) for value in values]


def test_one_seed_gets_no_interval(runs: Runs, make_table: Callable[..., int]) -> None:
    """Acceptance row 4: a number in brackets or after a sign would be one."""
    planned = [config(*place) for place in SIX]
    runs.manifest(TABLE1, planned)
    for flat in planned:
        runs.record(outcome(flat, best=MEANS[flat["resizer"], flat["aug"]]))
    make_table()
    assert not re.search(r"±|\+/-|\[[-+\d]", table(runs).read_text())


def test_numeric_columns_hold_numbers_alone(runs: Runs, make_table: Callable[..., int]) -> None:
    """`best_acc` held "missing" beside numbers, so that its maximum was a word. Why there is none stands in `outcome`."""
    golden(runs)
    runs.record(outcome(config("plain", "base", 0), "diverged"))
    (runs.folder / run_id(config("plain", "base", 1)) / "outcome.json").unlink()
    assert make_table() == 2
    cells = pd.read_csv(table(runs, "table.csv"))
    assert cells.best_acc.max() == 96.75
    assert cells.outcome.tolist() == ["done", "done", "1 diverged, 1 missing", "done", "done", "done"]
    words = {"cell", "outcome", "baseline", "answer", "holds", "reason", "report_inside"} | {
        key for key in config() if key != "seed"
    }
    for name, more in (("table.csv", words), ("differences.csv", {"cell", "other", "metric", "answer", "holds", "reason"})):
        found = pd.read_csv(table(runs, name))
        texts = {column for column in found if not pd.api.types.is_numeric_dtype(found[column])}
        assert texts <= more, texts - more
    effects = pd.read_csv(table(runs, "effects.csv"))
    assert {"points", "low", "high", "p", "holm", "p_better", "detects"} <= set(effects.select_dtypes("number"))


def test_a_title_is_of_what_was_trained(runs: Runs, make_table: Callable[..., int]) -> None:
    """ "CIFAR-10, VGG16" stood over one's own 60 images."""
    own = {"data": "imagefolder", "data__listing": "a" * 64, "backbone": "resnet18", "train__epochs": 5}
    planned = [config("plain", seed=seed, **own) | {"resizer.size": 64} for seed in range(3)]
    runs.manifest({**TABLE1, "note": "of the report's data"}, planned)
    for flat in planned[:2]:
        runs.record(outcome(flat, test_images=60, dataset="shapes", classes=3))
    assert make_table() == 2  # the third has no result, so it does not know its classes
    text = table(runs).read_text()
    assert text.startswith("# Accuracy (%), 3 classes of shapes, resnet18, 64 px, 5 epochs, 60 test images\n")
    assert "of the report's data" not in text
    page = table(runs, "index.html").read_text()
    assert "<title>Accuracy (%), 3 classes of shapes, resnet18, 64 px, 5 epochs, 60 test images</title>" in page


@pytest.mark.parametrize(
    ("key", "value", "words", "datasets", "apart"),
    [
        ("data.content", "", {}, ("pets", "pets_grey"), ("pets", "pets_grey")),
        ("data.content", "", {}, ("pets", "pets"), ("pets 1", "pets 2")),
        ("data.content", "", {"data.content": ("a/pets", "b/pets")}, ("pets", "pets"), ("a/pets", "b/pets")),
        ("data.listing", "", {}, ("pets", "pets_grey"), ("pets", "pets_grey")),
        (
            "backbone.weights",
            "sha256:",
            {"backbone.weights": ("one.pth", "two.pth")},
            (None, None),
            ("weights one.pth", "weights two.pth"),
        ),
    ],
)
def test_no_digest_tells_rows_apart(
    runs: Runs,
    make_table: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    key: str,
    value: str,
    words: dict[str, tuple[str, str]],
    datasets: tuple[str | None, str | None],
    apart: tuple[str, str],
) -> None:
    """Folders of images and files of weights; of runs that are missing too, if a manifest names them."""
    digests = ["a" * 64, "b" * 64]
    planned = [config("plain", seed=seed) | {key: value + digest} for digest in digests for seed in range(2)]
    named = {run_id(flat): {name: pair[place // 2] for name, pair in words.items()} for place, flat in enumerate(planned)}
    runs.manifest({"name": "table1", "title": None}, planned, words=named)
    for place, flat in enumerate(planned if not words else planned[:3]):
        runs.record(outcome(flat, dataset=datasets[place // 2], classes=3))
    make_table("--all")
    written = capsys.readouterr().out + table(runs).read_text() + table(runs, "index.html").read_text()
    assert all(name in written for name in apart), written[:2000]
    assert "aaaaaaaa" not in re.sub(r"\w+-s[01]-\w+", "", written) and "bbbbbbbb" not in written
    assert "a" * 64 in table(runs, "runs.csv").read_text(), "programs have the digest"


def test_correct_images_are_published_with_the_table(runs: Runs, make_table: Callable[..., int]) -> None:
    """Every won : lost can be counted again from them."""
    by_images(runs, {SIX[0]: [[6, 7], [6]], SIX[2]: [[0, 1, 2], [0, 6]]}, 10)
    assert make_table() == 0
    first = table(runs, "correct.zip").read_bytes()
    found = correct_images.read(table(runs, "correct.zip"))
    assert found.keys() == {run_id(config(*place, seed)) for place in (SIX[0], SIX[2]) for seed in (0, 1)}
    assert [found[run_id(config(seed=seed))].accuracy("last") for seed in (0, 1)] == [20.0, 10.0]
    assert make_table() == 0
    assert table(runs, "correct.zip").read_bytes() == first


def test_every_file_is_the_same_to_the_byte_on_rerun_and_in_any_order(runs: Runs) -> None:
    """With all that a table can hold: the permutation check by chance, correct images, a cell to compare with, what lacks."""
    draw = np.random.default_rng(2)
    rights = {place: [sorted(draw.permutation(60)[: 30 + 4 * at]) for _ in range(14)] for at, place in enumerate(SIX)}
    by_images(runs, rights, 60)
    for resizer, aug in SIX[1:]:
        runs.record(outcome(config(resizer, aug, 0), "diverged"))
    options = {"against": "+ Resizer", "correct": CorrectReader(runs.folder)}
    written = []
    for number, shuffled in enumerate((None, None, 1, 2)):
        files = write(argued(runs, shuffled, **options), runs.folder.parent / str(number))
        written.append({file.name: file.read_bytes() for file in files})
    assert written[0].keys() >= {"table.md", "table.csv", "runs.csv", "effects.csv", "differences.csv"}
    assert all(one == written[0] for one in written)


def test_files_of_another_state_do_not_stay(runs: Runs, make_table: Callable[..., int]) -> None:
    """What is no longer said is removed: old effects would speak of other runs."""
    golden(runs)
    make_table()
    assert table(runs, "effects.csv").exists()
    runs.manifest(TABLE1, [config()], "20260102-000000-aaaa")
    make_table()
    assert sorted(file.name for file in table(runs).parent.glob("*.csv")) == ["runs.csv", "table.csv"]


def test_a_run_resumed_elsewhere_is_marked(runs: Runs, make_table: Callable[..., int]) -> None:
    """Fault rows 27 and 28: its number stands, and the table says that it is not bit-identical to one that never stopped."""
    planned = [config(seed=seed) for seed in range(2)]
    runs.manifest(TABLE1, planned)
    for flat, mixed in zip(planned, (None, "device, versions"), strict=True):
        runs.record(outcome(flat, mixed=mixed))
    make_table()
    (line,) = (line for line in lines(runs) if "mixed within one run" in line)
    assert f"{run_id(planned[1])} (device, versions)" in line and run_id(planned[0]) not in line


OTHER: dict[str, Any] = {
    "name": "nets",
    "title": "Nets",
    "baseline": {"backbone": "vgg16", "optimizer": "sgd"},
    "cells": [],
    "contrasts": {"adaptive steps": {"optimizer": ["sgd", "adamw"]}, "depth": {"backbone": ["vgg16", "resnet18"]}},
    "headline": "adaptive steps",
}


def nets(runs: Runs, study: dict[str, Any]) -> None:
    """Two nets with two optimizers, each with its own learning rate: 2 points for the net, 1 for the optimizer, +- a seed's."""
    planned = [
        config(seed=seed, backbone=net, optimizer=optimizer, optimizer__lr=rate)
        for net in ("vgg16", "resnet18")
        for optimizer, rate in (("sgd", 0.01), ("adamw", 0.001))
        for seed in range(3)
    ]
    runs.manifest(study, planned)
    for flat in planned:
        adamw = flat["optimizer"] == "adamw"
        best = 90 + 2 * (flat["backbone"] == "resnet18") + adamw * (1 + 0.25 * (flat["seed"] - 1))
        runs.record(outcome(flat, best=best, last=best - 0.5))


def test_a_study_of_other_factors_is_argued_as_well(runs: Runs, make_table: Callable[..., int]) -> None:
    """From the manifest to every file: its own contrasts, in its own words."""
    nets(runs, OTHER)
    assert make_table() == 0
    text = table(runs, study="nets").read_text()
    assert "Adaptive steps (sgd -&gt; adamw, averaged over vgg16 and resnet18) adds 1.00 points (95 %: " in text
    written = [(row["kind"], row["effect"], row["of"], row["points"]) for row in read(table(runs, "effects.csv", study="nets"))]
    assert written == [
        ("contrast", "adaptive steps", "sgd -> adamw (vgg16, resnet18)", "1.0"),
        ("contrast", "adaptive steps", "sgd -> adamw (vgg16)", "1.0"),
        ("contrast", "adaptive steps", "sgd -> adamw (resnet18)", "1.0"),
        ("contrast", "depth", "vgg16 -> resnet18 (sgd, adamw)", "2.0"),
        ("contrast", "depth", "vgg16 -> resnet18 (sgd)", "2.0"),
        ("contrast", "depth", "vgg16 -> resnet18 (adamw)", "2.0"),
        ("interaction", "interaction", "resnet18 x adamw", "0.0"),
    ]
    assert list(entries(runs, "Accuracy", study="nets")) == [
        "resnet18 · adamw",
        "resnet18 · sgd",
        "vgg16 · adamw",
        "vgg16 · sgd",
    ]
    page = table(runs, "index.html", study="nets").read_text()
    assert "Adaptive steps" in page and "Depth" in page


def test_a_manifest_of_before_contrasts_has_its_factors_analysed(runs: Runs, make_table: Callable[..., int]) -> None:
    old = {key: value for key, value in OTHER.items() if key not in ("contrasts", "headline", "same_speed")}
    nets(runs, old)
    assert make_table() == 0
    written = read(table(runs, "effects.csv", study="nets"))
    assert {row["kind"] for row in written} == {"main effect", "interaction"}
    assert [row["points"] for row in written] == ["2.0", "1.0", "0.0"]


@pytest.mark.parametrize("contrasts", [{"x": {"aug": "base"}}, {"x": {"aug": ["base"]}}, {"x": {}}, {"x": []}, ["x"]])
def test_contrasts_that_cannot_be_read_make_a_manifest_unreadable(
    runs: Runs, make_table: Callable[..., int], capsys: pytest.CaptureFixture[str], contrasts: Any
) -> None:
    nets(runs, {**OTHER, "contrasts": contrasts})
    make_table()
    said = capsys.readouterr()
    assert "unreadable, left out:" in said.out + said.err
