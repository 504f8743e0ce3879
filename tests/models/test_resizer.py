"""The Resizer: its layers against a second writing of them, its counts, its start, and the interpolations beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from ablation.models.resizer import Interpolate, Resizer, WideConv2d


@pytest.fixture
def images() -> Tensor:
    return torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def bilinear(images: Tensor, size: tuple[int, int]) -> Tensor:
    return functional.interpolate(images, size, mode="bilinear", align_corners=False)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"num_blocks": 1}, 12_035),
        ({"num_blocks": 2}, 16_707),
        ({"num_blocks": 1, "position": "block"}, 12_184),
        ({"num_blocks": 2, "position": "block"}, 17_005),
        ({"num_blocks": 1, "position": "trunk"}, 12_184),
        ({"num_blocks": 2, "position": "trunk"}, 16_856),
        ({"position": "block", "reduction": 8}, 12_035 + 182),
        ({"position": "block", "reduction": 4}, 12_035 + 248),
        ({"position": "block", "reduction": 2, "num_blocks": 2}, 16_707 + 2 * 380),
        ({"position": "block", "reduction": 1}, 12_035 + 644),
        ({"position": "block", "spatial_bn": False}, 12_182),
        ({"position": "block", "spatial_kernel": 3}, 12_035 + 149 - 80),
    ],
)
def test_parameters(options: dict[str, Any], expected: int) -> None:
    """A convolution has a bias unless batch norm is the very next operation (architecture of keras.io's example)."""
    assert sum(parameter.numel() for parameter in Resizer(224, **options).parameters()) == expected


@pytest.mark.parametrize(
    ("size", "options", "expected"),
    [
        (32, {}, 467_501_056),
        (32, {"num_blocks": 2}, 698_712_064),
        (32, {"position": "block"}, 472_418_368),
        (32, {"position": "block", "num_blocks": 2}, 708_546_688),
        (448, {}, 988_266_496),
    ],
)
def test_multiply_accumulates_of_one_image(size: int, options: dict[str, Any], expected: int) -> None:
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        Resizer(224, **options)(torch.empty(1, 3, size, size))
    assert counter.get_total_flops() == 2 * expected


@pytest.mark.parametrize(("width", "pixels"), [(8, 4), (40, 4), (42, 4), (43, 4), (8, 8), (40, 8), (44, 8)])
def test_the_wide_convolution_is_torchs_own(monkeypatch: pytest.MonkeyPatch, width: int, pixels: int) -> None:
    """Same parameters, result and gradients, whether the pixels fit the width or not; drawn from the same stream."""
    monkeypatch.setattr(WideConv2d, "PIXELS", {"cpu": pixels})
    torch.manual_seed(0)
    plain = nn.Conv2d(5, 3, 7, padding=3).double()
    torch.manual_seed(0)
    wide = WideConv2d(5, 3, 7).double()
    torch.testing.assert_close(wide.state_dict(), plain.state_dict(), rtol=0, atol=0)
    results = []
    for module in (plain, wide):
        features = torch.randn(2, 5, 9, width, generator=torch.Generator().manual_seed(1), dtype=torch.float64).requires_grad_()
        made = module(features)
        made.square().sum().backward()
        results.append([made, features.grad, module.weight.grad, module.bias.grad])
    torch.testing.assert_close(results[1], results[0], rtol=1e-12, atol=1e-10)


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("num_blocks", [1, 2])
def test_layers_are_the_published_ones(images: Tensor, num_blocks: int, train: bool) -> None:
    """The table of layers written a second time, with functions: order, slopes, skips and what has no activation."""
    torch.manual_seed(1)
    module = Resizer((48, 40), channels=8, num_blocks=num_blocks, slope=0.1).train(train)
    state = {name: value.clone() for name, value in module.state_dict().items()}
    assert torch.allclose(module(images), written_again(state, images, num_blocks, train), atol=1e-5)


def written_again(state: Mapping[str, Tensor], images: Tensor, num_blocks: int, train: bool) -> Tensor:
    def conv(name: str, features: Tensor) -> Tensor:
        weight = state[f"{name}.weight"]
        return functional.conv2d(features, weight, state.get(f"{name}.bias"), padding=weight.shape[-1] // 2)

    def norm(name: str, features: Tensor) -> Tensor:
        mean, var, weight, bias = (state[f"{name}.{key}"] for key in ("running_mean", "running_var", "weight", "bias"))
        return functional.batch_norm(features, mean, var, weight, bias, train)

    def leaky(features: Tensor) -> Tensor:
        return functional.leaky_relu(features, 0.1)

    stem = norm("stem.4", leaky(conv("stem.2", leaky(conv("stem.0", images)))))
    resized = features = bilinear(stem, (48, 40))
    for block in range(num_blocks):
        inner = leaky(norm(f"blocks.{block}.body.1", conv(f"blocks.{block}.body.0", features)))
        features = features + norm(f"blocks.{block}.body.4", conv(f"blocks.{block}.body.3", inner))
    return conv("last", norm("trunk.1", conv("trunk.0", features)) + resized) + bilinear(images, (48, 40))


@pytest.mark.parametrize(("position", "norm"), [("block", "blocks.0.body.4"), ("trunk", "trunk.1")])
def test_attention_stands_after_the_last_batch_norm_and_before_the_sum(images: Tensor, position: str, norm: str) -> None:
    """CBAM at zero multiplies by 1/4: as does a quarter of that batch norm's weight and bias."""
    torch.manual_seed(2)
    attended = Resizer(40, channels=8, position=position).eval()
    plain = Resizer(40, channels=8).eval()
    plain.load_state_dict({name: attended.state_dict()[name].clone() for name in plain.state_dict()})
    gates = [parameter for name, parameter in attended.named_parameters() if "attention" in name]
    for parameter in [*gates, *plain.get_submodule(norm).parameters()]:
        parameter.data *= 0.0 if any(parameter is gate for gate in gates) else 0.25
    assert len(gates) == 7
    assert torch.allclose(attended(images), plain(images), atol=1e-6)


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("position", ["none", "block", "trunk"])
def test_zero_init_starts_at_exactly_bilinear(images: Tensor, position: str, train: bool) -> None:
    module = Resizer(224, zero_init=True, position=position).train(train)
    assert torch.equal(module(images), bilinear(images, (224, 224)))
    corners = functional.interpolate(images, (224, 224), mode="bilinear", align_corners=True)
    assert (module(images) - corners).abs().max() > 1


def test_default_init_does_not_start_at_bilinear(images: Tensor) -> None:
    torch.manual_seed(3)
    residual = Resizer(64)(images) - bilinear(images, (64, 64))
    assert residual.std() > 0.1


@pytest.mark.parametrize("position", ["block", "trunk"])
def test_one_seed_gives_plain_and_attended_resizers_the_same_convolutions(position: str) -> None:
    """So that a pair of runs with one seed differs by the attention alone; zero_init changes the last layer alone."""

    def drawn(**options: Any) -> dict[str, Tensor]:
        torch.manual_seed(4)
        return Resizer(32, num_blocks=2, **options).state_dict()

    plain, attended, zero = drawn(), drawn(position=position), drawn(position=position, zero_init=True)
    assert [name for name in plain if not torch.equal(plain[name], attended[name])] == []
    assert [name for name in attended if not torch.equal(attended[name], zero[name])] == ["last.weight", "last.bias"]


@pytest.mark.parametrize(
    ("given", "size", "expected"),
    [
        (32, 224, (224, 224)),
        (32, (40, 72), (40, 72)),
        (32, [72, 40], (72, 40)),
        (448, 224, (224, 224)),
        (32, 32, (32, 32)),
    ],
)
def test_any_size_to_any_size(given: int, size: Any, expected: tuple[int, int]) -> None:
    with torch.device("meta"):
        out = Resizer(size, position="block")(torch.empty(2, 3, given, given))
    assert out.shape == (2, 3, *expected)
    assert out.dtype == torch.float32
    assert out.is_meta


def test_float64_in_float64_out(images: Tensor) -> None:
    assert Resizer(40, position="block").double()(images.double()).dtype == torch.float64


@pytest.mark.parametrize("position", ["none", "block", "trunk"])
def test_runs_in_channels_last_and_in_bf16(images: Tensor, position: str) -> None:
    """Memory format changes nothing but rounding; autocast stays near the float32 result."""
    torch.manual_seed(5)
    module = Resizer(48, position=position, reduction=4).eval()
    expected = module(images)
    module = module.to(memory_format=torch.channels_last)
    images = images.to(memory_format=torch.channels_last)
    assert torch.allclose(module(images), expected, atol=1e-5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert (module(images).float() - expected).abs().max() < 0.1


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_interpolation_has_no_parameters_and_half_pixel_centres(images: Tensor, mode: str) -> None:
    module = Interpolate(224, mode)
    assert list(module.parameters()) == []
    assert torch.equal(module(images), functional.interpolate(images, (224, 224), mode=mode, align_corners=False))


def test_bilinear_keeps_every_pixel_at_the_centre_of_its_square(images: Tensor) -> None:
    """32 -> 224 is 7 times: output pixel 7 k + 3 lies on the centre of input pixel k."""
    assert torch.allclose(Interpolate(224)(images)[..., 3::7, 3::7], images, atol=1e-4)
