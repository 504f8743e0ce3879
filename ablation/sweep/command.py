"""Run a command: print one line per error and the runs that did not finish, and return the exit code.

Exit codes: 0 every run is done or diverged, 1 failed or refused, 75 preempted or run elsewhere (EX_TEMPFAIL), 130 interrupted.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from ablation.records.outcome import FINISHED, changed
from ablation.sweep import commits, console, exit_reason, frozen, overrides, own_parts, security
from ablation.sweep.modes import OtherMode
from ablation.sweep.planned_run import PLANNED, Planned
from ablation.sweep.refusal import NotStarted, Refused, one_line
from ablation.sweep.signals import LeftInQueue, Preempted, StoppedAtOnce, at_once, finish, listen


def run_command(main: Callable[..., None], trial: Callable[[Planned], Any]) -> int:
    """Run Hydra's `main` on the command line and return the exit code.

    HYDRA_FULL_ERROR=1, set by the user, still shows the traceback.

    Args:
        main: the function that `hydra.main` decorates.
        trial: tries one run, for `check=true`.
    """
    _flags(sys.argv)
    console.protect()
    sys.argv[1:] = map(commits.quoted, sys.argv[1:])
    full = os.environ.setdefault("ABLATION_TRACEBACK", os.environ.get("HYDRA_FULL_ERROR", "0")) == "1"
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises instead of printing its own report
    listen()  # until the process ends: a signal between two runs stops the command, too
    code = 0
    try:
        security.check_command(sys.argv[1:])
        security.check_secrets((), sys.argv[1:])
        own_parts.trust(sys.argv[1:])
        sys.argv[1:] = overrides.prepare(sys.argv[1:])
        own_parts.check_folders(sys.argv[1:])
        with contextlib.nullcontext() if full else contextlib.redirect_stderr(_WithoutHydraErrors(sys.stderr)):
            code = _train_or_other_mode(main, trial)
    except StoppedAtOnce as stop:
        print("asked to stop before anything was trained", file=sys.stderr)
        exit_reason.write("preempted", "asked to stop before it began")
        return int(stop.code or 0)
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


def _train_or_other_mode(main: Callable[..., None], trial: Callable[[Planned], Any]) -> int:
    mode = None
    try:
        if reference := os.environ.pop(frozen.VARIABLE, None):
            _train_planned(main, reference)
        else:
            main()
    except OtherMode as other:
        mode = other  # run below: an error there must not have this exception as its context
    if mode is None:
        return 0
    with at_once() if mode.mode == "plan" else contextlib.nullcontext():
        return mode.run(trial)


def _train_planned(main: Callable[..., None], reference: str) -> None:
    """Train one run of a sweep that another process has planned; conf/ is not read."""
    logging.basicConfig(format="%(message)s", level=logging.INFO, stream=sys.stdout)
    PLANNED[:] = [frozen.read(reference)]
    os.environ.update(PLANNED[0].environment)
    main(PLANNED[0])


@contextmanager
def report_errors() -> Iterator[None]:
    """Print an error of a run at once: Hydra raises only the first error of a sweep, after the last run."""
    try:
        yield
    except Exception as error:
        _print_error(error)
        raise


def _print_error(error: Exception) -> None:
    """Print one line about an error that was not printed yet; a run's record prints the errors of its run."""
    if getattr(error, "printed", False) or isinstance(error, Preempted):
        return
    refused = isinstance(error, HydraException | OmegaConfBaseException | Refused)
    word, reason = "refused" if refused else "failed", one_line(error, sys.argv[1:])
    print(f"{word}: {reason}", file=sys.stderr)
    exit_reason.write(word, reason)
    error.printed = True  # type: ignore[attr-defined]


class _WithoutHydraErrors(io.TextIOBase):
    """Standard error without Hydra's `Error executing job with overrides`: the run's record has printed the error."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return len(text) if text.startswith("Error executing job with overrides:") else self._stream.write(text)

    def flush(self) -> None:
        self._stream.flush()

    def isatty(self) -> bool:
        return self._stream.isatty()


def _flags(argv: list[str]) -> None:
    """Move -m to the front, because Hydra's parser accepts it only before the overrides; -v becomes Hydra's own override."""
    argv[1:] = ["hydra.verbose=ablation" if word in ("-v", "--verbose") else word for word in argv[1:]]
    for flag in ("-m", "--multirun"):
        if flag in argv[2:]:
            argv.remove(flag)
            argv.insert(1, flag)


def _exit_code(code: int) -> int:
    """Print the planned runs without a result; return the exit code, which depends on the runs that this command started."""
    unfinished = {run: state for run in PLANNED if (state := run.state) not in FINISHED}
    if unfinished:
        print(f"{len(unfinished)} of {len(PLANNED)} runs not finished; rerun this command to continue:", file=sys.stderr)
        for run, state in unfinished.items():
            print(f"  {state:11} {run.run_id}", file=sys.stderr)
    started = [run for run in unfinished if changed(run.folder) != run.earlier_change]  # not by an earlier command
    ended = {unfinished[run] for run in started}
    for word, its_code in {"interrupted": 130, "preempted": 75, "failed": 1}.items():
        if word in ended or code == 130 == its_code:
            return its_code
    if code or not unfinished:
        return code
    return 75 if set(unfinished.values()) == {"running"} else 1  # by other processes: the same command finishes them later
