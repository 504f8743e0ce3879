"""Crop, flip and normalise: the report's preprocessing, pixel for pixel."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as reference

from ablation.data.augment import Augment, crop_flip, denormalise, normalise

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(count: int, height: int = 32, width: int = 32) -> Tensor:
    return torch.randint(256, (count, 3, height, width), dtype=torch.uint8, generator=generator(9))


def slow_crop_flip(image: Tensor, row: int, column: int, flip: bool, padding: int) -> Tensor:
    """One image, one pixel at a time, as the definition says."""
    _, height, width = image.shape
    out = torch.zeros_like(image)
    for y in range(height):
        for x in range(width):
            source_y, source_x = y + row - padding, (width - 1 - x if flip else x) + column - padding
            if 0 <= source_y < height and 0 <= source_x < width:
                out[:, y, x] = image[:, source_y, source_x]
    return out


@pytest.mark.parametrize(("height", "width", "padding"), [(5, 5, 2), (4, 7, 1), (3, 3, 0), (3, 3, 5)])
def test_crop_flip_is_the_definition_at_every_offset(height: int, width: int, padding: int) -> None:
    offsets = torch.cartesian_prod(torch.arange(2 * padding + 1), torch.arange(2 * padding + 1)).repeat(2, 1)
    flips = torch.arange(len(offsets)) >= len(offsets) // 2
    images = pictures(len(offsets), height, width)
    expected = [
        slow_crop_flip(image, int(row), int(column), bool(flip), padding)
        for image, (row, column), flip in zip(images, offsets, flips, strict=True)
    ]
    assert torch.equal(crop_flip(images, offsets, flips, padding), torch.stack(expected))


def test_crop_flip_is_torchvisions_crop_then_flip() -> None:
    images, augment = pictures(64), Augment(4, True, MEAN, STD)
    draws = augment.draw(64, generator())
    for image, out, (row, column), flip in zip(
        images, crop_flip(images, draws.offsets, draws.flips, 4), draws.offsets.tolist(), draws.flips, strict=True
    ):
        expected = reference.crop(reference.pad(image, [4]), row, column, 32, 32)
        assert torch.equal(out, reference.horizontal_flip(expected) if flip else expected)


def test_every_offset_is_drawn_equally_often() -> None:
    """0 to 2 * padding inclusive: the last one is what randint's open end loses."""
    offsets = Augment(4, True, MEAN, STD).draw(90_000, generator()).offsets
    for axis in (0, 1):
        counts = torch.bincount(offsets[:, axis])
        assert len(counts) == 9 and (counts - 10_000).abs().max() < 5 * 10_000**0.5
    both = torch.bincount(offsets[:, 0] * 9 + offsets[:, 1])
    assert len(both) == 81 and (both - 90_000 / 81).abs().max() < 5 * (90_000 / 81) ** 0.5


def test_half_are_flipped_or_none() -> None:
    flips = Augment(4, True, MEAN, STD).draw(40_000, generator()).flips
    assert abs(float(flips.float().mean()) - 0.5) < 4 * 0.5 / 200
    assert not Augment(4, False, MEAN, STD).draw(1000, generator()).flips.any()


def test_equal_streams_give_equal_flips_and_end_alike_in_every_cell() -> None:
    ends, flips = [], []
    for padding, flip in ((4, True), (0, True), (1, False)):
        stream = generator()
        draws = Augment(padding, flip, MEAN, STD).draw(300, stream)
        assert draws.offsets.shape == (300, 2) and int(draws.offsets.max()) == 2 * padding
        flips.append(draws.flips)
        ends.append(stream.get_state())
    assert torch.equal(flips[0], flips[1])
    assert torch.equal(ends[0], ends[1]) and torch.equal(ends[0], ends[2])


def test_black_and_white_are_the_known_numbers() -> None:
    extremes = torch.tensor([0, 255], dtype=torch.uint8)[:, None, None, None].expand(2, 3, 1, 1)
    black, white = normalise(extremes, MEAN, STD).flatten(1)
    assert torch.allclose(black, torch.tensor([-2.1179, -2.0357, -1.8044]), atol=5e-5)
    assert torch.allclose(white, torch.tensor([2.2489, 2.4286, 2.6400]), atol=5e-5)


def test_normalise_is_the_formula_and_denormalise_its_inverse() -> None:
    images = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16).expand(2, 3, 16, 16)
    mean, std = torch.tensor(MEAN).view(3, 1, 1), torch.tensor(STD).view(3, 1, 1)
    out = normalise(images, MEAN, STD)
    assert out.dtype == torch.float32 and torch.equal(out, (images / 255 - mean) / std)
    assert (denormalise(out, MEAN, STD) - images / 255).abs().max() < 1e-6


def test_constants_first_asked_for_in_evaluation_serve_training() -> None:
    mean, std = [0.1, 0.2, 0.3], [0.4, 0.5, 0.6]  # seen by no other test, so cached here
    with torch.inference_mode():
        normalise(pictures(1), mean, std)
    image = torch.zeros(1, 3, 4, 4, requires_grad=True)
    denormalise(image, mean, std).sum().backward()
    assert torch.allclose(image.grad[0, :, 0, 0], torch.tensor(std))


def test_evaluation_normalises_and_does_nothing_else() -> None:
    images = pictures(16)
    for mix in ("none", "cutmix", "mixup"):
        augment = Augment(4, True, MEAN, STD, mix=mix, probability=1.0)
        state = torch.get_rng_state()
        assert torch.equal(augment.test(images), normalise(images, MEAN, STD))
        assert torch.equal(torch.get_rng_state(), state)


def test_training_is_crop_flip_normalise_and_reproducible() -> None:
    images, labels, augment = pictures(16), torch.arange(16), Augment(4, True, MEAN, STD)
    before, state = images.clone(), torch.get_rng_state()
    outs = []
    for _ in range(2):
        draws = augment.draw(16, generator(5))
        outs.append(augment.train(images, labels, draws.offsets, draws.flips, generator(6)))
    assert torch.equal(outs[0].images, outs[1].images) and outs[0].images.shape == (16, 3, 32, 32)
    assert torch.equal(outs[0].images, normalise(crop_flip(images, draws.offsets, draws.flips, 4), MEAN, STD))
    assert outs[0].lam == 1.0 and torch.equal(outs[0].labels_a, labels) and torch.equal(outs[0].labels_b, labels)
    assert torch.equal(images, before) and torch.equal(torch.get_rng_state(), state)


def test_no_augmentation_shows_the_image_itself() -> None:
    images, augment = pictures(8), Augment(0, False, MEAN, STD)
    draws = augment.draw(8, generator())
    assert torch.equal(
        augment.train(images, torch.zeros(8), draws.offsets, draws.flips, generator()).images, augment.test(images)
    )


def test_the_border_is_black_before_normalisation() -> None:
    white = torch.full((1, 3, 8, 8), 255, dtype=torch.uint8)
    out = (
        Augment(2, False, MEAN, STD)
        .train(white, torch.zeros(1), torch.zeros(1, 2, dtype=torch.int64), torch.zeros(1, dtype=torch.bool), generator())
        .images
    )
    assert torch.allclose(out[0, :, 0, 0], torch.tensor([-2.1179, -2.0357, -1.8044]), atol=5e-5)
    assert torch.allclose(out[0, :, 2, 2], torch.tensor([2.2489, 2.4286, 2.6400]), atol=5e-5)


@pytest.mark.parametrize("mix", ["none", "cutmix", "mixup"])
def test_every_step_stays_on_the_batchs_device(mix: str) -> None:
    """On the meta device, which refuses to meet a tensor of another one; only the generators are on the CPU."""
    augment = Augment(4, True, MEAN, STD, mix, 1.0)
    draws, images = augment.draw(8, generator()), pictures(8).to("meta")
    labels, offsets, flips = (part.to("meta") for part in (torch.arange(8), draws.offsets, draws.flips))
    mixed = augment.train(images, labels, offsets, flips, generator())
    assert mixed.images.device.type == mixed.labels_b.device.type == augment.test(images).device.type == "meta"
    assert mixed.images.shape == (8, 3, 32, 32) and mixed.images.dtype == torch.float32
