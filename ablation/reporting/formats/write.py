"""A study's table as files: Markdown, CSV, LaTeX and the page, from the same table.

Owns the folder and which files they are. Equal tables give equal bytes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from ablation.reporting.document.document import Table
from ablation.reporting.formats.csv_files import csv_files
from ablation.reporting.formats.html import page, pictures
from ablation.reporting.formats.latex import latex
from ablation.reporting.formats.markdown import markdown
from ablation.reporting.read import provenance
from ablation.reporting.statistics.analysis import Analysis

FILE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,40}")


def folder(out: Path, study: str) -> Path:
    """Return the folder of a study's files under `out`; a name that is no file name gives its digest."""
    return out / (study if FILE_NAME.fullmatch(study) else f"study-{hashlib.sha256(study.encode()).hexdigest()[:10]}")


def write(table: Table, folder: Path) -> list[Path]:
    """Write the table's plain files into a folder and return them."""
    return _write({"table.md": markdown(table), **csv_files(table), "table.tex": latex(table)}, folder)


def write_page(analysis: Analysis, table: Table, runs: Path, folder: Path, source: str) -> Path:
    """Write index.html and return it.

    Args:
        analysis: what the page's plots are drawn from.
        table: of the same analysis.
        runs: the runs folder: learning curves and provenance are the local records'.
        folder: of the study; the figures of make_figures.py in it are shown.
        source: where the runs were read from, one line.
    """
    details = provenance.read(runs, [row.cell.runs for row in analysis.rows])
    (file,) = _write({"index.html": page(analysis, table, details, pictures(folder / "figures"), source)}, folder)
    return file


def _write(texts: Mapping[str, str], folder: Path) -> list[Path]:
    """Write files. One that would be empty is not written, and an old one of that name removed: it is of other runs."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        if text:
            (folder / name).write_text(text, encoding="utf-8", newline="\n")
        else:
            (folder / name).unlink(missing_ok=True)
    return [folder / name for name, text in texts.items() if text]
