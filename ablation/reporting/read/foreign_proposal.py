"""Propose a study file for the runs of another program, from what their keys are called and from what varies."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from ablation.reporting.read.foreign import SECONDS, Run

BOOKKEEPING = {"ID", "Notes", "User", "Created", "Runtime", "Sweep", "GPU Type", "GPU Count", "Hostname", "Group", "Job Type"}
METRIC = re.compile(r"acc|top.?1|f1|score|auc|precision|recall|iou|error", re.IGNORECASE)
ORDER = ("test", "val", "eval", "", "train")  # of metrics: those of test images first
SEED = re.compile(r"(^|[._/ -])(random_?)?seed$", re.IGNORECASE)
REFERENCE = re.compile(r"^(base(line)?|none|no|off|false|default|vanilla|standard|plain)$", re.IGNORECASE)


def proposal(runs: Sequence[Run], name: str) -> list[str]:
    """Return the lines of a study file, with `???` where nothing fits.

    Args:
        runs: at least one.
        name: of the study.
    """
    metrics, seeds = _metrics(runs), [key for key in _keys(runs) if SEED.search(key)]
    metric, seed = next(iter(metrics), "???"), next(iter(seeds), "???")
    factors = _factors(runs, {*metrics, seed})
    values = [run.summary[metric] for run in runs if isinstance(run.summary.get(metric), int | float)]
    scale = "fraction" if values and max(values) <= 1 else "percent"
    states = Counter(run.state for run in runs if run.state)
    base = {key: _reference([run.values[key] for run in runs if key in run.values]) for key in factors}
    others = f"  # or {', '.join(metrics[1:6])}" if metrics[1:] else ""
    baseline = ", ".join(f"{_yaml(key)}: {_yaml(value)}" for key, value in base.items())
    return [
        f"name: {_yaml(name)}  # the table goes to reports/{name}",
        f"metric: {{key: {_yaml(metric)}, scale: {scale}}}{others}",
        f"seed: {_yaml(seed)}  # tells the runs of a cell apart: a whole number",
        f"factors: [{', '.join(map(_yaml, factors)) or '???'}]  # what varies beside the seed",
        f"baseline: {{{baseline}}}  # the others are compared with it",
        'test_set: "the same test set"  # of all runs: only runs that were tested on the same images are compared',
        "where:  # which runs count",
        f"  state: [{'finished' if 'finished' in states else ''}]  # there are {_counted(states)}",
        f"  tags: []  # there are {_counted(Counter(tag for run in runs for tag in run.tags))}",
        "  config: {}  # KEY: [value, ...]",
    ]


def _counted(found: Counter[Any]) -> str:
    return ", ".join(f"{number} {value}" for value, number in found.most_common(8)) or "none"


def _yaml(value: Any) -> str:
    """Return a value as YAML in a line; JSON is YAML, but bare words read better."""
    bare = isinstance(value, str) and re.fullmatch(r"[A-Za-z][\w./-]*", value) and value.lower() not in RESERVED
    return str(value) if bare else json.dumps(value, ensure_ascii=False)


RESERVED = ("true", "false", "yes", "no", "on", "off", "null", "y", "n")


def _keys(runs: Sequence[Run]) -> list[str]:
    """Return the keys of all runs in the order in which they are met, without bookkeeping."""
    keys = dict.fromkeys(key for run in runs for key in run.values)
    return [key for key in keys if not key.startswith("_") and key not in BOOKKEEPING]


def _metrics(runs: Sequence[Run]) -> list[str]:
    """Return the keys that may be an accuracy, the likeliest first: numbers from 0 to 100 with a name of the kind."""
    summary = dict.fromkeys(key for run in runs for key in run.summary)
    found = []
    for key in summary:
        values = [run.summary[key] for run in runs if key in run.summary]
        numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
        if METRIC.search(key) and numbers and all(not value < 0 and not value > 100 for value in numbers):
            found.append(key)

    def place(key: str) -> int:
        return next((place for place, word in enumerate(ORDER) if word and word in key.lower()), ORDER.index(""))

    return sorted(found, key=place)


def _factors(runs: Sequence[Run], taken: set[str]) -> list[str]:
    """Return the keys of the configurations that vary and have a value in several runs, as measurements do not."""
    factors = []
    for key in _keys(runs):
        values = [json.dumps(run.config[key], sort_keys=True, default=str) for run in runs if key in run.config]
        repeated = len(set(values)) <= len(runs) / 2
        if key not in {*taken, *SECONDS} and values and len(set(values)) + (len(values) < len(runs)) > 1 and repeated:
            factors.append(key)
    return factors


def _reference(values: Sequence[Any]) -> Any:
    """Return the level that others are compared with: one that is called so, else the first."""
    return next((value for value in values if REFERENCE.match(str(value))), values[0])
