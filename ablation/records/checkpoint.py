"""A run's checkpoints: resume files of whole epochs, written during training, and the weights that a done run keeps.

A run resumes from the newest file whose content matches the digest in its name. This module decides which files are written
and when; tensor_file.py writes one.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any

from ablation.records import tensor_file
from ablation.records.outcome import CHECKPOINT
from ablation.records.snapshot import snapshot
from ablation.records.tensor_file import file_digest

FORMAT = 2
READABLE = (1, 2)  # in format 1 the weights of a chosen epoch are in that epoch's own file
KEPT = 2  # resume files; while the next one is written there are three

log = logging.getLogger(__name__)


class Checkpoints:
    """The folder runs/<run id>/checkpoints, as a context manager whose exit writes the last epoch saved if the run was stopped.

    A file has the state after its epoch and the weights of the epochs chosen so far. One thread writes it from a copy. A killed
    run resumes from the newest complete file and loses only the epochs after it; a stopped one loses no finished epoch.

    Args:
        folder: created if missing; leftover temporary files are deleted.
        run: the run's digest; a file of another run is refused.
        checkpoint_every: minimum number of epochs between resume files.
        keep_weights: kinds of weights that a done run keeps (`best`, `last`, `val`).
        checkpoint_minutes: minimum time between resume files.
    """

    def __init__(
        self, folder: Path, run: str, checkpoint_every: int, keep_weights: list[str], checkpoint_minutes: float = 0.0
    ) -> None:
        self.folder, self.run, self.keep = folder, run, keep_weights
        self.every, self.seconds = checkpoint_every, 60 * checkpoint_minutes
        self._last_write = time.monotonic()  # or the start of the run
        self._weights: dict[int, dict[str, Any]] = {}  # of the chosen epochs, in memory
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._writing: Future[None] | None = None
        self._unwritten: tuple[int, dict[str, Any]] | None = None  # the last epoch saved and the content of its file
        folder.mkdir(parents=True, exist_ok=True)
        for leftover in folder.glob(".tmp.*"):
            leftover.unlink()

    def save(self, epoch: int, state: dict[str, Any], *, chosen: dict[str, int], final: bool) -> None:
        """Copy the state after `epoch`, and start to write it if a resume file is due and no other is being written.

        Args:
            epoch: from 1.
            state: tensors and plain types; `model` has the weights. May change as soon as this returns.
            chosen: epoch of each kind of weights (`best`, ...) so far.
            final: this is the last epoch; the file is complete when this returns.

        Raises:
            OSError: this file or the previous one cannot be written.
        """
        if final or (self._writing is not None and self._writing.done()):
            self.wait()
        wanted = {chosen[kind] for kind in self.keep if kind in chosen and (kind != "last" or final)}
        weights = {number: model for number, model in self._weights.items() if number in wanted}
        state = snapshot(state)
        if epoch in wanted:
            weights[epoch] = state["model"]
        self._weights = weights
        self._unwritten = epoch, {"state": state, "weights": weights}
        interval_over = epoch % self.every == 0 and time.monotonic() - self._last_write >= self.seconds
        if final or (interval_over and self._writing is None):
            self._start_writing()
        if final:
            self.wait()

    def _start_writing(self) -> None:
        """Have the thread write the last epoch saved, unless it has been written."""
        if self._unwritten is not None:
            self._last_write = time.monotonic()
            self._writing = self._thread.submit(self._replace, *self._unwritten)
            self._unwritten = None

    def wait(self) -> None:
        """Wait until no file is being written.

        Raises:
            OSError: the file cannot be written.
        """
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def __enter__(self) -> Checkpoints:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self.wait()
            if not isinstance(error, Exception):  # stopped, by Ctrl-C or a signal
                self._start_writing()
                self.wait()
        except OSError as write_error:
            if error is None:
                raise
            log.warning("%s", write_error)  # `error` itself ends the run
        finally:
            self._thread.shutdown()

    def load(self) -> dict[str, Any] | None:
        """Return the newest undamaged state, None if there is none; log which files were skipped and why.

        Raises:
            ValueError: an undamaged file belongs to another run or has another format.
        """
        files = self._files("epoch")
        for index, file in enumerate(files):
            content = self._read(file)
            if content is not None:
                state: dict[str, Any] = content["state"]
                older = [self._read(other) for other in files[index + 1 :]] if content["format"] == 1 else []
                self._weights = {entry["epoch"]: entry["state"]["model"] for entry in older if entry is not None}
                self._weights |= {**content.get("weights", {}), content["epoch"]: state["model"]}
                return state
        return None

    def extract(self, chosen: dict[str, int]) -> None:
        """Write the weights that a done run keeps, as the last step of the run.

        Separate from `save`, so that a run killed after its last checkpoint does this when it resumes, without training.
        """
        for kind in (kind for kind in self.keep if kind in chosen):
            if chosen[kind] in self._weights:
                self._write(kind, chosen[kind], {"model": dict(self._weights[chosen[kind]])})
            else:
                log.warning("%s: no sound checkpoint of epoch %d: no %s weights stay", self.folder, chosen[kind], kind)

    def _replace(self, epoch: int, content: dict[str, Any]) -> None:
        """Write a resume file, then delete those that are no longer needed."""
        self._write("epoch", epoch, content)
        for file in [file for file in self._files("epoch") if _epoch(file) <= epoch][KEPT:]:
            file.unlink()

    def _write(self, kind: str, epoch: int, content: dict[str, Any]) -> None:
        content = {"format": FORMAT, "run": self.run, "epoch": epoch, **content}
        tensor_file.write(self.folder, f"{kind}-{epoch:04d}", content)

    def _read(self, file: Path) -> dict[str, Any] | None:
        """Return the content of a file; of a damaged one log a warning, rename it and return None."""
        actual, expected = file_digest(file), file.name.split(".")[1]
        if actual != expected:
            log.warning("%s: damaged (content %s, name %s): passed over and renamed .damaged", file, actual, expected)
            file.rename(file.with_name(f"{file.name}.damaged"))
            return None
        try:
            content = tensor_file.read(file)
        except ValueError as error:
            log.warning("%s: passed over and renamed .damaged", error)
            file.rename(file.with_name(f"{file.name}.damaged"))
            return None
        if content["format"] not in READABLE or content["run"] != self.run:
            raise ValueError(
                f"{file}: of run {content['run']} in format {content['format']}, expected {self.run} in format"
                f" {' or '.join(map(str, READABLE))}: move the file away to go on"
            )
        return content

    def _files(self, kind: str) -> list[Path]:
        """Return the files of a kind, newest epoch first: by the epoch in the name, not by modification time."""
        return sorted(_matching(self.folder, kind), key=_epoch, reverse=True)


def load_weights(folder: Path, kind: str = "best") -> dict[str, Any]:
    """Return {"epoch", "model"} of the weights that a done run kept.

    Raises:
        FileNotFoundError: the run kept no weights of this kind.
        ValueError: the file's content does not match the digest in its name.
    """
    for file in _matching(folder, kind):
        if file_digest(file) != file.name.split(".")[1]:
            raise ValueError(f"{file}: damaged: its content has not the digest it is named after; train the run again")
        return tensor_file.read(file)
    raise FileNotFoundError(f"{folder}: no {kind} weights; runs keep those in records.keep_weights once they are done")


def _matching(folder: Path, kind: str) -> Iterator[Path]:
    return (file for file in folder.glob(f"{kind}-*.pt") if CHECKPOINT.fullmatch(file.name))


def _epoch(file: Path) -> int:
    return int(file.name.split(".")[0].split("-")[1])
