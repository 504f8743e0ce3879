"""The modules in front of the backbone: plain interpolation, and the learnable Resizer with or without attention.

Input and output are normalised images in the same range; nothing is normalised here.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from ablation.models.cbam import CBAM
from ablation.models.separable import Separable


class Interpolate(nn.Module):
    """Resize without parameters, half-pixel centres (`align_corners=False`): the control for the learned resizers.

    On CUDA by matrix products, see separable.py; elsewhere by torch's own kernel, which is faster there.

    Args:
        size: of the output in pixels: one number for a square, or (height, width).
        mode: "bilinear" or "bicubic".
    """

    def __init__(self, size: int | Sequence[int], mode: str = "bilinear") -> None:
        super().__init__()
        assert mode in ("bilinear", "bicubic"), mode
        self.size = (size, size) if isinstance(size, int) else (size[0], size[1])
        self.mode = mode
        self.interpolate = partial(functional.interpolate, size=self.size, mode=mode, align_corners=False)
        self.products = Separable(self.interpolate)

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, *size), same dtype and device."""
        return self.products(images) if images.device.type == "cuda" else self.interpolate(images)

    def extra_repr(self) -> str:
        """Return the arguments that `print(model)` shows."""
        return f"size={self.size}, mode={self.mode}"


class WideConv2d(nn.Conv2d):
    """`nn.Conv2d` to a few channels, computed for several neighbouring pixels at once: same parameters, same result.

    A CPU's kernels compute 16 output channels at a time (the lanes of an AVX-512 vector), a GPU's 32 (a tile of its matrix
    unit), so three leave most of them idle. Four copies of the kernel, each shifted by one pixel, give 12 channels at a quarter
    of the positions. On an H100, 16 x 224 x 224 to 3, forward and backward, eight take a third of the time.

    Args:
        kernel: odd side of the kernel in pixels; the padding keeps the size.
    """

    PIXELS: ClassVar = {"cpu": 4, "cuda": 8}  # measured; 16 on CUDA gain little. Elsewhere 1, as for the FLOP counter

    def __init__(self, in_channels: int, out_channels: int, kernel: int) -> None:
        assert kernel % 2 == 1, kernel
        super().__init__(in_channels, out_channels, kernel, padding=kernel // 2)

    def forward(self, features: Tensor) -> Tensor:
        """(B, in_channels, H, W) -> (B, out_channels, H, W)."""
        pixels = self.PIXELS.get(features.device.type, 1)
        if pixels == 1 or features.shape[3] % pixels:
            return functional.conv2d(features, self.weight, self.bias, padding=self.padding)
        return self.computed_at_once(features, pixels)

    def computed_at_once(self, features: Tensor, pixels: int) -> Tensor:
        """(B, in_channels, H, W) -> (B, out_channels, H, W) with so many pixels of a row at once, of which W is a multiple."""
        shifts = [functional.pad(self.weight, (shift, pixels - 1 - shift)) for shift in range(pixels)]
        kernels = torch.cat(shifts).contiguous(memory_format=torch.channels_last)
        assert self.bias is not None
        wide = functional.conv2d(features, kernels, self.bias.repeat(pixels), (1, pixels), self.padding)
        apart: Tensor = wide.permute(0, 2, 3, 1).unflatten(3, (pixels, self.out_channels))
        return apart.flatten(2, 3).permute(0, 3, 1, 2)


class ResBlock(nn.Module):
    """Two 3x3 convolutions, optional attention, plus the block's input; no activation after the sum."""

    def __init__(self, channels: int, slope: float) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.LeakyReLU(slope),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )
        self.attention: nn.Module = nn.Identity()

    def forward(self, features: Tensor) -> Tensor:
        """(B, channels, H, W) -> the same shape."""
        residual: Tensor = self.attention(self.body(features))
        return features + residual


class Resizer(nn.Module):
    """Bilinear resize plus a learned residual, trained with the backbone.

    Talebi & Milanfar, ICCV 2021, arXiv 2103.09950. The authors published no code; the layers are those of keras.io's
    `learnable_resizer` example, with which the public PyTorch ports agree. A convolution has a bias unless batch norm
    is the very next operation.

    Args:
        size: of the output in pixels: one number for a square, or (height, width).
        channels: n in the paper, the width of every hidden layer.
        num_blocks: r in the paper, residual blocks at the output size.
        slope: of every LeakyReLU.
        zero_init: start with the last convolution at zero, so that the output is exactly bilinear at step 0.
        position: of CBAM: "none"; "block", in every residual block before its sum; "trunk", once, before the long skip.
        reduction, spatial_kernel, spatial_bn: of CBAM, see cbam.py; without CBAM they change nothing.
    """

    def __init__(
        self,
        size: int | Sequence[int],
        channels: int = 16,
        num_blocks: int = 1,
        slope: float = 0.2,
        zero_init: bool = False,
        position: str = "none",
        reduction: int = 16,
        spatial_kernel: int = 7,
        spatial_bn: bool = True,
    ) -> None:
        super().__init__()
        assert position in ("none", "block", "trunk"), position
        self.resize = Interpolate(size)
        self.stem = nn.Sequential(
            nn.Conv2d(3, channels, 7, padding=3),
            nn.LeakyReLU(slope),
            nn.Conv2d(channels, channels, 1),
            nn.LeakyReLU(slope),  # before the batch norm, as in every port
            nn.BatchNorm2d(channels),
        )
        self.blocks = nn.ModuleList(ResBlock(channels, slope) for _ in range(num_blocks))
        self.trunk = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))
        self.attention: nn.Module = nn.Identity()
        self.last = WideConv2d(channels, 3, 7)

        # Attention is initialised after the convolutions, so that one seed gives them the same weights with and without it.
        owners: dict[str, list[nn.Module]] = {"none": [], "block": [*self.blocks], "trunk": [self]}
        for owner in owners[position]:
            owner.attention = CBAM(channels, reduction, spatial_kernel, spatial_bn)
        if zero_init:
            nn.init.zeros_(self.last.weight)
            nn.init.zeros_(self.last.bias)  # type: ignore[arg-type]

    def forward(self, images: Tensor) -> Tensor:
        """Normalised images (B, 3, H, W) -> (B, 3, *size) in the same range; unbounded, so clip before display."""
        resized = self.resize(self.stem(images))
        features = resized
        for block in self.blocks:
            features = block(features)
        features = self.attention(self.trunk(features)) + resized
        residual: Tensor = self.last(features)
        bilinear: Tensor = self.resize(images)
        return bilinear + residual
