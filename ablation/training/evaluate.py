"""Evaluation of a classifier: loss, accuracy and logits, and a picture of the resizer's output.

Sets evaluation mode; changes no weight and no buffer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ablation.data.augment import Augment, denormalise
from ablation.data.images import Images
from ablation.training.engine import Engine


@dataclass(frozen=True)
class Evaluation:
    """Attributes: mean cross-entropy, accuracy in percent, logits (N, classes) float32 on the CPU."""

    loss: float
    accuracy: float
    logits: Tensor


@torch.inference_mode()
def evaluate(classifier: nn.Module, images: Images, augment: Augment, batch_size: int, engine: Engine) -> Evaluation:
    """Classify every image once, in order, normalised only; loss and accuracy are means over images, not over batches.

    Args:
        classifier: on the engine's device; left in evaluation mode.
        images: pixels (N, 3, H, W) uint8 and labels (N,) on the engine's device.
        augment: for its normalisation; images are not cropped or mixed.
        batch_size: images per forward pass; does not change the result beyond rounding.
        engine: precision of the forward pass.
    """
    classifier.eval()
    parts = []
    for pixels in images.pixels.split(batch_size):
        with engine.autocast():
            outputs = classifier(augment.test(pixels).contiguous(memory_format=torch.channels_last))
        parts.append(outputs.to(torch.float32, copy=True))  # a CUDA graph overwrites its outputs in the next batch
    logits = torch.cat(parts)
    loss = F.cross_entropy(logits, images.labels)
    correct = (logits.argmax(1) == images.labels).sum()
    return Evaluation(loss.item(), 100 * correct.item() / len(images), logits.cpu())


@torch.inference_mode()
def picture(resizer: nn.Module, images: Images, augment: Augment, count: int = 8) -> np.ndarray:
    """Return the resizer's outputs for the first test images, side by side.

    De-normalised and clipped to [0, 1] for display only: the outputs themselves are unbounded.

    Returns:
        (H, count * W, 3) uint8.
    """
    resizer.eval()
    outputs = resizer(augment.test(images.pixels[:count])).float().cpu()
    pixels = denormalise(outputs, augment.mean, augment.std).clamp(0, 1).mul(255).round().to(torch.uint8)
    return torch.cat(list(pixels), dim=2).permute(1, 2, 0).numpy()
