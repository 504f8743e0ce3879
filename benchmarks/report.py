"""reports/make_table.py on 100, 1,000 and 10,000 constructed records: seconds, peak memory, slope.

    python benchmarks/report.py
    python benchmarks/report.py --sizes 100 1000 --images 1000

Every turn is a new process. The records are six cells with many seeds and made-up numbers. --images N adds test logits of N
images to every record, for the per-image tests; --rates N makes six cells at each of N learning rates.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # works without installation

import numpy as np

from benchmarks.side_by_side import ROOT, Table, Turns, alternate, machine, parser, publish, spread


def build(folder: Path, size: int, images: int, rates: int) -> Path:
    """Write `size` constructed records of table1 at `rates` learning rates, with their manifest; return their folder."""
    from tests.reporting.constructed_records import SIX, TABLE1, Runs, config, outcome  # the tests' builder

    runs, random = Runs(folder / str(size)), np.random.default_rng(0)
    labels = random.integers(10, size=images)
    planned = [
        config(*SIX[number % len(SIX)], seed=number // len(SIX) // rates, optimizer__lr=(1 + number // len(SIX) % rates) / 100)
        for number in range(size)
    ]
    runs.manifest(TABLE1, planned)
    for number, flat in enumerate(planned):
        accuracy = 93 + number % len(SIX) / 2 + random.normal(scale=0.2)
        file = runs.record(outcome(flat, best=round(accuracy, 2), last=round(accuracy - 0.2, 2), test_images=images or 10_000))
        if images:
            logits = random.normal(size=(2, images, 10)).astype(np.float32) + 2 * np.eye(10, dtype=np.float32)[labels]
            np.savez(file.parent / "predictions.npz", best=logits[0], last=logits[1], labels=labels)
    return Path(runs.folder)


def measure(runs: Path, memory: list[float]) -> float:
    """Make the table in a new process; append its peak memory in MiB to `memory` and return its seconds.

    Raises:
        RuntimeError: it did not write a complete table.
    """
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "reports/make_table.py", "--runs", str(runs), "--source", "local", "--out", out]
        began = time.perf_counter()
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
        peak = float("nan")
        while process.poll() is None:
            peak = high_water(process.pid, peak)
            time.sleep(0.01)
        seconds = time.perf_counter() - began
    if process.returncode:
        raise RuntimeError(f"exit code {process.returncode}: {' '.join(command)}")
    memory.append(peak)
    return seconds


def high_water(pid: int, before: float) -> float:
    """Return a process's peak resident memory so far in MiB, or `before` if /proc does not show it.

    Not getrusage's ru_maxrss: a child starts with its parent's, which has imported torch.
    """
    with contextlib.suppress(OSError):
        match = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
        return int(match[1]) / 2**10 if match else before
    return before


def table(options: argparse.Namespace, turns: Turns, memory: dict[str, list[float]]) -> Table:
    """Return seconds and memory by number of records, and the time of one more record."""
    rows = [[f"{int(size):,}", spread(turns[size]), spread(memory[size][1:])] for size in turns]
    lines = [
        f"Median (lowest to highest) of {options.repeats} fresh processes, test logits of {options.images} images a record,"
        f" {options.rates} x 6 cells."
    ]
    if len(options.sizes) > 1:
        less, more = options.sizes[-2:]
        first, second = (spread(turns[str(size)]).median for size in (less, more))
        each, power = (second - first) / (more - less), math.log(second / first) / math.log(more / less)
        lines.append(
            f"From {less:,} to {more:,} records: {1000 * each:.2f} ms for one more; time as records to the power {power:.2f}."
        )
    return Table(("records", "seconds", "peak memory, MiB"), rows, lines)


def main(arguments: list[str] | None = None) -> int:
    """Measure, print and save."""
    command_line = parser(__doc__, "report")
    command_line.add_argument("--sizes", type=int, nargs="+", default=[100, 1000, 10_000], help="default: 100 1000 10000")
    command_line.add_argument("--images", type=int, default=0, help="test logits a record (default: none)")
    command_line.add_argument("--rates", type=int, default=1, help="learning rates: six cells each (default: 1)")
    options, about = command_line.parse_args(arguments), machine()
    memory: dict[str, list[float]] = {str(size): [] for size in options.sizes}
    with tempfile.TemporaryDirectory() as folder:
        built = {str(size): build(Path(folder), size, options.images, options.rates) for size in options.sizes}
        contenders: dict[str, Callable[[], float]] = {size: partial(measure, built[size], memory[size]) for size in built}
        turns = alternate(contenders, options.repeats)
    publish("report", options, about, table(options, turns, memory), {"seconds": turns, "MiB": memory})
    return 0


if __name__ == "__main__":
    sys.exit(main())
