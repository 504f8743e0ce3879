"""Checks of a folder of images before training: duplicates, contradicting labels, class imbalance.

Pure functions of a listing, which holds the digest of every image.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ablation.data.layout import printable
from ablation.data.listing import File, Listing

UNEVEN = 2.0  # ratio of the largest to the smallest class in training images, from which it is reported
SHOWN = 3  # examples in a sentence


@dataclass(frozen=True)
class Finding:
    """One finding: its kind, the number of images concerned out of how many, examples (paths or classes), and a sentence.

    seen: test images that are also in train, byte for byte. contradicting: equal images in different classes.
    repeated: copies within train. uneven: classes of very different size, `count` in the smallest, `of` in the largest.
    animated: only the first frame is used. enlarged: smaller than data.size.
    """

    kind: Literal["seen", "contradicting", "repeated", "uneven", "animated", "enlarged"]
    count: int
    of: int
    examples: tuple[str, ...]
    sentence: str


def findings(images: Listing, size: int | None = None) -> list[Finding]:
    """Return the findings about a folder of images, the worst first; `size` as in data.size."""
    files = (*images.train, *images.test)
    results = [
        _seen(images),
        _contradicting(files),
        _repeated(images.train),
        _uneven(images),
        _animated(files, [file for file in files if file.content.animated]),
        _enlarged(files, size),
    ]
    return [finding for finding in results if finding is not None]


def _paths(files: Sequence[File]) -> tuple[str, ...]:
    return tuple(printable(file.path) for file in files)


def _named(examples: Sequence[str], total: int) -> str:
    return ", ".join(examples[:SHOWN]) + (", ..." if total > SHOWN else "")


def _seen(images: Listing) -> Finding | None:
    trained = {file.content.sha256: file for file in images.train}
    copies = [file for file in images.test if file.content.sha256 in trained]
    if not copies:
        return None
    pairs = tuple(f"{printable(f.path)} = {printable(trained[f.content.sha256].path)}" for f in copies)
    sentence = (
        f"{len(copies):,} of {len(images.test):,} test images stand in train too, byte for byte ({_named(pairs, len(pairs))})"
    )
    return Finding("seen", len(copies), len(images.test), pairs, sentence)


def _contradicting(files: Sequence[File]) -> Finding | None:
    labels = defaultdict(set)
    for file in files:
        labels[file.content.sha256].add(file.label)
    relabelled = [file for file in files if len(labels[file.content.sha256]) > 1]
    if not relabelled:
        return None
    relabelled.sort(key=lambda file: file.content.sha256)
    sentence = (
        f"{len(relabelled):,} images stand in more than one class, byte for byte"
        f" ({_named(_paths(relabelled), len(relabelled))})"
    )
    return Finding("contradicting", len(relabelled), len(files), _paths(relabelled), sentence)


def _repeated(train: Sequence[File]) -> Finding | None:
    seen: set[tuple[str, int]] = set()
    copies = []
    for file in train:
        key = file.content.sha256, file.label
        if key in seen:
            copies.append(file)
        seen.add(key)
    if not copies:
        return None
    sentence = f"{len(copies):,} of {len(train):,} training images are copies of others ({_named(_paths(copies), len(copies))})"
    return Finding("repeated", len(copies), len(train), _paths(copies), sentence)


def _uneven(images: Listing) -> Finding | None:
    counts = Counter(file.label for file in images.train).most_common()
    (most, largest), (least, smallest) = counts[0], counts[-1]
    if largest < UNEVEN * smallest:
        return None
    names = images.classes[most], images.classes[least]
    tested = Counter(file.label for file in images.test).most_common(1)[0]
    always = f"always answering {images.classes[tested[0]]} gets {100 * tested[1] / len(images.test):.2f} % of test right"
    sentence = f"classes are uneven: {largest:,} training images of {names[0]}, {smallest:,} of {names[1]}; {always}"
    return Finding("uneven", smallest, largest, names, sentence)


def _animated(files: Sequence[File], animated: Sequence[File]) -> Finding | None:
    if not animated:
        return None
    sentence = (
        f"{len(animated):,} images are animated: of each the first frame is taken ({_named(_paths(animated), len(animated))})"
    )
    return Finding("animated", len(animated), len(files), _paths(animated), sentence)


def _enlarged(files: Sequence[File], size: int | None) -> Finding | None:
    small = [file for file in files if size is not None and min(file.content.size) < size]
    if not small:
        return None
    sentence = f"{len(small):,} of {len(files):,} images are smaller than data.size={size} and are enlarged"
    return Finding("enlarged", len(small), len(files), _paths(small), f"{sentence} ({_named(_paths(small), len(small))})")
