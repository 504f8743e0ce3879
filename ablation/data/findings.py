"""What a person should know of a folder of images before the first GPU-hour: copies, contradicting labels, imbalance.

Owns what is looked for and the words. Pure: of a listing, which holds the digest of every image.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ablation.data.layout import printable
from ablation.data.listing import File, Listing

UNEVEN = 2.0  # times as many training images in the largest class as in the smallest, from which it is said
SHOWN = 3  # examples in a sentence


@dataclass(frozen=True)
class Finding:
    """One thing found: its kind, how many images it concerns of how many, examples (paths or classes), and a sentence.

    seen: test images that stand in train too, byte for byte. contradicting: equal images under different classes.
    repeated: copies within train. uneven: classes of very different size, `count` in the smallest of `of` in the largest.
    animated: of which the first frame is taken. enlarged: smaller than data.size.
    """

    kind: Literal["seen", "contradicting", "repeated", "uneven", "animated", "enlarged"]
    count: int
    of: int
    examples: tuple[str, ...]
    sentence: str


def findings(found: Listing, size: int | None = None) -> list[Finding]:
    """Return what is to be said of a folder of images, the worst first; `size` as in data.size."""
    everything = (*found.train, *found.test)
    looked_for = [
        _seen(found),
        _contradicting(everything),
        _repeated(found.train),
        _uneven(found),
        _animated(everything, [file for file in everything if file.animated]),
        _enlarged(everything, size),
    ]
    return [finding for finding in looked_for if finding is not None]


def _paths(files: Sequence[File]) -> tuple[str, ...]:
    return tuple(printable(file.path) for file in files)


def _named(examples: Sequence[str], total: int) -> str:
    return ", ".join(examples[:SHOWN]) + (", ..." if total > SHOWN else "")


def _seen(found: Listing) -> Finding | None:
    trained = {file.sha256: file for file in found.train}
    copies = [file for file in found.test if file.sha256 in trained]
    if not copies:
        return None
    pairs = tuple(f"{printable(f.path)} = {printable(trained[f.sha256].path)}" for f in copies)
    words = (
        f"{len(copies):,} of {len(found.test):,} test images stand in train too, byte for byte ({_named(pairs, len(pairs))})"
    )
    return Finding("seen", len(copies), len(found.test), pairs, words)


def _contradicting(files: Sequence[File]) -> Finding | None:
    labels = defaultdict(set)
    for file in files:
        labels[file.sha256].add(file.label)
    several = [file for file in files if len(labels[file.sha256]) > 1]
    if not several:
        return None
    several.sort(key=lambda file: file.sha256)
    words = f"{len(several):,} images stand in more than one class, byte for byte ({_named(_paths(several), len(several))})"
    return Finding("contradicting", len(several), len(files), _paths(several), words)


def _repeated(train: Sequence[File]) -> Finding | None:
    seen: set[tuple[str, int]] = set()
    copies = []
    for file in train:
        key = file.sha256, file.label
        if key in seen:
            copies.append(file)
        seen.add(key)
    if not copies:
        return None
    words = f"{len(copies):,} of {len(train):,} training images are copies of others ({_named(_paths(copies), len(copies))})"
    return Finding("repeated", len(copies), len(train), _paths(copies), words)


def _uneven(found: Listing) -> Finding | None:
    counts = Counter(file.label for file in found.train).most_common()
    (most, largest), (least, smallest) = counts[0], counts[-1]
    if largest < UNEVEN * smallest:
        return None
    names = found.classes[most], found.classes[least]
    tested = Counter(file.label for file in found.test).most_common(1)[0]
    always = f"always answering {found.classes[tested[0]]} gets {100 * tested[1] / len(found.test):.2f} % of test right"
    words = f"classes are uneven: {largest:,} training images of {names[0]}, {smallest:,} of {names[1]}; {always}"
    return Finding("uneven", smallest, largest, names, words)


def _animated(files: Sequence[File], animated: Sequence[File]) -> Finding | None:
    if not animated:
        return None
    words = (
        f"{len(animated):,} images are animated: of each the first frame is taken ({_named(_paths(animated), len(animated))})"
    )
    return Finding("animated", len(animated), len(files), _paths(animated), words)


def _enlarged(files: Sequence[File], size: int | None) -> Finding | None:
    small = [file for file in files if size is not None and min(file.height, file.width) < size]
    if not small:
        return None
    words = f"{len(small):,} of {len(files):,} images are smaller than data.size={size} and are enlarged"
    return Finding("enlarged", len(small), len(files), _paths(small), f"{words} ({_named(_paths(small), len(small))})")
