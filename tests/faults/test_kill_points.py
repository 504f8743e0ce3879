"""R1: SIGKILL at every kind of point of a run, in six cells; the same run afterwards ends as if nothing had happened."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ablation.records.checkpoint import Checkpoints
from tests.conftest import outcome_of, rows_of
from tests.faults import forks

pytestmark = pytest.mark.faults

AT_LEAST = 28  # points a cell
KINDS = {"batch", "open-w", "open-a", "write", "fsync", "replace", "unlink", "mkdir"}
BATCHES = 2  # an epoch, by forks.TINY


def counted(config: forks.Run, runs: Path) -> list[str]:
    """Train a run undisturbed; return the name of each point that it passes."""
    file = runs.with_suffix(".points")

    def count() -> None:
        names: list[str] = []
        forks.Watch(runs, lambda number, name, half: names.append(name)).install()
        forks.train(config, runs)
        file.write_text(json.dumps(names))

    assert forks.forked(count, runs.with_suffix(".said")) == 0, runs.with_suffix(".said").read_text()
    names: list[str] = json.loads(file.read_text())
    return names


def chosen(names: list[str], shift: int) -> list[int]:
    """Choose a cell's points: three of seven, spread evenly over each kind, others in the next cell.

    Reads change nothing; a flush or a close is followed by a point of another kind. Of a file's writes the middle one.
    """
    middle: dict[tuple[str, int], list[int]] = {}
    opened = 0
    by_kind: dict[str, list[int]] = {}
    for number, name in enumerate(names, start=1):
        kind, _, file = name.partition(" ")
        opened += kind.startswith("open")
        if kind == "write" and not file.endswith(("run.log", "lock")):
            middle.setdefault((file, opened), []).append(number)
        elif kind in KINDS - {"write"}:
            by_kind.setdefault(kind, []).append(number)
    by_kind["write"] = [numbers[len(numbers) // 2] for numbers in middle.values()]
    points = [number for kind in sorted(by_kind) for number in by_kind[kind]]
    return sorted(number for place, number in enumerate(points, start=shift) if 3 * place % 7 < 3)


def killed_and_resumed(task: tuple[int, str, forks.Run, Path, Path, int]) -> str:
    """Kill a run at one point and run it to its end; return what is wrong, or an empty string."""
    try:
        return _killed_and_resumed(*task)
    except Exception as error:
        return f"{task[3].name}, {task[1]}: {type(error).__name__}: {error}"


def _killed_and_resumed(number: int, name: str, config: forks.Run, runs: Path, reference: Path, least: int) -> str:
    folder, said = forks.folder_of(config, runs), runs.with_suffix(".said")

    def doomed() -> None:
        def act(count: int, passed: str, half: Callable[[], object]) -> None:
            if count == number:
                assert passed.split()[0] == name.split()[0]
                half()
                forks.die()

        forks.Watch(runs, act).install()
        forks.train(config, runs)

    def resumed() -> None:
        taken: list[int] = []
        forks.on_batch(lambda: taken.append(1))
        forks.train(config, runs)
        runs.with_suffix(".batches").write_text(str(len(taken)))

    code = forks.forked(doomed, said)
    if code != -9:
        return f"{runs.name}, {name}: not reached: {code}\n{said.read_text()}"
    whole = forks.durable(folder) if not finished(folder) else config.task.train.epochs
    if whole < least:
        return f"{runs.name}, {name}: {least} epochs had been made durable, {whole} are left"
    code = forks.forked(resumed, said)
    if code != 0:
        return f"{runs.name}, {name}: resumed with exit code {code}\n{said.read_text()}"
    trained = int(runs.with_suffix(".batches").read_text())
    if trained != BATCHES * (config.task.train.epochs - whole):
        return f"{runs.name}, {name}: {whole} epochs were durable, but {trained} batches were trained again"
    differs = forks.difference(forks.result(folder), forks.result(reference))
    return f"{runs.name}, {name}: {differs}" if differs else ""


def finished(folder: Path) -> bool:
    """Return True if the run's outcome is done."""
    file = folder / "outcome.json"
    return file.exists() and json.loads(file.read_text())["outcome"] == "done"


def test_kill_points(tmp_path: Path, figure: Callable[[str, str], None]) -> None:
    began = time.monotonic()
    tasks: list[Any] = []
    counts: list[int] = []
    all_points: set[str] = set()
    best: set[int] = set()
    for cell, (resizer, aug) in enumerate(forks.CELLS):
        config = forks.composed(f"resizer={resizer}", f"aug={aug}", "seed=4")  # a seed whose best epochs differ
        undisturbed = tmp_path / f"{resizer}-{aug}"
        assert forks.forked(lambda c=config, r=undisturbed: forks.train(c, r), undisturbed.with_suffix(".said")) == 0
        reference = forks.folder_of(config, undisturbed)
        best.add(outcome_of(reference)["best"]["epoch"])
        names = counted(config, tmp_path / f"{resizer}-{aug}-counted")
        watched = forks.folder_of(config, tmp_path / f"{resizer}-{aug}-counted")
        assert forks.difference(forks.result(watched), forks.result(reference)) == ""
        points = chosen(names, shift=cell)
        assert len(points) >= AT_LEAST and {names[number - 1].split()[0] for number in points} == KINDS
        for number in points:
            least = sum(name.startswith("replace") and "/epoch-" in name for name in names[: number - 1])
            runs = tmp_path / f"{resizer}-{aug}-{number}"
            tasks.append((number, names[number - 1], config, runs, reference, least))
        counts.append(len(points))
        all_points |= {f"{number} {names[number - 1]}" for number in points}
    assert len(best) > 1, "weights are pruned and kept at one epoch only: choose another seed"
    wrong = [text for text in forks.side_by_side(killed_and_resumed, tasks) if text]
    identical = len(tasks) - len(wrong)
    figure(
        "R1",
        f"{min(counts)} kill points x {len(counts)} cells ({len(all_points)} different ones):"
        f" {identical} of {len(tasks)} reached and bit-identical, 0 epochs lost beyond the last durable checkpoint,"
        f" {time.monotonic() - began:.0f} s",
    )
    assert not wrong, "\n".join(wrong)


def in_writer() -> bool:
    """Return True in the thread that writes checkpoints."""
    return threading.current_thread().name.startswith("checkpoint")


def of_writer(config: forks.Run, runs: Path) -> list[str]:
    """Train a run undisturbed; return the name of each point that its writing thread passes."""
    file = runs.with_suffix(".points")

    def count() -> None:
        names: list[str] = []
        forks.Watch(runs, lambda number, name, half: names.append(name) if in_writer() else None).install()
        forks.train(config, runs)
        file.write_text(json.dumps(names))

    assert forks.forked(count, runs.with_suffix(".said")) == 0, runs.with_suffix(".said").read_text()
    names: list[str] = json.loads(file.read_text())
    return names


def killed_while_training_goes_on(config: forks.Run, runs: Path, place: int) -> None:
    """Hold the writing thread at its point of that number, half a write done; train on, and die at the run's last batch."""
    held, save = threading.Event(), Checkpoints.save
    passed = batches = 0

    def act(count: int, name: str, half: Callable[[], object]) -> None:
        nonlocal passed, batches
        passed, batches = passed + in_writer(), batches + (name == "batch")
        if in_writer() and passed == place:
            half()
            held.set()
            threading.Event().wait()
        if held.is_set() and batches == BATCHES * config.task.train.epochs:
            forks.die()

    def saving(checkpoints: Checkpoints, *arguments: Any, **named: Any) -> None:
        save(checkpoints, *arguments, **named)
        while (writing := checkpoints._writing) and not (writing.done() or held.is_set()):
            time.sleep(0.001)

    forks.Watch(runs, act).install()
    Checkpoints.save = saving  # type: ignore[method-assign]
    forks.train(config, runs)


def test_kill_points_of_the_writer_while_training_goes_on(tmp_path: Path, figure: Callable[[str, str], None]) -> None:
    """The record is then ahead of the checkpoints: the run goes on after the newest whole file, and its rows are made again."""
    config = forks.composed("resizer=cbam", "aug=cutmix", "seed=4")
    assert forks.forked(lambda: forks.train(config, tmp_path / "reference"), tmp_path / "said") == 0
    reference = forks.folder_of(config, tmp_path / "reference")
    names = of_writer(config, tmp_path / "counted")
    ends = [number for number, name in enumerate(names, start=1) if name.startswith("replace")]
    writes = [number for number, name in enumerate(names, start=1) if name.startswith("write")]
    points = [number for number, name in enumerate(names, start=1) if not name.startswith(("write", "close"))]
    points = sorted(number for number in {*points, *writes[::20]} if number <= ends[1] + 1)  # the last file is waited for
    assert {names[number - 1].split()[0] for number in points} == {"open-w", "write", "fsync", "replace"} and len(ends) == 3
    wrong = []
    for number in points:
        runs = tmp_path / str(number)
        folder, said = forks.folder_of(config, runs), runs.with_suffix(".said")
        code = forks.forked(lambda r=runs, n=number: killed_while_training_goes_on(config, r, n), said)
        least = sum(end < number for end in ends)
        there = (code, forks.durable(folder), len(rows_of(folder)))
        if there != (-9, least, 2):
            wrong.append(f"{number} {names[number - 1]}: exit code, durable epochs and rows are {there}\n{said.read_text()}")
            continue
        code = forks.forked(lambda r=runs: forks.train(config, r), said)
        differs = forks.difference(forks.result(folder), forks.result(reference)) if code == 0 else said.read_text()
        wrong += [f"{number} {names[number - 1]}: {differs}"] if differs else []
    figure(
        "R1",
        f"{len(points)} kill points of the writing thread, training one or two epochs ahead of it:"
        f" {len(points) - len(wrong)} of {len(points)} bit-identical, 0 epochs lost beyond the last durable checkpoint",
    )
    assert not wrong and len(points) >= 12, "\n".join(wrong)
