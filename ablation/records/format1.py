"""Records of format 1, whose identity held the path of every class and function: today's identity is read out of them.

Owns the list of paths that were shipped then, and finds the runs that were done under such an identity. Nothing is added to it:
later formats hold no paths.
"""

from __future__ import annotations

import contextlib
import functools
from collections import defaultdict
from pathlib import Path
from typing import Any

from ablation.records.files import read_json
from ablation.records.words import FINISHED

SGD, ADAMW, IDENTITY = "torch.optim.SGD", "torch.optim.AdamW", "torch.nn.Identity"
INTERPOLATE, RESIZER = "ablation.models.resizer.Interpolate", "ablation.models.resizer.Resizer"
TORCHVISION = "ablation.models.backbone.torchvision_model"
AUGMENT = "ablation.data.augment.Augment"
STATED = {  # by group and option: what conf/<group>/<option>.yaml named in format 1
    "data": {
        "cifar10": "ablation.data.cifar.load_cifar10",
        "cifar100": "ablation.data.cifar.load_cifar100",
        "digits": "ablation.data.digits.load_digits",
        "imagefolder": "ablation.data.folder.load_imagefolder",
    },
    "backbone": {
        "efficientnet_lite0": "ablation.models.backbone.efficientnet_lite0",
        "timm": "ablation.models.backbone.timm_model",
        "vgg_tiny": "ablation.models.backbone.vgg_tiny",
        **dict.fromkeys(("resnet18", "vgg16", "vgg16_bn"), TORCHVISION),
    },
    "resizer": {
        "none": IDENTITY,
        **dict.fromkeys(("bilinear", "bicubic"), INTERPOLATE),
        **dict.fromkeys(("plain", "plain_zero", "cbam", "cbam_zero"), RESIZER),
    },
    "aug": dict.fromkeys(("none", "base", "cutmix", "mixup"), AUGMENT),
    "optimizer": {"adamw": ADAMW, **dict.fromkeys(("sgd", "sgd_demo", "sgd_plain"), SGD)},
    "schedule": {
        "constant": "ablation.training.optim.Constant",
        "cosine": "ablation.training.optim.Cosine",
        "step": "ablation.training.optim.Step",
    },
}


def without_stated_targets(identity: dict[str, Any]) -> dict[str, Any]:
    """Return an identity of format 1 as later formats have it: a `_target_` stays only where its option did not state it."""
    stated = {f"{group}._target_": options.get(str(identity.get(group))) for group, options in STATED.items()}
    return {key: value for key, value in identity.items() if key not in stated or value != stated[key]}


def folder_of(runs: Path, run_id: str, identity: dict[str, Any]) -> Path:
    """Return the folder of a run: `runs`/<run id>, or that of the same run done in format 1, under another digest.

    Args:
        runs: the runs folder, which need not exist.
        run_id: of the run today; ends in its digest.
        identity: of the run today.
    """
    folder = runs / run_id
    if folder.exists() or not runs.is_dir():
        return folder
    readable = run_id.rpartition("-")[0]
    for name in _by_readable_part(str(runs), runs.stat().st_mtime_ns).get(readable, ()):
        with contextlib.suppress(ValueError, OSError, KeyError, TypeError, AttributeError):  # no record of ours
            outcome: dict[str, Any] = read_json(runs / name / "outcome.json") or {}
            ended = outcome["format"] == 1 and outcome["outcome"] in FINISHED
            if ended and without_stated_targets(outcome["config"]) == identity:
                return runs / name
    return folder


@functools.lru_cache(maxsize=4)
def _by_readable_part(runs: str, changed: int) -> dict[str, list[str]]:
    """Return the names in the runs folder by what stands before their digest; read anew once the folder has changed."""
    names = defaultdict(list)
    for folder in sorted(Path(runs).iterdir()):
        names[folder.name.rpartition("-")[0]].append(folder.name)
    return dict(names)
