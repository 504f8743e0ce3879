"""What a table is of, from what was trained: `Accuracy (%), 3 classes of shapes, resnet18, 64 px, 12 epochs, 60 test images`.

Owns the title. A study's own title and note stand only over runs that are what its protocol says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ablation.records.numbers import exact
from ablation.reporting.statistics.analysis import Analysis
from ablation.reporting.statistics.config_keys import FOLDER, Config

NAMED = 3  # values that a title lists before it only counts


def holds(analysis: Analysis) -> bool:
    """Return True if no run departs from the study's protocol; a study without one says nothing of the sort."""
    return not any(row.cell.differences for row in analysis.rows)


def title(analysis: Analysis) -> str:
    """Return the study's title where its protocol holds, else one computed from the runs."""
    own = analysis.study.get("title")
    if own and holds(analysis):
        return str(own)
    configs = [row.cell.config for row in analysis.rows]
    sizes = {_pixels(config) for config in configs}
    runs = [(row.cell.config, run) for row in analysis.rows for run in row.cell.runs]
    with_result = [(config, run) for config, run in runs if run["classes"]]  # the others do not know their classes
    parts = [
        _listed((_data(config, run) for config, run in with_result or runs), "data sets"),
        _listed((str(config["backbone"]) for config in configs if "backbone" in config), "backbones"),
        f"{next(iter(sizes))} px" if len(sizes) == 1 and None not in sizes else "",
        _listed((f"{config['train.epochs']} epochs" for config in configs if "train.epochs" in config), "lengths of training"),
        f"{exact(analysis.images)} test images" if analysis.images else "",
    ]
    return ", ".join(["Accuracy (%)", *filter(None, parts)])


def _pixels(config: Config) -> Any:
    """Return the size of the images that the network sees: of the model's resizing, else of the data; None if not known."""
    inside = [value for key, value in config.items() if key.endswith(".size") and key != "data.size" and value]
    return inside[0] if inside else config.get("data.size")


def _data(config: Config, run: Mapping[str, Any]) -> str:
    """Return the data of a run in words: of a folder of one's own its name and its classes."""
    option = str(config.get("data") or "")
    if FOLDER not in config:
        return option
    name = str(config[FOLDER])
    return f"{run['classes']} classes of {name}" if run["classes"] else name


def _listed(values: Iterable[str], what: str) -> str:
    distinct = list(dict.fromkeys(filter(None, values)))
    return ", ".join(distinct) if len(distinct) <= NAMED else f"{len(distinct)} {what}"
