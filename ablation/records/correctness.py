"""Which test images a run classifies correctly, as packed bits: 10,000 images are 1.25 kB.

A file is one line of JSON, `{"images": N, "labels": SHA-256, "metrics": ["best", "last"]}`, then for each metric ceil(N / 8)
bytes, the first image in the highest bit, unused bits 0. 10,000 such files are read in well under a second.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

NAME = "correct.bits"


@dataclass(frozen=True)
class CorrectImages:
    """A run's correct test images at some epochs.

    `packed` holds by metric name (best, last, val: the epoch) what `pack` returns; `labels` is `label_digest` of the test set.
    """

    images: int
    labels: str
    packed: Mapping[str, bytes]

    def at(self, metric: str) -> NDArray[np.bool_] | None:
        """Return (N,), True where correct; None if the metric was not kept."""
        return unpack(self.packed[metric], self.images) if metric in self.packed else None

    def accuracy(self, metric: str) -> float | None:
        """Return the accuracy in percent; None if the metric was not kept."""
        if metric not in self.packed:
            return None
        return 100 * int.from_bytes(self.packed[metric]).bit_count() / self.images


def from_logits(logits: Mapping[str, NDArray[Any]], labels: NDArray[np.integer[Any]]) -> CorrectImages:
    """Return the correct images of logits (N, classes) by metric, with labels (N,).

    Raises:
        ValueError: shapes do not match; numpy would broadcast one label over all images.
    """
    if labels.ndim != 1 or not len(labels):
        raise ValueError(f"labels of shape {labels.shape}: must be (images,)")
    packed = {}
    for metric, values in logits.items():
        if values.ndim != 2 or len(values) != len(labels) or not values.shape[1]:
            raise ValueError(f"{metric}: logits of shape {values.shape} for {len(labels)} labels: must be (images, classes)")
        packed[metric] = pack(values.argmax(axis=1) == labels)
    return CorrectImages(len(labels), label_digest(labels), packed)


def pack(correct: NDArray[np.bool_]) -> bytes:
    """Return (N,) booleans as ceil(N / 8) bytes."""
    return np.packbits(correct).tobytes()


def unpack(packed: bytes, images: int) -> NDArray[np.bool_]:
    """Return (N,) booleans.

    Raises:
        ValueError: not ceil(N / 8) bytes, or a bit set beyond N.
    """
    _check(packed, images)
    return np.unpackbits(np.frombuffer(packed, dtype=np.uint8), count=images).astype(bool)


def _check(packed: bytes, images: int) -> None:
    """Raise ValueError unless these are bits of so many images."""
    if len(packed) != -(-images // 8):
        raise ValueError(f"{len(packed)} bytes of correct images: must be {-(-images // 8)} for {images} images")
    if packed[-1] & (0xFF >> (images % 8 or 8)):
        raise ValueError(f"correct images beyond the last of {images}")


def label_digest(labels: NDArray[np.integer[Any]]) -> str:
    """Return the SHA-256 of labels (N,) in test order, as little-endian 64-bit integers."""
    return hashlib.sha256(labels.astype("<i8", casting="safe").tobytes()).hexdigest()


def encode(run: CorrectImages) -> bytes:
    """Return the file's content."""
    head = {"images": run.images, "labels": run.labels, "metrics": sorted(run.packed)}
    return json.dumps(head).encode() + b"\n" + b"".join(run.packed[metric] for metric in sorted(run.packed))


def decode(content: bytes, name: str = NAME) -> CorrectImages:
    """Return the correct images in a file.

    Args:
        content: of the file.
        name: of the file, for messages.

    Raises:
        ValueError: it is not a file of correct images, or it is cut short; the message names the file and the reason.
    """
    line, _, body = content.partition(b"\n")
    try:
        head = json.loads(line)
        images, labels, metrics = head["images"], head["labels"], head["metrics"]
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"{name}: not a file of correct images (the first line is its description in JSON)") from None
    if type(images) is not int or images < 1 or not isinstance(labels, str) or not isinstance(metrics, list):
        raise ValueError(f"{name}: images {images!r}, labels {labels!r}, metrics {metrics!r}: not a file of correct images")
    size = -(-images // 8)
    if len(body) != size * len(metrics):
        raise ValueError(f"{name}: {len(body)} bytes of {len(metrics)} metrics; must be {size * len(metrics)}: cut short")
    packed = {str(metric): body[index * size : (index + 1) * size] for index, metric in enumerate(metrics)}
    try:
        for bits in packed.values():
            _check(bits, images)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    return CorrectImages(images, labels, packed)
