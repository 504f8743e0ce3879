"""Images per second of training steps in all eight cells: ours, the report's way and the limit.

    python benchmarks/step.py                                       a CPU: 16 images a batch, 2 steps a turn
    python benchmarks/step.py --cells cbam-base --repeats 7
    python benchmarks/step.py --device cuda

All contenders of a cell take turns in this process, so a disturbance affects all of them. Other libraries: alone.py.
"""

from __future__ import annotations

import argparse
import gc
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # works without installation

import torch

from benchmarks import reports_way
from benchmarks.ours import CELLS, LR, Ours, constructed, of_cell
from benchmarks.side_by_side import NOT_MEASURED, Table, Turns, alternate, machine, parser, publish, ratio, spread

PAPER = 128  # images a step; without a resizer a smaller batch would measure the optimizer's pass over the weights
HEADER = ("cell", "ours, bf16", "report's way", "ratio", "share of the limit", "ours / report's way in fp32", "in bf16")


def options_of(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the command line; default sizes depend on the device."""
    command_line = parser(__doc__, "step")
    add = command_line.add_argument
    add("--cells", nargs="+", choices=CELLS, default=list(CELLS), metavar="CELL", help=f"of {', '.join(CELLS)}")
    add("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    add("--batch", type=int, help="images a step (default: 128 on a GPU, 16 on a CPU)")
    add("--steps", type=int, help="a turn (default: 50 on a GPU, 2 on a CPU; twice as many without a resizer)")
    add("--workers", type=int, nargs="+", default=[0, 2, 4], help="of the report's DataLoader; the best is quoted")
    options = command_line.parse_args(arguments)
    on_gpu = options.device.startswith("cuda")
    options.batch = options.batch or (128 if on_gpu else 16)
    options.steps = options.steps or (50 if on_gpu else 2)
    return options


def measure(cell: str, options: argparse.Namespace) -> Turns:
    """Return images a second of every contender's turns in one cell."""
    steps, options = options.steps, argparse.Namespace(**vars(options))
    if cell.startswith("none"):
        steps, options.batch = 2 * steps, max(options.batch, PAPER)
    ours = Ours(of_cell(cell, f"train.batch_size={options.batch}"), steps, options.device)
    turns: dict[str, Callable[[], float]] = {}
    turns["ours bf16"] = ours.training("bf16").__next__
    turns["limit bf16"] = ours.limit("bf16").__next__
    turns["ours fp32"] = ours.training("fp32").__next__
    for name, generator in reports(cell, options, steps, ours.device):
        turns[name] = generator.__next__
    return alternate(turns, options.repeats)


def reports(cell: str, options: argparse.Namespace, steps: int, device: torch.device) -> Iterator[tuple[str, Iterator[float]]]:
    """Yield the report's way at every number of workers and precision (a GPU's default has TF32 convolutions)."""
    resizer, aug = CELLS[cell]
    images = constructed(50_000)
    pictures = reports_way.Pictures(images.pixels.permute(0, 2, 3, 1).contiguous().numpy(), images.labels.tolist())
    model = reports_way.build(resizer).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=LR, momentum=0.9, weight_decay=5e-4)
    for workers in options.workers:
        batches = reports_way.endless(reports_way.loader(pictures, options.batch, workers, pin=device.type == "cuda"))
        for precision in ("default", "fp32", "bf16") if device.type == "cuda" else ("default", "bf16"):
            if precision != "default" and workers != min(options.workers):
                continue  # other precisions compare the arithmetic, with one number of workers
            turns = reports_way.training(model, optimizer, batches, device, steps, aug == "cutmix", precision)
            yield f"report {precision} {workers}", turns


def best(turns: Turns, precision: str) -> str:
    """Return the name of the fastest report's way over the numbers of workers; on a CPU `fp32` is the default."""
    names = [name for name in turns if name.startswith(f"report {precision} ")]
    return max(names, key=lambda name: spread(turns[name]).median) if names else best(turns, "default")


def row(cell: str, turns: Turns | None) -> list[object]:
    """Return a cell's row of the table."""
    if turns is None:
        return [cell, *[NOT_MEASURED] * (len(HEADER) - 1)]
    headline, ours = best(turns, "default"), turns["ours bf16"]
    cells: list[object] = [cell, spread(ours), f"{spread(turns[headline])}, {headline.split()[-1]} workers"]
    cells += [f"**{ratio(ours, turns[headline])}**", ratio(ours, turns["limit bf16"])]
    return cells + [ratio(turns[f"ours {precision}"], turns[best(turns, precision)]) for precision in ("fp32", "bf16")]


def main(arguments: list[str] | None = None) -> int:
    """Measure the cells one after another; results are saved after each."""
    options, about = options_of(arguments), machine()
    measured: dict[str, Turns] = {}
    for cell in options.cells:
        print(cell, file=sys.stderr)
        measured[cell] = measure(cell, options)
        gc.collect()
        note = f"Images a second, median (lowest to highest) of {options.repeats} turns; batches of {options.batch},"
        note += f" {options.steps} steps a turn (none: {max(options.batch, PAPER)} and {2 * options.steps});"
        note += " VGG16 at 224 (none: 32)."
        publish("step", options, about, Table(HEADER, [row(name, measured.get(name)) for name in CELLS], [note]), measured)
    return 0


if __name__ == "__main__":
    sys.exit(main())
