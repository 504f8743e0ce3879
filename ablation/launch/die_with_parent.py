"""End a process when its launcher does, even by SIGKILL; as a script, exec `python ARGUMENTS` as such a process.

    python -I -S die_with_parent.py PID-OF-THE-LAUNCHER run.py resizer=plain seed=1

A script rather than a `preexec_fn`, which is unsafe if the launcher has threads. On other systems than Linux it only execs
the run.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # prctl(2): kept across exec; sent when the thread that started the run ends: the launcher's main thread


def die_with_parent(launcher: int) -> None:
    """Have the kernel kill this process when its launcher dies; exit if the launcher has already ended."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != launcher:
        sys.exit("the launcher is gone")


if __name__ == "__main__":
    die_with_parent(int(sys.argv[1]))
    os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
