"""Peak memory of training steps, ours and the report's way, each in a new process; on a GPU as counted by its allocator.

    python benchmarks/memory.py --cells bilinear-base cbam-base
    python benchmarks/memory.py --device cuda

On a CPU it is the resident memory of the process, including the libraries in both cases.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # works without installation

import torch

from benchmarks.ours import CELLS, LR, Ours, constructed, of_cell
from benchmarks.side_by_side import NOT_MEASURED, Table, Turns, alternate, machine, parser, publish, ratio, spread

WAYS = {"ours, bf16": "bf16", "ours, fp32": "fp32", "report's way, fp32": "default", "report's way, bf16": "bf16"}


def here(way: str, cell: str, options: argparse.Namespace) -> int:
    """Take two steps in this process and return its peak in bytes."""
    ours = Ours(of_cell(cell, f"train.batch_size={options.batch}"), 2, options.device) if way.startswith("ours") else None
    if ours:
        engine, turns = ours.fit("bf16").engine, ours.training(WAYS[way])
        next(turns)
        return engine.peak_memory()
    from ablation.training.engine import Engine
    from benchmarks import reports_way

    resizer, aug = CELLS[cell]
    engine, images = Engine(options.device, "fp32"), constructed(4 * options.batch)
    pictures = reports_way.Pictures(images.pixels.permute(0, 2, 3, 1).contiguous().numpy(), images.labels.tolist())
    model = reports_way.build(resizer).to(engine.device)
    optimizer = torch.optim.SGD(model.parameters(), lr=LR, momentum=0.9, weight_decay=5e-4)
    batches = reports_way.endless(reports_way.loader(pictures, options.batch, 0, pin=engine.device.type == "cuda"))
    next(reports_way.training(model, optimizer, batches, engine.device, 2, aug == "cutmix", WAYS[way]))
    return engine.peak_memory()


def elsewhere(way: str, cell: str, options: argparse.Namespace) -> float:
    """Take two steps in a new process and return its peak in MiB."""
    argv = [sys.executable, __file__, "--one", way, "--cells", cell, "--batch", str(options.batch), "--device", options.device]
    return int(subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True).stdout) / 2**20


def row(cell: str, turns: Turns | None) -> list[object]:
    """Return a cell's row of the table."""
    if turns is None:
        return [cell, *[NOT_MEASURED] * (len(WAYS) + 1)]
    return [cell, *[spread(turns[way]) for way in WAYS], ratio(turns["ours, bf16"], turns["report's way, fp32"])]


def main(arguments: list[str] | None = None) -> int:
    """Measure the cells one after another; results are saved after each."""
    command_line = parser(__doc__, "memory")
    add, gpu = command_line.add_argument, torch.cuda.is_available()
    add("--cells", nargs="+", choices=CELLS, default=list(CELLS), metavar="CELL", help=f"of {', '.join(CELLS)}")
    add("--device", default="cuda" if gpu else "cpu")
    add("--batch", type=int, default=128 if gpu else 16, help="default: 128 on a GPU, 16 on a CPU")
    add("--one", choices=WAYS, help="measure this way in this process and print bytes")
    options = command_line.parse_args(arguments)
    if options.one:
        print(here(options.one, options.cells[0], options))
        return 0
    about, measured = machine(), {}
    for cell in options.cells:
        turns: dict[str, Callable[[], float]] = {way: partial(elsewhere, way, cell, options) for way in WAYS}
        measured[cell] = alternate(turns, options.repeats)
        note = f"MiB, median (lowest to highest) of {options.repeats} processes, two steps of {options.batch} images each."
        header = ("cell", *WAYS, "ours, bf16 / report's way, fp32")
        publish("memory", options, about, Table(header, [row(name, measured.get(name)) for name in CELLS], [note]), measured)
    return 0


if __name__ == "__main__":
    sys.exit(main())
