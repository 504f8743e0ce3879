"""The overrides of a command as typed: what Hydra would read otherwise than it is meant is refused before it composes.

Hydra composes a sweep's command with the default option of every swept group, so `resizer=plain,cbam resizer.channels=8` would
be refused for `resizer=none`. For that one composition such a key is added (`++`); each run is composed as typed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override

from ablation.sweep.identity import GROUPS
from ablation.sweep.installation import CONF
from ablation.sweep.refusal import Refused, suggestion

OPTIONAL = tuple(group for group in GROUPS if group != "data")  # nodes whose keys may be deleted: the class has a default
READ = ("backbone.weights", "backbone.mean", "backbone.std")  # but for these, which others read
FIXED = {  # parts of Hydra's own node that would move records away from where tables look for them
    "hydra.run": "say paths.runs=FOLDER",
    "hydra.sweep": "say paths.runs=FOLDER",
    "hydra.output_subdir": "a run's folder has its configuration in config.yaml",
    "hydra.job.chdir": "change the folder before you start, or say paths.runs=FOLDER",
    "hydra/output": "say paths.runs=FOLDER",
    "hydra.mode": "a sweep is -m",
}
_TYPED: dict[str, str] = {}  # as Hydra gets it: as typed


def prepare(arguments: Sequence[str]) -> list[str]:
    """Check a command's arguments; return them as Hydra is to get them.

    Raises:
        Refused: an override is not what it seems; the message says what to type.
        OverrideParseException: it cannot be read.
    """
    options, _ = get_args_parser().parse_known_args(list(arguments))
    if options.help or options.hydra_help or options.shell_completion or options.info:
        return list(arguments)
    folders = [CONF, *([Path(options.config_dir)] if options.config_dir else [])]
    parsed = OverridesParser.create().parse_overrides(options.overrides)
    for override in parsed:
        _check(override, folders)
    _check_axes(parsed)
    if not options.multirun or options.cfg:
        return list(arguments)
    added = {str(override.input_line): f"++{override.input_line}" for override in parsed if _belongs_to_an_option(override)}
    _TYPED.update({hydras: typed for typed, hydras in added.items()})
    return [added.get(argument, argument) for argument in arguments]


def as_typed(arguments: Sequence[str]) -> list[str]:
    """Return arguments that Hydra got as the user typed them."""
    return [_TYPED.get(argument, argument) for argument in arguments]


def _belongs_to_an_option(override: Override) -> bool:
    """Return True if an override sets a key that the options of a group may or may not have."""
    group, dot, _ = override.key_or_group.partition(".")
    return group in GROUPS and bool(dot) and not (override.is_add() or override.is_force_add() or override.is_delete())


def _check(override: Override, folders: Sequence[Path]) -> None:
    """Refuse one override."""
    typed, key = str(override.input_line), override.key_or_group
    if not key:
        raise Refused(f"{typed}: cannot be read; type key=value")
    for prefix, way_out in FIXED.items():
        if re.match(rf"{re.escape(prefix)}\b", key):
            raise Refused(f"{typed}: not to be changed here: {way_out}")
    if key == "hydra.sweeper.max_batch_size" and not _is_batch_size(override):
        raise Refused(f"{typed}: must be null or a whole number >= 1")
    if override.is_interval_sweep():
        raise Refused(f"{typed}: an interval has no steps; say {key}=0.1,0.01 or {key}=range(0,10)")
    options = sorted(file.stem for folder in folders for file in (folder / key).glob("*.yaml"))
    if options and "." not in key:
        _check_option(override, options)
    elif override.is_delete() and (key.partition(".")[0] not in OPTIONAL or key in READ) and not key.startswith("hydra"):
        raise Refused(f"{typed}: cannot be left out; give it a value")


def _is_batch_size(override: Override) -> bool:
    value = None if override.is_sweep_override() else override.value()
    return value is None or (type(value) is int and value >= 1)


def _check_option(override: Override, options: Sequence[str]) -> None:
    """Refuse what is no choice of an option of a group.

    Args:
        override: of a group's name.
        options: of the group.
    """
    typed, group = str(override.input_line), override.key_or_group
    legal = f"one of {', '.join(options)}"
    if override.is_delete():
        without = f"; {group}=none goes without" if "none" in options else ""
        raise Refused(f"{typed}: cannot be left out: say {group}=OPTION, {legal}{without}")
    for value in _values(override):
        if isinstance(value, dict):
            continue  # sets keys of the option
        if isinstance(value, list):
            several = ",".join(map(str, value))
            raise Refused(f"{typed}: a list is one value; several runs are {group}={several}, with -m")
        if override.is_add() or override.is_force_add():
            raise Refused(f"{typed}: an option is chosen without +: {group}={value}")
        if not isinstance(value, str):
            raise Refused(f"{typed}: must be the name of an option, {legal}")
        if value.endswith((".yaml", ".yml")) or "/" in value:
            raise Refused(f"{typed}: an option is a name, not a file{_path_way_out(group, value, options)}")


def _path_way_out(group: str, value: str, options: Sequence[str]) -> str:
    name = Path(value).stem
    if name in options:
        return f": {group}={name}"
    if group == "data":
        return f": images in a folder are data=imagefolder data.root='{value}'"
    return f"{suggestion(name, options) or ';'} {group}= one of {', '.join(options)}; own files: --config-dir FOLDER"


def _values(override: Override) -> Iterator[Any]:
    """Yield the values of an override, of a sweep each; those of a glob are options by themselves."""
    if not override.is_sweep_override():
        yield override.value()
    elif not isinstance(override._value, Glob):
        yield from override.sweep_iterator()


def _check_axes(overrides: Sequence[Override]) -> None:
    """Refuse a key that is set twice if one of them is a sweep: Hydra would drop the first axis without a word."""
    first: dict[str, Override] = {}
    for override in overrides:
        earlier = first.setdefault(override.key_or_group, override)
        if earlier is not override and (earlier.is_sweep_override() or override.is_sweep_override()):
            both, name = f"{earlier.input_line} {override.input_line}", override.key_or_group
            values = ",".join(str(each.input_line).partition("=")[2] for each in (earlier, override))
            raise Refused(f"{both}: {name} is set twice, and the first would be lost: say it once, such as {name}={values}")
        first[override.key_or_group] = override
