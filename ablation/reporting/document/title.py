"""What a table is of, from what was trained: `Accuracy (%), 3 classes of shapes, resnet18, 64 px, 60 test images`.

Owns the title. A study's own title and note stand only over runs that are what its protocol says.
"""

from __future__ import annotations

from collections.abc import Iterable

from ablation.records.numbers import exact
from ablation.reporting.statistics.analysis import Analysis

NAMED = 3  # values that a title lists before it only counts


def holds(analysis: Analysis) -> bool:
    """Return True if no run departs from the study's protocol; a study without one says nothing of the sort."""
    return not any(row.cell.differences for row in analysis.rows)


def title(analysis: Analysis) -> str:
    """Return the study's title where its protocol holds, else one computed from the runs."""
    own = analysis.study.get("title")
    if own and holds(analysis):
        return str(own)
    runs = [run for row in analysis.rows for run in row.cell.runs]
    configs = [row.cell.config for row in analysis.rows]
    sizes = {value for config in configs for key, value in config.items() if key.endswith(".size")}
    parts = [
        _listed((_data(run) for run in runs), "data sets"),
        _listed((str(config["backbone"]) for config in configs if "backbone" in config), "backbones"),
        f"{sizes.pop()} px" if len(sizes) == 1 else "",
        f"{exact(analysis.images)} test images" if analysis.images else "",
    ]
    return ", ".join(["Accuracy (%)", *filter(None, parts)])


def _data(run: dict[str, object]) -> str:
    """Return the data of a run in words: of a folder of one's own its name and its classes."""
    config = run["config"]
    assert isinstance(config, dict)
    option = str(config.get("data") or "")
    if not config.get("data.listing"):
        return option
    name = str(run["dataset"] or option)
    return f"{run['classes']} classes of {name}" if run["classes"] else name


def _listed(values: Iterable[str], what: str) -> str:
    distinct = list(dict.fromkeys(filter(None, values)))
    return ", ".join(distinct) if len(distinct) <= NAMED else f"{len(distinct)} {what}"
