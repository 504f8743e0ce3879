"""What a command would cost: every run with its epochs left and their price, from the best evidence there is.

Owns the sum. Where the numbers come from: model_size.py, memory.py, history.py, hardware.py, flops.py. Writes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablation.cost import flops, hardware, history, memory, model_size
from ablation.cost.flops import Epoch, Hardware, Rate
from ablation.records.outcome import FINISHED
from ablation.sweep import devices
from ablation.sweep.refusal import Refused

if TYPE_CHECKING:
    from ablation.sweep.planned_run import Planned

FILES = 4  # resume files of a run that trains: of its last two epochs and the best one, and the one that is being written


@dataclass(frozen=True)
class CellCost:
    """What all seeds of a cell share."""

    size: model_size.Size
    memory: memory.Memory
    epoch: Epoch


@dataclass(frozen=True)
class RunCost:
    """One run: its state in words, and the epochs that it has and needs."""

    run_id: str
    state: str
    done: int
    left: int
    cell: CellCost
    kept: int  # bytes of weights that stay once it is done

    @property
    def seconds(self) -> float:
        """Of the epochs that are left."""
        return self.left * self.cell.epoch.seconds


@dataclass(frozen=True)
class CommandCost:
    """A command's runs, and what they are priced by."""

    where: Hardware
    rates: Mapping[str, Rate]  # by precision, of the cells that were never run
    items: list[RunCost]
    slots: int
    launcher: str
    resident: int  # bytes of a process on a CPU
    seeds: int  # that every cell will have
    comparisons: int  # of a cell with its baseline, that the table will adjust for
    accuracies: list[list[float]]  # of each cell's done seeds, percent

    @property
    def wall(self) -> float:
        """Seconds until the last run ends."""
        return flops.makespan([item.seconds for item in self.items], self.slots)

    @property
    def disk(self) -> tuple[int, int]:
        """Bytes of resume files while runs train, and of the weights that stay."""
        open_runs = [item for item in self.items if item.left]
        files = sorted((FILES * item.cell.memory.resume_file for item in open_runs), reverse=True)
        return sum(files[: self.slots]), sum(item.kept for item in open_runs)


def command_cost(planned: Sequence[Planned]) -> CommandCost:
    """Price a command's runs.

    Args:
        planned: at least one.

    Raises:
        Refused: a part does not take its arguments.
    """
    firsts = {run.cell: run for run in reversed(planned)}
    first = planned[0]
    where = hardware.hardware(list(firsts.values()), first.overrides)
    known = history.read(first.folder.parent, firsts, where)
    rates: dict[str, Rate] = {}
    cells = {
        name: CellCost(model_size.size(each), memory.estimate(each), _epoch(name, each, where, known, rates))
        for name, each in firsts.items()
    }
    return CommandCost(
        where,
        rates,
        [_item(run, cells[run.cell]) for run in planned],
        slots(first.launcher),
        first.options.get("hydra/launcher", "basic"),
        hardware.resident(where, first),
        *_comparisons(planned, known),
    )


def _epoch(name: str, run: Planned, where: Hardware, known: history.History, rates: dict[str, Rate]) -> Epoch:
    """Price an epoch: by the cell's records, by a check, or by its work over a rate, measured once a precision."""
    work, precision = model_size.work(run), run.train.precision
    measured = known.records.get(name) or history.read_check(Path(run.config["paths"]["cache"]), name, where, work)
    if measured is None and precision not in rates:
        rates[precision] = hardware.rate(where, run)
    return measured or flops.by_rate(work, rates[precision])


def _item(run: Planned, parts: CellCost) -> RunCost:
    state, done = run.state, run.epochs_done
    left = 0 if state in FINISHED else max(0, run.train.epochs - done)
    kinds = set(run.config["records"]["keep_weights"]) - (set() if run.config["data"]["val_size"] else {"val"})
    return RunCost(run.run_id, state, done, left, parts, len(kinds) * parts.memory.weights)


def slots(launcher: Mapping[str, Any]) -> int:
    """Return how many runs the launcher has at once; where its devices are not here, as many as it names."""
    if "devices" not in launcher:
        return int(launcher.get("array_parallelism") or 1)
    try:
        return len(devices.slots(launcher))
    except Refused:
        named = launcher["devices"]
        return (len(named) if isinstance(named, list) else 1) * int(launcher["jobs_per_device"])


def _comparisons(planned: Sequence[Planned], known: history.History) -> tuple[int, int, list[list[float]]]:
    """Return the seeds that every cell will have, the comparisons with a baseline, and each cell's done accuracies."""
    seeds: dict[str, set[int]] = {}
    for run in planned:
        seeds.setdefault(run.cell, set(known.accuracies.get(run.cell, ()))).add(run.seed)
    runs = {run.cell: run for run in planned}
    others = {name: _baseline(run, runs) for name, run in runs.items()}
    compared = sum(other is not None and other != name for name, other in others.items())
    return min(map(len, seeds.values())), compared, [list(known.accuracies.get(name, {}).values()) for name in runs]


def _baseline(run: Planned, runs: Mapping[str, Planned]) -> str | None:
    """Return the cell of the study's baseline that differs from a run's in nothing but what the baseline names."""
    where = run.config["study"]["baseline"] or {}

    def rest(one: Planned, other: Planned) -> dict[str, object]:
        shared = one.identity.keys() & other.identity.keys() - {"seed"}
        return {key: one.identity[key] for key in shared if key.partition(".")[0] not in where}

    candidates = {
        name: other
        for name, other in runs.items()
        if where and where.items() <= {key: other.identity.get(key) for key in where}.items()
    }
    kin = [name for name, other in candidates.items() if rest(other, run) == rest(run, other)]
    return kin[0] if len(kin) == 1 else None
