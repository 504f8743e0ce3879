"""Refusals: one line that begins with the override as typed and names the legal values and the way out.

Also words the errors of Hydra and OmegaConf in this way. Imports no torch.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from typing import Any

from hydra.errors import MissingConfigException, OverrideParseException
from omegaconf import OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError

from ablation.sweep.identity import GROUPS


class Refused(Exception):
    """A command that cannot be run; its message is the line that the user reads."""


class NotStarted(Refused):
    """Refused after planning and before any run started: no run of the command is unfinished."""


def typed(key: str, value: Any, overrides: Sequence[str] = ()) -> str:
    """Return `key=value` as the user typed it, or as the configuration has it."""
    for override in reversed(overrides):
        if override.partition("=")[0].lstrip("+~") == key:
            return override
    return f"{key}={'null' if value is None else value}"


def suggestion(word: str, legal: Sequence[str]) -> str:
    """Return `; did you mean X?` if a legal word is similar, else an empty string."""
    near = difflib.get_close_matches(word, legal, n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else ""


def one_line(error: BaseException, overrides: Sequence[str] = ()) -> str:
    """Return an error in one line: for a wrong option or key a message of ours, else the messages of the exception chain."""
    for cause in _chain(error):
        if isinstance(cause, Refused):
            return str(cause)
        several = re.match(r"Ambiguous value for argument '(.+?)'|Sweep parameters '(.+)' requires --multirun", str(cause))
        if several:
            return f"{several[1] or several[2]}: several values are a sweep, which needs -m"
        if isinstance(cause, OverrideParseException):
            return (
                f"{cause.override}: cannot be read; type key=value, and quote other letters, spaces and signs: \"key='value'\""
            )
        if isinstance(cause, MissingConfigException) and "submitit_slurm" in str(cause.missing_cfg_file):
            return "hydra/launcher=slurm: submitit is not installed: pip install hydra-submitit-launcher"
        if isinstance(cause, MissingConfigException) and cause.options:
            group, _, option = str(cause.missing_cfg_file).rpartition("/")
            legal = sorted(cause.options)
            return f"{group}={option}: no such option{suggestion(option, legal) or ';'} choose from {', '.join(legal)}"
        if isinstance(cause, ConfigKeyError | ConfigAttributeError) and OmegaConf.is_dict(cause.parent_node):
            parent: Any = cause.parent_node
            legal = sorted(str(key) for key in parent if key != "hydra")
            key = str(cause.full_key)
            quoted = next((o for o in overrides if o.partition("=")[0] == key or o.startswith(f"{key}.")), key)
            adds = f"; ++{key}=VALUE adds one that its class takes" if key.partition(".")[0] in GROUPS and "." in key else ""
            return f"{quoted}: no such key {cause.key}{suggestion(str(cause.key), legal)} (here: {', '.join(legal)}){adds}"
        if isinstance(cause, KeyError):
            return f"{' '.join(overrides)}: no such key {cause.args[0] if cause.args else ''}".strip()
    return " | ".join(dict.fromkeys(" ".join(str(cause).split()) for cause in _chain(error) if str(cause)))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and its causes, as a traceback would show them."""
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
