"""Any folder of PNG or JPEG images: decoded once into a memory-mapped cache, mapped in milliseconds ever after.

Owns the cache of decoded pixels. Never skips, crops or resizes an image: one that does not fit is an error with its
path.
"""

from __future__ import annotations

import functools
import json
import logging
import os
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ablation.data.dataset_info import Listing, image_size, listing
from ablation.data.images import Dataset, Images, assemble, content_checksum
from ablation.data.prepare import alone, bar, flush

BATCH = 256  # images a task of a decoding thread
THREADED_BYTES = 16_384  # size of a file from which threads pay
Entries = tuple[tuple[str, int], ...]

log = logging.getLogger(__name__)


@functools.lru_cache(maxsize=1)
def load_imagefolder(
    root: str, limit: int | None = None, test_limit: int | None = None, val_size: int = 0, *, cache: str
) -> Dataset:
    """Images (3, H, W) below root/train/<class>/ and root/test/<class>/; grey becomes RGB, alpha is dropped.

    Args:
        root: the folder; limit, test_limit: class-balanced fixed subsets; val_size: images held out of train first.
        cache: folder for the decoded pixels (N * 3 * H * W bytes), made anew whenever a name, size or time of
            modification below `root` changes.

    Raises:
        OSError: missing, empty or malformed folders; an image that cannot be decoded or has another size.
        ValueError: a limit or val_size exceeds what is there.
    """
    found = listing(root)
    folder = Path(cache) / f"imagefolder-{found.stamp[:16]}"
    cached = _mapped(folder, found)
    if cached is None:
        with alone(folder.with_suffix(".lock")):
            if _mapped(folder, found) is None:  # nobody did it while we waited
                if folder.exists():
                    log.warning("%s: damaged, not what was decoded into it: decoded again", folder)
                _build(root, found, folder)
        cached = _mapped(folder, found)
        assert cached is not None
    train, test, checksum = cached
    return assemble(Path(root).resolve().name, train, test, found.classes, limit, test_limit, val_size, checksum)


def _mapped(folder: Path, found: Listing) -> tuple[Images, Images, str] | None:
    """Train and test as a finished cache has them, with their checksum; None if there is no sound cache."""
    try:
        checksum = json.loads((folder / "about.json").read_text())["checksum"]
        train, test = (_map(folder / f"{split}.npy", listed) for split, listed in _splits(found))
    except (FileNotFoundError, ValueError, KeyError, EOFError):
        return None
    if len(train.pixels) != len(train.labels) or len(test.pixels) != len(test.labels):
        return None
    return (train, test, checksum) if content_checksum(train, test) == checksum else None


def _splits(found: Listing) -> tuple[tuple[str, Entries], tuple[str, Entries]]:
    return ("train", found.train), ("test", found.test)


def _map(path: Path, listed: Entries) -> Images:
    """The pixels of one file of the cache, in the listing's order, with the listing's labels."""
    pixels = np.load(path, mmap_mode="c")  # "c": a write to the tensor stays in this process, never in the file
    return Images(torch.from_numpy(pixels), torch.tensor([label for _, label in listed]))


def _build(root: str, found: Listing, folder: Path) -> None:
    """Decode all images beside `folder` and give them its name in one rename. The caller holds the lock."""
    start = time.perf_counter()
    part = folder.with_suffix(".part")
    for old in (part, folder):  # torn by a crash; damaged
        shutil.rmtree(old, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        size = image_size(root, found.train[0][0])
        with bar("decoding images", len(found.train) + len(found.test)) as advance:
            for split, listed in _splits(found):
                _decode(root, [path for path, _ in listed], size, part / f"{split}.npy", advance)
        train, test = (_map(part / f"{split}.npy", listed) for split, listed in _splits(found))
        about = {"root": str(Path(root).resolve()), "digest": found.digest, "checksum": content_checksum(train, test)}
        (part / "about.json").write_text(json.dumps(about) + "\n")
        for path in (*part.iterdir(), part):
            flush(path)
        part.rename(folder)
        flush(folder.parent)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    seconds = time.perf_counter() - start
    log.info("decoded %s images into %s in %.1f s", f"{len(train) + len(test):,}", folder, seconds)


def _decode(root: str, paths: list[str], size: tuple[int, int], target: Path, advance: Callable[[int], None]) -> None:
    """Decode `paths` into the new array file `target`, uint8 (N, 3, *size)."""
    pixels = np.lib.format.open_memmap(target, mode="w+", dtype=np.uint8, shape=(len(paths), 3, *size))

    def decode(start: int) -> None:
        batch = range(start, min(start + BATCH, len(paths)))
        for i in batch:
            pixels[i] = _pixels(root, paths[i], size).transpose(2, 0, 1)
        advance(len(batch))

    # Pillow frees the interpreter lock while it decodes, but for small files handing the lock over costs more
    # than it brings (60,000 images of 1 kB on two cores: 3.5 s with one thread, 7 s with two).
    large = Path(root, paths[0]).stat().st_size >= THREADED_BYTES
    with ThreadPoolExecutor(os.cpu_count() if large else 1) as pool:
        for _ in pool.map(decode, range(0, len(paths), BATCH)):
            pass
    pixels.flush()


def _pixels(root: str, path: str, size: tuple[int, int]) -> np.ndarray:
    """One image as uint8 (*size, 3); size is (height, width)."""
    try:
        with Image.open(f"{root}/{path}", formats=("PNG", "JPEG")) as image:
            found, mode = image.size, image.mode
            pixels = np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:  # Pillow's ways to say damaged
        reason = "neither PNG nor JPEG" if isinstance(error, Image.UnidentifiedImageError) else str(error)
        raise OSError(f"data.root={root}: {path} cannot be decoded ({reason}); replace or remove it") from error
    if found != size[::-1]:
        raise OSError(
            f"data.root={root}: {path} is {found[0]} x {found[1]} pixels, the first image {size[1]} x {size[0]}; "
            "all images must have one size"
        )
    if mode.startswith("I"):  # Pillow would clip them to white
        raise OSError(f"data.root={root}: {path} has 16 bits a channel; save it with 8")
    return pixels
