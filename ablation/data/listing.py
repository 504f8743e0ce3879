"""The images of a folder: which files are in train and in test, their classes, and one digest of everything.

Makes the split where there is no test folder, and checks the images as a whole. Does not import torch, NumPy or Pillow: the
planner needs a listing before any heavy import.
"""

from __future__ import annotations

import functools
import gc
import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ablation.data import contents
from ablation.data.contents import Content
from ablation.data.layout import (
    ImageFolder,
    check_classes,
    check_root,
    classes_of,
    images,
    printable,
    refusal,
    split_here,
    unusable,
)


class File(NamedTuple):
    """One image: path below the root as the file system spells it, class, file name, and its content."""

    path: str
    label: int
    class_name: str
    name: str
    content: Content


@dataclass(frozen=True)
class Listing:
    """All images of a folder, sorted by class and name; class names; height and width in pixels as trained on.

    `digest` (sha256 over split, class, name and content of each file) is the same for every copy of the folder and
    belongs to a run's identity.
    """

    train: tuple[File, ...]
    test: tuple[File, ...]
    classes: tuple[str, ...]
    height: int
    width: int
    digest: str


@functools.lru_cache(maxsize=16)
def listing(source: ImageFolder) -> Listing:
    """List a folder of images, reading files that are not in the cache; the result is kept for the life of the process.

    Raises:
        OSError: a folder is missing or empty, files cannot be used, there is one class only, classes or sizes differ, or
            every test image is in train too. The message is one line and says what to type.
    """
    collecting = gc.isenabled()
    gc.disable()  # 60,000 new files are no garbage: looking at them again and again takes a fifth of the time
    try:
        return _list(source)
    finally:
        if collecting:
            gc.enable()


def _list(source: ImageFolder) -> Listing:
    check_root(source)
    from_train = split_here(source)
    folders = {"train": source.train} if from_train else {"train": source.train, "test": source.test or ""}
    classes = {split: classes_of(source, folder) for split, folder in folders.items()}
    check_classes(source, classes)
    files: dict[str, list[File]] = {}
    faults: dict[str, str] = {}
    for split, folder in folders.items():
        files[split], unusable_files = _files(source, folder, classes[split])
        faults |= unusable_files
    if faults:
        raise refusal(source, unusable(faults))
    if from_train:
        files = _split(source, files["train"])
    _check_unseen(source, files["train"], files["test"])
    height, width = _size(source, [*files["train"], *files["test"]])
    train, test = tuple(files["train"]), tuple(files["test"])
    return Listing(train, test, tuple(classes["train"]), height, width, _digest(train, test))


def _files(source: ImageFolder, folder: str, classes: Mapping[str, str]) -> tuple[list[File], dict[str, str]]:
    """Return all images of a split, sorted by class and name; or none, and the reason for each file that is not an image."""
    found, faults = images(source, folder, classes)
    stamps = dict(zip(found.paths, found.stamps, strict=True))
    read, unreadable = contents.read(Path(source.root, folder), stamps, Path(source.cache))
    if faults or unreadable:
        return [], {f"{folder}/{path}": reason for path, reason in (faults | unreadable).items()}
    paths = [f"{folder}/{path}" for path in found.paths]
    class_names = map(list(classes).__getitem__, found.labels)
    content = map(read.__getitem__, found.paths)
    return list(map(File._make, zip(paths, found.labels, class_names, found.names, content, strict=True))), {}


def _split(source: ImageFolder, files: list[File]) -> dict[str, list[File]]:
    """Put `test_share` of each class, at least one image, into test; the same for every seed, file order and copy.

    Images are taken in the order of their digests, so added images move few others, and equal images stay together.
    """
    assert source.test_share is not None
    chosen: set[str] = set()
    for name in dict.fromkeys(file.class_name for file in files):
        copies = Counter(file.content.sha256 for file in files if file.class_name == name)
        wanted, taken = max(1, round(source.test_share * copies.total())), 0
        for digest in sorted(copies)[:-1]:  # one stays in train
            if taken + copies[digest] <= wanted:
                taken += copies[digest]
                chosen.add(f"{name}/{digest}")
        if not taken:
            few = f"{len(copies)} different images, too few"
            raise refusal(source, f"data.test_share={source.test_share}: {source.train}/{name}/ has {few}")
    sides = [f"{file.class_name}/{file.content.sha256}" in chosen for file in files]
    return {
        "train": [file for file, taken in zip(files, sides, strict=True) if not taken],
        "test": [file for file, taken in zip(files, sides, strict=True) if taken],
    }


def _check_unseen(source: ImageFolder, train: list[File], test: list[File]) -> None:
    """Raise OSError if every test image is also a training image, by content."""
    if {file.content.sha256 for file in test} <= {file.content.sha256 for file in train}:
        raise refusal(
            source,
            f"every image of {source.test}/ stands in {source.train}/ too (equal bytes), so nothing unseen would be measured;"
            f" name another folder with data.test=FOLDER, or say data.test=null data.test_share=0.2",
        )


def _size(source: ImageFolder, files: list[File]) -> tuple[int, int]:
    """Return (height, width) of the images as they are trained on."""
    if source.size is not None:
        return source.size, source.size
    sizes = Counter([file.content.size for file in files])
    if len(sizes) > 1:
        named = ", ".join(f"{count:,} of {width} x {height}" for (height, width), count in sizes.most_common(3))
        first, odd = sizes.most_common()[0][0], sizes.most_common()[-1][0]
        example = next(file.path for file in files if file.content.size == odd)
        raise refusal(
            source,
            f"images have {len(sizes)} sizes ({named}{', ...' if len(sizes) > 3 else ''} pixels; {printable(example)} is"
            f" {odd[1]} x {odd[0]}): say data.size=N, as data.size={min(first)} (short side to N pixels, centre cut out)",
        )
    return next(iter(sizes))


def _digest(train: Iterable[File], test: Iterable[File]) -> str:
    """Return sha256 (hex) over split, class, name and content of all images."""
    lines = [
        f"{split}/{file.class_name}/{file.name}\0{file.content.sha256}\n"
        for split, files in (("train", train), ("test", test))
        for file in files
    ]
    return hashlib.sha256("".join(lines).encode()).hexdigest()
