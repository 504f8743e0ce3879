"""The correct test images of a table's runs in one small file, so that every published number can be computed again.

Owns correct.zip: `<run id>.bits` of each run, as its record keeps it (records/correctness.py). Equal runs, equal bytes.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from pathlib import Path

from ablation.records.correctness import CorrectImages, decode, encode
from ablation.reporting.statistics.rows import Correct

NAME = "correct.zip"
BEGINNING = (1980, 1, 1, 0, 0, 0)  # of time in a zip file


def write(folder: Path, run_ids: Iterable[str], correct: Correct) -> list[Path]:
    """Write the file and return it; nothing, and an old file removed, where no run kept its correct images.

    Args:
        folder: of the study's table, which exists.
        run_ids: of the done runs.
        correct: gives a run's correct images.
    """
    file = folder / NAME
    contents = {name: encode(found) for name in sorted(run_ids) if (found := correct(name)) is not None}
    if not contents:
        file.unlink(missing_ok=True)
        return []
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in contents.items():
            archive.writestr(zipfile.ZipInfo(f"{name}.bits", BEGINNING), content)
    return [file]


def read(file: Path) -> dict[str, CorrectImages]:
    """Return the correct images by run id.

    Raises:
        ValueError: an entry is damaged; the message names it.
        zipfile.BadZipFile: the file is no archive.
    """
    with zipfile.ZipFile(file) as archive:
        return {name.removesuffix(".bits"): decode(archive.read(name), name) for name in archive.namelist()}
