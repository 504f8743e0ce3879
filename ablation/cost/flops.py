"""Training time: seconds per epoch from FLOPs and a rate, and the time of a whole command.

Has the arithmetic and the assumed rates. Pure functions: measures nothing, reads nothing, imports no torch.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterable
from dataclasses import dataclass

from ablation.records.numbers import speed

FLOPS = 2  # of one multiply-accumulate
TRAINING = 3  # forward passes per training step: the backward pass counts as two (gradients of inputs and of weights)

# Dense peaks in TFLOP/s by the makers' data sheets: V100 SXM2, A100 SXM and H100 SXM. fp32 is without TF32, which the engine
# turns off. V100 has no tensor cores for bf16, so bf16 is estimated with its fp32 rate.
PEAKS = {
    "V100": {"fp32": 15.7, "fp16": 125.0},
    "A100": {"fp32": 19.5, "fp16": 312.0, "bf16": 312.0},
    "H100": {"fp32": 66.9, "fp16": 989.4, "bf16": 989.4},
}
UTILISATION = {"fp32": 0.75, "fp16": 0.4, "bf16": 0.4}  # share of the peak that training reaches: assumed
SHARE = 0.4  # of a measured matrix rate that training reaches: 0.1 to 1.0 in CPU runs, least with small layers


@dataclass(frozen=True)
class Hardware:
    """The hardware that a cost is estimated for: a device named as in records, or the short name of an assumed GPU.

    Different machines can have CPUs of the same name, so a CPU is identified by its host, too.
    """

    name: str
    host: str | None = None  # of a CPU; None for a GPU
    assumed: bool = False

    def made(self, device: object, host: object) -> bool:
        """Return True if a measurement on `device` of `host` was made on this hardware."""
        if self.assumed:
            return re.search(rf"\b{self.name}\b", str(device)) is not None
        return device == self.name and self.host in (None, host)


@dataclass(frozen=True)
class Work:
    """The work of one epoch: images trained on, images evaluated (test and held out), MACs per image of a forward pass."""

    trained: int
    evaluated: int
    macs: int

    @property
    def flops(self) -> int:
        """FLOPs of one epoch: forward and backward over the training images, forward only over the evaluated ones."""
        return FLOPS * self.macs * (TRAINING * self.trained + self.evaluated)


@dataclass(frozen=True)
class Rate:
    """FLOP/s that training is assumed to reach, and where the number comes from."""

    flops: float
    basis: str  # rate, assumed
    description: str


@dataclass(frozen=True)
class Epoch:
    """Seconds of a cell's epoch, the peak memory in bytes if it was measured, and where both come from."""

    seconds: float
    peak_memory: int | None
    basis: str  # record, check, rate, assumed: the most reliable first


def assumed_rate(gpu: str, precision: str) -> Rate:
    """Return the assumed training rate of a GPU that this machine does not have."""
    computed_in = precision if precision in PEAKS[gpu] else "fp32"
    peak, share = PEAKS[gpu][computed_in], UTILISATION[computed_in]
    note = "" if computed_in == precision else f", as {computed_in}: no tensor cores for it"
    description = f"{speed(share * peak * 1e12)} in {precision} ({share:g} of the peak of {peak:g}{note})"
    return Rate(share * peak * 1e12, "assumed", description)


def measured_rate(flops: float, precision: str) -> Rate:
    """Return the training rate of a device on which matrix products reach `flops` per second."""
    product = f"{SHARE:g} of the {speed(flops)} of a matrix product, measured now"
    return Rate(SHARE * flops, "rate", f"{speed(SHARE * flops)} in {precision} ({product})")


def by_rate(work: Work, rate: Rate) -> Epoch:
    """Return the estimated seconds of an epoch that was never run: its FLOPs over the rate."""
    return Epoch(work.flops / rate.flops, None, rate.basis)


def makespan(seconds: Iterable[float], slots: int) -> float:
    """Return the time until the last run ends on a number of slots, the longest started first (LPT; Graham 1969)."""
    free = [0.0] * slots
    for run_seconds in sorted(seconds, reverse=True):
        heapq.heapreplace(free, free[0] + run_seconds)
    return max(free)
