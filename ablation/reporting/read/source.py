"""Read a table's runs from local records or W&B (`--source`, `--project`), or from both for a check.

A local record takes precedence; W&B provides the runs that have none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from ablation.records import outcome
from ablation.records.manifest import RUN_ID
from ablation.reporting.read import local_files, wandb_online
from ablation.reporting.read.compare import disagreements
from ablation.reporting.read.frame import COLUMNS, with_plan
from ablation.reporting.read.selection import Selection
from ablation.reporting.read.wandb_online import Unavailable

SHOWN = 10  # most disagreements printed with a table; --check prints all
LOCAL, OFFLINE = "local records", "W&B offline files"


@dataclass(frozen=True)
class Reading:
    """The runs of a table and their source."""

    frame: pd.DataFrame
    description: str  # of the source, for display
    searched_in: str  # for the message if no run is found
    lines: list[str] = field(default_factory=list)  # printed with the table


@dataclass(frozen=True)
class Pair:
    """The two sources of a check, each with its own configurations."""

    local: pd.DataFrame
    other: pd.DataFrame
    name: str  # of the other source
    lines: list[str]  # about the other source


def read(runs: Path, selection: Selection, source: str = "auto", named: str | None = None) -> Reading:
    """Read the runs of a table.

    Args:
        runs: the runs folder.
        selection: which runs.
        source: `local`, `wandb`, `offline`, or `auto`: W&B and the local records if W&B tracked the sweep online, else these
            alone.
        named: the W&B project, NAME or ENTITY/NAME; None is the project of the sweep.

    Raises:
        Unavailable: the source is `wandb`, and W&B cannot be read. With `auto` this is a line of the reading.
    """
    if source == "offline":
        return Reading(local_files.offline(runs, selection), OFFLINE, str(runs / "wandb" / "offline-run-*"))
    if source == "wandb":
        name = project(runs, selection, named)
        frame, lines = wandb_online.online(runs, selection, name)
        return Reading(frame, f"W&B {name}", f"W&B {name}", [f"W&B: {line}" for line in lines])
    as_recorded = local_files.local(runs, _without_plan(selection))
    local = Reading(with_plan(as_recorded, selection), LOCAL, str(runs / "*" / "outcome.json"))
    if source == "local" or not online(runs, selection):
        return local
    try:
        name = project(runs, selection, named)
        frame, lines = wandb_online.online(runs, _without_plan(selection), name)
    except Unavailable as error:
        return replace(local, lines=[f"the local records alone, since W&B tracked this sweep online but: {error}"])
    return _joined(local, Pair(as_recorded, frame, f"W&B {name}", [f"W&B: {line}" for line in lines]))


def _joined(local: Reading, pair: Pair) -> Reading:
    """Merge W&B's runs into the local records, and list disagreements."""
    records = pair.local[(pair.local["outcome"] != "missing") | pair.local["problem"].notna()]
    same_runs = pair.other[pair.other["run_id"].isin(records["run_id"])]
    lines = disagreements(records, same_runs, ("local record", "W&B"))
    more = [f"and {len(lines) - SHOWN} more: --check names all"] if len(lines) > SHOWN else []
    counts = f"; the local record counts: {len(lines)} disagreement{'s'[: len(lines) != 1]}" if lines else ", no disagreement"
    description = f"{pair.name} and {len(records)} local record{'s'[: len(records) != 1]}{counts}"
    frame = merged(local.frame, pair.other)
    return Reading(frame, description, f"{local.searched_in} and {pair.name}", [*pair.lines, *lines[:SHOWN], *more])


def merged(local: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """Return the local rows, and the rows of `other` for runs without a local record."""
    rows = {row["run_id"]: row for row in local.to_dict("records")}
    for row in other.to_dict("records"):
        known = rows.get(row["run_id"])
        if known is None or (known["outcome"] == "missing" and row["outcome"] != "missing"):
            planned = {key: known[key] for key in ("config", "seed")} if known and known["config"] else {}
            rows[row["run_id"]] = row | planned
    return pd.DataFrame([rows[name] for name in sorted(rows)], columns=list(COLUMNS), dtype=object)


def pair(runs: Path, selection: Selection, source: str = "auto", named: str | None = None) -> Pair:
    """Read the local records and another source, for a check.

    Args:
        runs: the runs folder.
        selection: which runs.
        source: `wandb`, `offline`; `auto` is W&B if it tracked the sweep online, else its offline files.
        named: as for `read`.

    Raises:
        Unavailable: W&B cannot be read.
    """
    bare = _without_plan(selection)
    local = local_files.local(runs, bare)
    if source == "wandb" or (source == "auto" and online(runs, selection)):
        name = project(runs, selection, named)
        other, lines = wandb_online.online(runs, bare, name)
        return Pair(local, other, f"W&B {name}", [f"W&B: {line}" for line in lines])
    return Pair(local, local_files.offline(runs, bare), OFFLINE, [])


def _without_plan(selection: Selection) -> Selection:
    """Return the same runs without the manifest's configurations, which would replace those of the sources."""
    return replace(selection, planned={name: {} for name in selection.planned})


def online(runs: Path, selection: Selection) -> bool:
    """Return True if W&B tracked a sweep online: by its manifest, or with mode `auto` by a run's record."""
    mode = selection.tracker.get("mode", "auto")
    if mode in ("online", "offline", "disabled"):
        return bool(mode == "online")
    return any(map(_was_online, _records(runs, selection)))


def _was_online(record: dict[str, Any]) -> bool:
    """Return True if a run was tracked online; if the connection was lost, the name of its W&B folder shows it."""
    tracker = record.get("tracker") or {}
    return bool(tracker.get("mode") == "online" or Path(tracker.get("path") or "").name.startswith("run-"))


def _records(runs: Path, selection: Selection) -> Iterator[dict[str, Any]]:
    names = sorted(folder.name for folder in runs.iterdir()) if selection.others and runs.is_dir() else selection.planned
    for name in names:
        try:
            record = outcome.read(runs / name) or {}
            _was_online(record)  # raises here if a foreign file has another structure
            yield record
        except (OSError, ValueError, AttributeError, TypeError):
            continue


def project(runs: Path, selection: Selection, named: str | None = None) -> str:
    """Return NAME or ENTITY/NAME of the W&B project: as named, from the manifest, or from the newest run's configuration.

    Raises:
        Unavailable: none of them has one, or `named` is not of this form.
    """
    tracker = selection.tracker if selection.tracker.get("project") else _configured(runs)
    parts = named.split("/") if named else [tracker.get("entity"), tracker.get("project")]
    parts = [str(part) for part in parts if part]
    if named is None and not tracker.get("project"):
        raise Unavailable("W&B: which project? neither a manifest nor a run's config.yaml names one: --project ENTITY/NAME")
    if not 1 <= len(parts) <= 2 or (named and named != "/".join(parts)):
        raise Unavailable(f"W&B: --project {named}: must be NAME or ENTITY/NAME")
    return "/".join(parts)


def _configured(runs: Path) -> dict[str, Any]:
    """Return project and entity of the newest run that has them, since a single run has no manifest."""
    import yaml  # type: ignore[import-untyped]

    files = [file for file in runs.glob("*/config.yaml") if RUN_ID.fullmatch(file.parent.name)]
    for file in sorted(files, key=lambda file: file.stat().st_mtime, reverse=True):
        try:
            known = ((outcome.read(file.parent) or {}).get("tracker") or {}).get("project")  # as W&B has it
            tracker = yaml.safe_load(file.read_bytes()).get("tracker")
        except (OSError, ValueError, AttributeError, yaml.YAMLError):
            continue
        if isinstance(known, str):
            return {"entity": known.rpartition("/")[0], "project": known.rpartition("/")[2]}
        if isinstance(tracker, dict) and tracker.get("project"):
            return tracker
    return {}
