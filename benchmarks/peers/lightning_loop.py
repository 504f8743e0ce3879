"""PyTorch Lightning's Trainer with our model and the report's loader: nothing logged, no checkpoint, no bar."""

from __future__ import annotations

import argparse
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import lightning  # type: ignore[import-not-found]  # it has an environment of its own
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.peers import parts
from benchmarks.peers.process import parser, serve
from benchmarks.reports_way import cutmix, loader
from benchmarks.side_by_side import Clock


class Training(lightning.LightningModule):
    """Cross-entropy and SGD, as Lightning's own examples write them."""

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__()
        self.model, self.mixed = parts.model(options), options.aug == "cutmix"

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        """Return the loss of one batch."""
        images, labels = batch
        images, others, share = cutmix(images, labels) if self.mixed else (images, labels, 1.0)
        logits = self.model(images.contiguous(memory_format=torch.channels_last))
        return share * F.cross_entropy(logits, labels) + (1 - share) * F.cross_entropy(logits, others)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the report's optimizer."""
        return torch.optim.SGD(self.parameters(), lr=parts.LR, momentum=parts.MOMENTUM, weight_decay=parts.WEIGHT_DECAY)


class Timing(lightning.Callback):
    """From the end of the first step to the end of the last: the set-up of `fit` and of the workers does not count."""

    def __init__(self, device: torch.device) -> None:
        self.clock = Clock(device)

    def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Start after the first step, stop after every other."""
        (self.clock.stop if batch_idx else self.clock.start)()


def turns(options: argparse.Namespace) -> Iterator[float]:
    """Yield images a second of `steps` steps of one `fit` after another."""
    device = torch.device(options.device)
    training, timing = Training(options), Timing(device)
    batches = loader(parts.pictures(), options.batch, options.workers, pin=device.type == "cuda")
    while True:
        trainer = lightning.Trainer(
            accelerator="gpu" if device.type == "cuda" else "cpu",
            devices=1,
            precision="bf16-mixed" if options.precision == "bf16" else "32-true",
            max_epochs=1,
            limit_train_batches=options.steps + 1,
            benchmark=True,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=[timing],
        )
        trainer.fit(training, batches)
        yield options.steps * options.batch / timing.clock.seconds()


if __name__ == "__main__":
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")  # advice about workers: they are varied here
    serve("lightning", turns(parser(__doc__).parse_args()))
