"""Equal identity, equal folder; a different identity never shares one; where and how a run is executed does not count."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import DictConfig

from ablation.sweep import identity, planned_run

Compose = Callable[..., DictConfig]
GOLDEN = {
    ("none", "base"): "c58b536b01",
    ("none", "cutmix"): "a007ad88ac",
    ("plain", "base"): "46d29b09b0",
    ("plain", "cutmix"): "b05ba77427",
    ("cbam", "base"): "be1669ca74",
    ("cbam", "cutmix"): "3ebe06a1ea",
}

CHANGES_THE_RESULT = [
    "seed=1",
    "data=cifar100",
    "data.limit=100",
    "data.test_limit=100",
    "data.val_size=100",
    "data.padding=2",
    "data.flip=false",
    "backbone=vgg16_bn",
    "backbone.weights=none",
    "backbone.mean=[0.5,0.5,0.5]",
    "backbone.std=[0.5,0.5,0.5]",
    "resizer=bilinear",
    "resizer=plain_zero",
    "resizer=plain",
    "resizer.channels=8",
    "resizer.num_blocks=2",
    "resizer.slope=0.1",
    "resizer.zero_init=true",
    "input_size=96",
    "aug=base",
    "aug.probability=0.25",
    "optimizer=adamw",
    "optimizer=sgd_plain",
    "optimizer.lr=0.02",
    "optimizer.momentum=0.8",
    "optimizer.weight_decay=0",
    "schedule=cosine",
    "schedule.gamma=0.2",
    "train.epochs=200",
    "train.batch_size=64",
    "train.precision=fp32",
]
CHANGES_NOTHING = [
    "engine.device=cpu",
    "engine.compile=default",
    "engine.cpu_threads=1",
    "tracker=none",
    "tracker.mode=offline",
    "study=none",
    "paths.runs=elsewhere",
    "paths.cache=elsewhere",
    "data.root=elsewhere",
    "records.checkpoint_every=5",
    "records.checkpoint_minutes=0.5",
    "records.keep_weights=[best,last]",
    "plan=true",
    "plan_gpu=A100",
    "check=true",
    "fetch=true",
    "optimizer.lr=1e-2",
    "optimizer.lr=0.010",
]


def digest(composed: Compose, *overrides: str) -> str:
    return planned_run.plan(composed("resizer=cbam", "aug=cutmix", *overrides)).digest


@pytest.mark.parametrize("override", CHANGES_THE_RESULT)
def test_what_can_change_the_result_changes_the_digest(composed: Compose, override: str) -> None:
    assert digest(composed, override) != digest(composed)


@pytest.mark.parametrize("override", CHANGES_NOTHING)
def test_how_and_where_does_not(composed: Compose, override: str) -> None:
    assert digest(composed, override) == digest(composed)


def test_all_these_differ_from_each_other_too(composed: Compose) -> None:
    digests = [digest(composed, override) for override in CHANGES_THE_RESULT]
    assert len(set(digests)) == len(digests)


def test_none_has_no_size_and_ignores_it(composed: Compose) -> None:
    assert planned_run.plan(composed("input_size=96")).digest == planned_run.plan(composed("input_size=224")).digest


def test_an_option_with_equal_values_is_another_folder(composed: Compose) -> None:
    """plain_zero and plain with zero_init are told apart: equal digest means equal folder name."""
    assert digest(composed, "resizer=plain_zero") != digest(composed, "resizer.zero_init=true")


def test_run_id_is_a_safe_name(composed: Compose) -> None:
    name = planned_run.plan(composed("resizer=cbam", "aug=cutmix", "seed=7")).folder.name
    assert re.fullmatch(r"cbam-cutmix-vgg16-s7-[0-9a-f]{10}", name)


@pytest.mark.parametrize("word", ["../../evil", "x" * 300, "a\nb", "ä ö|`<", "\u202e"])
def test_hostile_option_names_stay_inside(word: str) -> None:
    flat = {"resizer": word, "aug": word, "backbone": word, "seed": 0}
    name = identity.run_id(flat)
    assert re.fullmatch(r"[a-z0-9_-]{1,64}", name) and name.endswith(identity.digest(flat))


def test_weights_count_by_content_not_by_path(composed: Compose, tmp_path: Path) -> None:
    first, copy, other = tmp_path / "a.pth", tmp_path / "b.pth", tmp_path / "c.pth"
    first.write_bytes(b"weights"), copy.write_bytes(b"weights"), other.write_bytes(b"Weights")
    digests = [digest(composed, f"backbone.weights={file}") for file in (first, copy, other)]
    assert digests[0] == digests[1] != digests[2]


def images(folder: Path, colour: int, count: int = 2, train: str = "train") -> Path:
    """A folder of uncompressed images: other colours, equal names and sizes."""
    from PIL import Image

    for number, place in enumerate((f"{train}/cat", f"{train}/dog", "test/cat", "test/dog")):
        (folder / place).mkdir(parents=True)
        for k in range(count):
            Image.new("RGB", (8, 8), (colour, number, k)).save(folder / place / f"{k}.bmp")
    return folder


def test_a_folder_of_images_counts_by_its_content(composed: Compose, tmp_path: Path) -> None:
    roots = [images(tmp_path / "a", 1), images(tmp_path / "b", 1), images(tmp_path / "c", 1, 3), images(tmp_path / "d", 2)]
    digests = [digest(composed, "data=imagefolder", f"data.root={root}") for root in roots]
    assert digests[0] == digests[1] and len(set(digests)) == 3
    renamed = images(tmp_path / "e", 1, train="training")
    assert digest(composed, "data=imagefolder", f"data.root={renamed}", "data.train=training") == digests[0]


def test_how_a_folder_of_images_is_read_counts(composed: Compose, tmp_path: Path) -> None:
    root = images(tmp_path / "a", 1, 9)
    ways = ["data.size=null", "data.size=4", "data.background=black", "data.test=null data.test_share=0.2"]
    digests = [digest(composed, "data=imagefolder", f"data.root={root}", *way.split()) for way in ways]
    assert len(set(digests)) == len(ways)


def test_a_target_that_the_option_does_not_state_counts(composed: Compose) -> None:
    other = "resizer._target_=ablation.models.resizer.Interpolate"
    flat = planned_run.identity(composed("resizer=plain", other))
    assert flat["resizer._target_"] == "ablation.models.resizer.Interpolate"
    assert planned_run.plan(composed("resizer=plain", other)).digest != planned_run.plan(composed("resizer=plain")).digest


def test_the_ids_of_the_reports_cells_stay_what_they_are(composed: Compose) -> None:
    """A change here makes every done run another one: nothing but a change of what is trained may do that."""
    cells = [(resizer, aug) for resizer in ("none", "plain", "cbam") for aug in ("base", "cutmix")]
    assert {cell: planned_run.plan(composed(f"resizer={cell[0]}", f"aug={cell[1]}")).digest for cell in cells} == GOLDEN
