"""R4: a run that was stopped and continued equals one that never stopped, part by part, tolerance 0.

There are no loader workers to vary: the images lie in memory, and every random number comes from (seed, stream, epoch).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ablation.data import augment
from ablation.records.checkpoint import Checkpoints
from ablation.records.outcome import OF_ROWS
from ablation.records.tracker import WandbTracker
from ablation.training import fit
from tests.faults import forks

pytestmark = pytest.mark.faults

STOPS = (1, 2, 3, 5, 6, 8)  # batches, of 2 an epoch: before anything, inside an epoch, between two, at the last
CELL = ("resizer=cbam", "aug=cutmix", "data.val_size=40", "train.epochs=4")
INPUTS = ("order", "crops", "dropout", "permutations", "boxes", "lambdas")  # of an epoch, before it is trained
STATE = ("lr", "momentum", "weights", "buffers", "logits", "chosen", "history")  # after it


class Trace:
    """What went into each epoch of this process and what came out, by epoch, and the tracker's rows. Only for a child."""

    def __init__(self) -> None:
        self.epochs: dict[str, dict[str, Any]] = {}
        self.tracked: list[dict[str, Any]] = []
        self._now: dict[str, Any] = {}

    def install(self) -> Trace:
        """Listen to the streams, the checkpoints and the tracker."""
        self._listen_to_streams()
        save, opened, logged = Checkpoints.save, WandbTracker.open, WandbTracker.log

        def saving(checkpoints: Any, epoch: int, state: dict[str, Any], *, chosen: dict[str, int], final: bool) -> None:
            self._now |= parts(state) | {"chosen": chosen}
            self.epochs[f"epoch {epoch}"] = self._now
            save(checkpoints, epoch, state, chosen=chosen, final=final)

        def opening(tracker: Any, *arguments: Any, **named: Any) -> None:
            self.tracked = [clockless(row) for row in (arguments[5] if len(arguments) > 5 else named["history"])]
            opened(tracker, *arguments, **named)

        def logging(tracker: Any, row: dict[str, Any]) -> None:
            self.tracked.append(clockless(row))
            logged(tracker, row)

        Checkpoints.save = saving  # type: ignore[method-assign]
        WandbTracker.open, WandbTracker.log = opening, logging  # type: ignore[method-assign]
        return self

    def _listen_to_streams(self) -> None:
        randperm, interval, cutmix = torch.randperm, augment._interval, augment.cutmix
        draw, train = augment.Augment.draw, fit.Fit._train

        def training(run: Any, index: int, *arguments: Any) -> float:
            self._now = {name: [] for name in INPUTS}
            return train(run, index, *arguments)

        def permuting(count: int, **named: Any) -> torch.Tensor:
            result = randperm(count, **named)
            self._now["order" if not self._now["order"] else "permutations"].append(forks.sha256(result))
            return result

        def drawing(part: Any, count: int, generator: torch.Generator) -> augment.Draws:
            result = draw(part, count, generator)
            self._now["crops"] += [forks.sha256(result.offsets), forks.sha256(result.flips)]
            return result

        def cutting(*arguments: Any) -> tuple[int, int]:
            result = interval(*arguments)
            self._now["boxes"].append(list(result))
            return result

        def mixing(*arguments: Any) -> augment.MixedBatch:
            result = cutmix(*arguments)
            self._now["lambdas"].append(result.lam)
            return result

        torch.randperm, augment._interval, augment.cutmix = permuting, cutting, mixing  # type: ignore[assignment]
        augment.Augment.draw, fit.Fit._train = drawing, training  # type: ignore[method-assign, assignment]
        forks.on_batch(lambda: self._now["dropout"].append(forks.sha256(torch.get_rng_state())) if self._now else None)

    def as_written(self) -> str:
        """Return the trace as JSON."""
        return json.dumps({**self.epochs, "tracker": self.tracked})


def clockless(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in OF_ROWS}


def parts(state: dict[str, Any]) -> dict[str, Any]:
    """Return the digests of a checkpoint's parts."""
    model, optimizer = state["model"], state["optimizer"]
    buffers = {key for key in model if key.rpartition(".")[2] in ("running_mean", "running_var", "num_batches_tracked")}
    assert buffers and optimizer["state"]
    return {
        "lr": [group["lr"] for group in optimizer["param_groups"]],
        "momentum": {str(key): forks.sha256(value["momentum_buffer"]) for key, value in optimizer["state"].items()},
        "weights": {key: forks.sha256(value) for key, value in model.items() if key not in buffers},
        "buffers": {key: forks.sha256(model[key]) for key in sorted(buffers)},
        "logits": {key: forks.sha256(value) for key, value in sorted(state["logits"].items())},
        "history": [clockless(row) for row in state["history"]],
    }


def traced(config: forks.Run, runs: Path, name: str, before: Callable[[], object] = lambda: None) -> dict[str, Any]:
    """Train in a forked child; return its trace, or what there is of it."""
    file = runs.with_suffix(f".{name}")

    def work() -> None:
        trace = Trace().install()
        before()
        try:
            forks.train(config, runs)
        finally:
            file.write_text(trace.as_written())

    forks.forked(work, runs.with_suffix(".said"))
    content: dict[str, Any] = json.loads(file.read_text())
    return content


def first_difference(folder: Path, found: dict[str, Any], expected: dict[str, Any], reference: Path) -> str:
    """Return the first part in which a continued run differs: of the epochs it trained, the tracker, the record."""
    for epoch in (key for key in found if key.startswith("epoch")):
        for part in (*INPUTS, *STATE):
            if found[epoch][part] != expected[epoch][part]:
                return f"{epoch}, {part}"
    if found["tracker"] != expected["tracker"]:
        return "tracker"
    return forks.difference(forks.result(folder), forks.result(reference))


def outcome(folder: Path) -> str:
    return str(json.loads((folder / "outcome.json").read_text())["outcome"])


def test_resume_parity(tmp_path: Path, figure: Callable[[str, str], None]) -> None:
    began = time.monotonic()
    config = forks.composed(*CELL)
    expected = traced(config, tmp_path / "reference", "trace")
    reference = forks.folder_of(config, tmp_path / "reference")
    assert len(expected["epoch 4"]["boxes"]) > 0 and set(expected) == {*(f"epoch {n}" for n in range(1, 5)), "tracker"}
    wrong = []
    for stop in STOPS:
        runs = tmp_path / f"stop{stop}"
        folder = forks.folder_of(config, runs)
        traced(config, runs, "stopped", lambda s=stop: forks.stop_at_batch(s))
        assert outcome(folder) == "preempted" and forks.durable(folder) == (stop - 1) // 2
        found = traced(config, runs, "resumed")
        assert [key for key in found if key != "tracker"] == [f"epoch {n}" for n in range((stop - 1) // 2 + 1, 5)]
        wrong += [f"stopped at batch {stop}: {part}" for part in [first_difference(folder, found, expected, reference)] if part]
    figure(
        "R4",
        f"{len(INPUTS) + len(STATE) + 1} parts and the whole record at {len(STOPS)} stop points: {len(wrong)} differ,"
        f" tolerance 0 (CPU), {time.monotonic() - began:.0f} s",
    )
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("part", "damage"),
    [
        ("epoch 3, momentum", lambda state: state["optimizer"]["state"].clear()),
        ("epoch 3, buffers", lambda state: state["model"]["backbone.features.1.running_mean"].add_(1e-6)),
        ("epoch 3, history", lambda state: state["history"][0].update(train_loss=99.0)),
    ],
)
def test_a_part_that_is_lost_is_named(tmp_path: Path, part: str, damage: Callable[[dict[str, Any]], object]) -> None:
    """The comparison bites: the planted loss of one part is found, and named first."""
    config = forks.composed(*CELL)
    expected = traced(config, tmp_path / "reference", "trace")
    runs = tmp_path / "runs"
    traced(config, runs, "stopped", lambda: forks.stop_at_batch(5))
    load = fit.Fit.load_state_dict

    def lossy() -> None:
        fit.Fit.load_state_dict = lambda run, state: (damage(state), load(run, state))[1]  # type: ignore[method-assign]

    found = traced(config, runs, "resumed", lossy)
    reference = forks.folder_of(config, tmp_path / "reference")
    assert first_difference(forks.folder_of(config, runs), found, expected, reference) == part
