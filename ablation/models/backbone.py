"""The classifiers behind the resizer: torchvision's, timm's, EfficientNet-Lite0 and a tiny VGG, each with our head.

Owns which network is built and what its head starts from. Random numbers come from torch's default generator alone,
the head's first: one seed gives one head, whatever the weights of the body. Never seeds; weights.py owns the files.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from types import ModuleType

import torch
from torch import Tensor, nn
from torchvision.models import get_model

from ablation.models import weights as files

TORCHVISION = ("resnet18", "vgg16", "vgg16_bn")


def torchvision_model(name: str, weights: str, num_classes: int) -> nn.Module:
    """A torchvision classifier with its last layer replaced by a fresh `nn.Linear` in PyTorch's default initialisation.

    Args:
        name: "vgg16", "vgg16_bn" or "resnet18".
        weights: "imagenet" (IMAGENET1K_V1), "none" (torchvision's random initialisation), or the path of a full state
            dict, with the original 1000 classes (its head is then replaced) or with `num_classes` (its head is kept).
        num_classes: outputs of the head; 1000 keeps ImageNet's.

    Returns:
        (B, 3, H, W) -> logits (B, num_classes); H, W >= 32 for the VGGs.

    Raises:
        ValueError: another name, or a file with a wrong checksum, name or shape.
        FileNotFoundError: the weights are not there and cannot be downloaded.
    """
    if name not in TORCHVISION:
        raise ValueError(f"backbone.name={name}: choose from {', '.join(TORCHVISION)}; any other: backbone=timm")
    return _assemble(partial(get_model, name), weights, num_classes, lambda _: files.read(files.torchvision_file(name)))


def efficientnet_lite0(weights: str, num_classes: int) -> nn.Module:
    """EfficientNet-Lite0 in timm's layers; "imagenet" comes out of an installed wheel, so a run downloads nothing.

    Args, Returns and Raises as for `torchvision_model`, and ImportError without `pip install -e .[laptop]`.
    The wheel's file has the names of another implementation and the same tensors in the same order.
    """
    timm = _timm("efficientnet_lite0")

    def imagenet(skeleton: nn.Module) -> dict[str, Tensor]:
        return files.renamed_in_order(files.read(files.lite0_file()), skeleton.state_dict())

    return _assemble(partial(timm.create_model, "tf_efficientnet_lite0"), weights, num_classes, imagenet)


def timm_model(name: str, weights: str, num_classes: int) -> nn.Module:
    """Any timm model that ends in one `nn.Linear`; "imagenet" is timm's own download (Hugging Face), no sha256 pinned.

    Args, Returns and Raises as for `torchvision_model`, and ImportError without `pip install -e .[laptop]`.
    """
    timm = _timm("timm")
    if not timm.is_model(name):
        raise ValueError(f"backbone.name={name}: timm {timm.__version__} has no such model; see timm.list_models()")

    def imagenet(_: nn.Module) -> dict[str, Tensor]:
        try:
            return dict(timm.create_model(name, pretrained=True).state_dict())
        except Exception as error:  # no network, no such tag, a broken cache: the hub's errors share no class
            reason = str(error).strip().partition("\n")[0]
            raise FileNotFoundError(
                f"ImageNet weights of {name} could not be had through timm ({reason}): "
                "backbone.weights=PATH, or backbone.weights=none (random), or profile=laptop"
            ) from error

    return _assemble(partial(timm.create_model, name), weights, num_classes, imagenet)


def vgg_tiny(weights: str, num_classes: int) -> nn.Module:
    """VGG's plan, 58,834 parameters for 10 classes: quick on one CPU thread, for digits at 8x8 or resized to 32x32.

    Four 3x3 convolutions with batch norm (from random weights it is what makes ten epochs enough), three max-pools, and
    as in VGG a fixed grid (2x2) by adaptive pooling, two linear layers and dropout. PyTorch's default initialisation.

    Args:
        weights: "none" or the path of a state dict with `num_classes`; there is no ImageNet version.
        num_classes: outputs of the head.

    Returns:
        (B, 3, H, W) -> logits (B, num_classes); H, W >= 8.

    Raises:
        ValueError, FileNotFoundError: as for `torchvision_model`.
    """
    return _assemble(partial(_vgg_tiny, num_classes), weights, num_classes, None)


def _vgg_tiny(num_classes: int) -> nn.Module:
    widths, layers, inputs = (8, 16, 32, 64), [], 3
    for depth, width in enumerate(widths):
        layers += [nn.Conv2d(inputs, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
        layers += [nn.MaxPool2d(2)] if depth < 3 else []
        inputs = width
    classifier = nn.Sequential(nn.Linear(4 * inputs, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, num_classes))
    parts = {"features": nn.Sequential(*layers), "avgpool": nn.AdaptiveAvgPool2d(2), "flatten": nn.Flatten()}
    return nn.Sequential(OrderedDict(parts, classifier=classifier))


def _timm(backbone: str) -> ModuleType:
    """timm is imported only when it is asked for: it is large, and no run of the report needs it."""
    try:
        import timm
    except ImportError:
        raise ImportError(f"backbone={backbone} needs timm: pip install -e .[laptop]") from None
    return timm


def _assemble(
    build: Callable[[], nn.Module],
    weights: str,
    num_classes: int,
    imagenet: Callable[[nn.Module], dict[str, Tensor]] | None,
) -> nn.Module:
    """Draw the head, then get the body: random, or from tensors that are put in place without drawing it first."""
    if weights == "imagenet" and imagenet is None:
        raise ValueError("backbone.weights=imagenet: this backbone has none; choose none (random) or PATH")
    with torch.device("meta"):
        skeleton = build()  # names and shapes; costs no memory and no random number
    name, original = _head(skeleton)
    head = nn.Linear(original.in_features, num_classes)
    if weights == "none":
        model = build()
        model.set_submodule(name, head)
        return model

    state = imagenet(skeleton) if weights == "imagenet" and imagenet else files.read(files.given_file(weights))
    unsaved = {buffer for buffer, _ in skeleton.named_buffers()} - set(skeleton.state_dict())
    model = build() if unsaved else skeleton  # a buffer that no file holds would stay on the meta device
    own_head = f"{name}.weight" in state and state[f"{name}.weight"].shape[:1] == (num_classes,)
    if own_head:
        model.set_submodule(name, head)  # the right shape; the file's numbers take its place
    files.check(state, model.state_dict(), origin=weights)
    model.load_state_dict({key: value.to(_dtype(value)) for key, value in state.items()}, assign=True)
    if not own_head:
        model.set_submodule(name, head)
    return model


def _head(model: nn.Module) -> tuple[str, nn.Linear]:
    """Name and module of the last linear layer, which must be the one that gives the logits."""
    linears = [(name, module) for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    classifier = getattr(model, "get_classifier", None)  # timm's word for it
    if not linears or (classifier is not None and classifier() is not linears[-1][1]):
        raise ValueError("backbone.name: this model does not end in one nn.Linear; choose another")
    return linears[-1]


def _dtype(tensor: Tensor) -> torch.dtype:
    """Half-precision files become float32: precision is chosen by train.precision, not by a file."""
    return torch.float32 if tensor.is_floating_point() else tensor.dtype
