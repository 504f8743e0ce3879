"""Handwritten digits (UCI Optical Recognition, Alpaydin and Kaynak 1998) from scikit-learn's own package: no download.

The 1,797 images as uint8 RGB in a fixed split. For demonstrations, not a substitute for CIFAR-10.
"""

from __future__ import annotations

import functools

import numpy as np
import torch
from sklearn import datasets

from ablation.data.images import Dataset, Images, assemble, hold_out

TEST_IMAGES = 360


@functools.lru_cache(maxsize=1)
def load_digits(limit: int | None = None, test_limit: int | None = None, val_size: int = 0) -> Dataset:
    """Return 1,437 training and 360 test images (3, 8, 8) of 10 classes; the split is fixed, 36 test images per class.

    Args:
        limit, test_limit: class-balanced fixed subsets; val_size: images held out of train before `limit` applies.

    Raises:
        ValueError: a limit or val_size exceeds the number of images.
    """
    bunch = datasets.load_digits()
    grey = torch.from_numpy(np.rint(bunch.images * (255 / 16)).astype(np.uint8))  # 0..16 -> 0..255
    images = Images(grey[:, None].repeat(1, 3, 1, 1), torch.from_numpy(bunch.target.astype(np.int64)))
    train, test = hold_out(images, TEST_IMAGES)
    classes = tuple(str(name) for name in bunch.target_names)
    return assemble("digits", train, test, classes, limit, test_limit, val_size)
