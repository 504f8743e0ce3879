"""Runs that a GPU cannot train are refused in one line, from facts that stand in for a device."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import DictConfig

from ablation.cost import model_size
from ablation.sweep import devices, gpu_facts, planned_run
from ablation.sweep.gpu_facts import Facts, Gpu, check, covers
from ablation.sweep.refusal import Refused

V100, T4, H100 = Gpu("Tesla V100-SXM2-16GB", (7, 0)), Gpu("Tesla T4", (7, 5)), Gpu("NVIDIA H100 80GB HBM3", (9, 0))
WHEEL = ("sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120")
LEGACY = ("sm_50", "sm_60", "sm_70", "sm_75", "sm_80", "sm_86")
NONE = Facts("2.14.1+cu130", "13.0", WHEEL, ())


def here(*gpus: Gpu, built_for: tuple[str, ...] = WHEEL) -> Facts:
    return dataclasses.replace(NONE, gpus=gpus, built_for=built_for)


def refused(facts: Facts, device: str = "auto", precision: str = "bf16", *overrides: str) -> str:
    with pytest.raises(Refused) as caught:
        check(facts, device, precision, overrides)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("facts", "device", "precision", "line"),
    [
        (here(V100), "auto", "fp32", "engine.device=auto: Tesla V100-SXM2-16GB (sm_70): torch 2.14.1+cu130 is built for sm_75"),
        (here(V100), "cuda", "bf16", "CUDA 12.6 (+cu126)"),  # first what no precision mends
        (here(H100, V100), "cuda:1", "fp16", "engine.device=cuda:1: Tesla V100-SXM2-16GB (sm_70)"),
        (here(Gpu("next", (13, 0))), "auto", "fp32", "sm_120 only: install a torch that is built for it"),
        (here(Gpu("Tesla K80", (3, 7))), "auto", "fp32", "sm_120 only: no torch from 2.10 on is: engine.device=cpu"),
        (here(T4), "auto", "bf16", "train.precision=bf16: Tesla T4 (sm_75) has no arithmetic in bf16: train.precision=fp16 ("),
        (here(V100, built_for=LEGACY), "auto", "bf16", "Tesla V100-SXM2-16GB (sm_70) has no arithmetic in bf16"),
    ],
)
def test_what_a_gpu_cannot_train_is_refused(facts: Facts, device: str, precision: str, line: str) -> None:
    assert line in refused(facts, device, precision)


@pytest.mark.parametrize(
    ("facts", "device", "precision"),
    [
        (here(H100), "auto", "bf16"),
        (here(T4), "cuda:0", "fp16"),
        (here(V100, H100), "cuda:1", "bf16"),
        (here(V100, built_for=LEGACY), "auto", "fp32"),
        (here(V100), "cpu", "bf16"),
        (here(V100), "mps", "bf16"),
        (here(H100), "cuda:3", "bf16"),  # the engine's own refusal
        (NONE, "auto", "bf16"),
        (Facts("2.14.1+rocm7", None, ("gfx90a",), (Gpu("AMD Instinct MI250X", (9, 0)),)), "auto", "bf16"),
    ],
)
def test_what_a_gpu_can_train_is_not(facts: Facts, device: str, precision: str) -> None:
    check(facts, device, precision)


def test_a_driver_that_is_too_old_is_named_with_both_versions() -> None:
    unused = dataclasses.replace(NONE, named=("Tesla T4", "Tesla T4"), driver="535.183.01")
    line = refused(unused, "auto", "fp16")
    assert line.startswith("engine.device=auto: nvidia-smi names Tesla T4, Tesla T4, but torch 2.14.1+cu130 can use none:")
    assert "the driver is 535.183.01, CUDA 13.0 needs driver 580 or newer: update the driver" in line
    assert "torch 2.14.1+cpu is built without CUDA" in refused(dataclasses.replace(unused, torch="2.14.1+cpu", cuda=None))
    assert "needs driver" not in refused(dataclasses.replace(unused, cuda="14.1"))  # a table that does not know is silent
    check(unused, "cpu", "bf16")


def test_refusals_quote_what_was_typed() -> None:
    assert refused(here(T4), "cuda:0", "bf16", "+train.precision=bf16").startswith("+train.precision=bf16: ")
    assert refused(here(V100), "cuda:0", "fp32", "engine.device=cuda:0").startswith("engine.device=cuda:0: ")


@pytest.mark.parametrize(
    ("architecture", "capability", "expected"),
    [
        ("sm_80", (8, 0), True),
        ("sm_80", (8, 9), True),
        ("sm_86", (8, 0), False),
        ("sm_80", (9, 0), False),
        ("sm_120", (12, 1), True),
        ("sm_90a", (9, 0), True),
        ("sm_100a", (10, 3), False),
        ("sm_100f", (10, 3), True),
        ("compute_90", (12, 0), True),
        ("compute_90a", (12, 0), False),
        ("compute_90", (8, 9), False),
        ("gfx90a", (9, 0), False),
    ],
)
def test_which_code_runs_on_which_gpu(architecture: str, capability: tuple[int, int], expected: bool) -> None:
    assert covers(architecture, capability) is expected


def test_the_queue_asks_for_each_of_its_gpus(composed: Callable[..., DictConfig], monkeypatch: pytest.MonkeyPatch) -> None:
    """Before it starts a process; the GPUs are those that it was given, in their order."""
    asked: list[dict[str, str]] = []
    facts = here(H100, T4)
    monkeypatch.setattr(gpu_facts, "read_apart", lambda environment: asked.append(dict(environment)) or facts)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6,GPU-7f")
    devices.visible.cache_clear()
    queue = ["hydra/launcher=local_gpus", "hydra.launcher.devices=[2,0]", "hydra.launcher.jobs_per_device=2"]
    with pytest.raises(Refused, match=r"^train.precision=bf16: Tesla T4 \(sm_75\)"):
        gpu_facts.check_queue(planned_run.plan(composed(*queue)))
    assert asked == [{"CUDA_VISIBLE_DEVICES": "GPU-7f,4"}]
    gpu_facts.check_queue(planned_run.plan(composed(*queue, "train.precision=fp16")))
    gpu_facts.check_queue(planned_run.plan(composed(*queue, "engine.device=cpu")))
    facts = here(H100)
    with pytest.raises(Refused, match=r"^hydra.launcher.devices=\[2, 0\]: torch .* can use 1 of 2 GPUs .*devices=cpu$"):
        gpu_facts.check_queue(planned_run.plan(composed(*queue)))


def test_a_run_is_refused_where_it_starts(composed: Callable[..., DictConfig], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_facts, "read", lambda: here(T4))
    with pytest.raises(Refused, match="has no arithmetic in bf16"):
        model_size.check_machine(planned_run.plan(composed()))
    model_size.check_machine(planned_run.plan(composed("profile=demo", "train.precision=bf16")))  # engine.device=cpu


def test_facts_are_read_in_another_process_as_in_this(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With GPUs that only nvidia-smi names: those of this process's CUDA_VISIBLE_DEVICES."""
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\necho 'NVIDIA A100-SXM4-40GB, 470.57.02'\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    path = ("PATH", f"{tmp_path}:{os.environ['PATH']}")
    apart = gpu_facts.read_apart((path, ("CUDA_VISIBLE_DEVICES", "7")))
    if not apart.gpus:  # a machine without a GPU
        assert apart.named == ("NVIDIA A100-SXM4-40GB",) and apart.driver == "470.57.02"
        assert gpu_facts.read_apart((path, ("CUDA_VISIBLE_DEVICES", ""))).named == ()
    assert apart.torch and apart.built_for == gpu_facts.read().built_for
