"""One run in a process of its own: how it is started, told to stop, and what became of it.

Owns the process and its log. Decides nothing: _queue.py does.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra._internal.utils import get_args_parser

from ablation.records import outcome
from ablation.records.numbers import duration
from ablation.records.outcome import FINISHED, accuracies, changed
from ablation.sweep import exit_reason
from ablation.sweep.devices import Slot
from ablation.sweep.planned_run import Planned

DIE_WITH_PARENT = Path(__file__).with_name("die_with_parent.py")
LAUNCHERS_OWN = re.compile(
    r"[+~]*hydra[./](mode|launcher|sweeper|sweep)\b"
)  # of Hydra's overrides: they say nothing to one run
RUN_EXIT_CODES = {0: "skipped", 1: "failed", 75: "preempted", 130: "interrupted"}  # run.py's, where no record says more


def arguments(typed: Sequence[str], hydra_overrides: Sequence[str], overrides: Sequence[str]) -> list[str]:
    """Return what a user would type after `python run.py` for one run of a sweep.

    Args:
        typed: the sweep's arguments, sys.argv[1:]; of them the run needs --config-path, --config-name and --config-dir.
        hydra_overrides: the sweep's overrides of Hydra's own node.
        overrides: the run's.
    """
    given = vars(get_args_parser().parse_known_args(typed)[0])
    flags = [
        f"--{name}={given[key]}"
        for key in ("config_path", "config_name", "config_dir")
        if given[key] and (name := key.replace("_", "-"))
    ]
    return [*flags, *(override for override in hydra_overrides if not LAUNCHERS_OWN.match(override)), *overrides]


@dataclass(frozen=True)
class Ending:
    """How a run's process ended: a word, a sentence for the user, and whether it had no chance to say it itself."""

    word: str
    sentence: str
    crashed: bool = False

    @property
    def good(self) -> bool:
        """There is a result, or another process is at it."""
        return self.word in (*FINISHED, "skipped")


class Child:
    """A run's process, in a session of its own: the terminal's Ctrl-C does not reach it.

    Args:
        run: as planned.
        slot: where it may run.
        log: takes its console; appended to.
        script: run.py.
        given: the arguments of the script.

    Raises:
        OSError: the log cannot be written, or no process started.
    """

    def __init__(self, run: Planned, slot: Slot, log: Path, script: str, given: Sequence[str]) -> None:
        self.run, self.slot, self.log = run, slot, log
        self._found = changed(run.folder)
        self._reason = log.with_name(f"{run.folder.name}.exit.json")
        self._reason.unlink(missing_ok=True)
        own = {"PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1", exit_reason.VARIABLE: str(self._reason.absolute())}
        environment = {**os.environ, **own, **slot.environment}
        command = [sys.executable, "-I", "-S", str(DIE_WITH_PARENT), str(os.getpid()), script, *given]
        with log.open("ab") as console:
            typed = shlex.join(["python", script, *given])
            shown = " ".join(f"{key}={value}" for key, value in sorted(slot.environment.items(), reverse=True))
            console.write(f"$ {shown} {typed}\n".encode())
            console.flush()
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=console, stderr=console, env=environment, start_new_session=True
            )

    def running(self) -> bool:
        """Return True if the process has not ended yet."""
        return self._process.poll() is None

    def tell(self, number: int, group: bool = False) -> None:
        """Send the process a signal, or the whole group: what it started, too."""
        with contextlib.suppress(ProcessLookupError):
            if group:
                os.killpg(self._process.pid, number)
            elif self.running():
                self._process.send_signal(number)

    def wait(self) -> None:
        """Wait for the process's end."""
        self._process.wait()

    def ending(self) -> Ending:
        """Return how it ended: by its record if it wrote one, else by its exit code and the reason that it left."""
        code, reason, record = self._process.returncode, exit_reason.take(self._reason), self._record()
        word = record.get("outcome", "running")
        if word == "done":
            return Ending(word, f"done: {accuracies(record)}, {record['epochs']} epochs in {duration(record['seconds'])}")
        if word in ("interrupted", "preempted"):
            return Ending(word, f"{word}, goes on after epoch {record['epochs']}")
        if word != "running":
            message = ((record.get("error") or {}).get("message") or "").splitlines()
            return Ending(word, f"{word}: {message[0] if message else 'no reason given'}")
        if code not in RUN_EXIT_CODES:
            killer = {-known: known.name for known in signal.Signals}.get(code, f"signal {-code}")
            how = f"killed by {killer}" if code < 0 else f"ended with exit code {code} and no word"
            return Ending("killed", how, crashed=True)
        word, why = reason or (RUN_EXIT_CODES[code], f"exit code {code}, no reason given")
        return Ending(word, f"{why}, skipped" if word == "skipped" else f"{word}: {why}")

    def _record(self) -> dict[str, Any]:
        """Return the run's record if it was written since this process began."""
        if changed(self.run.folder) == self._found:
            return {}
        with contextlib.suppress(ValueError, OSError):
            return outcome.read(self.run.folder) or {}
        return {}
