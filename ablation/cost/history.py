"""Earlier measurements: epochs of a cell's earlier runs, and the steps that `check=true` timed.

Reads and writes cache/checks/, one small file per cell and device. Reads records, never writes one.
"""

from __future__ import annotations

import contextlib
import hashlib
import socket
import statistics
from collections import defaultdict
from collections.abc import Container, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ablation.cost.flops import Epoch, Hardware, Work
from ablation.records import outcome
from ablation.records.files import read_json, write_json
from ablation.records.outcome import FINISHED
from ablation.sweep.identity import cell


@dataclass(frozen=True)
class History:
    """Measured epoch times per cell on one hardware, and the accuracies (%) of each cell's done runs by seed."""

    records: dict[str, Epoch]
    accuracies: dict[str, dict[int, float]]  # at the last epoch, on any hardware


def read(runs: Path, cells: Container[str], hardware: Hardware) -> History:
    """Read the records of some cells.

    Args:
        runs: the runs folder, which may not exist.
        cells: digests of identities without the seed.
        hardware: times of runs on other hardware are ignored.
    """
    times, peaks = defaultdict(list), defaultdict(list)
    accuracies: dict[str, dict[int, float]] = defaultdict(dict)
    for file in sorted(runs.glob("*/outcome.json")):
        with contextlib.suppress(ValueError, OSError, KeyError, TypeError, AttributeError):  # not a readable record
            record = outcome.read(file.parent) or {}
            name = cell(record["config"])
            if name not in cells:
                continue
            if record["outcome"] == "done":
                accuracies[name][int(record["seed"])] = float(record["last"]["test_acc"])
            if (
                not record.get("mixed")
                and _made_on(file.parent, hardware)
                and (seconds := _seconds_per_epoch(file.parent, record))
            ):
                times[name].append(seconds)
                peaks[name].append(record.get("peak_memory_bytes") or 0)
    epochs = {name: Epoch(statistics.median(times[name]), max(peaks[name]) or None, "record") for name in times}
    return History(epochs, dict(accuracies))


def _made_on(folder: Path, hardware: Hardware) -> bool:
    provenance = read_json(folder / "provenance.json") or {}
    return hardware.made(provenance.get("device"), provenance.get("machine", {}).get("host"))


def _seconds_per_epoch(folder: Path, record: Mapping[str, Any]) -> float | None:
    """Return the mean seconds per epoch on the clock: of a run with a result from its record, of any other from its rows."""
    if record["outcome"] in FINISHED and (seconds := outcome.clock_seconds(record)) and record.get("epochs"):
        return float(seconds) / int(record["epochs"])
    seconds = [float(outcome.clock_seconds(row)) for row in outcome.rows(folder)]
    return statistics.fmean(seconds) if seconds else None


def keep_check(cache: Path, name: str, hardware: Hardware, measured: Mapping[str, Any]) -> Path:
    """Write what a check measured of a cell on a device; a later check replaces it."""
    file = cache / "checks" / f"{name}-{hashlib.sha256(f'{hardware.name}/{hardware.host}'.encode()).hexdigest()[:8]}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    write_json(file, {"cell": name, "device": hardware.name, "host": socket.gethostname(), **measured})
    return file


def read_check(cache: Path, name: str, hardware: Hardware, work: Work) -> Epoch | None:
    """Return the epoch time that a check's measured step and evaluation batch predict for this work."""
    for file in sorted((cache / "checks").glob(f"{name}-*.json")):
        with contextlib.suppress(ValueError, OSError, KeyError, TypeError):  # a damaged file is ignored
            check: dict[str, Any] = read_json(file) or {}
            if hardware.made(check["device"], check["host"]):
                training = work.trained / check["images_per_step"] * check["seconds_per_step"]
                evaluation = work.evaluated / check["images_per_evaluation"] * check["seconds_per_evaluation"]
                return Epoch(training + evaluation, int(check["peak_memory_bytes"]), "check")
    return None
