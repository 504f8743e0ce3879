"""Name, number of images and classes, and image size of a data set, without loading it.

Constants for the named data sets; for a folder of images they come from its listing. Does not import torch: the planner
needs them before any heavy import.
"""

from __future__ import annotations

from dataclasses import dataclass

from ablation.data.layout import ImageFolder
from ablation.data.listing import listing


@dataclass(frozen=True)
class Facts:
    """Name for people, images in train, images in test, classes, and the images' height and width in pixels."""

    name: str
    train: int
    test: int
    classes: int
    height: int
    width: int


KNOWN = {
    "ablation.data.cifar.load_cifar10": Facts("CIFAR-10", train=50_000, test=10_000, classes=10, height=32, width=32),
    "ablation.data.cifar.load_cifar100": Facts("CIFAR-100", train=50_000, test=10_000, classes=100, height=32, width=32),
    "ablation.data.digits.load_digits": Facts("digits", train=1_437, test=360, classes=10, height=8, width=8),
}
FOLDER = "ablation.data.folder.load_imagefolder"


def facts(target: str, source: ImageFolder | None = None) -> Facts:
    """Return the facts of the data set that the loader `target` returns without limits.

    Args:
        target: the `_target_` of a file in conf/data.
        source: for a folder of images, which is read; None for the others.

    Raises:
        ValueError: no such loader.
        OSError: the folder of images cannot be used: see `listing`.
    """
    if target in KNOWN:
        return KNOWN[target]
    if target != FOLDER or source is None:
        wanted = "facts: {name, train, test, classes, height, width}"
        raise ValueError(f"data._target_={target}: its YAML needs {wanted}, so that a plan need not load it")
    folder = listing(source)
    return Facts(source.name, len(folder.train), len(folder.test), len(folder.classes), folder.height, folder.width)
