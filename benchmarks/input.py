"""Benchmark of the input pipeline: shuffle, random crop, flip, normalise; images per second, without a model.

    python benchmarks/input.py
    python benchmarks/input.py --device cuda --aug cutmix

A turn is one pass over all images. A DataLoader starts its workers in every pass, as in every epoch.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # works without installation

import torch
from torch import Tensor
from torch.utils.data import TensorDataset
from torchvision.transforms import v2

from ablation.data.images import Images
from benchmarks import reports_way
from benchmarks.ours import Ours, constructed, of_cell
from benchmarks.side_by_side import Clock, Table, alternate, machine, parser, publish, ratio, spread

OURS = "ours: uint8 on the device, whole batches"
CROP_FLIP = [v2.RandomCrop(32, padding=4), v2.RandomHorizontalFlip()]
V2 = v2.Compose([*CROP_FLIP, v2.ToDtype(torch.float32, scale=True), v2.Normalize(reports_way.MEAN, reports_way.STD)])
NOTE = "v2 on whole batches draws one crop and one mirror image for all images of a batch: less work and another augmentation."


class Tensors(TensorDataset):
    """uint8 tensors, each transformed by torchvision v2 when it is read."""

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        image, label = super().__getitem__(index)
        return V2(image), label


def passing(batches_of: Callable[[], Iterable[Any]], count: int, clock: Clock, device: torch.device) -> Callable[[], float]:
    """Return a turn: one pass over the batches, each copied to the device; it returns images per second."""

    def turn() -> float:
        clock.start()
        for batch in batches_of():
            (batch.images if hasattr(batch, "images") else batch[0]).to(device, non_blocking=True)
        clock.stop()
        return count / clock.seconds()

    return turn


def whole_batches(images: Images, batch_size: int) -> Iterable[tuple[Tensor]]:
    """Yield batches transformed by torchvision v2 as one tensor."""
    for chosen in torch.randperm(len(images)).split(batch_size):
        yield (V2(images.pixels[chosen]),)


def contenders(options: argparse.Namespace) -> dict[str, Callable[[], float]]:
    """Return a turn for each pipeline."""
    images, device = constructed(options.images), torch.device(options.device)
    clock, size, pin = Clock(device), options.batch, device.type == "cuda"
    fit = Ours(of_cell(f"none-{options.aug}", f"train.batch_size={size}"), 1, options.device, options.images).fit("fp32")
    on_device = images.to(device)
    pictures = reports_way.Pictures(images.pixels.permute(0, 2, 3, 1).contiguous().numpy(), images.labels.tolist())
    turns = {OURS: passing(lambda: fit.batches(0), options.images, clock, device)}
    tensors = Tensors(images.pixels, images.labels)
    for name, dataset in (("v1, PIL images", pictures), ("v2, tensors", tensors)):
        for workers in options.workers:
            loader = reports_way.loader(dataset, size, workers, pin)
            turns[f"torchvision {name}, {workers} workers"] = passing(loader.__iter__, options.images, clock, device)
    turns["torchvision v2, whole batches"] = passing(lambda: whole_batches(on_device, size), options.images, clock, device)
    return turns


def main(arguments: list[str] | None = None) -> int:
    """Measure, print and save."""
    command_line = parser(__doc__, "input")
    add = command_line.add_argument
    add("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    add("--images", type=int, default=50_000, help="of a pass (default: 50,000)")
    add("--batch", type=int, default=128, help="default: 128")
    add("--aug", choices=("base", "cutmix"), default="base", help="of ours; the others never mix here (default: base)")
    add("--workers", type=int, nargs="+", default=[0, 2, 4])
    options, about = command_line.parse_args(arguments), machine()
    turns = alternate(contenders(options), options.repeats)
    rows = [[name, spread(values), ratio(turns[OURS], values)] for name, values in turns.items()]
    note = f"Median (lowest to highest) of {options.repeats} passes over {options.images:,} images, batches of {options.batch}."
    publish("input", options, about, Table(("pipeline", "images a second", "ours / it"), rows, [note, NOTE]), turns)
    return 0


if __name__ == "__main__":
    sys.exit(main())
