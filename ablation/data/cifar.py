"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009, https://www.cs.toronto.edu/~kriz/cifar.html) through torchvision.

Finds or downloads the archive and returns train and test images. Nothing is unpickled before its md5 matches torchvision's,
and a file gets the archive's name only when it is complete.
"""

from __future__ import annotations

import errno
import functools
import http.client
import socket
import urllib.error
import urllib.request
from pathlib import Path

import torch
from torchvision.datasets import CIFAR10, CIFAR100
from torchvision.datasets.utils import calculate_md5, extract_archive

from ablation.data.images import Dataset, Images, assemble
from ablation.data.prepare import alone, bar, flush

TIMEOUT_S = 10.0  # for each wait on the network; nothing is retried
CHUNK_BYTES = 1 << 18


@functools.lru_cache(maxsize=1)
def load_cifar10(root: str, limit: int | None = None, test_limit: int | None = None, val_size: int = 0) -> Dataset:
    """Return 50,000 training and 10,000 test images (3, 32, 32) of 10 classes; downloads 163 MiB into `root` if necessary.

    Args:
        root: the folder that holds, or receives, cifar-10-python.tar.gz or cifar-10-batches-py/.
        limit, test_limit: class-balanced fixed subsets; val_size: images held out of train before `limit` applies.

    Raises:
        OSError: the data is missing and cannot be downloaded, or is damaged; the message says which file to put where.
        ValueError: a limit or val_size exceeds the number of images.
    """
    return _load(CIFAR10, "CIFAR-10", Path(root), limit, test_limit, val_size)


@functools.lru_cache(maxsize=1)
def load_cifar100(root: str, limit: int | None = None, test_limit: int | None = None, val_size: int = 0) -> Dataset:
    """Return 50,000 training and 10,000 test images (3, 32, 32) of the 100 fine classes; otherwise as `load_cifar10`."""
    return _load(CIFAR100, "CIFAR-100", Path(root), limit, test_limit, val_size)


def _load(kind: type[CIFAR10], name: str, root: Path, limit: int | None, test_limit: int | None, val_size: int) -> Dataset:
    try:
        train, test = kind(root, train=True), kind(root, train=False)
    except RuntimeError:  # torchvision raises this for a missing file or a wrong md5, before unpickling
        with alone(root / f".{kind.filename}.lock"):
            _provide(kind, name, root)
            train, test = kind(root, train=True), kind(root, train=False)
    return assemble(name, _images(train), _images(test), tuple(train.classes), limit, test_limit, val_size)


def _images(split: CIFAR10) -> Images:
    # torchvision gives a (32, 32, 3) view of rows stored as (3, 32, 32): transposing back copies nothing
    return Images(torch.from_numpy(split.data.transpose(0, 3, 1, 2)).contiguous(), torch.tensor(split.targets))


def _provide(kind: type[CIFAR10], name: str, root: Path) -> None:
    """Extract the batches of `kind` into `root`, from the archive there or a downloaded one."""
    problem = _problem(kind, name, root / kind.base_folder)
    if problem is None:  # another process has provided them meanwhile
        return
    archive = root / kind.filename
    if not archive.exists():
        try:
            _download(kind.url, archive, kind.tgz_md5)
        except (OSError, http.client.HTTPException) as error:
            raise OSError(
                f"{problem} and could not be downloaded ({_reason(error)}): put {kind.filename} "
                f"(md5 {kind.tgz_md5}) into {root}/, or use data=imagefolder data.root=DIR, or profile=demo"
            ) from error
    elif (mismatch := _mismatch(archive, kind.tgz_md5)) is not None:
        raise OSError(f"{archive} is not {name}'s archive: {mismatch}; delete it to download it again, or replace it")
    extract_archive(str(archive), str(root))


def _problem(kind: type[CIFAR10], name: str, folder: Path) -> str | None:
    """Return what is wrong with the extracted batches, as the start of an error message; None if they are intact."""
    if not folder.is_dir():
        return f"{name} is not in {folder}"
    for file, md5 in [*kind.train_list, *kind.test_list, (kind.meta["filename"], kind.meta["md5"])]:
        if not (folder / file).is_file():
            return f"{folder / file} is missing"
        if (mismatch := _mismatch(folder / file, md5)) is not None:
            return f"{folder / file} is damaged ({mismatch})"
    return None


def _mismatch(path: Path, md5: str) -> str | None:
    """Return None if the file has this md5, else both checksums, its size and whether it is an HTML page."""
    actual = calculate_md5(path)
    if actual == md5:
        return None
    with path.open("rb") as file:
        is_html = file.read(512).lstrip().lower().startswith((b"<!doctype", b"<html"))
    return f"expected md5 {md5}, found {actual}, {path.stat().st_size:,} bytes{' of an HTML page' if is_html else ''}"


def _download(url: str, archive: Path, md5: str) -> None:
    """Download `url` to a temporary name and rename it to `archive` once its md5 matches.

    torchvision's own download writes to the final name and retries over plain http.
    """
    part = archive.with_name(f".{archive.name}.part")
    try:
        request = urllib.request.Request(url, headers={"User-Agent": "python"})
        with (
            urllib.request.urlopen(request, timeout=TIMEOUT_S) as response,
            part.open("wb") as file,
            bar(f"downloading {archive.name} (bytes)", response.length) as advance,
        ):
            while chunk := response.read(CHUNK_BYTES):
                file.write(chunk)
                advance(len(chunk))
        if (mismatch := _mismatch(part, md5)) is not None:
            raise OSError(f"the server sent something else: {mismatch}")
        flush(part)
        part.replace(archive)
        flush(archive.parent)
    finally:
        part.unlink(missing_ok=True)


def _reason(error: BaseException) -> str:
    """Return why a download failed, in a few words."""
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answered {error.code} {error.reason}"
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    unreachable = (errno.ENETUNREACH, errno.EHOSTUNREACH)
    if isinstance(cause, socket.gaierror | ConnectionError | TimeoutError) or getattr(cause, "errno", 0) in unreachable:
        return "no network"
    return " ".join(str(cause).split()) or type(cause).__name__
