"""What a person should look at before the first GPU-hour: each kind planted, and a sound folder that has none."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from ablation.data.findings import Finding, findings
from ablation.data.layout import ImageFolder
from ablation.data.listing import listing


@pytest.fixture
def found(source: ImageFolder) -> Callable[..., dict[str, Finding]]:
    """What is found in the tiny folder, by kind."""
    return lambda size=None: {finding.kind: finding for finding in findings(listing(source), size)}


def test_nothing_is_found_in_a_sound_folder(found: Callable[..., dict[str, Finding]]) -> None:
    assert found() == {} and found(6) == {}


def test_test_images_that_were_trained_on(found: Callable[..., dict[str, Finding]], image_folder: Path) -> None:
    shutil.copy(image_folder / "train/cat/1.png", image_folder / "test/cat/copy.png")
    finding = found()["seen"]
    assert (finding.count, finding.of, finding.examples) == (1, 4, ("test/cat/copy.png = train/cat/1.png",))
    assert finding.sentence.startswith("1 of 4 test images stand in train too, byte for byte (test/cat/copy.png = ")


def test_one_image_in_two_classes(found: Callable[..., dict[str, Finding]], image_folder: Path) -> None:
    shutil.copy(image_folder / "train/cat/1.png", image_folder / "train/dog/copy.png")
    finding = found()["contradicting"]
    assert (finding.count, finding.of, set(finding.examples)) == (2, 9, {"train/cat/1.png", "train/dog/copy.png"})
    assert "repeated" not in found()


def test_copies_within_a_class(found: Callable[..., dict[str, Finding]], image_folder: Path) -> None:
    for number in range(5):
        shutil.copy(image_folder / "train/cat/1.png", image_folder / f"train/cat/copy {number}.png")
    finding = found()["repeated"]
    assert (finding.count, finding.of) == (5, 10) and finding.sentence.endswith(", ...)")


def test_uneven_classes(found: Callable[..., dict[str, Finding]], image_folder: Path) -> None:
    for number in range(6):
        Image.new("RGB", (6, 6), (200, number, 0)).save(image_folder / f"train/cat/more {number}.png")
    finding = found()["uneven"]
    assert (finding.count, finding.of, finding.examples) == (2, 9, ("cat", "dog"))
    assert "always answering cat gets 66.67 % of test right" in finding.sentence


def test_animations_and_small_images(found: Callable[..., dict[str, Finding]], image_folder: Path) -> None:
    frames = [Image.new("RGB", (6, 6), (value, 0, 0)) for value in (0, 120, 250)]
    frames[0].save(image_folder / "test/dog/moves.gif", save_all=True, append_images=frames[1:])
    kinds = found(9)
    assert kinds["animated"].examples == ("test/dog/moves.gif",) and kinds["animated"].count == 1
    assert (kinds["enlarged"].count, kinds["enlarged"].of) == (9, 9)
