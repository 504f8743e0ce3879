"""A command's end: one line for what went wrong, the runs that did not finish, and the exit code.

Exit codes: 0 done or diverged, 1 failed or refused, 75 preempted (EX_TEMPFAIL), 130 interrupted.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from ablation.records.outcome import FINISHED, changed
from ablation.sweep import exit_reason, security
from ablation.sweep.modes import OtherMode
from ablation.sweep.planned_run import PLANNED, Planned
from ablation.sweep.refusal import NotStarted, Refused, one_line
from ablation.sweep.signals import LeftInQueue, Preempted, finish, listen


def run_command(main: Callable[[], None], trial: Callable[[Planned], Any]) -> int:
    """Run Hydra's `main` on the command line and return the exit code.

    HYDRA_FULL_ERROR=1, typed by the user, still shows the traceback.

    Args:
        main: Hydra's.
        trial: of one run, for `check=true`.
    """
    _multirun_first(sys.argv)
    full = os.environ.setdefault("ABLATION_TRACEBACK", os.environ.get("HYDRA_FULL_ERROR", "0")) == "1"
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises instead of printing a report of its own
    listen()  # to the process's end: between two runs, too, a signal means "stop", not "die"
    code = 0
    try:
        security.check_command(sys.argv[1:])
        security.check_secrets((), sys.argv[1:])
        with contextlib.nullcontext() if full else contextlib.redirect_stderr(_WithoutHydrasLine(sys.stderr)):
            code = _train_or_other_mode(main, trial)
    except LeftInQueue as left:
        return left.code
    except NotStarted as error:
        _print_error(error)
        return 1
    except KeyboardInterrupt:
        exit_reason.write("interrupted", "asked to stop before it began")
        code = 130
    except Preempted as error:
        exit_reason.write("preempted", str(error))
        code = 75
    except Exception as error:
        if full:
            raise
        _print_error(error)
        code = 1
    code = _exit_code(code)
    finish()
    return code


def _train_or_other_mode(main: Callable[[], None], trial: Callable[[Planned], Any]) -> int:
    other = None
    try:
        main()
    except OtherMode as mode:
        other = mode  # run below: an error there must not be reported as this one's
    return other.run(trial) if other else 0


@contextmanager
def report_errors() -> Iterator[None]:
    """Print at once why a run cannot be trained: of a sweep's errors Hydra raises only the first, after the last run."""
    try:
        yield
    except Exception as error:
        _print_error(error)
        raise


def _print_error(error: Exception) -> None:
    """Print one line about an error that was not printed yet; a run's record prints its own."""
    if getattr(error, "printed", False) or isinstance(error, Preempted):
        return
    refused = isinstance(error, HydraException | OmegaConfBaseException | Refused)
    word, reason = "refused" if refused else "failed", one_line(error, sys.argv[1:])
    print(f"{word}: {reason}", file=sys.stderr)
    exit_reason.write(word, reason)
    error.printed = True  # type: ignore[attr-defined]


class _WithoutHydrasLine(io.TextIOBase):
    """Standard error without Hydra's `Error executing job with overrides`: the run's record has said what failed, and why."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return len(text) if text.startswith("Error executing job with overrides:") else self._stream.write(text)

    def flush(self) -> None:
        self._stream.flush()

    def isatty(self) -> bool:
        return self._stream.isatty()


def _multirun_first(argv: list[str]) -> None:
    """Hydra's parser knows -m only in front of the overrides: let it stand anywhere."""
    for flag in ("-m", "--multirun"):
        if flag in argv[2:]:
            argv.remove(flag)
            argv.insert(1, flag)


def _exit_code(code: int) -> int:
    """Print the planned runs without a result; return the exit code, by how those ended that this command began."""
    unfinished = {run: state for run in PLANNED if (state := run.state) not in FINISHED}
    if unfinished:
        print(f"{len(unfinished)} of {len(PLANNED)} runs not finished; the same command goes on:", file=sys.stderr)
        for run, state in unfinished.items():
            print(f"  {state:11} {run.run_id}", file=sys.stderr)
    ended = {state for run, state in unfinished.items() if changed(run.folder) != run.found}  # not by an earlier command
    return 130 if code == 130 or "interrupted" in ended else 75 if "preempted" in ended else 1 if "failed" in ended else code
