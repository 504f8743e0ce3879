"""A run trains what was planned: whatever has become of conf/, the code, the images and the weights meanwhile."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import DictConfig
from PIL import Image

from ablation.commands import run
from ablation.records.lock import Lock
from ablation.records.record import Record
from ablation.sweep import frozen, planned_run
from ablation.sweep.refusal import Refused
from tests.commands import script
from tests.conftest import ROOT, TINY, outcome_of

Compose = Callable[..., DictConfig]


def pictures(root: Path) -> Path:
    """Two classes of four images each, in train and in test."""
    for number, (split, name, index) in enumerate((s, n, i) for s in ("train", "test") for n in "ab" for i in range(4)):
        (root / split / name).mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 255, (8, 8, 3), np.uint8)
        Image.fromarray(pixels).save(root / split / name / f"{index}.png")
    return root


@pytest.fixture
def planned(composed: Compose, tmp_path: Path) -> Callable[..., planned_run.Planned]:
    """Plan a run whose records and caches lie in the test's folder."""
    own = (f"paths.runs={tmp_path / 'runs'}", f"paths.cache={tmp_path / 'cache'}")
    return lambda *overrides: planned_run.plan(composed(*TINY, *own, *overrides), [*overrides])


def test_a_plan_on_disk_is_the_plan(planned: Callable[..., planned_run.Planned], tmp_path: Path) -> None:
    runs = [planned("resizer=cbam", "aug=cutmix", f"seed={seed}", "optimizer.lr=0.1") for seed in (0, 2**63 - 1)]
    frozen.write(tmp_path, runs)
    for one in runs:
        (reference,) = frozen.reference(tmp_path, one).values()
        assert dataclasses.asdict(frozen.read(reference)) == dataclasses.asdict(one)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"x": 1}', '{"x": {}}', '{"x": {"folder": "f", "train": {}}}'])
def test_a_damaged_plan_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / frozen.NAME).write_text(content)
    for file in (tmp_path / frozen.NAME, tmp_path / "nowhere"):
        with pytest.raises(Refused, match=r"^x: its plan .* cannot be read .*: plan it again$"):
            frozen.read(f"{file}#x")


def test_other_code_is_refused(planned: Callable[..., planned_run.Planned]) -> None:
    frozen.check_unchanged(planned())
    words = r"planned with the code of ablation, digest 0123, here is [0-9a-f]{16}: put it back, or give the command again"
    with pytest.raises(Refused, match=words):
        frozen.check_unchanged(dataclasses.replace(planned(), sources={"ablation": "0123"}))


def replace_pixels(root: Path) -> None:
    Image.new("RGB", (8, 8), "red").save(root / "train" / "a" / "0.png")


def add_an_image(root: Path) -> None:
    Image.new("RGB", (8, 8), "red").save(root / "test" / "b" / "new.png")


def delete_an_image(root: Path) -> None:
    (root / "train" / "a" / "0.png").unlink()


def move_to_another_class(root: Path) -> None:
    (root / "train" / "a" / "0.png").rename(root / "train" / "b" / "moved.png")


def damage_an_image(root: Path) -> None:
    (root / "train" / "a" / "0.png").write_bytes(b"no image")


CHANGES = [replace_pixels, add_an_image, delete_an_image, move_to_another_class, damage_an_image, shutil.rmtree]


@pytest.mark.parametrize("change", CHANGES)
def test_other_images_are_refused_before_training(
    planned: Callable[..., planned_run.Planned], tmp_path: Path, change: Callable[[Path], None]
) -> None:
    """Though the listing of the plan is still in memory."""
    root = pictures(tmp_path / "images")
    one = planned("data=imagefolder", f"data.root={root}", "data.limit=8", "data.test_limit=8", "train.batch_size=4")
    change(root)
    with pytest.raises(Refused, match=f"^{one.run_id}: "):
        run.run(one)
    assert not one.folder.exists()


def test_touched_and_copied_images_are_the_same(planned: Callable[..., planned_run.Planned], tmp_path: Path) -> None:
    root = pictures(tmp_path / "images")
    one = planned("data=imagefolder", f"data.root={root}", "data.limit=8", "data.test_limit=8")
    shutil.copytree(root, tmp_path / "copy")
    shutil.rmtree(root)
    (tmp_path / "copy").rename(root)
    os.utime(root / "train" / "a" / "0.png")
    frozen.check_unchanged(one)


@pytest.mark.parametrize("gone", [False, True])
def test_other_weights_are_refused(planned: Callable[..., planned_run.Planned], tmp_path: Path, gone: bool) -> None:
    file = tmp_path / "weights.pth"
    torch.save({"one": torch.zeros(1)}, file)
    one = planned(f"backbone.weights={file}")
    frozen.check_unchanged(one)
    os.utime(file, ns=(1, 1))
    frozen.check_unchanged(one)
    file.unlink() if gone else torch.save({"one": torch.ones(1)}, file)
    with pytest.raises(Refused, match=f"planned with backbone.weights={file} [0-9a-f]{{16}}, here is "):
        frozen.check_unchanged(one)


def test_a_result_of_other_pixels_is_no_result_of_these(planned: Callable[..., planned_run.Planned], tmp_path: Path) -> None:
    """The identity has the files' digest, the record that of the pixels that were decoded from them."""
    root = pictures(tmp_path / "images")
    typed = ["data=imagefolder", f"data.root={root}", "data.limit=8", "data.test_limit=8", "train.batch_size=4"]
    one = planned(*typed)
    run.run(one)
    assert outcome_of(one.folder)["outcome"] == "done"
    record = Record(one.folder, digest=one.digest, config=one.identity, study=one.study)
    assert record.earlier.skip("never", frozen.data_checksums(one)) and len(frozen.data_checksums(one)) == 1
    provenance = json.loads((one.folder / "provenance.json").read_text()) | {"data_checksum": "0123456789abcdef0123"}
    (one.folder / "provenance.json").write_text(json.dumps(provenance))
    with pytest.raises(
        ValueError, match=r"made with data 0123456789abcdef, here are [0-9a-f]{16}: rerun=stale trains it again"
    ):
        record.earlier.skip("never", frozen.data_checksums(one))
    done = script("run.py", *TINY, *typed, f"paths.runs={tmp_path / 'runs'}", f"paths.cache={tmp_path / 'cache'}")
    assert done.returncode == 1 and "made with data 0123456789abcdef" in done.stderr, done.stdout + done.stderr
    assert not record.earlier.skip("stale", frozen.data_checksums(one)) and not one.folder.exists()


@pytest.mark.faults
@pytest.mark.parametrize("launcher", ["basic", "local_gpus"])
def test_an_edit_while_a_sweep_runs_changes_no_run(tmp_path: Path, launcher: str) -> None:
    """What was planned is trained, under the planned ids: of a changed value, a broken file and one that is gone."""
    conf, runs = tmp_path / "conf", tmp_path / "runs"
    shutil.copytree(ROOT / "conf", conf)
    more = [] if launcher == "basic" else ["hydra/launcher=local_gpus", "hydra.launcher.devices=cpu"]
    typed = [f"--config-path={conf}", "-m", *TINY, "train.epochs=8", "resizer=none,plain", "aug=base", f"paths.runs={runs}"]
    sweep = subprocess.Popen(
        [sys.executable, "run.py", *typed, *more], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    until = time.monotonic() + 300
    while not any(file.stat().st_size for file in runs.glob("*/epochs.jsonl")):
        assert sweep.poll() is None and time.monotonic() < until, sweep.communicate()
        time.sleep(0.01)
    (conf / "optimizer" / "sgd_demo.yaml").write_text("_target_: torch.optim.SGD\nlr: 0.2\n")
    (conf / "resizer" / "plain.yaml").write_text("{")
    (conf / "aug" / "base.yaml").unlink()
    out, _ = sweep.communicate(timeout=300)
    assert sweep.returncode == 0, out.decode()
    (manifest,) = runs.glob("sweeps/*/manifest.json")
    planned = {run["run_id"]: run["config"] for run in json.loads(manifest.read_text())["runs"]}
    assert {file.parent.name: outcome_of(file.parent)["config"] for file in runs.glob("*/outcome.json")} == planned
    assert [config["optimizer.lr"] for config in planned.values()] == [0.05, 0.05]


def test_a_run_that_another_process_trains_is_no_result_of_this_command(tmp_path: Path) -> None:
    typed = [*TINY, f"paths.runs={tmp_path}"]
    run_id = next(word for word in script("run.py", *typed, "plan=true").stdout.split() if word.startswith("none-base"))
    (tmp_path / run_id).mkdir()
    lock = Lock(tmp_path / run_id)
    try:
        done = script("run.py", *typed)
    finally:
        lock.release()
    assert done.returncode == 75, done.stdout + done.stderr
    assert f"running     {run_id}" in done.stderr
