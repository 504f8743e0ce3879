"""The table as documents: index.html and table.tex, from the same table as every other format.

Owns which files they are and what they are made from.
"""

from __future__ import annotations

from pathlib import Path

from ablation.reporting.document.document import Table
from ablation.reporting.formats.html import page
from ablation.reporting.formats.latex import latex
from ablation.reporting.formats.pictures import pictures
from ablation.reporting.read import provenance
from ablation.reporting.statistics.analysis import Analysis


def write(analysis: Analysis, table: Table, runs: Path, folder: Path, source: str) -> list[Path]:
    """Write index.html and table.tex into an existing folder and return them.

    Args:
        analysis: what the page's plots are drawn from.
        table: of the same analysis.
        runs: the runs folder: learning curves and provenance are the local records'.
        folder: of the study; the figures of make_figures.py in it are shown.
        source: where the runs were read from, one line.
    """
    texts = {
        "index.html": page(analysis, table, provenance.read(runs, analysis), pictures(folder / "figures"), source),
        "table.tex": latex(table),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    return [folder / name for name in texts]
