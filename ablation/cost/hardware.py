"""The hardware that a plan is estimated for, and how fast it multiplies matrices.

Chooses the hardware, and measures its rates in less than a second. Writes nothing.
"""

from __future__ import annotations

import dataclasses
import functools
import socket
import time
from collections.abc import Sequence
from typing import Any

import torch

from ablation.cost import cards, model_size
from ablation.cost.flops import Hardware, Rate, assumed_rate, measured_rate
from ablation.cost.memory import DTYPES
from ablation.sweep import gpu_facts, settings
from ablation.sweep.planned_run import Planned

SIDE = {"cpu": 512}  # of the square matrices; 4096 on GPUs: large enough for the full rate, small enough to fit beside a run
SECONDS = 0.1  # of measuring


def as_executed(run: Planned) -> Planned:
    """Return the run with the device on which it would be executed: the CPU if hydra.launcher.devices=cpu."""
    if run.launcher.get("devices") != "cpu":
        return run
    return dataclasses.replace(run, config={**run.config, "engine": {**run.config["engine"], "device": "cpu"}})


def engine(run: Planned) -> Any:
    """Build a run's engine.

    Raises:
        ValueError: this machine does not have the configured device.
    """
    return settings.build(as_executed(run).config, "engine", precision=run.train.precision)


def hardware(runs: Sequence[Planned], typed: Sequence[str] = ()) -> Hardware:
    """Return the device of this machine that would train these runs; if there is none, the GPU of `plan_gpu`.

    A GPU that nvidia-smi names but torch cannot use stands for `plan_gpu`, if its price is known.

    Args:
        runs: one or more.
        typed: the command's overrides: a `plan_gpu=` among them is used even if this machine has another GPU.
    """
    assumed = Hardware(runs[0].config["plan_gpu"], assumed=True)
    if any(override.startswith("plan_gpu=") for override in typed):
        return assumed
    if here := next(filter(None, map(cards.named, gpu_facts.read().named)), None):
        assumed = Hardware(here, assumed=True)
    try:
        local = engine(runs[0])
    except ValueError:
        return assumed
    if local.device.type == "cpu" and any(model_size.too_large(run) for run in runs):
        return assumed  # check_machine would refuse these runs on a CPU
    return of_engine(local)


def of_engine(engine: Any) -> Hardware:
    """Return an engine's device, named as in its records."""
    return Hardware(engine.name, host=socket.gethostname() if engine.device.type == "cpu" else None)


def rate(where: Hardware, run: Planned) -> Rate:
    """Return the rates of training a run: by a known card's data sheet, to which they were fitted, else measured now."""
    precision = run.train.precision
    if card := where.name if where.assumed else cards.named(where.name):
        return assumed_rate(card, precision)
    device = engine(run).device
    copied = copy_rate(device) if device.type == "cuda" else None
    return measured_rate(matrix_rate(device, precision), precision, copied)


def resident(where: Hardware, run: Planned) -> int:
    """Return the bytes of the process itself, which count on a CPU: about those of the present process."""
    return int(engine(run).peak_memory()) if where.host is not None else 0


@functools.cache
def matrix_rate(device: torch.device, precision: str) -> float:
    """Return the FLOP/s of the fastest of several products of two square matrices."""
    side = SIDE.get(device.type, 4096)
    one, other = (torch.rand(side, side, device=device).to(DTYPES[precision]) for _ in range(2))
    times: list[float] = []
    end = time.perf_counter() + SECONDS
    while len(times) < 2 or time.perf_counter() < end:  # the first product includes the library's start
        began = time.perf_counter()
        one @ other
        getattr(torch, device.type).synchronize()
        times.append(time.perf_counter() - began)
    return 2 * side**3 / min(times)


@functools.cache
def copy_rate(device: torch.device) -> float:
    """Return the bytes per second that a GPU reads and writes while it copies a gigabyte in its memory, the fastest of ten."""
    one = torch.empty(1 << 28, device=device)
    other, times = torch.empty_like(one), []
    for _ in range(10):
        torch.cuda.synchronize(device)
        began = time.perf_counter()
        other.copy_(one)
        torch.cuda.synchronize(device)
        times.append(time.perf_counter() - began)
    return 2 * one.numel() * one.element_size() / min(times)
