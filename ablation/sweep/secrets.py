"""Secrets stay out of records: a resolved configuration is written down, logged and mirrored, so none may hold one.

Owns what counts as a secret: the value of an environment variable, or a key, whose name says so. Never prints a value.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import Any

from ablation.sweep.refusal import Refused

NAMES = re.compile(r"KEY|TOKEN|SECRET|PASSWORD", re.IGNORECASE)
KEYS = re.compile(r"(^|[._])(api_?key|token|secret|password)", re.IGNORECASE)
SHORTEST = 8  # characters: a shorter value would be found everywhere
WAY_OUT = "leave it in the environment, where its reader finds it"


def check(values: Iterable[tuple[str, Any]], typed: Iterable[str]) -> None:
    """Refuse a configuration or a command line that holds a secret.

    Args:
        values: (dotted key, resolved value) of the whole configuration.
        typed: the overrides, which stand in the manifest.

    Raises:
        Refused: naming the key or the variable, never the value.
    """
    held = {value: name for name, value in os.environ.items() if NAMES.search(name) and len(value) >= SHORTEST}
    for key, value in values:
        if KEYS.search(key) and value is not None:
            raise Refused(f"{key}=...: looks like a secret by its name, and configurations are written down: {WAY_OUT}")
        for secret, name in held.items():
            if secret in str(value):
                raise Refused(f"{key}=...: holds the value of {name}, and configurations are written down: {WAY_OUT}")
    for override in typed:
        key = override.partition("=")[0]
        for variable in re.findall(r"oc\.env:\s*(\w+)", override):
            if NAMES.search(variable):
                raise Refused(f"{key}=...: reads {variable}, and configurations are written down: {WAY_OUT}")
        if any(secret in override for secret in held):
            key = "an argument" if any(secret in key for secret in held) else key
            raise Refused(f"{key}=...: holds a secret of the environment, and commands are written down: {WAY_OUT}")
