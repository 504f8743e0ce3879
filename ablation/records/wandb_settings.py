"""What W&B's own settings ask for: WANDB_* variables and the files that `wandb offline` and `wandb init` write.

A value of the configuration comes before a variable, a variable before a file.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ablation.records.wandb_client import (
    FIELDS,
    OF_ONE_RUN,
    Wrong,
    accepted,
    client_settings,
    has_key,
    is_silent,
    settings_files,
)

MODES = {"online": "online", "run": "online", "offline": "offline", "dryrun": "offline", "disabled": "disabled"}
DISABLED = {**dict.fromkeys(("true", "1", "yes", "on"), True), **dict.fromkeys(("false", "0", "no", "off"), False)}
PROJECT = "ablation"  # if nothing names another

_said: set[str] = set()


@dataclass(frozen=True)
class Chosen:
    """The settings of a command's runs, and where each came from."""

    mode: str  # online, offline, disabled
    why: str  # the mode
    fields: dict[str, Any]  # project, entity, group, tags, notes; None if nothing names one
    folder: Path | None  # WANDB_DIR, in place of the runs folder
    sweep: str | None  # W&B sweep that the runs belong to, if the project is the sweep's
    others: tuple[str, ...]  # where the fields came from, for `line`

    @property
    def line(self) -> str:
        """For display: `W&B: offline (WANDB_MODE=offline), project thesis (WANDB_PROJECT)`."""
        return ", ".join([f"W&B: {self.mode} ({self.why})", *(self.others if self.mode != "disabled" else ())])

    def first_line(self) -> str | None:
        """Return `line`; None if this process has had it before, or WANDB_SILENT forbids it."""
        new = self.line not in _said and not is_silent()
        _said.add(self.line)
        return self.line if new else None


def choose(configured: Mapping[str, Any]) -> Chosen:
    """Return what the configuration, the environment and W&B's settings files say together.

    Args:
        configured: `mode`, and any of FIELDS, as in conf/tracker/wandb.yaml; null or an empty list leaves it to the others.

    Raises:
        Wrong: a variable, a file or the configuration has a value that W&B does not take.
    """
    settings, files = client_settings(), settings_files()
    mode, why = _mode(configured["mode"], files)
    fields: dict[str, Any] = {}
    others = []
    for key, (name, variable) in FIELDS.items():
        value = configured.get(key) or None
        source = variable if _variable(variable) else files["sources"] if files.get(name) else None
        fields[key] = accepted(f"tracker.{key}", name, value) if value else getattr(settings, name) if source else None
        if source:
            others.append(f"{_shown(key, fields[key])} ({f'tracker.{key}, not ' if value else ''}{source})")
    sweep = _variable("WANDB_SWEEP_ID") if not configured.get("project") and _variable("WANDB_PROJECT") else None
    folder = _variable("WANDB_DIR")
    unused = [name for name in OF_ONE_RUN if _variable(name) and not (sweep and name == "WANDB_SWEEP_ID")]
    others += [f"files in {folder} (WANDB_DIR)"] if folder else []
    others += [f"sweep {sweep} (WANDB_SWEEP_ID)"] if sweep else []
    others += [f"each run has its own name and id, not {', '.join(unused)}"] if unused else []
    fields["project"] = fields["project"] or PROJECT
    return Chosen(mode, why, fields, Path(folder).expanduser().resolve() if folder else None, sweep, tuple(others))


def _variable(name: str) -> str | None:
    """Return a variable of the environment, None if it is unset or empty."""
    return os.environ.get(name, "").strip() or None


def _shown(key: str, value: Any) -> str:
    """Return a field for display; notes, which may be long, by their name alone."""
    return key if key == "notes" else f"{key} {', '.join(value) if key == 'tags' else value}"


def _mode(configured: str, files: Mapping[str, str]) -> tuple[str, str]:
    """Return the mode and the reason; `configured` is a mode or `auto`."""
    if configured != "auto":
        return configured, f"tracker.mode={configured}"
    disabled = _variable("WANDB_DISABLED")
    if disabled and disabled.lower() not in DISABLED:
        raise Wrong(f"WANDB_DISABLED={disabled}: must be true or false, or unset")
    if disabled and DISABLED[disabled.lower()]:
        return "disabled", f"WANDB_DISABLED={disabled}"
    file = files.get("mode")
    for value, source in ((_variable("WANDB_MODE"), "WANDB_MODE"), (file, f"{files['sources']}: mode")):
        if value and value.lower() not in MODES:
            raise Wrong(f"{source}={value}: must be one of {', '.join(MODES)}, or unset")
        if value:
            return MODES[value.lower()], f"{source}={value}"
    if has_key():
        return "online", "a W&B key was found"
    return "offline", "no key: wandb login, or tracker.mode=disabled for none"


def check(configured: Mapping[str, Any]) -> Chosen:
    """Return what `choose` returns, after checking that a command with these settings can be tracked.

    Raises:
        Wrong: as `choose`; or the mode is `online`, and this machine has no key.
    """
    chosen = choose(configured)
    if chosen.mode == "online" and not has_key():
        raise Wrong(f"{chosen.why}: there is no W&B key: wandb login (or set WANDB_API_KEY), or tracker.mode=offline")
    return chosen
