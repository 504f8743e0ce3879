"""Sample images for the figures: by class, at each step of the preprocessing, after CutMix.

Images are drawn with the caller's generator; every step is computed by the run's `Augment`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ablation.data.augment import Augment, crop_flip, denormalise
from ablation.data.images import Images


@dataclass(frozen=True, eq=False)
class Step:
    """`images` (n, H, W, 3) in [0, 1] after one step, a note for each, and the crop windows (top, left, height, width)."""

    name: str
    images: np.ndarray
    notes: list[str]
    windows: list[tuple[int, int, int, int]] | None = None


def shown(images: Tensor) -> np.ndarray:
    """Return uint8 (n, 3, H, W) as (n, H, W, 3) in [0, 1]."""
    return (images.float() / 255).permute(0, 2, 3, 1).numpy()


def pictures(normalised: Tensor, augment: Augment) -> np.ndarray:
    """Return normalised images (n, 3, H, W) de-normalised to (n, H, W, 3), 0 black and 1 white, not clipped."""
    return denormalise(normalised, augment.mean, augment.std).permute(0, 2, 3, 1).numpy()


def by_class(images: Images, classes: int, count: int, generator: torch.Generator) -> list[Tensor]:
    """Return for each class the indices of `count` random images, or all if it has fewer."""
    shuffled = torch.randperm(len(images), generator=generator)
    labels = images.labels[shuffled]
    return [shuffled[labels == label][:count] for label in range(classes)]


def one_each(images: Images, count: int, generator: torch.Generator) -> Images:
    """Return one random image of each of `count` random classes (of all, if fewer), in the order of the classes."""
    chosen = by_class(images, int(images.labels.max()) + 1, 1, generator)
    kept = torch.randperm(len(chosen), generator=generator)[:count].sort().values
    return images.at(torch.cat([chosen[label] for label in kept]))


def training_steps(augment: Augment, pixels: Tensor, generator: torch.Generator) -> list[Step]:
    """Return the training preprocessing of uint8 (n, 3, H, W), step by step; steps that the run does not use are left out."""
    count, size, padding = len(pixels), pixels.shape[2:], augment.padding
    draws = augment.draw(count, generator)
    steps = [Step("original", shown(pixels), [""] * count)]
    if padding:
        padded = F.pad(pixels, (padding,) * 4)
        windows = [(top, left, *size) for top, left in draws.offsets.tolist()]
        steps.append(Step(f"padded by {padding}", shown(padded), [""] * count, windows))
        cropped = crop_flip(pixels, draws.offsets, torch.zeros(count, dtype=torch.bool), padding)
        moves = [_moved(padding - top, padding - left) for top, left, *_ in windows]
        steps.append(Step(f"random crop {size[0]}x{size[1]}", shown(cropped), moves))
    if augment.flip:
        flipped = crop_flip(pixels, draws.offsets, draws.flips, padding)
        notes = ["mirrored" if flip else "as it was" for flip in draws.flips.tolist()]
        steps.append(Step("random flip, p = 0.5", shown(flipped), notes))
    without_mix = replace(augment, mix="none")
    mixed = without_mix.train(pixels, torch.zeros(count, dtype=torch.long), draws.offsets, draws.flips, generator)
    return [*steps, _normalised(mixed.images, augment)]


def evaluation_steps(augment: Augment, pixels: Tensor) -> list[Step]:
    """Return the test preprocessing of uint8 (n, 3, H, W), step by step."""
    return [Step("original", shown(pixels), [""] * len(pixels)), _normalised(augment.test(pixels), augment)]


def _moved(down: int, right: int) -> str:
    """Return by how much a crop moves the image, in words."""
    moves = [(down, "down" if down > 0 else "up"), (right, "right" if right > 0 else "left")]
    return ", ".join(f"{abs(pixels)} {word}" for pixels, word in moves if pixels) or "not moved"


def _normalised(images: Tensor, augment: Augment) -> Step:
    """Return the last step, de-normalised for display; the notes give the range of the normalised values."""
    notes = [f"{image.min():.2f} to {image.max():.2f}" for image in images]
    return Step("normalised", pictures(images, augment).clip(0, 1), notes)


def cutmix_results(
    augment: Augment, images: Images, classes: Sequence[str], count: int, batch: int, generator: torch.Generator
) -> tuple[np.ndarray, list[str]]:
    """Return the first image of each of `count` random training batches after CutMix, with a note of lam and both labels.

    Preprocessed as in training, then mixed with probability 1.
    """
    always_mixed = replace(augment, mix="cutmix", probability=1.0)
    results, notes = [], []
    for _ in range(count):
        drawn = images.at(torch.randperm(len(images), generator=generator)[:batch])
        draws = augment.draw(len(drawn), generator)
        mixed = always_mixed.train(drawn.pixels, drawn.labels, draws.offsets, draws.flips, generator)
        own, other = (classes[int(labels[0])] for labels in (mixed.labels_a, mixed.labels_b))
        results.append(pictures(mixed.images[:1], augment)[0].clip(0, 1))
        notes.append(f"{own}: {mixed.lam:.2f}\n{other}: {1 - mixed.lam:.2f}")
    return np.stack(results), notes
