"""What is known of a data set without opening it: its name, counts, classes and size in pixels.

Owns the constants of the named sets; a folder of images is asked through its listing. Never imports torch: the planner
asks these questions before the first heavy import.
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
    """Counts, classes and size of what the loader named `target` returns without limits.

    Args:
        target: the `_target_` of a file in conf/data.
        source: of a folder of images, which is read; others need none.

    Raises:
        ValueError: no such loader.
        OSError: the folder of images cannot be used: see `listing`.
    """
    if target in KNOWN:
        return KNOWN[target]
    if target != FOLDER or source is None:
        raise ValueError(f"data._target_={target}: must be one of {', '.join([*KNOWN, FOLDER])}")
    found = listing(source)
    return Facts(source.name, len(found.train), len(found.test), len(found.classes), found.height, found.width)
