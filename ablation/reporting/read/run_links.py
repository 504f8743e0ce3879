"""Where a page can lead to of each run: its folder, as seen from the page, and its page in W&B.

Reads the tracker's part of outcome.json, of at most MOST runs. What is not there has no link; a damaged record has none either.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

MOST = 1000  # runs that are looked up: a page of more is not read to its end
ADDRESS = re.compile(r"https?://[^\s<>\"'`\\]+")


@dataclass(frozen=True)
class Links:
    """Addresses of one run, None where it has none."""

    folder: str | None = None  # relative to the page
    page: str | None = None  # in W&B


def read(runs: Path, names: Iterable[str], start: Path) -> dict[str, Links]:
    """Return the links of the runs that have any.

    Args:
        runs: the folder of all runs.
        names: run ids; the first MOST are looked up.
        start: the folder in which the page lies.
    """
    base = os.path.relpath(runs.resolve(), start.resolve())
    found = {}
    for name in list(names)[:MOST]:
        if (runs / name).is_dir():
            folder = quote(Path(base, name).as_posix(), safe="/") + "/"
            found[name] = Links(folder, _page(runs / name / "outcome.json"))
    return found


def _page(record: Path) -> str | None:
    """Return the address that the tracker wrote, if it is one of the web."""
    try:
        address = json.loads(record.read_bytes())["tracker"]["url"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return address if isinstance(address, str) and ADDRESS.fullmatch(address) else None
