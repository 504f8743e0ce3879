"""What varies between cells: each factor, its levels in order, and its reference level.

Owns what a factor is. No factor is known by name: a study may name some, the others are read from the configurations. Pure.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ablation.reporting.read.frame import plain
from ablation.reporting.statistics.config_keys import ABSENT, Config, named_keys, ordered_keys, shown, sortable, units


@dataclass(frozen=True)
class Factor:
    """What varies between cells, or is named by the study: an option, a value, or several that always change together."""

    name: str
    keys: frozenset[str]  # that it stands for: an option's own arguments are part of it
    cells: tuple[str | None, ...]  # the level of each cell; None: its option has no such key
    levels: tuple[str, ...]  # in the study's order, else by value
    reference: str  # the baseline's level, else the most common one
    unit: str  # before a level that stands beside those of other factors: `lr ` of a value, nothing of an option


def factors(configs: Sequence[Config], study: Config) -> list[Factor]:
    """Return the factors of some cells: the study's first, then options as the identity orders them, then values by name.

    A key that an option decides (a learning rate of which each optimizer has its own) is part of the option; keys that change
    together are one factor, unless the study names one of them. A factor that the study names may have a single level.

    Args:
        configs: flat configurations without the seed, one a cell; an empty one has no level of any factor.
        study: its `baseline`, `cells` and `contrasts` name factors and order levels.
    """
    known = [config for config in configs if config]
    named = named_keys(study)
    columns = {key: _column(known, key) for key in ordered_keys(known, study)}
    parts: dict[str, set[str]] = defaultdict(set)  # keys that an option decides
    together: dict[Any, list[str]] = {}
    for key, column in columns.items():
        option, dot, _ = key.partition(".")
        if dot and option in columns and _varies(columns[option]) and _decides(columns[option], column):
            parts[option].add(key)
        elif key in named or _varies(column):
            together.setdefault(key if key in named else _pattern(column), []).append(key)
    return [
        _factor(keys, frozenset(keys).union(*(parts[key] for key in keys)), configs, study, unit)
        for keys, unit in zip(together.values(), units([keys[0] for keys in together.values()]), strict=True)
    ]


def _column(configs: Sequence[Config], key: str) -> list[str | None]:
    """Return a key's value in each cell, for comparison alone; None where a cell has no such key."""
    return [repr(config[key]) if key in config else None for config in configs]


def _varies(column: Sequence[str | None]) -> bool:
    return len(set(column)) > 1


def _decides(option: Sequence[str | None], column: Sequence[str | None]) -> bool:
    """Return True if cells of equal options have equal values."""
    value_of: dict[str | None, str | None] = {}
    return all(value_of.setdefault(name, value) == value for name, value in zip(option, column, strict=True))


def _pattern(column: Sequence[str | None]) -> tuple[int, ...]:
    """Return for each cell the first that has the same value: equal for keys that change together."""
    first: dict[str | None, int] = {}
    return tuple(first.setdefault(value, place) for place, value in enumerate(column))


def _factor(keys: Sequence[str], stands_for: frozenset[str], configs: Sequence[Config], study: Config, unit: str) -> Factor:
    """Make a factor of keys that change together."""
    option = keys[0].partition(".")[0]
    having = {config.get(option) for config in configs if keys[0] in config}  # options that have the key at all
    cells: list[str | None] = []
    values: dict[str, dict[str, Any]] = {}
    for config in configs:
        if keys[0] not in config and (not config or config.get(option) not in having):
            cells.append(None)
            continue
        level = " ".join(shown(config[key]) if key in config else "absent" for key in keys)
        values.setdefault(level, {key: config.get(key, ABSENT) for key in keys})
        cells.append(level)
    order = _study_order(keys[0], study)
    levels = sorted(
        values,
        key=lambda level: (
            order.get(shown(values[level][keys[0]]), len(order)),
            [sortable(values[level], key) for key in keys],
        ),
    )
    base = study.get("baseline") or {}
    wanted = [level for level in levels if any(key in base and plain(base[key]) == values[level][key] for key in keys)]
    common = Counter(cells)
    numbers = all(isinstance(config[keys[0]], int | float) for config in configs if keys[0] in config)
    unit = unit or (f"{keys[0]} " if numbers else "")  # another program's `lr`; our own options are names
    reference = wanted[0] if wanted else max(levels, key=common.__getitem__)
    return Factor(" and ".join(keys), stands_for, tuple(cells), tuple(levels), reference, unit)


def _study_order(key: str, study: Config) -> dict[str, int]:
    """Return the place of each level of a key that the study's cells and contrasts name, in their order."""
    values = [cell["where"][key] for cell in study.get("cells") or [] if key in cell["where"]]
    values += [value for change in (study.get("contrasts") or {}).values() for value in change.get(key, [])]
    return {level: place for place, level in enumerate(dict.fromkeys(shown(plain(value)) for value in values))}
