"""Ensembles and test-time augmentation by hand, their rows beside the table, and runs that cannot take part."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ablation.commands.ensemble import main
from ablation.data.augment import Augment
from ablation.reporting.document import future_work
from ablation.reporting.formats.csv_files import comma_separated
from ablation.reporting.statistics.cells import Cell
from ablation.sweep import settings
from ablation.trained.ensemble import augmented, combine, ensembles, views
from ablation.trained.load import Trained, load

LABELS = np.array([0, 1, 1, 0])


def probabilities(*of_class_1: float) -> np.ndarray:
    """Return (N, 2) with these probabilities of class 1."""
    ones = np.array(of_class_1)
    return np.stack([1 - ones, ones], axis=1)


def test_the_mean_of_probabilities_by_hand() -> None:
    """Members have 3 and 2 of 4 right; their mean .4, .55, .8, .45 has all 4; one image is won, none is lost."""
    one, other = probabilities(0.2, 0.9, 0.9, 0.6), probabilities(0.6, 0.2, 0.7, 0.3)
    row = combine("cell", "ensemble", [one, other], LABELS)
    assert (row.accuracy, row.member, row.won, row.lost, row.p, row.passes) == (100.0, 75.0, 1, 0, 1.0, 2)


@given(st.permutations(range(5)))
def test_the_order_of_members_does_not_matter(order: list[int]) -> None:
    rng = np.random.default_rng(0)
    members = [rng.dirichlet((1, 1, 1), 30) for _ in order]
    labels = rng.integers(0, 3, 30)
    row, moved = (combine("c", "m", each, labels) for each in (members, [members[index] for index in order]))
    assert (row.accuracy, row.won - row.lost, row.member) == pytest.approx(
        (moved.accuracy, moved.won - moved.lost, moved.member)
    )


@pytest.fixture
def two_seeds(finished: Path, tmp_path: Path) -> Path:
    """Return a runs folder with the run and a second seed of it, whose logits are others."""
    runs = tmp_path / "runs"
    one = Path(shutil.copytree(finished, runs / finished.name))
    other = Path(shutil.copytree(finished, runs / finished.name.replace("-s0-", "-s1-")))
    record = json.loads((one / "outcome.json").read_text())
    changed = {**record, "run_id": other.name, "seed": 1, "config": {**record["config"], "seed": 1}}
    (other / "outcome.json").write_text(json.dumps(changed))
    with np.load(one / "predictions.npz") as arrays:
        moved = {name: array if name == "labels" else array[:, ::-1] for name, array in arrays.items()}
    np.savez(other / "predictions.npz", **moved)
    return runs


def test_rows_are_printed_written_and_read_by_the_table(
    two_seeds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of other runs or another metric they are not shown."""
    assert main(["--runs", str(two_seeds), "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert "ensemble of 2 seeds" in printed and "won : lost" in printed
    folder, names = tmp_path / "out" / "runs", [folder.name for folder in two_seeds.iterdir()]
    section = future_work.read(folder, names, "last")
    assert section is not None and [entry.text for entry in section.rows[0]][1] == "ensemble of 2 seeds"
    assert future_work.read(folder, names[:1], "last") is None and future_work.read(folder, names, "best") is None
    assert future_work.read(tmp_path, names, "last") is None


def test_a_foreign_file_is_no_section(tmp_path: Path) -> None:
    (tmp_path / future_work.NAME).write_text("a,b\n1,2\n")
    assert future_work.read(tmp_path, ["x"], "last") is None
    (tmp_path / future_work.NAME).write_bytes(b"\xff\xfe\x00")
    assert future_work.read(tmp_path, ["x"], "last") is None


def test_a_missing_p_is_an_empty_field_and_a_word() -> None:
    """TTA over several seeds is a mean, which McNemar's test is not of."""
    row = dict.fromkeys(future_work.COLUMNS, 1.0) | {
        "cell": "c",
        "method": "TTA: mirror",
        "p": None,
        "metric": "last",
        "runs": "x",
    }
    assert comma_separated([row]).splitlines()[1] == "c,TTA: mirror,1.0,1.0,1.0,1.0,1.0,,1.0,last,x"
    assert future_work.section([row]).rows[0][5].text == "mean"


def test_a_run_without_logits_is_left_out_and_named(two_seeds: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And with one run left nothing is combined, and nothing is written."""
    victim = next(two_seeds.glob("*-s1-*"))
    (victim / "predictions.npz").write_bytes(b"no archive")
    assert main(["--runs", str(two_seeds), "--out", str(two_seeds / "out")]) == 1
    error = capsys.readouterr().err
    assert f"left out: {victim}/predictions.npz: no last logits" in error and "nothing written" in error
    assert not (two_seeds / "out").exists()


def test_seeds_of_other_test_images_are_not_combined(two_seeds: Path) -> None:
    """Their labels differ."""
    first, victim = sorted(two_seeds.iterdir())
    with np.load(victim / "predictions.npz") as arrays:
        np.savez(victim / "predictions.npz", **{**arrays, "labels": arrays["labels"][::-1]})
    runs = [{"run_id": folder.name, "outcome": "done", "seed": seed} for seed, folder in enumerate((first, victim))]
    rows, problems = ensembles([Cell("cell", {}, runs, None, False, {})], two_seeds, "last")
    assert rows == [] and problems == [f"{victim.name}: other test images than the other seeds of cell"]


def test_views_are_changes_that_training_made(finished: Path) -> None:
    """Digits are shifted and never mirrored; the first view is the picture itself, a shift moves it by a pixel into black."""
    trained = load(finished, device="cpu")
    pixels = settings.build(trained.config, "data").test.pixels[:3]
    ((method, changes),) = views(trained)
    assert method == "5 shifts" and torch.equal(changes[0](pixels), pixels)
    assert torch.equal(changes[1](pixels)[:, :, 1:], pixels[:, :, :-1]) and not changes[1](pixels)[:, :, 0].any()


def test_tta_of_one_view_is_the_run_itself(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No image is won or lost, and the accuracy is the record's."""
    monkeypatch.setattr("ablation.trained.ensemble.views", lambda trained: [("nothing", [lambda pixels: pixels])])
    record = json.loads((finished / "outcome.json").read_text())
    cell = Cell("cell", {}, [{"run_id": finished.name, "outcome": "done", "seed": 0}], None, False, {})
    (row,), problems = augmented(cell, finished.parent, "best", "cpu")
    assert problems == [] and (row.won, row.lost, row.p, row.passes) == (0, 0, 1.0, 1)
    assert row.accuracy == row.member == pytest.approx(record["best"]["test_acc"])


def test_tta_needs_the_weights(two_seeds: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The line names the run and the key that keeps them; ensembles are written all the same."""
    for file in two_seeds.glob("*/checkpoints/last-*"):
        file.unlink()
    assert main(["--runs", str(two_seeds), "--out", str(two_seeds / "out"), "--tta"]) == 0
    assert "no last weights were kept; records.keep_weights=[last] keeps them" in capsys.readouterr().err


def test_pictures_of_a_run_with_flips_are_mirrored_too() -> None:
    """Two views, and ten: five shifts by half the padding, each as it is and mirrored."""
    augment = Augment(padding=4, flip=True, mean=(0.5,) * 3, std=(0.5,) * 3)
    pixels = torch.randint(256, (2, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    (mirror, two), (shifts, ten) = views(cast(Trained, SimpleNamespace(augment=augment)))
    assert (mirror, shifts, len(two), len(ten)) == ("mirror", "mirror x 5 shifts", 2, 10)
    assert torch.equal(two[0](pixels), pixels) and torch.equal(two[1](pixels), pixels.flip(3))
    up = torch.zeros_like(pixels)
    up[:, :, 2:] = pixels[:, :, :-2]
    assert torch.equal(ten[2](pixels), up) and torch.equal(ten[3](pixels), up.flip(3))
