"""Which functions a configuration may call (targets), and that it holds no secrets. Checked over the whole tree.

A `_target_` is code: `instantiate` would run `+x._target_=builtins.open`. A target in this package, or in one
that the user trusts by name, must be a function or class that its module itself defines: `ablation.training.fit.torch.save` is
refused. A resolved configuration is written to files, logged and tracked, so it may hold no secret: no value of an environment
variable, and no key, whose name suggests one.
The value of a secret is never printed.
"""

from __future__ import annotations

import ast
import functools
import os
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ablation.sweep import own_parts
from ablation.sweep.refusal import Refused, typed

ROOT = Path(__file__).parents[2]
ROOMS = ("ablation.data.", "ablation.models.", "ablation.training.", "ablation.records.tracker.")
TORCH = (
    "torch.nn.Identity",
    *(f"torch.optim.{name}" for name in ("SGD", "Adam", "AdamW", "NAdam", "RAdam", "RMSprop", "Adagrad", "Adadelta", "Adamax")),
)


def check_target(key: str, value: Any, overrides: Sequence[str] = ()) -> None:
    """Refuse a `_target_` that is not on the list; other keys pass.

    Raises:
        Refused: names the override and the list.
    """
    name = key.rpartition(".")[2]
    if name in ("_args_", "_partial_", "_recursive_", "_convert_"):
        raise Refused(f"{typed(key, value, overrides)}: not used here; give the target's arguments by name")
    if name == "_target_" and not allowed(value):
        rooms = [*ROOMS, *(f"{name}." for name in own_parts.trusted())]
        legal = f"a function or class defined in {', '.join(room + '*' for room in rooms)} or one of {', '.join(TORCH)}"
        package = str(value).partition(".")[0]
        own = package.isidentifier() and package not in own_parts.trusted() and package not in sys.stdlib_module_names
        way_out = f"; for code of your own: trusted=[{package}]" if own and package != "ablation" else ""
        raise Refused(f"{typed(key, value, overrides)}: not allowed as a target; must be {legal}{way_out}")


def check_command(arguments: Sequence[str]) -> None:
    """Refuse overrides that make Hydra itself call code, before a configuration is composed and can be checked.

    Raises:
        Refused: the override names a callback, a logging handler or a target in Hydra's own node.
    """
    for argument in arguments:
        key = argument.lstrip("+~").partition("=")[0]
        called = re.match(r"hydra[./](callbacks|job_logging|hydra_logging|searchpath)\b", key) or "_target_" in argument
        if key == "hydra" or (key.startswith("hydra") and called):
            raise Refused(f"{argument}: not from the command line: Hydra calls it before anything is checked; edit conf/")


def allowed(target: Any) -> bool:
    """Return True if a configuration may call this dotted name."""
    if not isinstance(target, str) or target in TORCH:
        return isinstance(target, str)
    module, _, name = target.rpartition(".")
    file = _ours(module) if target.startswith(ROOMS) else own_parts.source(module)
    return file is not None and name in _defined(file)


def _ours(module: str) -> Path | None:
    parts = module.split(".")
    file = ROOT.joinpath(*parts).with_suffix(".py")
    return file if all(part.isidentifier() for part in parts) and file.is_file() else None


@functools.cache
def _defined(file: Path) -> frozenset[str]:
    """Return the public functions and classes that a module defines at its top level, read from its source.

    Raises:
        Refused: it is not valid Python.
    """
    try:
        body = ast.parse(file.read_text(encoding="utf-8")).body
    except (SyntaxError, ValueError) as error:
        raise Refused(f"{file}: cannot be read as Python: {error}") from None
    names = (node.name for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef))
    return frozenset(name for name in names if not name.startswith("_"))


# secrets

NAMES = re.compile(r"KEY|TOKEN|SECRET|PASSWORD", re.IGNORECASE)
KEYS = re.compile(r"(^|[._])(api_?key|token|secret|password)", re.IGNORECASE)
SHORTEST = 8  # characters: a shorter value would match by chance
WAY_OUT = "leave it in the environment, where its reader finds it"


def check_secrets(values: Iterable[tuple[str, Any]], typed: Iterable[str]) -> None:
    """Refuse a configuration or a command line that holds a secret.

    Args:
        values: (dotted key, resolved value) of the whole configuration.
        typed: the overrides, which the manifest contains.

    Raises:
        Refused: names the key or the variable, never the value.
    """
    secrets = {value: name for name, value in os.environ.items() if NAMES.search(name) and len(value) >= SHORTEST}
    for key, value in values:
        if KEYS.search(key) and value is not None:
            raise Refused(f"{key}=...: looks like a secret by its name, and configurations are written down: {WAY_OUT}")
        for secret, name in secrets.items():
            if secret in str(value):
                raise Refused(f"{key}=...: holds the value of {name}, and configurations are written down: {WAY_OUT}")
    for override in typed:
        key = override.partition("=")[0]
        for variable in re.findall(r"oc\.env:\s*(\w+)", override):
            if NAMES.search(variable):
                raise Refused(f"{key}=...: reads {variable}, and configurations are written down: {WAY_OUT}")
        if any(secret in override for secret in secrets):
            key = "an argument" if any(secret in key for secret in secrets) else key
            raise Refused(f"{key}=...: holds a secret of the environment, and commands are written down: {WAY_OUT}")
