"""The report's way, a plain PyTorch loop, in a process of its own: what the peers are compared with."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import torch

from benchmarks import reports_way
from benchmarks.peers import parts
from benchmarks.peers.process import parser, serve


def turns(options: argparse.Namespace) -> Iterator[float]:
    """Yield images a second of `steps` steps, in the precision asked for."""
    if options.threads:
        torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    model = reports_way.build(options.resizer).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=parts.LR, momentum=parts.MOMENTUM, weight_decay=parts.WEIGHT_DECAY)
    batches = reports_way.loader(parts.pictures(), options.batch, options.workers, pin=device.type == "cuda")
    mixed = options.aug == "cutmix"
    endless = reports_way.endless(batches)
    return reports_way.training(model, optimizer, endless, device, options.steps, mixed, options.precision)


if __name__ == "__main__":
    serve("torch", turns(parser(__doc__).parse_args()))
