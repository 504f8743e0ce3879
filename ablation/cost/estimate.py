"""The cost of a command: the remaining epochs of every run and their time, from measurements where there are any.

Combines the numbers of model_size.py, memory.py, history.py, hardware.py and flops.py. Writes nothing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablation.cost import cards, flops, hardware, history, memory, model_size, packing
from ablation.cost.flops import Epoch, Hardware, Rate, Traffic
from ablation.cost.packing import Jobs
from ablation.records.outcome import FINISHED
from ablation.sweep import devices, gpu_facts
from ablation.sweep.refusal import Refused

if TYPE_CHECKING:
    from ablation.sweep.planned_run import Planned

FILES = 3  # resume files of a training run, each with the weights of its chosen epochs: two, and the one being written


@dataclass(frozen=True)
class CellCost:
    """Costs that are equal for all seeds of a cell."""

    size: model_size.Size
    memory: memory.Memory
    epoch: Epoch


@dataclass(frozen=True)
class RunCost:
    """One run: its state, and its epochs done and left."""

    run_id: str
    state: str
    done: int
    left: int
    cell: CellCost
    kept: int  # bytes of weights that stay once it is done
    once: float  # estimated seconds beside the epochs; 0 where the epochs were measured

    @property
    def seconds(self) -> float:
        """Estimated seconds until the run is done."""
        return self.left * self.cell.epoch.seconds + self.once


@dataclass(frozen=True)
class CommandCost:
    """The costs of a command's runs, and the hardware and rates they were computed with."""

    where: Hardware
    rates: Mapping[str, Rate]  # by precision, of the cells that were never run
    items: list[RunCost]
    slots: int
    jobs: Jobs | None  # on each GPU, if hydra.launcher.jobs_per_device=auto
    launcher: str
    resident: int  # bytes of a process on a CPU
    seeds: int  # that every cell will have at least
    comparisons: int  # of a cell with its baseline, for which the table will adjust p values
    accuracies: list[list[float]]  # of each cell's done seeds, percent

    @property
    def wall(self) -> float:
        """Estimated seconds until the last run ends."""
        return flops.makespan([item.seconds for item in self.items], self.slots)

    @property
    def disk(self) -> tuple[int, int]:
        """Bytes of resume files while runs train, and of the weights kept afterwards."""
        open_runs = [item for item in self.items if item.left]
        files = sorted((FILES * (item.cell.memory.resume_file + item.kept) for item in open_runs), reverse=True)
        return sum(files[: self.slots]), sum(item.kept for item in open_runs)


def command_cost(planned: Sequence[Planned]) -> CommandCost:
    """Estimate the cost of a command's runs.

    Args:
        planned: at least one run.

    Raises:
        Refused: a part does not take its arguments.
    """
    firsts = {run.cell: run for run in reversed(planned)}
    first = planned[0]
    where = hardware.hardware(list(firsts.values()), first.overrides)
    known = history.read(first.folder.parent, firsts, where)
    rates: dict[str, Rate] = {}
    cells = {name: _cell(name, each, where, known, rates) for name, each in firsts.items()}
    items = [_item(run, cells[run.cell], rates) for run in planned]
    shared = _jobs(where, items, first.launcher) if first.launcher.get("jobs_per_device") == "auto" else None
    return CommandCost(
        where,
        rates,
        items,
        slots(first.launcher, shared.number if shared else 1),
        shared,
        first.options.get("hydra/launcher", "basic"),
        hardware.resident(where, first),
        *_comparisons(planned, known),
    )


def _cell(name: str, run: Planned, where: Hardware, known: history.History, rates: dict[str, Rate]) -> CellCost:
    """Return the cost of a cell; an epoch's from the cell's records, else from a check, else by the rates per precision."""
    size, needed = model_size.size(run), memory.estimate(run)
    work, precision = model_size.work(run), run.train.precision
    measured = known.records.get(name) or history.read_check(Path(run.config["paths"]["cache"]), name, where, work)
    if measured is None and precision not in rates:
        rates[precision] = hardware.rate(where, run)
    return CellCost(size, needed, measured or flops.by_rate(work, rates[precision], _traffic(run, where, size)))


def _traffic(run: Planned, where: Hardware, size: model_size.Size) -> Traffic:
    """Return what a run moves in the precision in which it is priced."""
    if where.assumed:
        executed = replace(run.train, precision=cards.CARDS[where.name].computed_in(run.train.precision))
        run = replace(run, train=executed)
    needed = memory.estimate(run)
    steps = -(-run.trained_images // run.train.batch_size)
    return Traffic(steps, needed.kept, needed.narrow, size.layers, size.parameters, needed.resume_file)


def _item(run: Planned, parts: CellCost, rates: Mapping[str, Rate]) -> RunCost:
    state, done = run.state, run.epochs_done
    left = 0 if state in FINISHED else max(0, run.train.epochs - done)
    kinds = set(run.config["records"]["keep_weights"]) - (set() if run.config["data"]["val_size"] else {"val"})
    kept = len(kinds) * parts.memory.weights
    rate = rates.get(run.train.precision)
    by_rate = rate is not None and rate.bandwidth is not None and parts.epoch.basis == rate.basis
    once = flops.once(parts.memory.resume_file, kept) if left and by_rate else 0.0
    return RunCost(run.run_id, state, done, left, parts, kept, once)


def _jobs(where: Hardware, items: Sequence[RunCost], launcher: Mapping[str, Any]) -> Jobs:
    """Return how many of the runs that are left share a GPU of the queue, as `packing.of_queue`.

    Of a machine that is not this one the cores are not counted.
    """
    cells = [item.cell for item in items if item.left]
    needed = [packing.process_bytes(cell.epoch.peak_memory, cell.memory.peak) for cell in cells]
    gpus = () if where.assumed or where.host else _gpus(launcher)
    if not where.assumed and not gpus:
        return Jobs(1, "no GPU here")
    device_memory = min(gpu.memory for gpu in gpus) if gpus else cards.CARDS[where.name].memory * 10**9
    return packing.jobs(needed, device_memory, packing.cores() / len(gpus) if gpus else math.inf)


def _gpus(launcher: Mapping[str, Any]) -> tuple[gpu_facts.Gpu, ...]:
    """Return the GPUs of a queue; if it names others than this machine has, this machine's."""
    try:
        return gpu_facts.of_queue(launcher).gpus
    except Refused:
        return gpu_facts.read().gpus


def slots(launcher: Mapping[str, Any], jobs: int = 1) -> int:
    """Return how many runs the launcher executes at once; if its devices are not on this machine, as many as it names."""
    if "devices" not in launcher:
        return int(launcher.get("array_parallelism") or 1)
    try:
        return len(devices.slots(launcher, jobs=jobs))
    except Refused:
        listed = launcher["devices"]
        return (len(listed) if isinstance(listed, list) else 1) * (
            jobs if launcher["jobs_per_device"] == "auto" else int(launcher["jobs_per_device"])
        )


def _comparisons(planned: Sequence[Planned], known: history.History) -> tuple[int, int, list[list[float]]]:
    """Return the number of seeds of every cell, of comparisons with a baseline, and the accuracies of each cell's done runs."""
    seeds: dict[str, set[int]] = {}
    for run in planned:
        seeds.setdefault(run.cell, set(known.accuracies.get(run.cell, ()))).add(run.seed)
    runs = {run.cell: run for run in planned}
    others = _baselines(runs)
    compared = sum(other is not None and other != name for name, other in others.items())
    return min(map(len, seeds.values())), compared, [list(known.accuracies.get(name, {}).values()) for name in runs]


def _baselines(runs: Mapping[str, Planned]) -> dict[str, str | None]:
    """Return the baseline cell of each cell: the one that differs only in the factors that the study's baseline sets."""
    first = next(iter(runs.values()))
    where = first.config["study"]["baseline"] or {}
    others = set.intersection(*(set(run.identity) for run in runs.values())) - {"seed"}
    keys = sorted(key for key in others if key.partition(".")[0] not in where)
    alike: dict[str, dict[str, Planned]] = {}  # baseline cells by the values that all cells have outside the factors
    signatures = {name: json.dumps([run.identity[key] for key in keys]) for name, run in runs.items()}
    for name, run in runs.items():
        if where and where.items() <= {key: run.identity.get(key) for key in where}.items():
            alike.setdefault(signatures[name], {})[name] = run
    return {name: _baseline(run, alike.get(signatures[name], {}), where) for name, run in runs.items()}


def _baseline(run: Planned, candidates: Mapping[str, Planned], where: Mapping[str, Any]) -> str | None:
    def rest(one: Planned, other: Planned) -> dict[str, object]:
        shared = one.identity.keys() & other.identity.keys() - {"seed"}
        return {key: one.identity[key] for key in shared if key.partition(".")[0] not in where}

    matching = [name for name, other in candidates.items() if rest(other, run) == rest(run, other)]
    return matching[0] if len(matching) == 1 else None
