"""Overhead of a run beyond training, over 100 tiny runs of one command, and the time from start to first step.

    python benchmarks/sweep.py
    python benchmarks/sweep.py --runs 20 --kinds "basic" "local_gpus"

Overhead is (the command's wall time - the seconds in which its runs trained and evaluated) / runs: the start of the process,
planning, building, records, checkpoints and tracker.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # works without installation

from ablation.records import outcome
from benchmarks.side_by_side import ROOT, Table, alternate, machine, parser, publish, spread

TINY = ("profile=demo", "study=none", "data.limit=64", "data.test_limit=32", "train.epochs=1", "train.batch_size=32")
GRID = ("resizer=none,plain", "aug=base,cutmix")
KINDS: dict[str, tuple[str, ...]] = {
    "basic": ("tracker=none",),
    "basic, W&B offline": ("tracker.mode=offline",),
    "local_gpus": ("tracker=none", "hydra/launcher=local_gpus", "hydra.launcher.devices=cpu"),
}
FIRST_STEP = """
import runpy, sys, time
from ablation.training.fit import Fit
train = Fit._train
def first(*arguments):
    print("first step", time.time(), flush=True)
    return train(*arguments)
Fit._train = first
sys.argv = ["run.py", *sys.argv[1:]]
runpy.run_path("run.py", run_name="__main__")
"""


def command(arguments: list[str], runs: Path) -> str:
    """Run Python in the repository and return what it printed.

    Raises:
        RuntimeError: it failed; the message has the end of its stderr.
    """
    command_line = [sys.executable, *arguments, *TINY, f"paths.runs={runs}"]
    ended = subprocess.run(command_line, cwd=ROOT, capture_output=True, text=True, env=os.environ | {"WANDB_SILENT": "true"})
    if ended.returncode:
        raise RuntimeError(f"exit code {ended.returncode}: {' '.join(command_line[1:])}\n{ended.stderr[-2000:]}")
    return ended.stdout


def overhead(kind: str, runs: int) -> float:
    """Return seconds per run beyond training, of one command."""
    with tempfile.TemporaryDirectory() as folder:
        seeds = ",".join(map(str, range(runs // 4)))
        began = time.perf_counter()
        command(["run.py", "-m", *GRID, f"seed={seeds}", *KINDS[kind]], Path(folder))
        wall = time.perf_counter() - began
        records = [outcome.read(file.parent) or {} for file in Path(folder).glob("*/outcome.json")]
    assert len(records) == 4 * (runs // 4) and all(record["outcome"] == "done" for record in records)
    return float(wall - sum(record["seconds"] for record in records)) / len(records)


def first_step(kind: str) -> float:
    """Return seconds from the start of a process to the start of its first step."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.time()
        printed = command(["-c", FIRST_STEP, *KINDS[kind]], Path(folder))
    line = next(line for line in printed.splitlines() if line.startswith("first step"))
    return float(line.split()[-1]) - began


def contenders(options: argparse.Namespace) -> dict[str, Callable[[], float]]:
    """Return the turns: overhead under each kind, and for basic kinds the time to the first step."""
    turns: dict[str, Callable[[], float]] = {}
    for kind in options.kinds:
        turns[f"overhead a run, {kind}"] = partial(overhead, kind, options.runs)
        if kind.startswith("basic"):
            turns[f"start to first step, {kind}"] = partial(first_step, kind)
    return turns


def main(arguments: list[str] | None = None) -> int:
    """Measure, print and save."""
    command_line = parser(__doc__, "sweep")
    command_line.add_argument("--runs", type=int, default=100, help="of a command, a multiple of 4 (default: 100)")
    command_line.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS), metavar="KIND", help=", ".join(KINDS))
    options, about = command_line.parse_args(arguments), machine()
    turns = alternate(contenders(options), options.repeats)
    note = f"Median (lowest to highest) of {options.repeats} commands of {options.runs} runs ({' '.join(TINY)}, four cells)."
    publish(
        "sweep", options, about, Table(("what", "seconds"), [[name, spread(v)] for name, v in turns.items()], [note]), turns
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
