"""Correct images as packed bits: what is written is read, its size, and damaged files named."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablation.records.correctness import CorrectImages, decode, encode, from_logits, label_digest, pack, unpack


@given(st.lists(st.booleans(), min_size=1, max_size=70))
def test_what_is_packed_is_unpacked(values: list[bool]) -> None:
    packed = pack(np.array(values))
    assert len(packed) == (len(values) + 7) // 8
    assert unpack(packed, len(values)).tolist() == values


@given(st.integers(1, 70), st.sets(st.sampled_from(["best", "last", "val"])), st.integers(0, 100))
def test_what_is_written_is_read(images: int, metrics: set[str], seed: int) -> None:
    rng = np.random.default_rng(seed)
    correct = {metric: rng.random(images) < 0.7 for metric in metrics}
    run = CorrectImages(images, "a" * 64, {metric: pack(values) for metric, values in correct.items()})
    found = decode(encode(run))
    assert (found.images, found.labels, set(found.packed)) == (images, "a" * 64, metrics)
    for metric, values in correct.items():
        read = found.at(metric)
        assert read is not None and (read == values).all()
        assert found.accuracy(metric) == 100 * values.sum() / images
    assert found.at("first") is None and found.accuracy("first") is None
    assert encode(found) == encode(run)


def test_the_bytes_are_these() -> None:
    """The format is a contract: published files must be readable without this code."""
    run = CorrectImages(10, "digest", {"last": pack(np.array([True, False] * 5)), "best": pack(np.zeros(10, dtype=bool))})
    assert encode(run) == b'{"images": 10, "labels": "digest", "metrics": ["best", "last"]}\n\x00\x00\xaa\x80'


def test_ten_thousand_images_are_a_kilobyte_and_a_quarter() -> None:
    assert len(pack(np.ones(10_000, dtype=bool))) == 1_250


def test_labels_have_one_digest_whatever_their_type() -> None:
    labels = [3, 1, 2]
    expected = hashlib.sha256(b"".join(label.to_bytes(8, "little") for label in labels)).hexdigest()
    for kind in (np.int64, np.uint8, np.int32):
        assert label_digest(np.array(labels, dtype=kind)) == expected
    with pytest.raises(TypeError):
        label_digest(np.array([0.5]))  # type: ignore[arg-type]


WHOLE = encode(CorrectImages(10, "a", {"last": pack(np.ones(10, dtype=bool))}))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not a file of correct images"),
        (b"\x80\x81\n", "not a file of correct images"),
        (b"[]\n", "not a file of correct images"),
        (b"{}\n", "not a file of correct images"),
        (b'{"images": 0, "labels": "a", "metrics": []}\n', "not a file of correct images"),
        (b'{"images": true, "labels": "a", "metrics": []}\n', "not a file of correct images"),
        (b'{"images": 10, "labels": null, "metrics": []}\n', "not a file of correct images"),
        (WHOLE[:-1], "1 bytes of 1 metrics; must be 2: cut short"),
        (WHOLE + b"\x00", "3 bytes of 1 metrics; must be 2"),
        (WHOLE[:-1] + b"\xff", "correct images beyond the last of 10"),
    ],
)
def test_a_damaged_file_is_named(content: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=f"runs/one/correct.bits: .*{words}"):
        decode(content, "runs/one/correct.bits")


def test_a_wrong_number_of_bytes_is_refused() -> None:
    with pytest.raises(ValueError, match="must be 2 for 10 images"):
        unpack(b"\x00", 10)


def test_logits_make_bits_and_what_does_not_fit_is_refused() -> None:
    labels = np.array([0, 1, 1])
    found = from_logits({"last": np.array([[2.0, 1], [0, 1], [3, 1]])}, labels)
    assert found.at("last") is not None and found.accuracy("last") == pytest.approx(200 / 3)
    assert found.labels == label_digest(labels)
    for logits, truth in (
        (np.zeros((2, 2)), labels),
        (np.zeros((3, 0)), labels),
        (np.zeros(3), labels),
        (np.zeros((1, 2)), labels[0]),
    ):
        with pytest.raises(ValueError, match="must be"):
            from_logits({"last": logits}, truth)
