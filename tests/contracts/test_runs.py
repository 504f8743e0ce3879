"""Cells are isolated, seeds are seeds, pairs are pairs: what makes two numbers of a table comparable."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from ablation.data.augment import Augment
from ablation.training.streams import STREAMS, generator, seed_of
from tests.conftest import outcome_of, rows_of

Train = Callable[..., Path]
ROOT = Path(__file__).parents[2]


def test_equal_seed_equal_rows_other_seed_other_rows(trained: Train, tmp_path: Path) -> None:
    first = trained("resizer=cbam", "aug=cutmix")
    again = trained("resizer=cbam", "aug=cutmix", runs=tmp_path / "again")
    other = trained("resizer=cbam", "aug=cutmix", "seed=1")
    assert first.name == again.name and rows_of(first) == rows_of(again)
    assert rows_of(first) != rows_of(other)
    with np.load(first / "predictions.npz") as a, np.load(again / "predictions.npz") as b:
        assert all(np.array_equal(a[key], b[key]) for key in ("best", "last", "labels"))


def test_a_run_alone_equals_the_same_run_after_others(trained: Train, tmp_path: Path) -> None:
    """No state leaks between the runs of one process: not weights, not random numbers, not a failure."""
    alone = trained("resizer=plain", "aug=cutmix", runs=tmp_path / "alone")
    torch.rand(7), np.random.rand(7)
    trained("resizer=cbam", "aug=mixup"), trained("optimizer=adamw", "resizer=none")
    assert rows_of(trained("resizer=plain", "aug=cutmix")) == rows_of(alone)


INITIAL = """
import hashlib, sys, torch
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from ablation.sweep import planned_run, settings
from ablation.training.streams import seeded
planned_run.register()
for seed in (0, 1):
    with initialize_config_dir(sys.argv[1], version_base="1.3"):
        config = compose("config", ["profile=demo", "resizer=cbam", f"seed={seed}"], return_hydra_config=True)
    HydraConfig.instance().set_config(config)
    with seeded(config.seed, "init.backbone"):
        backbone = settings.build(config, "backbone", num_classes=10)
    with seeded(config.seed, "init.resizer"):
        resizer = settings.build(config, "resizer")
    digest = hashlib.sha256()
    for value in (*backbone.state_dict().values(), *resizer.state_dict().values()):
        digest.update(value.numpy().tobytes())
    print(digest.hexdigest())
"""


def test_seed_0_seeds_fresh_processes(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A fresh process starts as this one; seed 1 starts elsewhere (a falsy seed is a seed)."""
    conf = str(ROOT / "conf")
    first = subprocess.run([sys.executable, "-c", INITIAL, conf], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    monkeypatch.setattr(sys, "argv", ["-c", conf])
    exec(INITIAL, {})
    assert first == capsys.readouterr().out
    of_0, of_1 = first.split()
    assert len(of_0) == 64 and of_0 != of_1


def test_training_leaves_the_initialisers_random_state_alone(trained: Train) -> None:
    """Only the dropout stream seeds the default generator: the next run's weights cannot depend on this one."""
    torch.manual_seed(5)
    trained("resizer=plain")
    after_plain = torch.rand(3)
    torch.manual_seed(6)
    trained("resizer=cbam")
    assert torch.equal(after_plain, torch.rand(3))  # both end in the same stream, whatever came before


def test_order_and_crops_are_equal_across_cells_and_differ_between_seeds_and_epochs() -> None:
    """Draws depend on (seed, stream, epoch) alone: the mix of a cell cannot shift another's crops."""
    base = Augment(4, True, [0.5] * 3, [0.5] * 3)
    mixed = Augment(4, True, [0.5] * 3, [0.5] * 3, mix="cutmix", probability=0.5)
    one, two = (augment.draw(100, generator(3, "crop_flip", 2)) for augment in (base, mixed))
    assert torch.equal(one.offsets, two.offsets) and torch.equal(one.flips, two.flips)
    order = {
        (seed, epoch): torch.randperm(50, generator=generator(seed, "order", epoch)) for seed in (0, 1) for epoch in (0, 1)
    }
    assert len({tuple(value.tolist()) for value in order.values()}) == 4


def test_streams_share_nothing() -> None:
    seeds = [seed_of(seed, stream, epoch) for seed in range(4) for stream in STREAMS for epoch in range(4)]
    assert len(set(seeds)) == len(seeds)


def test_seed_k_has_the_same_backbone_in_every_cell(trained: Train) -> None:
    """lr so small that two epochs change no digit: what is compared is the start."""
    from ablation.records.checkpoint import load_weights

    models = [
        load_weights(trained(f"resizer={resizer}", "optimizer.lr=1e-30", "optimizer.weight_decay=0") / "checkpoints")["model"]
        for resizer in ("none", "bilinear", "plain", "cbam")
    ]
    names = [name for name in models[0] if name.startswith("backbone.") and name.endswith("weight")]
    assert names and all(torch.equal(models[0][name], model[name]) for model in models[1:] for name in names)
    shared = [name for name in models[2] if name.startswith("resizer.") and name.endswith("weight")]
    assert shared and all(torch.equal(models[2][name], models[3][name]) for name in shared)


def test_val_is_a_third_accuracy_and_another_cell(trained: Train) -> None:
    plain, held_out = trained(), trained("data.val_size=20")
    assert plain.name != held_out.name
    assert outcome_of(plain)["val"] is None
    assert set(outcome_of(held_out)["val"]) == {"epoch", "test_acc"}
    assert all(row["val_acc"] is not None for row in rows_of(held_out))


def test_deterministic_is_the_same_run_up_to_rounding(trained: Train, tmp_path: Path) -> None:
    """The matrix forms change the last bits alone, and the next run of the process is not held to them."""
    plain, asked = trained("resizer=cbam"), trained("resizer=cbam", "engine.deterministic=true", runs=tmp_path / "asked")
    assert plain.name == asked.name
    one, other = rows_of(plain)[0]["train_loss"], rows_of(asked)[0]["train_loss"]
    assert abs(one - other) < 1e-3 * one
    trained("resizer=bilinear")
    assert not torch.are_deterministic_algorithms_enabled()
