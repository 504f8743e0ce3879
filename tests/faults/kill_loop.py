"""SIGKILL at random times through a real sweep, again and again; its table is that of the undisturbed sweep, number for number.

    python tests/faults/kill_loop.py --kills 20 --seed 0         profile=demo: about six minutes on two CPU cores

Not part of pytest: a nightly check. The seed is printed, so a failure can be repeated. Exit codes: 0 equal, 1 not.
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SWEEP = ["-m", "-v", "profile=demo"]
CLOCK = ("seconds", "images_per_second", "peak_memory")  # begins of column names: what no two runs share


def start(runs: Path, arguments: list[str], log: Path) -> subprocess.Popen[bytes]:
    """Begin the sweep below `runs` in a process group of its own."""
    command = [sys.executable, "run.py", *SWEEP, *arguments, f"paths.runs={runs}"]
    environment = {**os.environ, "WANDB_MODE": "offline"}
    with log.open("ab") as said:
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=said, stderr=said, start_new_session=True)


def table(runs: Path, out: Path) -> list[dict[str, str]]:
    """Return the rows of the sweep's table.csv without the clock's columns."""
    command = [sys.executable, "reports/make_table.py", "--runs", str(runs), "--out", str(out)]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    (file,) = out.glob("*/table.csv")
    with file.open(newline="") as opened:
        rows = list(csv.DictReader(opened))
    return [{key: value for key, value in row.items() if not key.startswith(CLOCK)} for row in rows]


def first_batch(process: subprocess.Popen[bytes], log: Path) -> float:
    """Return the seconds until the sweep has said that its first run begins."""
    began = time.monotonic()
    while process.poll() is None and b"  epoch 1/" not in log.read_bytes():
        time.sleep(0.05)
    return time.monotonic() - began


def killed(begin: Callable[[], subprocess.Popen[bytes]], after: float) -> bool:
    """Begin the sweep, kill it after so many seconds; tell whether it lived until then."""
    process = begin()
    try:
        process.wait(after)
        return False
    except subprocess.TimeoutExpired:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        return True


def main() -> int:
    """Run undisturbed, run disturbed, compare; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="keep everything here (default: a temporary folder)")
    parser.add_argument("overrides", nargs="*", help="of the sweep, beside profile=demo")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        return compare(options.folder or Path(temporary), options.kills, options.seed, options.overrides)


def compare(folder: Path, kills: int, seed: int, overrides: list[str]) -> int:
    """Compare the two sweeps below `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    log, began = folder / "undisturbed.log", time.monotonic()
    log.touch()
    process = start(folder / "undisturbed", overrides, log)
    preparing = first_batch(process, log)
    assert process.wait() == 0, log.read_text()
    training = time.monotonic() - began - preparing
    longest = 1.4 * preparing + training / kills  # so that the sweep lives through all kills, and gets on between them
    print(f"undisturbed: {preparing:.1f} s before the first epoch, {training:.1f} s of runs; seed {seed}", flush=True)
    draw, log = random.Random(seed), folder / "disturbed.log"
    for number in range(1, kills + 1):
        after = draw.uniform(0, longest)
        alive = killed(lambda: start(folder / "disturbed", overrides, log), after)
        rows = sum(file.read_text().count("\n") for file in (folder / "disturbed").glob("*/epochs.jsonl"))
        print(f"kill {number:2} after {after:5.2f} s: {rows} epochs in the records", flush=True)
        if not alive:
            print("the sweep ended before it was killed: fewer kills, or more epochs", file=sys.stderr)
            return 1
    assert start(folder / "disturbed", overrides, log).wait() == 0, log.read_text()
    one, other = table(folder / "undisturbed", folder / "tables-a"), table(folder / "disturbed", folder / "tables-b")
    differing = [(key, a[key], b.get(key)) for a, b in zip(one, other, strict=True) for key in a if a[key] != b.get(key)]
    left = list((folder / "disturbed").glob("**/.tmp.*"))
    numbers = sum(len(row) for row in one)
    print(
        f"{kills} SIGKILLs at random times (seed {seed}): {numbers - len(differing)} of {numbers} values of table.csv equal,"
        f" {len(one)} cells, {len(left)} temporary files left, {time.monotonic() - began:.0f} s"
    )
    for key, a, b in differing:
        print(f"  {key}: {a} | {b}", file=sys.stderr)
    return int(bool(differing or left))


if __name__ == "__main__":
    sys.exit(main())
