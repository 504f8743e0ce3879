"""Images per second of training steps beside other libraries, each contender alone on the machine.

    python benchmarks/alone.py --peers .venv-peers/bin/python
    python benchmarks/alone.py --cells bilinear-base --repeats 7

A turn starts one process, which warms up for a turn, measures one and ends before the next contender starts: no contender's
memory, threads or workers are there while another is measured. All have the same number of threads, of workers and of images,
and bf16.
"""

from __future__ import annotations

import argparse
import os
import sys
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # works without installation

import torch

from benchmarks.ours import CELLS
from benchmarks.peers.process import Peer
from benchmarks.side_by_side import NOT_MEASURED, Table, Turns, alternate, machine, parser, publish, ratio, spread

OURS, PLAIN = "ours", "plain loop"
HERE = {OURS: "ours_loop", PLAIN: "report_loop"}  # run by this Python
PEERS = {"Lightning": "lightning_loop", "timm": "timm_loop"}  # by that of --peers
SMALLEST = 128  # images a step without a resizer: fewer would measure the optimizer's pass over the weights


def turn(python: str, script: str, job: dict[str, object]) -> float:
    """Start a contender, let it warm up, and return the images a second of its second turn."""
    with Peer(python, script, job) as peer:
        peer.turn()
        return peer.turn()


def measure(cell: str, options: argparse.Namespace) -> Turns:
    """Return the turns of every contender in one cell."""
    resizer, aug = CELLS[cell]
    small = resizer == "none"
    job: dict[str, object] = {"resizer": resizer, "aug": aug, "device": options.device, "precision": "bf16"}
    job |= {"batch": max(options.batch, SMALLEST) if small else options.batch, "steps": options.steps * (2 if small else 1)}
    job |= {"workers": os.cpu_count() or 1, "threads": torch.get_num_threads()}
    contenders = {name: partial(turn, sys.executable, script, job) for name, script in HERE.items()}
    if options.peers:
        python = str(Path(options.peers).absolute())
        contenders |= {name: partial(turn, python, script, job) for name, script in PEERS.items()}
    return alternate(contenders, options.repeats)


def row(cell: str, turns: Turns | None) -> list[object]:
    """Return a cell's row of the table."""
    if turns is None:
        return [cell, *[NOT_MEASURED] * (1 + len(PEERS) + 1)]
    return [cell, spread(turns[OURS])] + [
        f"{spread(turns[name])}, ours / it {ratio(turns[OURS], turns[name])}" if name in turns else NOT_MEASURED
        for name in (PLAIN, *PEERS)
    ]


def main(arguments: list[str] | None = None) -> int:
    """Measure the cells one after another; results are saved after each."""
    command_line = parser(__doc__, "alone")
    add = command_line.add_argument
    add("--cells", nargs="+", choices=CELLS, default=["none-base", "bilinear-base", "cbam-cutmix"], metavar="CELL")
    add("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    add("--batch", type=int, default=128 if torch.cuda.is_available() else 16, help="images a step")
    add("--steps", type=int, default=50 if torch.cuda.is_available() else 2, help="a turn; twice as many without a resizer")
    add("--peers", metavar="PYTHON", help="of the environment that has Lightning and timm")
    options, about = command_line.parse_args(arguments), machine()
    measured: dict[str, Turns] = {}
    for cell in options.cells:
        print(cell, file=sys.stderr)
        measured[cell] = measure(cell, options)
        note = f"Images a second, median (lowest to highest) of {options.repeats} processes of each, one at a time; batches of"
        note += f" {options.batch}, {options.steps} steps (none: {max(options.batch, SMALLEST)} and {2 * options.steps}), bf16,"
        note += f" {torch.get_num_threads()} threads, {os.cpu_count()} workers."
        table = Table(("cell", OURS, PLAIN, *PEERS), [row(name, measured.get(name)) for name in CELLS], [note])
        publish("alone", options, about, table, measured)
    return 0


if __name__ == "__main__":
    sys.exit(main())
