"""The handwritten digits: a fixed split of a set that needs no download."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from sklearn import datasets

from ablation.data.digits import load_digits


def test_every_image_is_in_exactly_one_split_with_its_own_label() -> None:
    data, bunch = load_digits(), datasets.load_digits()
    assert (len(data.train), len(data.test)) == (1437, 360)
    assert torch.bincount(data.test.labels).tolist() == [36] * 10
    expected = sorted(
        (tuple(round(value * 255 / 16) for value in image.flat), int(label))
        for image, label in zip(bunch.images, bunch.target, strict=True)
    )
    found = sorted(
        (tuple(image[0].flatten().tolist()), int(label))
        for images in (data.train, data.test)
        for image, label in zip(images.pixels, images.labels, strict=True)
    )
    assert found == expected


def test_grey_becomes_three_equal_channels_of_the_full_range() -> None:
    pixels = load_digits().train.pixels
    assert pixels.dtype == torch.uint8 and pixels.shape[1:] == (3, 8, 8)
    assert torch.equal(pixels[:, 0], pixels[:, 1]) and torch.equal(pixels[:, 0], pixels[:, 2])
    assert (int(pixels.min()), int(pixels.max())) == (0, 255)


def test_the_split_is_the_same_for_every_seed_and_version(new_process: Callable[[], None]) -> None:
    checksums = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        np.random.seed(seed)
        new_process()
        checksums.append(load_digits().checksum)
    assert checksums[0] == checksums[1]
    assert checksums[0].startswith("71ddeeaff897d8b8")


def test_loaded_once_a_process() -> None:
    assert load_digits(limit=100) is load_digits(limit=100)
