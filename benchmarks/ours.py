"""Our training of the eight cells, built from conf/ as in run.py, on constructed images.

A turn is one epoch of `ablation.training.fit`. Images are noise, weights are random and the learning rate is tiny: this does
not change the time of a step, and the loss stays finite in hours of training on one batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import hydra
import torch
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from torch import nn

from ablation.data.augment import Augment, MixedBatch
from ablation.data.images import Dataset, Images
from ablation.models.classifier import Classifier
from ablation.sweep import planned_run, settings
from ablation.training.engine import Engine
from ablation.training.fit import Fit
from benchmarks.side_by_side import Clock

ROOT = Path(__file__).parents[1]
CELLS = {f"{resizer}-{aug}": (resizer, aug) for resizer in ("none", "bilinear", "plain", "cbam") for aug in ("base", "cutmix")}
LR = 1e-6
SIDE, CLASSES = 32, 10  # of CIFAR-10


def compose(*overrides: str) -> DictConfig:
    """Return the configuration that `python run.py OVERRIDES` would run."""
    planned_run.register()
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config = hydra.compose("config", list(overrides), return_hydra_config=True)
    HydraConfig.instance().set_config(config)
    return config


def of_cell(cell: str, *overrides: str) -> DictConfig:
    """Return the configuration of one of the eight cells at the paper's scale, with random weights."""
    resizer, aug = CELLS[cell]
    fixed = ("backbone.weights=none", f"optimizer.lr={LR}", "schedule=constant")
    return compose(f"resizer={resizer}", f"aug={aug}", *fixed, *overrides)


def constructed(count: int, seed: int = 0) -> Images:
    """Return noise in CIFAR-10's shape: uint8 (count, 3, 32, 32), labels 0 to 9."""
    random = torch.Generator().manual_seed(seed)
    pixels = torch.randint(256, (count, 3, SIDE, SIDE), generator=random, dtype=torch.uint8)
    return Images(pixels, torch.randint(CLASSES, (count,), generator=random))


class Ours:
    """One cell as `run.py` trains it, at one or more precisions that share one model.

    Args:
        config: from `of_cell`.
        steps: batches per turn, which is an epoch of `Fit`.
        device: as engine.device.
        images: training images (None: steps x batch_size); tested: test images.
    """

    def __init__(
        self, config: DictConfig, steps: int, device: str = "auto", images: int | None = None, tested: int = 1
    ) -> None:
        self.config, self.steps, self.batch_size = config, steps, config.train.batch_size
        engine = self._engine(device, "fp32")
        self.device, self.clock = engine.device, Clock(engine.device)
        self.classifier = engine.prepare(Classifier(settings.build(config, "resizer"), self._backbone()))
        self.augment: Augment = settings.build(config, "aug")
        self.optimizer = settings.build(config, "optimizer", params=self.classifier.parameters())
        train = constructed(images or steps * self.batch_size)
        data = Dataset("constructed", train, constructed(tested), None, tuple(map(str, range(CLASSES))), "")
        self.dataset = data.to(self.device)

    def _backbone(self) -> nn.Module:
        backbone: nn.Module = settings.build(self.config, "backbone", num_classes=CLASSES)
        return backbone

    def _engine(self, device: str, precision: str) -> Engine:
        engine: Engine = settings.build(self.config, "engine", device=device, precision=precision)
        return engine

    def fit(self, precision: str) -> Fit:
        """Return the training loop of `run.py` at a precision, without end."""
        schedule, engine = settings.build(self.config, "schedule"), self._engine(str(self.device), precision)
        endless, seed = 10**9, self.config.seed
        parts = (self.classifier, self.dataset, self.augment, self.optimizer, schedule)
        return Fit(*parts, epochs=endless, batch_size=self.batch_size, seed=seed, engine=engine)

    def training(self, precision: str) -> Iterator[float]:
        """Yield images per second of one epoch after another, with all that `Fit` does in training, without evaluation."""
        epochs = self.fit(precision).run(progress=lambda images: self.clock.stop())
        while True:
            self.clock.start()
            next(epochs)
            yield len(self.dataset.train) / self.clock.seconds()

    def limit(self, precision: str) -> Iterator[float]:
        """Yield images per second of the training step alone, on one fixed batch that is already on the device."""
        fit = self.fit(precision)
        batch = self.fixed_batch()
        while True:
            self.classifier.train()
            self.clock.start()
            for _ in range(self.steps):
                fit.engine.step(fit.loss(batch), fit.optimizer)
            self.clock.stop()
            yield self.steps * self.batch_size / self.clock.seconds()

    def fixed_batch(self) -> MixedBatch:
        """Return the first batch: augmented, on the device, in the model's memory format."""
        first = next(self.fit("fp32").batches(0))
        images = first.images.contiguous(memory_format=torch.channels_last)
        return MixedBatch(images, first.labels_a, first.labels_b, first.lam)
