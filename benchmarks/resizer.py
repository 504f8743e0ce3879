"""Cost of the resizers plain and cbam against bilinear, 32 -> 224: forward, forward and backward, memory for the backward.

    python benchmarks/resizer.py --batch 16
    python benchmarks/resizer.py --profile cbam            and the operations by time

Bilinear has no parameters and so no backward pass; its backbone also needs no gradient of its input.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # works without installation

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from ablation.sweep import settings
from ablation.training.engine import Engine
from benchmarks.ours import compose
from benchmarks.side_by_side import Clock, Table, Turns, alternate, machine, parser, publish, ratio, spread

RESIZERS = ("bilinear", "plain", "cbam")


class Step:
    """One resizer on one fixed batch, in the model's memory format and precision."""

    def __init__(self, resizer: str, options: argparse.Namespace) -> None:
        config = compose(f"resizer={resizer}", f"input_size={options.size}", f"engine.device={options.device}")
        self.engine: Engine = settings.build(config, "engine", precision=options.precision)
        self.clock, self.steps, self.batch = Clock(self.engine.device), options.steps, options.batch
        self.module: nn.Module = self.engine.prepare(settings.build(config, "resizer")).train()
        images = torch.randn(options.batch, 3, 32, 32, device=self.engine.device)
        self.images = images.contiguous(memory_format=torch.channels_last)
        self.gradient = torch.randn_like(self.forward())  # in place of the backbone's

    def forward(self) -> Tensor:
        """Return the resized batch."""
        with self.engine.autocast():
            resized: Tensor = self.module(self.images)
        return resized

    def both(self) -> None:
        """Run forward and, if there are parameters, backward."""
        resized = self.forward()
        if resized.requires_grad:
            resized.backward(self.gradient)
            self.module.zero_grad()

    def turn(self, work: Callable[[], object]) -> float:
        """Return milliseconds per image."""
        self.clock.start()
        for _ in range(self.steps):
            work()
        self.clock.stop()
        return float(1000 * self.clock.seconds() / (self.steps * self.batch))

    def kept(self) -> float:
        """Return MiB per image that autograd keeps for the backward pass, without weights."""
        weights = {parameter.untyped_storage().data_ptr() for parameter in self.module.parameters()}
        storages: dict[int, int] = {}

        def keep(tensor: Tensor) -> Tensor:
            storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            self.both()
        kept: int = sum(size for address, size in storages.items() if address not in weights)
        return float(kept / self.batch / 2**20)

    def operations(self) -> str:
        """Return a table of the operations of some steps, by their own time."""
        on_gpu = self.engine.device.type == "cuda"
        activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
        with profile(activities=activities, record_shapes=True) as profiler:
            for _ in range(self.steps):
                self.both()
        key = "self_cuda_time_total" if on_gpu else "self_cpu_time_total"
        return str(
            profiler.key_averages(group_by_input_shape=True).table(sort_by=key, row_limit=25, max_shapes_column_width=60)
        )


def table(turns: Turns, steps: dict[str, Step], options: argparse.Namespace) -> Table:
    """Return the table, with one row per resizer."""
    rows = []
    for resizer in RESIZERS:
        forward, both = turns[f"{resizer} forward"], turns[f"{resizer} both"]
        times = ratio(both, turns["bilinear both"])
        rows.append([resizer, spread(forward), spread(both), times, f"{steps[resizer].kept():.1f}"])
    header = (
        "resizer",
        "forward, ms an image",
        "forward and backward, ms an image",
        "times bilinear",
        "kept for backward, MiB an image",
    )
    note = f"Median (lowest to highest) of {options.repeats} turns of {options.steps} batches of {options.batch},"
    return Table(header, rows, [f"{note} {options.precision}, 32 -> {options.size}, on {steps['plain'].engine.name}."])


def main(arguments: list[str] | None = None) -> int:
    """Measure, print and save; or print a profile."""
    command_line = parser(__doc__, "resizer")
    add, gpu = command_line.add_argument, torch.cuda.is_available()
    add("--device", default="cuda" if gpu else "cpu")
    add("--batch", type=int, default=128 if gpu else 16, help="default: 128 on a GPU, 16 on a CPU")
    add("--steps", type=int, default=50 if gpu else 4, help="batches a turn (default: 50 on a GPU, 4 on a CPU)")
    add("--size", type=int, default=224, help="of the output in pixels (default: 224)")
    add("--precision", choices=("bf16", "fp32"), default="bf16")
    add("--profile", choices=RESIZERS, help="print where this one's time goes, and nothing else")
    options, about = command_line.parse_args(arguments), machine()
    if options.profile:
        print(Step(options.profile, options).operations())
        return 0
    steps = {resizer: Step(resizer, options) for resizer in RESIZERS}
    turns: dict[str, Callable[[], float]] = {}
    for name, step in steps.items():
        turns[f"{name} forward"] = lambda step=step: step.turn(step.forward)  # type: ignore[misc]
        turns[f"{name} both"] = lambda step=step: step.turn(step.both)  # type: ignore[misc]
    measured = alternate(turns, options.repeats)
    publish("resizer", options, about, table(measured, steps, options), measured)
    return 0


if __name__ == "__main__":
    sys.exit(main())
