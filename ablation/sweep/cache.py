"""`cache=true` and `cache=clean`: list or delete the files of data=imagefolder in paths.cache, with their sizes.

Deleted files are made again when they are needed; the times that check=true measured are not deleted.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ablation.data import caches
from ablation.data.caches import Cached
from ablation.records.numbers import size


def list_or_clean(config: Mapping[str, Any]) -> int:
    """Print or delete the cached files of a command's data; return the exit code, 1 if a file could not be deleted."""
    folders = dict.fromkeys(Path(folder) for folder in (config["paths"]["cache"], config["data"].get("cache")) if folder)
    return max([_clean(folder) if config["cache"] == "clean" else _list(folder) for folder in folders])


def _list(folder: Path) -> int:
    kept = caches.cached(folder)
    print(f"cache: {folder}: {size(_total(kept))}{' (cache=clean deletes it)' if kept else ': nothing is kept'}")
    for each in kept:
        print(_line(each))
    return 0


def _clean(folder: Path) -> int:
    deleted, in_use = caches.clean(folder)
    for each in deleted:
        print(_line(each))
    print(f"cache: {folder}: {size(_total(deleted))} freed")
    for each in in_use:
        print(f"cache: {each.path}: kept, another process is making it")
    return 1 if in_use else 0


def _total(kept: Sequence[Cached]) -> int:
    return sum(each.size for each in kept)


def _line(each: Cached) -> str:
    used = time.strftime("%Y-%m-%d %H:%M", time.localtime(each.used))
    return f"  {size(each.size):>8}  used {used}  {each.path.name}  {each.words}"
