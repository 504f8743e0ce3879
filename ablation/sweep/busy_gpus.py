"""GPUs whose memory another process uses, according to nvidia-smi: named before the first run, or waited for.

Before this command's runs start, all memory in use is another process's. Opens no device.
"""

from __future__ import annotations

import csv
import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass

from ablation.records.numbers import duration, size
from ablation.sweep import signals
from ablation.sweep.devices import VISIBLE

QUERY = ("nvidia-smi", "--query-gpu=index,uuid,memory.used,memory.total", "--format=csv,noheader,nounits")
MIB = 1 << 20
IDLE = 1 << 30  # bytes: driver, display and other processes' leftovers on an idle card stay below
PAUSE = 30.0  # seconds between two looks while waiting


@dataclass(frozen=True)
class BusyGpu:
    """A GPU that another process uses."""

    index: str
    used: int  # bytes
    total: int  # bytes


def busy(only: Sequence[str] | None = None) -> list[BusyGpu]:
    """Return the GPUs in use; none where there is no nvidia-smi or it does not answer.

    Args:
        only: indices or UUIDs, as CUDA_VISIBLE_DEVICES has them; None: what CUDA_VISIBLE_DEVICES lists, all if it is not set.
    """
    if only is None and VISIBLE in os.environ:
        only = [entry.strip() for entry in os.environ[VISIBLE].split(",")]
    try:
        lines = subprocess.run(QUERY, capture_output=True, text=True, timeout=60).stdout.splitlines()
    except (OSError, subprocess.TimeoutExpired):
        return []
    result = []
    for row in csv.reader(lines, skipinitialspace=True):
        if len(row) == 4 and row[2].isdigit() and row[3].isdigit() and (only is None or _listed(row, only)):
            gpu = BusyGpu(row[0], int(row[2]) * MIB, int(row[3]) * MIB)
            result += [gpu] * (gpu.used > IDLE)
    return result


def _listed(row: Sequence[str], only: Sequence[str]) -> bool:
    """Return True if a GPU is listed by its index or by the start of its UUID."""
    return any(entry == row[0] or (entry.startswith("GPU-") and row[1].startswith(entry)) for entry in only)


def show(gpus: Sequence[BusyGpu]) -> None:
    """Print a line for each GPU in use."""
    for gpu in gpus:
        used = f"{size(gpu.used)} of {size(gpu.total)} in use by another process"
        print(f"GPU {gpu.index}: {used}; hydra/launcher=local_gpus hydra.launcher.wait_for_free=true waits for it")


def wait(only: Sequence[str]) -> None:
    """Wait until the GPUs are free; print when it begins and ends.

    Raises:
        Preempted: asked to stop.
    """
    began = time.monotonic()
    waited_for = ""
    while gpus := busy(only):
        names = ", ".join(f"GPU {gpu.index} ({size(gpu.used)} in use)" for gpu in gpus)
        if not waited_for:
            print(f"waiting for {names}: another process uses it; Ctrl-C ends the wait")
        waited_for = names
        until = time.monotonic() + PAUSE
        while time.monotonic() < until:
            signals.raise_if_stopping()
            time.sleep(0.2)
    if waited_for:
        print(f"the GPUs are free after {duration(time.monotonic() - began)}")
