"""Load a folder of images as tensors: decoded once into a cache on disk, memory-mapped in milliseconds afterwards.

The cache is cache/imagefolder-*/, one folder for each content and decoding; copies of an image folder share it.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import logging
import math
import os
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from ablation.data.contents import BATCH, bytes_of
from ablation.data.decode import Unreadable, pixels, quiet
from ablation.data.images import Dataset, Images, assemble, content_checksum
from ablation.data.layout import ImageFolder, refusal, unusable
from ablation.data.listing import File, Listing, listing
from ablation.data.prepare import alone, bar, flush

THREADED_PIXELS = 10_000  # image size from which several threads are faster than one
DECODING = 2  # increase when `decode.pixels` changes its output: older caches are then not used

log = logging.getLogger(__name__)


@functools.lru_cache(maxsize=1)
def load_imagefolder(
    root: str,
    limit: int | None = None,
    test_limit: int | None = None,
    val_size: int = 0,
    *,
    cache: str,
    train: str = "train",
    test: str | None = "test",
    test_share: float | None = None,
    size: int | None = None,
    background: str = "white",
) -> Dataset:
    """Return the images (3, H, W) below root/train/<class>/ and root/test/<class>/: see `listing` and `decode.pixels`.

    Args:
        root, train, test, test_share, size, background: see `ImageFolder`.
        limit, test_limit: class-balanced fixed subsets; val_size: images held out of train before `limit` applies.
        cache: folder for the decoded pixels (N * 3 * H * W bytes).

    Raises:
        OSError: the folder cannot be used, an image cannot be decoded or changed since it was listed, or the disk is full.
        ValueError: a limit or val_size exceeds the number of images.
    """
    source = ImageFolder(root, cache, train, test, test_share, size, background)
    listed = listing(source)
    key = json.dumps([DECODING, listed.digest, size, background])
    folder = Path(cache) / f"imagefolder-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
    cached = _mapped(folder, listed)
    if cached is None:
        with alone(folder.with_suffix(".lock")):
            cached = _mapped(folder, listed)  # another process may have made it while this one waited
            if cached is None:
                if folder.exists():
                    log.warning("%s: damaged, not what was decoded into it: decoded again", folder)
                _build(source, listed, folder)
                cached = _mapped(folder, listed)
        assert cached is not None
    with contextlib.suppress(OSError):
        os.utime(folder / "about.json")  # when it was last used, for cache=true
    pixels_of_train, pixels_of_test, checksum = cached
    return assemble(source.name, pixels_of_train, pixels_of_test, listed.classes, limit, test_limit, val_size, checksum)


def _mapped(folder: Path, listed: Listing) -> tuple[Images, Images, str] | None:
    """Return train and test from a finished cache, with their checksum; None if it is missing or damaged."""
    try:
        checksum = json.loads((folder / "about.json").read_text())["checksum"]
        train, test = (_map(folder / f"{split}.npy", files) for split, files in _splits(listed))
    except (FileNotFoundError, ValueError, KeyError, EOFError):
        return None
    if len(train.pixels) != len(train.labels) or len(test.pixels) != len(test.labels):
        return None
    return (train, test, checksum) if content_checksum(train, test) == checksum else None


def _splits(listed: Listing) -> tuple[tuple[str, tuple[File, ...]], ...]:
    return ("train", listed.train), ("test", listed.test)


def _map(path: Path, files: tuple[File, ...]) -> Images:
    """Return the pixels of one cache file, in the listing's order, with the listing's labels."""
    mapped = np.load(path, mmap_mode="c")  # "c", copy on write: changes of the tensor never reach the file
    return Images(torch.from_numpy(mapped), torch.tensor([file.label for file in files]))


def _build(source: ImageFolder, listed: Listing, folder: Path) -> None:
    """Decode all images into a temporary folder, then rename it to `folder`. The caller holds the lock."""
    start = time.perf_counter()
    part = folder.with_suffix(".part")
    for old in (part, folder):  # left by a crash; damaged
        shutil.rmtree(old, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        _check_space(listed, part)
        _decode_all(source, listed, part)
        train, test = (_map(part / f"{split}.npy", files) for split, files in _splits(listed))
        about = {"name": source.name, "root": str(Path(source.root).resolve()), "images": len(train) + len(test)}
        about |= {"digest": listed.digest, "height": listed.height, "width": listed.width, "background": source.background}
        about |= {"checksum": content_checksum(train, test)}
        (part / "about.json").write_text(json.dumps(about) + "\n")
        for path in (*part.iterdir(), part):
            flush(path)
        part.rename(folder)
        flush(folder.parent)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    seconds = time.perf_counter() - start
    log.info("decoded %s images into %s in %.1f s", f"{len(train) + len(test):,}", folder, seconds)


def _check_space(listed: Listing, part: Path) -> None:
    """Raise OSError if the disk is too small: writing to a mapped file on a full disk would kill the process."""
    needed = (len(listed.train) + len(listed.test)) * 3 * listed.height * listed.width
    if (free := shutil.disk_usage(part).free) < needed:
        gigabytes = f"{needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free"
        raise OSError(f"{part.parent}: the decoded images need {gigabytes}; name another folder: paths.cache=DIR")


def _decode_all(source: ImageFolder, listed: Listing, part: Path) -> None:
    """Decode train and test into new array files, uint8 (N, 3, H, W) each."""
    faults: dict[str, str] = {}
    animated = [file.path for file in (*listed.train, *listed.test) if file.content.animated]
    if animated:
        log.warning("%d animated images, as %s: of each the first frame is taken", len(animated), animated[0])
    with quiet(), bar("decoding images", len(listed.train) + len(listed.test)) as advance:
        for split, files in _splits(listed):
            shape = len(files), 3, listed.height, listed.width
            array = np.lib.format.open_memmap(part / f"{split}.npy", mode="w+", dtype=np.uint8, shape=shape)
            faults |= _decode(source, files, array, advance)
            array.flush()
    if faults:
        raise refusal(source, unusable(faults))


def _decode(source: ImageFolder, files: tuple[File, ...], array: np.ndarray, advance: Callable[[int], None]) -> dict[str, str]:
    """Decode files into `array`, uint8 (N, 3, H, W); return the reason for each that cannot be decoded."""
    faults: dict[str, str] = {}

    def decode(start: int) -> None:
        batch = range(start, min(start + BATCH, len(files)))
        for i in batch:
            try:
                array[i] = _pixels(source, files[i]).transpose(2, 0, 1)
            except Unreadable as error:
                faults[files[i].path] = str(error)
        advance(len(batch))

    # Pillow releases the GIL while it decodes, but for small files the switching costs more than it saves
    # (60,000 images of 1 kB on two cores: 3.5 s with one thread, 7 s with two).
    large = math.prod(files[0].content.size) >= THREADED_PIXELS
    with ThreadPoolExecutor(os.cpu_count() if large else 1) as pool:
        for _ in pool.map(decode, range(0, len(files), BATCH)):
            pass
    return faults


def _pixels(source: ImageFolder, file: File) -> np.ndarray:
    """Return one image as uint8 (H, W, 3).

    Raises:
        Unreadable: it cannot be decoded, or changed since it was listed: a run must train on the images it was planned with.
    """
    content, _ = bytes_of(Path(source.root, file.path))
    if hashlib.sha256(content).hexdigest() != file.content.sha256:
        raise Unreadable("was changed after it was listed: start again")
    return pixels(content, source.size, source.background)
