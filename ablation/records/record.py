"""A run's record: the files in its folder, written by one process.

Writes config.yaml, provenance.json, epochs.jsonl, predictions.npz, correct.bits, outcome.json and run.log, and passes every
row on to the tracker.
Uses no model and no configuration: names and values are arguments.
"""

from __future__ import annotations

import logging
import math
import os
import statistics
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Any, Protocol

import numpy as np

from ablation.records import correctness, files
from ablation.records.earlier_record import EarlierRecord, delete_resume_files
from ablation.records.lock import Busy, Lock
from ablation.records.numbers import duration
from ablation.records.outcome import (
    CHOSEN,
    FINISHED,
    FORMAT,
    NAME,
    NEW,
    accuracies,
    clock_seconds,
    first_line,
    line,
    newest_checkpoint,
    outcome_of,
    rows,
    sentence,
    summary,
)
from ablation.records.provenance import code

# known only once the model is built; `dataset` is a name for display, the identity has the content's digest
FACTS = (
    *("device", "parameters", "macs", "test_images", "dataset", "classes", "class_names", "image_size"),
    *("peak_memory_bytes", "mixed"),
)

log = logging.getLogger(__name__)
log.setLevel(logging.DEBUG)


class Tracker(Protocol):
    """Sends a run to W&B. If it fails, the record is still complete."""

    @property
    def status(self) -> dict[str, Any]:
        """Mode, and the run's folder relative to runs/."""

    def open(
        self, run_id: str, name: str, group: str, config: dict[str, Any], folder: Path, history: list[dict[str, Any]]
    ) -> None:
        """Start the W&B run, or resume it after the rows in `history`."""

    def log(self, row: dict[str, Any]) -> None:
        """Send one row."""

    def image(self, name: str, pixels: Callable[[], np.ndarray], epoch: int) -> None:
        """Send a picture (H, W, 3) uint8; `pixels` is called only if a picture is due."""

    def close(self, summary: dict[str, Any], failed: bool) -> None:
        """Finish the W&B run within a time limit."""


class Record:
    """One run's record, as a context manager: its exit writes the outcome, from the exception that ended the block if any.

    Args:
        folder: runs/<run id>.
        digest: of the run's identity.
        config: the whole identity as one flat dictionary.
        study: name of the study under which the run is trained.
        own: digest of each package of the user's own that the run uses.
        place: of the run in its sweep, `3/16`, for the line that is printed when it ends.

    Its `earlier` says what an earlier start of the run left.
    """

    def __init__(
        self,
        folder: Path,
        *,
        digest: str,
        config: dict[str, Any],
        study: str,
        own: Mapping[str, str] | None = None,
        place: str = "",
    ) -> None:
        self.folder, self.place = folder, place
        self.earlier = EarlierRecord(folder, digest, config, own or {})
        self.tracker: Tracker | None = None
        self._handler: logging.FileHandler | None = None
        self.rows: list[dict[str, Any]] = []
        self._appended = monotonic()
        self._outcome: dict[str, Any] = {
            "format": FORMAT,
            "run_id": folder.name,
            "digest": digest,
            "outcome": "running",
            "study": study,
            "seed": config["seed"],
            "config": config,
            **dict.fromkeys((*NEW, *CHOSEN, *FACTS, "tracker", "error")),
            "code": code(own),
        }

    def __enter__(self) -> Record:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = Lock(self.folder)
        try:
            self._begin()
        except BaseException:  # `__exit__` is not called then, and the next run of the sweep needs the log closed
            self._release()
            raise
        return self

    def _begin(self) -> None:
        """Delete leftover temporary files, open run.log and write outcome=running."""
        if (old := self.earlier.read()) and old["outcome"] in FINISHED:  # by another process, before the lock
            raise Busy("finished meanwhile by another process")
        for leftover in self.folder.glob(".tmp.*"):
            leftover.unlink()
        self._handler = logging.FileHandler(self.folder / "run.log")
        self._handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        logging.getLogger().addHandler(self._handler)
        self._outcome |= {"started": old["started"] if old else _now(), "gpu": _gpu()}
        self._write()
        log.log(_detail(), "%s", self.folder.name)

    def _release(self) -> None:
        """Close run.log and release the lock."""
        try:
            if self._handler is not None:
                logging.getLogger().removeHandler(self._handler)
                self._handler.close()
        finally:
            self._lock.release()

    def describe(self, config_yaml: str, provenance: dict[str, Any], **facts: Any) -> None:
        """Write config.yaml and provenance.json, and add facts such as parameters, macs and device to outcome.json.

        A fact that is a function is called when the run ends, however it ends.

        Raises:
            ValueError: a resumed run would continue with other data.
        """
        old = files.read_json(self.folder / "provenance.json") or {}
        before, now = old.get("data_checksum", provenance["data_checksum"]), provenance["data_checksum"]
        if before != now:
            raise ValueError(f"{self.folder}: began with data {before[:16]}, found data {now[:16]}: restore the original data")
        provenance["sessions"] = self._sessions(old.get("sessions", []), provenance)
        files.write(self.folder / "config.yaml", lambda file: file.write(config_yaml.encode()))
        files.write_json(self.folder / "provenance.json", provenance)
        mixed = _mixed(provenance["sessions"])
        self._outcome |= {"code": provenance["code"], "sessions": provenance["sessions"], "mixed": mixed, **facts}
        self._write()

    def _sessions(self, before: list[dict[str, Any]], provenance: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the devices, versions and code of all starts of the run; warn if this start differs from the last one."""
        now = {key: provenance.get(key) for key in ("device", "versions")}
        now |= {key: provenance["code"][key] for key in ("source", "own") if key in provenance["code"]}
        if before and before[-1] != now:
            changed = ", ".join(key for key in now if before[-1].get(key) != now[key])
            log.warning("%s: goes on with another %s than it began with: not bit-identical", self.folder.name, changed)
        return before if before and before[-1] == now else [*before, now]

    def restore(self, history: list[Any], chosen: Mapping[str, Any]) -> None:
        """Rewrite epochs.jsonl from the checkpoint's history, so that both agree; its present rows give the wall times."""
        wall = {row.get("epoch"): row.get("wall_seconds") for row in rows(self.folder)}
        self.rows = [asdict(row) | {"wall_seconds": wall.get(row.epoch)} for row in history]
        self._appended = monotonic()
        text = "".join(line(row) for row in self.rows)
        files.write(self.folder / "epochs.jsonl", lambda file: file.write(text.encode()))
        self._choose(chosen)
        if self.rows:
            log.info("%s: resume epoch=%d", self.folder.name, len(self.rows))

    def start_tracking(self, tracker: Tracker, runs: Path) -> None:
        """Start the W&B run: its id is the run id, its group the study, its folder under `runs`."""
        config, name = self._outcome["config"], self.folder.name.rpartition("-")[0]
        tracker.open(self.folder.name, name, self._outcome["study"], config, runs, self.rows)
        self.tracker = tracker

    def show(self, name: str, pixels: Callable[[], np.ndarray]) -> None:
        """Pass a picture of the epoch just appended on to the tracker."""
        if self.tracker:
            self.tracker.image(name, pixels, len(self.rows))

    def append(self, epoch: Any, chosen: Mapping[str, Any]) -> None:
        """Append one row (a dataclass) to epochs.jsonl, flushed, and send it to the tracker.

        Its `wall_seconds` count from the previous row, or from `restore` if it is the first row of this start, and include
        checkpoint and tracker.
        """
        now = monotonic()
        row = asdict(epoch) | {"wall_seconds": now - self._appended}
        self._appended = now
        self.rows.append(row)
        with files.named(self.folder / "epochs.jsonl") as path, path.open("a") as file:
            file.write(line(row))
        self._choose(chosen)
        log.log(_detail(), "%s", sentence(row, self._outcome["config"]["train.epochs"]))
        if self.tracker:
            self.tracker.log(row)

    def _choose(self, chosen: Mapping[str, Any]) -> None:
        self._outcome |= {kind: {"epoch": row.epoch, "test_acc": row.test_acc} for kind, row in chosen.items()}

    def finish(self, logits: dict[str, np.ndarray], labels: np.ndarray) -> None:
        """Write the results per test image: predictions.npz, and correct.bits, which is small enough to publish.

        Args:
            logits: (N, classes) float32 of each chosen epoch, by `best`, `last`, `val`.
            labels: (N,), integers.
        """
        files.write(self.folder / "predictions.npz", lambda file: np.savez(file, **logits, labels=labels))  # type: ignore[arg-type]
        content = correctness.encode(correctness.from_logits(logits, labels))
        files.write(self.folder / correctness.NAME, lambda file: file.write(content))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> bool:
        """Write the outcome, close the tracker, release the lock; suppress the error only if the run has diverged."""
        ending = outcome_of(error)
        try:
            self._end(ending, error)
            self._write()  # before the tracker, which may take long
            if self.tracker:
                self.tracker.close(summary(self._outcome), failed=ending in ("failed", "interrupted", "preempted"))
                if self.tracker.status != self._outcome["tracker"]:  # W&B failed during close
                    self._outcome["tracker"] = self.tracker.status
                    self._write()
            if ending == "done":
                delete_resume_files(self.folder)
        finally:
            self._release()
        return ending == "diverged"

    def _end(self, ending: str, error: BaseException | None) -> None:
        """Complete the outcome and log it."""
        self._outcome |= {key: value() for key, value in self._outcome.items() if callable(value)}
        wall = [row["wall_seconds"] for row in self.rows]  # of all starts; None for an epoch whose row was lost
        self._outcome |= {
            "outcome": ending,
            "epochs": len(self.rows) if ending in FINISHED else newest_checkpoint(self.folder),
            "ended": _now(),
            "seconds": math.fsum(row["seconds"] for row in self.rows),
            "wall_seconds": None if None in wall else math.fsum(wall),
            "images_per_second": statistics.median(row["images_per_second"] for row in self.rows) if self.rows else None,
            "tracker": dict(self.tracker.status) if self.tracker else None,
        }
        if error is None:
            name, time = f"{self.place} {self.folder.name}".lstrip(), duration(clock_seconds(self._outcome))
            log.info("%s: done: %s, %d epochs in %s", name, accuracies(self._outcome), len(self.rows), time)
            return
        text = "".join(traceback.format_exception(error)) if ending == "failed" else None
        self._outcome["error"] = {"type": type(error).__name__, "message": str(error), "traceback": text}
        log.error("%s: %s: %s", ending, self.folder.name, first_line(error))
        error.printed = True  # type: ignore[attr-defined]  # so that report_errors does not print it again
        traceback.clear_frames(error.__traceback__)  # the frames hold the model: the next run of the sweep needs its memory

    def _write(self) -> None:
        """Write outcome.json; facts that are not known yet are None."""
        known = {key: None if callable(value) else value for key, value in self._outcome.items()}
        files.write_json(self.folder / NAME, known)


def _detail() -> int:
    """Return the level of lines that run.log has always, the console with -v alone: it gets one line a run."""
    return logging.INFO if logging.getLogger("ablation").isEnabledFor(logging.DEBUG) else logging.DEBUG


def _now() -> str:
    """Return the time as ISO 8601 in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _gpu() -> str | None:
    """Return the GPU in CUDA_VISIBLE_DEVICES, by index or UUID; None if it does not list exactly one."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    return visible[0] or None if len(visible) == 1 else None


def _mixed(sessions: list[dict[str, Any]]) -> str | None:
    """Return what changed between the starts of a run (device, versions, source), None if nothing did."""
    changed = [key for key in sessions[0] if any(session.get(key) != sessions[0][key] for session in sessions)]
    return ", ".join(changed) or None
