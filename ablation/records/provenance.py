"""Where a run came from: code, versions, machine. Facts for the record; nothing here changes a result.

Owns the source digest. Imports no torch: versions come from the installed packages' metadata.
"""

from __future__ import annotations

import functools
import hashlib
import platform
import socket
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parents[1]
PACKAGES = ("torch", "torchvision", "hydra-core", "omegaconf", "wandb", "numpy")


@functools.cache
def source_digest() -> str:
    """Return the first 16 hex digits of sha256 over the package's source, reporting/ left out: it cannot change a run."""
    digest = hashlib.sha256()
    for file in sorted(PACKAGE.rglob("*.py")):
        name = file.relative_to(PACKAGE).as_posix()
        if not name.startswith("reporting/"):
            digest.update(f"{name}\0".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=PACKAGE, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None  # no git, or not a checkout: the source digest still tells versions apart
    return done.stdout.strip()


@functools.cache
def _commit() -> tuple[str | None, bool | None]:
    """Return the commit and whether tracked files differ from it; asked once a process."""
    status = _git("status", "--porcelain", "--untracked-files=no")
    return _git("rev-parse", "HEAD"), None if status is None else bool(status)


def code() -> dict[str, Any]:
    """Return commit, dirty and source digest: null where there is no git checkout."""
    commit, dirty = _commit()
    return {"commit": commit, "dirty": dirty, "source": source_digest()}


def provenance(**facts: Any) -> dict[str, Any]:
    """Return code, versions and machine, with the facts that only the caller knows (device, data checksum)."""
    versions = {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}
    machine = {"host": socket.gethostname(), "system": platform.system(), "machine": platform.machine()}
    return {"code": code(), "versions": versions, "machine": machine, **facts}
