"""Constructed records: every number in them is made up, to be computed by hand."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ablation.records.outcome import summary
from ablation.records.tracker import WandbTracker

TABLE1: dict[str, Any] = {
    "name": "table1",
    "title": "Table 1, accuracy on CIFAR-10, VGG16 (%)",
    "note": None,
    "baseline": {"resizer": "none", "aug": "base"},
    "cells": [
        {"label": "Baseline", "where": {"resizer": "none", "aug": "base"}, "report": 93.13},
        {"label": "+ CutMix", "where": {"resizer": "none", "aug": "cutmix"}, "report": 94.84},
        {"label": "+ Resizer", "where": {"resizer": "plain", "aug": "base"}, "report": 95.68},
        {"label": "+ Resizer + CutMix", "where": {"resizer": "plain", "aug": "cutmix"}, "report": 96.61},
        {"label": "+ Resizer_CBAM", "where": {"resizer": "cbam", "aug": "base"}, "report": 96.09},
        {"label": "+ Resizer_CBAM + CutMix", "where": {"resizer": "cbam", "aug": "cutmix"}, "report": 96.63},
    ],
    "contrasts": {
        "interpolation": {"resizer": ["none", "bilinear"]},
        "learning": {"resizer": ["bilinear", "plain"]},
        "attention": {"resizer": ["plain", "cbam"]},
    },
    "headline": "learning",
    "same_speed": ["aug"],
    "protocol": {
        "data": "cifar10",
        "backbone": "vgg16",
        "backbone.weights": "imagenet",
        "resizer.size": 224,
        "train.epochs": 300,
    },
}
SIX = [(resizer, aug) for resizer in ("none", "plain", "cbam") for aug in ("base", "cutmix")]
HEADER = 7  # bytes of a .wandb file without a record
DEVICE = "NVIDIA Constructed 1"


def config(resizer: str = "none", aug: str = "base", seed: int = 0, **changes: Any) -> dict[str, Any]:
    """A flat identity of the report's protocol; `changes` write their dots as `__`."""
    flat = {
        "data": "cifar10",
        "backbone": "vgg16",
        "resizer": resizer,
        "aug": aug,
        "optimizer": "sgd",
        "schedule": "step",
        "backbone.weights": "imagenet",
        "backbone.mean": [0.485, 0.456, 0.406],
        "data.limit": None,
        "optimizer.lr": 0.01,
        "optimizer.momentum": 1.0,
        "train.epochs": 300,
        "seed": seed,
    }
    flat |= {} if resizer == "none" else {"resizer.size": 224, "resizer.channels": 16}
    return flat | {key.replace("__", "."): value for key, value in changes.items()}


def run_id(flat: dict[str, Any]) -> str:
    """A constructed id of the right shape, the same for the same config."""
    digest = hashlib.sha256(json.dumps(flat, sort_keys=True).encode()).hexdigest()[:10]
    return f"{flat['resizer']}-{flat['aug']}-{flat['backbone']}-s{flat['seed']}-{digest}".lower()


def outcome(flat: dict[str, Any], word: str = "done", best: float = 90.0, last: float = 89.0, **changes: Any) -> dict[str, Any]:
    """A constructed outcome.json."""
    ended = {
        "best": {"epoch": 7, "test_acc": best},
        "last": {"epoch": 300, "test_acc": last},
        "epochs": 300,
        "seconds": 600.0,
        "images_per_second": 25000.5,
        "peak_memory_bytes": 3 * 2**30,
        "parameters": 134_301_514,
        "macs": 15_470_314_496,
        "test_images": 10_000,
        "device": DEVICE,
        "started": "2026-01-01T00:00:00+00:00",
        "ended": "2026-01-01T00:10:05+00:00",
        "wall_seconds": 605.0,
        "code": {"commit": "c0ffee", "dirty": False, "source": "5ca1ab1e5ca1ab1e"},
    }
    content = {
        "format": 2,
        "run_id": run_id(flat),
        "digest": run_id(flat).rpartition("-")[2],
        "outcome": word,
        "study": "table1",
    }
    content |= {"seed": flat["seed"], "config": flat, "best": None, "last": None, "val": None, "error": None}
    return content | ({} if word == "running" else ended) | changes


class Runs:
    """A runs folder that is built by hand."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)

    def manifest(
        self,
        study: dict[str, Any],
        planned: Iterable[dict[str, Any]],
        sweep: str = "20260101-000000-aaaa",
        tracker: dict[str, Any] | None = None,
        words: dict[str, dict[str, str]] | None = None,
        **further: Any,
    ) -> None:
        """Plan runs; `words` by run id."""
        file = self.folder / "sweeps" / sweep / "manifest.json"
        file.parent.mkdir(parents=True)
        runs = [{"run_id": run_id(flat), "config": flat, "words": (words or {}).get(run_id(flat), {})} for flat in planned]
        content = {
            "sweep_id": sweep,
            "command": "constructed",
            "study": study,
            "tracker": tracker or {},
            "runs": runs,
            **further,
        }
        file.write_text(json.dumps(content))

    def record(self, content: dict[str, Any]) -> Path:
        """Write one outcome.json and return it."""
        file = self.folder / str(content["run_id"]) / "outcome.json"
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(content))
        return file

    def track(self, content: dict[str, Any], mode: str = "offline") -> None:
        """Write the same run through the real tracker, with two rows if it has any."""
        tracker = WandbTracker(mode=mode)
        tracker.open(content["run_id"], "name", "group", content["config"], self.folder)
        row = {"lr": 0.01, "train_loss": 0.5, "test_loss": 0.5, "val_acc": None, "seconds": 2.5, "images_per_second": 9.0}
        for epoch in (1, 2) if content["epochs"] else ():
            tracker.log({"epoch": epoch, "test_acc": 99.0, **row})
        tracker.close(summary(content), failed=content["outcome"] in ("failed", "interrupted", "preempted"))
        assert tracker.status["mode"] == mode
        if mode == "online":
            return
        file = next((self.folder / tracker.status["path"]).glob("*.wandb"))
        for _ in range(500):  # W&B's helper process writes it some milliseconds after `finish` returns
            if file.stat().st_size > HEADER:
                break
            time.sleep(0.01)
