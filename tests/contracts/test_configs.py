"""Every YAML of every group composes, builds and takes one step of training; the profiles are what they say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from omegaconf import DictConfig

from ablation.cost import model_size
from ablation.data.digits import load_digits
from ablation.models.classifier import Classifier
from ablation.sweep import planned_run, settings
from ablation.training.fit import Fit
from ablation.training.streams import seeded

Compose = Callable[..., DictConfig]
CONF = Path(__file__).parents[2] / "conf"
GROUPS = ("data", "backbone", "resizer", "aug", "optimizer", "schedule", "tracker", "study", "profile")
OPTIONS = [(group, file.stem) for group in GROUPS for file in sorted((CONF / group).glob("*.yaml"))]


def images(tmp_path: Path) -> list[str]:
    """Overrides that let data=imagefolder be composed: two classes of two images."""
    from PIL import Image

    for number, folder in enumerate(("train/cat", "train/dog", "test/cat", "test/dog")):
        (tmp_path / folder).mkdir(parents=True)
        for k in range(2):
            Image.new("RGB", (32, 32), (90 * k, 30 * number, 0)).save(tmp_path / folder / f"{k}.png")
    return [f"data.root={tmp_path}"]


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_option_composes_is_legal_and_builds(composed: Compose, tmp_path: Path, group: str, option: str) -> None:
    more = {"imagefolder": images(tmp_path), "digits": ["resizer=bilinear"]}.get(option, [])  # 8 pixels are too few for VGG16
    config = composed(f"{group}={option}", *more)
    settings.check_config(config)
    size = model_size.size(planned_run.plan(config))
    assert size.parameters > 10_000 and size.macs > 100_000
    paths = [key for key, value in planned_run.identity(config).items() if "_target_" in key or "ablation." in str(value)]
    assert not paths, "renaming a module would make this run another run"


@pytest.mark.parametrize(
    ("group", "option"),
    [pair for pair in OPTIONS if pair[0] in ("backbone", "resizer", "aug", "optimizer", "schedule")],
)
def test_option_takes_one_step(composed: Compose, group: str, option: str) -> None:
    """The real parts of the option, on two batches of digits, change the weights by a finite amount."""
    base = ["profile=demo", "resizer=bilinear", "input_size=32", "train.epochs=1", "train.batch_size=4"]
    config = composed(*base, f"{group}={option}", *(["backbone.weights=none"] if group == "backbone" else []))
    engine = settings.build(config, "engine", precision="fp32")
    with seeded(0, "init.backbone"):
        backbone = settings.build(config, "backbone", num_classes=10)
    resizer = settings.build(config, "resizer")
    classifier = engine.prepare(Classifier(resizer, backbone))
    before = {name: value.clone() for name, value in classifier.named_parameters() if value.numel() < 1e6}
    optimizer = settings.build(config, "optimizer", params=classifier.parameters())
    augment, schedule = settings.build(config, "aug"), settings.build(config, "schedule")
    dataset = load_digits(limit=8, test_limit=10, val_size=0)
    fit = Fit(classifier, dataset, augment, optimizer, schedule, epochs=1, batch_size=4, seed=0, engine=engine)
    (epoch,) = fit
    assert epoch.epoch == 1 and 0 <= epoch.test_acc <= 100
    after = dict(classifier.named_parameters())
    assert all(torch.isfinite(after[name]).all() for name in before)
    assert any(not torch.equal(after[name], value) for name, value in before.items())


def test_defaults_are_the_reports_baseline(composed: Compose) -> None:
    flat = planned_run.identity(composed())
    expected = {
        "data": "cifar10", "backbone": "vgg16", "backbone.weights": "imagenet", "resizer": "none", "aug": "base",
        "optimizer.lr": 0.01, "optimizer.momentum": 0.9, "train.epochs": 300, "train.batch_size": 128, "seed": 0,
        "train.precision": "bf16", "aug.padding": 4, "aug.flip": True, "aug.mean": [0.485, 0.456, 0.406],
    }  # fmt: skip
    assert {key: flat[key] for key in expected} == expected
    assert composed("aug=cutmix").aug.probability == 0.5


def test_the_command_line_wins_over_a_profile(composed: Compose) -> None:
    config = composed("profile=demo", "backbone=resnet18", "train.epochs=5", "study=table1")
    assert (config.train.epochs, config.study.name, config.input_size) == (5, "table1", 32)
    assert settings.choices(config)["backbone"] == "resnet18" and settings.choices(config)["data"] == "digits"


def test_a_profiles_optimizer_values_do_not_follow_another_optimizer(composed: Compose) -> None:
    assert composed("profile=demo", "optimizer=adamw").optimizer.lr == composed("optimizer=adamw").optimizer.lr


@pytest.mark.parametrize(("study", "cells"), [("table1", 6), ("controls", 8), ("demo", 8), ("resizers", 14)])
def test_a_study_names_each_cell_of_its_grid(composed: Compose, study: str, cells: int) -> None:
    config = composed(f"study={study}")
    params = config.hydra.sweeper.params
    grid = {(r, a) for r in params.resizer.split(",") for a in params.aug.split(",")}
    named = [(cell.where.resizer, cell.where.aug) for cell in config.study.cells]
    assert set(named) == grid and len(named) == cells


@pytest.mark.parametrize("study", ["table1", "controls", "demo", "resizers", "longer"])
def test_a_study_contrasts_options_that_there_are(composed: Compose, study: str) -> None:
    node = composed(f"study={study}").study
    assert node.headline in node.contrasts
    for change in node.contrasts.values():
        for factor, levels in change.items():
            assert len(levels) == 2 and all((factor, level) in OPTIONS for level in levels)


def test_study_none_adds_no_axis(composed: Compose) -> None:
    assert not composed("study=none").hydra.sweeper.params


def test_table1_holds_the_reports_numbers_in_its_order(composed: Compose) -> None:
    assert [cell.report for cell in composed().study.cells] == [93.13, 94.84, 95.68, 96.61, 96.09, 96.63]
    numbered = [cell.report for cell in composed("study=controls").study.cells if "report" in cell]
    assert numbered == [93.13, 94.84, 95.68, 96.61, 96.09, 96.63]
    assert all("report" not in cell for cell in composed("study=demo").study.cells)


def test_every_yaml_says_what_it_is() -> None:
    for file in CONF.rglob("*.yaml"):
        head = [line for line in file.read_text().splitlines() if not line.startswith("# @package")]
        assert head[0].startswith("# ") and len(head[0]) > 30, file
