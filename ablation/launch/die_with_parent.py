"""Exec `python ARGUMENTS` as a process that the kernel kills when the launcher dies, even by SIGKILL.

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


def main() -> None:
    """Set PR_SET_PDEATHSIG, exit if the launcher has already ended, then exec the run."""
    launcher, *arguments = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(launcher):
        sys.exit("the launcher is gone")
    os.execv(sys.executable, [sys.executable, *arguments])


if __name__ == "__main__":
    main()
