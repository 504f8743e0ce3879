"""Standard output and error that cannot end a run: a closed pipe, a full disk, a terminal that is gone, closed descriptors.

The record of a run has everything that is printed, so what cannot be printed is dropped.
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TextIO


def protect() -> None:
    """Replace standard output and error by streams that never raise; open the standard descriptors that are closed."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number: no record is opened under it, to be printed into
    for number, name in ((1, "stdout"), (2, "stderr")):
        stream = getattr(sys, name)
        if stream is None:
            stream = open(number, "w", closefd=False)  # noqa: SIM115
        if isinstance(stream, io.TextIOWrapper):
            with contextlib.suppress(OSError, ValueError):  # a descriptor that was replaced by another kind of file
                stream.reconfigure(errors="backslashreplace")  # a class name that the terminal's encoding lacks
        if not isinstance(stream, _Dropping):
            setattr(sys, name, _Dropping(stream))


def command(main: Callable[[Sequence[str] | None], int]) -> Callable[..., int]:
    """Protect a command's output, as `make_table.py | head`; not where its `main` is called with arguments by other code."""

    @functools.wraps(main)
    def protected(arguments: Sequence[str] | None = None) -> int:
        if arguments is None:
            protect()
        return main(arguments)

    return protected


class _Dropping(io.TextIOBase):
    """A text stream whose content is dropped from the first error on.

    Args:
        stream: of a descriptor, which is then pointed at the null device: libraries and child processes write there, too.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except (OSError, ValueError):
            return self._drop(text)

    def writelines(self, lines: Iterable[str]) -> None:  # type: ignore[override]
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except (OSError, ValueError):
            self._drop("")

    def _drop(self, text: str) -> int:
        with contextlib.suppress(OSError, ValueError):
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self._stream.fileno())
            os.close(null)
            self._stream.flush()  # what was waiting in the buffer
        return len(text)

    def fileno(self) -> int:
        return self._stream.fileno()

    def isatty(self) -> bool:
        return self._stream.isatty()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._stream.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        return self._stream.errors

    @property
    def buffer(self) -> object:
        """The stream of bytes below."""
        return self._stream.buffer
