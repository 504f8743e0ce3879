"""The YAML files of both groups: each builds with its own keys, and its comment tells its true cost."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

CONF = Path(__file__).parents[2] / "conf"
RESIZERS = ["bicubic", "bilinear", "cbam", "cbam_zero", "none", "plain", "plain_zero"]
BACKBONES = ["efficientnet_lite0", "resnet18", "timm", "vgg16", "vgg16_bn", "vgg_tiny"]


def options(group: str, name: str) -> dict[str, Any]:
    """One option's arguments, with the option it builds upon beneath, at an input size of 224."""
    own = OmegaConf.load(CONF / group / f"{name}.yaml")
    below = [OmegaConf.load(CONF / group / f"{base}.yaml") for base in own.pop("defaults", []) if base != "_self_"]
    node = OmegaConf.merge({"input_size": 224}, {group: OmegaConf.merge(*below, own)})
    return OmegaConf.to_container(node, resolve=True)[group]  # type: ignore[call-overload, index, no-any-return]


def built(group: str, name: str) -> nn.Module:
    """As the plan of a sweep builds it: on the meta device, from random weights, the classes added."""
    arguments = options(group, name)
    module, _, target = arguments.pop("_target_").rpartition(".")
    if group == "backbone":
        assert len(arguments.pop("mean")) == len(arguments.pop("std")) == 3
        arguments |= {"weights": "none", "num_classes": 10}
    with torch.device("meta"):
        return getattr(importlib.import_module(module), target)(**arguments)  # type: ignore[no-any-return]


def macs(model: nn.Module, size: int) -> float:
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        model(torch.empty(1, 3, size, size))
    return counter.get_total_flops() / 2 / 1e9


def comment(group: str, name: str) -> str:
    lines = (CONF / group / f"{name}.yaml").read_text().splitlines()
    header = [line for line in lines[:4] if line.startswith("#")]
    assert 1 <= len(header) <= 3
    return " ".join(header)


def test_these_are_all_the_options() -> None:
    assert sorted(file.stem for file in (CONF / "resizer").glob("*.yaml")) == RESIZERS
    assert sorted(file.stem for file in (CONF / "backbone").glob("*.yaml")) == BACKBONES


@pytest.mark.parametrize("name", RESIZERS)
def test_resizers(name: str) -> None:
    """The second number of parameters and of GMACs in a comment is that of two blocks."""
    resizer = built("resizer", name)
    with torch.device("meta"):
        expected = 32 if name == "none" else 224
        assert resizer(torch.empty(2, 3, 32, 32)).shape == (2, 3, expected, expected)
    if stated := re.search(r"([\d,]+) parameters", comment("resizer", name)):
        assert int(stated[1].replace(",", "")) == sum(parameter.numel() for parameter in resizer.parameters())
    if stated := re.search(r"([\d.]+) GMACs at 32 -> 224", comment("resizer", name)):
        assert f"{macs(resizer, 32):.2f}" == stated[1]


def test_the_zero_options_differ_from_theirs_by_the_start_alone() -> None:
    for name in ("plain", "cbam"):
        assert options("resizer", f"{name}_zero") == options("resizer", name) | {"zero_init": True}


@pytest.mark.parametrize("name", BACKBONES)
def test_backbones(name: str) -> None:
    backbone = built("backbone", name).eval()
    stated = re.search(r"([\d,]+) parameters", comment("backbone", name))
    assert stated is not None
    assert int(stated[1].replace(",", "")) == sum(parameter.numel() for parameter in backbone.parameters())
    if name == "vgg_tiny":
        assert "0.1 MMACs at 8x8, 1.1 at 32x32" in comment("backbone", name)
        assert (f"{macs(backbone, 8) * 1e3:.1f}", f"{macs(backbone, 32) * 1e3:.1f}") == ("0.1", "1.1")
    else:
        costs = re.search(r"([\d.]+) GMACs at 32x32, ([\d.]+) at 224x224", comment("backbone", name))
        assert costs is not None
        assert (f"{macs(backbone, 32):.2f}", f"{macs(backbone, 224):.2f}") == costs.groups()
