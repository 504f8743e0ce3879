"""Separable linear operations, such as interpolation and pooling, as two matrix products.

The gradients are matrix products too, so on CUDA they are the same in every run (`interpolate` and adaptive pooling add with
atomics there). The products run in the features' type, whereas autocast runs `interpolate` in fp32.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


class Separable:
    """A linear, separable operation on (B, C, H, W) as row matrix @ features @ column matrix.

    Args:
        operation: of 4-d tensors, any output size and mode; its matrices are its results on identity matrices.
    """

    def __init__(self, operation: Callable[[Tensor], Tensor]) -> None:
        self.operation = operation
        self._matrices: dict[tuple[object, ...], tuple[Tensor, Tensor]] = {}

    def __call__(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H', W') in channels_last, equal to the operation up to rounding; same dtype and device."""
        channels, height, width = features.shape[1:]
        rows, columns = self.matrices(height, width, features.dtype, features.device)
        with torch.autocast(features.device.type, enabled=False):
            wide = columns @ features.permute(0, 2, 3, 1)  # (B, H, W', C)
            high = rows @ wide.flatten(2)  # (B, H', W' C): one product per image
        result: Tensor = high.unflatten(2, (len(columns), channels)).permute(0, 3, 1, 2)
        return result

    @torch.compiler.assume_constant_result
    def matrices(self, height: int, width: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return the matrices (H', H) and (W', W), computed once for each size, type and device."""
        key = (height, width, dtype, device)
        if key not in self._matrices:
            exact = torch.promote_types(dtype, torch.float32)
            with torch.inference_mode(False), torch.no_grad():  # usable in training even if first made during an evaluation
                tall, broad = (torch.eye(size, dtype=exact, device="cpu") for size in (height, width))
                rows = self.operation(tall.view(1, height, height, 1))[0, :, :, 0].T
                columns = self.operation(broad.view(1, width, 1, width))[0, :, 0, :].T
                self._matrices[key] = (rows.to(device, dtype), columns.to(device, dtype))
        return self._matrices[key]
