"""engine.deterministic=true: the same numbers by matrix products, no parameter more or less."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torchvision.models import vgg16

from ablation.models.classifier import Classifier
from ablation.models.deterministic import Separable
from ablation.models.resizer import Interpolate, Resizer


@pytest.mark.parametrize(
    "operation",
    [Interpolate(56), Interpolate((40, 17), "bicubic"), Interpolate(5), nn.AdaptiveAvgPool2d(7), nn.AdaptiveAvgPool2d((3, 4))],
)
@pytest.mark.parametrize("size", [(8, 8), (1, 1), (13, 21)])
def test_it_equals_the_operation_and_its_gradient(operation: nn.Module, size: tuple[int, int]) -> None:
    theirs = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0), requires_grad=True)
    ours = theirs.detach().clone().requires_grad_()
    expected, found = operation(theirs), Separable(operation)(ours)
    assert torch.allclose(found, expected, atol=1e-5)
    weight = torch.randn(expected.shape, generator=torch.Generator().manual_seed(1))
    (expected * weight).sum().backward(), (found * weight).sum().backward()
    assert ours.grad is not None and theirs.grad is not None and torch.allclose(ours.grad, theirs.grad, atol=1e-4)


def test_a_whole_classifier_keeps_its_state_dict_and_its_output() -> None:
    torch.manual_seed(0)
    backbone = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(7), nn.Flatten(), nn.Linear(4 * 49, 10))
    plain = Classifier(Resizer(24, channels=4, position="block"), backbone).eval()
    changed = copy.deepcopy(plain)
    changed.make_deterministic()
    assert changed.state_dict().keys() == plain.state_dict().keys()
    kinds = [type(module) for module in changed.modules()]
    assert kinds.count(Separable) == 2
    images = torch.randn(2, 3, 8, 8)
    assert torch.allclose(changed(images), plain(images), atol=1e-4)


def test_no_throwing_operation_is_left_in_vgg16() -> None:
    """By name, since this machine may have no GPU to throw on."""
    with torch.device("meta"):
        model = Classifier(nn.Identity(), vgg16())
    model.make_deterministic()
    parents = [module for module in model.modules() if not isinstance(module, Separable)]
    assert not [
        child for module in parents for child in module.children() if isinstance(child, Interpolate | nn.AdaptiveAvgPool2d)
    ]
