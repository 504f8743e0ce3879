"""`check=true` and `fetch=true`: what would end a queue is found before it starts, and nothing stays but the times."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from omegaconf import DictConfig
from PIL import Image
from torch import nn

from ablation.cost import estimate
from ablation.sweep import fetch, signals, try_cells
from ablation.training.engine import Engine
from tests.sweep.planned_runs import planned
from tests.sweep.test_plan_command import TINY
from tests.sweep.test_plan_command import run as run_alone

Compose = Callable[..., DictConfig]


def test_each_cell_once_and_only_the_times_stay(composed: Compose, tmp_path: Path) -> None:
    """Two cells of two seeds: two lines, two small files under the cache, and from then on the plan's price."""
    arguments = ["-m", *TINY, "resizer=none,plain", "aug=base", "seed=0,1"]
    done = run_alone(tmp_path, *arguments, "check=true")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("  ok  ") == 2 and "a step" in done.stdout and "check: 2 ok" in done.stdout
    files = [path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 2 and all(file.parent == Path("cache/checks") and file.suffix == ".json" for file in files)
    found = json.loads((tmp_path / files[0]).read_text())
    assert (found["images_per_step"], found["images_per_evaluation"], found["device"]) == (40, 20, "cpu, 1 threads")
    run = planned(composed, *TINY, f"paths.runs={tmp_path}", f"paths.cache={tmp_path / 'cache'}", "resizer=plain")
    (item,) = estimate.command_cost([run]).items
    assert item.cell.epoch.basis == "check" and item.cell.epoch.peak_memory


def test_missing_weights_and_data_are_found_and_the_others_still_tried(tmp_path: Path) -> None:
    arguments = ["-m", *TINY, "resizer=bilinear", "aug=base", "backbone=vgg16,vgg_tiny", "data=digits,cifar10"]
    done = run_alone(tmp_path, *arguments, "check=true")
    assert done.returncode == 1 and "check: 1 ok, 3 failed" in done.stdout, done.stdout + done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("  bilinear-base-")]
    assert [line.split()[1] for line in lines] == ["failed", "failed", "ok", "failed"]
    assert "ImageNet weights of vgg16 are not in" in lines[0] and "profile=laptop" in lines[0]
    assert "CIFAR-10 is not in data/cifar-10-batches-py and could not be downloaded (no network)" in lines[3]
    assert not (tmp_path / "runs").exists() and len(list(tmp_path.glob("cache/checks/*"))) == 1


@pytest.fixture
def tried(composed: Compose, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, list[str]]]:
    """Check a cell for each list of overrides, by run.py's own functions; return the exit code and a line a cell."""
    from ablation.commands import run

    def check_all(*cells: list[str]) -> tuple[int, list[str]]:
        here = (*TINY, f"paths.runs={tmp_path / 'runs'}", f"paths.cache={tmp_path / 'cache'}")
        code = try_cells.cells([planned(composed, *here, *cell) for cell in cells], run.trial)
        return code, [line.strip() for line in capsys.readouterr().out.splitlines() if line.startswith("  ")]

    return check_all


def test_a_planted_out_of_memory_is_one_line(
    tried: Callable[..., tuple[int, list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where training would raise it, in the second step: of the cell with batches of 16 alone."""
    step, batches = Engine.step, []

    def short(self: Engine, loss: torch.Tensor, optimizer: torch.optim.Optimizer) -> None:
        batches.append(loss)
        if len(batches) == 2:
            raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate 9.00 GiB")
        step(self, loss, optimizer)

    monkeypatch.setattr(Engine, "step", short)
    code, lines = tried(["train.batch_size=16"], ["train.batch_size=20"])
    assert code == 1 and len(batches) > 2
    assert "failed  train.batch_size=16 does not fit: CUDA out of memory. Tried to allocate 9.00 GiB" in lines[0]
    assert "  ok  " in lines[1]


def test_weights_of_another_shape(tried: Callable[..., tuple[int, list[str]]], tmp_path: Path) -> None:
    file = tmp_path / "small.pt"
    torch.save(nn.Linear(3, 4).state_dict(), file)
    code, lines = tried([f"backbone.weights={file}"], [])
    assert code == 1 and "ok" in lines[1]
    assert "failed  backbone.weights:" in lines[0] and "does not fit this backbone" in lines[0]


def test_a_loss_that_is_not_finite(tried: Callable[..., tuple[int, list[str]]]) -> None:
    code, lines = tried(["optimizer.lr=1e30"])
    assert code == 1 and "failed  loss is" in lines[0]


def test_two_steps_of_full_batches_and_one_evaluation_batch(
    tried: Callable[..., tuple[int, list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """40 images in batches of 16, 20 test images: 16 and 16 are trained on, 16 evaluated, again while that is quick."""
    from ablation.models.classifier import Classifier

    forward, seen = Classifier.forward, []

    def watched(self: Classifier, images: torch.Tensor) -> torch.Tensor:
        seen.append((len(images), self.training))
        return forward(self, images)

    monkeypatch.setattr(Classifier, "forward", watched)
    code, _ = tried(["train.batch_size=16", "resizer=none"])
    assert code == 0 and seen == [(16, True), (16, True), (16, False)] * (len(seen) // 3) and 1 <= len(seen) // 3 <= 5


def test_data_smaller_than_a_batch(tried: Callable[..., tuple[int, list[str]]], tmp_path: Path) -> None:
    """A step of all 40 images is the largest there is."""
    code, _ = tried(["train.batch_size=64", "train.epochs=1"])
    (file,) = tmp_path.glob("cache/checks/*.json")
    assert code == 0 and json.loads(file.read_text())["images_per_step"] == 40


def test_a_check_stops_when_it_is_told_to(tried: Callable[..., tuple[int, list[str]]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "stopping", lambda: True)
    with pytest.raises(signals.Preempted):
        tried([])


def test_fetch_says_what_is_there(composed: Compose, capsys: pytest.CaptureFixture[str]) -> None:
    assert fetch.parts([planned(composed, *TINY, f"seed={seed}") for seed in (0, 1)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "data=digits: present: 40 training and 20 test images, content 71ddeeaff897d8b8",
        "backbone=vgg_tiny: random weights: nothing to fetch",
    ]


def test_fetch_prepares_what_it_can_and_names_what_is_missing(tmp_path: Path) -> None:
    """On a login node: no GPU, and runs too large for its CPU. An image folder is decoded, the weights cannot be had."""
    for place, folder in enumerate(("train/cat", "train/dog", "test/cat", "test/dog")):
        (tmp_path / "photos" / folder).mkdir(parents=True)
        for number in range(2):
            Image.new("RGB", (32, 32), (number, place, 0)).save(tmp_path / "photos" / folder / f"{number}.png")
    done = run_alone(tmp_path, "-m", "data=imagefolder", "data.root=photos", "seed=0,1", "fetch=true")
    assert done.returncode == 1, done.stdout + done.stderr
    data, weights = done.stdout.splitlines()
    assert data.startswith("data=imagefolder: present in photos: 4 training and 4 test images, content ")
    assert weights.startswith("backbone=vgg16: missing: ImageNet weights of vgg16 are not in ")
    assert list(tmp_path.glob("cache/imagefolder-*/train.npy")) and not (tmp_path / "runs").exists()
