"""Side-by-side measurement: contenders take turns in one process; results are medians, ratios and their range.

Also the clock, the description of the machine and the tables in benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shlex
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from ablation.records.provenance import code

ROOT = Path(__file__).resolve().parents[1]
HERE = ROOT / "benchmarks"
README = HERE / "README.md"
NOT_MEASURED = "not measured"
FLAGS = ("amx_bf16", "avx512_bf16", "avx512f", "avx2")  # CPU features relevant for bf16, best first
Turns = dict[str, list[float]]


@dataclass(frozen=True)
class Spread:
    """Median, lowest and highest value of some turns."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{_short(self.median)} ({_short(self.low)} to {_short(self.high)})"


def spread(values: Sequence[float]) -> Spread:
    """Return median and range of one or more values."""
    return Spread(statistics.median(values), min(values), max(values))


def ratio(one: Sequence[float], other: Sequence[float]) -> Spread:
    """Return the spread of one / other, round by round, so that a disturbance of a whole round cancels."""
    return spread([a / b for a, b in zip(one, other, strict=True)])


def alternate(contenders: Mapping[str, Callable[[], float]], repeats: int) -> Turns:
    """Run every contender once per round, in order: A B A B. The first round is a warm-up and not counted."""
    turns: Turns = {name: [] for name in contenders}
    for number in range(repeats + 1):
        for name, turn in contenders.items():
            value = turn()
            if number:
                turns[name].append(value)
            print(f"  round {number or 'warm-up'}: {name} {_short(value)}", file=sys.stderr, flush=True)
    return turns


class Clock:
    """Seconds between `start` and the last `stop`: by CUDA events on a GPU, else by this process's clock."""

    def __init__(self, device: torch.device) -> None:
        self._cuda = device.type == "cuda"
        self._events = [torch.cuda.Event(enable_timing=True) for _ in range(2)] if self._cuda else []
        self._times = [0.0, 0.0]

    def start(self) -> None:
        """Start once the device is idle."""
        if self._cuda:
            torch.cuda.synchronize()
        self._mark(0)

    def stop(self) -> None:
        """Stop; may be called after every step, the last call counts."""
        self._mark(1)

    def _mark(self, which: int) -> None:
        if self._cuda:
            self._events[which].record()
        else:
            self._times[which] = time.perf_counter()

    def seconds(self) -> float:
        """Return the seconds between start and stop, waiting for the device."""
        if not self._cuda:
            return self._times[1] - self._times[0]
        torch.cuda.synchronize()
        return float(self._events[0].elapsed_time(self._events[1])) / 1000


@dataclass(frozen=True)
class Table:
    """One section of the README: a table, and lines below it."""

    header: Sequence[str]
    rows: Sequence[Sequence[object]]
    lines: Sequence[str] = ()

    def __str__(self) -> str:
        cells = [list(self.header), ["---"] * len(self.header), *([str(cell) for cell in row] for row in self.rows)]
        table = "\n".join(f"| {' | '.join(row)} |" for row in cells)
        return table + "".join(f"\n\n{line}" for line in self.lines)


def machine() -> dict[str, Any]:
    """Return what the measurements depend on: processor, GPU, threads, load before the start, versions, code."""
    description: dict[str, Any] = {"cpu": platform.processor(), "flags": [], "cores": os.cpu_count()}
    if (info := Path("/proc/cpuinfo")).exists():
        text = info.read_text()
        cpu = dict(re.findall(r"^(model name|cpu family|model)\s*: (.+)$", text, re.MULTILINE))
        description["cpu"] = (
            "{model name} (family {cpu family}, model {model})".format_map(cpu) if len(cpu) == 3 else description["cpu"]
        )
        description["flags"] = [flag for flag in FLAGS if re.search(rf"\b{flag}\b", text)]
    description["kernels"] = torch.backends.cpu.get_cpu_capability()
    description["threads"] = torch.get_num_threads()
    description["gpu"] = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    description["load"] = round(os.getloadavg()[0], 2)
    description["versions"] = {"python": platform.python_version()} | {name: version(name) for name in ("torch", "torchvision")}
    return description | {"code": code()}


def in_words(description: Mapping[str, Any]) -> str:
    """Return a description of a machine in one line."""
    gpu = f"{description['gpu']}; " if description["gpu"] else ""
    versions = ", ".join(f"{name} {number}" for name, number in description["versions"].items())
    cpu = f"{description['cpu']}, {description['cores']} cores, {description['threads']} threads, {bf16_by(description)}"
    return f"{gpu}{cpu}; load {description['load']} at the start; {versions}; source {description['code']['source']}"


def bf16_by(description: Mapping[str, Any]) -> str:
    """Return the instructions in which this processor multiplies in bf16, and torch's own name of its kernels."""
    best = next((flag for flag in description["flags"] if flag.endswith("bf16")), "no instruction")
    words = {"amx_bf16": "AMX", "avx512_bf16": "AVX-512 without AMX"}
    return f"bf16 by {words.get(best, best)}, torch's kernels {description['kernels']}"


def parser(doc: str | None, name: str) -> argparse.ArgumentParser:
    """Return an argument parser with the options common to all benchmarks."""
    result = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    result.add_argument("--repeats", type=int, default=5, metavar="N", help="rounds that count (default: 5)")
    out = HERE / "results" / f"{name}.json"
    result.add_argument("--out", type=Path, default=out, metavar="FILE", help=f"every turn, as JSON (default: {out.name})")
    result.add_argument("--write", action="store_true", help="put the table into benchmarks/README.md")
    return result


def publish(name: str, options: argparse.Namespace, description: Mapping[str, Any], table: Table, turns: object) -> None:
    """Print a table with its command and machine, save every turn as JSON and, with --write, update the README."""
    command = shlex.join(["python", f"benchmarks/{name}.py", *(argument for argument in sys.argv[1:] if argument != "--write")])
    text = f"`{command}`\n\n{table}\n\n{in_words(description)}"
    print(f"\n{text}")
    shown = {key: str(value) if isinstance(value, Path) else value for key, value in vars(options).items() if key != "out"}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    content = {"command": command, "options": shown, "machine": description, "turns": turns}
    options.out.write_text(json.dumps(content, indent=1, default=_plain) + "\n")
    if options.write:
        begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        before, rest = README.read_text().split(begin)
        README.write_text(f"{before}{begin}\n{text}\n{end}{rest.split(end)[1]}")


def _plain(value: Any) -> Any:
    return asdict(value) if isinstance(value, Spread) else str(value)


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
