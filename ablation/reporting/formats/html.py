"""The study's page: index.html, all in one file, from the same table that every other format is written from.

Owns the order of the page. Nothing in it is fetched, nothing in it runs but its own script,
whose hash its content policy names. Equal records give equal bytes: no clock, no machine.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from ablation.reporting.document import plots
from ablation.reporting.document.document import Table, counts
from ablation.reporting.document.entries import Entry, Section
from ablation.reporting.document.forest_plots import factorial, forest
from ablation.reporting.document.plot_style import Plot
from ablation.reporting.document.text import typeset, typeset_cell
from ablation.reporting.formats.pictures import Pictures
from ablation.reporting.formats.terminal import visible
from ablation.reporting.read.provenance import Details
from ablation.reporting.statistics.analysis import Analysis

HERE = Path(__file__).parent
HEADINGS = {"accuracy": "Accuracy", "differences": "Differences", "against": "Against", "factorial": "Factors", "cost": "Cost"}


def page(analysis: Analysis, table: Table, details: Details, figures: Pictures | None = None, source: str = "") -> str:
    """Return the page.

    Args:
        analysis: what the plots are drawn from.
        table: of the same analysis.
        details: of its runs, from `details.read` or `details.without`.
        figures: from `pictures.pictures`.
        source: where the runs were read from, one line.
    """
    figures = figures or Pictures()
    script = _file("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    counted = counts(analysis.outcomes)
    return _template().render(
        style=Markup(_file("page.css")),
        script=Markup(script),
        policy=f"sha256-{digest}",
        table=table,
        counts=counted,
        verdict=typeset(table.verdict),
        notes=[line for line in table.lines if line != counted],
        sections=[_section(section) for section in table.sections],
        plots=_plots(analysis, details),
        details=details,
        figures=figures.shown,
        problems=[*details.problems, *figures.problems],
        source=source,
        study=str(analysis.study["name"]),
    )


def _plots(analysis: Analysis, details: Details) -> dict[str, list[Plot]]:
    """Return the plots by the section that they stand in."""
    found = {"curves": [plots.curves(analysis, details.curves, details.words)]}
    found["cost"] = [plots.cost(analysis, kind) for kind in plots.COSTS]
    if analysis.comparisons:
        found["differences"] = [forest(analysis, analysis.comparisons)]
    if analysis.against:
        found["against"] = [forest(analysis, analysis.against, "against")]
    if analysis.effects:
        found["factorial"] = [factorial(analysis)]
    return found


def _section(section: Section) -> dict[str, Any]:
    return {
        "key": section.key,
        "name": HEADINGS.get(section.key, section.title),
        "title": section.title,
        "lines": section.lines,
        "header": [{"text": typeset_cell(column.name), "number": column.kind == "number"} for column in section.columns],
        "rows": [[{"text": row[0].text, "value": None}, *map(_entry, row[1:])] for row in section.rows],
    }


def _entry(entry: Entry) -> dict[str, Any]:
    """Return an entry with the number that it is sorted by; None of a word, which comes last."""
    return {"text": typeset_cell(entry.text), "value": entry.number}


@cache
def _file(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8").strip()


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["typeset"] = typeset
    environment.finalize = lambda found: visible(found) if isinstance(found, str) and not isinstance(found, Markup) else found
    return environment.get_template("page.html.j2")
