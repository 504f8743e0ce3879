"""A deterministic replacement for adaptive average pooling, used only with engine.deterministic=true.

Its backward pass raises on CUDA under `torch.use_deterministic_algorithms`
(https://docs.pytorch.org/docs/stable/generated/torch.use_deterministic_algorithms.html). Interpolation is listed there too;
resizer.py always computes it by matrix products on CUDA.
"""

from __future__ import annotations

from torch import Tensor, nn

from ablation.models.separable import Separable


class MatrixPool(nn.Module):
    """An adaptive average pool computed by matrix products.

    Args:
        pool: of any output size.
    """

    def __init__(self, pool: nn.AdaptiveAvgPool2d) -> None:
        super().__init__()
        self.products = Separable(pool)

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H', W'), equal to the pool up to rounding; same dtype and device."""
        return self.products(features)


def make_deterministic(model: nn.Module) -> None:
    """Replace the adaptive average pools of a model, in place; parameters and state dict do not change."""
    for name, child in model.named_children():
        if isinstance(child, nn.AdaptiveAvgPool2d):
            setattr(model, name, MatrixPool(child))
        else:
            make_deterministic(child)
