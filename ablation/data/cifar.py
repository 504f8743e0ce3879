"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009, https://www.cs.toronto.edu/~kriz/cifar.html) through torchvision.

Owns the way from the archive to two sets of images. Never unpickles a byte whose md5 is not torchvision's, and never
leaves a file under the archive's name that is not the archive.
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
    """50,000 training and 10,000 test images (3, 32, 32) of 10 classes; downloads 163 MiB into `root` if need be.

    Args:
        root: the folder that has, or gets, cifar-10-python.tar.gz or cifar-10-batches-py/.
        limit, test_limit: class-balanced fixed subsets; val_size: images held out of train before `limit` applies.

    Raises:
        OSError: neither there nor to be had, or damaged; says what to put where.
        ValueError: a limit or val_size exceeds what is there.
    """
    return _load(CIFAR10, "CIFAR-10", Path(root), limit, test_limit, val_size)


@functools.lru_cache(maxsize=1)
def load_cifar100(root: str, limit: int | None = None, test_limit: int | None = None, val_size: int = 0) -> Dataset:
    """50,000 training and 10,000 test images (3, 32, 32) of 100 (fine) classes; else as `load_cifar10`."""
    return _load(CIFAR100, "CIFAR-100", Path(root), limit, test_limit, val_size)


def _load(kind: type[CIFAR10], name: str, root: Path, limit: int | None, test_limit: int | None, val_size: int) -> Dataset:
    try:
        train, test = kind(root, train=True), kind(root, train=False)
    except RuntimeError:  # torchvision's word for missing or wrong md5; the file was not unpickled
        with alone(root / f".{kind.filename}.lock"):
            _provide(kind, name, root)
            train, test = kind(root, train=True), kind(root, train=False)
    return assemble(name, _images(train), _images(test), tuple(train.classes), limit, test_limit, val_size)


def _images(split: CIFAR10) -> Images:
    # torchvision shows the rows of (3, 32, 32) as (32, 32, 3); turning the view back copies nothing
    return Images(torch.from_numpy(split.data.transpose(0, 3, 1, 2)).contiguous(), torch.tensor(split.targets))


def _provide(kind: type[CIFAR10], name: str, root: Path) -> None:
    """Have the batches of `kind` below `root`, from the archive that is there or from the network."""
    problem = _problem(kind, name, root / kind.base_folder)
    if problem is None:  # another process was quicker
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
    elif (found := _mismatch(archive, kind.tgz_md5)) is not None:
        raise OSError(f"{archive} is not {name}'s archive: {found}; delete it to download it again, or replace it")
    extract_archive(str(archive), str(root))


def _problem(kind: type[CIFAR10], name: str, folder: Path) -> str | None:
    """What is wrong with the extracted batches, as the beginning of a sentence; None if nothing is."""
    if not folder.is_dir():
        return f"{name} is not in {folder}"
    for file, md5 in [*kind.train_list, *kind.test_list, (kind.meta["filename"], kind.meta["md5"])]:
        if not (folder / file).is_file():
            return f"{folder / file} is missing"
        if (found := _mismatch(folder / file, md5)) is not None:
            return f"{folder / file} is damaged ({found})"
    return None


def _mismatch(path: Path, md5: str) -> str | None:
    """None if the file has this md5, else both and what the file looks like."""
    found = calculate_md5(path)
    if found == md5:
        return None
    with path.open("rb") as file:
        page = file.read(512).lstrip().lower().startswith((b"<!doctype", b"<html"))
    return f"expected md5 {md5}, found {found}, {path.stat().st_size:,} bytes{' of an HTML page' if page else ''}"


def _download(url: str, archive: Path, md5: str) -> None:
    """Fetch `url` under another name, and give it its name only when every byte has arrived.

    torchvision's own download writes to the final name and tries again over plain http.
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
        if (found := _mismatch(part, md5)) is not None:
            raise OSError(f"the server sent something else: {found}")
        flush(part)
        part.replace(archive)
        flush(archive.parent)
    finally:
        part.unlink(missing_ok=True)


def _reason(error: BaseException) -> str:
    """Why a download failed, in a few words."""
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answered {error.code} {error.reason}"
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    unreachable = (errno.ENETUNREACH, errno.EHOSTUNREACH)
    if isinstance(cause, socket.gaierror | ConnectionError | TimeoutError) or getattr(cause, "errno", 0) in unreachable:
        return "no network"
    return " ".join(str(cause).split()) or type(cause).__name__
