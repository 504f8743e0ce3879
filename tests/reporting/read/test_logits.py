"""Which images a run has right: read from real files, and None for whatever else may lie there."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ablation.records.correctness import NAME as BITS
from ablation.reporting.read.logits import CorrectReader
from tests.reporting.constructed_records import Runs, config, run_id
from tests.reporting.studies import correct, logits

NAME = run_id(config())
SCORES, LABELS = np.eye(4, 3, dtype=np.float32), np.array([0, 1, 2, 1])


def npz(compressed: bool = False, **arrays: Any) -> bytes:
    file = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(file, **arrays)
    return file.getvalue()


def npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def too_large() -> bytes:
    """An array that says it has 10**13 rows."""
    header, file = io.BytesIO(), io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (10**13, 3)})
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("last.npy", header.getvalue())
        archive.writestr("labels.npy", npy(LABELS))
    return file.getvalue()


def placed(runs: Runs, content: bytes) -> Path:
    (runs.folder / NAME).mkdir(exist_ok=True)
    (runs.folder / NAME / "predictions.npz").write_bytes(content)
    return runs.folder


def test_the_images_that_the_epoch_has_right(runs: Runs) -> None:
    """Eleven images: bits are kept by eights, and none is added."""
    logits(runs, config(), [0, 3, 10], labels=[2] * 11)
    found = CorrectReader(runs.folder)(NAME)
    assert found is not None
    right = found.at("last")
    assert right is not None and np.flatnonzero(right).tolist() == [0, 3, 10]
    assert found.at("val") is None


def test_the_bits_are_read_and_logits_only_where_there_are_none(runs: Runs) -> None:
    logits(runs, config(), [0, 3])
    correct(runs, config(), {"last": [1]}, 10)
    found = CorrectReader(runs.folder)(NAME)
    assert found is not None and found.accuracy("last") == 10.0
    (runs.folder / NAME / BITS).unlink()
    found = CorrectReader(runs.folder)(NAME)
    assert found is not None and found.accuracy("last") == 20.0


def test_damaged_bits_are_named_and_no_logits_stand_in_for_them(runs: Runs) -> None:
    logits(runs, config(), [0, 3])
    correct(runs, config(), {"last": [1]}, 10)
    file = runs.folder / NAME / BITS
    file.write_bytes(file.read_bytes()[:-1])
    find = CorrectReader(runs.folder)
    assert find(NAME) is None
    assert find.problems == {NAME: "ValueError: correct.bits: 1 bytes of 1 metrics; must be 2: cut short"}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK",
        b"no archive" * 9,
        npz(last=SCORES),
        npz(labels=LABELS),
        npz(last=SCORES, labels=LABELS[:3]),
        npz(last=SCORES, labels=LABELS[:1]),
        npz(last=SCORES[0], labels=LABELS),
        npz(last=SCORES[:, :0], labels=LABELS),
        npz(last=np.array([{}], dtype=object), labels=LABELS),
        npz(last=np.float32(1), labels=np.int64(0)),
        npz(last=np.stack([SCORES] * 4), labels=LABELS),
        npy(SCORES),
        too_large(),
    ],
    ids=range(14),
)
def test_what_is_no_such_file_is_none(runs: Runs, content: bytes) -> None:
    find = CorrectReader(placed(runs, content))
    found = find(NAME)
    assert found is None or found.at("last") is None
    assert bool(find.problems) == (found is None)


def test_without_a_file_or_with_a_folder_in_its_place_it_is_none(runs: Runs) -> None:
    find = CorrectReader(runs.folder)
    assert find(NAME) is None and find.problems == {}
    (runs.folder / "other" / "predictions.npz").mkdir(parents=True)
    assert find("other") is None


@pytest.mark.parametrize("compressed", [False, True])
def test_flipped_bytes_end_nothing(runs: Runs, compressed: bool) -> None:
    """Headers, names, flags, lengths and data: whatever a byte breaks, the other runs are still read."""
    draw = np.random.default_rng(0)
    whole = npz(compressed, last=draw.normal(size=(40, 3)), labels=draw.integers(0, 3, 40))
    for _ in range(400):
        content = bytearray(whole)
        for place in draw.integers(len(content), size=2):
            content[place] = draw.integers(256)
        CorrectReader(placed(runs, bytes(content)))(NAME)
