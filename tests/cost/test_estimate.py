"""Prices: the arithmetic by hand, and which evidence is believed before which."""

from __future__ import annotations

import json
import weakref
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from omegaconf import DictConfig
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ablation.cost import cards, estimate, hardware, history, memory, model_size, plan_table
from ablation.cost.flops import Hardware, Traffic, Work, assumed_rate, by_rate, makespan, measured_rate, once
from ablation.sweep import gpu_facts, planned_run
from ablation.sweep.identity import cell
from ablation.training.trial import trial
from tests.sweep.planned_runs import planned, record

Compose = Callable[..., DictConfig]
DEMO = ("profile=demo", "tracker=none", "train.epochs=10")
V100 = Hardware("V100", assumed=True)


def test_the_v100_by_hand() -> None:
    """VGG16 with Resizer_CBAM: 15,938,627,648 MACs x 2 x (3 x 50,000 + 10,000) at 0.75 x 15.7 TFLOP/s: 433.15 s.

    391 steps x (11 x 10 GB + 34 x 2 GB + 38 x 134,313,698 bytes) over 0.85 x 900 GB/s: 93.59 s. A copy of 1.2 GB at 12 GB/s:
    0.1 s. Launching 59 layers in each step takes less, 2.77 s.
    """
    work = Work(trained=50_000, evaluated=10_000, macs=15_466_209_280 + 472_418_368)
    assert work.flops == 5_100_360_847_360_000
    epoch = by_rate(work, assumed_rate("V100", "fp32"), Traffic(391, 12 * 10**9, 2 * 10**9, 59, 134_313_698, 1_200_000_000))
    assert (round(epoch.seconds, 2), epoch.basis, epoch.peak_memory) == (pytest.approx(433.15 + 93.59 + 0.10), "assumed", None)
    assert once(1_200_000_000, 800_000_000) == 20 + 5


@pytest.mark.parametrize("gpu", ["V100", "T4"])
def test_bf16_is_priced_as_what_it_would_be_where_there_is_none(gpu: str) -> None:
    bf16, fp32 = assumed_rate(gpu, "bf16"), assumed_rate(gpu, "fp32")
    assert (bf16.flops, bf16.bandwidth) == (fp32.flops, fp32.bandwidth)
    assert "in fp32: it has no bf16 and would refuse such a run" in bf16.description
    assert "refuse" not in fp32.description + assumed_rate(gpu, "fp16").description


@pytest.mark.parametrize(
    ("gpu", "precision", "flops", "bandwidth"),
    [
        ("V100", "fp16", 75.0, 0.765),
        ("T4", "fp16", 39.0, 0.272),
        ("A100", "fp32", 14.625, 1.32175),
        ("A100", "bf16", 187.2, 1.32175),
        ("H100", "bf16", 593.64, 2.8475),
        ("H100-PCIe", "bf16", 453.9, 1.7),
        ("H200", "bf16", 593.64, 4.08),
        ("RTX3090", "bf16", 42.6, 0.7956),
        ("RTX4090", "fp32", 61.95, 0.8568),
    ],
)
def test_assumed_rates(gpu: str, precision: str, flops: float, bandwidth: float) -> None:
    rate = assumed_rate(gpu, precision)
    assert (rate.flops, rate.bandwidth) == pytest.approx((flops * 1e12, bandwidth * 1e12), rel=1e-12)


@pytest.mark.parametrize(
    ("device", "card"),
    [
        ("Tesla V100-SXM2-16GB", "V100"),
        ("Tesla T4", "T4"),
        ("NVIDIA A100-SXM4-80GB", "A100"),
        ("NVIDIA H100 80GB HBM3", "H100"),
        ("NVIDIA H100 PCIe", "H100-PCIe"),
        ("NVIDIA H200", "H200"),
        ("NVIDIA GeForce RTX 3090", "RTX3090"),
        ("NVIDIA GeForce RTX 4090", "RTX4090"),
        ("NVIDIA GeForce RTX 4090 D", None),
        ("NVIDIA H100 NVL", None),
        ("NVIDIA T400 4GB", None),
        ("cpu, 2 threads", None),
        (None, None),
    ],
)
def test_cards_are_told_apart(device: str | None, card: str | None) -> None:
    assert cards.named(device) == card


def test_measured_rates_are_discounted_and_say_so() -> None:
    """On a CPU 0.4 of a matrix product; on a GPU 0.6, and the traffic at the speed of a copy."""
    found = measured_rate(100e12, "bf16")
    assert found.flops == pytest.approx(40e12) and found.basis == "rate" and "0.4 of the 100.0 TFLOP/s" in found.description
    assert by_rate(Work(1, 0, 10**12), found, Traffic(1, 10**12, 0, 1, 1, 1)).seconds == pytest.approx(6 / 40)
    found = measured_rate(100e12, "bf16", 2e12)
    assert found.flops == pytest.approx(60e12) and "2 TB/s of memory, measured now" in found.description
    assert by_rate(Work(1, 0, 10**12), found, Traffic(1, 10**12, 0, 0, 0, 0)).seconds == pytest.approx(6 / 60 + 11 / 2)
    assert by_rate(Work(1, 0, 1), found, Traffic(100, 0, 0, 50, 0, 0)).seconds == pytest.approx(100 * 50 * 0.12e-3)


def test_the_price_of_an_h100_is_near_what_was_measured(composed: Compose) -> None:
    """benchmarks/README.md, in bf16: a Resizer adds 3 % of arithmetic and 44 to 68 % of time; none waits for its launches."""
    measured = {"none": 2.4, "bilinear": 17.0, "plain": 24.5, "cbam": 28.6}
    runs = [planned(composed, f"resizer={resizer}", "plan_gpu=H100", "train.precision=bf16") for resizer in measured]
    priced = [item.cell.epoch.seconds for item in estimate.command_cost(runs).items]
    assert priced == pytest.approx(list(measured.values()), rel=0.25)
    assert priced[1:] == pytest.approx(list(measured.values())[1:], rel=0.05)


def test_a_known_card_is_priced_alike_here_and_from_afar(composed: Compose) -> None:
    """The shares of the peak were fitted to the data sheet's; a product measured here is below it."""
    run = planned(composed, "train.precision=bf16")
    assert hardware.rate(Hardware("NVIDIA H100 80GB HBM3"), run) == assumed_rate("H100", "bf16")


def test_a_card_that_torch_cannot_use_is_priced(composed: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless another one is typed."""
    facts = gpu_facts.Facts("2.14.1", "13.0", (), (), ("NVIDIA A100-SXM4-40GB",), "470.57.02")
    monkeypatch.setattr(gpu_facts, "read", lambda: facts)
    run = planned(composed, "resizer=none")
    assert hardware.hardware([run], []) == Hardware("A100", assumed=True)
    assert hardware.hardware([run], ["plan_gpu=V100"]) == V100


def test_the_time_on_slots() -> None:
    """Longest first: 3 | 3, then 2 | 2, then 2 on one of them."""
    runs = [2.0, 3.0, 2.0, 3.0, 2.0]
    assert [makespan(runs, slots) for slots in (1, 2, 5, 9)] == [12.0, 7.0, 3.0, 3.0]
    assert makespan([], 2) == 0.0


def test_hardware_is_told_apart() -> None:
    h100, cpu = Hardware("NVIDIA H100 80GB HBM3"), Hardware("cpu, 1 threads", host="here")
    assert h100.made("NVIDIA H100 80GB HBM3", "anywhere") and not h100.made("NVIDIA H100 PCIe", "anywhere")
    assert cpu.made("cpu, 1 threads", "here") and not cpu.made("cpu, 1 threads", "there")
    assert (
        V100.made("Tesla V100-SXM2-16GB", None) and not V100.made("NVIDIA H100 80GB HBM3", None) and not V100.made(None, None)
    )


@pytest.fixture
def evidence(composed: Compose, tmp_path: Path) -> Callable[[], tuple[float, str, int | None]]:
    """Price seed 0 of a demo cell with whatever lies in the folders: (seconds an epoch, basis, measured peak)."""

    def ask() -> tuple[float, str, int | None]:
        run = planned(composed, *DEMO, f"paths.runs={tmp_path / 'runs'}", f"paths.cache={tmp_path / 'cache'}")
        (item,) = estimate.command_cost([run]).items
        return item.cell.epoch.seconds, item.cell.epoch.basis, item.cell.epoch.peak_memory

    return ask


def test_an_earlier_record_wins_over_a_check_over_a_rate(
    evidence: Callable[[], tuple[float, str, int | None]], composed: Compose, tmp_path: Path
) -> None:
    """Each is added below the one before; what was measured elsewhere, by another cell or on mixed hardware, counts nothing."""
    folders = (f"paths.runs={tmp_path / 'runs'}", f"paths.cache={tmp_path / 'cache'}")
    run = planned(composed, *DEMO, *folders)
    here = hardware.hardware([run])
    assert here.name == "cpu, 1 threads" and evidence()[1:] == ("rate", None)

    checked = {"images_per_step": 64, "images_per_evaluation": 60, "peak_memory_bytes": 5}
    times = {"seconds_per_step": 2.0, "seconds_per_evaluation": 1.0}
    history.keep_check(tmp_path / "cache", cell(run.identity), Hardware("another"), checked | times)
    assert evidence()[1] == "rate"
    history.keep_check(tmp_path / "cache", cell(run.identity), here, checked | times)
    assert evidence() == (1437 / 64 * 2.0 + 360 / 60 * 1.0, "check", 5)

    record(planned(composed, *DEMO, *folders, "seed=1"), device="another")
    record(planned(composed, *DEMO, *folders, "seed=2"), device=here.name, host="there")
    record(planned(composed, *DEMO, *folders, "aug=cutmix"), device=here.name)
    record(planned(composed, *DEMO, *folders, "seed=3"), device=here.name, mixed="device")
    assert evidence()[1] == "check"
    record(planned(composed, *DEMO, *folders, "seed=4"), device=here.name)
    assert evidence() == (7.0, "record", 3 * 10**9)


def test_a_run_that_was_killed_prices_by_its_rows(composed: Compose, tmp_path: Path) -> None:
    """Two whole rows: 6 seconds on the clock, of which 3 trained, and 5 where the clock was lost; and one half written."""
    run = planned(composed, *DEMO, f"paths.runs={tmp_path}")
    folder = record(run, "running", device="GPU", seconds=None, epochs=None, peak_memory_bytes=None)
    (folder / "epochs.jsonl").write_text(
        '{"seconds": 3.0, "wall_seconds": 6.0}\n{"seconds": 5.0, "wall_seconds": null}\n{"seco'
    )
    found = history.read(tmp_path, {cell(run.identity)}, Hardware("GPU"))
    assert found.records[cell(run.identity)].seconds == 5.5 and found.accuracies == {}


def test_a_done_run_prices_by_the_clock(composed: Compose, tmp_path: Path) -> None:
    """Ten epochs of 7 seconds, after each of which 2 passed in writing a checkpoint."""
    run = planned(composed, *DEMO, f"paths.runs={tmp_path}")
    record(run, device="GPU", format=2, wall_seconds=90.0)
    assert history.read(tmp_path, {cell(run.identity)}, Hardware("GPU")).records[cell(run.identity)].seconds == 9.0


def test_what_is_no_record_is_passed_over(composed: Compose, tmp_path: Path) -> None:
    for name, content in {"a": "{", "b": "[]", "c": '{"config": 3}', "d": '{"config": {"seed": 0}}'}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "outcome.json").write_text(content)
    (tmp_path / "checks").mkdir()
    (tmp_path / "checks" / "abc-12345678.json").write_text(json.dumps({"device": "GPU"}))
    assert history.read(tmp_path, {"abc"}, Hardware("GPU")) == history.History({}, {})
    assert history.read_check(tmp_path, "abc", Hardware("GPU"), Work(1, 1, 1)) is None


def test_the_memory_of_the_paper(composed: Compose) -> None:
    """Counted independently: weights, gradients and momentum 1.61 GB; with CBAM at batch 128 15.3 GB in fp32, 9.5 in bf16."""
    precisions = ("fp32", "bf16")
    found = {
        each: memory.estimate(planned_run.plan(composed("resizer=cbam", f"train.precision={each}"))) for each in precisions
    }
    held = found["fp32"].weights + found["fp32"].gradients + found["fp32"].optimizer
    assert held == pytest.approx(1.61e9, rel=0.005)
    for precision, expected in {"fp32": 15.3e9, "bf16": 9.5e9}.items():
        peak = found[precision].peak
        assert peak is not None and peak - found[precision].images == pytest.approx(expected, rel=0.01)
    assert found["bf16"].images == 60_000 * 3 * 32 * 32
    activations, casts = found["bf16"].activations, 2 * 134_301_514
    assert activations is not None and found["bf16"].kept == pytest.approx(activations - casts, rel=1e-4)  # biases are not cast
    assert found["fp32"].kept == found["fp32"].activations


@pytest.mark.parametrize(("optimizer", "states"), [("sgd_plain", 0), ("sgd", 1), ("adamw", 2)])
def test_the_optimizer_state_is_counted(composed: Compose, optimizer: str, states: int) -> None:
    found = memory.estimate(planned_run.plan(composed("profile=demo", f"optimizer={optimizer}")))
    assert found.optimizer == states * 4 * 58_834
    assert found.resume_file == found.weights + found.optimizer


def test_an_operation_that_cannot_be_pretended_gives_a_word(composed: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    class Peeks(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images[:, 0, 0] * images.sum().item()

    config = composed("profile=demo", "train.batch_size=7")
    model_size.size(planned_run.plan(config))
    monkeypatch.setattr(model_size, "skeleton", lambda config: Peeks())
    assert memory.estimate(planned_run.plan(config)).peak is None


class Live(TorchDispatchMode):
    """The bytes of all tensors that are alive, at their most."""

    def __init__(self) -> None:
        super().__init__()
        self.now, self.most, self._seen = 0, 0, set[int]()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor) and (storage := tensor.untyped_storage())._cdata not in self._seen:
                self._seen.add(storage._cdata)
                self.now += storage.nbytes()
                self.most = max(self.most, self.now)
                weakref.finalize(storage, self._freed, storage._cdata, storage.nbytes())
        return result

    def _freed(self, address: int, size: int) -> None:
        self._seen.discard(address)
        self.now -= size


@pytest.mark.parametrize("overrides", [["resizer=cbam"], ["resizer=plain", "backbone=resnet18", "backbone.weights=none"]])
def test_the_estimate_is_what_a_real_step_holds(composed: Compose, overrides: list[str]) -> None:
    """Every tensor of real steps, followed from its making to its end."""
    from ablation.commands import run

    config = composed("profile=demo", *overrides)
    expected = memory.estimate(planned_run.plan(config))
    fit = run.build(planned_run.plan(config))
    with Live() as live:
        trial(fit, lambda: False)
    assert expected.peak == pytest.approx(live.most + expected.weights + expected.images, rel=0.06)


@pytest.mark.parametrize(
    ("seeds", "comparisons", "accuracies", "words"),
    [
        (1, 5, [], "1 seed a cell shows no spread over seeds"),
        (2, 5, [], "With 2 seeds only differences above about 2.5 points would show (seed sd 0.2 assumed)"),
        (3, 1, [[90.0, 91.0, 92.0], [89.0]], "points would show (seed sd 1, of the 3 runs that are done)"),
        (3, 1, [[90.0], []], "(seed sd 0.2 assumed)"),
    ],
)
def test_what_seeds_show(seeds: int, comparisons: int, accuracies: list[list[float]], words: str) -> None:
    """The test of the table at its Holm level; its power is recomputed beside the statistics."""
    costs = SimpleNamespace(seeds=seeds, comparisons=comparisons, accuracies=accuracies)
    assert words in plan_table._seeds(costs)


def test_the_baseline_of_a_plan_is_the_study_s(composed: Compose, tmp_path: Path) -> None:
    """Two learning rates, each with its own baseline; done accuracies are paired with it."""
    runs = [
        planned(composed, *DEMO, f"paths.runs={tmp_path}", f"resizer={resizer}", f"optimizer.lr={lr}", f"seed={seed}")
        for lr in (0.1, 0.2)
        for resizer in ("none", "plain")
        for seed in (0, 1)
    ]
    for number, run in enumerate(runs[:4]):
        record(run, device="another", last={"epoch": 1, "test_acc": 90.0 + number})
    found = estimate.command_cost(runs)
    assert found.seeds == 2
    assert found.comparisons == 2
    assert found.accuracies == [[90.0, 91.0], [92.0, 93.0], [], []]
