"""A run's digest, run id and cell: pure functions of its identity.

The identity is one flat dictionary: option names under `data`, `resizer`, ..., values under dotted keys, and the seed.
Runs of equal identity have the same digest and the same folder, whatever launcher starts them.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

GROUPS = ("data", "backbone", "resizer", "aug", "optimizer", "schedule")
IN_ID = ("resizer", "aug", "backbone")  # groups whose options stand in a run id
LONGEST = 64  # characters of a run id: W&B's limit is 128, a file name's 255


def digest(identity: dict[str, Any]) -> str:
    """Return the first 10 hex digits of sha256 over the identity as canonical JSON (sorted keys; 1.0 is 1)."""
    plain = {key: _canonical(value) for key, value in identity.items()}
    return hashlib.sha256(json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:10]


def run_id(identity: dict[str, Any]) -> str:
    """Return `<resizer>-<aug>-<backbone>-s<seed>-<digest>`: `[a-z0-9_-]`, at most 64 characters, the readable part cut."""
    readable = "-".join(re.sub(r"[^a-z0-9_]", "_", str(identity[group]).lower()) for group in IN_ID)
    tail = f"-s{identity['seed']}-{digest(identity)}"
    return readable[: LONGEST - len(tail)] + tail


def cell(identity: dict[str, Any]) -> str:
    """Return the digest of a run's cell: its identity without the seed."""
    return digest({key: value for key, value in identity.items() if key != "seed"})


def _canonical(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list | tuple):
        return [_canonical(element) for element in value]
    return value
