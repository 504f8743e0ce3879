"""R2: the Nth file operation fails, N = 1, 2, ... until no fault fires, as SQLite tests itself (its malloc_common.tcl).

After each: no wrong record, the checkpoint before still loads, and the same run afterwards ends in the reference result.
"""

from __future__ import annotations

import errno
import gc
import json
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from ablation.models import backbone
from ablation.records.outcome import OF_ROWS
from tests.conftest import rows_of
from tests.faults import forks

pytestmark = pytest.mark.faults

AT_ONCE = 24  # values of N between two looks whether faults still fire


def small(weights: str, num_classes: int) -> nn.Module:
    """A backbone with few tensors, so that a checkpoint takes few writes; batch norm keeps its buffers in play."""
    return nn.Sequential(nn.Flatten(), nn.Linear(192, num_classes, bias=False), nn.BatchNorm1d(num_classes, affine=False))


def train(config: forks.Run, runs: Path) -> None:
    backbone.vgg_tiny = small
    forks.train(config, runs)


def faulty(config: forks.Run, runs: Path, number: int, code: int, lasting: bool) -> int:
    """Train with the fault; exit code 0 done, 3 an error came through, 5 something was left open.

    A disk that fills up takes half of a write first, and fails at the rest, as write(2) does.
    """
    names: list[str] = []
    fired: list[str] = []
    rest = False

    def act(count: int, name: str, half: Callable[[], object]) -> object:
        nonlocal rest
        if name == "batch":
            return None
        names.append(name)
        if not (rest or len(names) == number or (lasting and len(names) > number)):
            return None
        fired.append(name)
        if code == errno.ENOSPC and name.startswith("write") and len(fired) == 1 and (taken := half()):
            rest = True
            return taken
        rest = False
        raise OSError(code, os.strerror(code), name.partition(" ")[2])

    watch = forks.Watch(runs, act).install()
    before = list(logging.getLogger().handlers)
    error = None
    try:
        train(config, runs)
    except Exception as caught:
        print(f"{type(caught).__name__}: {caught}")
        error = caught.with_traceback(None)
    watch.act = lambda *_: None
    least = sum(name.startswith("replace") and "/epoch-" in name for name in names[: number - 1])
    runs.with_suffix(".json").write_text(json.dumps({"fired": fired, "least": least}))
    gc.collect()
    held = [str(link) for file in Path("/proc/self/fd").iterdir() if (link := target(file)).startswith(f"{runs}/")]
    if logging.getLogger().handlers != before or held:
        print(f"left behind: {logging.getLogger().handlers} {held}")
        return 5
    return 3 if error else 0


def target(file: Path) -> str:
    """Return what a descriptor's link names; a descriptor may be gone meanwhile."""
    try:
        return str(file.readlink())
    except OSError:
        return ""


def failed_and_repeated(task: tuple[forks.Run, Path, Path, int, int, bool]) -> tuple[bool, str]:
    """Fail one operation, look at what is left, and run again; return whether the fault fired, and what is wrong."""
    config, runs, reference, number, code, lasting = task
    said = runs.with_suffix(".said")
    ended = forks.forked(lambda: faulty(config, runs, number, code, lasting), said)
    about = json.loads(runs.with_suffix(".json").read_text())
    if not about["fired"]:
        return False, "" if ended == 0 else f"N={number}: no fault, exit code {ended}\n{said.read_text()}"
    where = f"N={number} {errno.errorcode[code]} {'for good' if lasting else 'once'}, {about['fired'][0]}"
    try:
        wrong = _look(forks.folder_of(config, runs), reference, ended, about["least"]) or _again(config, runs, reference)
    except Exception as error:
        wrong = f"{type(error).__name__}: {error}"
    return True, f"{where}: {wrong}\n{said.read_text()}" if wrong else ""


def _look(folder: Path, reference: Path, ended: int, least: int) -> str:
    """Return what is wrong with a run's folder after a fault."""
    if ended not in (0, 3):
        return "a log handler or a file stays open" if ended == 5 else f"exit code {ended}"
    file = folder / "outcome.json"
    outcome = json.loads(file.read_text())["outcome"] if file.exists() else None
    if outcome not in (None, "running", "failed", "done"):
        return f"outcome {outcome}"
    if outcome == "done":
        found, expected = forks.result(folder), forks.result(reference)
        found.pop("files"), expected.pop("files")  # what could not be removed is still there
        return forks.difference(found, expected)
    if ended == 0:
        return f"ended well, but the outcome is {outcome}"
    text = (folder / "epochs.jsonl").read_text() if (folder / "epochs.jsonl").exists() else ""
    rows = [clockless(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
    if rows != rows_of(reference)[: len(rows)]:
        return f"rows {rows}"
    if forks.durable(folder) < least:
        return f"{least} epochs had been made durable, {forks.durable(folder)} are left"
    return ""


def clockless(line: str) -> dict[str, Any]:
    return {key: value for key, value in json.loads(line).items() if key not in OF_ROWS}


def _again(config: forks.Run, runs: Path, reference: Path) -> str:
    """Run again without a fault; return what differs from the reference."""
    code = forks.forked(lambda: train(config, runs), runs.with_suffix(".said"))
    if code != 0:
        return f"the same command again: exit code {code}"
    return forks.difference(forks.result(forks.folder_of(config, runs)), forks.result(reference))


def test_every_operation_fails_once_and_for_good(tmp_path: Path, figure: Callable[[str, str], None]) -> None:
    began = time.monotonic()
    config = forks.composed("resizer=none", "aug=cutmix", "train.epochs=2")
    assert forks.forked(lambda: train(config, tmp_path / "reference"), tmp_path / "said") == 0
    reference = forks.folder_of(config, tmp_path / "reference")
    wrong: list[str] = []
    total = number = 0
    firing = True
    while firing:
        block = range(number + 1, number + 1 + AT_ONCE)
        tasks = [
            (config, tmp_path / f"{n}-{lasting}", reference, n, errno.ENOSPC if (n + lasting) % 2 else errno.EIO, lasting)
            for n in block
            for lasting in (False, True)
        ]
        results = forks.side_by_side(failed_and_repeated, tasks)
        fired = sum(fires for fires, _ in results)
        wrong += [text for _, text in results if text]
        total, number, firing = total + fired, number + AT_ONCE, fired == len(results)
    figure(
        "R2",
        f"every one of N = 1..{total // 2} operations failed (EIO, ENOSPC; once, for good):"
        f" {total} faults fired, {len(wrong)} wrong records or lost checkpoints, {time.monotonic() - began:.0f} s",
    )
    assert total > 150 and not wrong, f"{len(wrong)} wrong\n" + "\n".join(text[:3000] for text in wrong[:10])
