"""Runs grouped into cells: their order, their labels, and where the report's numbers may stand beside them.

Owns what a cell is called and what it is compared with. Pure: a DataFrame in, tuples out; computes no accuracy.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ablation.reporting.sources import plain

OPTIONS = ("resizer", "aug", "backbone", "optimizer", "schedule", "data")  # in the order in which a label names them
ABSENT = object()  # a key that a cell does not have: resizer.size of resizer=none


@dataclass(frozen=True)
class Cell:
    """One configuration and its runs, a seed each."""

    label: str
    config: dict[str, Any]  # flat, without the seed
    runs: list[dict[str, Any]]  # rows of the DataFrame, sorted by seed
    report: float | None  # the report's accuracy, where its protocol is this cell's
    differences: dict[str, tuple[Any, Any]]  # where it is not: key -> (the report's value, the value here)


def cells(frame: pd.DataFrame, study: Mapping[str, Any]) -> list[Cell]:
    """Group runs by their configuration without the seed.

    Args:
        frame: of `sources`.
        study: the study's node: its cells give order, labels and the report's numbers.

    Returns:
        The study's cells in its order, others after them, sorted.
    """
    groups: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {}
    for row in frame.to_dict("records"):
        config = {key: value for key, value in row["config"].items() if key != "seed"}
        _, runs = groups.setdefault(json.dumps(config, sort_keys=True), (config, []))
        runs.append({str(key): value for key, value in row.items()})
    asked = study.get("cells") or []
    keys = sorted({key for config, _ in groups.values() for key in config})
    ordered = sorted(groups.values(), key=lambda group: (_place(group[0], asked), [_sortable(group[0], key) for key in keys]))
    labels = _labels([config for config, _ in ordered], asked, keys)
    return [_cell(label, config, runs, study) for label, (config, runs) in zip(labels, ordered, strict=True)]


def absent(frame: Sequence[Cell], study: Mapping[str, Any]) -> list[str]:
    """Return the labels of the study's cells that no run was planned for."""
    asked = study.get("cells") or []
    present = {_place(cell.config, asked) for cell in frame}
    return [cell["label"] for place, cell in enumerate(asked) if place not in present]


def _cell(label: str, config: dict[str, Any], runs: list[dict[str, Any]], study: Mapping[str, Any]) -> Cell:
    asked = study.get("cells") or []
    place = _place(config, asked)
    report = asked[place].get("report") if place < len(asked) else None
    protocol = {key: plain(value) for key, value in (study.get("protocol") or {}).items()}
    differences = {key: (value, config[key]) for key, value in protocol.items() if key in config and config[key] != value}
    runs = sorted(runs, key=lambda run: (_sortable(run, "seed"), run["run_id"]))
    return Cell(label, config, runs, None if differences else report, differences if report is not None else {})


def _place(config: Mapping[str, Any], asked: Sequence[Mapping[str, Any]]) -> int:
    """Return the index of the study's cell that a configuration belongs to, or their number."""
    for place, cell in enumerate(asked):
        if all(config.get(key, ABSENT) == plain(value) for key, value in cell["where"].items()):
            return place
    return len(asked)


def _sortable(values: Mapping[str, Any], key: str) -> tuple[int, float, str]:
    """Return a key that sorts any JSON value: absent, numbers by size, then text."""
    value = values.get(key, ABSENT)
    if value is ABSENT:
        return (0, 0.0, "")
    if isinstance(value, int | float):
        return (1, value, "")
    return (2, 0.0, shown(value))


def _labels(configs: list[dict[str, Any]], asked: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> list[str]:
    """Name each cell: the study's label, else the options that vary in the table; what still differs is added."""
    varying = _varying(configs, OPTIONS) or ["resizer", "aug"]
    names = []
    for config in configs:
        place = _place(config, asked)
        options = ", ".join(shown(config[key]) for key in varying if key in config)
        names.append(str(asked[place]["label"]) if place < len(asked) else options or "configuration unknown")
    names = _told_apart(names, configs, OPTIONS)
    return _told_apart(names, configs, [key for key in keys if key not in OPTIONS])


def _told_apart(names: list[str], configs: list[dict[str, Any]], keys: Sequence[str]) -> list[str]:
    """Add to names that are shared the values that differ among those who share them."""
    sharing = defaultdict(list)
    for index, name in enumerate(names):
        sharing[name].append(index)
    told = list(names)
    for indices in sharing.values():
        if len(indices) > 1:
            differing = _varying([configs[index] for index in indices], keys)
            short = _short(differing)
            for index in indices:
                values = [f"{short[key]}={shown(configs[index][key])}" for key in differing if key in configs[index]]
                told[index] = ", ".join([names[index], *values])
    return told


def _varying(configs: Sequence[Mapping[str, Any]], keys: Iterable[str]) -> list[str]:
    return [key for key in keys if len({shown(config.get(key, ABSENT)) for config in configs}) > 1]


def _short(keys: Sequence[str]) -> dict[str, str]:
    """Shorten dotted keys to their last part, where that is clear."""
    last = [key.rpartition(".")[2] for key in keys]
    return {key: part if last.count(part) == 1 else key for key, part in zip(keys, last, strict=True)}


def shown(value: Any) -> str:
    """Return a configuration value as a person reads it: text bare, the rest as JSON."""
    if value is ABSENT:
        return ""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)
