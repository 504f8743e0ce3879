"""What a classifier says of images that it does not learn from: loss, accuracy, logits, and a look at the resizer's output.

Owns evaluation mode. Never changes a weight or a buffer.
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
    """Classify every image once, normalised alone, in order; loss and accuracy are weighted by images, not by batches.

    Args:
        classifier: on the engine's device; left in evaluation mode.
        images: pixels (N, 3, H, W) uint8 and labels (N,) on the engine's device.
        augment: gives the normalisation; its crops and mixes are not used.
        batch_size: images a forward pass; does not change the result beyond rounding.
        engine: precision of the forward pass.
    """
    classifier.eval()
    parts = []
    for pixels in images.pixels.split(batch_size):
        with engine.autocast():
            outputs = classifier(augment.test(pixels).contiguous(memory_format=torch.channels_last))
        parts.append(outputs.to(torch.float32, copy=True))  # a CUDA graph writes its next outputs over these
    logits = torch.cat(parts)
    loss = F.cross_entropy(logits, images.labels)
    correct = (logits.argmax(1) == images.labels).sum()
    return Evaluation(loss.item(), 100 * correct.item() / len(images), logits.cpu())


@torch.inference_mode()
def picture(resizer: nn.Module, images: Images, augment: Augment, count: int = 8) -> np.ndarray:
    """Return what the backbone sees of the first test images: the resizer's outputs side by side.

    De-normalised and clipped to [0, 1] for display alone: the outputs themselves are unbounded.

    Returns:
        (H, count * W, 3) uint8.
    """
    resizer.eval()
    outputs = resizer(augment.test(images.pixels[:count])).float().cpu()
    shown = denormalise(outputs, augment.mean, augment.std).clamp(0, 1).mul(255).round().to(torch.uint8)
    return torch.cat(list(shown), dim=2).permute(1, 2, 0).numpy()
