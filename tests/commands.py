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
    """A running tests/fork_server.py; commands are run one after the other.

    Args:
        without_torch: an empty folder for a torch that fails to import, in the server and in all that it runs.
    """

    def __init__(self, without_torch: Path | None = None) -> None:
        self._connection, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-m", "tests.fork_server", str(theirs.fileno())]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        if without_torch is not None:
            (without_torch / "torch.py").write_text("raise ImportError('torch was imported')")
            command.append("without torch")
            environment["PYTHONPATH"] = f"{without_torch}{os.pathsep}{ROOT}"
        self._process = subprocess.Popen(
            command, cwd=ROOT, env=environment, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        theirs.close()
        self._lock = threading.Lock()

    def run(
        self, argv: list[str], cwd: Path, environment: Mapping[str, str], timeout: float, files: Mapping[int, int] | None = None
    ) -> tuple[int, str, str]:
        """Run a script to its end.

        Args:
            argv: the script and its arguments.
            cwd: the folder in which it starts.
            environment: all of it.
            timeout: seconds after which the script is killed.
            files: descriptors that become its standard output (1) or error (2); closed here once it has them.

        Returns:
            Its exit code (minus the signal that ended it), standard output and standard error, empty where `files` has them.

        Raises:
            subprocess.TimeoutExpired: it was killed.
        """
        request = json.dumps({"argv": argv, "cwd": str(cwd), "environment": dict(environment)}).encode()
        with self._lock, Path(os.devnull).open() as nothing, ThreadPoolExecutor(2) as readers:
            ends = {number: os.pipe() for number in (1, 2) if number not in (files or {})}
            given = {**(files or {}), **{number: write for number, (_, write) in ends.items()}}
            socket.send_fds(self._connection, [request], [nothing.fileno(), given[1], given[2]])
            said = {number: readers.submit(_read, read) for number, (read, _) in ends.items()}  # until no process holds them
            for descriptor in set(given.values()):
                os.close(descriptor)
            child = int(self._answer())
            try:
                code = int(self._answer(timeout))
            except TimeoutError:
                os.kill(child, signal.SIGKILL)
                self._answer()
                raise subprocess.TimeoutExpired(argv, timeout) from None
            out, error = (said[number].result() if number in said else "" for number in (1, 2))
            return code, out, error

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
    name: str,
    *arguments: str,
    cwd: Path = ROOT,
    environment: Mapping[str, str] | None = None,
    timeout: float = 300,
    files: Mapping[int, int] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Do what `python NAME ARGUMENTS` does in a folder; return its exit code and what it said.

    Args:
        name: the script, below the repository's root.
        environment: set besides the test's own environment.
        timeout, files: as for `ForkServer.run`.
    """
    argv = [str(ROOT / name), *arguments]
    own = {key: value for key, value in os.environ.items() if key != "WANDB_SERVICE"}  # W&B's helper of this process
    code, out, error = server().run(argv, cwd, {**own, **(environment or {})}, timeout, files)
    return subprocess.CompletedProcess(argv, code, out, error)
