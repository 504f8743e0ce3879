"""Runs that share a GPU: by hand, by the largest of them, and by what was measured before what is estimated."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import DictConfig

from ablation.cost import estimate, hardware, memory, packing, plan_table
from ablation.cost.flops import Hardware
from ablation.cost.packing import CONTEXT, Jobs, jobs, process_bytes
from ablation.sweep import gpu_facts
from ablation.sweep.planned_run import Planned
from tests.sweep.planned_runs import planned, record

Compose = Callable[..., DictConfig]
GB = 10**9
QUEUE = ("hydra/launcher=local_gpus", "hydra.launcher.jobs_per_device=auto", "resizer=none")


@pytest.mark.parametrize(
    ("needed", "cores", "expected"),
    [
        ([2 * GB, 3 * GB], 99, Jobs(25, "the largest run needs 3 GB of 80 GB")),  # 0.95 x 80 / 3
        ([2 * GB, 3 * GB], 8, Jobs(8, "8 cores for each")),
        ([70 * GB], 8, Jobs(1, "the largest run needs 70 GB of 80 GB")),
        ([90 * GB], 8, Jobs(1, "the largest run needs 90 GB of 80 GB")),  # it may fit after all
        ([2 * GB, None], 8, Jobs(1, "the memory of a run is unknown")),
        ([], 8, Jobs(1, "no run is left")),
        ([2 * GB], 0.5, Jobs(1, "0.5 cores for each")),
    ],
)
def test_by_hand(needed: list[int | None], cores: float, expected: Jobs) -> None:
    assert jobs(needed, 80 * GB, cores) == expected


def test_what_a_process_needs() -> None:
    assert process_bytes(2 * GB, 9 * GB) == 2 * GB + CONTEXT
    assert process_bytes(None, 4 * GB) == 5 * GB + CONTEXT
    assert process_bytes(None, None) is None


@pytest.fixture
def queue(composed: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Planned]:
    """A run of a queue over two pretended GPUs of 24 and 40 GB, on a machine with 16 cores."""
    gpus = (gpu_facts.Gpu("A", (9, 0), 40 * GB), gpu_facts.Gpu("A", (9, 0), 24 * GB))
    facts = gpu_facts.Facts("2.14.1", "13.0", ("sm_90",), gpus)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setattr(gpu_facts, "read_apart", lambda environment: facts)
    monkeypatch.setattr(packing, "cores", lambda: 16)
    return lambda *more: planned(composed, *QUEUE, f"paths.runs={tmp_path}", f"paths.cache={tmp_path / 'cache'}", *more)


def test_a_queue_takes_what_was_measured_on_its_gpus_before_an_estimate(
    queue: Callable[..., Planned], capsys: pytest.CaptureFixture[str]
) -> None:
    run = queue()
    estimated = memory.estimate(run).peak
    assert estimated is not None and packing.of_queue([run]) == math.floor(0.95 * 24 * GB / (1.25 * estimated + CONTEXT)) == 6
    record(queue("seed=1"), device="another", peak_memory_bytes=20 * GB)
    assert packing.of_queue([run]) == 6
    record(queue("seed=2"), device="A", peak_memory_bytes=5 * GB)
    assert packing.of_queue([run]) == 4  # 22.8 / 5.6
    assert "jobs_per_device=auto: 4 on each GPU (the largest run needs 5.6 GB of 24 GB)" in capsys.readouterr().out
    assert packing.of_queue([queue("hydra.launcher.jobs_per_device=3")]) == 3


def test_a_plan_and_its_queue_share_one_gpu_alike(
    composed: Compose, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One GPU of a machine with eight has all its cores."""
    machine = gpu_facts.Facts("2.14.1", "13.0", ("sm_90",), (gpu_facts.Gpu("A", (9, 0), 80 * GB),) * 8)
    one = gpu_facts.Facts("2.14.1", "13.0", ("sm_90",), machine.gpus[:1])
    monkeypatch.setattr(gpu_facts, "read", lambda: machine)
    monkeypatch.setattr(gpu_facts, "of_queue", lambda launcher: one)
    monkeypatch.setattr(packing, "cores", lambda: 16)
    monkeypatch.setattr(hardware, "hardware", lambda runs, typed=(): Hardware("A"))
    more = ("hydra.launcher.devices=[0]", f"paths.runs={tmp_path}", f"paths.cache={tmp_path / 'cache'}")
    run, done = (planned(composed, *QUEUE, *more, f"seed={seed}") for seed in (0, 1))
    record(done, device="A", peak_memory_bytes=2 * GB)
    priced = estimate.command_cost([run]).jobs
    assert priced == Jobs(16, "16 cores for each") and packing.of_queue([run]) == 16
    assert f"16 on each GPU ({priced.reason})" in capsys.readouterr().out


def test_a_plan_says_it(composed: Compose, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a card that is not here: by its memory alone."""
    assert plan_table.show([planned(composed, *QUEUE, f"seed={seed}", "plan_gpu=H100") for seed in (0, 1)]) == 0
    said = capsys.readouterr().out
    assert "jobs    hydra.launcher.jobs_per_device=auto: 22 on each GPU (the largest run needs 3.3" in said
    assert "with 22 slots of local_gpus" in said
