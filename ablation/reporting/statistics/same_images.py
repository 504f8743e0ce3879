"""Which cells may be compared: those that were tested on the same images, and on no others."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import Enum


class Mismatch(Enum):
    """In what two cells' test images differ, or what is not known of them."""

    DATA = "data"
    FOLDER = "folder"
    LIMIT = "test_limit"
    COUNT = "number of test images"
    LABELS = "labels"
    UNKNOWN = "test images not recorded"


@dataclass(frozen=True)
class ImageSet:
    """What identifies a cell's test images; None is not recorded, but for `folder` and `limit`, where it is a value.

    Equal labels do not make equal images (the same photographs in another compression), nor do equal names: all must agree.
    """

    data: str | None  # the data option's name, cifar10
    folder: str | None  # name of the image folder, another for other content; None for a data set that has none
    limit: int | None  # data.test_limit; None: all images
    count: int | None
    labels: str | None  # SHA-256 of the labels in test order


@dataclass(frozen=True)
class Difference:
    """One reason not to compare two cells, with both values."""

    kind: Mismatch
    one: str | int | None
    other: str | int | None


KINDS = {
    "data": Mismatch.DATA,
    "folder": Mismatch.FOLDER,
    "limit": Mismatch.LIMIT,
    "count": Mismatch.COUNT,
    "labels": Mismatch.LABELS,
}
MAY_BE_NONE = ("folder", "limit")


def differences(one: ImageSet, other: ImageSet) -> tuple[Difference, ...]:
    """Return why two cells must not be compared; empty if they may.

    What only one of the two recorded does not count against them, but the data set must be known of both.
    """
    result = []
    if one.data is None or other.data is None:
        result.append(Difference(Mismatch.UNKNOWN, one.data, other.data))
    for field in fields(ImageSet):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if a != b and (field.name in MAY_BE_NONE or (a is not None and b is not None)):
            result.append(Difference(KINDS[field.name], a, b))
    return tuple(result)


def comparable(one: ImageSet, other: ImageSet) -> bool:
    """Return True if two cells were tested on the same images, as far as is recorded."""
    return not differences(one, other)
