"""Become `python ARGUMENTS`, a process that the kernel kills when the launcher dies, however that dies.

    python -I -S die_with_parent.py PID-OF-THE-LAUNCHER run.py resizer=plain seed=1

Not a `preexec_fn`, which is unsafe once the launcher has threads, and no work for run.py. Elsewhere than on Linux
it only becomes the run.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # prctl(2): kept across exec; the launcher starts runs from its main thread, whose end is its own


def main() -> None:
    """Set PR_SET_PDEATHSIG, make sure that the launcher still lives, then exec the run."""
    launcher, *arguments = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(launcher):
        sys.exit("the launcher is gone")
    os.execv(sys.executable, [sys.executable, *arguments])


if __name__ == "__main__":
    main()
