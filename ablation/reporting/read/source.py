"""Which source a table is read from, and the two sides of a check.

Owns `--source` and `--project`. The local record is the truth: where one is here it counts, and W&B fills in the runs that have
none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from ablation.records import outcome
from ablation.records.manifest import RUN_ID
from ablation.reporting.read import local_files
from ablation.reporting.read.compare import disagreements
from ablation.reporting.read.local_files import Unavailable
from ablation.reporting.read.selection import Selection

SOURCES = ("auto", "local", "wandb", "offline")
SHOWN = 10  # disagreements that a table names beside itself; --check names all
LOCAL, OFFLINE = "local records", "W&B offline files"


@dataclass(frozen=True)
class Reading:
    """Runs and where they are from: `frame` of `sources`, `said` for people, `looked` for what an empty one was sought by."""

    frame: pd.DataFrame
    said: str
    looked: str
    lines: list[str] = field(default_factory=list)  # to be said beside the table


@dataclass(frozen=True)
class Pair:
    """Two sides of a check: frames of `sources`; `name` of the other, `lines` about it."""

    local: pd.DataFrame
    other: pd.DataFrame
    name: str
    lines: list[str]


def read(runs: Path, selection: Selection, source: str = "auto", asked: str | None = None) -> Reading:
    """Read the runs of a table.

    Args:
        runs: the runs folder.
        selection: which runs.
        source: of SOURCES. `auto`: W&B and the local records if the sweep was mirrored online, else the local records alone.
        asked: the W&B project, NAME or ENTITY/NAME; None is the one in which the sweep was mirrored.

    Raises:
        Unavailable: W&B was asked for by name, and cannot be read. Under `auto` that is a line of the reading.
    """
    local = Reading(local_files.local(runs, selection), LOCAL, str(runs / "*" / "outcome.json"))
    if source == "offline":
        return Reading(local_files.offline(runs, selection), OFFLINE, str(runs / "wandb" / "offline-run-*"))
    if source == "local" or (source == "auto" and not online(runs, selection)):
        return local
    try:
        name = project(runs, selection, asked)
        if source == "wandb":
            frame, lines = local_files.online(runs, selection, name)
            return Reading(frame, f"W&B {name}", f"W&B {name}", [f"W&B: {line}" for line in lines])
        return _both(runs, selection, name, local)
    except Unavailable as error:
        if source == "wandb":
            raise
        return replace(local, lines=[f"the local records alone, since this sweep was mirrored online but: {error}"])


def _both(runs: Path, selection: Selection, name: str, local: Reading) -> Reading:
    """Join W&B with the local records, and say where they disagree."""
    both = pair(runs, selection, "wandb", name)
    here = both.local[(both.local["outcome"] != "missing") | both.local["problem"].notna()]
    there = both.other[both.other["run_id"].isin(here["run_id"])]
    found = disagreements(here, there, ("local record", "W&B"))
    more = [f"and {len(found) - SHOWN} more: --check names all"] if len(found) > SHOWN else []
    counts = f"; the local record counts: {len(found)} disagreement{'s'[: len(found) != 1]}" if found else ""
    said = f"W&B {name} and {len(here)} local record{'s'[: len(here) != 1]}{counts or ', no disagreement'}"
    frame = merged(local.frame, both.other)
    return Reading(frame, said, f"{local.looked} and W&B {name}", [*both.lines, *found[:SHOWN], *more])


def merged(local: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """Return the local rows, and of the runs without a local record those of `other`."""
    mine = {row["run_id"]: row for row in local.to_dict("records")}
    rows = dict(mine)
    for row in other.to_dict("records"):
        known = mine.get(row["run_id"])
        if known is None or (known["outcome"] == "missing" and row["outcome"] != "missing"):
            planned = {key: known[key] for key in ("config", "seed")} if known and known["config"] else {}
            rows[row["run_id"]] = row | planned
    return pd.DataFrame([rows[name] for name in sorted(rows)], columns=list(local_files.COLUMNS), dtype=object)


def pair(runs: Path, selection: Selection, source: str = "auto", asked: str | None = None) -> Pair:
    """Read the local records and what another source holds, both with the configuration as found.

    Args:
        runs: the runs folder.
        selection: which runs.
        source: `wandb`, `offline`; `auto` is W&B if the sweep was mirrored there online, else its offline files.
        asked: as for `read`.

    Raises:
        Unavailable: W&B cannot be read.
    """
    bare = replace(selection, planned={name: {} for name in selection.planned})  # so that no manifest covers what differs
    local = local_files.local(runs, bare)
    if source == "wandb" or (source == "auto" and online(runs, selection)):
        name = project(runs, selection, asked)
        other, lines = local_files.online(runs, bare, name)
        return Pair(local, other, f"W&B {name}", [f"W&B: {line}" for line in lines])
    return Pair(local, local_files.offline(runs, bare), OFFLINE, [])


def online(runs: Path, selection: Selection) -> bool:
    """Return True if a sweep was mirrored online: its manifest says so, or a record where the machine's key was to decide."""
    mode = selection.tracker.get("mode", "auto")
    return bool(
        mode == "online" if mode in ("online", "offline", "disabled") else any(map(_was_online, _records(runs, selection)))
    )


def _was_online(record: dict[str, Any]) -> bool:
    """Tell it by the folder where the mirror was lost."""
    tracker = record.get("tracker") or {}
    return bool(tracker.get("mode") == "online" or Path(tracker.get("path") or "").name.startswith("run-"))


def _records(runs: Path, selection: Selection) -> Iterator[dict[str, Any]]:
    names = sorted(folder.name for folder in runs.iterdir()) if selection.others and runs.is_dir() else selection.planned
    for name in names:
        try:
            record = outcome.read(runs / name) or {}
            _was_online(record)  # of a foreign file it may be anything
            yield record
        except (OSError, ValueError, AttributeError, TypeError):
            continue


def project(runs: Path, selection: Selection, asked: str | None = None) -> str:
    """Return NAME or ENTITY/NAME of the W&B project: as asked, of the manifest, or of the newest run's configuration.

    Raises:
        Unavailable: none of them names one.
    """
    tracker = selection.tracker or _configured(runs)
    parts = asked.split("/") if asked else [tracker.get("entity"), tracker.get("project")]
    parts = [str(part) for part in parts if part]
    if asked is None and not tracker.get("project"):
        raise Unavailable("W&B: which project? neither a manifest nor a run's config.yaml names one: --project ENTITY/NAME")
    if not 1 <= len(parts) <= 2 or (asked and asked != "/".join(parts)):
        raise Unavailable(f"W&B: --project {asked}: must be NAME or ENTITY/NAME")
    return "/".join(parts)


def _configured(runs: Path) -> dict[str, Any]:
    """Return the tracker node of the newest run that has one: a single run has no manifest."""
    import yaml  # type: ignore[import-untyped]

    files = [file for file in runs.glob("*/config.yaml") if RUN_ID.fullmatch(file.parent.name)]
    for file in sorted(files, key=lambda file: file.stat().st_mtime, reverse=True):
        try:
            tracker = yaml.safe_load(file.read_bytes()).get("tracker")
        except (OSError, AttributeError, yaml.YAMLError):
            continue
        if isinstance(tracker, dict) and tracker.get("project"):
            return tracker
    return {}
