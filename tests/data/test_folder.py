"""A folder of images: every pixel as it was saved, decoded once, and never a wrong cache."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ablation.data import folder
from ablation.data.folder import load_imagefolder
from ablation.data.images import Dataset

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def load(image_folder: Path, tmp_path: Path, new_process: Callable[[], None]) -> Callable[..., Dataset]:
    """Loads the tiny folder as a new process would."""

    def start(**arguments: int) -> Dataset:
        new_process()
        return load_imagefolder(str(image_folder), cache=str(tmp_path / "cache"), **arguments)

    return start


def colours(data: Dataset) -> list[int]:
    """The red value of every image, train then test: its number in the fixture."""
    return [*data.train.pixels[:, 0, 0, 0].tolist(), *data.test.pixels[:, 0, 0, 0].tolist()]


def overwrite(path: Path, content: bytes) -> None:
    """Other bytes, the same size and time of modification: invisible to a listing."""
    status = path.stat()
    path.write_bytes(content[: status.st_size].ljust(status.st_size, b"\0"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_pixels_labels_and_names_are_those_of_the_files(load: Callable[..., Dataset]) -> None:
    data = load()
    assert colours(data) == list(range(8)) and data.classes == ("cat", "dog")
    assert data.train.labels.tolist() == [0, 0, 0, 1, 1] and data.test.labels.tolist() == [0, 0, 1]
    assert data.train.pixels.shape == (5, 3, 6, 6) and data.train.pixels.dtype == torch.uint8
    assert data.train.pixels[4, :, 2, 3].tolist() == [4, 104, 204]


def test_images_need_not_be_square(tmp_path: Path, new_process: Callable[[], None]) -> None:
    new_process()
    for split in ("train", "test"):
        (tmp_path / split / "cat").mkdir(parents=True)
        pixels = np.arange(5 * 9 * 3, dtype=np.uint8).reshape(5, 9, 3)
        Image.fromarray(pixels).save(tmp_path / split / "cat" / "a.png")
    data = load_imagefolder(str(tmp_path), cache=str(tmp_path / "cache"))
    assert np.array_equal(data.test.pixels[0].numpy().transpose(1, 2, 0), pixels)


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


def test_jpeg_and_every_mode_become_rgb(load: Callable[..., Dataset], image_folder: Path) -> None:
    random = np.random.RandomState(0)
    picture = Image.fromarray(random.randint(0, 256, (6, 6, 3), dtype=np.uint8))
    picture.save(image_folder / "train/cat/3.jpg", quality=90)
    for mode in ("L", "1", "LA", "RGBA", "P"):
        picture.convert(mode).save(image_folder / f"train/cat/mode {mode}.png")
    picture.convert("CMYK").save(image_folder / "train/cat/mode CMYK.jpeg")
    pixels = load().train.pixels.numpy()
    names = sorted(path.name for path in (image_folder / "train/cat").iterdir())
    assert len(names) == 10
    for name in names:
        with Image.open(image_folder / "train/cat" / name) as image:
            expected = np.asarray(image.convert("RGB"))
        assert np.array_equal(pixels[names.index(name)].transpose(1, 2, 0), expected), name


@pytest.mark.parametrize("threaded_bytes", [0, 1 << 30])
def test_the_order_survives_many_batches_and_threads(
    load: Callable[..., Dataset], image_folder: Path, monkeypatch: pytest.MonkeyPatch, threaded_bytes: int
) -> None:
    monkeypatch.setattr(folder, "BATCH", 7)
    monkeypatch.setattr(folder, "THREADED_BYTES", threaded_bytes)
    for number in range(3, 100):
        Image.fromarray(np.full((6, 6, 3), number, np.uint8)).save(image_folder / f"train/cat/{number:04}.png")
    red = load().train.pixels[:, 0, 0, 0].tolist()
    assert red[:100] == [0, *range(3, 100), 1, 2]  # "0.png" < "0003.png" < ... < "1.png" < "2.png"


def test_a_second_start_decodes_nothing(load: Callable[..., Dataset], image_folder: Path, tmp_path: Path) -> None:
    first = load()
    for path in image_folder.glob("t*/*/*"):
        overwrite(path, b"no image any more")
    second = load()
    assert colours(second) == colours(first) and second.checksum == first.checksum
    assert [path.name for path in (tmp_path / "cache").iterdir() if path.is_dir()] != []


def test_another_image_of_the_same_size_is_decoded_anew(load: Callable[..., Dataset], image_folder: Path) -> None:
    """Names and sizes are equal, so the digest is; the time of modification is not."""
    before = load()
    path = image_folder / "train/cat/0.png"
    old = path.stat()
    for compression in range(10):  # find a file of exactly the old size with another picture
        Image.fromarray(np.full((6, 6, 3), (77, 177, 250), np.uint8)).save(path, compress_level=compression)
        if path.stat().st_size == old.st_size:
            break
    assert path.stat().st_size == old.st_size
    os.utime(path, ns=(old.st_atime_ns, old.st_mtime_ns + 1))
    after = load()
    assert colours(after) == [77, *range(1, 8)] and after.checksum != before.checksum


def test_the_checksum_is_that_of_all_images(load: Callable[..., Dataset]) -> None:
    assert load().checksum == load(limit=2, test_limit=2, val_size=2).checksum


def test_a_torn_cache_is_ignored_and_replaced(load: Callable[..., Dataset], tmp_path: Path) -> None:
    load()
    (cache,) = (path for path in (tmp_path / "cache").iterdir() if path.is_dir())
    cache.rename(cache.with_suffix(".part"))  # killed just before the rename
    (cache.with_suffix(".part") / "train.npy").write_bytes(b"torn")
    assert colours(load()) == list(range(8))
    assert cache.is_dir() and not cache.with_suffix(".part").exists()


@pytest.mark.parametrize(("name", "size"), [("train.npy", 200), ("test.npy", 0), ("about.json", 3)])
def test_a_cache_cut_short_is_made_anew(load: Callable[..., Dataset], tmp_path: Path, name: str, size: int) -> None:
    first = load()
    (cache,) = (path for path in (tmp_path / "cache").iterdir() if path.is_dir())
    os.truncate(cache / name, size)
    again = load()
    assert colours(again) == list(range(8)) and again.checksum == first.checksum


def test_a_write_to_the_pixels_stays_in_this_process(load: Callable[..., Dataset]) -> None:
    load().train.pixels.zero_()
    assert colours(load()) == list(range(8))


@pytest.mark.parametrize("content", [b"<html>not found</html>", b""])
def test_an_undecodable_image_is_named_and_nothing_is_kept(
    load: Callable[..., Dataset], image_folder: Path, tmp_path: Path, content: bytes
) -> None:
    (image_folder / "train/dog/0.png").write_bytes(content)
    with pytest.raises(OSError, match=r"^data\.root=.*: train/dog/0\.png cannot be decoded \(.*\); replace or remove"):
        load()
    assert not [path for path in (tmp_path / "cache").iterdir() if path.is_dir()]


@pytest.mark.parametrize(
    ("suffix", "damage"),
    [
        ("png", lambda content: content[:-30]),  # cut short
        ("jpg", lambda content: content[:-30]),
        ("png", lambda content: content[:60] + b"\x55" + content[61:]),  # in the pixels: OSError in Pillow
        ("png", lambda content: content[:36] + b"\x07" + content[37:]),  # a chunk's length: SyntaxError
        ("png", lambda content: content[:11] + b"\x07" + content[12:]),  # the header's length: ValueError
        ("jpg", lambda content: b"\xff\xd8" + content[4:]),
    ],
)
def test_a_damaged_image_is_named(
    load: Callable[..., Dataset], image_folder: Path, suffix: str, damage: Callable[[bytes], bytes]
) -> None:
    path = image_folder / f"test/dog/7.{suffix}"
    Image.fromarray(np.random.RandomState(0).randint(0, 256, (6, 6, 3), dtype=np.uint8)).save(path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(OSError, match=rf"test/dog/7\.{suffix} cannot be decoded"):
        load()


def test_an_image_of_another_size_is_named_with_both_sizes(load: Callable[..., Dataset], image_folder: Path) -> None:
    Image.fromarray(np.zeros((6, 7, 3), np.uint8)).save(image_folder / "test/dog/0.png")
    with pytest.raises(OSError, match=r"test/dog/0\.png is 7 x 6 pixels, the first image 6 x 6"):
        load()


def test_sixteen_bits_are_refused_rather_than_clipped(load: Callable[..., Dataset], image_folder: Path) -> None:
    Image.fromarray(np.full((6, 6), 40_000, np.uint16)).save(image_folder / "train/cat/1.png")
    with pytest.raises(OSError, match=r"train/cat/1\.png has 16 bits a channel"):
        load()


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
