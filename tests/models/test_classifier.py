"""The whole model: what a step of training reaches, and what one image's result depends on."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from ablation.models.backbone import vgg_tiny
from ablation.models.classifier import Classifier
from ablation.models.resizer import Interpolate, Resizer


@pytest.fixture
def images() -> Tensor:
    return torch.randn(8, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def classifier(position: str = "block", zero_init: bool = False) -> Classifier:
    """Reduction 4 leaves the channel gate four hidden units; at 16 its only one may be dead from the start."""
    torch.manual_seed(0)
    resizer = Resizer(24, num_blocks=2, position=position, reduction=4, zero_init=zero_init)
    return Classifier(resizer, vgg_tiny("none", 10))


def untouched(model: nn.Module, images: Tensor) -> list[str]:
    model.zero_grad()
    functional.cross_entropy(model(images), torch.arange(8)).backward()
    return [name for name, parameter in model.named_parameters() if not bool(parameter.grad.abs().sum() > 0)]


@pytest.mark.parametrize("position", ["none", "block", "trunk"])
def test_the_loss_reaches_every_parameter(images: Tensor, position: str) -> None:
    assert untouched(classifier(position), images) == []


def test_from_zero_init_the_loss_reaches_every_parameter_after_one_step(images: Tensor) -> None:
    """A last convolution at zero lets nothing through at first, and then learns itself: it must not stay there."""
    model = classifier(zero_init=True)
    first = untouched(model, images)
    assert {name.split(".")[1] for name in first} == {"stem", "blocks", "trunk"}
    torch.optim.SGD(model.parameters(), lr=0.1).step()
    assert untouched(model, images) == []


def test_one_step_changes_resizer_and_backbone_alike(images: Tensor) -> None:
    model = classifier()
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    untouched(model, images)
    torch.optim.SGD(model.parameters(), lr=0.1).step()
    assert [name for name, parameter in model.named_parameters() if torch.equal(parameter, before[name])] == []


@pytest.mark.parametrize("position", ["none", "block", "trunk"])
def test_in_evaluation_an_image_does_not_depend_on_its_batch(images: Tensor, position: str) -> None:
    """And in training it does, through batch norm: the first half would hold for a model that ignores its mode."""
    model = classifier(position)
    with torch.no_grad():
        resizer = model.resizer
        assert not torch.allclose(resizer(images)[:2], resizer(images[:2]), atol=1e-3)
        model.eval()
        assert torch.allclose(model(images)[:2], model(images[:2]), atol=1e-5)
        assert torch.allclose(model(images.flip(0)).flip(0), model(images), atol=1e-5)


def test_the_backbone_sees_what_the_resizer_gives(images: Tensor) -> None:
    backbone = vgg_tiny("none", 10).eval()
    assert torch.equal(Classifier(nn.Identity(), backbone)(images), backbone(images))
    assert torch.equal(Classifier(Interpolate(32), backbone)(images), backbone(Interpolate(32)(images)))
