"""CIFAR through torchvision: from a good archive to images; from anything else to one line and no trace."""

from __future__ import annotations

import hashlib
import io
import pickle
import re
import socket
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torchvision.datasets import CIFAR10, CIFAR100

from ablation.data import cifar
from ablation.data.cifar import load_cifar10, load_cifar100

NAMES = ["airplane", "automobile", "bird"]
HTML = b"<!DOCTYPE html><html>sign in to the hotel's network</html>"


def packed(base: str, files: dict[str, bytes]) -> bytes:
    """A .tar.gz with `files` in the folder `base`."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"{base}/{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def stand_in(kind: type[CIFAR10], monkeypatch: pytest.MonkeyPatch) -> bytes:
    """A small archive in CIFAR's format, and torchvision's md5 tables changed to expect it; image k is all k."""
    files, number = {}, 0
    label_key = "fine_labels" if kind is CIFAR100 else "labels"
    for name, _ in [*kind.train_list, *kind.test_list]:
        values = np.arange(number, number + 6, dtype=np.uint8)
        number += 6
        batch = {"data": np.repeat(values[:, None], 3072, axis=1), label_key: (values % 3).tolist()}
        files[name] = pickle.dumps(batch, protocol=2)
    files[kind.meta["filename"]] = pickle.dumps({kind.meta["key"]: NAMES}, protocol=2)
    archive = packed(kind.base_folder, files)
    md5 = {name: hashlib.md5(content).hexdigest() for name, content in files.items()}
    monkeypatch.setattr(kind, "train_list", [[name, md5[name]] for name, _ in kind.train_list])
    monkeypatch.setattr(kind, "test_list", [[name, md5[name]] for name, _ in kind.test_list])
    monkeypatch.setattr(kind, "meta", {**kind.meta, "md5": md5[kind.meta["filename"]]})
    monkeypatch.setattr(kind, "tgz_md5", hashlib.md5(archive).hexdigest())
    return archive


@pytest.fixture
def archive(monkeypatch: pytest.MonkeyPatch) -> Iterator[bytes]:
    """The bytes of a good archive of CIFAR-10, with no network to fetch it from: a port that is bound and refuses."""
    with socket.socket() as refusing:
        refusing.bind(("127.0.0.1", 0))
        monkeypatch.setattr(CIFAR10, "url", f"http://127.0.0.1:{refusing.getsockname()[1]}/cifar-10-python.tar.gz")
        yield stand_in(CIFAR10, monkeypatch)


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., list[str]]]:
    """Makes CIFAR-10's URL that of a local server with one answer; returns the list of requests it gets."""
    servers = []

    def start(body: bytes, status: int = 200, length: int | None = None, silent: bool = False) -> list[str]:
        requests: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                requests.append(self.path)
                if silent:
                    time.sleep(1.5)
                    return
                self.send_response(status)
                self.send_header("Content-Length", str(len(body) if length is None else length))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        servers.append(server)
        monkeypatch.setattr(CIFAR10, "url", f"http://127.0.0.1:{server.server_port}/cifar-10-python.tar.gz")
        return requests

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def visible(root: Path) -> list[str]:
    """What lies in root but for the lock."""
    return sorted(path.name for path in root.iterdir() if path.suffix != ".lock")


def test_an_archive_put_there_by_hand_is_used(archive: bytes, tmp_path: Path) -> None:
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(archive)
    data = load_cifar10(root=str(tmp_path))
    assert data.classes == tuple(NAMES) and (len(data.train), len(data.test), data.val) == (30, 6, None)
    assert data.train.pixels.dtype == torch.uint8 and data.train.pixels.shape == (30, 3, 32, 32)
    assert data.train.pixels.is_contiguous()
    assert torch.equal(data.train.pixels[:, 2, 31, 0], torch.arange(30, dtype=torch.uint8))
    assert torch.equal(data.test.labels, torch.arange(30, 36) % 3)


def test_the_layout_is_channels_rows_columns(archive: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CIFAR's 3,072 numbers are red, green, blue, each row by row (the home page of CIFAR)."""
    batch = pickle.dumps({"data": (np.arange(3072) // 32 % 256).astype(np.uint8)[None], "labels": [0]}, protocol=2)
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", hashlib.md5(batch).hexdigest()]])
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(archive)
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(tmp_path, filter="data")
    (tmp_path / "cifar-10-batches-py/test_batch").write_bytes(batch)
    pixels = load_cifar10(root=str(tmp_path)).test.pixels[0]
    assert torch.equal(pixels[:, :, 5], torch.arange(96, dtype=torch.uint8).view(3, 32))


def test_the_network_serves_once(
    archive: bytes, tmp_path: Path, serve: Callable[..., list[str]], new_process: Callable[[], None]
) -> None:
    requests = serve(archive)
    root = tmp_path / "not there yet"
    first = load_cifar10(root=str(root))
    new_process()
    assert load_cifar10(root=str(root), limit=3).checksum == first.checksum
    assert len(requests) == 1 and visible(root) == ["cifar-10-batches-py", "cifar-10-python.tar.gz"]


def test_cifar100_has_fine_labels(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "cifar-100-python.tar.gz").write_bytes(stand_in(CIFAR100, monkeypatch))
    data = load_cifar100(root=str(tmp_path), val_size=3)
    assert data.train.labels.sort().values.tolist() == [0, 1, 2] and len(data.val) == 3 and len(data.test) == 6


def test_offline_says_what_to_put_where(archive: bytes, tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(OSError) as caught:
        load_cifar10(root=str(tmp_path))
    assert str(caught.value) == (
        f"CIFAR-10 is not in {tmp_path}/cifar-10-batches-py and could not be downloaded (no network): "
        f"put cifar-10-python.tar.gz (md5 {CIFAR10.tgz_md5}) into {tmp_path}/, "
        "or use data=imagefolder data.root=DIR, or profile=demo"
    )
    assert time.monotonic() - started < 2 and visible(tmp_path) == []


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"body": HTML}, r"the server sent something else: expected md5 \w{32}, found \w{32}, 58 bytes of an HTML page"),
        ({"body": HTML, "status": 404}, "the server answered 404 Not Found"),
        ({"body": b"\x1f\x8b cut short", "length": 5000}, r"expected md5 \w{32}, found \w{32}, 12 bytes"),
        ({"body": b"", "silent": True}, "no network"),
    ],
)
def test_a_failed_download_leaves_nothing_and_is_not_repeated(
    archive: bytes,
    tmp_path: Path,
    serve: Callable[..., list[str]],
    monkeypatch: pytest.MonkeyPatch,
    answer: dict[str, Any],
    reason: str,
) -> None:
    monkeypatch.setattr(cifar, "TIMEOUT_S", 0.5)
    requests, started = serve(**answer), time.monotonic()
    with pytest.raises(OSError, match=rf"could not be downloaded \(.*{reason}\): put cifar-10") as caught:
        load_cifar10(root=str(tmp_path))
    assert time.monotonic() - started < 1.2  # before the silent server gives up
    assert visible(tmp_path) == [] and len(requests) == 1 and "\n" not in str(caught.value)


def test_what_a_killed_download_left_is_no_archive(archive: bytes, tmp_path: Path, serve: Callable[..., list[str]]) -> None:
    serve(archive)
    (tmp_path / ".cifar-10-python.tar.gz.part").write_bytes(archive[:100])
    load_cifar10(root=str(tmp_path))
    assert visible(tmp_path) == ["cifar-10-batches-py", "cifar-10-python.tar.gz"]


class Bomb:
    """Unpickling it makes a file."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        return open, (str(self.trace), "w")


@pytest.mark.parametrize("content", ["html", "half", "bomb"])
def test_a_wrong_archive_is_named_and_never_opened(archive: bytes, tmp_path: Path, content: str) -> None:
    trace = tmp_path / "exploded"
    bomb = pickle.dumps(Bomb(trace))
    wrong = {
        "html": HTML,
        "half": archive[: len(archive) // 2],
        "bomb": packed("cifar-10-batches-py", {name: bomb for name, _ in CIFAR10.train_list}),
    }[content]
    path = tmp_path / "cifar-10-python.tar.gz"
    path.write_bytes(wrong)
    found = hashlib.md5(wrong).hexdigest()
    message = f"{path} is not CIFAR-10's archive: expected md5 {CIFAR10.tgz_md5}, found {found}, "
    with pytest.raises(OSError, match=re.escape(message)):
        load_cifar10(root=str(tmp_path))
    assert not trace.exists()
    assert path.read_bytes() == wrong and visible(tmp_path) == ["cifar-10-python.tar.gz"]


@pytest.mark.parametrize("name", ["data_batch_3", "test_batch", "batches.meta"])
def test_a_planted_batch_is_named_not_unpickled_and_mended_from_the_archive(archive: bytes, tmp_path: Path, name: str) -> None:
    trace = tmp_path / "exploded"
    path = tmp_path / "cifar-10-python.tar.gz"
    path.write_bytes(archive)
    good = load_cifar10(root=str(tmp_path))
    load_cifar10.cache_clear()
    planted = tmp_path / "cifar-10-batches-py" / name
    planted.write_bytes(pickle.dumps(Bomb(trace)))
    path.rename(tmp_path / "elsewhere")
    with pytest.raises(OSError, match=rf"^{planted} is damaged \(expected md5 \w+, found \w+, .*not be downloaded"):
        load_cifar10(root=str(tmp_path))
    (tmp_path / "elsewhere").rename(path)
    assert load_cifar10(root=str(tmp_path)).checksum == good.checksum
    assert not trace.exists()
    pickle.loads(pickle.dumps(Bomb(trace))).close()  # the bomb is live: unpickled, it leaves its trace
    assert trace.exists()


def test_sound_batches_need_neither_archive_nor_lock(archive: bytes, tmp_path: Path) -> None:
    """A folder that many share and nobody may write to: what is read must not need a file of ours."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(tmp_path, filter="data")
    load_cifar10(root=str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["cifar-10-batches-py"]


def test_the_real_tables_are_torchvisions() -> None:
    """The md5 that the refusal names is the one on CIFAR's home page."""
    assert CIFAR10.tgz_md5 == "c58f30108f718f92721af3b95e74349a"
    assert CIFAR100.tgz_md5 == "eb9058c3a382ffc7106e4002c42a8d85"
