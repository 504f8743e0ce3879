"""Each file is read once, and never believed after it changed."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest
from PIL import Image

from ablation.data import contents
from ablation.data.contents import Content, bytes_of, stamp
from ablation.data.decode import Unreadable


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three images that are old enough to be remembered."""
    monkeypatch.setattr(contents, "YOUNG_NS", 0)
    root = tmp_path / "images"
    root.mkdir()
    for number in range(3):
        Image.new("RGB", (4, 3), (number, 0, 0)).save(root / f"{number}.bmp")
    return root


def read(folder: Path, cache: str = "cache") -> tuple[dict[str, Content], dict[str, str]]:
    stamps = {path.name: stamp(path.stat()) for path in sorted(folder.iterdir())}
    return contents.read(folder, stamps, folder.parent / cache)


def read_files(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are opened from now on."""
    opened: list[str] = []
    real = contents.bytes_of

    def counting(path: Path) -> tuple[bytes, os.stat_result]:
        opened.append(path.name)
        return real(path)

    monkeypatch.setattr(contents, "bytes_of", counting)
    return opened


def test_a_second_start_opens_no_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = read(folder)
    opened = read_files(monkeypatch)
    assert read(folder) == first and opened == []
    assert first[0]["1.bmp"][1:] == (3, 4, False) and first[1] == {}


@pytest.mark.parametrize("change", ["bytes", "size", "inode", "touch"])
def test_a_changed_file_alone_is_read_again(folder: Path, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    """Other bytes of the same size with the old time set back among them."""
    before, _ = read(folder)
    path, status = folder / "1.bmp", (folder / "1.bmp").stat()
    time.sleep(0.02)  # more than a tick of the file system's clock
    content = path.read_bytes()
    if change == "bytes":
        path.write_bytes(content[:-4] + b"\x09" + content[-3:])
    elif change == "size":
        path.write_bytes(content + b"\0")
    elif change == "inode":
        (folder.parent / "new").write_bytes(content[:-4] + b"\x09" + content[-3:])
        (folder.parent / "new").rename(path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    opened = read_files(monkeypatch)
    after, _ = read(folder)
    assert opened == ["1.bmp"]
    assert (after["1.bmp"].sha256 == before["1.bmp"].sha256) == (change == "touch")
    assert {**after, "1.bmp": None} == {**before, "1.bmp": None}


def test_a_file_as_young_as_the_clock_is_coarse_is_not_believed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "YOUNG_NS", 3600 * 10**9)
    first = read(folder)
    opened = read_files(monkeypatch)
    assert read(folder) == first and len(opened) == 3


def test_a_bad_file_is_read_again_until_it_is_good(folder: Path) -> None:
    good = (folder / "1.bmp").read_bytes()
    (folder / "1.bmp").write_bytes(good[:-5])
    assert set(read(folder)[1]) == {"1.bmp"} and set(read(folder)[1]) == {"1.bmp"}
    (folder / "1.bmp").write_bytes(good)
    assert read(folder)[1] == {}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{",
        b'{"format": 1, "files": {}}',
        b'{"format": 2, "stamps": []}',
        b'{"format": 2, "stamps": {"1.bmp": "1 2 3 4"}, "contents": []}',
        b'{"format": 9, "stamps": {}, "contents": []}',
    ],
)
def test_a_damaged_memory_is_forgotten(folder: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    first = read(folder)
    (memory,) = folder.parent.glob("cache/contents/*.json")
    memory.write_bytes(content)
    opened = read_files(monkeypatch)
    assert read(folder) == first and len(opened) == 3
    assert read(folder) == first and len(opened) == 3


def test_a_cache_that_cannot_be_written_is_said_and_costs_time_alone(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (folder.parent / "file").touch()
    assert read(folder, cache="file") == read(folder)
    assert caplog.text.count("so each start reads every image; name another folder: paths.cache=DIR") == 1


def test_a_link_to_the_folder_is_the_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = read(folder)
    (folder.parent / "link").symlink_to(folder)
    opened = read_files(monkeypatch)
    assert read(folder.parent / "link") == first and opened == []


def test_a_file_that_changes_while_it_is_read_is_no_file(tmp_path: Path) -> None:
    """Another thread appends to it as fast as it can."""
    path = tmp_path / "growing.bmp"
    path.write_bytes(b"\0" * (1 << 24))
    ended = threading.Event()

    def grow() -> None:
        while not ended.is_set():
            with path.open("ab") as file:
                file.write(b"\0" * 4096)

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        with pytest.raises(Unreadable, match="changes while it is read"):
            for _ in range(200):
                bytes_of(path)
    finally:
        ended.set()
        writer.join()
