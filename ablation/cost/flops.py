"""What training costs: seconds an epoch from the best evidence there is, and the time of a whole command.

Owns the arithmetic and the assumed rates. Pure: measures nothing, reads nothing, imports no torch.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterable
from dataclasses import dataclass

from ablation.records.numbers import speed

FLOPS = 2  # of one multiply-accumulate
TRAINING = 3  # forwards that a training step is worth: the backward pass is two (gradients of the inputs and of the weights)

# Dense peaks in TFLOP/s by the makers' data sheets: V100 SXM2, A100 SXM and H100 SXM. fp32 is without TF32, which the engine
# turns off. V100 has no tensor cores for bf16 and is priced in fp32 there.
PEAKS = {
    "V100": {"fp32": 15.7, "fp16": 125.0},
    "A100": {"fp32": 19.5, "fp16": 312.0, "bf16": 312.0},
    "H100": {"fp32": 66.9, "fp16": 989.4, "bf16": 989.4},
}
UTILISATION = {"fp32": 0.75, "fp16": 0.4, "bf16": 0.4}  # share of the peak that training gets: assumed
SHARE = 0.4  # of a measured matrix rate that training gets: 0.1 to 1.0 in CPU runs, least where layers are small


@dataclass(frozen=True)
class Hardware:
    """Where runs are priced for: a device in the words of the record, or a GPU that is not here, by its short name.

    A CPU's words are the same everywhere, so of a CPU the host counts too.
    """

    name: str
    host: str | None = None  # of a CPU
    assumed: bool = False

    def made(self, device: object, host: object) -> bool:
        """Return True if something that was measured on `device` of `host` was measured on this hardware."""
        if self.assumed:
            return re.search(rf"\b{self.name}\b", str(device)) is not None
        return device == self.name and self.host in (None, host)


@dataclass(frozen=True)
class Work:
    """What an epoch of a run is: images trained on, images evaluated (test and held out), MACs of one image forward."""

    trained: int
    evaluated: int
    macs: int

    @property
    def flops(self) -> int:
        """Of one epoch: forward and backward over the training images, forward alone over the others."""
        return FLOPS * self.macs * (TRAINING * self.trained + self.evaluated)


@dataclass(frozen=True)
class Rate:
    """FLOP/s that training is priced at, and what the number rests on."""

    flops: float
    basis: str  # rate, assumed
    words: str


@dataclass(frozen=True)
class Epoch:
    """Seconds of a cell's epoch, the peak in bytes where it was measured, and what both rest on."""

    seconds: float
    peak_memory: int | None
    basis: str  # record, check, rate, assumed: in the order in which they are believed


def assumed_rate(gpu: str, precision: str) -> Rate:
    """Return what training is taken to get out of a GPU that is not here."""
    known = precision if precision in PEAKS[gpu] else "fp32"
    peak, share = PEAKS[gpu][known], UTILISATION[known]
    instead = "" if known == precision else f", as {known}: no tensor cores for it"
    words = f"{speed(share * peak * 1e12)} in {precision} ({share:g} of the peak of {peak:g}{instead})"
    return Rate(share * peak * 1e12, "assumed", words)


def measured_rate(flops: float, precision: str) -> Rate:
    """Return what training is taken to get where matrix products get `flops` a second."""
    product = f"{SHARE:g} of the {speed(flops)} of a matrix product, measured now"
    return Rate(SHARE * flops, "rate", f"{speed(SHARE * flops)} in {precision} ({product})")


def by_rate(work: Work, rate: Rate) -> Epoch:
    """Return the seconds of an epoch that was never run: its work over the rate."""
    return Epoch(work.flops / rate.flops, None, rate.basis)


def makespan(seconds: Iterable[float], slots: int) -> float:
    """Return the time until the last of the runs ends on so many slots, the longest first (LPT; Graham 1969)."""
    free = [0.0] * slots
    for each in sorted(seconds, reverse=True):
        heapq.heapreplace(free, free[0] + each)
    return max(free)
