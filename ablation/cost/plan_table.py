"""`plan=true`: the cost of a command as a person reads it: a table, then what it sums up to and what it rests on.

Owns the words. A terminal gets colours and folded lines, a file plain columns of whatever width they need.
"""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from ablation.cost.estimate import FILES, CommandCost, RunCost, command_cost
from ablation.records.numbers import count, duration, exact, figures, gpu_hours, size
from ablation.records.outcome import FINISHED

if TYPE_CHECKING:
    from ablation.sweep.planned_run import Planned

COLUMNS: dict[str, Literal["left", "right"]] = {  # words stand to the left, numbers to the right
    "run": "left",
    "so far": "left",
    "params": "right",
    "MACs": "right",
    "memory": "right",
    "s/epoch": "right",
    "from": "left",
    "left": "right",
}
WIDEST = 128  # characters of a line of words
WIDEST_GRID = 10_000  # more than a grid can have
ASSUMED_SD = 0.2  # points, of an accuracy over seeds where none was measured
LEVEL = 0.05  # of all comparisons of the table together
COLOURS = {"done": "green", "diverged": "yellow", "running": "cyan"}


def show(planned: Sequence[Planned]) -> int:
    """Print what a command would run and cost; return the exit code, 0."""
    cost = command_cost(planned)
    _table([_row(item, cost) for item in cost.items], [item.state for item in cost.items])
    guessed = any(item.cell.epoch.peak_memory is None for item in cost.items)
    lines = [*_price(cost), *[("memory", _memory(cost))] * guessed, ("left", _left(cost))]
    if any(item.left for item in cost.items):
        lines.append(("disk", _disk(cost, planned[0].folder.parent)))
    lines.append(("seeds", _seeds(cost)))
    width = min(shutil.get_terminal_size().columns, WIDEST) if sys.stdout.isatty() else WIDEST
    for name, line in lines:
        print(textwrap.fill(f"{name:8}{line}", width, subsequent_indent=" " * 8, break_on_hyphens=False))
    sys.stdout.flush()
    return 0


def _row(item: RunCost, cost: CommandCost) -> dict[str, str]:
    """Return one run by COLUMNS."""
    so_far = f"{item.state} {item.done}/{item.done + item.left}" if item.done and item.state not in FINISHED else item.state
    found, parts = item.cell.epoch, item.cell.memory
    peak = size(found.peak_memory) if found.peak_memory else f"~{size(parts.peak + cost.resident)}" if parts.peak else "unknown"
    return {
        "run": item.run_id,
        "so far": so_far,
        "params": exact(item.cell.size.parameters),
        "MACs": count(item.cell.size.macs),
        "memory": peak,
        "s/epoch": figures(found.seconds),
        "from": found.basis,
        "left": duration(item.seconds) if item.left else "none",
    }


def _table(rows: Sequence[Mapping[str, str]], states: Sequence[str]) -> None:
    """Print the runs: in a terminal in the fullest form that fits its width, into a file as wide as they are."""
    console = Console(highlight=False, emoji=False, markup=False)
    alike = len({row["from"] for row in rows}) == 1  # the line below the table says it of all
    fewer = [name for name in COLUMNS if name != "from" or not alike]
    forms = [_grid(rows, states, names, gap) for names, gap in ((list(COLUMNS), 2), (list(COLUMNS), 1), (fewer, 1))]
    needed = [Measurement.get(console, console.options.update(max_width=WIDEST_GRID), form).maximum for form in forms]
    if not console.is_terminal:
        console.width = needed[0]
    fitting = (form for form, width in zip(forms, needed, strict=True) if width <= console.width)
    console.print(next(fitting, forms[-1]))


def _grid(rows: Sequence[Mapping[str, str]], states: Sequence[str], names: Sequence[str], gap: int) -> Table:
    grid = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), header_style="bold")
    for name in names:
        grid.add_column(name, justify=COLUMNS[name], no_wrap=name != "run", overflow="fold")
    for row, state in zip(rows, states, strict=True):
        grid.add_row(*(row[name] for name in names), style=COLOURS.get(state))
    return grid


def _price(cost: CommandCost) -> list[tuple[str, str]]:
    """Say what each kind of price rests on, by the word that stands beside it."""
    rates = "; ".join(rate.words for rate in cost.rates.values())
    words = {
        "record": f"s/epoch of earlier runs of the same cell on {cost.where.name}",
        "check": f"s/epoch from the steps that check=true measured on {cost.where.name}",
        "rate": f"{cost.where.name}: {rates}",
        "assumed": f"{cost.where.name}, not measured: {rates}",
    }
    there = {item.cell.epoch.basis for item in cost.items}
    crude = "2 FLOP a MAC, a training image 3 forwards, an evaluated one 1. Crude: check=true on the machine itself measures"
    return [(basis, words[basis]) for basis in words if basis in there] + [("", crude)] * bool(cost.rates)


def _memory(cost: CommandCost) -> str:
    return (
        "~ estimated: weights, gradients, optimizer state, what the forward pass keeps, the images"
        f"{', the process itself' if cost.resident else ''}; without workspaces. No ~: measured"
    )


def _seeds(cost: CommandCost) -> str:
    """Say which differences the planned seeds would show, by the test of the table."""
    if cost.seeds < 2:
        return "1 seed a cell shows no spread over seeds, so no difference can be judged; seed=0,1,2 costs three times as much"
    from ablation.reporting.statistics.power import (
        detectable,
        planned,
        pooled_sd,
    )  # SciPy: half a second for a plan of one seed

    measured = pooled_sd(cost.accuracies)
    found = detectable(planned(measured or ASSUMED_SD, cost.seeds), LEVEL / max(1, cost.comparisons))
    assert found is not None
    runs = sum(len(values) for values in cost.accuracies if len(values) > 1)
    sd = f"seed sd {measured:.2g}, of the {runs} runs that are done" if measured else f"seed sd {ASSUMED_SD:g} assumed"
    return f"With {cost.seeds} seeds only differences above about {figures(found.points, 2)} points would show ({sd})"


def _left(cost: CommandCost) -> str:
    runs = [item for item in cost.items if item.left]
    if not runs:
        return "nothing: every run has a result"
    seconds, epochs = sum(item.seconds for item in runs), sum(item.left for item in runs)
    time = f"{duration(seconds)} of this machine" if cost.where.host else gpu_hours(seconds)
    total = f"{len(runs)} run{'s'[: len(runs) != 1]}, {exact(epochs)} epochs: {time}"
    if cost.slots > 1:
        return f"{total}; {duration(cost.wall)} on the clock with {cost.slots} slots of {cost.launcher}, if none slows another"
    if cost.where.host or len(runs) == 1:
        return total
    return f"{total}; {duration(cost.wall)} on the clock, one after another (hydra/launcher=local_gpus uses every GPU)"


def _disk(cost: CommandCost, runs: Path) -> str:
    training, kept = cost.disk
    there = next(folder for folder in (runs.absolute(), *runs.absolute().parents) if folder.exists())
    free = shutil.disk_usage(there).free
    short = "" if training + kept < free else ": NOT ENOUGH"
    files = f"{size(training)} of checkpoints while runs train (up to {FILES} files a run)"
    return f"{files}, {size(kept)} of weights that stay; {size(free)} free here{short}"
