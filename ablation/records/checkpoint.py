"""A run's checkpoints: one file an epoch, named after its own digest, placed by one rename.

A `.pt` file has no usable checksum and a sidecar can survive without its file, so the digest stands in the name: the newest
file whose content has it wins. Tensors and plain types only; everything is loaded with `weights_only=True`.
"""

from __future__ import annotations

import hashlib
import logging
import os
import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import torch

from ablation.records.files import sync_folder
from ablation.records.outcome import CHECKPOINT

FORMAT = 1

log = logging.getLogger(__name__)


class _Hashing:
    """A file that remembers sha256 of what is written to it: no second pass, no copy in memory."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.sha256 = file, hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.sha256.update(data)
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()


class Checkpoints:
    """The folder runs/<run id>/checkpoints.

    Args:
        folder: made where missing; leftovers of a killed write are swept.
        run: the run's digest; a file of another run is refused.
        checkpoint_every: epochs between resume files.
        keep_weights: kinds of weights that stay once the run is done (`best`, `last`, `val`).
    """

    def __init__(self, folder: Path, run: str, checkpoint_every: int, keep_weights: list[str]) -> None:
        self.folder, self.run, self.every, self.keep = folder, run, checkpoint_every, keep_weights
        folder.mkdir(parents=True, exist_ok=True)
        for leftover in folder.glob(".tmp.*"):
            leftover.unlink()

    def save(self, epoch: int, state: dict[str, Any], *, chosen: dict[str, int], final: bool) -> None:
        """Write the state after `epoch` if it is due, is the last, or holds weights that may be kept; prune the others.

        Args:
            epoch: from 1.
            state: tensors and plain types.
            chosen: epoch of each kind of weights (`best`, ...) as things stand.
            final: no epoch follows.
        """
        wanted = {chosen[kind] for kind in self.keep if kind in chosen and (kind != "last" or final)}
        if epoch % self.every and not final and epoch not in wanted:
            return
        self._write("epoch", epoch, {"state": state})
        resume = [file for file in self._files("epoch") if _epoch(file) <= epoch]
        for file in resume[2:]:
            if _epoch(file) not in wanted:
                file.unlink()

    def load(self) -> dict[str, Any] | None:
        """Return the newest sound state, or None where there is none; says what it passed over and why.

        Raises:
            ValueError: a sound file belongs to another run or has another format.
        """
        for file in self._files("epoch"):
            content = self._read(file)
            if content is not None:
                state: dict[str, Any] = content["state"]
                return state
        return None

    def extract(self, chosen: dict[str, int]) -> None:
        """Write the weights that stay, from the resume files of their epochs: the last step before a run is done.

        Not a part of `save`: a run killed between its last checkpoint and this is continued, and trains no epoch.
        """
        for kind in (kind for kind in self.keep if kind in chosen):
            for file in self._files("epoch"):
                if _epoch(file) == chosen[kind] and (content := self._read(file)) is not None:
                    self._write(kind, chosen[kind], {"model": content["state"]["model"]})
                    break
            else:
                log.warning("%s: no sound checkpoint of epoch %d: no %s weights stay", self.folder, chosen[kind], kind)

    def _write(self, kind: str, epoch: int, content: dict[str, Any]) -> None:
        temporary = self.folder / f".tmp.{kind}.{os.getpid()}"
        try:
            with temporary.open("wb") as file:
                hashing = _Hashing(file)
                torch.save({"format": FORMAT, "run": self.run, "epoch": epoch, **content}, hashing)  # type: ignore[arg-type]  # torch only writes
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self.folder / f"{kind}-{epoch:04d}.{hashing.sha256.hexdigest()[:16]}.pt")
        except (OSError, RuntimeError) as error:  # torch.save wraps what the file raised
            written = temporary.stat().st_size if temporary.exists() else 0
            temporary.unlink(missing_ok=True)
            free = shutil.disk_usage(self.folder).free
            reason = (str(error.__context__ or error).splitlines() or [""])[0]
            raise OSError(
                f"{self.folder}: the checkpoint of epoch {epoch} cannot be written ({reason}) after {written:,} bytes,"
                f" {free:,} free; the one before is intact: make room and run the same command again"
            ) from error
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(self.folder)

    def _read(self, file: Path) -> dict[str, Any] | None:
        """Return the content of a sound file; None, with a warning that names it, of a damaged one."""
        found, named = file_digest(file), file.name.split(".")[1]
        if found != named:
            log.warning("%s: damaged (content %s, name %s): passed over and renamed .damaged", file, found, named)
            file.rename(file.with_name(f"{file.name}.damaged"))
            return None
        try:
            content = _load(file)
        except ValueError as error:
            log.warning("%s: passed over and renamed .damaged", error)
            file.rename(file.with_name(f"{file.name}.damaged"))
            return None
        if content["format"] != FORMAT or content["run"] != self.run:
            raise ValueError(
                f"{file}: of run {content['run']} in format {content['format']}, expected {self.run} in format {FORMAT}:"
                " move the file away to go on"
            )
        return content

    def _files(self, kind: str) -> list[Path]:
        """Return the files of a kind, newest epoch first: by the epoch in the name, never by the clock."""
        return sorted(_matching(self.folder, kind), key=_epoch, reverse=True)


def load_weights(folder: Path, kind: str = "best") -> dict[str, Any]:
    """Return {"epoch", "model"} of the weights that a done run kept.

    Raises:
        FileNotFoundError: there are none.
        ValueError: the file's content is not what its name says.
    """
    for file in _matching(folder, kind):
        if file_digest(file) != file.name.split(".")[1]:
            raise ValueError(f"{file}: damaged: its content has not the digest it is named after; train the run again")
        return _load(file)
    raise FileNotFoundError(f"{folder}: no {kind} weights; runs keep those in records.keep_weights once they are done")


def _load(file: Path) -> dict[str, Any]:
    """Return a file's tensors and plain values; code in it is not run.

    Raises:
        ValueError: it holds something else. torch's own message would advise weights_only=False.
    """
    try:
        content: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(f"{file}: no file of weights: more in it than tensors and plain values") from error
    return content


def file_digest(file: Path) -> str:
    """Return the first 16 hex digits of a file's sha256."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()[:16]


def _matching(folder: Path, kind: str) -> Iterator[Path]:
    return (file for file in folder.glob(f"{kind}-*.pt") if CHECKPOINT.fullmatch(file.name))


def _epoch(file: Path) -> int:
    return int(file.name.split(".")[0].split("-")[1])
