"""The loop of hydra/sweeper=rounds: train seeds up to the next look, judge, go on with cells that have an open comparison.

A killed command goes on where it was: the same command skips the runs that have a result and judges their records again, each
look with exactly the seeds that it had.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ablation.cost.estimate import command_cost
from ablation.records.numbers import duration
from ablation.records.outcome import FINISHED
from ablation.reporting.read.local_files import local
from ablation.reporting.read.logits import CorrectReader
from ablation.reporting.read.selection import Selection
from ablation.reporting.statistics.analysis import Analysis, analyse
from ablation.reporting.statistics.looks import Judged, Status, judge
from ablation.rounds import journal
from ablation.sweep.identity import cell
from ablation.sweep.planned_run import Planned

METRIC = "last"
HOUR = 3600  # seconds

Launch = Callable[[Sequence[Planned]], object]


@dataclass
class Rounds:
    """A sweep in rounds.

    Args:
        planned: every cell with all seeds of the last look.
        looks: seeds a cell after each round.
        sweep: runs/sweeps/<sweep id>.
        hours: price of the whole command, in hours, beyond which no round starts; None: no limit.
        launch: trains runs and returns when they have ended; raises what stops the command.
        say: prints a line.
    """

    planned: Sequence[Planned]
    looks: Sequence[int]
    sweep: Path
    hours: float | None
    launch: Launch
    say: Callable[[str], object] = print
    trained: dict[str, int] = field(default_factory=dict)  # seeds by cell, this round's included
    judged: dict[str, dict[str, Judged]] = field(default_factory=lambda: {"comparisons": {}, "effects": {}})

    def run(self) -> list[Planned]:
        """Run rounds until nothing is open, the last look or the budget; return the runs that were needed."""
        open_cells = list(dict.fromkeys(run.cell for run in self.planned))
        journal.begin(self.sweep, self.looks)
        for look, seeds in enumerate(self.looks):
            self.trained |= dict.fromkeys(open_cells, seeds)
            batch = [run for run in self.needed() if run.state not in FINISHED]
            if self.hours is not None and (price := self._price(self.needed())) > HOUR * self.hours:
                self.trained |= dict.fromkeys(open_cells, self.looks[look - 1] if look else 0)
                journal.write(self.sweep, self.looks, look, self.judged, self._beyond(()))
                self.say(f"round {look + 1}: {duration(price)} in all would exceed rounds.hours={self.hours:g}: ended here")
                break
            if batch:
                self.launch(batch)
            if without := [run.run_id for run in self.needed() if run.state not in FINISHED]:
                self.say(
                    f"round {look + 1}: {len(without)} runs have no result, so it cannot be judged: {', '.join(without[:5])}"
                )
                break
            open_cells = self._judge(look)
            self.say(self._line(look, open_cells))
            if not open_cells:
                break
        return self.needed()

    def needed(self) -> list[Planned]:
        """Return the runs up to each cell's present number of seeds, one seed of all cells after the other."""
        seen: dict[str, int] = {}
        rank: dict[str, int] = {}
        for run in sorted(self.planned, key=lambda run: run.seed):
            rank[run.run_id] = seen[run.cell] = seen.get(run.cell, 0) + 1
        runs = [run for run in self.planned if rank[run.run_id] <= self.trained.get(run.cell, 0)]
        return sorted(runs, key=lambda run: rank[run.run_id])

    def _judge(self, look: int) -> list[str]:
        """Judge the planned comparisons, write the journal, and return the cells with an open one."""
        analysis = self._analysis()
        comparisons = {each.name: each for each in analysis.comparisons if each.adjusted is not None}
        effects = {each.name: each for each in analysis.effects if each.adjusted is not None}
        for family, named in (("comparisons", comparisons), ("effects", effects)):
            estimates = [each.estimate for each in named.values()]
            before = [self.judged[family].get(name) for name in named]
            result = judge(estimates, before, look, self.looks, analysis.smallest)
            self.judged[family] = dict(zip(named, result, strict=True))
        rows = {group.name: group.rows for group in analysis.groups}
        open_cells: dict[str, None] = {}
        for name, comparison in comparisons.items():
            if self.judged["comparisons"][name].status is Status.OPEN:
                open_cells |= dict.fromkeys(cell(row.cell.config) for row in (comparison.row, comparison.other))
        for name, effect in effects.items():
            if self.judged["effects"][name].status is Status.OPEN:
                open_cells |= dict.fromkeys(
                    cell(rows[effect.tested_on][index].cell.config) for index in effect.contrast.weights
                )
        going_on = [name for name in dict.fromkeys(run.cell for run in self.planned) if name in open_cells]
        if look == len(self.looks) - 1:
            going_on = []
        journal.write(self.sweep, self.looks, look + 1, self.judged, self._beyond(going_on))
        return going_on

    def _beyond(self, open_cells: Iterable[str]) -> list[str]:
        """Return the ids of the runs beyond each cell's present number of seeds, of the cells that do not go on."""
        kept, goes_on = {run.run_id for run in self.needed()}, set(open_cells)
        return [run.run_id for run in self.planned if run.run_id not in kept and run.cell not in goes_on]

    def _analysis(self) -> Analysis:
        """Analyse the needed runs alone: a look that is judged again sees what it saw."""
        first = self.planned[0]
        study = dict(first.config["study"])
        selection = Selection(study, {run.run_id: run.identity for run in self.needed()}, others=False, description="")
        runs = first.folder.parent
        return analyse(local(runs, selection), study, np.random.default_rng(0), METRIC, correct=CorrectReader(runs))

    def _price(self, runs: Sequence[Planned]) -> float:
        """Return the price of runs in seconds, trained or not: their epochs at the plan's seconds per epoch."""
        prices = self._prices()
        return sum(prices[run.run_id] for run in runs)

    def _prices(self) -> dict[str, float]:
        """Return each run's price in seconds; read again from the records in each round."""
        items = zip(self.planned, command_cost(self.planned).items, strict=True)
        return {run.run_id: run.train.epochs * item.cell.epoch.seconds for run, item in items}

    def _line(self, look: int, open_cells: Sequence[str]) -> str:
        """Return the line of a round: what was decided, what goes on, time spent and saved."""
        everything = [each for named in self.judged.values() for each in named.values()]
        counts = _counts(everything)
        prices = self._prices()
        spent = sum(prices[run.run_id] for run in self.needed())
        saved, full = sum(prices[name] for name in self._beyond(open_cells)), sum(prices.values())
        goes_on = f"{len(open_cells)} of {len(self.trained)} cells go on" if open_cells else "no cell goes on"
        time = f"{duration(spent)} spent, {duration(saved)} saved of {duration(full)}"
        return f"round {look + 1} ({self.looks[look]} seeds): {counts}; {goes_on}; {time}"


def _counts(judged: Sequence[Judged]) -> str:
    words = [status for status in Status if any(each.status is status for each in judged)]
    parts = [f"{sum(each.status is status for each in judged)} {status.value}" for status in words]
    return f"of {len(judged)} planned comparisons " + (", ".join(parts) if parts else "none can be judged")
