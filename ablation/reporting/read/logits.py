"""Read which test images a run classifies correctly, from the files of its local record (W&B has none).

Reads correct.bits or, in older records, predictions.npz.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ablation.records.correctness import NAME, CorrectImages, decode, from_logits
from ablation.records.outcome import CHOSEN

LOGITS = "predictions.npz"


class CorrectReader:
    """Callable: run id -> correct test images, or None if the run has none or they cannot be read (see `problems`)."""

    def __init__(self, runs: Path) -> None:
        self.runs = runs
        self.problems: dict[str, str] = {}  # run id -> why its file cannot be read, one line

    def __call__(self, run_id: str) -> CorrectImages | None:
        """Return the correct images of a run at each of its kept epochs."""
        folder = self.runs / run_id
        try:
            try:
                return decode((folder / NAME).read_bytes(), NAME)
            except FileNotFoundError:
                return _of_logits(folder / LOGITS)
        except FileNotFoundError:
            return None
        except Exception as error:  # damaged archives raise many types (zipfile, zlib, numpy): read the other runs
            self.problems[run_id] = f"{type(error).__name__}: {error}"
            return None


def _of_logits(file: Path) -> CorrectImages:
    """Return the correct images of a record that has only logits."""
    with np.load(file) as arrays:  # numpy's default refuses pickles
        return from_logits({kind: arrays[kind] for kind in CHOSEN if kind in arrays}, arrays["labels"])
