"""A run's process as a fork of the launcher, which has imported what a run needs; a new interpreter imports for seconds.

Linux only: on other systems forking without exec is not safe. The launcher must have one thread and CUDA uninitialised.
"""

from __future__ import annotations

import atexit
import faulthandler
import gc
import logging
import os
import runpy
import signal
import sys
import threading
import traceback
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from hydra.core.global_hydra import GlobalHydra

from ablation.launch.die_with_parent import die_with_parent
from ablation.sweep import signals

STOPS = (signal.SIGINT, *signals.STOPS, signal.SIGUSR2)


def possible() -> bool:
    """Return True if a fork of this process can run anything: no lock of another thread stays held in it for ever."""
    return sys.platform == "linux" and threading.active_count() == 1


def true_in_a_fork(question: Callable[[], bool]) -> bool:
    """Return the answer of a fork of this process to a question, False if it cannot answer."""
    process = os.fork()
    if process == 0:
        code = 1
        try:
            code = int(not question())
        finally:
            os._exit(code)  # whatever the question raises: a second launcher must not go on from here
    return os.waitpid(process, 0)[1] == 0


class Forked:
    """A process that runs a script as `python SCRIPT ARGUMENTS` would; its methods are those of subprocess.Popen.

    Args:
        argv: the script and its arguments.
        environment: all of it. What is read when the interpreter or a library starts is as in this process.
        console: descriptor of the file that becomes standard output and error.

    Raises:
        OSError: the process cannot be started.
    """

    def __init__(self, argv: Sequence[str], environment: Mapping[str, str], console: int) -> None:
        self.returncode: int | None = None
        sys.stdout.flush(), sys.stderr.flush()
        launcher = os.getpid()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)  # until the child has handlers of its own
        try:
            ready, child = os.pipe()
            self.pid = os.fork()
            if self.pid == 0:
                os.close(ready)
                _live(argv, environment, console, launcher, child)
            os.close(child)
            os.read(ready, 1)  # it is in a session of its own now, or has ended
            os.close(ready)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def poll(self) -> int | None:
        """Return the exit code, minus the signal that ended the process, or None while it runs."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.returncode = os.waitstatus_to_exitcode(status) if pid else None
        return self.returncode

    def wait(self) -> int:
        """Wait for the end; return the exit code."""
        if self.returncode is None:
            self.returncode = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the process has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)


def _live(argv: Sequence[str], environment: Mapping[str, str], console: int, launcher: int, ready: int) -> NoReturn:
    """Become the run's process."""
    code: object = 1
    try:
        gc.freeze()  # else the first collection copies the launcher's memory
        os.setsid()
        die_with_parent(launcher)
        _take_over(argv, environment, console)
        os.write(ready, b"1")
        os.close(ready)
        code = run_script(argv[0])
    finally:
        os._exit(code if isinstance(code, int) else 1)


def _take_over(argv: Sequence[str], environment: Mapping[str, str], console: int) -> None:
    """Set standard files, environment, arguments and signal handlers as those of a new process."""
    with Path(os.devnull).open() as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(console, 1), os.dup2(console, 2)
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout = os.fdopen(1, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)
    faulthandler.enable(2)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = list(argv)
    _leave_to_launcher()
    GlobalHydra.instance().clear()
    logging.getLogger().handlers.clear()  # they write to the launcher's console
    signal.set_wakeup_fd(-1)
    for number in STOPS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # it stays ignored, as after exec
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)


def _leave_to_launcher() -> None:
    """Forget what the launcher does when it ends: its temporary folders and its W&B helper are its own, and others use them."""
    atexit._clear()
    for finalizer in list(weakref.finalize._registry):  # type: ignore[attr-defined]
        finalizer.atexit = False
    weakref.finalize._registered_with_atexit = False  # type: ignore[attr-defined]  # the run's own are called again


def run_script(script: str) -> int:
    """Run a script as `__main__` to its end and return the exit code, as Python does, but for taking modules apart.

    That would copy the memory that a forked process shares; the caller ends with `os._exit`.
    """
    code: object = 0
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as ending:
        code = ending.code
    except BaseException:
        code = 1
        traceback.print_exc()
    if code is not None and not isinstance(code, int):
        print(code, file=sys.stderr)
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush(), sys.stderr.flush()
    return code or 0
