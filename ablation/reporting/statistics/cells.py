"""Runs grouped into cells: their order, their labels, and where the report's numbers may stand beside them.

Owns what a cell is called and what it is compared with. Pure: a DataFrame in, tuples out; computes no accuracy.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ablation.reporting.read.frame import WORDS, plain

ABSENT = object()  # a key that a cell does not have: an argument of another option


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
    ordered = sorted(groups.values(), key=lambda group: (_place(group[0], asked), [sortable(group[0], key) for key in keys]))
    labels = _labels(ordered, study)
    return [_cell(label, config, runs, study) for label, (config, runs) in zip(labels, ordered, strict=True)]


def absent(frame: Sequence[Cell], study: Mapping[str, Any]) -> list[str]:
    """Return the labels of the study's cells that no run was planned for."""
    asked = study.get("cells") or []
    present = {_place(cell.config, asked) for cell in frame}
    return [cell["label"] for place, cell in enumerate(asked) if place not in present]


def lacking(cell: Cell) -> str:
    """Return why runs of the cell have no number: `failed`, or `1 failed, 2 missing`."""
    outcomes = Counter(run["outcome"] for run in cell.runs)
    found = [word for word in WORDS if outcomes[word] and word != "done"]
    if len(found) == 1 and not outcomes["done"]:
        return found[0]
    return ", ".join(f"{outcomes[word]} {word}" for word in found)


def _cell(label: str, config: dict[str, Any], runs: list[dict[str, Any]], study: Mapping[str, Any]) -> Cell:
    asked = study.get("cells") or []
    place = _place(config, asked)
    report = asked[place].get("report") if place < len(asked) else None
    protocol = {key: plain(value) for key, value in (study.get("protocol") or {}).items()}
    differences = {key: (value, config[key]) for key, value in protocol.items() if key in config and config[key] != value}
    runs = sorted(runs, key=lambda run: (sortable(run, "seed"), run["run_id"]))
    return Cell(label, config, runs, None if differences else report, differences if report is not None else {})


def _place(config: Mapping[str, Any], asked: Sequence[Mapping[str, Any]]) -> int:
    """Return the index of the study's cell that a configuration belongs to, or their number."""
    for place, cell in enumerate(asked):
        if all(config.get(key, ABSENT) == plain(value) for key, value in cell["where"].items()):
            return place
    return len(asked)


def sortable(values: Mapping[str, Any], key: str) -> tuple[int, float, str]:
    """Return a key that sorts any JSON value: absent, numbers by size, then text."""
    value = values.get(key, ABSENT)
    if value is ABSENT:
        return (0, 0.0, "")
    if isinstance(value, int | float):
        return (1, value, "")
    return (2, 0.0, shown(value))


def named_keys(study: Mapping[str, Any]) -> list[str]:
    """Return the keys that a study names: its baseline's, its cells' and its contrasts', in that order."""
    named = [study.get("baseline") or {}, *(cell["where"] for cell in study.get("cells") or [])]
    return list(dict.fromkeys(key for keys in [*named, *(study.get("contrasts") or {}).values()] for key in keys))


def ordered_keys(configs: Sequence[Mapping[str, Any]], study: Mapping[str, Any]) -> list[str]:
    """Return all keys of some configurations: the study's own, the options as the identity orders them, values by name."""
    known = {key for config in configs for key in config}
    orders = Counter(tuple(key for key in config if "." not in key) for config in configs)  # a foreign record has another
    options = max(sorted(orders), key=orders.__getitem__, default=())
    return [key for key in dict.fromkeys([*named_keys(study), *options, *sorted(known)]) if key in known]


def _labels(groups: Sequence[tuple[dict[str, Any], list[dict[str, Any]]]], study: Mapping[str, Any]) -> list[str]:
    """Name each cell: the study's label, else what varies in the table, else its runs; what still differs is added."""
    configs, asked = [config for config, _ in groups], study.get("cells") or []
    keys = ordered_keys(configs, study)
    options = [key for key in keys if "." not in key]
    varying = _varying(configs, options)
    names = []
    for config in configs:
        place = _place(config, asked)
        name = ", ".join(shown(config[key]) for key in varying if key in config)
        names.append(str(asked[place]["label"]) if place < len(asked) else name if config else "configuration unknown")
    names = _told_apart(names, configs, options)
    names = _told_apart(names, configs, [key for key in keys if "." in key])
    return [name or _readable(str(runs[0]["run_id"])) for name, (_, runs) in zip(names, groups, strict=True)]


def _readable(run_id: str) -> str:
    """Return a run id without its seed and digest."""
    return run_id.rpartition("-")[0].rpartition("-")[0] or run_id


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
                told[index] = ", ".join(filter(None, [names[index], *values]))
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
