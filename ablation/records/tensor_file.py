"""Files of tensors with the digest of their content in the name, written atomically and read without executing code.

A `.pt` file has no usable checksum, and a separate checksum file could be separated from it, so the digest is in the name: 64
bits of sha256, which a damaged file matches with a probability of 2**-64. torch's own crc32 is turned off: it detects less,
and took 40 % of the CPU time of a save.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import torch

from ablation.records.files import sync_folder


class _Hashing:
    """A file that computes sha256 of the bytes written to it, without a second pass or a copy in memory."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.sha256 = file, hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.sha256.update(data)
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()


@contextmanager
def _no_crc32() -> Iterator[None]:
    """Turn off torch.save's crc32 inside the block."""
    before = torch.serialization.get_crc32_options()
    torch.serialization.set_crc32_options(False)
    try:
        yield
    finally:
        torch.serialization.set_crc32_options(before)


def write(folder: Path, name: str, content: dict[str, Any]) -> None:
    """Write tensors and plain values as `name.<digest>.pt`; on any error the temporary file is deleted.

    Raises:
        OSError: it cannot be written; the message has the bytes written and the bytes free.
    """
    temporary = folder / f".tmp.{name.partition('-')[0]}.{os.getpid()}"
    try:
        with temporary.open("wb") as file:
            hashing = _Hashing(file)
            with _no_crc32():
                torch.save(content, hashing)  # type: ignore[arg-type]  # torch only writes
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(folder / f"{name}.{hashing.sha256.hexdigest()[:16]}.pt")
    except (OSError, RuntimeError) as error:  # torch.save wraps the file's error
        written = temporary.stat().st_size if temporary.exists() else 0
        temporary.unlink(missing_ok=True)
        free = shutil.disk_usage(folder).free
        reason = (str(error.__context__ or error).splitlines() or [""])[0]
        raise OSError(
            f"{folder}: the checkpoint of epoch {content['epoch']} cannot be written ({reason}) after {written:,} bytes,"
            f" {free:,} free; the one before is intact: make room and run the same command again"
        ) from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(folder)


def read(file: Path) -> dict[str, Any]:
    """Return a file's tensors and plain values; code in the file is not executed.

    Raises:
        ValueError: it contains anything else. It replaces torch's own message, which advises weights_only=False.
    """
    try:
        content: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(f"{file}: no file of weights: more in it than tensors and plain values") from error
    return content


def file_digest(file: Path) -> str:
    """Return the first 16 hex digits of a file's sha256."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()[:16]
