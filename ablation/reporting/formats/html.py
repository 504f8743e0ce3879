"""Write the study's page, a self-contained index.html, from the same table as the other formats.

The page loads nothing, and its content security policy allows only its own script, by hash. Equal records give equal bytes:
neither time nor machine is written.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup, escape
from PIL import Image

from ablation.records.numbers import size
from ablation.reporting.document import cost_plot, curves
from ablation.reporting.document.cell_pictures import cells
from ablation.reporting.document.document import Table, counts
from ablation.reporting.document.effect_pictures import differences, effects
from ablation.reporting.document.entries import Entry, Section
from ablation.reporting.document.reported import as_reported
from ablation.reporting.document.text import MINUS, typeset, typeset_cell, visible
from ablation.reporting.read.provenance import Details
from ablation.reporting.read.run_links import Links
from ablation.reporting.statistics.analysis import Analysis, Comparison
from ablation.reporting.statistics.rows import METRICS

HERE = Path(__file__).parent
MOST_RUNS = 1000  # that the page lists; runs.csv has all
LARGEST = 20_000_000  # most bytes of a figure in the page


@dataclass(frozen=True)
class Figure:
    """A figure of `make_figures.py`."""

    number: int
    title: str
    caption: str
    width: int  # pixels
    height: int
    uri: str  # data:image/png;base64,...


@dataclass(frozen=True)
class Figures:
    """The figures by number, and the reason for each that cannot be shown."""

    shown: Sequence[Figure] = ()
    problems: Sequence[str] = ()


def page(
    analysis: Analysis,
    table: Table,
    details: Details,
    figures: Figures | None = None,
    source: str = "",
    links: Mapping[str, Links] | None = None,
) -> str:
    """Return the page.

    Args:
        analysis: for the pictures and plots.
        table: of the same analysis.
        details: of the runs, from `provenance.read` or `provenance.without`.
        figures: from `figures_of`.
        source: where the runs were read from, one line.
        links: of the runs that have any, by run id.
    """
    figures = figures or Figures()
    script = _file("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    counted = counts(analysis.outcomes)
    shown = {section.key: _section(section) for section in table.sections}
    return _template().render(
        style=Markup(_file("page.css")),
        script=Markup(script),
        policy=f"sha256-{digest}",
        table=table,
        counts=counted,
        notes=[line for line in table.lines if line != counted],
        first=cells(analysis),
        second=effects(analysis) or differences(analysis.comparisons, "against-baseline"),
        pictures={key: differences(found, f"{key}-picture") for key, found in _compared(analysis).items()},
        sections=shown,
        reported=as_reported(analysis),
        curves=[curves.accuracy(analysis, details.curves, details.words), curves.differences(analysis, details.curves)],
        costs=[cost_plot.cost(analysis, kind) for kind in cost_plot.COSTS],
        runs=_runs(analysis),
        metric=analysis.metric,
        metrics=[kind for kind in METRICS if any(row.samples[kind].n for row in analysis.rows)],
        details=details,
        figures=figures.shown,
        problems=[*details.problems, *figures.problems],
        source=source,
        links=links or {},
        study=str(analysis.study["name"]),
    )


def _compared(analysis: Analysis) -> dict[str, list[Comparison]]:
    return {"differences": analysis.comparisons, "against": analysis.against}


def _runs(analysis: Analysis) -> list[tuple[str, dict[str, Any]]]:
    """Return the runs that the page lists, each with its cell's label."""
    found = ((row.cell.label, run) for row in analysis.rows for run in row.cell.runs)
    return list(islice(found, MOST_RUNS))


def _section(section: Section) -> dict[str, Any]:
    return {
        "key": section.key,
        "title": section.title,
        "lines": section.lines,
        "header": [{"text": typeset_cell(column.name), "number": column.kind == "number"} for column in section.columns],
        "rows": [[{"text": row[0].text, "value": None}, *map(_entry, row[1:])] for row in section.rows],
    }


def _entry(entry: Entry) -> dict[str, Any]:
    """Return an entry's text and the number to sort by; None for text, which is sorted last."""
    return {"text": typeset_cell(entry.text), "value": entry.number}


@cache
def _file(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8").strip()


def _typeset(text: str) -> Markup:
    """Return escaped text in which no line ends between a number and its percent sign."""
    return Markup(re.sub(r"(?<=\d) (?=%)", "&nbsp;", escape(visible(typeset(text)))))


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["typeset"] = _typeset
    environment.filters["tick"] = lambda value: f"{value:g}".replace("-", MINUS)
    environment.finalize = lambda value: visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value
    return environment.get_template("page.html.j2")


def figures_of(folder: Path) -> Figures:
    """Read the folder of `make_figures.py`, figures.json and the images; nothing if there is no such folder."""
    try:
        entries = json.loads((folder / "figures.json").read_bytes())["figures"]
        listed = sorted(entries, key=lambda entry: int(entry["number"]))
    except FileNotFoundError:
        return Figures()
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        return Figures(problems=[f"figures.json: {type(error).__name__}"])
    shown: list[Figure] = []
    problems: list[str] = []
    for entry in listed:
        try:
            shown.append(_figure(folder, entry))
        except (OSError, ValueError, KeyError, TypeError) as error:
            problems.append(f"figure {int(entry['number'])}: {error.strerror if isinstance(error, OSError) else error}")
    return Figures(shown, problems)


def _figure(folder: Path, entry: Mapping[str, Any]) -> Figure:
    name = str(entry["file"])
    if Path(name).name != name:
        raise ValueError("its file is not in the figures' folder")
    file = folder / name
    if file.stat().st_size > LARGEST:
        raise ValueError(f"larger than {size(LARGEST)}")
    content = file.read_bytes()
    try:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as image:  # reads only the header
            width, height = image.size
    except (OSError, SyntaxError, Image.DecompressionBombError):
        raise ValueError("not a PNG") from None
    uri = f"data:image/png;base64,{base64.b64encode(content).decode()}"
    return Figure(int(entry["number"]), str(entry["title"]), str(entry["caption"]), width, height, uri)
