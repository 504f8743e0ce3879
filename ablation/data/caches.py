"""List and delete the caches of data=imagefolder: decoded images, and the digest and size of each image file.

Only files under the caches' own names are deleted. Does not import torch.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ablation.data.prepare import Held, alone


@dataclass(frozen=True)
class Cached:
    """One cache: its path, a description, its size on disk in bytes, and when it was last used (seconds since 1970)."""

    path: Path
    words: str
    size: int
    used: float


def cached(cache: Path) -> list[Cached]:
    """Return the caches in a folder, last used first."""
    return sorted(_cached(cache), key=lambda cache_entry: cache_entry.used, reverse=True)


def _cached(cache: Path) -> Iterator[Cached]:
    for path in sorted(cache.glob("imagefolder-*")):
        if path.is_dir():
            about = path / "about.json"
            size = sum(file.stat().st_blocks * 512 for file in path.iterdir())  # as du counts: a partly written file is sparse
            yield Cached(path, _about(about), size, (about if about.exists() else path).stat().st_mtime)
    for path in sorted((cache / "contents").glob("*.json")):
        words = f"digests of {_content(path).get('folder', 'a folder')}"
        yield Cached(path, words, path.stat().st_blocks * 512, path.stat().st_mtime)


def _about(path: Path) -> str:
    """Return a description of a folder of decoded images."""
    if path.parent.suffix == ".part":
        return "images half decoded, or being decoded"
    about = _content(path)
    if "name" not in about:
        return "images decoded by an earlier version: no longer used"
    return f"{about['images']:,} images of {about['name']}, {about['width']} x {about['height']}"


def _content(path: Path) -> dict[str, str | int]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def clean(cache: Path) -> tuple[list[Cached], list[Cached]]:
    """Delete the caches; return those deleted, and those that another process is writing now.

    A run that has mapped a deleted file is not disturbed. Lock files stay: another process may be waiting for one.

    Raises:
        OSError: the folder cannot be written.
    """
    deleted, held = [], []
    for cache_entry in cached(cache):
        try:
            with alone(cache_entry.path.with_suffix(".lock"), wait=False):
                shutil.rmtree(cache_entry.path) if cache_entry.path.is_dir() else cache_entry.path.unlink()
            deleted.append(cache_entry)
        except Held:
            held.append(cache_entry)
    return deleted, held
