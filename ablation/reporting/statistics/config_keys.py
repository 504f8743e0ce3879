"""The keys of flat configurations: in which order they are read, sorted and shown.

Owns what a configuration value looks like. Pure.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Config = Mapping[str, Any]
FOLDER = "data.folder"  # in a cell: the name of the image folder, in place of the digest of its content
ABSENT = object()  # a key that a cell does not have: an argument of another option


def shown(value: Any) -> str:
    """Return a configuration value as a person reads it: text bare, the rest as JSON."""
    if value is ABSENT:
        return ""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)


def sortable(values: Config, key: str) -> tuple[int, float, str]:
    """Return a key that sorts any JSON value: absent, numbers by size, then text."""
    value = values.get(key, ABSENT)
    if value is ABSENT:
        return (0, 0.0, "")
    if isinstance(value, int | float):
        return (1, value, "")
    return (2, 0.0, shown(value))


def named_keys(study: Config) -> list[str]:
    """Return the keys that a study names: its baseline's, its cells' and its contrasts', in that order."""
    named = [study.get("baseline") or {}, *(cell["where"] for cell in study.get("cells") or [])]
    return list(dict.fromkeys(key for keys in [*named, *(study.get("contrasts") or {}).values()] for key in keys))


def ordered_keys(configs: Sequence[Config], study: Config) -> list[str]:
    """Return all keys of some configurations: the study's own, the options as the identity orders them, values by name."""
    known = {key for config in configs for key in config}
    orders = Counter(tuple(key for key in config if "." not in key) for config in configs)  # a foreign record has another
    options = max(sorted(orders), key=orders.__getitem__, default=())
    return [key for key in dict.fromkeys([*named_keys(study), *options, *sorted(known)]) if key in known]


def varying(configs: Sequence[Config], keys: Iterable[str]) -> list[str]:
    """Return those of the keys in which the configurations differ; one that some lack differs."""
    return [key for key in keys if len({shown(config.get(key, ABSENT)) for config in configs}) > 1]


def units(keys: Sequence[str]) -> list[str]:
    """Return what stands before a value of each key: `lr ` of optimizer.lr, where that is clear; nothing of an option."""
    last = [key.rpartition(".")[2] for key in keys]
    return [
        "" if "." not in key or key == FOLDER else f"{part if last.count(part) == 1 else key} "
        for key, part in zip(keys, last, strict=True)
    ]
