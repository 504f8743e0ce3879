"""Which test images a run classifies correctly, from the logits that its record keeps.

Owns reading predictions.npz. Only local records have logits: W&B gets none.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

NAME = "predictions.npz"


@dataclass(frozen=True)
class Marks:
    """Which test images a run classifies correctly, and a digest of their labels: with others they are other images."""

    right: NDArray[np.bool_]  # (N,)
    labels: str


Correct = Callable[[str], Marks | None]  # of a run id; None: its logits are not here


def correct(logits: NDArray[Any], labels: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which images are classified correctly, (..., N) from logits (..., N, classes) and labels (N,)."""
    return np.asarray(logits.argmax(axis=-1) == labels)


def correct_at(runs: Path, epoch: str) -> Correct:
    """Return a function from run id to its correct test images, None where its logits are not here.

    Args:
        runs: the runs folder.
        epoch: `best`, `last` or `val`: of which the logits are.

    Each run is read once and kept as a bit an image: 10,000 runs of 10,000 images are 12.5 MB.
    """

    @functools.cache
    def packed(run_id: str) -> tuple[NDArray[np.uint8], int, str] | None:
        try:
            with np.load(runs / run_id / NAME) as arrays:  # numpy's default refuses pickles
                logits, labels = arrays[epoch], arrays["labels"].astype("<i8", casting="safe")
            if labels.ndim != 1 or logits.shape[:-1] != labels.shape:
                return None  # numpy would stretch one label over all images
            return np.packbits(correct(logits, labels)), len(labels), hashlib.sha256(labels.tobytes()).hexdigest()
        except Exception:  # whatever a damaged archive leads to in zipfile, zlib and numpy: the other runs are read
            return None

    def unpacked(run_id: str) -> Marks | None:
        if (bits := packed(run_id)) is None:
            return None
        right, count, labels = bits
        return Marks(np.unpackbits(right, count=count).astype(bool), labels)

    return unpacked
