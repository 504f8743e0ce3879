"""What data=imagefolder keeps on the disk, listed and cleaned: decoded images, and what was read of each file.

Owns the names of what may be deleted: nothing else in the folder is touched. Never imports torch.
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
    """One thing that is kept: where, what it is in words, its bytes on the disk, when it was last used (s since 1970)."""

    path: Path
    words: str
    size: int
    used: float


def cached(cache: Path) -> list[Cached]:
    """Return what is kept in a folder, last used first."""
    return sorted(_cached(cache), key=lambda each: each.used, reverse=True)


def _cached(cache: Path) -> Iterator[Cached]:
    for path in sorted(cache.glob("imagefolder-*")):
        if path.is_dir():
            about = path / "about.json"
            size = sum(file.stat().st_blocks * 512 for file in path.iterdir())  # as du: a file half written is sparse
            yield Cached(path, _about(about), size, (about if about.exists() else path).stat().st_mtime)
    for path in sorted((cache / "contents").glob("*.json")):
        words = f"digests of {_content(path).get('folder', 'a folder')}"
        yield Cached(path, words, path.stat().st_blocks * 512, path.stat().st_mtime)


def _about(path: Path) -> str:
    """Say what a folder of decoded images holds."""
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
    """Delete what is kept; return what was deleted, and what another process is making now.

    A run that has mapped such a file goes on. The empty lock files stay: another process may be waiting for one.

    Raises:
        OSError: the folder cannot be written.
    """
    deleted, held = [], []
    for each in cached(cache):
        try:
            with alone(each.path.with_suffix(".lock"), wait=False):
                shutil.rmtree(each.path) if each.path.is_dir() else each.path.unlink()
            deleted.append(each)
        except Held:
            held.append(each)
    return deleted, held
