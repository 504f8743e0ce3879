"""What the tests of the data room share: loaders that remember nothing between tests, and a tiny folder of images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ablation.data import cifar, digits, folder, listing
from ablation.data.layout import ImageFolder


@pytest.fixture(autouse=True)
def fresh_loaders() -> Iterator[None]:
    """Every test starts like a new process."""
    yield
    forget()


def forget() -> None:
    for remembered in (cifar.load_cifar10, cifar.load_cifar100, digits.load_digits, folder.load_imagefolder, listing.listing):
        remembered.cache_clear()


@pytest.fixture
def new_process() -> Callable[[], None]:
    """Forgets what a process remembers, as a second start does."""
    return forget


@pytest.fixture
def image_folder(tmp_path: Path) -> Path:
    """Two classes, 3 + 2 images in train and 2 + 1 in test, PNG, 6x6; every image one colour of its own."""
    root = tmp_path / "my images 한글"
    for number, path in enumerate(
        (
            "train/cat/0.png",
            "train/cat/1.png",
            "train/cat/2.png",
            "train/dog/0.png",
            "train/dog/1.PNG",
            "test/cat/0.png",
            "test/cat/1.png",
            "test/dog/0.png",
        )
    ):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((6, 6, 3), (number, 100 + number, 200 + number), np.uint8)).save(root / path, "PNG")
    return root


@pytest.fixture
def source(image_folder: Path, tmp_path: Path) -> ImageFolder:
    """The tiny folder as a configuration names it."""
    return ImageFolder(str(image_folder), str(tmp_path / "cache"))
