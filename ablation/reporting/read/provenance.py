"""Read learning curves and provenance for the page, from the runs' folders.

Reads epochs.jsonl, provenance.json and the manifests' commands, of at most MOST runs. A missing or damaged file becomes a
line on the page; without local records a sentence replaces the curves.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ablation.records.manifest import NAME

MOST = 200  # most runs to read; of more, only the first seed of each cell is read
NAMED = 8  # most problems, commands or values to list; the rest is counted

Curve = Sequence[tuple[int, float]]  # (epoch, accuracy in percent)
Row = Mapping[str, Any]  # a run, from the DataFrame of `frame`
Facts = list[tuple[str, list[str]]]  # name, values


@dataclass(frozen=True)
class Details:
    """Unescaped text from files: the format that writes it escapes it."""

    curves: dict[str, Curve]  # by run id
    words: str  # which curves are missing, and why
    facts: Facts  # about the runs in the table
    commands: list[str]  # that planned the runs, oldest first
    problems: list[str]  # files that could not be read


@dataclass
class _Folders:
    """Reads files of run folders and collects those that cannot be read."""

    runs: Path
    problems: list[str] = field(default_factory=list)

    def read(self, file: Path, parse: Callable[[bytes], Any]) -> Any:
        """Return a parsed file; if it cannot be read, note it in `problems` and return None."""
        try:
            return parse(file.read_bytes())
        except FileNotFoundError:
            self.problems.append(f"{file.relative_to(self.runs)}: not there")
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            self.problems.append(f"{file.relative_to(self.runs)}: {type(error).__name__}")
        return None


def read(runs: Path, cells: Sequence[Sequence[Row]]) -> Details:
    """Read the folders of the runs that ended.

    Args:
        runs: the folder of all runs.
        cells: the rows of each cell's runs; at most MOST of those done or diverged are read.
    """
    ended = [[run for run in cell if run["outcome"] in ("done", "diverged")] for cell in cells]
    opened = [run for cell in ended for run in cell]
    words = ""
    if opened and not any((runs / run["run_id"]).is_dir() for run in opened):
        return without(cells, "No learning curves: the runs' own folders, which hold them, are not here.")
    if len(opened) > MOST:
        words = f"There are {len(opened):,} runs: of each cell only the first seed is read"
        words += f", and only of the first {MOST} cells." if sum(map(bool, ended)) > MOST else "."
        opened = [cell[0] for cell in ended if cell][:MOST]
    folders = _Folders(runs)
    curves = {run["run_id"]: folders.read(runs / run["run_id"] / "epochs.jsonl", _curve) for run in opened}
    provenance = [folders.read(runs / run["run_id"] / "provenance.json", _object) for run in opened]
    return Details(
        curves={name: curve for name, curve in curves.items() if curve},
        words=words,
        facts=[*_of_rows(cells), *_of_files(list(filter(None, provenance))), *_dates(opened)],
        commands=_commands(folders, {run["run_id"] for cell in cells for run in cell}),
        problems=_first(folders.problems),
    )


def without(cells: Sequence[Sequence[Row]], words: str) -> Details:
    """Return the details that the table's rows contain, without reading local records.

    Args:
        cells: the rows of each cell's runs.
        words: the reason, one sentence, shown in place of the curves.
    """
    return Details({}, words, _of_rows(cells), [], [])


def _curve(content: bytes) -> Curve:
    """Return (epoch, test accuracy in percent) of each row that has one."""
    rows = [json.loads(line) for line in content.splitlines()]
    accuracies = {int(row["epoch"]): row["test_acc"] for row in rows}
    return sorted((epoch, float(value)) for epoch, value in accuracies.items() if value is not None and math.isfinite(value))


def _object(content: bytes) -> dict[str, Any]:
    return dict(json.loads(content))


def _of_rows(cells: Sequence[Sequence[Row]]) -> Facts:
    """Return the code and the devices of the done runs."""
    done = [run for cell in cells for run in cell if run["outcome"] == "done"]
    codes = [
        f"commit {run['code_commit']}{' with uncommitted changes' if run['code_dirty'] else ''}"
        for run in done
        if run["code_commit"]
    ]
    sources = [str(run["code_source"]) for run in done if run["code_source"]]
    return _listed(("Code", codes), ("Digest of the source", sources), ("Hardware", [str(run["device"]) for run in done]))


def _of_files(provenance: Sequence[Mapping[str, Any]]) -> Facts:
    """Return machines, versions and checksums of data."""

    def joined(key: str, form: str) -> list[str]:
        nodes = [dict(node) for content in provenance if isinstance(node := content.get(key), dict)]
        return [", ".join(form.format(name, value) for name, value in node.items() if name != "host") for node in nodes]

    checksums = [str(content["data_checksum"]) for content in provenance if content.get("data_checksum")]
    return _listed(
        ("Machine", joined("machine", "{1}")),
        ("Versions", joined("versions", "{0} {1}")),
        ("SHA-256 of the data", checksums),
    )


def _listed(*facts: tuple[str, Iterable[str]]) -> Facts:
    """Return each fact's distinct values, with their number of runs if there are several values."""
    listed = []
    for name, values in facts:
        counted = sorted(Counter(values).items())
        lines = [f"{value} ({number} run{'s' if number > 1 else ''})" for value, number in counted]
        if counted:
            listed.append((name, _first(lines if len(counted) > 1 else [counted[0][0]])))
    return listed


def _first(lines: Sequence[str]) -> list[str]:
    more = len(lines) - NAMED
    return [*lines[:NAMED], f"and {more:,} more"] if more > 0 else list(lines)


def _dates(opened: Sequence[Row]) -> Facts:
    """Return the earliest and latest time in the runs' records."""
    times = [time for run in opened for key in ("started", "ended") if (time := _time(run.get(key)))]
    return [("Trained", [f"{min(times):%Y-%m-%d %H:%M} to {max(times):%Y-%m-%d %H:%M} UTC"])] if times else []


def _time(text: Any) -> datetime | None:
    """Return a time in UTC, None if the text is not ISO 8601."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (TypeError, ValueError):
        return None


def _commands(folders: _Folders, wanted: set[str]) -> list[str]:
    """Return the commands of the sweeps that planned any of these runs, each once."""
    commands: dict[str, None] = {}
    for file in sorted((folders.runs / "sweeps").glob(f"*/{NAME}")):
        manifest = folders.read(file, _object) or {}
        if any(isinstance(run, dict) and run.get("run_id") in wanted for run in manifest.get("runs") or []):
            commands[str(manifest.get("command"))] = None
    return _first(list(commands))
