"""A done run as an object: its logits are those it stored, and what cannot be used says so in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import ablation
from ablation.sweep import settings
from ablation.trained.load import Unusable, load


@pytest.mark.parametrize("kind", ["best", "last"])
def test_the_logits_are_those_that_the_run_stored(finished: Path, kind: str) -> None:
    """To the last bit on the same processor, in the run's own batches."""
    trained = load(finished, kind, device="cpu")
    dataset = settings.build(trained.config, "data")
    stored = torch.from_numpy(np.load(finished / "predictions.npz")[kind])
    torch.testing.assert_close(trained.logits(dataset.test.pixels), stored, rtol=0, atol=1e-5)
    assert trained.classes == dataset.classes == tuple("0123456789") and trained.image_size == (8, 8)
    assert not trained.module.training


def test_loading_draws_no_random_number(finished: Path) -> None:
    """A user's own seed stays what it was."""
    torch.manual_seed(1)
    before = torch.get_rng_state()
    ablation.load(finished, device="cpu")
    assert torch.equal(torch.get_rng_state(), before)


def test_a_record_without_names_numbers_its_classes(copied: Path) -> None:
    """As those of older versions are; the size of a known data set is known."""
    record = json.loads((copied / "outcome.json").read_text())
    record["class_names"] = record["image_size"] = None
    (copied / "outcome.json").write_text(json.dumps(record))
    trained = load(copied, device="cpu")
    assert trained.classes[:2] == ("class 0", "class 1") and trained.image_size == (8, 8)


def _without_weights(folder: Path) -> None:
    for file in (folder / "checkpoints").iterdir():
        file.unlink()


def _damaged(folder: Path) -> None:
    file = next((folder / "checkpoints").glob("best-*"))
    file.write_bytes(file.read_bytes()[:-1] + b"x")


def _diverged(folder: Path) -> None:
    record = json.loads((folder / "outcome.json").read_text())
    (folder / "outcome.json").write_text(json.dumps({**record, "outcome": "diverged"}))


def _another_run(folder: Path) -> None:
    record = json.loads((folder / "outcome.json").read_text())
    (folder / "outcome.json").write_text(json.dumps({**record, "digest": "0123456789"}))


def _foreign_part(folder: Path) -> None:
    file = folder / "config.yaml"
    file.write_text(file.read_text().replace("ablation.models.resizer.Resizer", "os.system"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_without_weights, "no best or last or val weights were kept; records.keep_weights=[best] keeps them"),
        (_damaged, "damaged"),
        (_diverged, "the run is diverged, so it kept no weights"),
        (_another_run, "weights are of run "),
        (lambda folder: (folder / "config.yaml").write_text("a: ["), "config.yaml: cannot be read (ParserError)"),
        (lambda folder: (folder / "config.yaml").write_text("[]"), "config.yaml: cannot be read (TypeError)"),
        (lambda folder: (folder / "outcome.json").write_text("{"), "outcome.json is not JSON"),
        (lambda folder: (folder / "outcome.json").unlink(), "no run there (no outcome.json)"),
    ],
)
def test_what_cannot_be_used_is_named_in_one_line(copied: Path, change: Callable[[Path], object], words: str) -> None:
    change(copied)
    with pytest.raises(Unusable) as raised:
        load(copied, device="cpu")
    assert words in str(raised.value) and str(copied) in str(raised.value) and "\n" not in str(raised.value)


def test_code_in_a_record_is_not_run(copied: Path) -> None:
    """config.yaml of somebody else's run may name parts of this package alone."""
    _foreign_part(copied)
    with pytest.raises(Unusable, match=r"resizer\._target_=os\.system"):
        load(copied, device="cpu")


def test_a_device_that_is_not_here_is_named(finished: Path) -> None:
    with pytest.raises(Unusable, match=r"engine\.device=cuda:99: not available on this machine"):
        load(finished, device="cuda:99")


def test_the_runs_of_a_folder_are_a_frame(copied: Path) -> None:
    """One row a run, numbers as numbers, a column for each key of the identity; what is no record says why."""
    broken = copied.with_name("none-base-vgg_tiny-s0-0123456789")
    broken.mkdir()
    (broken / "outcome.json").write_text("{")
    frame = ablation.runs(copied.parent)
    assert list(frame.index) == sorted([copied.name, broken.name])
    row = frame.loc[copied.name]
    assert (row["outcome"], row["resizer"], row["epochs"]) == ("done", "cbam", 2) and 0 <= row["best_acc"] <= 100
    assert "not JSON" in frame.loc[broken.name, "problem"]
    with pytest.raises(FileNotFoundError, match="no such folder"):
        ablation.runs(copied / "nowhere")
