"""Classify pictures with a trained run, as a table, CSV or JSON.

python predict.py runs/<run id> photo.png folder/ --format csv
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ablation.sweep import console
from ablation.sweep.installation import command
from ablation.trained.load import Unusable, load
from ablation.trained.predict import Prediction, predict


@console.command
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code: 0, or 1 if the run or a picture cannot be used."""
    parser = argparse.ArgumentParser(prog=command("predict"), description="Classify pictures with a trained run.")
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
