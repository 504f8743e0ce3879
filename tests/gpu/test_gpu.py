"""The runs of the paper and everything that is other on a GPU: its kernels, its types, its memory, its waits."""

from __future__ import annotations

import gc
import json
import math
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import DictConfig

from ablation.commands import run
from ablation.cost import memory
from ablation.models.resizer import Interpolate
from ablation.records.checkpoint import load_weights
from ablation.records.record import Record
from ablation.records.snapshot import snapshot
from ablation.sweep import gpu_facts, planned_run
from ablation.training.engine import Engine
from ablation.training.fit import Epoch, Fit
from tests.conftest import ROOT, TINY, outcome_of, rows_of

DEVICE = "cuda"
CELLS = [(resizer, aug) for resizer in ("none", "plain", "cbam") for aug in ("base", "cutmix")]
ON_GPU = [f"engine.device={DEVICE}", "engine.cpu_threads=null"]


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Leave neither memory nor settings to the next test."""
    yield
    torch.use_deterministic_algorithms(False)
    torch.compiler.reset()
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def paper(resizer: str, aug: str, *overrides: str, images: int = 512) -> Fit:
    """A cell of the paper on noise: VGG16, batches of 128, at 224 unless resizer=none."""
    sys.path.append(str(ROOT))
    from benchmarks.ours import Ours, of_cell

    ours = Ours(of_cell(f"{resizer}-{aug}", *overrides), 1, DEVICE, images=images, tested=images // 4)
    return ours.fit(ours.config.train.precision)


def test_the_facts_about_the_device_are_torch_s() -> None:
    facts = gpu_facts.read()
    gpu = facts.gpus[torch.cuda.current_device()]
    assert (gpu.capability >= gpu_facts.BF16) == torch.cuda.is_bf16_supported(including_emulation=False)
    assert any(gpu_facts.covers(architecture, gpu.capability) for architecture in facts.built_for)  # the tests below run


def epochs(fit: Fit, count: int) -> list[Epoch]:
    """Train so many epochs."""
    rows = fit.run()
    return [next(rows) for _ in range(count)]


@pytest.mark.parametrize(("resizer", "aug"), CELLS)
def test_two_epochs_of_a_cell(resizer: str, aug: str) -> None:
    rows = epochs(paper(resizer, aug), 2)
    assert [row.epoch for row in rows] == [1, 2]
    assert all(math.isfinite(value) for row in rows for value in (row.train_loss, row.test_loss, row.images_per_second))


def test_no_step_waits_for_the_device() -> None:
    """By CUDA's own account, in the cell that does most; the epoch's end does wait, which shows that it would be told."""
    fit = paper("cbam", "cutmix", images=128 * 8)
    epochs(fit, 1)
    ends: list[int] = []
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            next(fit.run(progress=lambda images: ends.append(len(told))))
        finally:
            torch.cuda.set_sync_debug_mode("default")
    assert len(ends) == 8 and len(told) > ends[-1]
    assert [str(one.message) for one in told[ends[0] : ends[-1]]] == []


@pytest.mark.parametrize("resizer", ["none", "cbam"])
def test_the_peak_is_near_the_estimate(resizer: str) -> None:
    """What the plan says of a card's memory: a quarter less (weights' gradients come later) to half more (workspaces)."""
    fit = paper(resizer, "base")
    fit.engine.reset_peak_memory()
    epochs(fit, 1)
    from benchmarks.ours import of_cell

    expected = memory.estimate(planned_run.plan(of_cell(f"{resizer}-base"))).peak
    assert expected is not None and 0.75 < fit.engine.peak_memory() / expected < 1.5


def test_what_does_not_fit_is_said_with_the_batch_size() -> None:
    fit = paper("cbam", "base")
    torch.cuda.set_per_process_memory_fraction(0.05)
    try:
        with pytest.raises(torch.OutOfMemoryError, match=r"^train\.batch_size=128 does not fit: "):
            epochs(fit, 1)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def test_fp16_scales_its_loss_and_goes_on_from_its_scale() -> None:
    fit = paper("plain", "base", "train.precision=fp16", images=256)
    assert math.isfinite(epochs(fit, 1)[0].train_loss)
    scale = fit.state_dict()["scaler"]["scale"]
    assert scale >= 1
    other = paper("plain", "base", "train.precision=fp16", images=256)
    other.load_state_dict(snapshot(fit.state_dict()))
    assert other.state_dict()["scaler"]["scale"] == scale and epochs(other, 1)[0].epoch == 2


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_interpolation_is_torchs_own(mode: str) -> None:
    """In fp32, to 2e-6 of the largest value, forward and backward."""
    module = Interpolate(224, mode)
    images = torch.randn(8, 16, 32, 32, generator=torch.Generator().manual_seed(0)).to(DEVICE)
    images = images.contiguous(memory_format=torch.channels_last).requires_grad_()
    Engine(DEVICE, "fp32")  # TF32 is off
    results = []
    for resize in (module.interpolate, module):
        output = resize(images)
        weight = torch.randn(output.shape, generator=torch.Generator().manual_seed(1)).to(DEVICE)
        results.append((output, *torch.autograd.grad((output * weight).sum(), images)))
    for expected, found in zip(*results, strict=True):
        assert (found - expected).abs().max() <= 2e-6 * expected.abs().max()


def test_a_snapshot_lies_in_pinned_memory_and_stays_as_it_was() -> None:
    live = {"weight": torch.ones(3, 4, 5, 6, device=DEVICE).contiguous(memory_format=torch.channels_last)}
    copied = snapshot(live)
    live["weight"].zero_()
    assert copied["weight"].is_pinned() and copied["weight"].device.type == "cpu" and copied["weight"].sum() == 360
    assert copied["weight"].stride() == live["weight"].stride()


def test_a_deterministic_run_goes_on_to_the_same_bits(
    trained: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broken off after two of four epochs, against one that never was: rows, predictions and weights."""
    asked = ["resizer=cbam", "aug=cutmix", "train.epochs=4", "engine.deterministic=true", *ON_GPU]
    whole = trained(*asked, runs=tmp_path / "whole")
    shown = Record.show

    def show(record: Record, *arguments: Any) -> None:
        shown(record, *arguments)
        if len(record.rows) == 2:
            raise RuntimeError("planted")

    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="planted"):
        patch.setattr(Record, "show", show)
        trained(*asked)
    again = trained(*asked)
    assert "resume epoch=2" in (again / "run.log").read_text()
    same(again, whole)


def same(one: Path, other: Path) -> None:
    """Assert that two runs are equal to the last bit."""
    assert rows_of(one) == rows_of(other)
    with np.load(one / "predictions.npz") as a, np.load(other / "predictions.npz") as b:
        assert all(np.array_equal(a[key], b[key]) for key in b)
    weights, expected = (load_weights(folder / "checkpoints")["model"] for folder in (one, other))
    assert weights.keys() == expected.keys() and all(torch.equal(weights[key], expected[key]) for key in expected)


def test_two_runs_share_a_card(tmp_path: Path) -> None:
    """Side by side, in a process each, as hydra.launcher.jobs_per_device=2 starts them: both end as one alone does."""

    def started(seed: int, runs: Path) -> subprocess.Popen[str]:
        options = [*TINY, *ON_GPU, "engine.deterministic=true", "train.epochs=3", f"seed={seed}", f"paths.runs={runs}"]
        words = [sys.executable, "run.py", *options]
        return subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    both = [started(seed, tmp_path / "both") for seed in (0, 1)]
    for process in both:
        said, _ = process.communicate(timeout=300)
        assert process.returncode == 0, said
    alone = started(0, tmp_path / "alone")
    said, _ = alone.communicate(timeout=300)
    assert alone.returncode == 0, said
    (expected,) = (file.parent for file in tmp_path.glob("alone/*/outcome.json"))
    same(tmp_path / "both" / expected.name, expected)
    words = [json.loads(file.read_text())["outcome"] for file in tmp_path.glob("both/*/outcome.json")]
    assert words == ["done", "done"] and outcome_of(expected)["device"] == torch.cuda.get_device_name()


def test_a_queue_forks_its_runs_and_fills_the_card(tmp_path: Path) -> None:
    """The launcher leaves CUDA to its runs; small ones share the card by its memory."""
    queue = ["hydra/launcher=local_gpus", "hydra.launcher.jobs_per_device=auto"]
    options = [*TINY, *ON_GPU, "study=none", "resizer=none,plain", "seed=0,1", f"paths.runs={tmp_path}", *queue]
    done = subprocess.run([sys.executable, "run.py", "-m", *options], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "hydra.launcher.jobs_per_device=auto: " in done.stdout
    records = [outcome_of(file.parent) for file in tmp_path.glob("*/outcome.json")]
    assert [record["outcome"] for record in records] == ["done"] * 4
    assert {record["device"] for record in records} == {torch.cuda.get_device_name()}


@pytest.mark.parametrize("mode", ["default", "reduce-overhead"])
def test_a_compiled_run_has_the_losses_of_the_other(composed: Callable[..., DictConfig], mode: str) -> None:
    """Two epochs of a small network with dropout, up to the rounding of fused kernels; three batches of logits stay apart."""
    config = composed("profile=demo", "data.limit=200", "data.test_limit=150", "train.batch_size=64", *ON_GPU)
    results = []
    for compile in (False, mode):
        config.engine.compile = compile
        results.append(epochs(run.build(planned_run.plan(config)), 2))
    for one, other in zip(*results, strict=True):
        assert other.train_loss == pytest.approx(one.train_loss, rel=1e-4)
        assert other.test_loss == pytest.approx(one.test_loss, rel=1e-3)
