"""A peer in a process of its own, with an environment of its own, that takes its turn when it is told to.

Both ends of a pipe: a line in is one turn, a line out is its images a second. Imports nothing that has to be installed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).parents[2]
END = ""  # an empty line, or the end of the pipe


class Peer:
    """The end that asks.

    Args:
        python: of the peers' environment.
        script: in this folder, without .py.
        options: of its command line, see `parser`.

    Raises:
        RuntimeError: it ended; what it said stands on standard error.
    """

    def __init__(self, python: str, script: str, options: Mapping[str, object]) -> None:
        self.script = script
        words = [word for key, value in options.items() for word in (f"--{key}", str(value))]
        command = [python, "-m", f"benchmarks.peers.{script}", *words]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        self.about = str(json.loads(self._answer()))

    def _answer(self) -> str:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise RuntimeError(f"--peers: {self.script} ended with exit code {self._process.wait()}; its own words stand above")
        return line

    def turn(self) -> float:
        """Let it take one turn; return images a second."""
        assert self._process.stdin is not None
        self._process.stdin.write("turn\n")
        self._process.stdin.flush()
        return float(json.loads(self._answer()))

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it may have ended before
            self._process.stdin.write(f"{END}\n")  # closing is not enough: workers forked since hold the pipe open too
            self._process.stdin.close()
        self._process.wait()


def parser(doc: str | None) -> argparse.ArgumentParser:
    """Return the command line of a peer."""
    result = argparse.ArgumentParser(description=doc)
    result.add_argument("--resizer", choices=("none", "bilinear", "plain", "cbam"), default="none")
    result.add_argument("--aug", choices=("base", "cutmix"), default="base")
    result.add_argument("--precision", choices=("fp32", "bf16"), default="bf16")
    result.add_argument("--device", default="cpu")
    for name, default in (("batch", 16), ("steps", 2), ("workers", 2), ("threads", 0)):
        result.add_argument(f"--{name}", type=int, default=default)
    return result


def serve(package: str, turns: Iterator[float]) -> None:
    """Answer every line on standard input with one turn; what the peer itself prints goes to standard error."""
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)
        print(json.dumps(f"{package} {version(package)}, torch {version('torch')}"), file=answers, flush=True)
        for _ in iter(lambda: sys.stdin.readline().strip(), END):
            print(json.dumps(next(turns)), file=answers, flush=True)
