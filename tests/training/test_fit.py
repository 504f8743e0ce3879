"""The loop: what a step, an epoch, a stop, a divergence and a resume must be."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
import torch
from torch import nn

from ablation.data.augment import Augment
from ablation.data.images import Dataset, Images
from ablation.models.classifier import Classifier
from ablation.models.resizer import Resizer
from ablation.training.engine import Engine, find_device
from ablation.training.evaluate import evaluate, picture
from ablation.training.fit import Diverged, Epoch, Fit
from ablation.training.optim import Constant, Schedule, Step

HALF = [0.5, 0.5, 0.5]


def images(count: int, seed: int) -> Images:
    """Images whose class is their brightness: learnable, so that training moves."""
    labels = torch.arange(count) % 4
    noise = torch.randint(0, 40, (count, 3, 8, 8), generator=torch.Generator().manual_seed(seed))
    return Images((noise + 50 * labels.view(-1, 1, 1, 1)).to(torch.uint8), labels)


def dataset(val: int = 0) -> Dataset:
    held_out = images(val, 3) if val else None
    return Dataset("made", images(50, 1), images(30, 2), held_out, ("a", "b", "c", "d"), "0")


def make(epochs: int = 3, lr: float = 0.05, schedule: Schedule | None = None, precision: str = "fp32", **more: Any) -> Fit:
    torch.manual_seed(0)
    backbone = nn.Sequential(
        nn.Flatten(), nn.Linear(3 * 12 * 12, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 4)
    )
    engine = Engine(device="cpu", precision=precision)
    classifier = engine.prepare(Classifier(Resizer(12, channels=4, position="block", reduction=1), backbone))
    optimizer = torch.optim.SGD(classifier.parameters(), lr=lr, momentum=0.9)
    augment = Augment(1, True, HALF, HALF, mix="cutmix", probability=0.5)
    schedule = schedule or Step([1 / 3, 1 / 2], 0.1)
    return Fit(
        classifier,
        more.pop("data", dataset()),
        augment,
        optimizer,
        schedule,
        epochs=epochs,
        batch_size=16,
        seed=0,
        engine=engine,
    )


def without_clock(rows: list[Epoch]) -> list[Epoch]:
    return [dataclasses.replace(row, seconds=0, images_per_second=0) for row in rows]


def same(a: Any, b: Any) -> bool:
    """Equal to the last bit, whatever the nesting."""
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_it_learns(precision: str) -> None:
    rows = list(make(epochs=12, schedule=Constant(), precision=precision))
    assert rows[-1].test_acc > 60 and rows[-1].test_loss < rows[0].test_loss  # chance is 25
    assert [row.epoch for row in rows] == list(range(1, 13))


def test_fp16_scales_the_loss() -> None:
    fit = make(epochs=1, precision="fp16")
    assert fit.engine.scaler.is_enabled() and len(list(fit)) == 1
    assert fit.state_dict()["scaler"]["scale"] > 1


def test_steps_an_epoch_and_images_per_step() -> None:
    taken: list[int] = []
    list(make(epochs=1).run(progress=taken.append))
    assert taken == [16, 16, 16, 2]  # the last, smaller batch is not dropped


def test_a_step_reaches_the_resizer_and_the_backbone_and_each_parameter_is_optimised_once() -> None:
    fit = make(epochs=1)
    held = [id(parameter) for group in fit.optimizer.param_groups for parameter in group["params"]]
    assert sorted(held) == sorted(id(parameter) for parameter in fit.classifier.parameters())
    before = {name: value.clone() for name, value in fit.classifier.named_parameters()}
    list(fit)
    assert [name for name, value in fit.classifier.named_parameters() if torch.equal(value, before[name])] == []


def test_accuracy_is_weighted_by_images_and_does_not_depend_on_the_batch() -> None:
    fit = make(epochs=1)
    list(fit)
    results = [evaluate(fit.classifier, fit.dataset.test, fit.augment, size, fit.engine) for size in (1, 7, 16, 30)]
    truth = 100 * float((results[0].logits.argmax(1) == fit.dataset.test.labels).float().mean())
    assert [result.accuracy for result in results] == [pytest.approx(truth)] * 4
    assert all(torch.allclose(result.logits, results[0].logits, atol=1e-5) for result in results)
    assert results[0].logits.dtype == torch.float32 and results[0].logits.shape == (30, 4)


def test_evaluation_changes_nothing() -> None:
    fit = make(epochs=1)
    before = {name: value.clone() for name, value in fit.classifier.state_dict().items()}
    evaluate(fit.classifier, fit.dataset.test, fit.augment, 8, fit.engine)
    assert same(before, dict(fit.classifier.state_dict()))


@pytest.mark.parametrize("stop", [1, 2])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_resume_is_bit_identical(stop: int, precision: str) -> None:
    """Weights, BN buffers, momentum, rows and logits, tolerance 0, through a saved and loaded state."""
    import io

    whole, first, second = make(precision=precision), make(precision=precision), make(lr=0.05, precision=precision)
    list(whole)
    for row in first:
        if row.epoch == stop:
            break
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    for parameter in second.classifier.parameters():
        nn.init.constant_(parameter, 7)  # nothing may survive from the fresh model
    second.load_state_dict(torch.load(file, weights_only=True))
    list(second)
    assert without_clock(second.history) == without_clock(whole.history)
    ours, theirs = second.state_dict(), whole.state_dict()
    assert all(same(ours[key], theirs[key]) for key in ("logits", "model", "optimizer", "scaler"))
    assert second.chosen().keys() == whole.chosen().keys()


@pytest.mark.parametrize("calls", [0, 1, 3, 4, 6])
def test_a_stop_drops_the_unfinished_epoch(calls: int) -> None:
    """Asked at every batch; what was finished stays (four batches an epoch)."""
    asked = iter([False] * calls + [True] * 99)
    fit = make(epochs=3)
    assert len(list(fit.run(stopping=lambda: next(asked)))) == calls // 4 == len(fit.history)


def test_divergence_is_seen_before_the_step() -> None:
    fit = make(epochs=3, lr=1e20, schedule=Constant())
    with pytest.raises(Diverged, match=r"^loss is (nan|inf) in epoch 1, step [23], at lr 1e\+20$"):
        list(fit)
    assert fit.history == [] and Diverged.outcome == "diverged"


def test_a_poisoned_batch_leaves_the_weights_as_they_were() -> None:
    fit = make(epochs=1)
    weights = {name: value.clone() for name, value in fit.classifier.named_parameters()}
    fit.classifier.register_forward_hook(lambda *_: torch.full((16, 4), math.nan, requires_grad=True))
    with pytest.raises(Diverged, match="step 1"):
        list(fit)
    assert all(torch.equal(weights[name], value) for name, value in fit.classifier.named_parameters())


@pytest.mark.parametrize("poisoned", [1, 2, 3, 4])
@pytest.mark.parametrize("check_every", [1, 2, 50])
def test_the_first_bad_step_is_named_however_seldom_one_looks(poisoned: int, check_every: int) -> None:
    """As on a device, which is asked every 50 steps and at the epoch's end: the same words, and nothing of the epoch stays."""
    fit = make(epochs=3)
    fit.engine.check_every = check_every
    seen: list[int] = []
    inner = fit.loss

    def loss(batch: Any) -> torch.Tensor:
        seen.append(1)
        return inner(batch) * (math.inf if len(seen) == 4 + poisoned else 1)

    fit.loss = loss  # type: ignore[method-assign]
    with pytest.raises(Diverged, match=rf"^loss is inf in epoch 2, step {poisoned}, at lr 0\.005$"):
        list(fit)
    assert [row.epoch for row in fit.history] == [1] == [row.epoch for row in fit.chosen().values()][:1]


def row(epoch: int, test: float, val: float | None = None) -> Epoch:
    return Epoch(epoch, 0.1, 1.0, 1.0, test, val, 1.0, 1.0)


def test_best_last_and_val_are_kept_apart_and_ties_go_to_the_first() -> None:
    fit = make(data=dataset(val=10))
    fit.history = [row(1, 50, 70), row(2, 90, 60), row(3, 90, 80), row(4, 40, 80)]
    chosen = {kind: one.epoch for kind, one in fit.chosen().items()}
    assert chosen == {"best": 2, "last": 4, "val": 3}
    fit.dataset = dataset()
    assert set(fit.chosen()) == {"best", "last"}


def test_the_kept_logits_are_those_of_the_chosen_epochs() -> None:
    fit = make(epochs=6, schedule=Constant(), data=dataset(val=10))
    seen = {epoch.epoch: evaluate(fit.classifier, fit.dataset.test, fit.augment, 16, fit.engine).logits for epoch in fit}
    for kind, chosen in fit.chosen().items():
        assert torch.equal(fit.logits[kind], seen[chosen.epoch]), kind


def test_the_picture_is_what_the_backbone_sees() -> None:
    """An untouched image, de-normalised again: bytes equal."""
    held = images(8, 5)
    shown = picture(nn.Identity(), held, Augment(0, False, HALF, HALF))
    assert shown.shape == (8, 64, 3)
    assert (torch.from_numpy(shown).permute(2, 0, 1)[:, :, 8:16] == held.pixels[1]).all()


def test_a_device_that_is_not_there_is_refused_not_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(ValueError, match=r"engine.device=cuda: not available on this machine, which has cpu"):
        find_device("cuda")


def test_peak_memory_is_of_this_run() -> None:
    engine = Engine(device="cpu", precision="fp32")
    block = torch.ones(60_000_000)  # 240 MB
    engine.reset_peak_memory()
    with_block = engine.peak_memory()
    del block
    engine.reset_peak_memory()
    assert with_block - engine.peak_memory() > 150_000_000
