"""Convert identities of format 1, which contained the path of every class and function, to the present format.

Has the paths that were shipped with format 1. Nothing is added to them: later formats contain no paths.
"""

from __future__ import annotations

from typing import Any

SGD, ADAMW, IDENTITY = "torch.optim.SGD", "torch.optim.AdamW", "torch.nn.Identity"
INTERPOLATE, RESIZER = "ablation.models.resizer.Interpolate", "ablation.models.resizer.Resizer"
TORCHVISION = "ablation.models.backbone.torchvision_model"
AUGMENT = "ablation.data.augment.Augment"
STATED = {  # by group and option: the `_target_` in conf/<group>/<option>.yaml in format 1
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
    """Return an identity of format 1 in later formats: without each `_target_` that was in the option's own file."""
    stated = {f"{group}._target_": options.get(str(identity.get(group))) for group, options in STATED.items()}
    return {key: value for key, value in identity.items() if key not in stated or value != stated[key]}
