"""Commits of this repository as an axis of a sweep: `code=HEAD~3,HEAD`. Resolves names; checks out a commit beside the runs."""

from __future__ import annotations

import functools
import re
import subprocess
from pathlib import Path

from ablation.records.provenance import source_digest
from ablation.sweep.installation import PACKAGE
from ablation.sweep.refusal import Refused

HERE = "."  # the code of this process, uncommitted changes included
PLAIN = re.compile(r"(?!null$)[\w.~^@/-]+(,[\w.~^@/-]+)*")  # names of commits without quotes
LENGTH = 12  # hex digits of a commit in an identity


def quoted(argument: str) -> str:
    """Return `code=HEAD~3,HEAD` as Hydra reads it, `code='HEAD~3','HEAD'`: its grammar knows no ~, ^ and @ in a plain word."""
    name, equals, value = argument.partition("=")
    if name.lstrip("+") != "code" or not equals or not PLAIN.fullmatch(value):
        return argument
    return f"{name}={','.join(repr(part) for part in value.split(','))}"


@functools.cache
def resolved(code: str) -> str:
    """Return what an identity has under `code`: a commit's first 12 hex digits, or of `.` the digest of the code as it is.

    Raises:
        Refused: it is no commit of this repository, or there is no repository.
    """
    if code == HERE:
        return f"here-{source_digest()}"
    try:
        commit = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{code}^{{commit}}")
        _git("cat-file", "-e", f"{commit}:run.py")
    except (OSError, subprocess.CalledProcessError):
        raise Refused(
            f"code={code}: no commit with run.py in {PACKAGE.parent}; must be null, . (the code as it is) or a commit"
        ) from None
    return commit[:LENGTH]


def checkout(commit: str, folder: Path) -> Path:
    """Return a worktree of a commit in a folder, made if it is not there.

    Raises:
        Refused: git cannot make it; the message is git's.
    """
    if not (folder / "run.py").is_file():
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            _git("worktree", "prune")
            _git("worktree", "add", "--force", "--detach", str(folder.absolute()), commit)
        except subprocess.CalledProcessError as error:
            reason = (error.stderr.strip().splitlines() or ["git failed"])[-1]
            raise Refused(f"code={commit}: git cannot check it out into {folder}: {reason}") from None
    return folder


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(PACKAGE.parent), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
