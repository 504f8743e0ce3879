"""A trained run as an object: its module with the weights it kept, its preprocessing, its classes.

The files of a run are data: `config.yaml` may only name parts of this package (see `ablation.sweep.security`), and weights are
read as tensors alone.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
import yaml  # type: ignore[import-untyped]
from torch import Tensor

from ablation.data.augment import Augment
from ablation.data.dataset_info import KNOWN
from ablation.models.classifier import Classifier
from ablation.records import outcome
from ablation.records.checkpoint import load_weights
from ablation.records.outcome import CHOSEN
from ablation.sweep import settings
from ablation.sweep.refusal import Refused, one_line
from ablation.training.engine import Engine


class Unusable(Exception):
    """A run that cannot be used; one line names it, the reason and the way out."""


@dataclass(frozen=True, eq=False)
class Trained:
    """A done run.

    Attributes:
        folder: runs/<run id>.
        record: the content of outcome.json.
        config: config.yaml, plain values.
        kind: of the weights, `best`, `last` or `val`.
        module: in evaluation mode on `engine`'s device; normalised images (N, 3, H, W) -> logits (N, classes).
        engine: precision and device of a forward pass, as in training unless another device was given.
    """

    folder: Path
    record: dict[str, Any]
    config: dict[str, Any]
    kind: str
    module: Classifier
    engine: Engine

    @cached_property
    def augment(self) -> Augment:
        """The run's preprocessing."""
        augment: Augment = settings.build(self.config, "aug")
        return augment

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the logits; `class 0`, `class 1`, ... where the record has none."""
        names = self.record.get("class_names") or [f"class {index}" for index in range(self.record["classes"])]
        return tuple(map(str, names))

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width in pixels of the images that the run saw.

        Raises:
            Unusable: the record does not have it.
        """
        if size := self.record.get("image_size"):
            return size[0], size[1]
        known = KNOWN.get(self.config["data"]["_target_"])
        if known is None:
            raise Unusable(f"{self.folder}: outcome.json has no image_size (trained by an older version): train the run again")
        return known.height, known.width

    @cached_property
    def provenance(self) -> dict[str, Any]:
        """The content of provenance.json, empty if it cannot be read."""
        try:
            content = json.loads((self.folder / "provenance.json").read_bytes())
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}

    def preprocess(self, pixels: Tensor) -> Tensor:
        """Normalise images: uint8 (N, 3, H, W) in RGB to float32 on the engine's device."""
        return self.augment.test(pixels.to(self.engine.device))

    @torch.inference_mode()
    def logits(self, pixels: Tensor, batch_size: int | None = None) -> Tensor:
        """Return the logits of uint8 images (N, 3, H, W) as float32 (N, classes) on the CPU.

        Args:
            batch_size: images per forward pass; None: the run's own.
        """
        parts = []
        for batch in pixels.split(batch_size or int(self.config["train"]["batch_size"])):
            with self.engine.autocast():
                outputs = self.module(self.preprocess(batch).contiguous(memory_format=torch.channels_last))
            parts.append(outputs.float().cpu())
        return torch.cat(parts)


def load(run: str | Path, kind: str | None = None, device: str = "auto") -> Trained:
    """Return a done run with the weights it kept.

    Args:
        run: its folder, `runs/<run id>`.
        kind: `best`, `last` or `val`; None: the first of these that the run kept.
        device: auto, cuda, cuda:N, mps or cpu.

    Raises:
        Unusable: there is no such run, it is not done, or its weights are not kept, damaged or of another run.
    """
    folder = Path(run)
    record, config = _read(folder)
    weights = _weights(folder, record, (kind,) if kind else CHOSEN)
    initial = {"weights": "none"} if "weights" in config["backbone"] else {}  # those that the run kept replace them
    try:
        engine: Engine = settings.build(config, "engine", precision=config["train"]["precision"], device=device, compile=False)
        with torch.random.fork_rng(devices=[]):
            backbone = settings.build(config, "backbone", num_classes=record["classes"], **initial)
            module = Classifier(settings.build(config, "resizer"), backbone)
    except (Refused, ImportError, OSError, ValueError) as error:
        raise Unusable(f"{folder}: {one_line(error)}") from None
    try:
        module.load_state_dict(weights["model"])
    except RuntimeError as error:
        raise Unusable(
            f"{folder}: its weights do not fit the parts of config.yaml ({' '.join(str(error).split())[:160]})"
        ) from None
    prepared: Any = engine.prepare(module)
    return Trained(folder, record, config, weights["kind"], prepared.eval(), engine)


def _read(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the record and the configuration of a done run."""
    try:
        record = outcome.read(folder)
    except (OSError, ValueError) as error:
        raise Unusable(str(error)) from None
    if record is None:
        raise Unusable(f"{folder}: no run there (no outcome.json); a run is a folder such as runs/<run id>")
    if record["outcome"] != "done":
        raise Unusable(f"{folder}: the run is {outcome.state(folder)}, so it kept no weights; only a done run can be used")
    try:
        config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
        config["backbone"], config["train"]["precision"]
    except (OSError, ValueError, TypeError, KeyError, yaml.YAMLError) as error:
        raise Unusable(f"{folder / 'config.yaml'}: cannot be read ({type(error).__name__})") from None
    return record, config


def _weights(folder: Path, record: dict[str, Any], kinds: Sequence[str]) -> dict[str, Any]:
    """Return the content of the first kind of weights that is kept, and its `kind`."""
    for kind in kinds:
        try:
            content = load_weights(folder / "checkpoints", kind)
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            raise Unusable(str(error)) from None
        if (content["run"], content["epoch"]) != (record["digest"], record[kind]["epoch"]):
            raise Unusable(
                f"{folder}: its {kind} weights are of run {content['run']}, epoch {content['epoch']}: train the run again"
            )
        return {**content, "kind": kind}
    raise Unusable(f"{folder}: no {' or '.join(kinds)} weights were kept; records.keep_weights=[{kinds[0]}] keeps them")
