"""Print a table in the terminal. Text from names, labels and notes is not interpreted as markup."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from ablation.reporting.document.document import Table
from ablation.reporting.document.entries import Section
from ablation.reporting.document.text import visible


def show(table: Table, console: Console) -> None:
    """Print the table; long entries wrap and are not cut."""
    show_lines([table.title], console, "bold")
    show_lines([table.note] if table.note else [], console)
    for section in table.sections:
        console.print()
        show_section(section, console)
    console.print()
    show_lines(table.lines, console, "dim")
    console.print()
    show_lines([table.verdict], console)


def show_section(section: Section, console: Console) -> None:
    """Print a section: its title, its grid, its lines."""
    show_lines([section.title], console, "bold")
    console.print(_grid(section))
    show_lines(section.lines, console, "dim")


def _grid(section: Section) -> Grid:
    """Return a section's grid: numbers right-aligned, text left-aligned."""
    grid = Grid(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in section.columns:
        side: Literal["left", "right"] = "right" if column.kind == "number" else "left"
        grid.add_column(Text(visible(column.name)), justify=side, overflow="fold")
    for row in section.rows:
        grid.add_row(*(Text(visible(entry.text)) for entry in row))
    return grid


def show_lines(lines: Iterable[str], console: Console, style: str = "") -> None:
    """Print each text on its own line."""
    for line in lines:
        console.print(Text(visible(line), style=style))
