"""Write a trained run for other programs: ONNX or safetensors, checked against the run, with a model card beside it.

The ONNX graph takes uint8 pictures (N, 3, H, W) in RGB and returns logits (N, classes): normalisation is inside. A safetensors
file has the tensors of `Classifier.state_dict()`; its metadata has what rebuilds them.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ablation.data.images import Dataset
from ablation.sweep import settings
from ablation.trained import model_card
from ablation.trained.load import Trained, Unusable

OPSET = 18  # of ONNX: the first with antialiased resizing, and read by every runtime since 2023
# Largest difference of a logit as a share of the largest logit: other order of operations, rounded in the run's precision
TOLERANCE = {"fp32": 1e-4, "fp16": 1e-2, "bf16": 5e-2}
CHECKED = 256  # pictures


@dataclass(frozen=True)
class Check:
    """How the exported model's logits compare with the run's, on the same pictures."""

    against: str  # what the logits were compared with
    pictures: int
    difference: float  # the largest of any logit
    limit: float
    other_class: int  # pictures with another most probable class

    @property
    def ok(self) -> bool:
        """True if the difference is within the limit."""
        return self.difference <= self.limit

    @property
    def sentence(self) -> str:
        """One line."""
        verdict = "ok" if self.ok else "DIFFERENT"
        return (
            f"{verdict}: largest difference of a logit {self.difference:.2g} (limit {self.limit:.2g}) from {self.against},"
            f" {self.pictures} pictures, another class for {self.other_class}"
        )


class _WithNormalisation(nn.Module):
    """uint8 pictures (N, 3, H, W) -> logits (N, classes)."""

    def __init__(self, trained: Trained) -> None:
        super().__init__()
        self.module = trained.module.cpu()
        self.augment = trained.augment

    def forward(self, pixels: Tensor) -> Tensor:
        logits: Tensor = self.module(self.augment.test(pixels))
        return logits


def export(trained: Trained, form: str, folder: Path) -> tuple[Path, Check]:
    """Write the model and its card into a folder, and check it.

    Args:
        trained: on the CPU.
        form: `onnx` or `safetensors`.

    Returns:
        The model's file, and the check.

    Raises:
        Unusable: a package is missing, or the run's precision has no CPU kernels.
    """
    pixels, expected, against = _pictures(trained)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{trained.folder.name}.{form}"
    try:
        classify = WRITERS[form](trained, file)
    except ImportError as error:
        packages = "onnx onnxscript onnxruntime safetensors"
        raise Unusable(f"--to {form}: the package {error.name} is not installed: pip install {packages}") from None
    actual = classify(pixels)
    limit = TOLERANCE[trained.engine.precision] * float(expected.abs().max())
    other = int((actual.argmax(1) != expected.argmax(1)).sum())
    check = Check(against, len(pixels), float((actual - expected).abs().max()), limit, other)
    (folder / model_card.NAME).write_text(model_card.text(trained, file.name, check.sentence), encoding="utf-8")
    return file, check


def _pictures(trained: Trained) -> tuple[Tensor, Tensor, str]:
    """Return pictures, the run's logits of them, and where these are from: stored by the run if its test images are here."""
    try:
        dataset: Dataset = settings.build(trained.config, "data")
        if dataset.checksum != trained.provenance.get("data_checksum"):
            raise ValueError("other images than the run's")
        stored = np.load(trained.folder / "predictions.npz", allow_pickle=False)[trained.kind]
        pixels = dataset.test.pixels[:CHECKED]
        return pixels, torch.from_numpy(stored[: len(pixels)]).float(), "the run's stored test logits"
    except (OSError, ValueError, KeyError):
        height, width = trained.image_size
        generator = torch.Generator().manual_seed(0)
        pixels = torch.randint(256, (CHECKED, 3, height, width), dtype=torch.uint8, generator=generator)
        return pixels, trained.logits(pixels), "the run's weights in torch, on random pictures (its test images are not here)"


def _write_onnx(trained: Trained, file: Path) -> Callable[[Tensor], Tensor]:
    import onnxruntime
    import onnxscript  # the exporter's own need: named here, not inside torch's traceback

    assert onnxscript
    height, width = trained.image_size
    example = torch.zeros(2, 3, height, width, dtype=torch.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter, about itself
        torch.onnx.export(
            _WithNormalisation(trained).eval(),
            (example,),
            file,
            input_names=["images"],
            output_names=["logits"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            opset_version=OPSET,
            external_data=False,
            verbose=False,
        )
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    return lambda pixels: torch.from_numpy(session.run(None, {"images": pixels.numpy()})[0])


def _write_safetensors(trained: Trained, file: Path) -> Callable[[Tensor], Tensor]:
    from safetensors.torch import load_file, save_file

    described = {
        "run": trained.folder.name,
        "weights": trained.kind,
        "classes": json.dumps(trained.classes, ensure_ascii=False),
        "mean": json.dumps(list(trained.augment.mean)),
        "std": json.dumps(list(trained.augment.std)),
        "image_size": json.dumps(trained.image_size),
    }
    save_file({name: tensor.contiguous() for name, tensor in trained.module.state_dict().items()}, file, metadata=described)
    trained.module.load_state_dict(load_file(file))
    return trained.logits


WRITERS = {"onnx": _write_onnx, "safetensors": _write_safetensors}
