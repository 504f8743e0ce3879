"""What was measured before: epochs of earlier runs of a cell, and the steps of `check=true`.

Owns cache/checks/, one small file a cell and device. Reads records; never writes one.
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
    """Of each cell that has a past on the hardware: what its records say, and the accuracies (%) of its done seeds."""

    records: dict[str, Epoch]
    accuracies: dict[str, dict[int, float]]  # at the last epoch, whatever the hardware


def read(runs: Path, cells: Container[str], hardware: Hardware) -> History:
    """Read the records of some cells.

    Args:
        runs: the runs folder, which need not exist.
        cells: digests of identities without the seed.
        hardware: of other hardware's runs no time counts.
    """
    times, peaks = defaultdict(list), defaultdict(list)
    accuracies: dict[str, dict[int, float]] = defaultdict(dict)
    for file in sorted(runs.glob("*/outcome.json")):
        with contextlib.suppress(ValueError, OSError, KeyError, TypeError, AttributeError):  # no record of ours
            record = outcome.read(file.parent) or {}
            name = cell(record["config"])
            if name not in cells:
                continue
            if record["outcome"] == "done":
                accuracies[name][int(record["seed"])] = float(record["last"]["test_acc"])
            if not record.get("mixed") and _made_on(file.parent, hardware) and (seconds := _an_epoch(file.parent, record)):
                times[name].append(seconds)
                peaks[name].append(record.get("peak_memory_bytes") or 0)
    found = {name: Epoch(statistics.median(times[name]), max(peaks[name]) or None, "record") for name in times}
    return History(found, dict(accuracies))


def _made_on(folder: Path, hardware: Hardware) -> bool:
    provenance = read_json(folder / "provenance.json") or {}
    return hardware.made(provenance.get("device"), provenance.get("machine", {}).get("host"))


def _an_epoch(folder: Path, record: Mapping[str, Any]) -> float | None:
    """Return the seconds of an epoch: of a result from its record, of any other run from its rows."""
    if record["outcome"] in FINISHED and record.get("seconds") and record.get("epochs"):
        return float(record["seconds"]) / int(record["epochs"])
    seconds = [float(row["seconds"]) for row in outcome.rows(folder)]
    return statistics.fmean(seconds) if seconds else None


def keep_check(cache: Path, name: str, hardware: Hardware, found: Mapping[str, Any]) -> Path:
    """Keep what a check measured of a cell on a device; a later check replaces it."""
    file = cache / "checks" / f"{name}-{hashlib.sha256(f'{hardware.name}/{hardware.host}'.encode()).hexdigest()[:8]}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    write_json(file, {"cell": name, "device": hardware.name, "host": socket.gethostname(), **found})
    return file


def read_check(cache: Path, name: str, hardware: Hardware, work: Work) -> Epoch | None:
    """Return what a check says of an epoch of this work: its steps and its evaluation batches, each at full size."""
    for file in sorted((cache / "checks").glob(f"{name}-*.json")):
        with contextlib.suppress(ValueError, OSError, KeyError, TypeError):  # torn: as if it were not there
            found: dict[str, Any] = read_json(file) or {}
            if hardware.made(found["device"], found["host"]):
                steps = work.trained / found["images_per_step"] * found["seconds_per_step"]
                batches = work.evaluated / found["images_per_evaluation"] * found["seconds_per_evaluation"]
                return Epoch(steps + batches, int(found["peak_memory_bytes"]), "check")
    return None
