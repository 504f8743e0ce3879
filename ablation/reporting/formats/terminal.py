"""Print a table in the terminal: the verdict, then grids in which no entry is wrapped. Text is not interpreted as markup.

Owns the layout: a grid that is too wide does without the columns that it can spare, then cuts names.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from rich.cells import cell_len
from rich.console import Console
from rich.style import Style
from rich.table import Table as Grid
from rich.text import Text

from ablation.reporting.document.document import Table
from ablation.reporting.document.entries import Column, Section
from ablation.reporting.document.text import visible

GAP = 2  # characters between columns
NARROWEST = 12  # characters that a name keeps
NO_BREAK = "\N{NO-BREAK SPACE}"


def show(table: Table, console: Console, cost: bool = False) -> None:
    """Print the verdict, the grid of cells, the effects, and with `cost` what each cell costs."""
    show_lines([table.title], console, "dim")
    show_lines([table.note] if table.note else [], console, "dim")
    console.print()
    show_lines([table.headline], console, "bold")
    show_lines(table.sentences, console)
    for section in table.screen:
        if cost or section.key != "cost":
            console.print()
            show_section(section, console, titled=section.key != "cells")
    console.print()
    show_lines(table.warnings, console, "dim")


def show_section(section: Section, console: Console, titled: bool = True) -> None:
    """Print a section: its title, its grid, its lines and which columns did not fit."""
    show_lines([section.title] if titled else [], console, "bold")
    console.print(grid(section, console.width))
    kept = fitting(section.columns, widths(section), console.width)
    left_out = [column.name for index, column in enumerate(section.columns) if index not in kept and column.kind != "text"]
    notes = [section.columns[index].note for index in kept if section.columns[index].note]
    lines = [f"{console.width} columns have no room for: {', '.join(left_out)}"] if left_out else []
    show_lines([*section.lines, *notes, *lines], console, "dim")


def grid(section: Section, width: int) -> Grid:
    """Return a section's grid for a terminal of so many characters: numbers right-aligned, names left-aligned."""
    natural = widths(section)
    kept = fitting(section.columns, natural, width)
    names = [index for index in kept if section.columns[index].kind != "number"]
    room = width - sum(natural[index] for index in kept if index not in names) - GAP * (len(kept) - 1)
    shown = {**dict(enumerate(natural)), **dict(zip(names, _narrowed([natural[index] for index in names], room), strict=True))}
    result = Grid(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    for index in kept:
        side: Literal["left", "right"] = "left" if index in names else "right"
        title = Text(visible(section.columns[index].name))
        result.add_column(title, justify=side, no_wrap=True, overflow="ellipsis", width=shown[index])
    for row in section.rows:
        result.add_row(*(Text(visible(row[index].text)) for index in kept))
    return result


def widths(section: Section) -> list[int]:
    """Return how many characters each column takes, its name included."""
    return [
        max(cell_len(visible(column.name)), *(cell_len(visible(row[index].text)) for row in section.rows), 0)
        for index, column in enumerate(section.columns)
    ]


def fitting(columns: Sequence[Column], widths: Sequence[int], width: int) -> list[int]:
    """Return the places of the columns that are shown: all, or without those that can be spared until they fit.

    Args:
        columns: the one with the highest `spare` goes first; those of 0 stay.
        widths: of each column, characters.
        width: of the terminal, characters.
    """
    kept = list(range(len(columns)))
    while sum(widths[index] for index in kept) + GAP * (len(kept) - 1) > width:
        spare = max(kept, key=lambda index: columns[index].spare)
        if not columns[spare].spare:
            break
        kept.remove(spare)
    return kept


def _narrowed(widths: Sequence[int], room: int) -> list[int]:
    """Return the widths of the names, the widest made narrower until they fit."""
    result = list(widths)
    while sum(result) > room and max(result, default=0) > NARROWEST:
        result[result.index(max(result))] -= 1
    return result


def show_lines(lines: Iterable[str], console: Console, style: str = "", wrap: bool = True) -> None:
    """Print each text on its own line, wrapped so that no number parts from its %; one that is to be copied is not wrapped."""
    for line in map(visible, lines):
        together = re.sub(r"(?<=\d) (?=%)", NO_BREAK, line)
        parts = textwrap.wrap(together, console.width, break_on_hyphens=False) if wrap else [together]
        for part in parts or [""]:
            console.print(Text(part.replace(NO_BREAK, " "), style=style), soft_wrap=not wrap)


def show_paths(paths: dict[str, Path], console: Console) -> None:
    """Print files, each on a line by its name; a terminal that knows links opens them by a click."""
    for name, path in paths.items():
        link = Text(visible(str(path)), Style(link=path.absolute().as_uri()))
        console.print(Text(f"{name}: ").append_text(link), soft_wrap=True)
