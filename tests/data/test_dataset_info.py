"""Facts and listings: what the planner knows before anything heavy is imported or read."""

from __future__ import annotations

import inspect
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf
from PIL import Image

from ablation.data.dataset_info import FOLDER, KNOWN, Facts, facts, image_size, listing
from ablation.data.digits import load_digits
from ablation.data.folder import load_imagefolder

CONF = Path(__file__).parents[2] / "conf" / "data"


def test_facts_import_nothing_heavy() -> None:
    code = "import sys, ablation.data.dataset_info; print([m for m in ('torch', 'numpy', 'PIL', 'rich') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=CONF.parents[1])
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_steps_of_an_epoch_at_batch_128() -> None:
    cifar = facts("ablation.data.cifar.load_cifar10", "data")
    assert (-(-cifar.train // 128), cifar.train % 128) == (391, 80)
    assert (-(-cifar.test // 128), cifar.test % 128) == (79, 16)


def test_facts_agree_with_what_the_loaders_return(image_folder: Path, tmp_path: Path) -> None:
    loaded = {
        "ablation.data.digits.load_digits": load_digits(),
        FOLDER: load_imagefolder(str(image_folder), cache=str(tmp_path / "cache")),
    }
    for target, data in loaded.items():
        shape = data.train.pixels.shape
        assert facts(target, str(image_folder)) == Facts(len(data.train), len(data.test), len(data.classes), *shape[2:])
        assert shape[1:] == data.test.pixels.shape[1:] and shape[2] == shape[3]


def test_unknown_target_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"data\._target_=ablation\.nope: must be one of .*load_cifar10.*imagefolder"):
        facts("ablation.nope", "")


@pytest.mark.parametrize("option", sorted(path.stem for path in CONF.glob("*.yaml")))
def test_every_data_option_names_a_loader_and_arguments_it_takes(option: str) -> None:
    node = OmegaConf.to_container(OmegaConf.load(CONF / f"{option}.yaml"))
    target, padding, flip = node.pop("_target_"), node.pop("padding"), node.pop("flip")
    assert (padding, flip) == ((1, False) if option == "digits" else (4, True))
    assert target in [*KNOWN, FOLDER]
    module, name = target.rsplit(".", 1)
    inspect.signature(getattr(import_module(module), name)).bind(**node)


def test_digest_is_that_of_names_and_sizes(image_folder: Path, tmp_path: Path, new_process: Callable[[], None]) -> None:
    """Equal for a copy elsewhere with other times; another one for a renamed file and for a grown file."""
    first = listing(str(image_folder))
    assert first.classes == ("cat", "dog")
    assert first.train == (
        ("train/cat/0.png", 0),
        ("train/cat/1.png", 0),
        ("train/cat/2.png", 0),
        ("train/dog/0.png", 1),
        ("train/dog/1.PNG", 1),
    )
    copy = tmp_path / "copy"
    shutil.copytree(image_folder, copy)
    os.utime(copy / "test/dog/0.png", ns=(1, 1))
    assert listing(str(copy)).digest == first.digest
    assert listing(str(copy)).stamp != first.stamp

    (copy / "test/dog/0.png").rename(copy / "test/dog/9.png")
    new_process()
    renamed = listing(str(copy))
    with (copy / "test/dog/9.png").open("ab") as file:
        file.write(b"\0")
    new_process()
    assert len({first.digest, renamed.digest, listing(str(copy)).digest}) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda root: shutil.rmtree(root), "no such folder"),
        (lambda root: shutil.rmtree(root / "test"), "has no folder test/"),
        (lambda root: (shutil.rmtree(root / "train"), (root / "train").mkdir()), "train/ is empty"),
        (lambda root: (shutil.rmtree(root / "test/dog"), (root / "test/dog").mkdir()), "test/dog/ has no image"),
        (lambda root: (root / "test/dog").rename(root / "test/dig"), r"only in train: dog; only in test: dig"),
        (lambda root: (root / "train/dog/2.webp").touch(), r"train/dog/2\.webp is no image file; legal: \.png"),
        (lambda root: (root / "train/dog/more.png").mkdir(), r"train/dog/more\.png is no image file"),
        (lambda root: (root / "train/3.png").touch(), r"train/3\.png is no folder"),
    ],
)
def test_a_folder_that_does_not_fit_is_refused_in_one_line(
    image_folder: Path, change: Callable[[Path], object], message: str
) -> None:
    change(image_folder)
    with pytest.raises(OSError, match=message) as caught:
        facts(FOLDER, str(image_folder))
    assert str(caught.value).startswith(f"data.root={image_folder}: ") and "\n" not in str(caught.value)


@pytest.mark.parametrize("root", ["", "???", None])
def test_a_missing_root_says_what_to_type(root: str | None) -> None:
    with pytest.raises(OSError, match=r"data\.root is missing: .*DIR/train/<class>/.*; say data\.root=DIR"):
        facts(FOLDER, root)


def test_hidden_files_are_no_images(image_folder: Path) -> None:
    before = listing(str(image_folder)).digest
    (image_folder / "train/cat/.DS_Store").touch()
    (image_folder / "train/.cache").mkdir()
    listing.cache_clear()
    assert listing(str(image_folder)).digest == before


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.png", {}),
        ("a.jpg", {}),
        ("a.jpg", {"progressive": True}),
        ("a.jpg", {"comment": b"\xff\xc0" * 40}),
        ("a.jpg", {"exif": b"Exif\0\0" + b"\xff\xd8\xff\xc0\0\x11" * 30}),
    ],
)
def test_size_is_read_from_the_header(tmp_path: Path, name: str, options: dict[str, Any]) -> None:
    Image.fromarray(np.zeros((300, 200, 3), np.uint8)).save(tmp_path / name, **options)
    assert image_size(str(tmp_path), name) == (300, 200)


def test_the_frame_is_found_behind_tables_and_fill_bytes(tmp_path: Path) -> None:
    """A Huffman table (C4) and an arithmetic one (CC) look like frames but are not; FF may pad a marker."""
    tables = b"\xff\xc4\0\x09" + b"\1" * 7 + b"\xff\xcc\0\x08" + b"\2" * 6
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8" + tables + b"\xff\xff\xff\xc0\0\x11\x08\0\x30\0\x30" + b"\0" * 9)
    assert image_size(str(tmp_path), "a.jpg") == (48, 48)


@pytest.mark.parametrize("content", [b"", b"\xff\xd8", b"<html>not found</html>", b"\x89PNG\r\n\x1a\n"])
def test_a_header_of_nothing_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(OSError, match=r"a\.jpg cannot be read as PNG or JPEG"):
        image_size(str(tmp_path), "a.jpg")
