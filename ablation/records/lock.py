"""At most one process per run: a POSIX record lock (`lockf`) on a file in the run's folder.

`lockf`, not `flock`: it is released as soon as its holder dies, even if child processes survive. The lock file itself is never
deleted and means nothing without the lock. On network file systems the server must support POSIX locks (NFS 4 does).
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
    """Another process holds the run's lock."""


class Lock:
    """The lock of a run's folder, held until `release` or the end of the process.

    Raises:
        Busy: another process holds it; the message says which.
    """

    def __init__(self, folder: Path) -> None:
        self._file = (folder / NAME).open("a+")
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EAGAIN):  # for example a file system without locks: the run is not busy
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
        """Release the lock."""
        self._file.close()  # closing the file releases a POSIX lock


def locked(folder: Path) -> bool:
    """Return True if another process holds the run's lock. POSIX locks of the calling process itself are not seen."""
    try:
        file = (folder / NAME).open("r")
    except OSError:
        return False
    with file:
        if sys.platform == "linux":  # only a query: taking the lock could make a run that starts now raise Busy
            query = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)  # struct flock, fcntl(2)
            answer = fcntl.fcntl(file, fcntl.F_GETLK, query)
            return bool(struct.unpack("hhqqi4x", answer)[0] != fcntl.F_UNLCK)
        try:
            fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        return False
