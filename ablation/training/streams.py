"""Named random streams: every random number of a run derives from (seed, stream, epoch), so resuming needs no generator state.

A generator is created where it is used and not kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch

STREAMS = ("init.backbone", "init.resizer", "order", "crop_flip", "mix", "dropout")


def seed_of(seed: int, stream: str, epoch: int = 0) -> int:
    """Return the 63-bit seed of one stream in one epoch; neighbouring seeds and epochs give unrelated seeds."""
    assert stream in STREAMS, f"{stream}: no such stream; there are {', '.join(STREAMS)}"
    return int.from_bytes(hashlib.sha256(f"{seed}/{stream}/{epoch}".encode()).digest()[:8], "big") >> 1


def generator(seed: int, stream: str, epoch: int = 0) -> torch.Generator:
    """Return a new CPU generator of one stream in one epoch."""
    return torch.Generator().manual_seed(seed_of(seed, stream, epoch))


@contextmanager
def seeded(seed: int, stream: str) -> Iterator[None]:
    """Seed torch's default CPU generator within the block (initialisers use no other) and restore its state afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(seed, stream))
        yield
