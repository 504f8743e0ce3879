"""What a GPU would do, as far as it can be known without one: every option takes its steps, in its types, without a wait."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
import torch
from omegaconf import DictConfig
from torch import Tensor, nn
from torch._subclasses.fake_tensor import DynamicOutputShapeException

from ablation.data.images import Dataset, Images
from ablation.models.classifier import Classifier
from ablation.models.resizer import Resizer
from ablation.records.snapshot import snapshot
from ablation.sweep import settings
from ablation.training.fit import Fit
from tests.conftest import ROOT
from tests.fake_cuda import DEVICE, Calls, fake_cuda, on_meta

RESIZERS = ["bicubic", "bilinear", "cbam", "cbam_zero", "none", "plain", "plain_zero"]
AUGS = ["base", "cutmix", "mixup", "none"]
OPTIONS = [  # beside optimizer=sgd and schedule=step, which the paper's profile has
    ["backbone=vgg16"],
    ["backbone=vgg16_bn"],
    ["backbone=resnet18", "optimizer=adamw"],
    ["backbone=efficientnet_lite0", "optimizer=sgd_plain"],
    ["backbone=timm", "backbone.name=mobilenetv3_small_050", "schedule=cosine"],
    ["backbone=vgg_tiny", "optimizer=sgd_demo", "schedule=constant"],
    ["backbone=vgg_tiny", "train.precision=fp16"],
    ["backbone=vgg_tiny", "train.precision=fp16", "optimizer=adamw"],
    ["backbone=vgg_tiny", "train.precision=fp32"],
    ["backbone=vgg16", "engine.deterministic=true"],
    ["backbone=vgg_tiny", "resizer.position=trunk", "resizer.num_blocks=2"],
]
GROUPS = ("backbone", "resizer", "aug", "optimizer", "schedule")
BATCH, STEPS = 8, 2
Compose = Callable[..., DictConfig]


def made(count: int, side: int = 32) -> Images:
    """Images without values on the device."""
    pixels = torch.empty(count, 3, side, side, dtype=torch.uint8, device=DEVICE)
    return Images(pixels, torch.empty(count, dtype=torch.int64, device=DEVICE))


def built(config: DictConfig, classes: int = 10, side: int = 32) -> Fit:
    """A run as run.py builds it, from the configuration, on the pretended device."""
    engine = settings.build(config, "engine", precision=config.train.precision)
    resizer = on_meta(lambda: settings.build(config, "resizer"))
    backbone = on_meta(lambda: settings.build(config, "backbone", num_classes=classes, weights="none"))
    classifier = engine.prepare(Classifier(resizer, backbone))
    optimizer = settings.build(config, "optimizer", params=classifier.parameters())
    data = Dataset("made", made(STEPS * BATCH, side), made(3, side), None, tuple(map(str, range(classes))), "")
    parts = (classifier, data, settings.build(config, "aug"), optimizer, settings.build(config, "schedule"))
    return Fit(*parts, epochs=2, batch_size=BATCH, seed=0, engine=engine)


def waits(fit: Fit, calls: Calls) -> list[str]:
    """Train and evaluate an epoch; return what waited for the device between the ends of two steps."""
    ends: list[int] = []
    row = next(fit.run(progress=lambda images: ends.append(len(calls.waits))))
    assert len(ends) == STEPS and row.epoch == 1
    assert len(calls.waits) > ends[-1]  # the epoch's end looks at the losses: the log is not blind
    return calls.waits[ends[0] : ends[-1]]


@pytest.mark.parametrize("resizer", RESIZERS)
def test_every_resizer_under_every_augmentation(composed: Compose, resizer: str) -> None:
    configs = [
        composed("backbone=vgg_tiny", "backbone.weights=none", "input_size=64", f"resizer={resizer}", f"aug={aug}")
        for aug in AUGS
    ]
    with fake_cuda() as calls:
        fit = built(configs[0])
        for config in configs:
            fit.augment, fit.history = settings.build(config, "aug"), []
            assert waits(fit, calls) == [], config.aug
        assert all(parameter.grad is not None and parameter.grad.device == DEVICE for parameter in fit.classifier.parameters())


@pytest.mark.parametrize("options", OPTIONS)
def test_every_other_option(composed: Compose, options: list[str]) -> None:
    config = composed("input_size=64", "resizer=cbam", "aug=cutmix", "backbone.weights=none", *options)
    try:
        with fake_cuda() as calls:
            assert waits(built(config), calls) == []
    finally:
        torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize(("classes", "side"), [(100, 32), (10, 8), (2, 64)])  # cifar100, digits, a folder of one's own
def test_data_of_other_sizes(composed: Compose, classes: int, side: int) -> None:
    config = composed("input_size=64", "resizer=cbam", "aug=cutmix", "backbone=vgg_tiny", "backbone.weights=none")
    with fake_cuda() as calls:
        assert waits(built(config, classes, side), calls) == []


def test_these_are_all_the_options() -> None:
    """Of the groups that reach the device."""
    there = {group: {file.stem for file in (ROOT / "conf" / group).glob("*.yaml")} for group in GROUPS}
    words = [word for option in OPTIONS for word in option]
    tried = {group: {word.partition("=")[2] for word in words if word.startswith(f"{group}=")} for group in GROUPS}
    tried |= {"resizer": {*RESIZERS}, "aug": {*AUGS}}
    untried = {group: there[group] - tried[group] for group in GROUPS if there[group] != tried[group]}
    assert untried == {"optimizer": {"sgd"}, "schedule": {"step"}}


def item(loss: Tensor) -> Any:
    return loss.item()


def moved(loss: Tensor) -> Any:
    return loss.cpu()


def fetched(loss: Tensor) -> Any:
    return torch.zeros(4).to(loss.device, non_blocking=True)  # not pinned


def picked(loss: Tensor) -> Any:
    with contextlib.suppress(DynamicOutputShapeException):
        return loss[None][loss[None] > 0]


def branched(loss: Tensor) -> Any:
    return bool(torch.isfinite(loss))


@pytest.mark.parametrize("plant", [item, moved, fetched, picked, branched])
def test_a_planted_wait_is_seen(composed: Compose, monkeypatch: pytest.MonkeyPatch, plant: Callable[[Tensor], Any]) -> None:
    inner = Fit.loss

    def loss(self: Fit, batch: Any) -> Tensor:
        result = inner(self, batch)
        plant(result.detach())
        return result

    monkeypatch.setattr(Fit, "loss", loss)
    with fake_cuda() as calls:
        assert len(waits(built(composed("backbone=vgg_tiny", "backbone.weights=none")), calls)) == STEPS - 1


@pytest.mark.parametrize(("position", "count"), [("none", 10), ("block", 12)])
def test_under_autocast_every_map_of_the_resizer_is_bf16(position: str, count: int) -> None:
    """Of 16 channels at the output size, forward: its time goes into reading and writing them. No interpolation is left."""
    with fake_cuda() as calls:
        resizer = Classifier(on_meta(lambda: Resizer(224, position=position)), nn.Identity()).to(DEVICE, torch.channels_last)
        images = torch.empty(4, 3, 32, 32, device=DEVICE).contiguous(memory_format=torch.channels_last)
        calls.outputs.clear()
        with torch.autocast("cuda", torch.bfloat16):
            resizer(images)
        maps = [tensor for _, tensor in calls.outputs if tensor.shape == (4, 16, 224, 224)]
        on_device = {name for name, tensor in calls.outputs if tensor.device == DEVICE}
    assert len(maps) == count and {tensor.dtype for tensor in maps} == {torch.bfloat16}
    assert maps[0].is_contiguous(memory_format=torch.channels_last)  # what was upsampled
    assert "bmm" in on_device and not [name for name in on_device if name.startswith("upsample")]
    assert (4, 24, 224, 28) in {tuple(tensor.shape) for _, tensor in calls.outputs}  # the last layer: eight pixels at once


def test_a_checkpoints_copy_waits_once_for_all_tensors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Into pinned memory, in the memory format that was there; then it waits, or what is written would not be there yet."""
    waited: list[torch.device] = []

    class Stream:
        def __init__(self, device: torch.device) -> None:
            self.synchronize = lambda: waited.append(device)

    monkeypatch.setattr(torch.cuda, "current_stream", Stream)
    with fake_cuda() as calls:
        live = {"model": {"weight": torch.empty(2, 3, 4, 5, device=DEVICE).contiguous(memory_format=torch.channels_last)}}
        live["optimizer"] = {"momentum": torch.empty(7, device=DEVICE)}
        copied = snapshot(live)
        assert calls.waits == [] and waited == [DEVICE]
    assert copied["model"]["weight"].device.type == "cpu"
    assert copied["model"]["weight"].stride() == live["model"]["weight"].stride()
