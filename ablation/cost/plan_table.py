"""`plan=true`: print the cost estimate of a command: a table of its runs, then the totals and where the numbers come from.

A terminal gets colours and folded lines, a file plain columns as wide as needed.
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
from ablation.cost.flops import DISK, LAYER, NARROW, NARROW_PASSES, PARAMETER_BYTES, PASSES, START
from ablation.records.numbers import count, duration, exact, figures, gpu_hours, size
from ablation.records.outcome import FINISHED
from ablation.sweep import names

if TYPE_CHECKING:
    from ablation.sweep.planned_run import Planned

COLUMNS: dict[str, Literal["left", "right"]] = {  # text is aligned left, numbers right
    "run": "left",
    "so far": "left",
    "params": "right",
    "MACs": "right",
    "memory": "right",
    "s/epoch": "right",
    "from": "left",
    "left": "right",
}
WIDEST = 128  # characters of a line of text
WIDEST_GRID = 10_000  # characters: no grid is wider
ASSUMED_SD = 0.2  # points: standard deviation of the accuracy over seeds if none was measured
LEVEL = 0.05  # significance level of all comparisons of the table together
COLOURS = {"done": "green", "diverged": "yellow", "running": "cyan"}


def show(planned: Sequence[Planned]) -> int:
    """Print what a command would run and cost; return the exit code, 0."""
    cost = command_cost(planned)
    told = names.of_command(planned)
    _table([_row(item, cost, told[item.run_id]) for item in cost.items], [item.state for item in cost.items])
    estimated = any(item.cell.epoch.peak_memory is None for item in cost.items)
    lines = [*_basis(cost), *[("memory", _memory(cost))] * estimated, ("left", _left(cost))]
    if cost.jobs:
        lines.append(("jobs", f"hydra.launcher.jobs_per_device=auto: {cost.jobs.number} on each GPU ({cost.jobs.reason})"))
    if any(item.left for item in cost.items):
        lines.append(("disk", disk(cost, planned[0].folder.parent)))
    lines.append(("seeds", _seeds(cost)))
    width = min(shutil.get_terminal_size().columns, WIDEST) if sys.stdout.isatty() else WIDEST
    for name, line in lines:
        print(textwrap.fill(f"{name:8}{line}", width, subsequent_indent=" " * 8, break_on_hyphens=False))
    sys.stdout.flush()
    return 0


def _row(item: RunCost, cost: CommandCost, apart: str = "") -> dict[str, str]:
    """Return the cells of one run by the names in COLUMNS; `apart` tells it from the others."""
    so_far = f"{item.state} {item.done}/{item.done + item.left}" if item.done and item.state not in FINISHED else item.state
    epoch, memory = item.cell.epoch, item.cell.memory
    estimate = f"~{size(memory.peak + cost.resident)}" if memory.peak else "unknown"
    return {
        "run": f"{item.run_id} ({apart})" if apart else item.run_id,
        "so far": so_far,
        "params": exact(item.cell.size.parameters),
        "MACs": count(item.cell.size.macs),
        "memory": size(epoch.peak_memory) if epoch.peak_memory else estimate,
        "s/epoch": figures(epoch.seconds),
        "from": epoch.basis,
        "left": duration(item.seconds) if item.left else "none",
    }


def _table(rows: Sequence[Mapping[str, str]], states: Sequence[str]) -> None:
    """Print the runs: in a terminal with as many columns as fit its width, in a file with all."""
    console = Console(highlight=False, emoji=False, markup=False)
    one_basis = len({row["from"] for row in rows}) == 1  # then the line below the table names it for all runs
    fewer = [name for name in COLUMNS if name != "from" or not one_basis]
    grids = [_grid(rows, states, names, gap) for names, gap in ((list(COLUMNS), 2), (list(COLUMNS), 1), (fewer, 1))]
    widths = [Measurement.get(console, console.options.update(max_width=WIDEST_GRID), grid).maximum for grid in grids]
    if not console.is_terminal:
        console.width = widths[0]
    fitting = (grid for grid, width in zip(grids, widths, strict=True) if width <= console.width)
    console.print(next(fitting, grids[-1]))


def _grid(rows: Sequence[Mapping[str, str]], states: Sequence[str], names: Sequence[str], gap: int) -> Table:
    grid = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), header_style="bold")
    for name in names:
        grid.add_column(name, justify=COLUMNS[name], no_wrap=name != "run", overflow="fold")
    for row, state in zip(rows, states, strict=True):
        grid.add_row(*(row[name] for name in names), style=COLOURS.get(state))
    return grid


def _basis(cost: CommandCost) -> list[tuple[str, str]]:
    """Return (basis, explanation) for each word in the column `from`."""
    rates = "; ".join(rate.description for rate in cost.rates.values())
    explanations = {
        "record": f"s/epoch of earlier runs of the same cell on {cost.where.name}",
        "check": f"s/epoch from the steps that check=true measured on {cost.where.name}",
        "rate": f"{cost.where.name}: {rates}",
        "assumed": f"{cost.where.name}, not measured: {rates}",
    }
    bases = {item.cell.epoch.basis for item in cost.items}
    crude = "2 FLOP a MAC, a training image 3 forwards, an evaluated one 1. Crude: check=true on the machine itself measures"
    if any(rate.bandwidth for rate in cost.rates.values()):
        crude = (
            "FLOPs (2 a MAC, a training image 3 forwards, an evaluated one 1) over the rate; plus, each step,"
            f" {PASSES} passes over what the forward pass keeps ({NARROW_PASSES} over maps of at most {NARROW} channels) and"
            f" {PARAMETER_BYTES} bytes a parameter over the memory's, or {duration(LAYER)} a layer if that is more;"
            f" {duration(START)} to start a run, {size(DISK)}/s for its last files."
            " +-25 % on an H100, to which it was fitted: check=true measures"
        )
    return [(basis, text) for basis, text in explanations.items() if basis in bases] + [("", crude)] * bool(cost.rates)


def _memory(cost: CommandCost) -> str:
    return (
        "~ estimated: weights, gradients, optimizer state, what the forward pass keeps, the images"
        f"{', the process itself' if cost.resident else ''}; without workspaces. No ~: measured"
    )


def _seeds(cost: CommandCost) -> str:
    """Return the line that says which differences the planned seeds could show with the table's test."""
    if cost.seeds < 2:
        return "1 seed a cell shows no spread over seeds, so no difference can be judged; seed=0,1,2 costs three times as much"
    from ablation.reporting.statistics.power import (
        detectable,
        planned,
        pooled_sd,
    )  # SciPy: half a second for a plan of one seed

    measured = pooled_sd(cost.accuracies)
    smallest = detectable(planned(measured or ASSUMED_SD, cost.seeds), LEVEL / max(1, cost.comparisons))
    assert smallest is not None
    runs = sum(len(values) for values in cost.accuracies if len(values) > 1)
    sd = f"seed sd {measured:.2g}, of the {runs} runs that are done" if measured else f"seed sd {ASSUMED_SD:g} assumed"
    return f"With {cost.seeds} seeds only differences above about {figures(smallest.points, 2)} points would show ({sd})"


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


def disk(cost: CommandCost, runs: Path) -> str:
    """Return the line that compares the disk that a command needs with what is free."""
    training, kept = cost.disk
    existing = next(folder for folder in (runs.absolute(), *runs.absolute().parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    short = "" if training + kept < free else ": NOT ENOUGH"
    files = f"{size(training)} of checkpoints while runs train (up to {FILES} files a run)"
    return f"{files}, {size(kept)} of weights that stay; {size(free)} free here{short}"
