"""One run in its own process: start it, send it signals, and read how it ended.

Has the process and its log; queue.py decides when to start and stop it.
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

from ablation.launch.forked import Forked
from ablation.records import outcome
from ablation.records.numbers import duration
from ablation.records.outcome import FINISHED, accuracies, changed, clock_seconds
from ablation.sweep import exit_reason, frozen
from ablation.sweep.devices import Slot
from ablation.sweep.planned_run import Planned

DIE_WITH_PARENT = Path(__file__).with_name("die_with_parent.py")
SWEEP_OVERRIDES = re.compile(
    r"[+~]*hydra[./](mode|launcher|sweeper|sweep)\b"
)  # Hydra overrides that a single run does not take
RUN_EXIT_CODES = {0: "skipped", 1: "failed", 75: "preempted", 130: "interrupted"}  # of run.py, used if there is no record


def arguments(typed: Sequence[str], hydra_overrides: Sequence[str], overrides: Sequence[str]) -> list[str]:
    """Return what a user would type after `python run.py` for one run of a sweep.

    Args:
        typed: the sweep's arguments, sys.argv[1:]; --config-path, --config-name and --config-dir are passed on.
        hydra_overrides: the sweep's overrides of Hydra's own node.
        overrides: of the run.
    """
    parsed = vars(get_args_parser().parse_known_args(typed)[0])
    flags = [
        f"--{name}={parsed[key]}"
        for key in ("config_path", "config_name", "config_dir")
        if parsed[key] and (name := key.replace("_", "-"))
    ]
    return [*flags, *(override for override in hydra_overrides if not SWEEP_OVERRIDES.match(override)), *overrides]


@dataclass(frozen=True)
class Ending:
    """How a run's process ended: one word, a sentence for the user, and whether the process was killed or crashed."""

    word: str
    sentence: str
    crashed: bool = False

    @property
    def good(self) -> bool:
        """The run has a result, or another process is running it."""
        return self.word in (*FINISHED, "skipped")


class Child:
    """A run's process, in its own session, so that Ctrl-C in the terminal does not reach it.

    Args:
        run: the planned run.
        slot: the device on which it runs.
        log: in the sweep's folder, which has the run's configuration; the console output of the process is appended to it.
        script: run.py.
        script_arguments: of the script.
        by_forking: fork this process, which has imported what the run needs, instead of starting a new interpreter.

    Raises:
        OSError: the log cannot be written, or the process cannot be started.
    """

    def __init__(
        self, run: Planned, slot: Slot, log: Path, script: str, script_arguments: Sequence[str], by_forking: bool = False
    ) -> None:
        self.run, self.slot, self.log = run, slot, log
        self._earlier_change = changed(run.folder)
        self._reason_file = log.with_name(f"{run.folder.name}.exit.json")
        self._reason_file.unlink(missing_ok=True)
        variables = {
            "PYTHONUNBUFFERED": "1",
            "PYTHONFAULTHANDLER": "1",
            exit_reason.VARIABLE: str(self._reason_file.absolute()),
            **frozen.reference(log.parent, run),
        }
        environment = {**os.environ, **variables, **slot.environment}
        command = [sys.executable, "-I", "-S", str(DIE_WITH_PARENT), str(os.getpid()), script, *script_arguments]
        with log.open("ab") as console:
            typed = shlex.join(["python", script, *script_arguments])
            shown = " ".join(f"{key}={value}" for key, value in sorted(slot.environment.items(), reverse=True))
            console.write(f"$ {shown} {typed}\n".encode())
            console.flush()
            self._process: Forked | subprocess.Popen[bytes]
            if by_forking:
                self._process = Forked([script, *script_arguments], environment, console.fileno())
            else:
                self._process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=console, stderr=console, env=environment, start_new_session=True
                )

    def running(self) -> bool:
        """Return True if the process has not ended yet."""
        return self._process.poll() is None

    def tell(self, number: int, group: bool = False) -> None:
        """Send a signal to the process, or with `group` also to the processes that it started."""
        with contextlib.suppress(ProcessLookupError):
            if group:
                os.killpg(self._process.pid, number)
            elif self.running():
                self._process.send_signal(number)

    def wait(self) -> None:
        """Wait until the process has ended."""
        self._process.wait()

    def ending(self) -> Ending:
        """Return how the process ended: from its record if it wrote one, else from its exit code and its reason file."""
        code, reason, record = self._process.wait(), exit_reason.take(self._reason_file), self._record()
        word = record.get("outcome", "running")
        if word == "done":
            return Ending(word, f"done: {accuracies(record)}, {record['epochs']} epochs in {duration(clock_seconds(record))}")
        if word in ("interrupted", "preempted"):
            return Ending(word, f"{word}, resumes after epoch {record['epochs']}")
        if word != "running":
            message = ((record.get("error") or {}).get("message") or "").splitlines()
            return Ending(word, f"{word}: {message[0] if message else 'no reason given'}")
        if code not in RUN_EXIT_CODES:
            signal_name = {-known: known.name for known in signal.Signals}.get(code, f"signal {-code}")
            sentence = f"killed by {signal_name}" if code < 0 else f"ended with exit code {code}, no reason given"
            return Ending("killed", sentence, crashed=True)
        word, why = reason or (RUN_EXIT_CODES[code], f"exit code {code}, no reason given")
        return Ending(word, f"{why}, skipped" if word == "skipped" else f"{word}: {why}")

    def _record(self) -> dict[str, Any]:
        """Return the run's record if it was written since this process started, else an empty one."""
        if changed(self.run.folder) == self._earlier_change:
            return {}
        with contextlib.suppress(ValueError, OSError):
            return outcome.read(self.run.folder) or {}
        return {}
