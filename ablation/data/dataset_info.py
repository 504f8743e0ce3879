"""What is known of a data set without opening it: counts, classes, size in pixels, the listing of a folder of images.

Owns the constants of the named sets and the walk over an image folder. Never imports torch or decodes an image: the
planner asks these questions before the first heavy import.
"""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

SUFFIXES = (".png", ".jpg", ".jpeg")
LAYOUT = "DIR/train/<class>/ and DIR/test/<class>/ of PNG or JPEG images"


@dataclass(frozen=True)
class Facts:
    """Images in train, images in test, classes, and the images' height and width in pixels."""

    train: int
    test: int
    classes: int
    height: int
    width: int


@dataclass(frozen=True)
class Listing:
    """A folder of images: (relative path, class index) in sorted order, class names, and two digests.

    `digest` (sha256 over relative paths and sizes in bytes) is the same for every copy of the folder and belongs to a
    run's identity. `stamp` covers the times of modification too: it tells whether a decoded cache is still true.
    """

    train: tuple[tuple[str, int], ...]
    test: tuple[tuple[str, int], ...]
    classes: tuple[str, ...]
    digest: str
    stamp: str


KNOWN = {
    "ablation.data.cifar.load_cifar10": Facts(train=50_000, test=10_000, classes=10, height=32, width=32),
    "ablation.data.cifar.load_cifar100": Facts(train=50_000, test=10_000, classes=100, height=32, width=32),
    "ablation.data.digits.load_digits": Facts(train=1_437, test=360, classes=10, height=8, width=8),
}
FOLDER = "ablation.data.folder.load_imagefolder"


def facts(target: str, root: str) -> Facts:
    """Counts, classes and size of what the loader named `target` returns without limits.

    Args:
        target: the `_target_` of a file in conf/data.
        root: `data.root`; only read for a folder of images.

    Raises:
        ValueError: no such loader.
        OSError: the folder of images is missing, empty or malformed (one line).
    """
    if target in KNOWN:
        return KNOWN[target]
    if target != FOLDER:
        raise ValueError(f"data._target_={target}: must be one of {', '.join([*KNOWN, FOLDER])}")
    found = listing(root)
    height, width = image_size(root, found.train[0][0])
    return Facts(len(found.train), len(found.test), len(found.classes), height, width)


@functools.lru_cache(maxsize=4)
def listing(root: str) -> Listing:
    """All images below `root`, in one pass that opens none of them; remembered for the life of the process.

    Names that begin with a dot are ignored; anything else that does not fit the layout is refused, so that no image
    is ever skipped in silence.

    Raises:
        OSError: `root`, a split or a class is missing or empty, the splits' classes differ, or a file is no image.
    """
    if root in ("", "???", None):
        raise FileNotFoundError(f"data.root is missing: data=imagefolder reads {LAYOUT}; say data.root=DIR")
    if not Path(root).is_dir():
        raise FileNotFoundError(f"data.root={root}: no such folder; data=imagefolder reads {LAYOUT}")
    classes = {split: _classes(root, split) for split in ("train", "test")}
    if classes["train"] != classes["test"]:
        only = [
            f"only in {a}: {', '.join(sorted(set(classes[a]) - set(classes[b]))) or 'none'}"
            for a, b in (("train", "test"), ("test", "train"))
        ]
        raise FileNotFoundError(f"data.root={root}: classes differ ({'; '.join(only)}); both splits need the same")
    files = {split: sorted(_files(root, split, classes[split])) for split in classes}
    paths, stamps = hashlib.sha256(), hashlib.sha256()
    for name, _, size, modified in (*files["test"], *files["train"]):
        line = f"{name}\0{size}\n".encode("utf-8", "surrogateescape")
        paths.update(line)
        stamps.update(line + b"%d\n" % modified)
    train, test = (tuple((name, label) for name, label, _, _ in files[split]) for split in ("train", "test"))
    return Listing(train, test, classes["train"], paths.hexdigest(), stamps.hexdigest())


def _classes(root: str, split: str) -> tuple[str, ...]:
    """The names of the folders in `root/split`, sorted."""
    folder = Path(root, split)
    if not folder.is_dir():
        raise FileNotFoundError(f"data.root={root}: has no folder {split}/; data=imagefolder reads {LAYOUT}")
    names = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if not entry.is_dir():
                raise NotADirectoryError(f"data.root={root}: {split}/{entry.name} is no folder; expected {LAYOUT}")
            names.append(entry.name)
    if not names:
        raise FileNotFoundError(f"data.root={root}: {split}/ is empty; data=imagefolder reads {LAYOUT}")
    return tuple(sorted(names))


def _files(root: str, split: str, classes: tuple[str, ...]) -> Iterator[tuple[str, int, int, int]]:
    """(relative path, class index, size in bytes, modification time in ns) of every image of a split."""
    for label, name in enumerate(classes):
        count = 0
        with os.scandir(Path(root, split, name)) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                path = f"{split}/{name}/{entry.name}"
                if not entry.name.lower().endswith(SUFFIXES) or not entry.is_file():
                    raise FileNotFoundError(f"data.root={root}: {path} is no image file; legal: {', '.join(SUFFIXES)}")
                status = entry.stat()
                count += 1
                yield path, label, status.st_size, status.st_mtime_ns
        if not count:
            raise FileNotFoundError(f"data.root={root}: {split}/{name}/ has no image; expected {LAYOUT}")


def image_size(root: str, path: str) -> tuple[int, int]:
    """(height, width) in pixels of one PNG or JPEG file, from its header (PNG: IHDR; JPEG: ITU-T T.81, B.2.2).

    Raises:
        OSError: neither PNG nor JPEG.
    """
    with Path(root, path).open("rb") as file:
        height, width = _header(file)
    if height == 0 or width == 0:
        raise OSError(f"data.root={root}: {path} cannot be read as PNG or JPEG; replace or remove it")
    return height, width


def _header(file: BinaryIO) -> tuple[int, int]:
    """(height, width) as the header says, (0, 0) if it is no header of a PNG or JPEG."""
    start = file.read(24)
    if start.startswith(b"\x89PNG\r\n\x1a\n") and len(start) == 24:
        return int.from_bytes(start[20:24], "big"), int.from_bytes(start[16:20], "big")
    if not start.startswith(b"\xff\xd8"):
        return 0, 0
    file.seek(2)
    while len(head := file.read(4)) == 4 and head[0] == 0xFF:
        if head[1] == 0xFF:  # a fill byte before the marker
            file.seek(-3, os.SEEK_CUR)
        elif 0xC0 <= head[1] <= 0xCF and head[1] not in (0xC4, 0xC8, 0xCC):  # start of frame
            frame = file.read(5)
            return int.from_bytes(frame[1:3], "big"), int.from_bytes(frame[3:5], "big")
        else:
            file.seek(int.from_bytes(head[2:4], "big") - 2, os.SEEK_CUR)
    return 0, 0
