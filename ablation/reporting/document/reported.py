"""The table as the report prints it: one column a configuration, one row a number; and where its protocol is another.

Owns this view alone; every number is the analysis'.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ablation.records.numbers import percent
from ablation.reporting.document.entries import Column, Entry, Section
from ablation.reporting.document.sections import mean_text
from ablation.reporting.statistics.analysis import Analysis, Row
from ablation.reporting.statistics.cells import lacking
from ablation.reporting.statistics.config_keys import shown

WIDEST = 12  # columns that a page holds
ROWS = 3  # rows that a line names before it only counts


@dataclass(frozen=True)
class Reported:
    """A row of labels and rows of entries, each as long."""

    title: str
    labels: Sequence[str]
    rows: Sequence[tuple[str, Sequence[str]]]  # name, entries


def as_reported(analysis: Analysis) -> Reported | None:
    """Return the study's published cells, or all of a study without any, as columns; None without cells or with too many.

    The report's row stands only where its protocol is the cells'.
    """
    published = [row for row in analysis.rows if row.cell.published]
    rows = published or (analysis.rows if analysis.study.get("cells") else [])
    if not 1 < len(rows) <= WIDEST:
        return None
    metrics = [("best", "best epoch on the test set"), ("last", "last epoch")]
    lines = [(name, [_mean(row, metric) for row in rows]) for metric, name in metrics]
    if any(row.cell.report is not None for row in rows):
        numbers = ["other protocol" if row.cell.report is None else percent(row.cell.report) for row in rows]
        lines.insert(0, (f"{paper(analysis)}, best epoch", numbers))
    title = f"As {paper(analysis)} prints it" if published else "One column a cell"
    return Reported(title, [row.cell.label for row in rows], lines)


def paper(analysis: Analysis) -> str:
    """Return the name of the paper whose numbers the study's cells have under `report`."""
    return str(analysis.study.get("paper") or "the report")


def section(analysis: Analysis) -> Section | None:
    """Return the published cells as a section, a row a cell so that it fits a page; None where `as_reported` has none."""
    reported = as_reported(analysis)
    if reported is None:
        return None
    columns = [Column("cell"), *(Column(name) for name, _ in reported.rows)]
    rows = [
        [Entry(label, label), *(Entry(texts[index]) for _, texts in reported.rows)]
        for index, label in enumerate(reported.labels)
    ]
    return Section("reported", f"{paper(analysis).removeprefix('the ')} and these runs", columns, rows)


def protocol_line(analysis: Analysis) -> list[str]:
    """Say beside which rows the report's numbers cannot stand, and why."""
    published = [row.cell for row in analysis.rows if row.cell.published]
    apart = [cell for cell in published if cell.differences]
    report = {key: value for cell in apart for key, (value, _) in cell.differences.items()}
    if not report:
        return []
    ours = {key: dict.fromkeys(shown(cell.config[key]) for cell in apart if key in cell.config) for key in report}
    different = ", ".join(f"{key} {shown(value)} (here {' or '.join(ours[key])})" for key, value in report.items())
    labels = [cell.label for cell in apart]
    named = ", ".join(labels) if len(labels) <= ROWS else f"{len(labels)} of {len(published)} rows"
    return [f"{paper(analysis)} used another protocol{f' than {named}' if len(apart) < len(published) else ''}: {different}"]


def _mean(row: Row, metric: str) -> str:
    return mean_text(row, metric) if row.samples[metric].n else lacking(row.cell) or f"no {metric}"
