"""A study file: what the keys of another program's runs mean.

It names the metric and its scale, the seed, the factors, and which runs count. Its other keys are those of conf/study.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from ablation.reporting.read.selection import check_study

SCALES = {"percent": 1.0, "fraction": 100.0}
STUDY = ("name", "title", "note", "baseline", "cells", "contrasts", "headline", "same_speed", "smallest")


class Wrong(ValueError):
    """A study file that does not fit these runs; the message is one line with the way out."""


@dataclass(frozen=True)
class ForeignStudy:
    """A study file, checked."""

    file: Path
    metric: str
    scale: str  # of SCALES
    seed: str
    factors: tuple[str, ...]
    test_set: str  # all runs were tested on it
    where: Mapping[str, Any]  # state: [...], tags: [...], config: {key: [...]}
    study: dict[str, Any]  # as conf/study has it


def load(file: Path) -> ForeignStudy:
    """Read a study file.

    Raises:
        Wrong: it cannot be read, or a key is missing, unknown or of another form.
    """
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise Wrong(f"--study {file}: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise Wrong(f"--study {file}: must have the keys {', '.join(FORMS)}, not {content}")
    for key in content:
        if key not in (*FORMS, *STUDY):
            raise Wrong(f"--study {file}: no such key {key}; there are {', '.join((*FORMS, *STUDY))}")
    for key, (form, test) in FORMS.items():
        if not test(content.get(key)):
            raise Wrong(f"--study {file}: {key}: must be {form}, not {content.get(key)}")
    metric = content["metric"]["key"]
    study = {"name": file.stem, "title": f"{metric} (%)", "logged": f"as logged in {metric}"}
    study |= {key: content[key] for key in STUDY if content.get(key) is not None}
    try:
        check_study(study)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Wrong(f"--study {file}: not of the form of conf/study: {type(error).__name__}: {error}") from error
    test_set = content.get("test_set") or "the same test set"
    where = content.get("where") or {}
    return ForeignStudy(
        file, metric, content["metric"]["scale"], content["seed"], tuple(content["factors"]), test_set, where, study
    )


def _is_metric(value: Any) -> bool:
    return isinstance(value, dict) and {*value} == {"key", "scale"} and _is_text(value["key"]) and value["scale"] in SCALES


def _is_where(value: Any) -> bool:
    if value is None:
        return True
    return (
        isinstance(value, dict) and value.keys() <= {"state", "tags", "config"} and isinstance(value.get("config") or {}, dict)
    )


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


FORMS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "metric": ("{key: KEY, scale: percent} or {key: KEY, scale: fraction}", _is_metric),
    "seed": ("the key that tells runs of one cell apart", _is_text),
    "factors": ("a list of keys", lambda value: isinstance(value, list) and bool(value) and all(map(_is_text, value))),
    "test_set": ("a text", lambda value: value is None or _is_text(value)),
    "where": ("{state: [...], tags: [...], config: {KEY: [value, ...]}}", _is_where),
}
