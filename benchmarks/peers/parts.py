"""What both peers are given: our model, the report's loader, the same constructed images."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from ablation.models.backbone import torchvision_model
from ablation.models.classifier import Classifier
from ablation.models.resizer import Interpolate, Resizer
from benchmarks.reports_way import TRAIN, Pictures

LR, MOMENTUM, WEIGHT_DECAY = 1e-6, 0.9, 5e-4
IMAGES = 50_000


def model(options: argparse.Namespace) -> nn.Module:
    """Return our classifier, in channels_last as both peers' guides advise."""
    if options.threads:
        torch.set_num_threads(options.threads)
    position = "block" if options.resizer == "cbam" else "none"
    resizers: dict[str, nn.Module] = {"none": nn.Identity(), "bilinear": Interpolate(224)}
    resizer = resizers.get(options.resizer) or Resizer(224, position=position)
    classifier: nn.Module = Classifier(resizer, torchvision_model("vgg16", weights="none", num_classes=10))
    return classifier.to(torch.device(options.device), memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def pictures(transform: Callable[[Any], Any] = TRAIN) -> Pictures:
    """Return noise in CIFAR-10's shape; `transform` takes a PIL image."""
    random = np.random.default_rng(0)
    pixels = random.integers(256, size=(IMAGES, 32, 32, 3), dtype=np.uint8)
    return Pictures(pixels, random.integers(10, size=IMAGES).tolist(), transform)
