"""Classify picture files with a trained run, after the preprocessing that the run itself had.

python predict.py runs/<run id> photo.png more/ --format csv
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from ablation.data.decode import Unreadable, pixels, quiet
from ablation.trained.load import Trained, Unusable, load

TOP = 3
NAMED = 10  # bad files that a message names; more are counted


@dataclass(frozen=True)
class Prediction:
    """The most probable classes of one picture, with their softmax probabilities, the most probable first."""

    file: str
    top: tuple[tuple[str, float], ...]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code: 0, or 1 if the run or a picture cannot be used."""
    parser = argparse.ArgumentParser(prog="predict.py", description="Classify pictures with a trained run.")
    parser.add_argument("run", help="folder of a done run: runs/<run id>")
    parser.add_argument("images", nargs="+", type=Path, metavar="image", help="a PNG, JPEG, WebP, BMP or GIF file, or a folder")
    parser.add_argument(
        "--resize", action="store_true", help="bring pictures of another size to the run's: short side, centre crop"
    )
    parser.add_argument("--weights", choices=("best", "last", "val"), help="of which epoch; default: the first that was kept")
    parser.add_argument("--format", choices=("table", "csv", "json"), default="table")
    parser.add_argument("--device", default="auto", help="auto, cuda, cuda:N, mps or cpu")
    options = parser.parse_args(arguments)
    try:
        trained = load(options.run, options.weights, options.device)
        predictions = predict(trained, options.images, resize=options.resize)
    except (Unusable, ValueError) as error:
        print(f"refused: {error}", file=sys.stderr)
        return 1
    FORMATS[options.format](predictions)
    return 0


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


def _rows(predictions: Sequence[Prediction]) -> Iterator[list[str]]:
    for prediction in predictions:
        yield [prediction.file, *(text for name, value in prediction.top for text in (name, f"{value:.4f}"))]


def _print_csv(predictions: Sequence[Prediction]) -> None:
    count = len(predictions[0].top)
    columns = ["file", *(name for index in range(1, count + 1) for name in (f"class_{index}", f"probability_{index}"))]
    csv.writer(sys.stdout, lineterminator="\n").writerows([columns, *_rows(predictions)])


def _print_json(predictions: Sequence[Prediction]) -> None:
    rows = [
        {"file": each.file, "top": [{"class": name, "probability": round(value, 6)} for name, value in each.top]}
        for each in predictions
    ]
    print(json.dumps(rows, indent=1, ensure_ascii=False))


def _print_table(predictions: Sequence[Prediction]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("file", overflow="fold")
    table.add_column("class")
    table.add_column("probability", justify="right")
    table.add_column("then")
    for each in predictions:
        (name, value), *others = each.top
        table.add_row(
            each.file, name, f"{100 * value:.1f} %", ", ".join(f"{other} {100 * share:.1f} %" for other, share in others)
        )
    Console(highlight=False, markup=False, emoji=False).print(table)


FORMATS = {"table": _print_table, "csv": _print_csv, "json": _print_json}
