"""Classify picture files with a trained run, after the preprocessing that the run itself had."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ablation.data.decode import Unreadable, pixels, quiet
from ablation.trained.load import Trained, Unusable

TOP = 3
NAMED = 10  # bad files that a message names; more are counted


@dataclass(frozen=True)
class Prediction:
    """The most probable classes of one picture, with their softmax probabilities, the most probable first."""

    file: str
    top: tuple[tuple[str, float], ...]


def predict(trained: Trained, images: Sequence[Path], *, resize: bool = False) -> list[Prediction]:
    """Classify picture files, and those below folders, in the order of their names.

    Args:
        resize: resize pictures of another size than the run's (short side, centre crop); the others are as they are. A run
            of `data.size=N` resized its own images, so its pictures always are.

    Raises:
        Unusable: a file is no picture or has another size, a folder has none; all such files are named.
    """
    files = [file for path in images for file in _files(path)]
    logits = trained.logits(_read(trained, files, resize))
    probabilities, classes = logits.softmax(1).topk(min(TOP, len(trained.classes)))
    return [
        Prediction(
            str(file),
            tuple((trained.classes[index], value) for index, value in zip(row.tolist(), values.tolist(), strict=True)),
        )
        for file, row, values in zip(files, classes, probabilities, strict=True)
    ]


def _files(path: Path) -> list[Path]:
    """Return the files of a folder and below, without hidden ones, or the file itself."""
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.rglob("*") if file.is_file() and not file.name.startswith("."))
    if not files:
        raise Unusable(f"{path}: no picture in this folder")
    return files


def _read(trained: Trained, files: Sequence[Path], resize: bool) -> Tensor:
    """Return uint8 (N, 3, H, W) of the run's size."""
    height, width = trained.image_size
    data = trained.config["data"]
    if resize and height != width:
        raise Unusable(
            f"--resize: the run's images are {width} x {height} pixels, and only squares are cropped: resize them yourself"
        )
    size = height if resize or data.get("size") else None
    arrays, bad = [], []
    with quiet():
        for file in files:
            try:
                array = pixels(file.read_bytes(), size, data.get("background", "white"))
            except (OSError, Unreadable) as error:
                bad.append(f"{file}: {error.strerror if isinstance(error, OSError) else error}")
                continue
            if array.shape[:2] != (height, width):
                actual = f"{array.shape[1]} x {array.shape[0]} pixels"
                bad.append(f"{file}: is {actual}, the run's images are {width} x {height}: --resize fits it")
            arrays.append(array)
    if bad:
        more = f"; and {len(bad) - NAMED} more" if len(bad) > NAMED else ""
        raise Unusable("; ".join(bad[:NAMED]) + more)
    return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2)
