"""Deterministic forms of the two operations whose backward pass throws on CUDA under `torch.use_deterministic_algorithms`.

Interpolation and adaptive average pooling are linear and separable, so each equals two matrix products, whose gradients are
matrix products too (https://docs.pytorch.org/docs/stable/generated/torch.use_deterministic_algorithms.html lists both).
Owns that replacement. Never used unless engine.deterministic=true asks.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ablation.models.resizer import Interpolate


class Separable(nn.Module):
    """A linear, separable operation on (B, C, H, W) as rows' matrix @ features @ columns' matrix.

    Args:
        operation: of 4-d tensors; its matrices are read off identity matrices, so any output size and mode will do.
    """

    def __init__(self, operation: nn.Module) -> None:
        super().__init__()
        self.operation = operation
        self._matrices: dict[tuple[int, int, torch.device, torch.dtype], tuple[Tensor, Tensor]] = {}

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H', W'), equal to the operation up to rounding; same dtype and device."""
        height, width = features.shape[2:]
        key = (height, width, features.device, features.dtype)
        if key not in self._matrices:
            rows, columns = torch.eye(height).view(1, height, height, 1), torch.eye(width).view(1, width, 1, width)
            with torch.no_grad():
                down, across = self.operation(rows)[0, :, :, 0].T, self.operation(columns)[0, :, 0, :]
            self._matrices[key] = (down.to(features), across.to(features))
        down, across = self._matrices[key]
        with torch.autocast(features.device.type, enabled=False):
            return down @ features @ across


def make_deterministic(model: nn.Module) -> None:
    """Replace interpolations and adaptive average pools of a model, in place; parameters and state dict stay as they are."""
    for name, child in model.named_children():
        if isinstance(child, Interpolate | nn.AdaptiveAvgPool2d):
            setattr(model, name, Separable(child))
        elif not isinstance(child, Separable):
            make_deterministic(child)
