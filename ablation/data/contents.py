"""The sha256 and pixel size of each image file, and a check that it can be decoded. Each file is read once.

Results are cached in cache/contents/, one file per image folder, keyed by each image file's size, times and inode. A file
that changed less than two seconds before it was read is not cached: a second change within the clock's resolution would be
missed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

BATCH = 256  # files per task of a reading thread
THREADED_BYTES = 16_384  # mean file size from which several threads are faster than one
YOUNG_NS = 2_000_000_000
FORMAT = 2  # of the cache file; a file with another number is ignored

log = logging.getLogger(__name__)


class Content(NamedTuple):
    """sha256 (hex) of a file; height and width of the upright image in pixels; whether it has several frames."""

    sha256: str
    height: int
    width: int
    animated: bool

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self[1:3]


def read(folder: Path, stamps: Mapping[str, str], cache: Path) -> tuple[dict[str, Content], dict[str, str]]:
    """Return the content of each file that is an image, and the reason for each that is not.

    Args:
        folder: where the files are.
        stamps: path relative to `folder` -> `stamp` of the file.
        cache: folder of the cache. If it cannot be written, a warning is logged and every start reads all images.
    """
    store = cache / "contents" / f"{hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:16]}.json"
    contents, unknown = _known(store, stamps)
    if not unknown:
        return contents, {}
    from ablation.data.prepare import alone, publish

    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):  # read-only, or a file system without locks: two processes may then read at once
            stack.enter_context(alone(store.with_suffix(".lock")))
        contents, unknown = _known(store, stamps)  # another process may have read them while this one waited
        fresh, faults = _read_all(folder, {path: stamps[path] for path in unknown})
        contents |= {path: content for path, (_, content) in fresh.items()}
        trusted = {path: stamp for path in contents if (stamp := fresh[path][0] if path in fresh else stamps[path])}
        columns = list(zip(*(contents[path] for path in trusted), strict=True))
        stored = {"format": FORMAT, "folder": str(folder.resolve()), "stamps": trusted, "contents": columns}
        try:
            publish(store, json.dumps(stored, separators=(",", ":")).encode())
        except OSError as error:
            reason = error.strerror or type(error).__name__
            log.warning("%s: %s, so each start reads every image; name another folder: paths.cache=DIR", store.parent, reason)
    return contents, faults


def _known(store: Path, stamps: Mapping[str, str]) -> tuple[dict[str, Content], list[str]]:
    """Return the cached contents of unchanged files, and the paths of the files to be read."""
    try:
        stored = json.loads(store.read_bytes())
        known: dict[str, str] = stored["stamps"] if stored["format"] == FORMAT else {}
        contents = dict(zip(known, map(Content._make, zip(*stored["contents"], strict=True)), strict=True))
        if known != stamps:
            contents = {path: contents[path] for path, mark in stamps.items() if known.get(path) == mark}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # missing or damaged: read all files
        contents = {}
    return contents, [path for path in stamps if path not in contents]


def stamp(status: os.stat_result) -> str:
    """Return size, times and inode as text; it changes with every write to the file (st_ctime cannot be set back)."""
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns} {status.st_ino}"


def _read_all(folder: Path, stamps: Mapping[str, str]) -> tuple[dict[str, tuple[str, Content]], dict[str, str]]:
    """Read files; return stamp and content of each image, and the reason for each file that is not an image."""
    from ablation.data.decode import Unreadable, quiet
    from ablation.data.prepare import bar

    fresh: dict[str, tuple[str, Content]] = {}
    faults: dict[str, str] = {}
    paths = list(stamps)

    def read_batch(start: int) -> int:
        batch = paths[start : start + BATCH]
        for path in batch:
            try:
                fresh[path] = _read_one(folder / path)
            except Unreadable as error:
                faults[path] = str(error)
        return len(batch)

    # Pillow and hashlib release the GIL, but for small files the switching costs more than it saves.
    sizes = [int(mark.partition(" ")[0]) for mark in stamps.values()]
    large = sum(sizes) >= THREADED_BYTES * len(sizes)
    with quiet(), bar("reading images", len(paths)) as advance, ThreadPoolExecutor(os.cpu_count() if large else 1) as pool:
        for count in pool.map(read_batch, range(0, len(paths), BATCH)):
            advance(count)
    return fresh, faults


def _read_one(path: Path) -> tuple[str, Content]:
    """Return stamp and content of one file; the stamp is empty if the file changed less than two seconds ago.

    Raises:
        Unreadable: it cannot be read or decoded, or it changed meanwhile.
    """
    from ablation.data.decode import inspect

    content, status = bytes_of(path)
    header = inspect(content)
    young = time.time_ns() - status.st_ctime_ns < YOUNG_NS
    return "" if young else stamp(status), Content(hashlib.sha256(content).hexdigest(), *header)


def bytes_of(path: Path) -> tuple[bytes, os.stat_result]:
    """Return a file's bytes, and its status, which must be the same before and after reading.

    Raises:
        Unreadable: it cannot be read, or it changed meanwhile.
    """
    from ablation.data.decode import Unreadable

    try:
        with path.open("rb", buffering=0) as file:
            before = os.fstat(file.fileno())
            content = file.readall()
            after = os.fstat(file.fileno())
    except OSError as error:
        raise Unreadable((error.strerror or type(error).__name__).lower()) from None
    if stamp(before) != stamp(after) or len(content) != after.st_size:
        raise Unreadable("changes while it is read: wait until nothing writes to it")
    return content, after
