"""How many runs of a queue share a GPU: hydra.launcher.jobs_per_device=auto, from the memory that its runs need.

A run's memory is measured (an earlier record or check of its cell on this GPU), else estimated, in a process of its own: the
fake tensors on which it is counted ask CUDA for its devices, and after that no fork of the asking process can use CUDA.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ablation.cost import history
from ablation.cost.flops import Hardware
from ablation.records.numbers import size
from ablation.sweep import gpu_facts
from ablation.sweep.planned_run import Planned

CONTEXT = 600_000_000  # bytes of a process's CUDA context and libraries, beside its tensors: assumed
WORKSPACES = 1.25  # of an estimate, which has no workspaces of convolutions: assumed
USABLE = 0.95  # of a GPU's memory


@dataclass(frozen=True)
class Jobs:
    """Number of runs at once on each GPU, and why."""

    number: int
    reason: str


def jobs(needed: Iterable[int | None], device_memory: int, cores: float) -> Jobs:
    """Return how many runs fit on a GPU: by the largest of them, and a core for each.

    Args:
        needed: of `process_bytes`, of every run that is to be trained.
        device_memory: bytes.
        cores: of the processor, for each GPU; fewer than one still train one run.
    """
    known = list(needed)
    sizes = [number for number in known if number is not None]
    if not sizes or len(sizes) < len(known):
        return Jobs(1, "the memory of a run is unknown" if known else "no run is left")
    fitting = int(USABLE * device_memory // max(sizes))
    if cores < fitting:
        return Jobs(max(1, int(cores)), f"{cores:g} cores for each")
    return Jobs(max(1, fitting), f"the largest run needs {size(max(sizes))} of {size(device_memory)}")


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def process_bytes(measured: int | None, estimated: int | None) -> int | None:
    """Return the bytes on a GPU of a run's process: its measured peak, else its estimated one, and what both leave out."""
    if measured is not None:
        return measured + CONTEXT
    return None if estimated is None else round(WORKSPACES * estimated) + CONTEXT


def of_queue(runs: Sequence[Planned]) -> int:
    """Return the number of runs at once on each device of a queue: as configured, or for `auto` what fits on its GPUs."""
    launcher = runs[0].launcher
    if launcher["jobs_per_device"] != "auto":
        return int(launcher["jobs_per_device"])
    from ablation.cost import model_size  # torch

    gpus = gpu_facts.of_queue(launcher).gpus  # at least one: the command was refused otherwise
    where = Hardware(gpus[0].name)
    cells = {run.cell: run for run in runs}
    known = history.read(runs[0].folder.parent, cells, where)
    needed = []
    for (name, run), estimated in zip(cells.items(), _estimates(list(cells.values())), strict=True):
        cache = Path(run.config["paths"]["cache"])
        epoch = known.records.get(name) or history.read_check(cache, name, where, model_size.work(run))
        needed.append(process_bytes(epoch.peak_memory if epoch else None, estimated))
    found = jobs(needed, min(gpu.memory for gpu in gpus), cores() / len(gpus))
    print(f"hydra.launcher.jobs_per_device=auto: {found.number} on each GPU ({found.reason})")
    return found.number


def _estimates(runs: Sequence[Planned]) -> list[int | None]:
    """Return the estimated peak of each run in bytes; on Linux, where runs are forked, from another process."""
    if sys.platform != "linux":
        return _peaks(runs)
    with ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as process:
        return process.submit(_peaks, runs).result()


def _peaks(runs: Sequence[Planned]) -> list[int | None]:
    from ablation.cost import memory

    return [memory.estimate(run).peak for run in runs]
