"""An exported model gives the run's own logits, and its card says what it was trained and tested on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from safetensors import safe_open

from ablation.commands.export import main
from ablation.sweep import settings
from ablation.trained import export as exports
from ablation.trained.load import Trained, load


def test_onnx_takes_bytes_and_returns_the_stored_logits(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Read by another runtime, normalisation inside, any number of pictures at once."""
    assert main([str(copied), "--to", "onnx"]) == 0
    assert "ok: largest difference of a logit" in capsys.readouterr().out
    session = onnxruntime.InferenceSession(copied / "export" / f"{copied.name}.onnx")
    pixels = settings.build(load(copied, device="cpu").config, "data").test.pixels[:7].numpy()
    stored = np.load(copied / "predictions.npz")["best"][:7]
    np.testing.assert_allclose(session.run(["logits"], {"images": pixels})[0], stored, atol=1e-4)


def test_safetensors_holds_the_weights_and_what_rebuilds_them(copied: Path) -> None:
    assert main([str(copied), "--to", "safetensors", "--weights", "last"]) == 0
    trained = load(copied, "last", device="cpu")
    with safe_open(copied / "export" / f"{copied.name}.safetensors", "pt") as file:
        described = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    assert described["weights"] == "last" and json.loads(described["classes"]) == list("0123456789")
    assert json.loads(described["mean"]) == list(trained.augment.mean)
    assert tensors.keys() == trained.module.state_dict().keys()
    assert all(torch.equal(tensors[name], tensor) for name, tensor in trained.module.state_dict().items())


def test_a_model_that_differs_fails_the_check(
    copied: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A planted exporter whose logits are off by a thousandth of the largest."""

    def off(trained: Trained, file: Path) -> object:
        file.write_bytes(b"")
        return lambda pixels: trained.logits(pixels) * 1.001

    monkeypatch.setitem(exports.WRITERS, "onnx", off)
    assert main([str(copied), "--to", "onnx"]) == 1
    assert "DIFFERENT: largest difference of a logit" in capsys.readouterr().out


def test_without_its_images_a_run_is_compared_with_its_weights(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And the line says so."""
    provenance = json.loads((copied / "provenance.json").read_text())
    (copied / "provenance.json").write_text(json.dumps({**provenance, "data_checksum": "other"}))
    assert main([str(copied), "--to", "safetensors"]) == 0
    assert "on random pictures (its test images are not here)" in capsys.readouterr().out


def test_the_card_names_data_accuracy_seeds_and_licence(copied: Path) -> None:
    """A second seed beside it makes a mean."""
    record = json.loads((copied / "outcome.json").read_text())
    other = copied.with_name(copied.name.replace("-s0-", "-s1-"))
    other.mkdir()
    second = {**record, "run_id": other.name, "seed": 1, "config": {**record["config"], "seed": 1}}
    second["best"] = {**record["best"], "test_acc": record["best"]["test_acc"] + 2}
    (other / "outcome.json").write_text(json.dumps(second))
    assert main([str(copied), "--to", "safetensors"]) == 0
    card = (copied / "export" / "MODEL_CARD.md").read_text()
    mean = record["best"]["test_acc"] + 1
    for words in ("digits, tested on 40 images", f"n = 2 seeds mean {mean:.2f} %, standard deviation 1.41", "random weights"):
        assert words in card, card


def test_nothing_is_written_for_a_run_that_cannot_be_used(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = json.loads((copied / "outcome.json").read_text())
    (copied / "outcome.json").write_text(json.dumps({**record, "outcome": "diverged"}))
    assert main([str(copied), "--to", "onnx"]) == 1
    assert "the run is diverged" in capsys.readouterr().err and not (copied / "export").exists()
