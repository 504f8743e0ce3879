"""What stands behind the tracker: wandb's helper process, held to a time limit, and the machine's W&B key.

Owns no run. Imports wandb when it is asked, never before.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from ablation.records.numbers import duration

T = TypeVar("T")
GRACE = 5.0  # seconds beyond wandb's own limits, for the helper process that no longer answers

log = logging.getLogger(__name__)


def choose(mode: str) -> tuple[str, str]:
    """Return the mode that `mode` stands for, and why."""
    if mode != "auto":
        return mode, f"tracker.mode={mode}"
    asked = {"dryrun": "offline"}.get(os.environ.get("WANDB_MODE", ""), os.environ.get("WANDB_MODE", ""))
    if asked in ("online", "offline", "disabled"):
        return asked, f"WANDB_MODE={asked}"
    if has_key():
        return "online", "a key is there"
    return "offline", "no key: wandb login, or tracker.mode=disabled for none"


def has_key() -> bool:
    """Return True if this machine has a W&B key: in the environment, in wandb's settings or in netrc. Asks no server."""
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    try:
        import wandb
        from wandb.sdk.lib.wbauth import read_netrc_auth  # not netrc itself: the server has more than one name

        settings = wandb.setup(settings=wandb.Settings(silent=True)).settings
        return bool(settings.api_key or read_netrc_auth(host=settings.base_url))
    except Exception:  # settings or a file that wandb refuses: no key that would serve
        return False


def bounded(call: Callable[[], T], seconds: float) -> T:
    """Return what `call` returns, or raise what it raises.

    A daemon thread, since neither training nor the process's end may wait for one that hangs.

    Raises:
        TimeoutError: it takes longer.
    """
    result: list[T] = []
    errors: list[Exception] = []

    def run() -> None:
        try:
            result.append(call())
        except Exception as error:
            errors.append(error)
        except SystemExit as error:  # wandb.teardown, if its helper process was killed
            errors.append(RuntimeError(f"exit code {error.code}"))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not result:
        raise TimeoutError(f"no answer in {duration(seconds)}")
    return result[0]


def stop() -> None:
    """Stop wandb's helper process: the next run starts a fresh one, and nothing waits for this one when the process ends."""
    try:
        import wandb

        bounded(lambda: wandb.teardown(exit_code=1), GRACE)
    except TimeoutError:
        with contextlib.suppress(OSError):  # gone meanwhile
            for pid in helpers():
                os.kill(pid, signal.SIGKILL)
    except Exception:
        log.debug("wandb.teardown", exc_info=True)  # it was dead already


def helpers() -> list[int]:
    """Return the process ids of this process's own wandb-core children, the newest last (Linux; elsewhere none are found)."""
    children = [int(pid) for file in Path("/proc/self/task").glob("*/children") for pid in file.read_text().split()]
    return sorted((pid for pid in children if _is_alive(pid)), key=_started)


def _is_alive(pid: int) -> bool:
    """Return True if a child is a wandb-core that has not ended: a killed one stays listed until somebody waits for it."""
    return Path(f"/proc/{pid}/comm").read_text().strip() == "wandb-core" and _stat(pid)[0] != "Z"


def _started(pid: int) -> int:
    return int(_stat(pid)[19])  # in ticks since the machine started: the threads that began them are in no order


def _stat(pid: int) -> list[str]:
    """Return what follows the name in /proc/PID/stat, from the state on."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
