"""The report's figures as the page carries them: what `make_figures.py` wrote into figures.json, with the images themselves.

Owns what the page takes from there. A figure that cannot be shown becomes a line, never a broken image.
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ablation.records.numbers import size

LARGEST = 20_000_000  # bytes of a figure that a page still carries
PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Picture:
    """A figure of `make_figures.py`."""

    number: int
    title: str
    caption: str
    width: int  # pixels
    height: int
    uri: str  # data:image/png;base64,...


@dataclass(frozen=True)
class Pictures:
    """The figures by number, and a line for each that cannot be shown."""

    shown: Sequence[Picture] = ()
    problems: Sequence[str] = ()


def pictures(folder: Path) -> Pictures:
    """Read the folder of `make_figures.py`; nothing if it is not there."""
    try:
        entries = json.loads((folder / "figures.json").read_bytes())["figures"]
        listed = sorted(entries, key=lambda entry: int(entry["number"]))
    except FileNotFoundError:
        return Pictures()
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        return Pictures(problems=[f"figures.json: {type(error).__name__}"])
    shown: list[Picture] = []
    problems: list[str] = []
    for entry in listed:
        try:
            shown.append(_picture(folder, entry))
        except (OSError, ValueError, KeyError, TypeError) as error:
            problems.append(f"figure {int(entry['number'])}: {error.strerror if isinstance(error, OSError) else error}")
    return Pictures(shown, problems)


def _picture(folder: Path, entry: Mapping[str, Any]) -> Picture:
    name = str(entry["file"])
    if Path(name).name != name:
        raise ValueError("its file is not in the figures' folder")
    file = folder / name
    if file.stat().st_size > LARGEST:
        raise ValueError(f"larger than {size(LARGEST)}")
    content = file.read_bytes()
    if not content.startswith(PNG) or len(content) < len(PNG) + 16:
        raise ValueError("not a PNG")
    width, height = struct.unpack_from(">II", content, len(PNG) + 8)  # its header chunk comes first
    uri = f"data:image/png;base64,{base64.b64encode(content).decode()}"
    return Picture(int(entry["number"]), str(entry["title"]), str(entry["caption"]), width, height, uri)
