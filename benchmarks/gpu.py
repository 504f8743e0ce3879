"""A whole epoch on a GPU in all eight cells: seconds, MFU, evaluation, checkpoint, peak memory; then the other tables.

    python benchmarks/gpu.py --write
    python benchmarks/gpu.py --cells cbam-cutmix --only-epochs

An epoch is the real one: 50,000 images trained on and 10,000 evaluated by `Fit`, bf16, batches of 128, compiled and not. The
first one warms up or compiles and is not counted. Every measurement is saved in results/gpu-<card>.json: send it if yours is
missing. Without a GPU it says so and leaves the table as it is; this is not an error.
"""

from __future__ import annotations

import argparse
import gc
import re
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # works without installation

import torch

from ablation.cost import model_size
from ablation.cost.cards import CARDS, named
from ablation.cost.flops import FLOPS, TRAINING
from ablation.records.checkpoint import Checkpoints
from ablation.sweep import planned_run
from ablation.training.engine import MODES
from ablation.training.fit import Fit
from benchmarks.ours import CELLS, Ours, of_cell
from benchmarks.side_by_side import HERE, NOT_MEASURED, ROOT, Table, Turns, machine, parser, publish, ratio, spread

TRAINED, TESTED = 50_000, 10_000
INTERVAL = 300  # seconds between two checkpoints: records.checkpoint_minutes
HEADER = ("cell", "s an epoch", *(f"compiled: {mode}" for mode in MODES), "images a second", "ms a step", "MFU")
HEADER += ("share of the limit", "evaluation", "checkpoint", "peak memory, GiB")


def peak(name: str, precision: str) -> float | None:
    """Return a GPU's dense peak in FLOP/s from its data sheet, None if the GPU is unknown."""
    card = CARDS.get(named(name) or "")
    return card.peak(precision) * 1e12 if card and card.computed_in(precision) == precision else None


def measure(cell: str, options: argparse.Namespace) -> Turns:
    """Return the measurements of every epoch of a cell, alternating with turns of the limit."""
    config = of_cell(cell, f"train.batch_size={options.batch}")
    ours = Ours(config, options.steps, "cuda", images=options.images, tested=options.images // 5)
    fit, limit = ours.fit(options.precision), ours.limit(options.precision)
    events: list[torch.cuda.Event] = []

    def step_done(images: int) -> None:
        events.append(torch.cuda.Event(enable_timing=True))
        events[-1].record()

    epochs, turns = fit.run(progress=step_done), Turns()
    for number in range(options.repeats + 1):
        events.clear()
        fit.engine.reset_peak_memory()
        epoch = next(epochs)
        torch.cuda.synchronize()
        milliseconds = statistics.median(one.elapsed_time(other) for one, other in pairwise(events))
        row = {"seconds": epoch.seconds, "row": epoch.images_per_second, "step": milliseconds, "limit": next(limit)}
        row |= {"events": 1000 * options.batch / milliseconds, "GiB": fit.engine.peak_memory() / 2**30}
        row["MFU"] = utilisation(model_size.size(planned_run.plan(config)).macs, row["row"], options.precision)
        row["evaluation"] = 1 - options.images / epoch.images_per_second / epoch.seconds
        row |= saving(fit, epoch.epoch)
        for name, value in row.items() if number else ():
            turns.setdefault(name, []).append(value)
    return turns


def saving(fit: Fit, epoch: int) -> dict[str, float]:
    """Return the seconds for which a checkpoint stops training, those until it is on disk, and its bytes."""
    with tempfile.TemporaryDirectory() as folder, Checkpoints(Path(folder), "benchmark", 1, ["best"]) as checkpoints:
        began = time.perf_counter()
        checkpoints.save(epoch, fit.state_dict(), chosen={"best": epoch}, final=False)
        stopped = time.perf_counter() - began
        checkpoints.wait()
        written = time.perf_counter() - began
        return {"save": stopped, "written": written, "bytes": sum(file.stat().st_size for file in Path(folder).iterdir())}


def compiled(cell: str, mode: str, options: argparse.Namespace) -> list[float]:
    """Return the seconds of epochs under engine.compile, without the first, which compiles."""
    config = of_cell(cell, f"train.batch_size={options.batch}", f"engine.compile={mode}")
    fit = Ours(config, 1, "cuda", images=options.images, tested=options.images // 5).fit(options.precision)
    rows = fit.run()
    return [next(rows).seconds for _ in range(options.repeats + 1)][1:]


def whole(turns: Turns, images: int) -> Turns:
    """Return the measurements with the seconds of epochs scaled to those of all images; a step costs the same in both."""
    return {
        name: [value * TRAINED / images for value in values] if name in ("seconds", *MODES) else values
        for name, values in turns.items()
    }


def clean() -> None:
    """Free the memory and compiled code of a cell."""
    torch.compiler.reset()
    gc.collect()
    torch.cuda.empty_cache()


def utilisation(macs: int, rate: float, precision: str) -> float:
    """Return model FLOP/s over the GPU's peak: a training image counts as three forward passes; NaN if the peak is unknown."""
    return rate * FLOPS * TRAINING * macs / (peak(torch.cuda.get_device_name(), precision) or float("nan"))


def row(cell: str, turns: Turns | None) -> list[object]:
    """Return a cell's row of the table."""
    if turns is None:
        return [cell, *[NOT_MEASURED] * (len(HEADER) - 1)]
    seconds, *others = [spread(turns[name]) for name in ("seconds", "row", "step")]
    modes = [spread(turns[mode]) if mode in turns else NOT_MEASURED for mode in MODES]
    used, evaluated = statistics.median(turns["MFU"]), statistics.median(turns["evaluation"])
    saved = statistics.median(turns["save"]) / max(INTERVAL, seconds.median)
    mfu = f"{used:.1%}" if used == used else "peak not known"
    shares = (ratio(turns["events"], turns["limit"]), f"{evaluated:.1%}", f"{saved:.2%}")
    return [cell, seconds, *modes, *others, mfu, *shares, f"{max(turns['GiB']):.2f}"]


def main() -> int:
    """Measure the cells one after another, then run the other benchmarks on the GPU."""
    command_line = parser(__doc__, "gpu")
    add = command_line.add_argument
    add("--cells", nargs="+", choices=CELLS, default=list(CELLS), metavar="CELL", help=f"of {', '.join(CELLS)}")
    add("--batch", type=int, default=128, help="default: 128")
    add("--steps", type=int, default=50, help="of a turn of the limit (default: 50)")
    add("--images", type=int, default=TRAINED, help="of an epoch; a fifth as many are evaluated (default: 50,000)")
    add("--precision", choices=("bf16", "fp32", "fp16"), default="bf16")
    add("--compiled", nargs="*", choices=CELLS, default=list(CELLS), metavar="CELL", help="those that are compiled, too")
    add("--only-epochs", action="store_true", help="leave out what step, memory and resizer print")
    options, about = command_line.parse_args(), machine()
    measured: dict[str, Turns] = {}
    if not about["gpu"]:
        print("No GPU on this machine: nothing is measured, and the table in benchmarks/README.md stays.")
        return 0
    if options.out == HERE / "results" / "gpu.json":
        card = re.sub(r"[^a-z0-9]+", "-", about["gpu"].lower()).strip("-")
        options.out = options.out.with_name(f"gpu-{card}.json")
    for cell in options.cells:
        measured[cell] = measure(cell, options)
        clean()
        for mode in MODES if cell in options.compiled else ():
            measured[cell][mode] = compiled(cell, mode, options)
            clean()
        scaled = {name: whole(turns, options.images) for name, turns in measured.items()}
        rate = peak(about["gpu"], options.precision)
        scaling = "" if options.images == TRAINED else f", their seconds scaled to {TRAINED:,} + {TESTED:,}"
        lines = [
            f"Median (lowest to highest) of {options.repeats} epochs of {options.images:,} + {options.images // 5:,} images"
            f"{scaling}; batches of {options.batch}, {options.precision}; a step by CUDA events, from step end to step end."
        ]
        lines += [f"Evaluation: of an epoch's seconds. Checkpoint: what it stops training for, of {INTERVAL} s or an epoch."]
        lines += [f"MFU: 2 x 3 x MACs x images a second, over {rate / 1e12:,.1f} TFLOP/s (dense, data sheet)." if rate else ""]
        publish("gpu", options, about, Table(HEADER, [row(name, scaled.get(name)) for name in CELLS], lines), measured)
    if not options.only_epochs:
        for other in ("step", "memory", "resizer"):
            out = options.out.with_name(f"{options.out.stem}-{other}.json")
            arguments = [f"benchmarks/{other}.py", "--device", "cuda", "--repeats", str(options.repeats), "--out", str(out)]
            subprocess.run([sys.executable, *arguments], cwd=ROOT, check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
