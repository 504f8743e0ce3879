"""Scripts of the repository as they are typed: `python run.py ...` in a forked process that has its imports behind it.

A process from nothing imports for seconds, a forked one starts at once and is otherwise the same: own arguments, folder,
environment, standard files, `__main__`, signals and end. Not the same is what Python and its libraries read while they start.
So a test of what is imported, of PYTHONPATH, of a number of threads or of a signal's timing starts `sys.executable` itself.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parents[1]


class ForkServer:
    """A running tests/fork_server.py; commands are run one after the other."""

    def __init__(self) -> None:
        self._connection, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-m", "tests.fork_server", str(theirs.fileno())]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        self._process = subprocess.Popen(
            command, cwd=ROOT, env=environment, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        theirs.close()
        self._lock = threading.Lock()

    def run(self, argv: list[str], cwd: Path, environment: Mapping[str, str], timeout: float) -> tuple[int, str, str]:
        """Run a script to its end.

        Args:
            argv: the script and its arguments.
            cwd: the folder in which it starts.
            environment: all of it.
            timeout: seconds after which the script is killed.

        Returns:
            Its exit code (minus the signal that ended it), standard output and standard error.

        Raises:
            subprocess.TimeoutExpired: it was killed.
        """
        request = json.dumps({"argv": argv, "cwd": str(cwd), "environment": dict(environment)}).encode()
        with self._lock, Path(os.devnull).open() as nothing, ThreadPoolExecutor(2) as readers:
            ends = [os.pipe(), os.pipe()]
            socket.send_fds(self._connection, [request], [nothing.fileno(), *(write for _, write in ends)])
            said = [readers.submit(_read, read) for read, _ in ends]  # to their end: the last process that holds them has gone
            for _, write in ends:
                os.close(write)
            child = int(self._answer())
            try:
                code = int(self._answer(timeout))
            except TimeoutError:
                os.kill(child, signal.SIGKILL)
                self._answer()
                raise subprocess.TimeoutExpired(argv, timeout) from None
            return code, said[0].result(), said[1].result()

    def _answer(self, timeout: float | None = None) -> bytes:
        self._connection.settimeout(timeout)
        answer = self._connection.recv(100)
        assert answer, f"tests/fork_server.py ended, code {self._process.wait()}: its error stands above"
        return answer

    def close(self) -> None:
        """End the server."""
        self._connection.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10)


def _read(descriptor: int) -> str:
    with os.fdopen(descriptor) as file:
        return file.read()


@functools.cache
def server() -> ForkServer:
    """The one server of this process, started when it is first needed."""
    started = ForkServer()
    atexit.register(started.close)
    return started


def script(
    name: str, *arguments: str, cwd: Path = ROOT, environment: Mapping[str, str] | None = None, timeout: float = 300
) -> subprocess.CompletedProcess[str]:
    """Do what `python NAME ARGUMENTS` does in a folder; return its exit code and what it said.

    Args:
        name: the script, below the repository's root.
        environment: set besides the test's own environment.
    """
    argv = [str(ROOT / name), *arguments]
    own = {key: value for key, value in os.environ.items() if key != "WANDB_SERVICE"}  # W&B's helper of this process
    code, out, error = server().run(argv, cwd, {**own, **(environment or {})}, timeout)
    return subprocess.CompletedProcess(argv, code, out, error)
