"""A run's folder: the truth about one run, written by one process.

Owns config.yaml, provenance.json, epochs.jsonl, predictions.npz, correct.bits, outcome.json and run.log; hands every row to the
tracker.
Knows no model and no configuration: names and values come in as arguments.
"""

from __future__ import annotations

import logging
import math
import os
import statistics
import sys
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
from ablation.records.lock import Busy, Lock, locked
from ablation.records.numbers import duration
from ablation.records.outcome import (
    CHOSEN,
    FINISHED,
    FORMAT,
    NAME,
    NEW,
    accuracies,
    differing,
    first_line,
    line,
    newest_checkpoint,
    outcome_of,
    read,
    rows,
    sentence,
    summary,
)
from ablation.records.provenance import code, source_digest

# not known before the model stands; `dataset` is the data's name for people, the identity holds the content
FACTS = ("device", "parameters", "macs", "test_images", "dataset", "classes", "peak_memory_bytes", "mixed")

log = logging.getLogger(__name__)
log.setLevel(logging.DEBUG)


class Tracker(Protocol):
    """What W&B shows of a run. It may be lost without hurting the record."""

    @property
    def status(self) -> dict[str, Any]:
        """Mode, and the run's folder relative to runs/."""

    def open(
        self, run_id: str, name: str, group: str, config: dict[str, Any], folder: Path, history: list[dict[str, Any]]
    ) -> None:
        """Begin, or go on after the rows in `history`."""

    def log(self, row: dict[str, Any]) -> None:
        """Take one row."""

    def image(self, name: str, pixels: Callable[[], np.ndarray], epoch: int) -> None:
        """Take a picture (H, W, 3) uint8, asked for only when one is due."""

    def close(self, summary: dict[str, Any], failed: bool) -> None:
        """End within a time limit."""


class Record:
    """One run's folder, held as a context: whatever ends the block becomes the outcome.

    Args:
        folder: runs/<run id>.
        digest: of the run's identity.
        config: the whole identity as one flat dictionary.
        study: name of the study under which the run is trained.
    """

    def __init__(self, folder: Path, *, digest: str, config: dict[str, Any], study: str) -> None:
        self.folder, self.digest = folder, digest
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
            "code": code(),
        }

    def skip(self, rerun: str = "never") -> bool:
        """Return True if the run has ended in a result already, and say so.

        Args:
            rerun: `stale` trains a run again that other code made; its old folder is kept beside the new one.

        Raises:
            ValueError: the folder holds a run of another identity or format.
            Busy: a stale run is being trained again by another process.
        """
        old = self.old()
        if old is None or old["outcome"] not in FINISHED:
            return False
        stale = old["code"]["source"] != source_digest()
        if stale and rerun == "stale":
            self._set_aside(old["code"]["source"])
            return False
        by = f", by other code (source {old['code']['source']}, now {source_digest()}; rerun=stale trains it again)"
        log.info("%s: %s, skipped (%s)%s", self.folder.name, old["outcome"], accuracies(old), by if stale else "")
        if old["outcome"] == "done" and not locked(self.folder):
            self._tidy()  # nothing is there, unless it was killed at its very end
        return True

    def old(self) -> dict[str, Any] | None:
        """Return what an earlier start left, if anything.

        Raises:
            ValueError: it cannot be read, or is of another run; the message says in what they differ.
        """
        old = read(self.folder)
        if old is not None and old["digest"] != self.digest and old["config"] != self._outcome["config"]:
            raise ValueError(
                f"{self.folder}: holds run {old['digest']}, expected {self.digest};"
                f" they differ in {differing(old['config'], self._outcome['config'])}: move the folder away to go on"
            )
        return old

    def _set_aside(self, source: str) -> None:
        """Keep the old record: a number that was published must stay traceable. Under the lock: another may have begun."""
        lock = Lock(self.folder)
        try:
            if (self.old() or {}).get("code", {}).get("source") != source:
                raise Busy("trained again by another process")
            self._move_aside(source)
        finally:
            lock.release()

    def _move_aside(self, source: str) -> None:
        kept = self.folder.parent / "replaced"
        kept.mkdir(exist_ok=True)
        number = len(list(kept.glob(f"{self.folder.name}.{source}.*")))
        target = kept / f"{self.folder.name}.{source}.{number}"
        self.folder.rename(target)
        log.info("%s: made by other code, trained again (the old record is in %s)", self.folder.name, target)

    def __enter__(self) -> Record:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = Lock(self.folder)
        try:
            self._begin()
        except BaseException:  # `__exit__` is not called: nothing may stay open for the next run of the sweep
            self._let_go()
            raise
        return self

    def _begin(self) -> None:
        """Delete leftover temporary files, open run.log and write outcome=running."""
        if (old := self.old()) and old["outcome"] in FINISHED:  # by another process, between `skip` and the lock
            raise Busy("finished meanwhile by another process")
        for leftover in self.folder.glob(".tmp.*"):
            leftover.unlink()
        self._handler = logging.FileHandler(self.folder / "run.log")
        self._handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        logging.getLogger().addHandler(self._handler)
        self._outcome |= {"started": old["started"] if old else _now(), "gpu": _gpu()}
        self._write()
        log.info("%s", self.folder.name)

    def _let_go(self) -> None:
        """Close run.log and give the lock back."""
        try:
            if self._handler is not None:
                logging.getLogger().removeHandler(self._handler)
                self._handler.close()
        finally:
            self._lock.release()

    def describe(self, config_yaml: str, provenance: dict[str, Any], **facts: Any) -> None:
        """Write config.yaml, provenance.json and what the outcome says by now: facts such as parameters, macs and device.

        A fact that is a function is asked when the run ends, however it ends.

        Raises:
            ValueError: a resumed run would go on with other data.
        """
        old = files.read_json(self.folder / "provenance.json") or {}
        began, found = old.get("data_checksum", provenance["data_checksum"]), provenance["data_checksum"]
        if began != found:
            raise ValueError(f"{self.folder}: began with data {began[:16]}, found data {found[:16]}: put it back")
        provenance["sessions"] = self._sessions(old.get("sessions", []), provenance)
        files.write(self.folder / "config.yaml", lambda file: file.write(config_yaml.encode()))
        files.write_json(self.folder / "provenance.json", provenance)
        mixed = _mixed(provenance["sessions"])
        self._outcome |= {"code": provenance["code"], "sessions": provenance["sessions"], "mixed": mixed, **facts}
        self._write()

    def _sessions(self, before: list[dict[str, Any]], provenance: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the distinct circumstances under which the run was trained; say where this start differs from the last."""
        now = {key: provenance.get(key) for key in ("device", "versions")} | {"source": provenance["code"]["source"]}
        if before and before[-1] != now:
            what = ", ".join(key for key in now if before[-1].get(key) != now[key])
            log.warning("%s: goes on with another %s than it began with: not bit-identical", self.folder.name, what)
        return before if before and before[-1] == now else [*before, now]

    def restore(self, history: list[Any], chosen: Mapping[str, Any]) -> None:
        """Rebuild epochs.jsonl from the history inside the checkpoint: one truth. The rows there give the wall times."""
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
        """Offer the tracker a picture of the epoch just appended."""
        if self.tracker:
            self.tracker.image(name, pixels, len(self.rows))

    def append(self, epoch: Any, chosen: Mapping[str, Any]) -> None:
        """Add one row (a dataclass), flushed, to epochs.jsonl and to the tracker.

        Its `wall_seconds` are those since the row before it, or since this start's `restore`: checkpoint and tracker included.
        """
        now = monotonic()
        row = asdict(epoch) | {"wall_seconds": now - self._appended}
        self._appended = now
        self.rows.append(row)
        with files.named(self.folder / "epochs.jsonl") as path, path.open("a") as file:
            file.write(line(row))
        self._choose(chosen)
        quiet = sys.stdout.isatty()  # there a bar tells; a file gets one line an epoch, and run.log always
        log.log(logging.DEBUG if quiet else logging.INFO, "%s", sentence(row, self._outcome["config"]["train.epochs"]))
        if self.tracker:
            self.tracker.log(row)

    def _choose(self, chosen: Mapping[str, Any]) -> None:
        self._outcome |= {kind: {"epoch": row.epoch, "test_acc": row.test_acc} for kind, row in chosen.items()}

    def finish(self, logits: dict[str, np.ndarray], labels: np.ndarray) -> None:
        """Write what the run says of each test image: predictions.npz and, small enough to be published, correct.bits.

        Args:
            logits: (N, classes) float32 of each chosen epoch, by `best`, `last`, `val`.
            labels: (N,), integers.
        """
        files.write(self.folder / "predictions.npz", lambda file: np.savez(file, **logits, labels=labels))  # type: ignore[arg-type]
        content = correctness.encode(correctness.from_logits(logits, labels))
        files.write(self.folder / correctness.NAME, lambda file: file.write(content))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> bool:
        """Write the outcome, close the tracker, give the lock back; swallow the error only if it is a result."""
        word = outcome_of(error)
        try:
            self._end(word, error)
            self._write()  # the truth first: the tracker may take its time
            if self.tracker:
                self.tracker.close(summary(self._outcome), failed=word in ("failed", "interrupted", "preempted"))
                if self.tracker.status != self._outcome["tracker"]:  # lost at the very end
                    self._outcome["tracker"] = self.tracker.status
                    self._write()
            if word == "done":
                self._tidy()
        finally:
            self._let_go()
        return word == "diverged"

    def _end(self, word: str, error: BaseException | None) -> None:
        """Complete the outcome and say it."""
        self._outcome |= {key: value() for key, value in self._outcome.items() if callable(value)}
        wall = [row["wall_seconds"] for row in self.rows]  # over all starts; None: an epoch whose row was lost
        self._outcome |= {
            "outcome": word,
            "epochs": len(self.rows) if word in FINISHED else newest_checkpoint(self.folder),
            "ended": _now(),
            "seconds": math.fsum(row["seconds"] for row in self.rows),
            "wall_seconds": None if None in wall else math.fsum(wall),
            "images_per_second": statistics.median(row["images_per_second"] for row in self.rows) if self.rows else None,
            "tracker": dict(self.tracker.status) if self.tracker else None,
        }
        if error is None:
            log.info(
                "  done: %s, %d epochs in %s", accuracies(self._outcome), len(self.rows), duration(self._outcome["seconds"])
            )
            return
        text = "".join(traceback.format_exception(error)) if word == "failed" else None
        self._outcome["error"] = {"type": type(error).__name__, "message": str(error), "traceback": text}
        log.error("%s: %s: %s", word, self.folder.name, first_line(error))
        error.printed = True  # type: ignore[attr-defined]  # printed: report_errors must not print it again
        traceback.clear_frames(error.__traceback__)  # they hold the model: the next run of the sweep needs its memory

    def _write(self) -> None:
        """Write outcome.json as far as it is known."""
        known = {key: None if callable(value) else value for key, value in self._outcome.items()}
        files.write_json(self.folder / NAME, known)

    def _tidy(self) -> None:
        """Remove resume files (a done run is never resumed, and they are 1 GB each for VGG16) and what a killed write left."""
        for file in (*self.folder.glob(".tmp.*"), *self.folder.glob("checkpoints/epoch-*.pt")):
            file.unlink(missing_ok=True)  # two processes may skip the run at once


def _now() -> str:
    """Return the time as ISO 8601 in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _gpu() -> str | None:
    """Return the one GPU that this process may see, by index or UUID; None where that is not one."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    return visible[0] or None if len(visible) == 1 else None


def _mixed(sessions: list[dict[str, Any]]) -> str | None:
    """Name what changed between the starts of a run (device, versions, source), None where nothing did."""
    changed = [key for key in sessions[0] if any(session.get(key) != sessions[0][key] for session in sessions)]
    return ", ".join(changed) or None
