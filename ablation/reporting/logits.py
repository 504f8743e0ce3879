"""Which test images a run classifies correctly, from the logits that its record keeps.

Owns reading predictions.npz. Only local records have logits: W&B gets none.
"""

from __future__ import annotations

import functools
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ablation.reporting.analysis import Correct
from ablation.reporting.per_image import correct

NAME = "predictions.npz"


def correct_at(runs: Path, epoch: str) -> Correct:
    """Return a function from run id to its correct test images (N,), None where the logits are not to be had.

    Args:
        runs: the runs folder.
        epoch: `best`, `last` or `val`, of which the logits are asked for.

    Each run is read once and kept as a bit an image: 10,000 runs of 10,000 images are 12.5 MB.
    """

    @functools.cache
    def packed(run_id: str) -> tuple[NDArray[np.uint8], int] | None:
        try:
            with np.load(runs / run_id / NAME) as arrays:  # numpy's default refuses pickles
                right = correct(arrays[epoch], arrays["labels"])
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None
        return np.packbits(right), len(right)

    def unpacked(run_id: str) -> NDArray[np.bool_] | None:
        found = packed(run_id)
        return None if found is None else np.unpackbits(found[0], count=found[1]).astype(bool)

    return unpacked
