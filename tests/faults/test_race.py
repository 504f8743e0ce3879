"""R7: many processes, one sweep: each run is trained once, and a dead process holds nothing."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import outcome_of
from tests.faults import forks

pytestmark = pytest.mark.faults

PROCESSES = 8
SWEEP = ["-m", *forks.TINY, "resizer=none,plain,cbam", "aug=base,cutmix"]


def wait_for(file: Path, seconds: float = 60) -> None:
    """Wait until a file is there."""
    until = time.monotonic() + seconds
    while not file.exists():
        assert time.monotonic() < until, f"{file} never came"
        time.sleep(0.005)


def test_each_run_is_trained_once(tmp_path: Path, figure: Callable[[str, str], None]) -> None:
    forks.composed()
    runs, gun, began = tmp_path / "runs", tmp_path / "gun", time.monotonic()

    def racer() -> int:
        batches: list[int] = []
        forks.on_batch(lambda: batches.append(1))
        wait_for(gun)
        code = forks.command(*SWEEP, f"paths.runs={runs}")
        (tmp_path / f"{os.getpid()}.batches").write_text(str(len(batches)))
        return code

    children = [forks.start(racer, tmp_path / f"{number}.said") for number in range(PROCESSES)]
    gun.touch()
    codes = [forks.end(child) for child in children]
    said = {file.stem: file.read_text() for file in tmp_path.glob("*.said")}
    folders = sorted(file.parent for file in runs.glob("*/outcome.json"))
    started = {folder.name: (folder / "run.log").read_text().count(f" DEBUG {folder.name}\n") for folder in folders}
    trained = [int(file.read_text()) for file in tmp_path.glob("*.batches")]
    figure(
        "R7",
        f"{PROCESSES} processes on one {len(folders)}-cell sweep: {sum(started.values())} starts,"
        f" exit codes {sorted(set(codes))}, {sum(count > 0 for count in trained)} of them trained,"
        f" {time.monotonic() - began:.0f} s",
    )
    assert len(folders) == 6 and set(started.values()) == {1}, started
    assert all(outcome_of(folder)["outcome"] == "done" for folder in folders)
    assert len(trained) == PROCESSES and sum(trained) == 6 * 3 * 2
    assert sum(count > 0 for count in trained) > 1, "only one process ever trained: no race"
    assert 0 in codes and set(codes) <= {0, 75}, "\n".join(said.values())  # 75: a run was still held when it ended
    assert any("skipped" in text for text in said.values())
    assert not any("Traceback" in text for text in said.values()), "\n".join(said.values())


def test_a_killed_holders_run_is_taken_over_at_once(tmp_path: Path, figure: Callable[[str, str], None]) -> None:
    """Although a child of the dead process lives on, with all its files open."""
    config = forks.composed("resizer=plain", "aug=cutmix")
    runs, holding, taken = tmp_path / "runs", tmp_path / "holding", tmp_path / "taken"

    def holder() -> None:
        def hold() -> None:
            orphan = os.fork()
            if orphan == 0:
                time.sleep(60)
                os._exit(0)
            holding.with_suffix(".new").write_text(str(orphan))
            holding.with_suffix(".new").rename(holding)
            time.sleep(60)

        forks.on_nth_batch(4, hold)
        forks.train(config, runs)

    def bystander() -> None:
        forks.on_nth_batch(1, forks.die)
        forks.train(config, runs)

    def heir() -> None:
        forks.on_nth_batch(1, lambda: taken.write_text(str(time.monotonic())))
        forks.train(config, runs)

    first = forks.start(holder, tmp_path / "holder.said")
    wait_for(holding)
    orphan = int(holding.read_text())
    try:
        assert forks.forked(bystander, tmp_path / "bystander.said") == 0  # skipped: nothing trained
        text = (tmp_path / "bystander.said").read_text()
        assert f"held by process {first} on " in text and "skipped" in text
        os.kill(first, signal.SIGKILL)
        os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)  # dead, not only told to die; still a zombie
        killed = time.monotonic()
        assert forks.forked(heir, tmp_path / "heir.said") == 0, (tmp_path / "heir.said").read_text()
        os.kill(orphan, 0)  # it lives
    finally:
        os.kill(orphan, signal.SIGKILL)
    assert forks.end(first) == -signal.SIGKILL
    assert taken.exists(), (tmp_path / "heir.said").read_text()
    seconds = float(taken.read_text()) - killed
    figure("R7", f"a killed holder's run was trained again by another process {seconds:.2f} s later")
    folder = forks.folder_of(config, runs)
    assert "resume epoch=1" in (folder / "run.log").read_text()
    assert json.loads((folder / "outcome.json").read_text())["outcome"] == "done"
