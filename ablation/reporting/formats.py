"""A table as Markdown, as CSV and in the terminal. Text from names, labels and notes is inert in each of them.

Owns escaping and files. Changes no number.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from ablation.reporting.table import Table

RUN_COLUMNS = (
    "run_id",
    "cell",
    "outcome",
    "seed",
    "digest",
    "best_acc",
    "best_epoch",
    "last_acc",
    "last_epoch",
    "val_acc",
    "val_epoch",
    "epochs",
    "seconds",
    "images_per_second",
    "peak_memory_bytes",
    "parameters",
    "macs",
    "test_images",
    "device",
    "code_source",
    "code_commit",
    "code_dirty",
    "mixed",
)
FILE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,40}")


def write(table: Table, out: Path, study: str) -> list[Path]:
    """Write table.md, table.csv and runs.csv into `out`/<study> and return them. Equal tables give equal bytes."""
    folder = out / (study if FILE_NAME.fullmatch(study) else f"study-{hashlib.sha256(study.encode()).hexdigest()[:10]}")
    folder.mkdir(parents=True, exist_ok=True)
    texts = {"table.md": markdown(table), "table.csv": table_csv(table), "runs.csv": runs_csv(table)}
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    return [folder / name for name in texts]


def markdown(table: Table) -> str:
    """Return the table in GitHub's Markdown."""
    left = "|" + " --- |" + " ---: |" * (len(table.header) - 1)
    rows = [_markdown_row(table.header), left, *(_markdown_row(row) for row in table.rows)]
    note = [_markdown_line(table.note), ""] if table.note else []
    return "\n".join(
        [f"# {_markdown_text(table.title)}", "", *note, *rows, "", *(f"- {_markdown_line(line)}" for line in table.lines), ""]
    )


def _markdown_row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(_markdown_text(cell) for cell in cells) + " |"


def _markdown_line(text: str) -> str:
    """Return text that begins no heading, list, rule or block of code where it begins a line."""
    return re.sub(r"^(\d*)([+=.)-])", r"\1\\\2", _markdown_text(text))


def _markdown_text(text: str) -> str:
    """Return text that Markdown shows as it is: no column, code, tag, link or emphasis begins in it."""
    escaped = re.sub(r"[\\|`*\[\]~$#]", r"\\\g<0>", visible(text).strip())
    escaped = re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", escaped)  # within a word it stands for itself: Resizer_CBAM
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def visible(text: str) -> str:
    """Return text on one line, without control characters and without marks that turn the direction of writing."""
    kept = (" " if character.isspace() else character for character in text)
    return "".join(character for character in kept if unicodedata.category(character) not in ("Cc", "Cf", "Cs"))


def table_csv(table: Table) -> str:
    """Return a row a cell: full precision; an outcome's word where there is no number."""
    return _csv([key for key in table.values[0] if key != "config"], table.values)


def runs_csv(table: Table) -> str:
    """Return a row a run; empty where a run has no such value."""
    return _csv(RUN_COLUMNS, table.runs)


def _csv(columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> str:
    """Return the columns, then the whole configuration, a column a key."""
    keys = sorted({key for row in rows for key in row["config"]} - {"seed"})
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([_csv_text(name) for name in (*columns, *keys)])
    for row in rows:
        writer.writerow([_csv_value(row[name]) for name in columns] + [_csv_value(row["config"].get(key)) for key in keys])
    return file.getvalue()


def _csv_value(value: Any) -> str:
    """Return numbers as Python reads them back exactly, text guarded, other values as JSON."""
    if value is None:
        return ""
    if isinstance(value, float):
        return repr(value)
    return _csv_text(value) if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _csv_text(text: str) -> str:
    """Return text that no spreadsheet takes for a formula."""
    text = visible(text)
    return f"'{text}" if text.lstrip().startswith(("=", "+", "-", "@")) else text


def show(table: Table, console: Console) -> None:
    """Print the table; long entries fold, none is cut."""
    console.print(Text(visible(table.title), style="bold"))
    if table.note:
        console.print(Text(visible(table.note)))
    grid = RichTable(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in table.header:
        text = name in ("cell", "best", "last", "val")
        grid.add_column(Text(name), justify="left" if text else "right", no_wrap=not text, overflow="fold")
    for row in table.rows:
        grid.add_row(*(Text(visible(cell)) for cell in row))
    console.print(grid)
    for line in table.lines:
        console.print(Text(visible(line)))
