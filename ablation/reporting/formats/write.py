"""Write a study's table as files: Markdown, CSV, LaTeX and the page. Equal tables give equal bytes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from ablation.reporting.document.document import Table
from ablation.reporting.formats.csv_files import csv_files
from ablation.reporting.formats.html import figures_of, page
from ablation.reporting.formats.latex import latex
from ablation.reporting.formats.markdown import markdown
from ablation.reporting.read import provenance, run_links
from ablation.reporting.statistics.analysis import Analysis

FILE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,40}")


def folder(out: Path, study: str) -> Path:
    """Return the folder of a study's files under `out`; if the name is not a valid file name, its digest is used."""
    return out / (study if FILE_NAME.fullmatch(study) else f"study-{hashlib.sha256(study.encode()).hexdigest()[:10]}")


def write(table: Table, folder: Path) -> list[Path]:
    """Write Markdown, CSV and LaTeX into a folder and return the files."""
    return _write({"table.md": markdown(table), **csv_files(table), "table.tex": latex(table)}, folder)


def write_page(analysis: Analysis, table: Table, runs: Path, folder: Path, source: str) -> Path:
    """Write index.html and return it.

    Args:
        analysis: for the page's plots.
        table: of the same analysis.
        runs: the runs folder, for learning curves, provenance and links.
        folder: of the study; figures of make_figures.py in it are included.
        source: where the runs were read from, one line.
    """
    details = provenance.read(runs, [row.cell.runs for row in analysis.rows])
    links = run_links.read(runs, [run["run_id"] for row in analysis.rows for run in row.cell.runs], folder)
    text = page(analysis, table, details, figures_of(folder / "figures"), source, links)
    (file,) = _write({"index.html": text}, folder)
    return file


def _write(texts: Mapping[str, str], folder: Path) -> list[Path]:
    """Write files. An empty text is not written, and an old file of its name is deleted: it is of other runs."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        if text:
            (folder / name).write_text(text, encoding="utf-8", newline="\n")
        else:
            (folder / name).unlink(missing_ok=True)
    return [folder / name for name, text in texts.items() if text]
