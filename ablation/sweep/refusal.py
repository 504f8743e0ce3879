"""Refusals: one line that begins with the override as typed, says what is legal and the way out.

Owns the words for errors that Hydra and OmegaConf raise. Imports no torch.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from typing import Any

from hydra.errors import MissingConfigException, OverrideParseException
from omegaconf import OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError


class Refused(Exception):
    """A command that is not carried out; its text is the line that the user reads."""


class NotStarted(Refused):
    """Refused after planning, before any run began: no run of the command is unfinished."""


def typed(key: str, value: Any, overrides: Sequence[str] = ()) -> str:
    """Return `key=value` as the user typed it, or as the configuration has it."""
    for override in reversed(overrides):
        if override.partition("=")[0].lstrip("+~") == key:
            return override
    return f"{key}={'null' if value is None else value}"


def suggestion(word: str, legal: Sequence[str]) -> str:
    """Return `; did you mean X?` where a legal word is near, else nothing."""
    near = difflib.get_close_matches(word, legal, n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else ""


def one_line(error: BaseException, overrides: Sequence[str] = ()) -> str:
    """Return what happened in one line: our own words for a wrong option or key, else the messages of the chain."""
    for cause in _chain(error):
        if isinstance(cause, Refused):
            return str(cause)
        if several := re.match(r"Ambiguous value for argument '(.+?)'", str(cause)):
            return f"{several[1]}: several values are a sweep, which needs -m"
        if isinstance(cause, OverrideParseException):
            return (
                f"{cause.override}: cannot be read; type key=value, and quote other letters, spaces and signs: \"key='value'\""
            )
        if isinstance(cause, MissingConfigException) and "submitit_slurm" in str(cause.missing_cfg_file):
            return "hydra/launcher=slurm: submitit is not installed: pip install 'ablation-runner[slurm]'"
        if isinstance(cause, MissingConfigException) and cause.options:
            group, _, option = str(cause.missing_cfg_file).rpartition("/")
            legal = sorted(cause.options)
            return f"{group}={option}: no such option{suggestion(option, legal) or ';'} choose from {', '.join(legal)}"
        if isinstance(cause, ConfigKeyError | ConfigAttributeError) and OmegaConf.is_dict(cause.parent_node):
            parent: Any = cause.parent_node
            legal = sorted(str(key) for key in parent if key != "hydra")
            key = str(cause.full_key)
            quoted = next((o for o in overrides if o.partition("=")[0] == key or o.startswith(f"{key}.")), key)
            return f"{quoted}: no such key {cause.key}{suggestion(str(cause.key), legal)} (here: {', '.join(legal)})"
    return " | ".join(dict.fromkeys(" ".join(str(cause).split()) for cause in _chain(error) if str(cause)))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and what led to it, as far as a traceback would show it."""
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
