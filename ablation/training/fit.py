"""The training loop: a generator of one row per epoch, and a state_dict that resumes it bit for bit.

Holds weights, optimizer state and history of a run. Independent of files, signals and the configuration.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ablation.data.augment import Augment, MixedBatch
from ablation.data.images import Dataset, Images
from ablation.training.engine import Engine
from ablation.training.evaluate import Evaluation, evaluate
from ablation.training.optim import Schedule
from ablation.training.streams import generator, seed_of


@dataclass(frozen=True)
class Epoch:
    """One row of epochs.jsonl: epochs count from 1, accuracies are percent, images_per_second excludes evaluation."""

    epoch: int
    lr: float
    train_loss: float
    test_loss: float
    test_acc: float
    val_acc: float | None
    seconds: float
    images_per_second: float


class Diverged(Exception):
    """A loss is not finite: a result of the run, not an error."""

    outcome = "diverged"


class Stopped(Exception):
    """A stop was requested within an epoch; the epoch is dropped."""


class Fit:
    """The training of one classifier.

    Args:
        classifier: on the engine's device.
        dataset: train, test and perhaps val images, on the engine's device.
        augment: crops, flips, normalisation and mixing.
        optimizer: over the classifier's parameters; its lr is the schedule's base.
        schedule: factor on the base lr, by epoch.
        epochs: in total, >= 1.
        batch_size: images per step; the last batch of an epoch may be smaller.
        seed: of the streams order, crop_flip, mix and dropout.
        engine: precision and device.
    """

    def __init__(
        self,
        classifier: nn.Module,
        dataset: Dataset,
        augment: Augment,
        optimizer: torch.optim.Optimizer,
        schedule: Schedule,
        *,
        epochs: int,
        batch_size: int,
        seed: int,
        engine: Engine,
    ) -> None:
        self.classifier, self.dataset, self.augment = classifier, dataset, augment
        self.optimizer, self.schedule, self.engine = optimizer, schedule, engine
        self.epochs, self.batch_size, self.seed = epochs, batch_size, seed
        self.base_lr: float = optimizer.defaults["lr"]
        self.history: list[Epoch] = []
        self.logits: dict[str, Tensor] = {}

    def __iter__(self) -> Iterator[Epoch]:
        return self.run()

    def run(
        self, stopping: Callable[[], bool] = lambda: False, progress: Callable[[int], None] = lambda images: None
    ) -> Iterator[Epoch]:
        """Yield a row after each remaining epoch.

        Args:
            stopping: called before every step; once it returns True, the generator ends and the unfinished epoch is dropped.
            progress: called after every step with its number of images.

        Raises:
            Diverged: the loss of a step or of the test set is NaN or infinite. The message names the first such step; its
                epoch is dropped. On a CPU that step is not taken; other devices are checked every `engine.check_every` steps.
        """
        while len(self.history) < self.epochs:
            try:
                self.history.append(self._epoch(len(self.history), stopping, progress))
            except Stopped:
                return
            except torch.OutOfMemoryError as error:  # re-raise this one: a new exception would keep its frames' memory
                error.args = (f"train.batch_size={self.batch_size} does not fit: {error}",)
                raise
            yield self.history[-1]

    def _epoch(self, index: int, stopping: Callable[[], bool], progress: Callable[[int], None]) -> Epoch:
        lr = self.base_lr * self.schedule(index, self.epochs)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        began = time.monotonic()
        train_loss = self._train(index, lr, stopping, progress)  # .item() inside: the device has finished
        trained = time.monotonic()
        test = self._evaluate(self.dataset.test)
        if not math.isfinite(test.loss):
            raise Diverged(f"test loss is {test.loss} after epoch {index + 1} at lr {lr:g}")
        val_acc = self._evaluate(self.dataset.val).accuracy if self.dataset.val is not None else None
        epoch = Epoch(
            epoch=index + 1,
            lr=lr,
            train_loss=train_loss,
            test_loss=test.loss,
            test_acc=test.accuracy,
            val_acc=val_acc,
            seconds=time.monotonic() - began,
            images_per_second=len(self.dataset.train) / (trained - began),
        )
        self._keep_logits(epoch, test.logits)
        return epoch

    def _train(self, index: int, lr: float, stopping: Callable[[], bool], progress: Callable[[int], None]) -> float:
        """Train on every image once; return the mean loss of the (mixed) batches, weighted by images."""
        torch.manual_seed(seed_of(self.seed, "dropout", index))
        self.classifier.train()
        total = torch.zeros((), device=self.engine.device)
        unchecked: list[Tensor] = []
        for step, batch in enumerate(self.batches(index), start=1):
            if stopping():
                raise Stopped
            loss, images = self.loss(batch), len(batch.images)
            unchecked.append(loss.detach())
            if step % self.engine.check_every == 0:
                _check_finite(unchecked, step, f"epoch {index + 1}", lr)
                unchecked.clear()
            self.engine.step(loss, self.optimizer)
            total += loss.detach() * images
            progress(images)
        _check_finite(unchecked, step, f"epoch {index + 1}", lr)
        return total.item() / len(self.dataset.train)

    def batches(self, index: int) -> Iterator[MixedBatch]:
        """Yield the augmented training batches of an epoch (from 0); they are the same for the same seed."""
        train, device = self.dataset.train, self.engine.device
        order = torch.randperm(len(train), generator=generator(self.seed, "order", index)).to(device)
        draws = self.augment.draw(len(train), generator(self.seed, "crop_flip", index))
        offsets, flips = draws.offsets.to(device), draws.flips.to(device)  # once per epoch, not per batch
        mix = generator(self.seed, "mix", index)
        for start in range(0, len(train), self.batch_size):
            rows = slice(start, start + self.batch_size)
            chosen = order[rows]
            yield self.augment.train(train.pixels[chosen], train.labels[chosen], offsets[rows], flips[rows], mix)

    def loss(self, batch: MixedBatch) -> Tensor:
        """Return the mean cross-entropy against both label sets, weighted by the visible share (CutMix, section 3.1)."""
        with self.engine.autocast():
            logits = self.classifier(batch.images.contiguous(memory_format=torch.channels_last))
        logits = logits.float()
        own_loss = F.cross_entropy(logits, batch.labels_a)
        if batch.lam == 1:
            return own_loss
        return batch.lam * own_loss + (1 - batch.lam) * F.cross_entropy(logits, batch.labels_b)

    def _evaluate(self, images: Images) -> Evaluation:
        return evaluate(self.classifier, images, self.augment, self.batch_size, self.engine)

    def best(self, rows: list[Epoch], metric: str = "test_acc") -> Epoch:
        """Return the row with the highest metric, the first of equal ones."""
        return max(rows, key=lambda row: (getattr(row, metric), -row.epoch))

    def chosen(self) -> dict[str, Epoch]:
        """Return the rows of the three reported accuracies.

        `best` is the epoch with the best test accuracy (the report's protocol, optimistic), `last` the last epoch, `val` the
        epoch with the best accuracy on held-out images (only if there are any).
        """
        if not self.history:
            return {}
        rows = {"best": self.best(self.history), "last": self.history[-1]}
        return rows if self.dataset.val is None else {**rows, "val": self.best(self.history, "val_acc")}

    def _keep_logits(self, epoch: Epoch, logits: Tensor) -> None:
        """Keep the test logits of the epochs that `chosen` returns, so that they need not be computed again."""
        rows = [*self.history, epoch]
        self.logits["last"] = logits
        if self.best(rows) is epoch:
            self.logits["best"] = logits
        if epoch.val_acc is not None and self.best(rows, "val_acc") is epoch:
            self.logits["val"] = logits

    def predictions(self) -> dict[str, np.ndarray]:
        """Return the test logits (N, classes) float32 of each chosen epoch."""
        return {kind: logits.numpy() for kind, logits in self.logits.items()}

    def state_dict(self) -> dict[str, Any]:
        """Return the state to resume from: tensors and plain types only, so that `weights_only=True` loads it."""
        return {
            "history": [asdict(row) for row in self.history],
            "logits": dict(self.logits),
            "model": self.classifier.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.engine.scaler.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from the result of `state_dict`."""
        self.history = [Epoch(**row) for row in state["history"]]
        self.logits = dict(state["logits"])
        self.classifier.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.engine.scaler.load_state_dict(state["scaler"])


def _check_finite(losses: list[Tensor], step: int, epoch: str, lr: float) -> None:
    """Check the losses of the steps up to `step`, in one transfer: the only point that waits for the device.

    Raises:
        Diverged: a loss is not finite; the message names the first such step.
    """
    values = torch.stack(losses).tolist() if losses else []
    for number, value in enumerate(values, start=step - len(values) + 1):
        if not math.isfinite(value):
            raise Diverged(f"loss is {value} in {epoch}, step {number}, at lr {lr:g}")
