"""The hardware that a plan is priced for, and how fast it multiplies matrices.

Owns the choice, and a measurement of a third of a second. Keeps nothing.
"""

from __future__ import annotations

import dataclasses
import functools
import socket
import time
from collections.abc import Sequence
from typing import Any

import torch

from ablation.cost import model_size
from ablation.cost.flops import Hardware, Rate, assumed_rate, measured_rate
from ablation.cost.memory import DTYPES
from ablation.sweep import settings
from ablation.sweep.planned_run import Planned

SIDE = {"cpu": 1024}  # of the matrices; GPUs: 4096. Large enough for a device's best, small enough to fit beside a run
SECONDS = 0.3


def as_executed(run: Planned) -> Planned:
    """Return the run as it would be executed: hydra.launcher.devices=cpu shows it no GPU."""
    if run.launcher.get("devices") != "cpu":
        return run
    return dataclasses.replace(run, config={**run.config, "engine": {**run.config["engine"], "device": "cpu"}})


def engine(run: Planned) -> Any:
    """Build the engine that a run would have.

    Raises:
        ValueError: the device that was asked for is not here.
    """
    return settings.build(as_executed(run).config, "engine", precision=run.train.precision)


def hardware(runs: Sequence[Planned], typed: Sequence[str] = ()) -> Hardware:
    """Return where these runs would be trained, if it is here; else the GPU of `plan_gpu`, which is assumed.

    Args:
        runs: one or more.
        typed: the command's overrides: a `plan_gpu=` among them is priced even where another device is here.
    """
    pretended = Hardware(runs[0].config["plan_gpu"], assumed=True)
    if any(override.startswith("plan_gpu=") for override in typed):
        return pretended
    try:
        here = engine(runs[0])
    except ValueError:
        return pretended
    if here.device.type == "cpu" and any(model_size.too_large(run) for run in runs):
        return pretended  # a CPU would not be allowed to try
    return of_engine(here)


def of_engine(engine: Any) -> Hardware:
    """Return an engine's device in the words of its records."""
    return Hardware(engine.name, host=socket.gethostname() if engine.device.type == "cpu" else None)


def rate(where: Hardware, run: Planned) -> Rate:
    """Return the FLOP/s to price a run at: assumed, or measured now at the run's precision."""
    precision = run.train.precision
    if where.assumed:
        return assumed_rate(where.name, precision)
    return measured_rate(matrix_rate(engine(run).device, precision), precision)


def resident(where: Hardware, run: Planned) -> int:
    """Return the bytes of the process itself, which count on a CPU: about what this one takes."""
    return int(engine(run).peak_memory()) if where.host is not None else 0


@functools.cache
def matrix_rate(device: torch.device, precision: str) -> float:
    """Return the FLOP/s of the best of several products of two square matrices."""
    side = SIDE.get(device.type, 4096)
    one, other = (torch.rand(side, side, device=device).to(DTYPES[precision]) for _ in range(2))
    times: list[float] = []
    end = time.perf_counter() + SECONDS
    while len(times) < 2 or time.perf_counter() < end:  # the first wakes the library
        began = time.perf_counter()
        one @ other
        getattr(torch, device.type).synchronize()
        times.append(time.perf_counter() - began)
    return 2 * side**3 / min(times)
