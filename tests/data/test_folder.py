"""A folder of images: every pixel as it was saved, decoded once, and never a wrong cache."""

from __future__ import annotations

import io
import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from ablation.data import folder
from ablation.data.folder import load_imagefolder
from ablation.data.images import Dataset
from ablation.data.layout import ImageFolder
from ablation.data.listing import listing

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def load(image_folder: Path, tmp_path: Path, new_process: Callable[[], None]) -> Callable[..., Dataset]:
    """Loads the tiny folder as a new process would."""

    def start(root: str = str(image_folder), **arguments: Any) -> Dataset:
        new_process()
        return load_imagefolder(root, cache=str(tmp_path / "cache"), **arguments)

    return start


def colours(data: Dataset) -> list[int]:
    """The red value of every image, train then test: its number in the fixture."""
    return [*data.train.pixels[:, 0, 0, 0].tolist(), *data.test.pixels[:, 0, 0, 0].tolist()]


def overwrite(path: Path, content: bytes) -> None:
    """Other bytes, the same size and time of modification."""
    status = path.stat()
    assert len(content) <= status.st_size
    path.write_bytes(content.ljust(status.st_size, b"\0"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_pixels_labels_and_names_are_those_of_the_files(load: Callable[..., Dataset]) -> None:
    data = load()
    assert colours(data) == list(range(8)) and data.classes == ("cat", "dog")
    assert data.train.labels.tolist() == [0, 0, 0, 1, 1] and data.test.labels.tolist() == [0, 0, 1]
    assert data.train.pixels.shape == (5, 3, 6, 6) and data.train.pixels.dtype == torch.uint8
    assert data.train.pixels[4, :, 2, 3].tolist() == [4, 104, 204]


def test_images_need_not_be_square(tmp_path: Path, new_process: Callable[[], None]) -> None:
    new_process()
    for number, path in enumerate(("train/cat", "train/dog", "test/cat", "test/dog")):
        (tmp_path / path).mkdir(parents=True)
        pixels = number + np.arange(5 * 9 * 3, dtype=np.uint8).reshape(5, 9, 3)
        Image.fromarray(pixels).save(tmp_path / path / "a.png")
    data = load_imagefolder(str(tmp_path), cache=str(tmp_path / "cache"))
    assert np.array_equal(data.test.pixels[1].numpy().transpose(1, 2, 0), pixels)


def test_a_cache_with_one_flipped_bit_is_made_again(
    load: Callable[..., Dataset], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = load().train.pixels.clone()  # a map of the file would change with it
    (file,) = tmp_path.glob("cache/*/train.npy")
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    again = load()
    assert torch.equal(again.train.pixels, first) and caplog.text.count("decoded again") == 1


@pytest.mark.parametrize("threaded_pixels", [0, 1 << 30])
def test_the_order_survives_many_batches_and_threads(
    load: Callable[..., Dataset], image_folder: Path, monkeypatch: pytest.MonkeyPatch, threaded_pixels: int
) -> None:
    monkeypatch.setattr(folder, "BATCH", 7)
    monkeypatch.setattr(folder, "THREADED_PIXELS", threaded_pixels)
    for number in range(3, 100):
        Image.fromarray(np.full((6, 6, 3), number, np.uint8)).save(image_folder / f"train/cat/{number:04}.png")
    red = load().train.pixels[:, 0, 0, 0].tolist()
    assert red[:100] == [0, *range(3, 100), 1, 2]  # "0.png" < "0003.png" < ... < "1.png" < "2.png"


def test_a_second_start_decodes_nothing(load: Callable[..., Dataset], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        first, second = load(), load()
    assert colours(second) == colours(first) and second.checksum == first.checksum
    assert caplog.text.count("decoded 8 images") == 1
    assert [path.name for path in (tmp_path / "cache").glob("imagefolder-*") if path.is_dir()] != []


def test_another_image_of_the_same_size_is_decoded_anew(load: Callable[..., Dataset], image_folder: Path) -> None:
    """Name, size and time of modification are equal: what is in the file counts."""
    before = load()
    other = io.BytesIO()
    Image.fromarray(np.full((6, 6, 3), (9, 100, 200), np.uint8)).save(other, "PNG")
    overwrite(image_folder / "train/cat/0.png", other.getvalue())
    after = load()
    assert colours(after) == [9, *range(1, 8)] and after.checksum != before.checksum


@pytest.mark.parametrize("change", ["touch", "copy", "rename the root", "rename train"])
def test_equal_content_is_decoded_once(load: Callable[..., Dataset], image_folder: Path, tmp_path: Path, change: str) -> None:
    """Other times, another copy, another place: one cache."""
    first = load()
    if change == "touch":
        (image_folder / "train/cat/0.png").touch()
        second = load()
    elif change == "rename train":
        (image_folder / "train").rename(image_folder / "training")
        second = load(train="training")
    else:
        (shutil.copytree if change == "copy" else shutil.move)(image_folder, tmp_path / "elsewhere")
        second = load(root=str(tmp_path / "elsewhere"))
    assert second.checksum == first.checksum
    assert len([path for path in tmp_path.glob("cache/imagefolder-*") if path.is_dir()]) == 1


@pytest.mark.parametrize("arguments", [{"size": 4}, {"background": "black"}])
def test_another_way_of_decoding_is_another_cache(
    load: Callable[..., Dataset], tmp_path: Path, arguments: dict[str, Any]
) -> None:
    load(), load(**arguments), load()
    assert len([path for path in tmp_path.glob("cache/imagefolder-*") if path.is_dir()]) == 2


def test_an_image_changed_after_planning_is_refused(source: ImageFolder, image_folder: Path) -> None:
    """The digest is the plan's; pixels of another file must not be trained under it."""
    listing(source)
    Image.fromarray(np.full((6, 6, 3), 99, np.uint8)).save(image_folder / "test/dog/0.png")
    with pytest.raises(
        OSError, match=r"1 file cannot be used: test/dog/0\.png \(was changed after it was listed: start again\)"
    ):
        load_imagefolder(source.root, cache=source.cache)
    assert not list(Path(source.cache).glob("imagefolder-*/about.json"))


def test_a_disk_that_is_too_small_is_refused(load: Callable[..., Dataset]) -> None:
    with pytest.raises(
        OSError, match=r"the decoded images need .* GB, and .* GB are free; name another folder: paths\.cache=DIR"
    ):
        load(size=2_000_000)


def test_the_checksum_is_that_of_all_images(load: Callable[..., Dataset]) -> None:
    assert load().checksum == load(limit=2, test_limit=2, val_size=2).checksum


def test_a_torn_cache_is_ignored_and_replaced(load: Callable[..., Dataset], tmp_path: Path) -> None:
    load()
    (cache,) = (path for path in tmp_path.glob("cache/imagefolder-*") if path.is_dir())
    cache.rename(cache.with_suffix(".part"))  # killed just before the rename
    (cache.with_suffix(".part") / "train.npy").write_bytes(b"torn")
    assert colours(load()) == list(range(8))
    assert cache.is_dir() and not cache.with_suffix(".part").exists()


@pytest.mark.parametrize(("name", "size"), [("train.npy", 200), ("test.npy", 0), ("about.json", 3)])
def test_a_cache_cut_short_is_made_anew(load: Callable[..., Dataset], tmp_path: Path, name: str, size: int) -> None:
    first = load()
    (cache,) = (path for path in tmp_path.glob("cache/imagefolder-*") if path.is_dir())
    os.truncate(cache / name, size)
    again = load()
    assert colours(again) == list(range(8)) and again.checksum == first.checksum


def test_a_write_to_the_pixels_stays_in_this_process(load: Callable[..., Dataset]) -> None:
    load().train.pixels.zero_()
    assert colours(load()) == list(range(8))


def test_limits_beyond_the_folder_are_refused(load: Callable[..., Dataset]) -> None:
    with pytest.raises(ValueError, match=r"data\.limit=6: must be null or from 1 to 5"):
        load(limit=6)


def test_says_once_what_it_decoded(
    load: Callable[..., Dataset], caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.INFO):
        load()
        load()
    assert [record.message.split(" into ")[0] for record in caplog.records] == ["decoded 8 images"]
    assert capfd.readouterr() == ("", "")  # no bar in a file


def test_two_processes_at_once_decode_once(image_folder: Path, tmp_path: Path) -> None:
    """The jobs of one sweep start together on one machine: one decodes, the other waits and maps."""
    for number in range(400):
        Image.fromarray(np.full((6, 6, 3), number % 250, np.uint8)).save(image_folder / f"train/cat/{number:04}.png")
    go = tmp_path / "go"
    code = f"""
import logging, pathlib, time
from ablation.data.folder import load_imagefolder
logging.basicConfig(level=logging.INFO, format="%(message)s")
pathlib.Path({str(tmp_path)!r}, str(time.time_ns())).with_suffix(".ready").touch()
while not pathlib.Path({str(go)!r}).exists(): time.sleep(0.001)
print(load_imagefolder({str(image_folder)!r}, cache={str(tmp_path / "cache")!r}).checksum)
"""
    jobs = [
        subprocess.Popen(
            [sys.executable, "-c", code], cwd=REPOSITORY, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(2)
    ]
    deadline = time.monotonic() + 60
    while len(list(tmp_path.glob("*.ready"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    go.touch()
    (one, said), (other, also_said) = (job.communicate(timeout=300) for job in jobs)
    assert one == other and len(one.strip()) == 64, said + also_said
    assert (said + also_said).count("decoded 408 images") == 1
