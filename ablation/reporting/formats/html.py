"""Write the study's page, a self-contained index.html, from the same table as the other formats.

The page loads nothing, and its content security policy allows only its own script, by hash. Equal records give equal bytes:
neither time nor machine is written.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup
from PIL import Image

from ablation.records.numbers import size
from ablation.reporting.document import plots
from ablation.reporting.document.document import Table, counts
from ablation.reporting.document.entries import Entry, Section
from ablation.reporting.document.forest_plots import factorial, forest
from ablation.reporting.document.plot_style import Plot
from ablation.reporting.document.text import typeset, typeset_cell, visible
from ablation.reporting.read.provenance import Details
from ablation.reporting.statistics.analysis import Analysis

HERE = Path(__file__).parent
HEADINGS = {"accuracy": "Accuracy", "differences": "Differences", "against": "Against", "factorial": "Factors", "cost": "Cost"}
LARGEST = 20_000_000  # most bytes of a figure in the page


@dataclass(frozen=True)
class Picture:
    """A figure of `make_figures.py`."""

    number: int
    title: str
    caption: str
    width: int  # pixels
    height: int
    uri: str  # data:image/png;base64,...


@dataclass(frozen=True)
class Pictures:
    """The figures by number, and the reason for each that cannot be shown."""

    shown: Sequence[Picture] = ()
    problems: Sequence[str] = ()


def page(analysis: Analysis, table: Table, details: Details, figures: Pictures | None = None, source: str = "") -> str:
    """Return the page.

    Args:
        analysis: for the plots.
        table: of the same analysis.
        details: of the runs, from `provenance.read` or `provenance.without`.
        figures: from `pictures`.
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
    """Return the plots by section."""
    return {
        "curves": [plots.curves(analysis, details.curves, details.words)],
        "differences": [forest(analysis, analysis.comparisons)] if analysis.comparisons else [],
        "against": [forest(analysis, analysis.against, "against")] if analysis.against else [],
        "factorial": [factorial(analysis)] if analysis.effects else [],
        "cost": [plots.cost(analysis, kind) for kind in plots.COSTS],
    }


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
    """Return an entry's text and the number to sort by; None for text, which is sorted last."""
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
    environment.finalize = lambda value: visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value
    return environment.get_template("page.html.j2")


def pictures(folder: Path) -> Pictures:
    """Read the folder of `make_figures.py`, figures.json and the images; nothing if there is no such folder."""
    try:
        entries = json.loads((folder / "figures.json").read_bytes())["figures"]
        listed = sorted(entries, key=lambda entry: int(entry["number"]))
    except FileNotFoundError:
        return Pictures()
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        return Pictures(problems=[f"figures.json: {type(error).__name__}"])
    shown: list[Picture] = []
    problems: list[str] = []
    for entry in listed:
        try:
            shown.append(_picture(folder, entry))
        except (OSError, ValueError, KeyError, TypeError) as error:
            problems.append(f"figure {int(entry['number'])}: {error.strerror if isinstance(error, OSError) else error}")
    return Pictures(shown, problems)


def _picture(folder: Path, entry: Mapping[str, Any]) -> Picture:
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
    return Picture(int(entry["number"]), str(entry["title"]), str(entry["caption"]), width, height, uri)
