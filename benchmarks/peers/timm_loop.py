"""What timm's train.py does for a step, put together from timm's own parts: collate, prefetcher, Mixup, optimizer, autocast.

Our model in channels_last, the report's crop and flip (timm's own would be other work), bytes to the device and normalised
there by timm's PrefetchLoader. The loss is looked at every 50 steps, as train.py does.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import torch
from timm.data import Mixup
from timm.data.loader import PrefetchLoader, fast_collate
from timm.data.transforms import ToNumpy
from timm.loss import SoftTargetCrossEntropy
from timm.optim import create_optimizer_v2
from timm.utils import AverageMeter
from torch import nn
from torch.utils.data import DataLoader
from torchvision import transforms

from benchmarks import reports_way
from benchmarks.peers import parts
from benchmarks.peers.process import parser, serve
from benchmarks.side_by_side import Clock

LOG_INTERVAL = 50


def prefetched(options: argparse.Namespace, device: torch.device) -> PrefetchLoader:
    """Return batches as timm makes them: float, normalised on the device."""
    bytes_alone = transforms.Compose([*reports_way.CROP_FLIP, ToNumpy()])
    batches = DataLoader(
        parts.pictures(bytes_alone),
        batch_size=options.batch,
        shuffle=True,
        num_workers=options.workers,
        pin_memory=device.type == "cuda",
        drop_last=True,
        collate_fn=fast_collate,
    )
    return PrefetchLoader(batches, mean=reports_way.MEAN, std=reports_way.STD, device=device)


def turns(options: argparse.Namespace) -> Iterator[float]:
    """Yield images a second of `steps` steps, again and again."""
    device = torch.device(options.device)
    torch.backends.cudnn.benchmark = True
    model = parts.model(options).train()
    optimizer = create_optimizer_v2(model, "momentum", parts.LR, parts.WEIGHT_DECAY, parts.MOMENTUM)
    cutmix = {"mixup_alpha": 0.0, "cutmix_alpha": 1.0, "prob": 0.5, "num_classes": 10, "label_smoothing": 0.0}
    mixup = Mixup(**cutmix) if options.aug == "cutmix" else None
    criterion = SoftTargetCrossEntropy() if mixup else nn.CrossEntropyLoss()
    losses, clock, step = AverageMeter(), Clock(device), 0
    batches = reports_way.endless(prefetched(options, device))
    while True:
        clock.start()
        for _ in range(options.steps):
            images, targets = next(batches)
            if mixup:
                images, targets = mixup(images, targets)
            images = images.contiguous(memory_format=torch.channels_last)
            with torch.autocast(device.type, torch.bfloat16, enabled=options.precision == "bf16"):
                loss = criterion(model(images), targets)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            step += 1
            if step % LOG_INTERVAL == 0:
                losses.update(loss.item(), len(images))
        clock.stop()
        yield options.steps * options.batch / clock.seconds()


if __name__ == "__main__":
    serve("timm", turns(parser(__doc__).parse_args()))
