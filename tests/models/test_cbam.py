"""CBAM: what its gates are, by hand-made weights, and what it costs."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ablation.models.cbam import CBAM, ChannelAttention, SpatialAttention


@pytest.fixture
def features() -> Tensor:
    return torch.randn(4, 16, 9, 7, generator=torch.Generator().manual_seed(0))


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(("reduction", "expected"), [(16, 149), (8, 182), (4, 248), (2, 380), (1, 644)])
def test_parameters_for_16_channels(reduction: int, expected: int) -> None:
    """49 of the channel gate, 98 + 2 of the spatial gate at the paper's reduction; the shared MLP is counted once."""
    module = CBAM(16, reduction)
    assert count(module) == expected
    assert count(module.spatial) == 100
    assert count(CBAM(16, reduction, spatial_bn=False)) == expected - 2
    assert count(CBAM(16, reduction, spatial_kernel=3)) == expected - 98 + 18


def test_fewer_channels_than_the_reduction_leave_one_hidden_unit() -> None:
    assert ChannelAttention(8, reduction=16).mlp[0].out_features == 1


@pytest.mark.parametrize("train", [True, False])
def test_never_larger_and_of_the_same_sign(features: Tensor, train: bool) -> None:
    """Both gates lie in (0, 1)."""
    torch.manual_seed(1)
    out = CBAM(16, reduction=4).train(train)(features)
    assert out.shape == features.shape
    assert bool((out.abs() <= features.abs()).all())
    assert torch.equal(out.sign(), features.sign())


@pytest.mark.parametrize("spatial_bn", [True, False])
def test_all_parameters_zero_give_exactly_a_quarter(features: Tensor, spatial_bn: bool) -> None:
    """Two gates of sigmoid(0) = 1/2: no other factor hides between them."""
    module = CBAM(16, spatial_bn=spatial_bn)
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    assert torch.equal(module(features), features / 4)


def test_the_gates_have_one_value_a_channel_and_one_a_pixel(features: Tensor) -> None:
    assert ChannelAttention(16)(features).shape == (4, 16, 1, 1)
    assert SpatialAttention()(features).shape == (4, 1, 9, 7)


def test_the_channel_gate_ignores_where_pixels_are(features: Tensor) -> None:
    torch.manual_seed(2)
    gate = ChannelAttention(16, reduction=2)
    shuffled = features.flatten(2)[:, :, torch.randperm(63)].view_as(features)
    assert torch.allclose(gate(features), gate(shuffled), atol=1e-6)
    assert not torch.allclose(gate(features), gate(features * 2), atol=1e-3)  # it does look at the values


def test_the_channel_gate_sums_mean_and_maximum_before_one_sigmoid(features: Tensor) -> None:
    """With the identity for an MLP the gate can be written down."""
    gate = ChannelAttention(16, reduction=1)
    for layer in (gate.mlp[0], gate.mlp[2]):
        nn.init.eye_(layer.weight)
        nn.init.zeros_(layer.bias)
    by_hand = torch.sigmoid(features.mean((2, 3)).relu() + features.amax((2, 3)).relu())
    assert torch.allclose(gate(features).flatten(1), by_hand)


@pytest.mark.parametrize(("column", "statistic"), [(0, "amax"), (1, "mean")])
def test_the_spatial_gate_sees_the_maximum_then_the_mean_of_the_channels(features: Tensor, column: int, statistic: str) -> None:
    gate = SpatialAttention(kernel=7, bn=False)
    nn.init.zeros_(gate.conv.weight)
    with torch.no_grad():
        gate.conv.weight[0, column, 3, 3] = 2.0  # one tap: the gate reads one map at its own pixel
    assert torch.allclose(gate(features)[:, 0], torch.sigmoid(2 * getattr(features, statistic)(1)))


def test_the_spatial_maximum_hands_its_gradient_to_one_channel_of_equals() -> None:
    """As `torch.max` in the authors' code; splitting it would be another gradient wherever bf16 makes values equal."""
    gate = SpatialAttention(kernel=1, bn=False)
    nn.init.zeros_(gate.conv.weight)
    with torch.no_grad():
        gate.conv.weight[0, 0] = 1.0  # the mean has no say
    features = torch.ones(1, 4, 2, 2, requires_grad=True)
    gate(features).sum().backward()
    assert features.grad is not None
    assert (features.grad != 0).sum(1).eq(1).all()


def test_the_spatial_batch_norm_is_the_authors() -> None:
    bn = SpatialAttention().bn
    assert isinstance(bn, nn.BatchNorm2d)
    assert (bn.num_features, bn.momentum, bn.eps) == (1, 0.01, 1e-5)


def test_the_spatial_gate_looks_at_features_that_the_channel_gate_has_passed(features: Tensor) -> None:
    torch.manual_seed(3)
    module = CBAM(16, reduction=1).eval()
    passed = features * module.channel(features)
    assert torch.equal(module(features), passed * module.spatial(passed))
    assert not torch.allclose(module(features), passed * module.spatial(features), atol=1e-4)
