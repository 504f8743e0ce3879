"""Where an epoch's time goes: data, forward, backward, optimizer step, evaluation, record, tracker, checkpoint.

    python benchmarks/epoch.py profile=laptop resizer=cbam data.limit=512 data.test_limit=256
    python benchmarks/epoch.py resizer=cbam aug=cutmix backbone.weights=none train.epochs=6     on a GPU: the paper's own epoch

Runs run.py in this process with the given overrides and times its functions by wrapping them. The time of nested parts is
subtracted from the outer part, so nothing is counted twice; time outside of all parts is shown as the rest.
"""

from __future__ import annotations

import functools
import runpy
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # works without installation

import torch

from ablation.records.checkpoint import Checkpoints
from ablation.records.record import Record
from ablation.records.tracker import WandbTracker
from ablation.training import fit
from ablation.training.fit import Fit
from benchmarks.side_by_side import ROOT, Table, machine, parser, publish, spread

TIMED: list[tuple[Any, str, str]] = [
    (Fit, "_train", "data"),  # without the parts below: order, crops, mixing
    (Fit, "loss", "forward"),
    (torch.Tensor, "backward", "backward"),
    (torch.optim.Optimizer, "zero_grad", "optimizer step"),
    (torch.amp.GradScaler, "step", "optimizer step"),
    (fit, "evaluate", "evaluation"),
    (Record, "append", "record"),
    (Fit, "chosen", "record"),
    (Record, "show", "tracker"),
    (WandbTracker, "log", "tracker"),
    (Checkpoints, "save", "checkpoint"),
    (Fit, "state_dict", "checkpoint"),
]
PARTS = tuple(dict.fromkeys(part for _, _, part in TIMED))
REST = "rest"
BY_TRAINED, BY_TESTED = PARTS[:4], PARTS[4:5]  # parts proportional to the images trained on, and tested
PAPER = (50_000, 10_000)
RECORDING = ("record", "tracker", "checkpoint")


class Stopwatch:
    """Seconds of each part in each epoch; on a GPU every part waits for the device, which loses a little overlap."""

    def __init__(self) -> None:
        self.epochs: list[Counter[str]] = []
        self.images = PAPER  # trained on and tested per epoch
        self._stack, self._since = [REST], 0.0

    def wrap(self, owner: Any, name: str, part: str) -> None:
        """Replace a function or method by one that is timed as `part`."""
        inner: Callable[..., Any] = getattr(owner, name)

        @functools.wraps(inner)
        def timed(*args: Any, **kwargs: Any) -> Any:
            self._tick()
            self._stack.append(part)
            try:
                return inner(*args, **kwargs)
            finally:
                self._tick()
                self._stack.pop()

        setattr(owner, name, timed)

    def wrap_laps(self) -> None:
        """Time epochs: each ends when the next begins, or when the kept weights are written."""
        epoch: Any = Fit._epoch
        extract: Any = Checkpoints.extract

        def begin(fitting: Fit, *args: Any) -> Any:
            self._tick()
            self.epochs.append(Counter())
            self.images = (len(fitting.dataset.train), len(fitting.dataset.test))
            return epoch(fitting, *args)

        def end(checkpoints: Checkpoints, chosen: Any) -> None:
            self._tick()
            self._since = float("inf")  # stop timing
            extract(checkpoints, chosen)

        Fit._epoch = begin  # type: ignore[method-assign,assignment]
        Checkpoints.extract = end  # type: ignore[method-assign,assignment]

    def _tick(self) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        now = time.perf_counter()
        if self.epochs and self._since < now:
            self.epochs[-1][self._stack[-1]] += now - self._since  # type: ignore[assignment]  # a Counter of seconds
        self._since = now if self._since < float("inf") else self._since


def train(overrides: list[str]) -> Stopwatch:
    """Run run.py under the stopwatch in a temporary folder.

    Raises:
        SystemExit: it failed.
    """
    watch = Stopwatch()
    for timed in TIMED:
        watch.wrap(*timed)
    watch.wrap_laps()
    with tempfile.TemporaryDirectory() as folder:
        arguments = sys.argv
        sys.argv = ["run.py", f"paths.runs={folder}/runs", *overrides]
        try:
            runpy.run_path(str(ROOT / "run.py"), run_name="__main__")
        except SystemExit as ended:
            if ended.code:
                raise
        finally:
            sys.argv = arguments
    return watch


def table(watch: Stopwatch) -> Table:
    """Return seconds and shares by part, also scaled to an epoch of the paper's size."""
    epochs = watch.epochs[1:] or watch.epochs  # the first one warms up
    medians = {part: spread([epoch[part] for epoch in epochs]).median for part in (*PARTS, REST)}
    factors = dict.fromkeys(BY_TRAINED, PAPER[0] / watch.images[0]) | dict.fromkeys(BY_TESTED, PAPER[1] / watch.images[1])
    scaled = {part: seconds * factors.get(part, 1) for part, seconds in medians.items()}
    total, whole = sum(medians.values()), sum(scaled.values())
    rows = [
        [part, spread([epoch[part] for epoch in epochs]), f"{medians[part] / total:.2%}", f"{scaled[part] / whole:.2%}"]
        for part in medians
    ]
    named, recording = 1 - medians[REST] / total, sum(scaled[part] for part in RECORDING) / whole
    line = f"The named parts are {named:.2%} of an epoch. In an epoch of the paper's size record, tracker and checkpoint are"
    line += f" {recording:.2%}, evaluation {scaled['evaluation'] / whole:.2%}"
    estimated = "" if watch.images == PAPER else " (an estimate: the parts by image scaled up, the others as they are)"
    header = ("part", "seconds an epoch", "share", f"share at {PAPER[0]:,} + {PAPER[1]:,} images")
    note = f"Median (lowest to highest) of {len(epochs)} epochs of {watch.images[0]:,} + {watch.images[1]:,} images."
    return Table(header, rows, [f"{line}{estimated}.", note])


def main() -> int:
    """Measure, print and save."""
    command_line = parser(__doc__, "epoch")
    command_line.add_argument("overrides", nargs="*", help="of run.py; train.epochs is --repeats + 1 unless given")
    options, about = command_line.parse_intermixed_args(), machine()
    watch = train([f"train.epochs={options.repeats + 1}", "tracker.mode=offline", *options.overrides])
    publish("epoch", options, about, table(watch), watch.epochs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
