"""wandb in this process: set up once, with nothing on the console; its settings, settings files and key.

Variables that name one run (WANDB_RUN_ID, set by sweep agents and jobs) are kept from wandb: a command may have many runs.
Imports wandb only inside the functions.
"""

from __future__ import annotations

import configparser
import contextlib
import functools
import io
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import wandb

FIELDS = {  # key of conf/tracker: (field of wandb.Settings, variable)
    "project": ("project", "WANDB_PROJECT"),
    "entity": ("entity", "WANDB_ENTITY"),
    "group": ("run_group", "WANDB_RUN_GROUP"),
    "tags": ("run_tags", "WANDB_TAGS"),
    "notes": ("run_notes", "WANDB_NOTES"),
}
OF_ONE_RUN = (
    *("WANDB_RUN_ID", "WANDB_NAME", "WANDB_RUN_NAME", "WANDB_JOB_TYPE", "WANDB_RUN_JOB_TYPE"),
    *("WANDB_RESUME", "WANDB_RESUME_FROM", "WANDB_FORK_FROM"),
    *("WANDB_SWEEP_ID", "WANDB_SWEEP_PARAM_PATH", "WANDB_CONFIG_PATHS", "WANDB_LAUNCH", "WANDB_LAUNCH_CONFIG_PATH"),
)

_TEMPORARY: list[tempfile.TemporaryDirectory[str]] = []  # removed when this process ends


class Wrong(ValueError):
    """A setting of W&B that cannot be followed; the message is one line with the way out."""


def has_key() -> bool:
    """Return True if this machine has a W&B key: in the environment, in wandb's settings or in netrc. Contacts no server.

    Raises:
        Wrong: wandb refuses a WANDB_* variable.
    """
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    settings = client_settings()
    try:
        from wandb.sdk.lib.wbauth import read_netrc_auth  # not the netrc module: wandb's server has more than one name

        return bool(settings.api_key or read_netrc_auth(host=settings.base_url))
    except Exception:  # wandb cannot read netrc: no usable key
        return False


def is_silent() -> bool:
    """Return True if WANDB_SILENT forbids what is not a warning."""
    import wandb

    return wandb.env.is_silent()


def settings_files() -> dict[str, str]:
    """Return what W&B's settings files say: ./wandb/settings before ~/.config/wandb/settings. `sources` names the files.

    Raises:
        Wrong: a file cannot be read, or has a value that is not legal; wandb would leave out the whole file.
    """
    import wandb

    settings = client_settings()
    for path in filter(None, (settings.settings_system, settings.settings_workspace)):
        try:
            if Path(path).exists():
                configparser.ConfigParser().read_string(Path(path).read_text())
        except (OSError, ValueError, configparser.Error) as error:
            raise Wrong(f"{path}: cannot be read as W&B's settings ({_reason(error)}): mend or delete it") from error
    files = settings.read_system_settings()
    found = {**files.all(), "sources": " and ".join(map(str, files.sources))}
    for name in sorted(found.keys() & set(wandb.Settings.model_fields) - {"anonymous", "ignore_globs"}):
        accepted(f"{found['sources']}: {name}", name, found[name])
    return found


def accepted(shown: str, name: str, value: Any) -> Any:
    """Return a value of a field of wandb's settings.

    Args:
        shown: where it stands, for the message.
        name: of the field.
        value: of the field.

    Raises:
        Wrong: wandb does not take it.
    """
    import wandb

    try:
        wandb.Settings(**{name: value})
    except Exception as error:
        raise Wrong(f"{shown}={value}: {_reason(error)}") from error
    return value


def client_settings() -> wandb.Settings:
    """Set up wandb for this process, once, and return its settings. What wandb says of its settings files goes nowhere.

    Raises:
        Wrong: wandb refuses a WANDB_* variable.
    """
    import wandb

    _give_a_log_folder()
    try:
        with _environment(), contextlib.redirect_stderr(io.StringIO()):
            return wandb.setup(settings=wandb.Settings(silent=True, sagemaker_disable=True)).settings
    except Exception as error:
        raise Wrong(f"{_reason(error, 'WANDB_')}; correct it, unset it, or tracker=none") from error


def _reason(error: Exception, prefix: str = "") -> str:
    """Return in one line what wandb does not accept, without a key."""
    from pydantic import ValidationError  # wandb's settings are made of it

    details = error.errors() if isinstance(error, ValidationError) else []
    if not details:
        text = str(error)
    elif not prefix:
        text = details[0]["msg"]
    else:
        field = str(details[0]["loc"][0])
        variable = next((variable for name, variable in FIELDS.values() if name == field), prefix + field.upper())
        text = f"{variable}={os.environ.get(variable, '')}: {details[0]['msg']}"
    key = os.environ.get("WANDB_API_KEY")
    return " ".join((text.replace(key, "(key)") if key else text).split())


@contextlib.contextmanager
def _environment() -> Iterator[None]:
    """Show wandb the environment without variables that name one run, empty ones, and the mode, which `choose` reads."""
    before = {name: value for name, value in os.environ.items() if name.startswith("WANDB_")}
    try:
        for name, value in before.items():
            if name in (*OF_ONE_RUN, "WANDB_MODE") or not value.strip():
                del os.environ[name]
        yield
    finally:
        os.environ.update(before)


@functools.cache
def _give_a_log_folder() -> None:
    """Let wandb's helper process log into a temporary folder if it cannot write its own, else it logs to the console."""
    import wandb

    own = os.environ.get("WANDB_CACHE_DIR")
    try:
        if not (own or os.environ.get("XDG_CACHE_HOME") or os.environ.get("HOME")):
            raise FileNotFoundError("the helper process looks in no other place")
        logs = wandb.env.get_cache_dir() / ("wandb/logs" if own else "logs")
        logs.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=logs) as file:
            file.write(b"a full disk shows here")
    except OSError:
        _TEMPORARY.append(tempfile.TemporaryDirectory(prefix="wandb-cache-", ignore_cleanup_errors=True))
        os.environ["WANDB_CACHE_DIR"] = _TEMPORARY[0].name
