"""Disks, clocks, memory and old files: rows 12, 13, 24, 25, 50, 53 and 54 of the fault table."""

from __future__ import annotations

import gc
import json
import os
import resource
import shutil
import subprocess
import sys
import time
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from ablation.data.augment import Augment
from ablation.data.images import Dataset, Images
from ablation.records import files
from ablation.records.checkpoint import Checkpoints, file_digest
from ablation.records.record import Record
from ablation.training.engine import Engine
from ablation.training.fit import Fit
from ablation.training.optim import Constant
from tests.conftest import ROOT, outcome_of, rows_of
from tests.faults import forks

pytestmark = pytest.mark.faults

GOLDEN = Path(__file__).parent / "golden"
TWO = ["-m", *forks.TINY, "resizer=none,plain", "aug=base"]


def cap(size: int | None) -> None:
    """Let no file of this process grow beyond `size` bytes: write(2) then fails as on a full disk."""
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard if size is None else size, hard))


@pytest.fixture
def reference(tmp_path: Path) -> Path:
    """The folder of an undisturbed run: cell 1 of TWO."""
    config = forks.composed("resizer=none", "aug=base")
    assert forks.forked(lambda: forks.train(config, tmp_path / "reference"), tmp_path / "reference.said") == 0
    return forks.folder_of(config, tmp_path / "reference")


def ends_like(reference: Path, runs: Path) -> str:
    """Do the same command again, with nothing in its way; return what differs from the undisturbed run."""
    code = forks.forked(lambda: forks.command(*TWO, f"paths.runs={runs}"), runs.with_suffix(".again"))
    assert code == 0, runs.with_suffix(".again").read_text()
    return forks.difference(forks.result(runs / reference.name), forks.result(reference))


def outcomes(runs: Path) -> list[str]:
    """Return the outcomes of TWO's runs: none-base first."""
    return [outcome_of(file.parent)["outcome"] for file in sorted(runs.glob("*/outcome.json"))]


def test_a_full_disk_at_a_checkpoint(tmp_path: Path, reference: Path) -> None:
    """Row 12: said in one line with path, bytes and what is free; the checkpoint before stays; the next run tries."""
    runs, said = tmp_path / "runs", tmp_path / "said"

    def filling() -> int:
        forks.on_nth_batch(3, lambda: cap(100_000))
        forks.on_nth_batch(5, lambda: (cap(None), print("room again")))
        return forks.command(*TWO, f"paths.runs={runs}")

    code, text = forks.forked(filling, said), said.read_text()
    assert code == 1 and outcomes(runs) == ["failed", "done"] and "room again" in text, text
    (line,) = [line for line in text.splitlines() if line.startswith("failed: ")]
    folder = runs / reference.name
    assert str(folder) in line and "epoch 2" in line and "bytes" in line and "free" in line and "File too large" in line
    assert "Traceback" not in text
    assert forks.durable(folder) == 1 and [file.name[:10] for file in folder.glob("checkpoints/*")] == ["epoch-0001"]
    assert ends_like(reference, runs) == ""


def test_a_full_disk_at_a_row(tmp_path: Path, reference: Path) -> None:
    """Row 13: the kernel's own ENOSPC, by /dev/full in the place of epochs.jsonl; the error names the file."""
    runs, said = tmp_path / "runs", tmp_path / "said"
    rows = runs / reference.name / "epochs.jsonl"

    def filling() -> int:
        forks.on_nth_batch(1, lambda: (rows.unlink(), rows.symlink_to("/dev/full")))
        return forks.command(*TWO, f"paths.runs={runs}")

    code, text = forks.forked(filling, said), said.read_text()
    assert code == 1 and outcomes(runs) == ["failed", "done"], text
    error = outcome_of(rows.parent)["error"]
    assert "No space left" in error["message"] and "Traceback" not in text
    assert forks.durable(rows.parent) == 1
    rows.unlink()
    assert ends_like(reference, runs) == ""
    assert "epochs.jsonl" in error["message"], error["message"]


def test_a_full_disk_at_the_outcome(tmp_path: Path, reference: Path) -> None:
    """Row 13: the old outcome stays whole, and says running; the same command trains 0 epochs and says done."""
    runs, said = tmp_path / "runs", tmp_path / "said"
    folder = runs / reference.name

    def filling() -> int:
        finish = Record.finish

        def finishing(record: Record, *arguments: Any, **named: Any) -> None:
            finish(record, *arguments, **named)
            cap(64 if record.folder == folder else None)
            print("full")

        begin = Record.__enter__
        Record.finish = finishing  # type: ignore[method-assign]
        Record.__enter__ = lambda record: (cap(None), begin(record))[1]  # type: ignore[method-assign]
        return forks.command(*TWO, f"paths.runs={runs}")

    code, text = forks.forked(filling, said), said.read_text()
    assert code == 1 and "full" in text and outcomes(runs) == ["running", "done"], text
    assert forks.durable(folder) == 3 and not list(folder.rglob(".tmp.*"))
    assert ends_like(reference, runs) == ""
    again = runs.with_suffix(".again").read_text()
    assert "resume epoch=3" in again and (folder / "run.log").read_text().count("  epoch ") == 3


def test_a_nan_is_no_json(tmp_path: Path) -> None:
    """Row 24: refused, and what was there stays whole."""
    files.write_json(tmp_path / "a.json", {"loss": None})
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(tmp_path / "a.json", {"loss": float("nan")})
    assert json.loads((tmp_path / "a.json").read_text()) == {"loss": None} and len(list(tmp_path.iterdir())) == 1


def test_out_of_memory(tmp_path: Path, reference: Path) -> None:
    """Row 25: failed, with the batch size that did not fit; never another batch size; the next run gets the memory."""
    runs, said = tmp_path / "runs", tmp_path / "said"

    def exhausted() -> int:
        step, begin = Engine.step, Fit.__init__
        steps: list[int] = []
        models: list[weakref.ref[nn.Module]] = []

        def stepping(engine: Engine, *arguments: Any) -> None:
            steps.append(1)
            if len(steps) == 3:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
            step(engine, *arguments)

        def beginning(run: Fit, classifier: nn.Module, *arguments: Any, **named: Any) -> None:
            gc.collect()
            print("models alive:", sum(model() is not None for model in models))
            models.append(weakref.ref(classifier))
            begin(run, classifier, *arguments, **named)

        Engine.step, Fit.__init__ = stepping, beginning  # type: ignore[method-assign]
        return forks.command(*TWO, f"paths.runs={runs}")

    code, text = forks.forked(exhausted, said), said.read_text()
    assert code == 1 and outcomes(runs) == ["failed", "done"], text
    outcome = outcome_of(runs / reference.name)
    assert outcome["error"]["type"] == "OutOfMemoryError" and outcome["config"]["train.batch_size"] == 20
    assert outcome["peak_memory_bytes"] > 0 and "CUDA out of memory" in outcome["error"]["message"]
    assert text.count("models alive: 0") == 2, text
    assert forks.durable(runs / reference.name) == 1
    assert ends_like(reference, runs) == ""
    assert "train.batch_size=20" in outcome["error"]["message"], outcome["error"]["message"]


@pytest.mark.parametrize("arguments", [[], ["-m", "resizer=none,plain", "aug=base"]])
def test_a_runs_folder_that_cannot_be_one(tmp_path: Path, arguments: list[str]) -> None:
    """Row 50: a regular file in its place is refused before training, in one line that names it."""
    blocked = tmp_path / "file"
    blocked.write_text("a file")
    command = [sys.executable, "run.py", *forks.TINY, *arguments, f"paths.runs={blocked / 'runs'}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1 and blocked.read_text() == "a file"
    assert str(blocked) in done.stderr and done.stderr.startswith("refused: "), done.stderr
    assert done.stderr.count("\n") == 1 and "epoch" not in done.stdout


def test_a_runs_folder_that_is_gone(tmp_path: Path, reference: Path) -> None:
    """Row 50: removed in the middle of a run: this one fails and names it, the next one and the next command work."""
    runs, said = tmp_path / "runs", tmp_path / "said"

    def removed() -> int:
        forks.on_nth_batch(4, lambda: (shutil.rmtree(runs), print("removed")))
        return forks.command(*TWO, f"paths.runs={runs}")

    code, text = forks.forked(removed, said), said.read_text()
    assert code == 1 and "removed" in text and outcomes(runs) == ["done"], text
    assert any(line.startswith("failed: ") and str(runs / reference.name) in line for line in text.splitlines()), text
    assert "Traceback" not in text
    assert ends_like(reference, runs) == ""


def fail() -> None:
    raise RuntimeError("planted")


@pytest.mark.parametrize("jump", [-3600.0, 3600.0, -1e9])
def test_the_clock_jumps(tmp_path: Path, reference: Path, jump: float) -> None:
    """Row 53: in the middle of a run that is stopped, and with files from other times: nothing but log lines knows."""
    runs, said = tmp_path / "runs", tmp_path / "said"
    folder = runs / reference.name
    real = time.time

    def set_clock() -> None:
        time.time = lambda: real() + jump
        print(f"clock: {time.time():.0f}")

    def stopped() -> int:
        forks.on_nth_batch(2, set_clock)
        forks.stop_at_batch(5)
        return forks.command(*TWO, f"paths.runs={runs}")

    assert forks.forked(stopped, said) == 75 and "clock: " in said.read_text()
    for age, file in enumerate(sorted(folder.glob("checkpoints/*"))):  # the newest epoch gets the oldest time
        os.utime(file, (1e9 - age, 1e9 - age))

    def failing() -> int:
        set_clock()  # the command begins at another time than its files get
        forks.on_nth_batch(1, fail)
        one = [argument for argument in TWO if not argument.startswith("resizer=")]
        return forks.command(*one, f"paths.runs={runs}", "resizer=none")

    assert forks.forked(failing, said.with_suffix(".failing")) == 1
    text = said.with_suffix(".failing").read_text()
    assert "failed: " in text and "resume epoch=2" in (folder / "run.log").read_text()
    assert f"  failed      {folder.name}" in text, text
    assert ends_like(reference, runs) == ""
    assert 0 < outcome_of(folder)["seconds"] < 60 and all(0 < row["epoch"] <= 3 for row in rows_of(folder))


def golden_fit() -> Fit:
    """The small run that golden/ was made by: 4 training images of 2x2 pixels, a linear layer, momentum."""
    pixels = torch.arange(48, dtype=torch.uint8).view(4, 3, 2, 2)
    images = Images(pixels, torch.tensor([0, 1, 0, 1]))
    dataset = Dataset("golden", images, images, None, ("a", "b"), "0" * 64)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 2, bias=False))
    augment = Augment(padding=0, flip=False, mean=[0.5] * 3, std=[0.5] * 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    return Fit(
        model, dataset, augment, optimizer, Constant(), epochs=2, batch_size=2, seed=0, engine=Engine("cpu", precision="fp32")
    )


def golden(folder: Path) -> tuple[Path, dict[str, Any]]:
    """Copy golden/ as a run's folder; return it and its outcome."""
    outcome: dict[str, Any] = json.loads((GOLDEN / "outcome.json").read_text())
    run = folder / outcome["run_id"]
    (run / "checkpoints").mkdir(parents=True)
    shutil.copy(GOLDEN / "outcome.json", run)
    for file in GOLDEN.glob("*.pt"):
        shutil.copy(file, run / "checkpoints")
    return run, outcome


def record_of(run: Path, outcome: dict[str, Any]) -> Record:
    """Return the record that would train this run."""
    return Record(run, digest=outcome["digest"], config=outcome["config"], study=outcome["study"])


def test_files_of_format_1_load(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Row 54: a done run is skipped with its result, and a checkpoint continues, whatever the version that wrote them."""
    assert sum(file.stat().st_size for file in GOLDEN.iterdir()) <= 4096
    run, outcome = golden(tmp_path)
    state = Checkpoints(run / "checkpoints", outcome["digest"], 1, ["best"]).load()
    assert state is not None
    fit = golden_fit()
    fit.load_state_dict(state)
    assert [row.epoch for row in fit.history] == [1] and fit.history[0].test_acc == 50.0
    assert [row.epoch for row in fit.run()] == [2]
    assert {kind: logits.shape for kind, logits in fit.predictions().items()} == dict.fromkeys(("last", "best"), (4, 2))
    assert np.isfinite(fit.history[1].train_loss)
    with caplog.at_level("INFO"):
        assert record_of(run, outcome).earlier.skip()
    assert "done, skipped (best 50.00 % (epoch 1), last 50.00 % (epoch 1))" in caplog.text


def test_another_format_is_refused_with_both_numbers(tmp_path: Path) -> None:
    """Row 54."""
    run, outcome = golden(tmp_path)
    files.write_json(run / "outcome.json", outcome | {"format": 7})
    with pytest.raises(ValueError, match=r"format 7.* 1\b.*move the folder away"):
        record_of(run, outcome).earlier.skip()
    (file,) = (run / "checkpoints").glob("*.pt")
    content = torch.load(file, weights_only=True) | {"format": 7}
    torch.save(content, file)
    file.rename(file.with_name(f"epoch-0001.{file_digest(file)}.pt"))
    with pytest.raises(ValueError, match=r"format 7.*format 1\b.*move the file away"):
        Checkpoints(run / "checkpoints", outcome["digest"], 1, ["best"]).load()
