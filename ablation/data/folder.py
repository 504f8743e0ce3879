"""A folder of images as tensors: decoded once into a memory-mapped cache, mapped in milliseconds ever after.

Owns cache/imagefolder-*/, the decoded pixels: one folder for each content and way of decoding, whatever copy of the images it
was made from.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
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

from ablation.data.contents import BATCH, bytes_of
from ablation.data.decode import Unreadable, pixels, quiet
from ablation.data.images import Dataset, Images, assemble, content_checksum
from ablation.data.layout import ImageFolder, refusal, unusable
from ablation.data.listing import File, Listing, listing
from ablation.data.prepare import alone, bar, flush

THREADED_PIXELS = 10_000  # size of an image from which threads pay
DECODING = 2  # another number where `decode.pixels` gives other pixels: no older cache is used then

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
    """Images (3, H, W) below root/train/<class>/ and root/test/<class>/: see `listing` and `decode.pixels`.

    Args:
        root, train, test, test_share, size, background: see `ImageFolder`.
        limit, test_limit: class-balanced fixed subsets; val_size: images held out of train first.
        cache: folder for the decoded pixels (N * 3 * H * W bytes).

    Raises:
        OSError: the folder cannot be used, an image cannot be decoded or was changed since it was listed; too small a disk.
        ValueError: a limit or val_size exceeds what is there.
    """
    source = ImageFolder(root, cache, train, test, test_share, size, background)
    found = listing(source)
    way = json.dumps([DECODING, found.digest, size, background])
    folder = Path(cache) / f"imagefolder-{hashlib.sha256(way.encode()).hexdigest()[:16]}"
    cached = _mapped(folder, found)
    if cached is None:
        with alone(folder.with_suffix(".lock")):
            cached = _mapped(folder, found)  # another process may have made it while this one waited
            if cached is None:
                if folder.exists():
                    log.warning("%s: damaged, not what was decoded into it: decoded again", folder)
                _build(source, found, folder)
                cached = _mapped(folder, found)
        assert cached is not None
    with contextlib.suppress(OSError):
        os.utime(folder / "about.json")  # when it was last used, for cache=true
    pixels_of_train, pixels_of_test, checksum = cached
    return assemble(source.name, pixels_of_train, pixels_of_test, found.classes, limit, test_limit, val_size, checksum)


def _mapped(folder: Path, found: Listing) -> tuple[Images, Images, str] | None:
    """Train and test as a finished cache has them, with their checksum; None if there is no sound cache."""
    try:
        checksum = json.loads((folder / "about.json").read_text())["checksum"]
        train, test = (_map(folder / f"{split}.npy", files) for split, files in _splits(found))
    except (FileNotFoundError, ValueError, KeyError, EOFError):
        return None
    if len(train.pixels) != len(train.labels) or len(test.pixels) != len(test.labels):
        return None
    return (train, test, checksum) if content_checksum(train, test) == checksum else None


def _splits(found: Listing) -> tuple[tuple[str, tuple[File, ...]], ...]:
    return ("train", found.train), ("test", found.test)


def _map(path: Path, files: tuple[File, ...]) -> Images:
    """The pixels of one file of the cache, in the listing's order, with the listing's labels."""
    mapped = np.load(path, mmap_mode="c")  # "c": a write to the tensor stays in this process, never in the file
    return Images(torch.from_numpy(mapped), torch.tensor([file.label for file in files]))


def _build(source: ImageFolder, found: Listing, folder: Path) -> None:
    """Decode all images beside `folder` and give them its name in one rename. The caller holds the lock."""
    start = time.perf_counter()
    part = folder.with_suffix(".part")
    for old in (part, folder):  # torn by a crash; damaged
        shutil.rmtree(old, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        _check_space(found, part)
        _decode_all(source, found, part)
        train, test = (_map(part / f"{split}.npy", files) for split, files in _splits(found))
        about = {"name": source.name, "root": str(Path(source.root).resolve()), "images": len(train) + len(test)}
        about |= {"digest": found.digest, "height": found.height, "width": found.width, "background": source.background}
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


def _check_space(found: Listing, part: Path) -> None:
    """Refuse a disk that is too small: a write to a mapped file on a full one would kill the process."""
    needed = (len(found.train) + len(found.test)) * 3 * found.height * found.width
    if (free := shutil.disk_usage(part).free) < needed:
        gigabytes = f"{needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free"
        raise OSError(f"{part.parent}: the decoded images need {gigabytes}; name another folder: paths.cache=DIR")


def _decode_all(source: ImageFolder, found: Listing, part: Path) -> None:
    """Decode train and test into new array files, uint8 (N, 3, H, W) each."""
    faults: dict[str, str] = {}
    animated = [file.path for file in (*found.train, *found.test) if file.animated]
    if animated:
        log.warning("%d animated images, as %s: of each the first frame is taken", len(animated), animated[0])
    with quiet(), bar("decoding images", len(found.train) + len(found.test)) as advance:
        for split, files in _splits(found):
            shape = len(files), 3, found.height, found.width
            array = np.lib.format.open_memmap(part / f"{split}.npy", mode="w+", dtype=np.uint8, shape=shape)
            faults |= _decode(source, files, array, advance)
            array.flush()
    if faults:
        raise refusal(source, unusable(faults))


def _decode(source: ImageFolder, files: tuple[File, ...], array: np.ndarray, advance: Callable[[int], None]) -> dict[str, str]:
    """Decode files into `array`, uint8 (N, 3, H, W); return the reason for each that yields no image."""
    faults: dict[str, str] = {}

    def decode(start: int) -> None:
        batch = range(start, min(start + BATCH, len(files)))
        for i in batch:
            try:
                array[i] = _pixels(source, files[i]).transpose(2, 0, 1)
            except Unreadable as error:
                faults[files[i].path] = str(error)
        advance(len(batch))

    # Pillow frees the interpreter lock while it decodes, but for small files handing the lock over costs more
    # than it brings (60,000 images of 1 kB on two cores: 3.5 s with one thread, 7 s with two).
    large = files[0].height * files[0].width >= THREADED_PIXELS
    with ThreadPoolExecutor(os.cpu_count() if large else 1) as pool:
        for _ in pool.map(decode, range(0, len(files), BATCH)):
            pass
    return faults


def _pixels(source: ImageFolder, file: File) -> np.ndarray:
    """Return one image as uint8 (H, W, 3).

    Raises:
        Unreadable: it cannot be decoded, or is not what was listed: a run must not train on what it was not planned with.
    """
    content, _ = bytes_of(Path(source.root, file.path))
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise Unreadable("was changed after it was listed: start again")
    return pixels(content, source.size, source.background)
