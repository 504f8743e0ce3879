"""`fetch=true`: the data and the weights of every run of a command, downloaded and prepared; nothing is trained.

For a login node whose compute nodes have no network. Owns the loop and its lines.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from ablation.sweep import settings, stop
from ablation.sweep.refusal import one_line

if TYPE_CHECKING:
    from ablation.sweep.callback import Planned


def parts(planned: Sequence[Planned]) -> int:
    """Have each distinct data set and each distinct file of weights, a line each; return the exit code: 1 if one is missing."""
    having: dict[str, Callable[[DictConfig], str]] = {"data": _data, "backbone": _weights}
    found: dict[str, tuple[str, str, DictConfig]] = {}
    for run in planned:
        for group in having:
            name = f"{group}={settings.choices(run.config)[group]}"
            key = json.dumps([name, settings.plain(run.config[group])], sort_keys=True)
            found.setdefault(key, (name, group, run.config))
    missing = 0
    for name, group, config in found.values():
        stop.check()
        try:
            print(f"{name}: {having[group](config)}", flush=True)
        except Exception as error:  # the others are fetched
            missing += 1
            print(f"{name}: missing: {one_line(error) or type(error).__name__}", flush=True)
    stop.check()
    return 1 if missing else 0


def _data(config: DictConfig) -> str:
    """Load the images, which downloads or decodes them where they are not there yet."""
    dataset = settings.build(config, "data")
    held = f", {len(dataset.val):,} held out" if dataset.val else ""
    where = f" in {config.data.root}" if "root" in config.data else ""
    counts = f"{len(dataset.train):,} training and {len(dataset.test):,} test images{held}"
    return f"there{where}: {counts}, content {dataset.checksum[:16]}"


def _weights(config: DictConfig) -> str:
    """Build the backbone, which downloads its weights where they are not there yet, and checks them."""
    if config.backbone.weights == "none":
        return "random weights: nothing to fetch"
    backbone = settings.build(config, "backbone", num_classes=settings.dataset_facts(config).classes)
    count = sum(parameter.numel() for parameter in backbone.parameters())
    return f"weights={config.backbone.weights} there: read, {count:,} parameters with this data's head"
