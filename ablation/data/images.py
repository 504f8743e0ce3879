"""Images as tensors: the two types every loader returns, fixed class-balanced subsets, and the checksum of the content.

Shared by all data sets. Reads no file and uses no random stream of a run: a limit keeps the same images for every seed.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Images:
    """`pixels` uint8 (N, 3, H, W) in RGB order, `labels` int64 (N,)."""

    pixels: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device | str) -> Images:
        """Return the same images on `device` (no copy if already there)."""
        return Images(self.pixels.to(device), self.labels.to(device))

    def at(self, indices: Tensor) -> Images:
        """Return the images at `indices` int64 (n,), in that order."""
        return Images(self.pixels[indices], self.labels[indices])


@dataclass(frozen=True, eq=False)
class Dataset:
    """Training, test and held-out images; `checksum` covers train and test as read, before any limit or split."""

    name: str
    train: Images
    test: Images
    val: Images | None
    classes: tuple[str, ...]
    checksum: str

    def to(self, device: torch.device | str) -> Dataset:
        """Return the same data on `device`."""
        val = None if self.val is None else self.val.to(device)
        return Dataset(self.name, self.train.to(device), self.test.to(device), val, self.classes, self.checksum)


def assemble(
    name: str,
    train: Images,
    test: Images,
    classes: tuple[str, ...],
    limit: int | None,
    test_limit: int | None,
    val_size: int,
    checksum: str | None = None,
) -> Dataset:
    """Return a Dataset from all images of a set: images are first held out of train, then the limits apply.

    Args:
        limit: training images to keep, test_limit: test images to keep (None: all); val_size: to hold out (0: none).
        checksum: of `train` and `test`, if already known.

    Raises:
        ValueError: a limit exceeds the number of images, or no training image would be left.
    """
    checksum = checksum or content_checksum(train, test)
    if not 0 <= val_size < len(train):
        raise ValueError(
            f"data.val_size={val_size}: must be from 0 to {len(train) - 1} ({name} has {len(train)} "
            "training images, one must remain)"
        )
    val = None
    if val_size:
        train, val = hold_out(train, val_size)
    train = _limited(train, limit, "data.limit", f"training images of {name} after data.val_size={val_size}")
    test = _limited(test, test_limit, "data.test_limit", f"test images of {name}")
    return Dataset(name, train, test, val, classes, checksum)


def _limited(images: Images, limit: int | None, key: str, what: str) -> Images:
    if limit is None:
        return images
    if not 1 <= limit <= len(images):
        raise ValueError(f"{key}={limit}: must be null or from 1 to {len(images)}, the {what}")
    return images if limit == len(images) else images.at(balanced_subset(images.labels, limit))


def hold_out(images: Images, count: int) -> tuple[Images, Images]:
    """Return the rest and `count` held-out images: disjoint, fixed, the held-out ones class-balanced."""
    held = balanced_subset(images.labels, count)
    rest = torch.ones(len(images), dtype=torch.bool)
    rest[held] = False
    return images.at(rest.nonzero().squeeze(1)), images.at(held)


def balanced_subset(labels: Tensor, count: int) -> Tensor:
    """Return ascending indices int64 (count,) of a fixed subset, as evenly spread over the classes as possible.

    The images are shuffled with a fixed seed and taken from the classes in turn; a class without images left is skipped.
    So a larger subset contains every smaller one.

    Args:
        labels: (N,) int64; count: at most N.
    """
    assert 0 <= count <= len(labels)
    # RandomState: NumPy guarantees its stream (NEP 19), so the subset is the same in every version.
    shuffled = np.random.RandomState(0).permutation(len(labels))
    classes = labels.numpy()[shuffled]
    turn = np.empty(len(labels), dtype=np.int64)
    for label in np.unique(classes):
        members = np.flatnonzero(classes == label)
        turn[members] = np.arange(len(members))
    chosen = shuffled[np.lexsort((classes, turn))[:count]]
    return torch.from_numpy(np.sort(chosen))


def content_checksum(train: Images, test: Images) -> str:
    """Return sha256 (hex) over shape, pixels and labels of train, then of test."""
    digest = hashlib.sha256()
    for images in (train, test):
        digest.update(repr(tuple(images.pixels.shape)).encode())
        digest.update(images.pixels.contiguous().numpy().data)
        digest.update(images.labels.contiguous().numpy().astype("<i8").data)
    return digest.hexdigest()
