"""Named random streams: every random number of a run comes from (seed, stream, epoch), so an epoch boundary hides no state.

Owns the derivation. Never keeps a generator alive: a stream is made anew where it is used.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch

STREAMS = ("init.backbone", "init.resizer", "order", "crop_flip", "mix", "dropout")


def seed_of(seed: int, stream: str, epoch: int = 0) -> int:
    """Return the 63-bit seed of one stream in one epoch; neighbouring seeds and epochs share nothing."""
    assert stream in STREAMS, f"{stream}: no such stream; there are {', '.join(STREAMS)}"
    return int.from_bytes(hashlib.sha256(f"{seed}/{stream}/{epoch}".encode()).digest()[:8], "big") >> 1


def generator(seed: int, stream: str, epoch: int = 0) -> torch.Generator:
    """Return a fresh CPU generator of one stream in one epoch."""
    return torch.Generator().manual_seed(seed_of(seed, stream, epoch))


@contextmanager
def seeded(seed: int, stream: str) -> Iterator[None]:
    """Seed torch's default CPU generator for a block (initialisers know no other) and put its state back afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(seed, stream))
        yield
