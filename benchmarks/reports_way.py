"""The report's way: training as its author would have written it with PyTorch and torchvision, for comparison.

A DataLoader with worker processes, torchvision transforms on PIL images, fp32, NCHW, `torch.optim.SGD`, `loss.item()` after
every step. Do not change it: it is the fixed reference, with its own Resizer and CBAM, written before our training was
optimised. It is not slowed down: cudnn.benchmark is on, transfers are pinned and non-blocking, TF32 is as in torch's defaults.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset
from torchvision import models, transforms

from benchmarks.side_by_side import Clock

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CROP_FLIP = (transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip())
TRAIN = transforms.Compose([*CROP_FLIP, transforms.ToTensor(), transforms.Normalize(MEAN, STD)])
Batches = DataLoader[Any]


class CBAM(nn.Module):
    """Channel attention, then spatial attention (Woo et al., ECCV 2018)."""

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        hidden = max(1, channels // reduction)
        self.mlp = nn.Sequential(nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels))
        self.conv = nn.Conv2d(2, 1, 7, padding=3, bias=False)
        self.bn = nn.BatchNorm2d(1, momentum=0.01)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        average = self.mlp(F.adaptive_avg_pool2d(x, 1).flatten(1))
        maximum = self.mlp(F.adaptive_max_pool2d(x, 1).flatten(1))
        x = x * torch.sigmoid(average + maximum)[:, :, None, None]
        summary = torch.cat([x.max(1, keepdim=True).values, x.mean(1, keepdim=True)], dim=1)
        gate: Tensor = torch.sigmoid(self.bn(self.conv(summary)))
        return x * gate


class Resizer(nn.Module):
    """32 -> 224, bilinear plus a learned residual (Talebi & Milanfar, ICCV 2021), one residual block of 16 channels."""

    def __init__(self, attention: bool) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 16, 7, padding=3), nn.Conv2d(16, 16, 1)
        self.bn1 = nn.BatchNorm2d(16)
        self.conv3, self.bn2 = nn.Conv2d(16, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)
        self.conv4, self.bn3 = nn.Conv2d(16, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)
        self.attention = CBAM(16) if attention else nn.Identity()
        self.conv5, self.bn4 = nn.Conv2d(16, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)
        self.conv6 = nn.Conv2d(16, 3, 7, padding=3)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, 32, 32) -> (B, 3, 224, 224)."""
        features = F.leaky_relu(self.conv1(x), 0.2)
        features = self.bn1(F.leaky_relu(self.conv2(features), 0.2))
        features = F.interpolate(features, size=(224, 224), mode="bilinear", align_corners=False)
        block = self.bn3(self.conv4(F.leaky_relu(self.bn2(self.conv3(features)), 0.2)))
        block = features + self.attention(block)
        block = self.bn4(self.conv5(block)) + features
        residual: Tensor = self.conv6(block)
        return F.interpolate(x, size=(224, 224), mode="bilinear", align_corners=False) + residual


def build(resizer: str) -> nn.Module:
    """Return VGG16 with a 10-class head after no, a bilinear or a learned resize to 224."""
    network = models.vgg16(weights=None)
    network.classifier[6] = nn.Linear(4096, 10)
    bilinear = nn.Upsample(size=(224, 224), mode="bilinear", align_corners=False)
    front = {"none": nn.Identity(), "bilinear": bilinear, "plain": Resizer(False), "cbam": Resizer(True)}[resizer]
    return nn.Sequential(front, network)


class Pictures(TorchDataset[tuple[Tensor, int]]):
    """CIFAR-10 as in torchvision: an array of images, each converted to a PIL image and transformed when it is read."""

    def __init__(self, pixels: np.ndarray, labels: list[int], transform: Callable[[Image.Image], Any] = TRAIN) -> None:
        self.pixels, self.labels, self.transform = pixels, labels, transform

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.pixels[index])), self.labels[index]


def cutmix(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, float]:
    """CutMix in half of the batches (Yun et al., ICCV 2019); return images, labels of the pasted box, visible share."""
    if np.random.rand() >= 0.5:
        return images, labels, 1.0
    side = images.shape[-1]
    other = torch.randperm(len(images), device=images.device)
    cut = int(side * np.sqrt(1 - np.random.beta(1, 1)))
    x, y = np.random.randint(side, size=2)
    left, right = np.clip([x - cut // 2, x + cut // 2], 0, side)
    top, bottom = np.clip([y - cut // 2, y + cut // 2], 0, side)
    images[:, :, top:bottom, left:right] = images[other, :, top:bottom, left:right]
    return images, labels[other], float(1 - (right - left) * (bottom - top) / side**2)


def loader(pictures: TorchDataset[Any], batch_size: int, workers: int, pin: bool) -> Batches:
    """Return a loader that shuffles in every epoch."""
    return DataLoader(pictures, batch_size=batch_size, shuffle=True, num_workers=workers, pin_memory=pin)


def endless(batches: Iterable[Any]) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the batches of one epoch after another."""
    while True:
        yield from batches


def arithmetic(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """Return a context with torch's settings on a GPU: `default` has TF32 convolutions, the others have not."""
    if device.type != "cuda":
        return contextlib.nullcontext()
    return torch.backends.cudnn.flags(enabled=True, benchmark=True, deterministic=False, allow_tf32=precision == "default")


def training(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batches: Iterator[tuple[Tensor, Tensor]],
    device: torch.device,
    steps: int,
    mixed: bool,
    precision: str,
) -> Iterator[float]:
    """Yield images per second of `steps` steps, repeatedly. Precision: default, fp32, or bf16 by autocast."""
    clock = Clock(device)
    while True:
        seen, running_loss = 0, 0.0
        model.train()
        with arithmetic(device, precision):
            clock.start()
            for _ in range(steps):
                images, labels = (tensor.to(device, non_blocking=True) for tensor in next(batches))
                images, others, share = cutmix(images, labels) if mixed else (images, labels, 1.0)
                optimizer.zero_grad()
                with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
                    outputs = model(images)
                    loss = share * F.cross_entropy(outputs, labels)
                    if share < 1:
                        loss = loss + (1 - share) * F.cross_entropy(outputs, others)
                loss.backward()
                optimizer.step()
                running_loss += loss.item()
                seen += len(images)
            clock.stop()
        yield seen / clock.seconds()
