"""The Convolutional Block Attention Module: a gate for each channel, then a gate for each pixel.

Woo et al., ECCV 2018, arXiv 1807.06521. Where it is placed in the network is decided in resizer.py.
"""

from __future__ import annotations

import torch
from torch import Tensor, fx, nn
from torch.nn import functional


class ChannelAttention(nn.Module):
    """One gate in (0, 1) per channel: sigmoid(MLP(mean over pixels) + MLP(max over pixels)), one shared MLP.

    Args:
        channels: C of the features.
        reduction: the hidden width is C // reduction, at least 1. The paper's 16 leaves *one* hidden unit at C = 16.
    """

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        hidden = max(1, channels // reduction)
        self.mlp = nn.Sequential(nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels))

    def forward(self, features: Tensor) -> Tensor:
        """Features (B, C, H, W) -> gates (B, C, 1, 1)."""
        pixels = features.flatten(2)
        maximum = pixels.max(2).values  # amax splits the gradient among ties and is four times slower on a CPU
        logits = self.mlp(pixels.mean(2)) + self.mlp(maximum)
        return torch.sigmoid(logits)[:, :, None, None]


def mean_over_channels(features: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, 1, H, W); on a CPU as a 1x1 convolution, in a third of the time of `mean(1)` with its backward."""
    if features.device.type != "cpu":
        return features.mean(1, keepdim=True)
    channels = features.shape[1]
    return functional.conv2d(features, features.new_full((1, channels, 1, 1), 1 / channels))


fx.wrap("mean_over_channels")  # a traced graph shows it as one step


class SpatialAttention(nn.Module):
    """One gate in (0, 1) per pixel: sigmoid(BN(conv([max over channels, mean over channels]))).

    The batch norm, its momentum of 0.01 and the order of the two maps are those of the authors' code
    (github.com/Jongchan/attention-module).

    Args:
        kernel: odd side of the convolution's kernel, in pixels.
        bn: False leaves the batch norm out; the convolution has no bias in either case.
    """

    def __init__(self, kernel: int = 7, bn: bool = True) -> None:
        super().__init__()
        assert kernel % 2 == 1, kernel
        self.conv = nn.Conv2d(2, 1, kernel, padding=kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(1, momentum=0.01) if bn else nn.Identity()

    def forward(self, features: Tensor) -> Tensor:
        """Features (B, C, H, W) -> gates (B, 1, H, W)."""
        maximum = features.max(1, keepdim=True).values  # among ties one gets the gradient, as in the authors' code
        summary = torch.cat([maximum, mean_over_channels(features)], dim=1)
        return torch.sigmoid(self.bn(self.conv(summary)))


class CBAM(nn.Module):
    """Channel attention, then spatial attention on the gated features: the paper's order.

    Args: as for `ChannelAttention` (channels, reduction) and `SpatialAttention` (spatial_kernel, spatial_bn).
    """

    def __init__(self, channels: int, reduction: int = 16, spatial_kernel: int = 7, spatial_bn: bool = True) -> None:
        super().__init__()
        self.channel = ChannelAttention(channels, reduction)
        self.spatial = SpatialAttention(spatial_kernel, spatial_bn)

    def forward(self, features: Tensor) -> Tensor:
        """Features (B, C, H, W) -> the same shape, every element no larger in magnitude and of the same sign."""
        features = features * self.channel(features)
        gates: Tensor = self.spatial(features)
        return features * gates
