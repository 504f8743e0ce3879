"""A forked command is the typed one: what a script can see of its process and how it may end, held against `python SCRIPT`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import script

SEEN = """
import atexit, os, signal, sys, threading
atexit.register(print, "atexit")
threading.Thread(target=lambda: (threading.main_thread().join(), print("thread"))).start()
main = sys.modules["__main__"]
print(sys.argv, os.getcwd(), os.environ["GIVEN"], sys.path[0], __name__, main.__file__, repr(sys.stdin.read()))
print(sys.stdin.isatty(), sys.stdout.isatty(), sys.stdout.encoding, sys.stdout.errors, sys.stderr.line_buffering)
print([signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD, signal.SIGPIPE)], os.getpgrp())
print(threading.active_count(), len(os.listdir("/proc/self/fd")), sorted({"torch", "wandb"} & main.__dict__.keys()))
print("to standard error", file=sys.stderr)
"""
ENDS = {
    "its last line": "",
    "an exit code": "sys.exit(75)",
    "a sentence": "sys.exit('refused: it is')",
    "nothing": "sys.exit()",
    "a signal": "sys.stdout.flush(), sys.stderr.flush(), os.kill(os.getpid(), signal.SIGKILL)",
    "at once": "sys.stdout.flush(), sys.stderr.flush(), os._exit(9)",
}


def both(file: Path, tmp_path: Path) -> list[tuple[int, str, str]]:
    """Start a script as it is typed and as it is forked."""
    given = {"GIVEN": "한글"}
    command = [sys.executable, str(file), "a b", "--c"]
    typed = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, **given}, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    forked = script(str(file), "a b", "--c", cwd=tmp_path, environment=given)
    return [(done.returncode, done.stdout, done.stderr) for done in (typed, forked)]


@pytest.mark.parametrize("end", ENDS)
def test_a_script_sees_and_ends_the_same(end: str, tmp_path: Path) -> None:
    (tmp_path / "probe.py").write_text(SEEN + ENDS[end])
    typed, forked = both(tmp_path / "probe.py", tmp_path)
    assert forked == typed


def test_an_error_is_a_traceback_and_code_1(tmp_path: Path) -> None:
    (tmp_path / "probe.py").write_text("raise KeyError('gone')")
    (code, _, typed), (forked_code, _, forked) = both(tmp_path / "probe.py", tmp_path)
    assert code == forked_code == 1
    assert forked.startswith("Traceback (most recent call last):\n") and forked.splitlines()[-1] == typed.splitlines()[-1]


def test_one_command_leaves_nothing_to_the_next(tmp_path: Path) -> None:
    (tmp_path / "leave.py").write_text(
        "import os, sys; os.environ['LEFT'] = '1'; os.chdir('/'); sys.path.append('x'); import this"
    )
    (tmp_path / "look.py").write_text("import os, sys; print('LEFT' in os.environ, 'x' in sys.path, 'this' in sys.modules)")
    script(str(tmp_path / "leave.py"), cwd=tmp_path)
    assert script(str(tmp_path / "look.py"), cwd=tmp_path).stdout == "False False False\n"


def test_a_command_that_takes_too_long_is_killed(tmp_path: Path) -> None:
    (tmp_path / "sleep.py").write_text("import time; time.sleep(600)")
    with pytest.raises(subprocess.TimeoutExpired):
        script(str(tmp_path / "sleep.py"), timeout=0.2)
    (tmp_path / "next.py").write_text("print('next')")
    assert script(str(tmp_path / "next.py")).stdout == "next\n"
