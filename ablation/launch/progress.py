"""The progress of a sweep, from its records alone: each run's state and speed, and the time left from measured epochs.

Takes no lock and writes nothing, so it works on any host that can read the runs folder.
"""

from __future__ import annotations

import contextlib
import heapq
import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ablation.records import outcome
from ablation.records.manifest import NAME, RUN_ID, began
from ablation.records.outcome import FINISHED
from ablation.sweep import names

RECENT = 5  # last epochs whose median time is an unfinished run's speed


@dataclass(frozen=True)
class Sweep:
    """A planned sweep: flat identity by run id. `began`: modification time of its manifest in nanoseconds."""

    runs: Path
    folder: Path
    planned: Mapping[str, Mapping[str, Any]]
    began: int
    same_speed: Sequence[str] = ()  # factors that do not change the time of an epoch, from the study
    apart: Mapping[str, str] = field(default_factory=dict)  # what tells each run from the others, by run id


@dataclass(frozen=True)
class Row:
    """The present progress of one run.

    `open`: the sweep has still to train it. `epoch`: epochs done; `accuracy`: in percent, of the last epoch done;
    `seconds`: per epoch, on the clock. None: not measured.
    """

    run_id: str
    state: str
    open: bool
    epoch: int
    epochs: int
    accuracy: float | None
    images_per_second: float | None
    device: str
    seconds: float | None
    identity: Mapping[str, Any]
    same_speed: Sequence[str] = ()  # as in Sweep
    apart: str = ""  # as in Sweep

    @property
    def label(self) -> str:
        """The run id without its digest, and what tells the run from the others."""
        name = self.run_id.rpartition("-")[0]
        return f"{name} ({self.apart})" if self.apart else name

    @property
    def shown(self) -> str:
        """The state for display: `failed before` if the run failed in an earlier sweep and this sweep trains it again."""
        return f"{self.state} before" if self.open and self.state not in ("running", "to do") else self.state


def find(runs: Path, sweep: str = "last") -> Sweep:
    """Return the plan of the sweep with this id in a runs folder, or of the `last` one.

    Raises:
        LookupError: there is no such sweep (the message lists the others), or its manifest cannot be read.
    """
    ids = sorted(file.parent.name for file in (runs / "sweeps").glob(f"*/{NAME}"))
    sweep_id = max(ids, key=lambda name: (_began(runs / "sweeps" / name), name)) if sweep == "last" and ids else sweep
    if sweep_id not in ids:
        raise LookupError(f"no sweep {sweep} in {runs / 'sweeps'}; it holds {', '.join(ids) or 'none'}")
    return planned(runs, runs / "sweeps" / sweep_id)


def _began(folder: Path) -> float:
    """Return when a sweep began; an unreadable manifest counts by its id."""
    with contextlib.suppress(OSError, ValueError):
        if isinstance(manifest := json.loads((folder / NAME).read_bytes()), dict):
            return began(folder, manifest)
    return began(folder, {})


def planned(runs: Path, folder: Path) -> Sweep:
    """Return the plan in the manifest of a sweep's folder.

    Raises:
        LookupError: the manifest cannot be read.
    """
    file = folder / NAME
    try:
        manifest = json.loads(file.read_bytes())
        plan = {run["run_id"]: dict(run["config"]) for run in manifest["runs"]}
        if invalid := [run_id for run_id in plan if not RUN_ID.fullmatch(run_id)]:
            raise ValueError(f"{invalid[0]!r} is no run id")
        same_speed = tuple((manifest.get("study") or {}).get("same_speed") or ())
        apart = names.apart([run["config"] | (run.get("words") or {}) for run in manifest["runs"]])
        return Sweep(runs, folder, plan, file.stat().st_mtime_ns, same_speed, dict(zip(plan, apart, strict=True)))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise LookupError(f"{file}: cannot be read ({type(error).__name__}: {error})") from None


def read(sweep: Sweep) -> list[Row]:
    """Return the present progress of every planned run, in the order of the plan."""
    return [_row(sweep, run_id, identity) for run_id, identity in sweep.planned.items()]


def _row(sweep: Sweep, run_id: str, identity: Mapping[str, Any]) -> Row:
    folder, by_slurm = sweep.runs / run_id, (sweep.folder / ".submitit").is_dir()
    state, count = outcome.state(folder), outcome.epochs_done(folder)
    record = {} if state == "unreadable" else outcome.read(folder) or {}
    if state in FINISHED:  # the record has everything
        last = {**record, **(record.get("last") or {})}
        seconds = (_number(outcome.clock_seconds(record)) or 0) / count if count else None
    else:
        rows = outcome.rows(folder)
        last = next((row for row in rows if row.get("epoch") == count), {})
        measured = [number for row in rows[-RECENT:] if (number := _number(outcome.clock_seconds(row))) is not None]
        seconds = statistics.median(measured) if measured else None
    return Row(
        run_id,
        state,
        open=_open(sweep, folder, state, by_slurm),
        epoch=count,
        epochs=int(_number(identity.get("train.epochs")) or 0),
        accuracy=_number(last.get("test_acc")),
        images_per_second=_number(last.get("images_per_second")),
        device=_device(record, by_slurm) if state == "running" else "",
        seconds=seconds or None,
        identity=identity,
        same_speed=sweep.same_speed,
        apart=sweep.apart.get(run_id, ""),
    )


def _open(sweep: Sweep, folder: Path, state: outcome.State, by_slurm: bool) -> bool:
    """Return True if the sweep has still to train a run; also if the run ended without a result in an earlier sweep.

    With SLURM a killed or preempted run stays open, because SLURM usually queues its job again.
    """
    if state in (*FINISHED, "unreadable"):
        return False
    if state in ("running", "to do") or outcome.changed(folder) < sweep.began:
        return True
    return by_slurm and state in ("killed", "preempted")


def _number(value: Any) -> float | None:
    """Return a finite number, None for any other value that a foreign or damaged file may contain."""
    return float(value) if type(value) in (int, float) and math.isfinite(value) else None


def _device(record: Mapping[str, Any], by_slurm: bool) -> str:
    """Return the device of a run: the GPU that the launcher gave it on this machine, else the hardware's name."""
    if record.get("gpu") and not by_slurm:
        return f"GPU {str(record['gpu']).removeprefix('GPU-')[:12]}"
    return str(record.get("device") or "")


def seconds_left(rows: Sequence[Row], slots: int | None = None) -> float | None:
    """Return the seconds until the last open run ends, None before the first epoch of any run.

    The times left of all open runs are assigned to the slots, the longest first (Graham's LPT list schedule, 1969). A run's
    speed is that of its own last epochs, or of the most similar runs that have some.

    `slots`: number of runs at once; None: as many as run now.
    """
    left = {row.run_id: run_seconds_left(row, rows) for row in rows if row.open}
    if any(seconds is None for seconds in left.values()):
        return None
    running = [row.run_id for row in rows if row.state == "running"]
    waiting = sorted((seconds or 0.0 for run_id, seconds in left.items() if run_id not in running), reverse=True)
    free = [left[run_id] or 0.0 for run_id in running]
    free += [0.0] * ((slots or len(running) or 1) - len(free))
    heapq.heapify(free)
    for seconds in waiting:
        heapq.heapreplace(free, free[0] + seconds)
    return max(free)


def run_seconds_left(row: Row, rows: Sequence[Row]) -> float | None:
    """Return the seconds left of an open run: its remaining epochs times the measured seconds of its own or others' epochs.

    Others are tried in this order: runs that differ only in the seed; only in the seed and `same_speed` factors; any runs.
    """
    seconds = row.seconds
    for ignored in (("seed",), ("seed", *row.same_speed), None) if seconds is None else ():
        times = [other.seconds for other in rows if other.seconds is not None and _alike(row.identity, other.identity, ignored)]
        if times:
            seconds = statistics.median(times)
            break
    return None if seconds is None else seconds * max(0, row.epochs - row.epoch)


def _alike(one: Mapping[str, Any], other: Mapping[str, Any], ignored: Sequence[str] | None) -> bool:
    """Return True if two identities differ only in the ignored parts and the number of epochs. None: ignore everything."""
    keys = [key for key in {*one, *other} if ignored is not None and key.split(".")[0] not in ignored and key != "train.epochs"]
    return all(one.get(key) == other.get(key) for key in keys)
