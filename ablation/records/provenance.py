"""A run's provenance for its record: code, package versions, machine. Nothing here changes a result.

Also computes the source digest of the code that can change a run's numbers.
Imports no torch: versions come from the metadata of installed packages.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import platform
import socket
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parents[1]
NUMBERS = ("data/*.py", "models/*.py", "training/*.py", "sweep/identity.py")  # what can change a run's numbers
PACKAGES = ("torch", "torchvision", "hydra-core", "omegaconf", "wandb", "numpy")


@functools.cache
def source_digest() -> str:
    """Return the digest of the code that can change a run's numbers: see NUMBERS and `digest_of`."""
    files = sorted(file for name in NUMBERS for file in PACKAGE.glob(name))
    return digest_of(tuple((file.relative_to(PACKAGE).as_posix(), file) for file in files))


@functools.cache
def digest_of(files: tuple[tuple[str, Path], ...]) -> str:
    """Return the first 16 hex digits of sha256 over Python files, each with the name under which it counts.

    Comments, docstrings and formatting do not count, so changing them makes no run stale.

    Raises:
        ValueError: a file is not valid Python.
    """
    digest = hashlib.sha256()
    for name, file in files:
        try:
            tree = executed(file.read_text(encoding="utf-8"))
        except SyntaxError as error:
            raise ValueError(f"{file}: cannot be read as Python: {error}") from None
        digest.update(f"{name}\0{tree}\0".encode())
    return digest.hexdigest()[:16]


def executed(source: str) -> str:
    """Return a module's syntax tree as text, without its docstrings; comments are not in a tree.

    Not `ast.dump`, whose text differs between versions of Python.

    Raises:
        SyntaxError: it is not valid Python.
    """
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = node.body[ast.get_docstring(node) is not None :]
    return repr(_nested(tree))


def _nested(node: Any) -> Any:
    """Return a syntax tree as nested lists without empty fields, because newer versions of Python add fields."""
    if isinstance(node, ast.AST):
        fields = [[name, _nested(value)] for name, value in ast.iter_fields(node) if value is not None and value != []]
        return [type(node).__name__, *fields]
    return [_nested(element) for element in node] if isinstance(node, list) else repr(node)


def _git(*arguments: str) -> str | None:
    try:
        process = subprocess.run(["git", *arguments], cwd=PACKAGE, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None  # no git, or not a checkout: the source digest still identifies the version
    return process.stdout.strip()


@functools.cache
def _commit() -> tuple[str | None, bool | None]:
    """Return the commit and whether tracked files differ from it; computed once per process.

    An installed package has neither: a repository around its folder does not track it.
    """
    if not _git("ls-files", "--", __file__):
        return None, None
    status = _git("status", "--porcelain", "--untracked-files=no")
    return _git("rev-parse", "HEAD"), None if status is None else bool(status)


def code(own: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return commit, dirty and source digest, and `own` if there are any; commit and dirty are None without a git checkout.

    Args:
        own: digest of each package of the user's own that the run uses.
    """
    commit, dirty = _commit()
    return {"commit": commit, "dirty": dirty, "source": source_digest(), **({"own": dict(own)} if own else {})}


def same_code(recorded: Mapping[str, Any], own: Mapping[str, str]) -> bool:
    """Return True if a record's `code` is that of this program and of these packages."""
    return recorded["source"] == source_digest() and (recorded.get("own") or {}) == own


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None  # a run that does not need the package trains without it: wandb under tracker=none


def provenance(own: Mapping[str, str] | None = None, **facts: Any) -> dict[str, Any]:
    """Return code, versions and machine, together with the caller's facts (device, data checksum); `own` as for `code`."""
    versions = {"python": platform.python_version(), **{name: found for name in PACKAGES if (found := _version(name))}}
    machine = {"host": socket.gethostname(), "system": platform.system(), "machine": platform.machine()}
    return {"code": code(own), "versions": versions, "machine": machine, **facts}
