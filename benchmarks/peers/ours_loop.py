"""Our training of a cell, as `run.py` builds it, in a process of its own: what the peers are compared with."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import torch

from benchmarks.ours import Ours, of_cell
from benchmarks.peers.process import parser, serve


def turns(options: argparse.Namespace) -> Iterator[float]:
    """Yield images a second of epochs of `steps` steps."""
    if options.threads:
        torch.set_num_threads(options.threads)
    config = of_cell(f"{options.resizer}-{options.aug}", f"train.batch_size={options.batch}")
    return Ours(config, options.steps, options.device).training(options.precision)


if __name__ == "__main__":
    serve("torch", turns(parser(__doc__).parse_args()))
