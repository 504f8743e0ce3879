"""One process a run: a POSIX record lock (`lockf`) on the run's folder.

`lockf`, not `flock`: it is free at once when its holder dies, whatever child processes live on. The file stays behind, empty
locks hold nothing. On network file systems the server must support POSIX locks (NFS 4 does).
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct
import sys
from pathlib import Path

NAME = "lock"


class Busy(Exception):
    """Another process holds the run."""


class Lock:
    """The right to write a run's folder, held until `release` or the process's end.

    Raises:
        Busy: another process holds it; the message says which.
    """

    def __init__(self, folder: Path) -> None:
        self._file = (folder / NAME).open("a+")
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EAGAIN):  # a file system without locks is no busy run
                self._file.close()
                error.filename = str(folder / NAME)
                raise
            self._file.seek(0)
            holder = self._file.read().strip() or "another process"
            self._file.close()
            raise Busy(f"held by {holder}") from None
        self._file.truncate(0)
        self._file.write(f"process {os.getpid()} on {socket.gethostname()}")
        self._file.flush()

    def release(self) -> None:
        """Give the folder back."""
        self._file.close()  # POSIX: closing releases


def locked(folder: Path) -> bool:
    """Return True if a living process holds the run (never the caller's own: POSIX locks do not see their own process)."""
    try:
        file = (folder / NAME).open("r")
    except OSError:
        return False
    with file:
        if sys.platform == "linux":  # asks, and takes nothing: else a run that starts now would find its folder held, by us
            asked = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)  # struct flock, fcntl(2)
            answer = fcntl.fcntl(file, fcntl.F_GETLK, asked)
            return bool(struct.unpack("hhqqi4x", answer)[0] != fcntl.F_UNLCK)
        try:
            fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        return False
