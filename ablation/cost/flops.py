"""Training time: seconds per epoch from FLOPs, memory traffic and rates, and the time of a whole command.

Has the arithmetic and the assumed shares. Pure functions: measures nothing, reads nothing, imports no torch.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass

from ablation.cost import cards
from ablation.records.numbers import size, speed

FLOPS = 2  # of one multiply-accumulate
TRAINING = 3  # forward passes per training step: the backward pass counts as two (gradients of inputs and of weights)

# On a GPU: arithmetic, then traffic of its memory, one after the other, or the launches of kernels if these take longer.
# Fitted to an H100 SXM in bf16 (benchmarks/README.md): 2.4, 17.0, 24.5 and 28.6 s an epoch of none, bilinear, plain and cbam.
SHARES = {"fp32": 0.75, "fp16": 0.6, "bf16": 0.6}  # of the peak that kernels bound by arithmetic reach: assumed
PASSES = 11  # over what the forward pass keeps, at the speed of a copy; counted on fake tensors: 7.4, each slower than a copy
NARROW = 16  # channels, at most, of narrow maps, as a Resizer has
NARROW_PASSES = 34  # over narrow maps, whose kernels use the memory three times worse
LAYER = 0.12e-3  # seconds in which a processor launches the kernels of a layer in a step; 0.12 for VGG16 and EfficientNet-Lite0
PARAMETER_BYTES = 38  # read and written in a step of SGD with momentum: casts to bf16 and back 18, the optimizer 20
BANDWIDTH_SHARE = 0.85  # of the data sheet's
COPY = 12e9  # bytes/s of a checkpoint's copy into pinned memory over PCIe 3; it is written while training goes on
DISK = 0.4e9  # bytes/s of the files that a run waits for at its end
START = 20.0  # seconds of a run until its first step: process, CUDA, data, weights, choice of kernels
CPU_SHARE = 0.4  # of a measured matrix rate that training reaches on a CPU: 0.1 to 1.0, least with small layers


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
            return cards.named(device) == self.name
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
    """FLOP/s and bytes/s that training is assumed to reach, and where they come from.

    `bandwidth` is None on a CPU, whose rate was compared with whole epochs.
    """

    flops: float
    basis: str  # rate, assumed
    description: str
    bandwidth: float | None = None


@dataclass(frozen=True)
class Traffic:
    """What a run moves, and in how many launches.

    `steps`: of an epoch; `kept`: bytes that a step keeps for its backward pass, of which `narrow` are maps of few channels;
    `checkpoint`: bytes.
    """

    steps: int
    kept: int
    narrow: int
    layers: int
    parameters: int
    checkpoint: int

    @property
    def memory(self) -> int:
        """Bytes that an epoch reads from a GPU's memory and writes to it."""
        maps = PASSES * (self.kept - self.narrow) + NARROW_PASSES * self.narrow
        return self.steps * (maps + PARAMETER_BYTES * self.parameters)


@dataclass(frozen=True)
class Epoch:
    """Seconds of a cell's epoch, the peak memory in bytes if it was measured, and where both come from."""

    seconds: float
    peak_memory: int | None
    basis: str  # record, check, rate, assumed: the most reliable first


def assumed_rate(gpu: str, precision: str) -> Rate:
    """Return the assumed rate of a GPU of `cards.CARDS`."""
    card = cards.CARDS[gpu]
    computed_in = card.computed_in(precision)
    peak, share = card.peak(precision), SHARES[computed_in]
    note = "" if computed_in == precision else f", in {computed_in}: it has no {precision} and would refuse such a run"
    memory = BANDWIDTH_SHARE * card.bandwidth * 1e9
    return Rate(
        share * peak * 1e12,
        "assumed",
        f"{speed(share * peak * 1e12)} in {precision} ({share:g} of the peak of {peak:g}{note}),"
        f" {size(memory)}/s of memory ({BANDWIDTH_SHARE:g} of {card.bandwidth:,g})",
        memory,
    )


def measured_rate(flops: float, precision: str, bytes_per_second: float | None = None) -> Rate:
    """Return the training rate of a device on which matrix products reach `flops` per second and copies so many bytes."""
    share = CPU_SHARE if bytes_per_second is None else SHARES[precision]
    memory = "" if bytes_per_second is None else f", {size(bytes_per_second)}/s of memory, measured now"
    product = f"{share:g} of the {speed(flops)} of a matrix product, measured now"
    return Rate(share * flops, "rate", f"{speed(share * flops)} in {precision} ({product}){memory}", bytes_per_second)


def by_rate(work: Work, rate: Rate, traffic: Traffic | None = None) -> Epoch:
    """Return the estimated seconds of an epoch that was never run: by its FLOPs, on a GPU by traffic and launches, too."""
    seconds = work.flops / rate.flops
    if traffic is not None and rate.bandwidth is not None:
        computed = seconds + traffic.memory / rate.bandwidth
        seconds = max(computed, traffic.steps * traffic.layers * LAYER) + traffic.checkpoint / COPY
    return Epoch(seconds, None, rate.basis)


def once(checkpoint: int, kept: int) -> float:
    """Return the estimated seconds of a run on a GPU beside its epochs: its start, and the files written at its end (bytes)."""
    return START + (checkpoint + kept) / DISK


def makespan(seconds: Iterable[float], slots: int) -> float:
    """Return the time until the last run ends on a number of slots, the longest started first (LPT; Graham 1969)."""
    free = [0.0] * slots
    for run_seconds in sorted(seconds, reverse=True):
        heapq.heapreplace(free, free[0] + run_seconds)
    return max(free)
