"""Which test images a run classifies correctly, from the logits that its record keeps.

Owns reading predictions.npz. Only local records have logits: W&B gets none.
"""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ablation.reporting.statistics.analysis import Correct, Marks
from ablation.reporting.statistics.per_image import correct

NAME = "predictions.npz"


def correct_at(runs: Path, epoch: str) -> Correct:
    """Return a function from run id to its correct test images, None where the logits are not to be had.

    Args:
        runs: the runs folder.
        epoch: `best`, `last` or `val`, of which the logits are asked for.

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
        found = packed(run_id)
        return None if found is None else Marks(np.unpackbits(found[0], count=found[1]).astype(bool), found[2])

    return unpacked
