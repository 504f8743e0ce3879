"""One run's configuration: checked before anything is opened, resolved to plain values, and instantiated.

Knows the legal keys, and has `build`. Ranges are in ranges.py, targets and secrets in security.py, identity and folder in
planned_run.py.
Imports no torch: a bad value is refused in a second.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import InstantiationException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue

from ablation.data.dataset_info import FOLDER, Facts, facts
from ablation.data.layout import ImageFolder
from ablation.sweep import own_parts, ranges, security
from ablation.sweep.identity import GROUPS
from ablation.sweep.refusal import Refused, typed

MODES = ("plan", "check", "fetch", "cache")  # keys of a command that trains nothing
NEEDED = {  # keys of a group's YAML that the plan reads, whatever its target is
    "data": ("limit", "test_limit", "val_size"),
    "backbone": ("weights",),
}
SECTIONS = ("train", "engine", "records", "rounds", "paths")  # nodes with fixed keys, all of them in ranges.RULES
TOP = (
    *GROUPS,
    *SECTIONS,
    "seed",
    "input_size",
    "tracker",
    "study",
    *MODES,
    "code",
    "plan_gpu",
    "rerun",
    "fail_fast",
    "trusted",
)
POINTED_AT = {
    "data": ("padding", "flip", "facts"),
    "backbone": ("mean", "std"),
}  # read by conf/aug through ${...} or by the plan; the group's own target does not take them


def check_config(config: DictConfig, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Refuse unknown keys, wrong types and ranges, targets that are not allowed, impossible sizes, missing data and weights.

    Args:
        config: composed, with or without the `hydra` node.
        overrides: as typed, to be quoted.

    Returns:
        The configuration, resolved and plain, without Hydra's own part.

    Raises:
        Refused: one line with the override, the legal values and the way out.
    """
    tree = checked(config)
    values, options = dict(leaves(tree)), choices(config)
    security.check_secrets(values.items(), overrides)
    for key, value in sorted(values.items(), key=lambda item: item[0].count(".")):  # input_size before keys that refer to it
        top = key.split(".")[0]
        if top not in TOP:
            raise Refused(f"{typed(key, value, overrides)}: no such key {top}; there are {', '.join(sorted(TOP))}")
        if top in SECTIONS and key not in ranges.RULES and not key.endswith("._target_"):
            legal = sorted(known.removeprefix(f"{top}.") for known in ranges.RULES if known.startswith(f"{top}."))
            raise Refused(f"{typed(key, value, overrides)}: no such key in {top}; there are {', '.join(legal)}")
        ranges.check_range(key, value, overrides, options)
    own_parts.check_typed(tree["trusted"], overrides)
    for key, value in every(tree):
        security.check_target(key, value, overrides)
    for group, keys in NEEDED.items():
        if missing := [key for key in keys if key not in tree[group]]:
            raise Refused(f"{group}={options[group]}: its YAML needs {', '.join(missing)}; see docs/own_parts.md")
    _check_sizes(tree, overrides)
    headline, contrasts = tree["study"].get("headline"), list(tree["study"].get("contrasts") or {})
    if headline is not None and headline not in contrasts:
        named = ", ".join(contrasts) or "none"
        raise Refused(f"{typed('study.headline', headline, overrides)}: no such contrast; null or one of {named}")
    weights = tree["backbone"]["weights"]
    if weights not in ("imagenet", "none") and not Path(weights).is_file():
        quoted = typed("backbone.weights", weights, overrides)
        raise Refused(f"{quoted}: no such file; must be imagenet, none (random) or the path of a state dict")
    return tree


def mode_of(config: DictConfig) -> str | None:
    """Return the mode of a command, None for training.

    Raises:
        Refused: the command sets two modes.
    """
    modes = {key: str(config[key]).lower() for key in MODES if config[key] is True or (key, config[key]) == ("cache", "clean")}
    if len(modes) > 1:
        raise Refused(f"{' '.join(f'{key}={value}' for key, value in modes.items())}: one at a time")
    return next(iter(modes), None)


def checked(config: DictConfig) -> dict[str, Any]:
    """Return the configuration as `plain` does, and refuse a missing mandatory value.

    Hydra resolves the run's folder before any callback, so `planned_run.identity` calls this too.
    """
    try:
        tree: dict[str, Any] = plain(config)
    except MissingMandatoryValue:
        _refuse_missing(config)
        raise
    return tree


def _refuse_missing(config: DictConfig) -> None:
    for key in sorted(OmegaConf.missing_keys(_ours(config))):
        group = key.split(".")[0]
        option = choices(config).get(group, group)
        raise Refused(f"{group}={option}: needs {key}=VALUE; conf/{group}/{option}.yaml says which")


def _check_sizes(config: Mapping[str, Any], overrides: Sequence[str]) -> None:
    """Refuse limits above the dataset's number of images, which comes from constants or the folder's listing."""
    dataset = dataset_facts(config)
    data = config["data"]
    if data["val_size"] >= dataset.train:
        quoted = typed("data.val_size", data["val_size"], overrides)
        raise Refused(f"{quoted}: must be < {dataset.train}, the training images")
    for key, most in (("limit", dataset.train - data["val_size"]), ("test_limit", dataset.test)):
        if data[key] is not None and data[key] > most:
            raise Refused(f"{typed(f'data.{key}', data[key], overrides)}: must be null or at most {most}, the images there are")


def dataset_facts(config: Mapping[str, Any]) -> Facts:
    """Return the number and size of the images of a data node, without opening the data.

    Raises:
        Refused: the folder of data=imagefolder is missing or cannot be listed; data of the user's own states no facts.
    """
    if "facts" in config["data"]:
        return _stated_facts(plain(config["data"])["facts"])
    try:
        return facts(config["data"]["_target_"], image_folder(config))
    except (OSError, ValueError) as error:
        raise Refused(str(error)) from None  # the message names data.root


def _stated_facts(stated: Any) -> Facts:
    """Return the facts that a data set of the user's own states in its YAML."""
    kinds = {field.name: str if field.name == "name" else int for field in fields(Facts)}
    whole = isinstance(stated, dict) and stated.keys() == kinds.keys()
    if not whole or any(type(stated[key]) is not kind or stated[key] in ("", 0) for key, kind in kinds.items()):
        raise Refused(f"data.facts={stated}: must be {{{', '.join(kinds)}}}, a name and whole numbers > 0")
    return Facts(**stated)


def image_folder(config: Mapping[str, Any]) -> ImageFolder | None:
    """Return the image folder that a data node describes; None for other data."""
    data = config["data"]
    return ImageFolder.of(plain(data)) if data["_target_"] == FOLDER else None


def plain(node: Any) -> Any:
    """Return a node as plain dicts and lists, resolved, without Hydra's own part.

    Raises:
        omegaconf.errors.OmegaConfBaseException: a value is missing or cannot be resolved.
    """
    if not isinstance(node, DictConfig):
        return node
    values = {str(key): node[key] for key in node if key != "hydra"}
    return {
        key: OmegaConf.to_container(value, resolve=True, throw_on_missing=True) if OmegaConf.is_config(value) else value
        for key, value in values.items()
    }


def _ours(node: DictConfig) -> DictConfig:
    """Return a node without Hydra's own part."""
    return OmegaConf.masked_copy(node, [str(key) for key in node if key != "hydra"]) if "hydra" in node else node


def leaves(tree: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (dotted key, value) of a nested dictionary; lists are values."""
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def every(tree: dict[str, Any] | list[Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (dotted key, value) of every node in a tree, also inside lists, which `instantiate` descends into."""
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
        yield f"{prefix}{key}", value
        if isinstance(value, dict | list):
            yield from every(value, f"{prefix}{key}.")


def as_typed(hydra_node: Any, kind: str = "task") -> list[str]:
    """Return the overrides of a composed configuration as typed: `${...}` in them is resolved at its own place, not here.

    Args:
        hydra_node: Hydra's own part.
        kind: `task`, or `hydra` for overrides of Hydra's own part.
    """
    overrides: Any = OmegaConf.to_container(hydra_node.overrides[kind], resolve=False)
    return list(overrides)


def choices(config: DictConfig) -> dict[str, str]:
    """Return the chosen option of each group, from HydraConfig if the configuration has no `hydra` node, as in a task."""
    node = config.hydra.runtime.choices if "hydra" in config else HydraConfig.get().runtime.choices
    return {str(group): str(option) for group, option in node.items()}


def sweep_id() -> str:
    """Return a new sweep's id: the time (UTC) and four hex digits."""
    return time.strftime("%Y%m%d-%H%M%S", time.gmtime()) + f"-{hashlib.sha256(str(time.time_ns()).encode()).hexdigest()[:4]}"


def build(config: Mapping[str, Any], group: str, **further: Any) -> Any:
    """Call a node's target with its configured arguments, as plain Python values, and further ones.

    Args:
        config: of a run: plain values, or as composed.
        group: the node.
        further: arguments known only at run time; they replace configured ones of the same name.

    Raises:
        Refused: the target is not allowed.
        Exception: what the target itself raised.
    """
    arguments = {key: value for key, value in plain(config[group]).items() if key not in POINTED_AT.get(group, ())}
    for key, value in every(arguments, f"{group}."):
        security.check_target(key, value)
    try:
        return hydra.utils.instantiate(arguments, _convert_="all", **further)
    except InstantiationException as error:
        raise (error.__cause__ or error) from None  # Hydra's wrapper hides the part's own message
