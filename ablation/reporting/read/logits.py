"""Which test images a run classifies correctly, from the files that its record keeps.

Owns reading correct.bits and, of records from before it, predictions.npz. Only local records have them: W&B gets none.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ablation.records.correctness import NAME, CorrectImages, decode, from_logits
from ablation.records.outcome import CHOSEN

LOGITS = "predictions.npz"


class CorrectReader:
    """From run id to correct test images; None where the run kept none. What cannot be read is None, too, and a problem."""

    def __init__(self, runs: Path) -> None:
        self.runs = runs
        self.problems: dict[str, str] = {}  # run id -> what is wrong, one line

    def __call__(self, run_id: str) -> CorrectImages | None:
        """Return the correct images at each epoch that the run kept."""
        folder = self.runs / run_id
        try:
            try:
                return decode((folder / NAME).read_bytes(), NAME)
            except FileNotFoundError:
                return _of_logits(folder / LOGITS)
        except FileNotFoundError:
            return None
        except Exception as error:  # whatever a damaged archive leads to in zipfile, zlib and numpy: the other runs are read
            self.problems[run_id] = f"{type(error).__name__}: {error}"
            return None


def _of_logits(file: Path) -> CorrectImages:
    """Return the correct images of a record that kept logits alone."""
    with np.load(file) as arrays:  # numpy's default refuses pickles
        return from_logits({kind: arrays[kind] for kind in CHOSEN if kind in arrays}, arrays["labels"])
