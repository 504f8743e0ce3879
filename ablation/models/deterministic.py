"""A deterministic form of the operation whose backward pass throws on CUDA under `torch.use_deterministic_algorithms`.

That is adaptive average pooling (https://docs.pytorch.org/docs/stable/generated/torch.use_deterministic_algorithms.html);
interpolation is listed there too, and resizer.py has matrix products for it on CUDA in any case. Owns that replacement. Never
used unless engine.deterministic=true asks.
"""

from __future__ import annotations

from torch import Tensor, nn

from ablation.models.separable import Separable


class MatrixPool(nn.Module):
    """An adaptive average pool as matrix products.

    Args:
        pool: without parameters; any output size.
    """

    def __init__(self, pool: nn.AdaptiveAvgPool2d) -> None:
        super().__init__()
        self.products = Separable(pool)

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H', W'), equal to the pool up to rounding; same dtype and device."""
        return self.products(features)


def make_deterministic(model: nn.Module) -> None:
    """Replace the adaptive average pools of a model, in place; parameters and state dict stay as they are."""
    for name, child in model.named_children():
        if isinstance(child, nn.AdaptiveAvgPool2d):
            setattr(model, name, MatrixPool(child))
        else:
            make_deterministic(child)
