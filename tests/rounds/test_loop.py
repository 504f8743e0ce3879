"""Rounds of seeds over records whose accuracies are made up: who goes on, what it costs, and where a killed command goes on."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import DictConfig

from ablation.records.manifest import write_manifest
from ablation.reporting.read.local_files import local
from ablation.reporting.read.selection import Selection
from ablation.reporting.statistics.looks import Looked
from ablation.rounds.loop import Rounds
from ablation.sweep import planned_run
from ablation.sweep.planned_run import Planned
from tests.sweep.planned_runs import record

LOOKS = [3, 5, 8]
MEANS = {"none": 60.0, "bilinear": 90.0, "plain": 60.1, "cbam": 61.5}  # 30 points; nothing; something that takes seeds
NOISE = np.random.default_rng(3).standard_normal((8, 20))
Compose = Callable[..., DictConfig]


class Trainer:
    """Stands for a launcher: writes the record of each run of a batch, and stops as if killed after `dies_after` runs."""

    def __init__(self, dies_after: int | None = None, outcome: str = "done") -> None:
        self.batches: list[list[str]] = []
        self.left, self.outcome = dies_after, outcome

    def __call__(self, batch: Sequence[Planned]) -> None:
        self.batches.append([run.run_id for run in batch])
        for run in batch:
            if self.left is not None:
                if not self.left:
                    raise KeyboardInterrupt
                self.left -= 1
            noise = NOISE[list(MEANS).index(run.options["resizer"]), run.seed]
            accuracy = {"epoch": 2, "test_acc": MEANS[run.options["resizer"]] + noise}
            kinds: dict[str, Any] = {
                "run_id": run.run_id,
                "study": "controls",
                "best": accuracy,
                "last": accuracy,
                "epochs": 2,
                "seconds": 10.0,
                "test_images": 360,
            }
            record(run, self.outcome, device="cpu, 1 threads", **kinds)


@pytest.fixture
def sweep(composed: Compose, tmp_path: Path) -> Callable[..., Rounds]:
    """Return a maker of sweeps over four Resizers with the seeds of the last look."""
    runs = []
    for name in MEANS:
        config = composed("profile=demo", "study=controls", "aug=base", "train.epochs=2", f"resizer={name}")
        config.paths.runs = str(tmp_path / "runs")
        for config.seed in range(LOOKS[-1]):
            runs.append(planned_run.plan(config, [f"resizer={name}", f"seed={config.seed}"]))
    runs.sort(key=lambda run: run.seed)

    def make(trainer: Trainer, hours: float | None = None, name: str = "20260101-000000-abcd") -> Rounds:
        lines: list[str] = []
        folder = tmp_path / "runs" / "sweeps" / name
        folder.mkdir(parents=True, exist_ok=True)
        write_manifest(folder, command="", study={}, tracker={}, runs={}, rounds={"looks": LOOKS, "hours": hours})
        rounds = Rounds(runs, LOOKS, folder, hours, trainer, lines.append)
        rounds.lines = lines  # type: ignore[attr-defined]
        return rounds

    return make


def seeds_of(runs: Sequence[Planned]) -> dict[str, int]:
    """Return the number of runs by Resizer."""
    return {name: sum(run.options["resizer"] == name for run in runs) for name in MEANS}


def test_a_decided_cell_gets_no_more_seeds(sweep: Callable[..., Rounds]) -> None:
    """30 points are decided at the second look at the latest; the others end without hope or at the last look."""
    trainer = Trainer()
    rounds = sweep(trainer)
    needed = seeds_of(rounds.run())
    assert needed["bilinear"] < LOOKS[-1] and all(count in LOOKS for count in needed.values())
    status = {name: each.status.value for name, each in rounds.judged["comparisons"].items()}
    assert status["Bilinear - Baseline"] == "decided" and status["Resizer - Baseline"] in ("no hope", "undecided")
    assert sum(map(len, trainer.batches)) == sum(needed.values())
    lines: list[str] = rounds.lines  # type: ignore[attr-defined]
    assert lines[0].startswith("round 1 (3 seeds): of ") and "saved of" in lines[-1]


def test_a_killed_sweep_goes_on_where_it_was(sweep: Callable[..., Rounds]) -> None:
    """Killed after any number of runs, the same command trains the rest: no run twice, none more, the same judgement."""
    whole = Trainer()
    expected = sweep(whole)
    names = [run.run_id for run in expected.run()]
    for folder in expected.planned[0].folder.parent.glob("*-s*"):
        (folder / "outcome.json").unlink()
        (folder / "provenance.json").unlink()
        folder.rmdir()
    for kill in (1, len(whole.batches[0]), len(whole.batches[0]) + 1):
        with pytest.raises(KeyboardInterrupt):
            sweep(Trainer(dies_after=kill)).run()
    rest = Trainer()
    again = sweep(rest)
    assert [run.run_id for run in again.run()] == names
    assert again.judged == expected.judged
    trained = {folder.name for folder in expected.planned[0].folder.parent.glob("*-s*")}
    assert trained == set(names)


def test_runs_that_are_not_needed_are_a_word_of_their_own(sweep: Callable[..., Rounds]) -> None:
    """Never missing: the journal names them, and the frame has them as unneeded."""
    rounds = sweep(Trainer())
    needed = {run.run_id for run in rounds.run()}
    content = json.loads((rounds.sweep / "rounds.json").read_text())
    assert set(content["not_needed"]) == {run.run_id for run in rounds.planned} - needed
    identities = {run.run_id: run.identity for run in rounds.planned}
    selection = Selection({"name": "x"}, identities, others=False, description="", rounds=content)
    frame = local(rounds.planned[0].folder.parent, selection)
    assert frame["outcome"].value_counts().to_dict() == {"done": len(needed), "unneeded": len(content["not_needed"])}
    looked = Looked.of(content)
    assert looked.comparisons["Bilinear - Baseline"].shown and sum(content["shares"]) == pytest.approx(0.05)
    assert sum(looked.counts.values()) == len(looked.comparisons) + len(looked.effects)


def test_a_budget_ends_it_before_a_round_that_would_exceed_it(sweep: Callable[..., Rounds]) -> None:
    """12 runs of 10 s are the first round; nothing is trained that the budget does not cover."""
    trainer = Trainer()
    rounds = sweep(trainer, hours=0.0001)
    assert rounds.run() == [] and trainer.batches == []
    assert rounds.lines[0].endswith("would exceed rounds.hours=0.0001: ended here")  # type: ignore[attr-defined]


def test_a_run_without_a_result_ends_the_round_unjudged(sweep: Callable[..., Rounds]) -> None:
    """The exit code is that of its runs; the journal has the shares, fixed before the first run, and no judgement."""
    rounds = sweep(Trainer(outcome="failed"))
    assert len(rounds.run()) == 12 and json.loads((rounds.sweep / "rounds.json").read_text())["complete"] == 0
    assert "12 runs have no result, so it cannot be judged" in rounds.lines[0]  # type: ignore[attr-defined]


def test_cells_that_diverge_are_not_waited_for(sweep: Callable[..., Rounds]) -> None:
    """Diverged is a result without an accuracy: no comparison has hope, and one round is enough."""
    trainer = Trainer(outcome="diverged")
    sweep(trainer).run()
    assert len(trainer.batches) == 1


def test_a_budget_that_ends_it_later_leaves_nothing_missing(sweep: Callable[..., Rounds]) -> None:
    """12 runs of 10 s each fit, the second round does not: what it would have trained is unneeded, too."""
    trainer = Trainer()
    rounds = sweep(trainer, hours=125 / 3600)
    assert len(rounds.run()) == 12 and len(trainer.batches) == 1
    content = json.loads((rounds.sweep / "rounds.json").read_text())
    assert content["complete"] == 1 and len(content["not_needed"]) == len(rounds.planned) - 12
    assert {each["look"] for each in content["comparisons"].values()} == {0}
