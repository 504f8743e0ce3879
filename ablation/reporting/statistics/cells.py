"""Runs grouped into cells: their order, which of them count, and where the report's numbers may stand beside them.

Owns what a cell is. Pure: a DataFrame in, tuples out; computes no accuracy.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from ablation.reporting.read.frame import WORDS, plain
from ablation.reporting.statistics.config_keys import ABSENT, Config, sortable
from ablation.reporting.statistics.digests import named
from ablation.reporting.statistics.labels import labels


@dataclass(frozen=True)
class Cell:
    """One configuration and its runs, a seed each."""

    label: str
    config: dict[str, Any]  # flat, without the seed, names in place of digests
    runs: list[dict[str, Any]]  # rows of the DataFrame, sorted by seed
    report: float | None  # the report's accuracy, where its protocol is this cell's
    published: bool  # the study has a published accuracy for it, of whatever protocol
    differences: dict[str, tuple[Any, Any]]  # from the study's protocol: key -> (the protocol's value, the value here)

    @cached_property
    def done(self) -> list[dict[str, Any]]:
        """The done runs that count, one a seed: of two records of one seed, or of none, nothing says which is the run."""
        seeds = Counter(run["seed"] for run in self.runs if run["outcome"] == "done")
        return [
            run for run in self.runs if run["outcome"] == "done" and isinstance(run["seed"], int) and seeds[run["seed"]] == 1
        ]

    @property
    def planned(self) -> int:
        """Number of runs that it was planned to have; those that a sweep in rounds did not need are none of them."""
        return sum(run["outcome"] != "unneeded" for run in self.runs)

    @cached_property
    def uncounted(self) -> list[str]:
        """The run ids of done runs that do not count: a seed that stands in two records, or a record without a seed."""
        counted = {run["run_id"] for run in self.done}
        return [run["run_id"] for run in self.runs if run["outcome"] == "done" and run["run_id"] not in counted]

    def accuracies(self, metric: str) -> dict[int, float]:
        """Return the accuracy in percent of each done run that counts, by seed."""
        return {run["seed"]: run[f"{metric}_acc"] for run in self.done if run[f"{metric}_acc"] is not None}


def cells(frame: pd.DataFrame, study: Config) -> list[Cell]:
    """Group runs by their configuration without the seed.

    Args:
        frame: of `local_files` or `source`.
        study: the study's node: its cells give order, labels and the report's numbers.

    Returns:
        The study's cells in its order, others after them, sorted.
    """
    groups: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {}
    rows = frame.to_dict("records")
    configs = named([row["config"] for row in rows], [{**_recorded(row), **(row["words"] or {})} for row in rows])
    for row, named_config in zip(rows, configs, strict=True):
        config = {key: value for key, value in named_config.items() if key != "seed"}
        _, runs = groups.setdefault(json.dumps(config, sort_keys=True), (config, []))
        runs.append({str(key): value for key, value in row.items()})
    listed = study.get("cells") or []
    keys = sorted({key for config, _ in groups.values() for key in config})
    ordered = sorted(groups.values(), key=lambda group: (_place(group[0], listed), [sortable(group[0], key) for key in keys]))
    places = [_place(config, listed) for config, _ in ordered]
    names = [str(listed[place]["label"]) if place < len(listed) else None for place in places]
    cell_labels = labels([config for config, _ in ordered], names, [str(runs[0]["run_id"]) for _, runs in ordered], study)
    return [_cell(label, config, runs, study) for label, (config, runs) in zip(cell_labels, ordered, strict=True)]


def _recorded(row: Mapping[Any, Any]) -> dict[str, str]:
    """Return the name that a record gives its image folder."""
    return dict.fromkeys(("data.content", "data.listing"), row["dataset"]) if row["dataset"] else {}


def absent(frame: Sequence[Cell], study: Config) -> list[str]:
    """Return the labels of the study's cells that no run was planned for."""
    listed = study.get("cells") or []
    present = {_place(cell.config, listed) for cell in frame}
    return [cell["label"] for place, cell in enumerate(listed) if place not in present]


def lacking(cell: Cell) -> str:
    """Return why runs of the cell have no number: `failed`, or `1 failed, 2 missing`; nothing if all are done."""
    outcomes = Counter(run["outcome"] for run in cell.runs)
    others = [word for word in WORDS if outcomes[word] and word not in ("done", "unneeded")]
    if len(others) == 1 and not outcomes["done"]:
        return others[0]
    return ", ".join(f"{outcomes[word]} {word}" for word in others)


def duplicates(cells: Sequence[Cell]) -> dict[tuple[str, int | None], list[str]]:
    """Return the run ids of done runs that do not count, by cell label and seed; seed None: the record has none."""
    same: dict[tuple[str, int | None], list[str]] = defaultdict(list)
    for cell in cells:
        for run in cell.runs:
            if run["run_id"] in cell.uncounted:
                same[cell.label, run["seed"] if isinstance(run["seed"], int) else None].append(run["run_id"])
    return dict(same)


def _cell(label: str, config: dict[str, Any], runs: list[dict[str, Any]], study: Config) -> Cell:
    listed = study.get("cells") or []
    place = _place(config, listed)
    report = listed[place].get("report") if place < len(listed) else None
    protocol = {key: plain(value) for key, value in (study.get("protocol") or {}).items()}
    differences = {key: (value, config[key]) for key, value in protocol.items() if key in config and config[key] != value}
    runs = sorted(runs, key=lambda run: (sortable(run, "seed"), run["run_id"]))
    return Cell(label, config, runs, None if differences else report, report is not None, differences)


def _place(config: Mapping[str, Any], listed: Sequence[Mapping[str, Any]]) -> int:
    """Return the index of the study's cell that a configuration belongs to, or their number."""
    for place, cell in enumerate(listed):
        if all(config.get(key, ABSENT) == plain(value) for key, value in cell["where"].items()):
            return place
    return len(listed)
