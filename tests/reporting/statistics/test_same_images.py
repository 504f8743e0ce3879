"""What may be compared: every way in which test images differ is named, with both values."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ablation.reporting.statistics.same_images import Difference, ImageSet, Mismatch, comparable, differences

OURS = ImageSet(data="cifar10", folder=None, limit=None, count=10_000, labels="a" * 64)


def test_the_same_images_may_be_compared() -> None:
    assert differences(OURS, replace(OURS)) == ()
    assert comparable(OURS, OURS)


@pytest.mark.parametrize(
    ("changes", "kind", "one", "other"),
    [
        ({"data": "cifar100"}, Mismatch.DATA, "cifar10", "cifar100"),
        ({"folder": "b" * 64}, Mismatch.FOLDER, None, "b" * 64),
        ({"limit": 1_000}, Mismatch.LIMIT, None, 1_000),
        ({"count": 1_000}, Mismatch.COUNT, 10_000, 1_000),
        ({"labels": "c" * 64}, Mismatch.LABELS, "a" * 64, "c" * 64),
    ],
)
def test_each_mismatch_has_its_kind(changes: dict[str, object], kind: Mismatch, one: object, other: object) -> None:
    theirs = replace(OURS, **changes)  # type: ignore[arg-type]
    assert differences(OURS, theirs) == (Difference(kind, one, other),)  # type: ignore[arg-type]
    assert differences(theirs, OURS) == (Difference(kind, other, one),)  # type: ignore[arg-type]


def test_another_data_set_is_several_reasons() -> None:
    theirs = ImageSet("digits", None, 60, 60, "d" * 64)
    assert [each.kind for each in differences(OURS, theirs)] == [
        Mismatch.DATA,
        Mismatch.LIMIT,
        Mismatch.COUNT,
        Mismatch.LABELS,
    ]


def test_equal_labels_alone_do_not_make_equal_images() -> None:
    """The same photographs re-encoded: one label order, other images."""
    assert not comparable(OURS, replace(OURS, data="imagefolder", folder="e" * 64))


def test_what_is_not_recorded_does_not_count_but_for_the_data_set() -> None:
    """A tracker's record has no labels; a record without a data set is compared with none, not even its like."""
    assert comparable(OURS, replace(OURS, labels=None, count=None))
    unknown = replace(OURS, data=None)
    assert [each.kind for each in differences(OURS, unknown)] == [Mismatch.UNKNOWN]
    assert not comparable(unknown, unknown)
