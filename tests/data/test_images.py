"""Subsets, splits and the checksum: what every data set owes the table, whoever read it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ablation.data.images import Images, assemble, balanced_subset, content_checksum, hold_out


def labelled(counts: list[int]) -> Images:
    """counts[c] images of class c, interleaved; image k has the value k in its first pixel."""
    labels = torch.cat([torch.full((count,), label) for label, count in enumerate(counts)])
    labels = labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(1))]
    pixels = torch.zeros(len(labels), 3, 2, 2, dtype=torch.uint8)
    pixels[:, 0, 0, 0] = torch.arange(len(labels)) % 251
    return Images(pixels, labels)


@pytest.mark.parametrize(
    ("count", "expected"),
    [(20, [5, 5, 5, 5]), (22, [6, 6, 5, 5]), (3, [1, 1, 1, 0]), (40, [10, 10, 10, 10]), (0, [0, 0, 0, 0])],
)
def test_a_subset_is_as_even_as_can_be(count: int, expected: list[int]) -> None:
    images = labelled([10, 10, 10, 10])
    chosen = balanced_subset(images.labels, count)
    assert torch.bincount(images.labels[chosen], minlength=4).tolist() == expected
    assert chosen.tolist() == sorted(set(chosen.tolist()))


def test_a_class_that_runs_out_leaves_its_turns_to_the_others() -> None:
    images = labelled([2, 30, 9])
    assert torch.bincount(images.labels[balanced_subset(images.labels, 24)]).tolist() == [2, 13, 9]


def test_a_larger_subset_contains_a_smaller_one() -> None:
    labels = labelled([50, 70, 60]).labels
    assert set(balanced_subset(labels, 31).tolist()) < set(balanced_subset(labels, 77).tolist())


def test_subsets_know_no_seed() -> None:
    """Neither torch's nor NumPy's seed moves a subset; its members are pinned, so no version of either does."""
    labels = torch.arange(1000) % 10
    chosen = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        np.random.seed(seed)
        chosen.append(balanced_subset(labels, 10).tolist())
        assert np.random.get_state()[1][0] == seed and torch.initial_seed() == seed
    assert chosen[0] == chosen[1] == [27, 55, 298, 306, 310, 672, 784, 859, 971, 993]


def test_held_out_images_leave_train_before_the_limit() -> None:
    train, test = labelled([40, 40]), labelled([5, 5])
    full = assemble("made up", train, test, ("a", "b"), None, None, 20)
    small = assemble("made up", train, test, ("a", "b"), 10, 4, 20)
    first = [set(images.pixels[:, 0, 0, 0].tolist()) for images in (full.train, full.val, small.train, small.val)]
    assert first[1] == first[3] and first[0] | first[1] == set(range(80)) and not first[0] & first[1]
    assert first[2] < first[0]
    for images, per_class in ((full.val, 10), (full.train, 30), (small.train, 5), (small.test, 2)):
        assert torch.bincount(images.labels).tolist() == [per_class, per_class]
    assert assemble("made up", train, test, ("a", "b"), None, None, 0).val is None


def test_labels_stay_with_their_pixels() -> None:
    images = labelled([30, 50])
    rest, held = hold_out(images, 17)
    for part in (rest, held):
        assert torch.equal(images.labels[part.pixels[:, 0, 0, 0].long()], part.labels)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (
            (81, None, 0),
            r"^data\.limit=81: must be null or from 1 to 80, the training images of made up after "
            r"data\.val_size=0$",
        ),
        ((61, None, 20), r"^data\.limit=61: must be null or from 1 to 60, .*data\.val_size=20$"),
        ((0, None, 0), r"^data\.limit=0: must be null or from 1 to 80"),
        ((None, 11, 0), r"^data\.test_limit=11: must be null or from 1 to 10, the test images of made up$"),
        ((None, -1, 0), r"^data\.test_limit=-1: "),
        ((None, None, 80), r"^data\.val_size=80: must be from 0 to 79 "),
        ((None, None, -1), r"^data\.val_size=-1: "),
    ],
)
def test_what_exceeds_the_data_is_refused_with_the_legal_range(
    limits: tuple[int | None, int | None, int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        assemble("made up", labelled([40, 40]), labelled([5, 5]), ("a", "b"), *limits)


def test_the_checksum_sees_one_pixel_one_label_and_no_limit() -> None:
    def checksum(limits: tuple = (None, None, 0), pixel: int = 0, label: int = 0, swap: bool = False) -> str:
        train, test = labelled([40, 40]), labelled([5, 5])
        test.pixels[9, 2, 1, 1] += pixel
        train.labels[0] ^= label
        return assemble("made up", *((test, train) if swap else (train, test)), ("a", "b"), *limits).checksum

    plain = checksum()
    assert checksum() == plain == checksum((10, 4, 20)) and len(plain) == 64
    assert len({plain, checksum(pixel=1), checksum(label=1), checksum(swap=True)}) == 4


def test_the_checksum_tells_where_train_ends() -> None:
    train, test = labelled([4, 4]), labelled([4, 4])
    both = Images(torch.cat([train.pixels, test.pixels]), torch.cat([train.labels, test.labels]))
    none = Images(train.pixels[:0], train.labels[:0])
    assert content_checksum(train, test) != content_checksum(both, none)


def test_a_data_set_moves_as_a_whole() -> None:
    moved = assemble("made up", labelled([4, 4]), labelled([4, 4]), ("a", "b"), None, None, 2).to("meta")
    assert {part.device.type for images in (moved.train, moved.test, moved.val) for part in (images.pixels, images.labels)} == {
        "meta"
    }
