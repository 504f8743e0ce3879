"""The command that would decide what is open, and how long it takes: the sweep's own, of the cells in question, with new seeds.

Owns the rewriting of a command line. Runs nothing.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

from ablation.reporting.statistics.analysis import Analysis, Row
from ablation.reporting.statistics.config_keys import named_keys, shown

BRACKETS = re.compile(r"\[[^\]]*\]")  # a list is one value: its commas are no axis
LISTED = 12  # seeds that a command lists one by one; more are a range


@dataclass(frozen=True)
class Step:
    """More seeds for some cells, or more cells."""

    purpose: str  # `to decide between A and B`
    seeds: int  # a cell, to add; 0 where cells are added
    seconds: float | None  # of all its runs one after another, by the records' wall times
    command: str | None  # None where no sweep's command is known


def more_seeds(analysis: Analysis, rows: Sequence[Row], seeds: int, purpose: str) -> Step:
    """Return the step that adds so many seeds to each of some cells.

    Its command trains no other cells where the cells are a grid of options; else the grid that holds them.
    """
    wall = [row.wall_seconds for row in rows if row.wall_seconds]
    if analysis.command is None or analysis.looked is not None:  # a sweep in rounds chooses its own seeds
        return Step(purpose, seeds, seeds * sum(wall) if len(wall) == len(rows) else None, None)
    taken = [run["seed"] for row in rows for run in row.cell.runs if isinstance(run["seed"], int)]
    first = max(taken, default=-1) + 1
    whole = len(rows) == len(analysis.rows)
    arguments = [argument for argument in shlex.split(analysis.command) if not argument.startswith(("seed=", "hydra.verbose="))]
    typed = [argument for argument in arguments if "," in BRACKETS.sub("", argument) and "=" in argument]
    wanted = {argument.partition("=")[0]: argument if whole else _narrowed(argument, rows) for argument in typed}
    named = (
        []
        if whole
        else [key for key in named_keys(analysis.study) if not any(argument.startswith(f"{key}=") for argument in arguments)]
    )
    added = {key: f"{key}={','.join(_values(key, rows))}" for key in named if _values(key, rows)}
    arguments = [wanted.get(argument.partition("=")[0], argument) for argument in arguments]
    arguments += [] if {"-m", "--multirun"} & {*arguments} else ["-m"]
    cells = len(rows) if whole else prod(argument.count(",") + 1 for argument in [*wanted.values(), *added.values()])
    new = ",".join(map(str, range(first, first + seeds))) if seeds <= LISTED else f"range({first},{first + seeds})"
    seconds = seeds * cells * sum(wall) / len(wall) if wall else None
    return Step(purpose, seeds, seconds, shlex.join([*arguments, *added.values(), f"seed={new}"]))


def new_cells(analysis: Analysis, values: Mapping[str, str], purpose: str) -> Step:
    """Return the step that trains the sweep's grid and seeds with other values of some keys, `resizer: bilinear,plain`."""
    if analysis.command is None:
        return Step(purpose, 0, None, None)
    arguments = [argument for argument in shlex.split(analysis.command) if argument.partition("=")[0] not in values]
    arguments += [] if {"-m", "--multirun"} & {*arguments} else ["-m"]
    return Step(purpose, 0, None, shlex.join([*arguments, *(f"{key}={value}" for key, value in values.items())]))


def commands(steps: Sequence[Step], complete: bool, command: str | None) -> list[tuple[str, str]]:
    """Return what would decide what is open, and its command; more seeds wait until every run that was planned has a result."""
    if complete:
        return [(step.purpose, step.command) for step in steps if step.command]
    new = [(step.purpose, step.command) for step in steps if step.command and not step.seeds]
    return [("to go on with what has no result", command), *new[:1]] if command else []


def _values(key: str, rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(shown(row.cell.config[key]) for row in rows if key in row.cell.config))


def _narrowed(argument: str, rows: Sequence[Row]) -> str:
    """Return an override of several values with those alone that the cells have, as they were typed where they were."""
    key, _, values = argument.partition("=")
    wanted = _values(key, rows)
    kept = [value for value in values.split(",") if any(_equal(value, other) for other in wanted)]
    return f"{key}={','.join(kept if len(kept) == len(wanted) else wanted)}" if wanted else argument


def _equal(typed: str, value: str) -> bool:
    try:
        return typed == value or float(typed) == float(value)
    except ValueError:
        return False
