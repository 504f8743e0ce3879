"""The backbones: their published sizes, the head that one seed gives, and what a pretrained one sees in photographs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from sklearn.datasets import load_digits, load_sample_image
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from ablation.models.backbone import efficientnet_lite0, timm_model, torchvision_model, vgg_tiny

PALACE, BELL_COTE, DAISY = 698, 442, 985  # classes of ImageNet
SMALL = {
    "torchvision": partial(torchvision_model, "resnet18"),
    "lite0": efficientnet_lite0,
    "timm": partial(timm_model, "test_resnet"),
    "timm with buffers that no file holds": partial(timm_model, "test_coatnet"),
    "tiny": vgg_tiny,
}
SIZE = 160  # pixels: the one size that timm's tiny attention model takes
builders = pytest.mark.parametrize("build", SMALL.values(), ids=SMALL.keys())
Build = Callable[[str, int], nn.Module]


def on_meta(build: Build, num_classes: int = 10) -> nn.Module:
    with torch.device("meta"):
        return build("none", num_classes)


def saved(module: nn.Module, file: Path, value: float = 0.5) -> Path:
    """A state dict of the module's names and shapes that takes no room: one number, expanded."""
    constants = {name: torch.tensor(value).to(tensor.dtype) for name, tensor in module.state_dict().items()}
    torch.save({name: constants[name].expand(tensor.shape) for name, tensor in module.state_dict().items()}, file)
    return file


def head_of(module: nn.Module) -> nn.Linear:
    return [layer for layer in module.modules() if isinstance(layer, nn.Linear)][-1]


@pytest.mark.parametrize(
    ("name", "classes", "expected"),
    [
        ("vgg16", 10, 134_301_514),
        ("vgg16", 1000, 138_357_544),
        ("vgg16_bn", 10, 134_309_962),
        ("vgg16_bn", 1000, 138_365_992),
        ("resnet18", 10, 11_181_642),
    ],
)
def test_parameters(name: str, classes: int, expected: int) -> None:
    model = on_meta(partial(torchvision_model, name), classes)
    assert sum(parameter.numel() for parameter in model.parameters()) == expected


def test_the_head_of_vgg16_is_one_new_layer() -> None:
    head = on_meta(partial(torchvision_model, "vgg16")).classifier[6]
    assert sum(parameter.numel() for parameter in head.parameters()) == 40_970


@pytest.mark.parametrize("name", ["vgg16", "vgg16_bn"])
@pytest.mark.parametrize(("size", "grid", "expected"), [(32, 1, 432_775_168), (64, 2, 1_372_364_800), (224, 7, 15_466_209_280)])
def test_vgg_costs_and_shapes(name: str, size: int, grid: int, expected: int) -> None:
    """Multiply-accumulates of one image, the grid before pooling, and the logits."""
    model = on_meta(partial(torchvision_model, name))
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        logits = model(torch.empty(1, 3, size, size))
    assert counter.get_total_flops() == 2 * expected
    assert logits.shape == (1, 10)
    assert model.features(torch.empty(1, 3, size, size, device="meta")).shape == (1, 512, grid, grid)


def test_vgg_at_32_pixels_repeats_its_one_position_49_times() -> None:
    features = torch.randn(2, 512, 1, 1, generator=torch.Generator().manual_seed(0))
    assert torch.equal(nn.AdaptiveAvgPool2d(7)(features), features.expand(2, 512, 7, 7))


@builders
def test_builds_on_the_meta_device_without_a_random_number(build: Build) -> None:
    """What the plan of a sweep does with every run before the first starts."""
    before = torch.get_rng_state()
    model = on_meta(build)
    assert all(tensor.is_meta for tensor in model.state_dict().values())
    assert torch.equal(torch.get_rng_state(), before)


@builders
def test_one_seed_gives_one_head_whatever_the_weights(build: Build, tmp_path: Path) -> None:
    """Pairs stay pairs: seed k of a pretrained and of a random body start from the same last layer."""
    sources = ["none"]
    sources += ["imagenet"] if build is efficientnet_lite0 else []
    sources += [str(saved(on_meta(build, 1000), tmp_path / "original.pth"))] if build is not vgg_tiny else []
    for weights in sources:
        torch.manual_seed(7)
        head = head_of(build(weights, 10))
        torch.manual_seed(7)
        first_drawn = nn.Linear(head.in_features, 10)
        assert torch.equal(head.weight, first_drawn.weight)
        assert torch.equal(head.bias, first_drawn.bias)


@builders
def test_a_file_gives_the_body_and_its_own_head_if_it_has_our_classes(build: Build, tmp_path: Path) -> None:
    """Nothing is left on the meta device, nothing random is left but a replaced head, and everything can learn."""
    model = build(str(saved(on_meta(build, 10), tmp_path / "ten.pth")), 10)
    assert all(bool((parameter == 0.5).all()) for parameter in model.parameters())
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert not any(tensor.is_meta for tensor in [*model.parameters(), *model.buffers()])
    assert model.eval()(torch.zeros(2, 3, SIZE, SIZE)).shape == (2, 10)


def test_vgg16_from_a_file_of_1000_classes_has_the_file_s_body_and_pytorch_s_head(tmp_path: Path) -> None:
    build = partial(torchvision_model, "vgg16")
    model = build(str(saved(on_meta(build, 1000), tmp_path / "vgg16.pth")), 10)
    head = model.classifier[6]
    body = [parameter for parameter in model.parameters() if parameter is not head.weight and parameter is not head.bias]
    assert len(body) == 30
    assert all(parameter.flatten()[0] == 0.5 for parameter in body)
    assert 0.99 / 64 < head.weight.abs().max() <= 1 / 64  # U(-1/64, 1/64): 64 = sqrt(4096)


def test_seeds_differ_and_repeat() -> None:
    first, again, other = (torch.manual_seed(seed) and vgg_tiny("none", 10).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["features.0.weight"], other["features.0.weight"])


def test_lite0_names_what_is_in_two_photographs() -> None:
    """The wheel's tensors sit where they belong: a palace with its bell cote, and a daisy."""
    model = efficientnet_lite0("imagenet", 1000).eval()
    with torch.no_grad():
        china, flower = (model(photograph(name)).squeeze(0).topk(2).indices.tolist() for name in ("china", "flower"))
    assert china == [PALACE, BELL_COTE]
    assert flower[0] == DAISY


def photograph(name: str) -> Tensor:
    pixels = torch.tensor(load_sample_image(f"{name}.jpg")).permute(2, 0, 1)[None] / 255
    margin = (pixels.shape[3] - pixels.shape[2]) // 2
    square = pixels[..., margin : margin + pixels.shape[2]]
    return (functional.interpolate(square, (224, 224), mode="bicubic", antialias=True) - 0.5) / 0.5


@builders
def test_runs_in_channels_last_and_in_bf16(build: Build) -> None:
    torch.manual_seed(1)
    model = build("none", 10).eval()
    images = torch.randn(2, 3, SIZE, SIZE)
    with torch.no_grad():
        expected = model(images)
        model = model.to(memory_format=torch.channels_last)
        images = images.to(memory_format=torch.channels_last)
        assert torch.allclose(model(images), expected, atol=1e-4)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert (model(images).float() - expected).abs().max() < 0.1 * expected.abs().max() + 0.05


@pytest.mark.parametrize("size", [8, 32, 33])
def test_vgg_tiny_takes_digits_as_they_are_and_resized(size: int) -> None:
    assert vgg_tiny("none", 7)(torch.zeros(2, 3, size, size)).shape == (2, 7)


def test_vgg_tiny_learns_digits_at_8_pixels() -> None:
    """Ten epochs of SGD on 1,437 digits reach 90 % of the other 360: enough for a demonstration."""
    torch.manual_seed(0)
    digits = load_digits()
    images = torch.tensor(digits.images, dtype=torch.float32)[:, None].expand(-1, 3, -1, -1) / 8 - 1
    labels = torch.tensor(digits.target)
    order = torch.randperm(len(labels))
    train, test = order[:1437], order[1437:]
    model = vgg_tiny("none", 10)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    for _ in range(10):
        for batch in train[torch.randperm(len(train))].split(64):
            optimizer.zero_grad()
            functional.cross_entropy(model(images[batch]), labels[batch]).backward()
            optimizer.step()
    accuracy = (model.eval()(images[test]).argmax(1) == labels[test]).float().mean()
    assert accuracy > 0.9


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: torchvision_model("vgg61", "none", 10), "backbone.name=vgg61: choose from resnet18, vgg16, vgg16_bn"),
        (lambda: timm_model("resnet5O", "none", 10), "backbone.name=resnet5O: timm"),
        (lambda: vgg_tiny("imagenet", 10), "backbone.weights=imagenet: this backbone has none; choose none"),
    ],
)
def test_a_wrong_choice_is_named_with_the_legal_ones(build: Callable[[], nn.Module], words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        build()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("build", [efficientnet_lite0, partial(timm_model, "test_resnet")])
def test_without_timm_one_line_names_the_extra(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ImportError, match=r"^backbone=\w+ needs timm: pip install timm$"):
        build("none", 10)


def test_a_model_without_one_linear_head_is_refused() -> None:
    with pytest.raises(ValueError, match="does not end in one"):
        timm_model("deit_tiny_distilled_patch16_224", "none", 10)  # two heads
