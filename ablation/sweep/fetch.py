"""`fetch=true`: download and prepare the data and the weights of every run of a command; train nothing.

For clusters whose login node has a network and whose compute nodes have none.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ablation.records.numbers import exact
from ablation.sweep import settings, signals
from ablation.sweep.refusal import one_line

if TYPE_CHECKING:
    from ablation.sweep.planned_run import Planned


def parts(planned: Sequence[Planned]) -> int:
    """Fetch each distinct dataset and file of weights, print one line each; return the exit code: 1 if one failed."""
    fetchers: dict[str, Callable[[Planned], str]] = {"data": _data, "backbone": _weights}
    distinct: dict[str, tuple[str, str, Planned]] = {}
    for run in planned:
        for group in fetchers:
            name = f"{group}={run.options[group]}"
            key = json.dumps([name, run.config[group]], sort_keys=True)
            distinct.setdefault(key, (name, group, run))
    missing = 0
    for name, group, run in distinct.values():
        signals.raise_if_stopping()
        try:
            print(f"{name}: {fetchers[group](run)}", flush=True)
        except Exception as error:  # the others are still fetched
            missing += 1
            print(f"{name}: missing: {one_line(error) or type(error).__name__}", flush=True)
    signals.raise_if_stopping()
    return 1 if missing else 0


def _data(run: Planned) -> str:
    """Load the images, which downloads or decodes them if that was not done before."""
    dataset = settings.build(run.config, "data")
    held_out = f", {len(dataset.val):,} held out" if dataset.val else ""
    root = run.config["data"].get("root")
    where = f" in {root}" if root else ""
    counts = f"{len(dataset.train):,} training and {len(dataset.test):,} test images{held_out}"
    return f"present{where}: {counts}, content {dataset.checksum[:16]}"


def _weights(run: Planned) -> str:
    """Build the backbone, which downloads its weights if that was not done before, and checks them."""
    weights = run.config["backbone"]["weights"]
    if weights == "none":
        return "random weights: nothing to fetch"
    backbone = settings.build(run.config, "backbone", num_classes=run.dataset.classes)
    count = sum(parameter.numel() for parameter in backbone.parameters())
    return f"weights={weights} present: read, {exact(count)} parameters with this data's head"
