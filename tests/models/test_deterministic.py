"""Interpolation and pooling by matrix products, as on CUDA: the same numbers, no parameter more or less."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torchvision.models import vgg16

from ablation.models.classifier import Classifier
from ablation.models.deterministic import MatrixPool
from ablation.models.resizer import Interpolate, Resizer
from ablation.models.separable import Separable

OPERATIONS = [Interpolate(56), Interpolate((40, 17), "bicubic"), Interpolate(5), nn.AdaptiveAvgPool2d(7)]
OPERATIONS += [nn.AdaptiveAvgPool2d((3, 4))]


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("size", [(8, 8), (1, 1), (13, 21)])
def test_it_equals_the_operation_and_its_gradient(operation: nn.Module, size: tuple[int, int]) -> None:
    assert difference(operation, (2, 3, *size), torch.float64) <= 1e-13


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("channels", [3, 16])
def test_in_fp32_a_resizer_sees_the_same_to_two_millionths(mode: str, channels: int) -> None:
    assert difference(Interpolate(224, mode), (2, channels, 32, 32), torch.float32) <= 2e-6


def difference(operation: nn.Module, shape: tuple[int, ...], dtype: torch.dtype) -> float:
    """Return the largest difference of outputs and of gradients, each over the largest value."""
    theirs = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=dtype).requires_grad_()
    ours = theirs.detach().to(memory_format=torch.channels_last, copy=True).requires_grad_()
    expected, found = operation(theirs), Separable(operation)(ours)
    assert found.shape == expected.shape and found.is_contiguous(memory_format=torch.channels_last)
    weight = torch.randn(expected.shape, generator=torch.Generator().manual_seed(1), dtype=dtype)
    gradients = [torch.autograd.grad((made * weight).sum(), x)[0] for made, x in ((expected, theirs), (found, ours))]
    return max(float(((b - a).abs().max() / a.abs().max()).detach()) for a, b in ((expected, found), gradients))


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_in_bf16_it_stays_within_a_few_roundings(mode: str) -> None:
    """The matrices, the step between and the result are rounded once each: 2**-8 of the largest value apiece."""
    images = torch.randn(2, 16, 32, 32, generator=torch.Generator().manual_seed(0))
    found = Interpolate(224, mode).products(images.bfloat16())
    assert found.dtype == torch.bfloat16
    assert (found.float() - Interpolate(224, mode)(images)).abs().max() <= 4 * 2**-8 * images.abs().max()


def test_matrices_first_asked_for_in_an_evaluation_serve_a_training_step() -> None:
    """A tensor made in inference mode could not be kept for a backward pass."""
    separable = Separable(Interpolate(12))
    with torch.inference_mode():
        separable(torch.zeros(1, 3, 4, 4))
    separable(torch.zeros(1, 3, 4, 4, requires_grad=True)).sum().backward()


def test_a_whole_classifier_keeps_its_state_dict_and_its_output() -> None:
    torch.manual_seed(0)
    backbone = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(7), nn.Flatten(), nn.Linear(4 * 49, 10))
    plain = Classifier(Resizer(24, channels=4, position="block"), backbone).eval()
    changed = copy.deepcopy(plain)
    changed.make_deterministic()
    assert changed.state_dict().keys() == plain.state_dict().keys()
    kinds = [type(module) for module in changed.modules()]
    assert kinds.count(MatrixPool) == 1 and nn.AdaptiveAvgPool2d not in kinds
    images = torch.randn(2, 3, 8, 8)
    assert torch.allclose(changed(images), plain(images), atol=1e-4)


def test_no_throwing_operation_is_left_in_vgg16() -> None:
    """By name, since this machine may have no GPU to throw on."""
    with torch.device("meta"):
        model = Classifier(nn.Identity(), vgg16())
    model.make_deterministic()
    assert not [module for module in model.modules() if isinstance(module, nn.AdaptiveAvgPool2d)]
