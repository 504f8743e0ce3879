"""Whether an option knows a key: one of its own YAML, or a named argument of the class or function that it names.

A target that takes anything, such as torch.nn.Identity, would swallow a key that means nothing, and the run would be
named after it.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import hydra
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from ablation.sweep import planned_run, settings
from ablation.sweep.identity import GROUPS
from ablation.sweep.refusal import Refused, suggestion, typed


def check_has_key(config: DictConfig, override: Override) -> None:
    """Refuse an override of a key that the run's option does not have.

    Args:
        config: composed with the run's options and none of its values yet.
        override: of one run.

    Raises:
        Refused: names the option, its keys, and ++ where its class takes the key.
    """
    group, _, key = override.key_or_group.partition(".")
    plainly_set = not (override.is_add() or override.is_force_add() or override.is_delete())
    if not key or group not in GROUPS or not plainly_set:
        return
    if key.partition(".")[0] in set(config[group]):  # also of a key whose value is missing, which `in` alone denies
        return
    option, legal = settings.choices(config)[group], sorted(map(str, config[group]))
    adds = key in _arguments(str(OmegaConf.to_container(config[group], resolve=False)["_target_"]))  # type: ignore[index, call-overload]
    way_out = f"; ++{override.input_line} adds it" if adds else ""
    raise Refused(
        f"{override.input_line}: {group}={option} has no key {key}{suggestion(key, legal)} (here: {', '.join(legal)}){way_out}"
    )


def check(config: DictConfig, values: dict[str, Any], overrides: Sequence[str]) -> None:
    """Refuse keys that were added to an option and that its class does not name.

    Args:
        config: composed.
        values: of `settings.check_config`.
        overrides: as typed, to be quoted.

    Raises:
        Refused: names the key, the option and what it takes.
    """
    files = planned_run.option_files(config)
    for group in GROUPS:
        target = values[group].get("_target_")
        added = set(values[group]) - {key for keys, _ in files[group] for key in keys}
        for key in sorted(added - {"_target_"}):
            if key not in (arguments := _arguments(target)):
                option, value = settings.choices(config)[group], values[group][key]
                legal = sorted({*arguments, *values[group]} - {*added, "_target_"})
                here = f"it takes {', '.join(legal)}" if legal else "it takes none"
                quoted = typed(f"{group}.{key}", value, overrides)
                raise Refused(f"{quoted}: {group}={option} has no key {key}{suggestion(key, legal)}; {here}")


def _arguments(target: str) -> set[str]:
    """Return the names of a target's arguments that a configuration may set; it is imported, and torch with it."""
    settings.security.check_target("_target_", target)
    parameters = inspect.signature(hydra.utils.get_object(target)).parameters.values()
    positional = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {parameter.name for parameter in parameters if parameter.kind not in positional} - {"params", "num_classes"}
