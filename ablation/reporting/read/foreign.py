"""Read the runs of another program: from a CSV file, such as W&B's own export, or from a W&B project.

What their keys mean is not known here: foreign_study.py has that from its user.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ablation.reporting.read import wandb_online
from ablation.reporting.read.wandb_online import Unavailable

NAME, STATE, TAGS = "Name", "State", "Tags"  # columns of W&B's export
SECONDS = ("_runtime", "Runtime")  # wall seconds, as W&B logs and as it exports them


@dataclass(frozen=True)
class Run:
    """One run, with flat values: numbers and booleans as such, text as text; a key without a value is absent."""

    id: str  # safe as a file name
    state: str | None  # finished, running, failed, crashed, ...; None if the source has no states
    tags: frozenset[str]
    config: Mapping[str, Any]
    summary: Mapping[str, Any]  # of a CSV file the same as config: its columns do not tell

    @property
    def values(self) -> dict[str, Any]:
        """Summary and config; of a key in both, the config's."""
        return {**self.summary, **self.config}


def csv_runs(file: Path) -> list[Run]:
    """Read a CSV file with a header, one run per line.

    Raises:
        Unavailable: it cannot be read, has no run, or is not separated by commas.
    """
    try:
        table = pd.read_csv(file, dtype=str, na_filter=False, encoding="utf-8-sig")
    except (OSError, ValueError) as error:  # pandas' own errors are ValueErrors
        reason = error.strerror if isinstance(error, OSError) and error.strerror else " ".join(str(error).split())
        raise Unavailable(f"--source csv {file}: {reason}") from error
    if len(table.columns) < 2:
        raise Unavailable(f"--source csv {file}: one column, {table.columns[0]!r}; must have several, separated by commas")
    if table.empty:
        raise Unavailable(f"--source csv {file}: a header, but no run")
    rows = [{str(key): value.strip() for key, value in row.items()} for row in table.to_dict("records")]
    ids = _distinct(row.get("ID") or row.get(NAME) or f"line-{line}" for line, row in enumerate(rows, 2))
    runs = []
    for run_id, row in zip(ids, rows, strict=True):
        values = {key: parsed(value) for key, value in row.items() if value and key not in (NAME, STATE, TAGS)}
        tags = frozenset(filter(None, (tag.strip() for tag in row.get(TAGS, "").split(","))))
        runs.append(Run(run_id, row.get(STATE, "").lower() or None, tags, values, values))
    return runs


def wandb_runs(project: str) -> list[Run]:
    """Read all runs of a W&B project.

    Args:
        project: NAME, of the account's default entity, or ENTITY/NAME.

    Raises:
        Unavailable: no key, no such project, no answer in time, or no run.
    """
    pages = wandb_online.every_run(project)
    if not pages:
        raise Unavailable(f"W&B {project}: no run")
    ids = _distinct(page.id for page in pages)
    return [
        Run(run_id, page.state, frozenset(page.tags or ()), _sorted(page.config), _sorted(page.summary_metrics))
        for run_id, page in zip(ids, pages, strict=True)
    ]


def parsed(text: str) -> Any:
    """Return a CSV field as a number or a boolean if it is one, else as it is."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text) if "_" not in text else text  # Python reads 1_0 as 10
        except ValueError:
            continue
    return text


def flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return a nested dictionary with dotted keys, without nulls; W&B's NaN, a text, as a number."""
    result: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            result |= flat(value, f"{prefix}{key}.")
        elif value is not None:
            result[f"{prefix}{key}"] = (
                {"NaN": math.nan, "Infinity": math.inf}.get(value, value) if isinstance(value, str) else value
            )
    return result


def _sorted(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Return a flat dictionary in the order of its keys: W&B's own changes from one answer to the next."""
    return dict(sorted(flat(tree).items()))


def _distinct(names: Iterable[str]) -> list[str]:
    """Return names that are safe as file names; equal ones are numbered."""
    seen: Counter[str] = Counter()
    result = []
    for name in names:
        safe = re.sub(r"[^\w.+=-]", "_", name).lstrip(".")[:100] or "run"
        seen[safe] += 1
        result.append(safe if seen[safe] == 1 else f"{safe}~{seen[safe]}")
    return result
