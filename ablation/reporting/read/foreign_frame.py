"""The runs of another program that count, as the DataFrame of `frame`, by their study file."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from ablation.reporting.read.foreign import SECONDS, Run
from ablation.reporting.read.foreign_study import SCALES, ForeignStudy, Wrong
from ablation.reporting.read.frame import COLUMNS, plain

OUTCOMES = {"finished": "done", "running": "running", "failed": "failed", "crashed": "killed", "killed": "killed"}
OUTCOMES |= {"preempted": "preempted", "preempting": "preempted"}


def counting(runs: Sequence[Run], study: ForeignStudy) -> tuple[list[Run], list[str]]:
    """Return the runs that count, and a line about the others.

    Raises:
        Wrong: a filter names a key that no run has, or leaves nothing.
    """
    kept, lines = list(runs), []
    for name, fits in _filters(runs, study):
        left = [run for run in kept if fits(run)]
        if not left:
            raise Wrong(f"--study {study.file}: {name}: leaves none of {len(kept)} runs{_there(kept, name)}")
        if len(left) < len(kept):
            lines.append(f"{len(kept) - len(left)} of {len(kept)} runs left out: {name}{_there(kept, name)}")
        kept = left
    return kept, lines


def _filters(runs: Sequence[Run], study: ForeignStudy) -> list[tuple[str, Callable[[Run], bool]]]:
    """Return each filter with its words."""
    states, tags = ({str(value) for value in _listed(study.where.get(key))} for key in ("state", "tags"))
    filters: list[tuple[str, Callable[[Run], bool]]] = []
    if states:
        filters.append((f"where.state {', '.join(sorted(states))}", lambda run: run.state is None or run.state in states))
    if tags:
        filters.append((f"where.tags {', '.join(sorted(tags))}", lambda run: tags <= run.tags))
    for key, values in (study.where.get("config") or {}).items():
        _known(key, runs, f"--study {study.file}: where.config")
        legal = [plain(value) for value in _listed(values)]

        def fits(run: Run, key: str = key, legal: Sequence[Any] = legal) -> bool:
            return plain(run.values.get(key)) in legal

        filters.append((f"where.config {key}={', '.join(map(str, legal))}", fits))
    return filters


def _there(runs: Sequence[Run], name: str) -> str:
    """Return what values there are in place of those that a filter wants."""
    if name.startswith("where.state"):
        found = Counter(str(run.state) for run in runs)
    elif name.startswith("where.tags"):
        found = Counter(tag for run in runs for tag in sorted(run.tags))
    else:
        key = name.removeprefix("where.config ").partition("=")[0]
        found = Counter(str(run.values.get(key)) for run in runs)
    return f" (there are {', '.join(f'{number} {value}' for value, number in found.most_common(8)) or 'none'})"


def _listed(values: Any) -> list[Any]:
    return values if isinstance(values, list) else [] if values is None else [values]


def _known(key: str, runs: Sequence[Run], what: str) -> None:
    if not any(key in run.values for run in runs):
        keys = sorted({key for run in runs for key in run.values if not key.startswith("_")})
        raise Wrong(f"{what}: no run has the key {key}; there are {', '.join(keys[:40])}{', ...' * (len(keys) > 40)}")


def frame(runs: Sequence[Run], study: ForeignStudy) -> pd.DataFrame:
    """Return the runs that count as the DataFrame of `frame`: a row each, accuracies in percent.

    Raises:
        Wrong: the study names a key that no run has, the metric or the seed of a run is no number, or a cell has a seed twice.
    """
    for what, key in (("metric", study.metric), ("seed", study.seed), *(("factors", key) for key in study.factors)):
        _known(key, runs, f"--study {study.file}: {what}")
    rows = [_row(run, study) for run in runs]
    _check_scale(rows, study)
    _check_cells(rows, study)
    return pd.DataFrame(rows, columns=list(COLUMNS), dtype=object).sort_values("run_id", ignore_index=True)


def _check_scale(rows: Sequence[dict[str, Any]], study: ForeignStudy) -> None:
    """Refuse accuracies that are not on the stated scale."""
    numbers = [row["last_acc"] for row in rows if row["last_acc"] is not None]
    for row in rows:
        if row["last_acc"] is not None and not 0 <= row["last_acc"] <= 100:
            value = row["last_acc"] / SCALES[study.scale]
            legal = "0 to 1, or state scale: percent" if study.scale == "fraction" else "0 to 100"
            raise Wrong(f"{row['run_id']}: {study.metric}={value:g} as a {study.scale}: must be {legal}")
    if study.scale == "percent" and numbers and max(numbers) <= 1:
        raise Wrong(f"{study.metric}: at most {max(numbers):g} in all runs as a percent: state scale: fraction")


def _check_cells(rows: Sequence[dict[str, Any]], study: ForeignStudy) -> None:
    """Refuse two done runs of one cell and seed, and a baseline that no run has."""
    first: dict[str, str] = {}
    for row in rows:
        cell = repr(sorted(row["config"].items()))
        if row["outcome"] == "done" and (other := first.setdefault(cell, row["run_id"])) != row["run_id"]:
            name = ", ".join(f"{key}={row['config'].get(key)}" for key in study.factors)
            twice = f"{study.seed}={row['seed']} twice in the cell {name}: {other} and {row['run_id']}"
            raise Wrong(f"{twice}; name what tells them apart in factors, or leave one out by where")
    base = {key: plain(value) for key, value in (study.study.get("baseline") or {}).items()}
    if not any(all(row["config"].get(key) == value for key, value in base.items()) for row in rows):
        name = ", ".join(f"{key}={value}" for key, value in base.items())
        raise Wrong(f"--study {study.file}: baseline: no run with {name}; its keys are factors, its values those of the runs")


def _row(run: Run, study: ForeignStudy) -> dict[str, Any]:
    metric: Any = {**run.config, **run.summary}.get(study.metric)
    seed = plain(run.values.get(study.seed))
    outcome = OUTCOMES.get(run.state or "finished", "missing")
    if outcome == "done" and metric is None:
        outcome = "missing"
    if outcome == "done" and not _is_number(metric):
        raise Wrong(f"{run.id}: {study.metric}={metric}: must be a number")
    if outcome == "done" and not math.isfinite(metric):
        outcome = "diverged"
    if outcome == "done" and type(seed) is not int:
        raise Wrong(f"{run.id}: {study.seed}={seed}: must be a whole number, since it tells the runs of a cell apart")
    config = {key: plain(run.values[key]) for key in study.factors if key in run.values} | {
        "data": study.test_set,
        "seed": seed,
    }
    seconds = next((run.values[key] for key in SECONDS if _is_number(run.values.get(key))), None)
    return dict.fromkeys(COLUMNS) | {
        "run_id": run.id,
        "outcome": outcome,
        "seed": seed,
        "digest": "",
        "last_acc": round(metric * SCALES[study.scale], 12) if outcome == "done" else None,
        "wall_seconds": seconds if outcome == "done" else None,
        "config": config,
    }


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def within_cells(runs: Sequence[Run], study: ForeignStudy) -> list[str]:
    """Return the keys of the configurations that differ between runs of one cell, beside the seed: they are in the noise."""
    first: dict[str, Run] = {}
    found: set[str] = set()
    for run in runs:
        other = first.setdefault(repr([run.values.get(key) for key in study.factors]), run)
        if run.config is not run.summary:  # a CSV file does not tell what was configured
            found |= {key for key in {*run.config, *other.config} if run.config.get(key) != other.config.get(key)}
    return sorted(key for key in found - {study.seed} if not key.startswith("_"))
