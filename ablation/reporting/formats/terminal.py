"""A table as Markdown, as CSV and in the terminal. Text from names, labels and notes is inert in each of them.

Owns escaping and files. Changes no number.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from ablation.reporting.document.document import Table
from ablation.reporting.document.entries import Section

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


def folder(out: Path, study: str) -> Path:
    """Return the folder of a study's files under `out`; a name that is no file name gives its digest."""
    return out / (study if FILE_NAME.fullmatch(study) else f"study-{hashlib.sha256(study.encode()).hexdigest()[:10]}")


def write(table: Table, folder: Path) -> list[Path]:
    """Write the table's plain files into a folder and return them. Equal tables give equal bytes.

    A file that would be empty is not written, and an old one of that name removed: it would speak of other runs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        "table.md": markdown(table),
        "table.csv": comma_separated(_with_config([key for key in table.values[0] if key != "config"], table.values)),
        "runs.csv": comma_separated(_with_config(RUN_COLUMNS, table.runs)),
        "differences.csv": comma_separated(table.differences),
        "effects.csv": comma_separated(table.contrasts),
    }
    for name, text in texts.items():
        if text:
            (folder / name).write_text(text, encoding="utf-8", newline="\n")
        else:
            (folder / name).unlink(missing_ok=True)
    return [folder / name for name, text in texts.items() if text]


def markdown(table: Table) -> str:
    """Return the table in GitHub's Markdown: the verdict, each section with its lines, then the lines of the whole."""
    blocks = [f"# {_markdown_text(table.title)}", *([_markdown_line(table.note)] if table.note else [])]
    blocks.append(_markdown_line(table.verdict))
    for section in table.sections:
        rule = "".join(" --- |" if column.kind == "text" else " ---: |" for column in section.columns)
        grid = [_markdown_row(column.name for column in section.columns), f"|{rule}"]
        grid += [_markdown_row(entry.text for entry in row) for row in section.rows]
        blocks += [f"## {_markdown_text(section.title)}", "\n".join(grid), *_markdown_list(section.lines)]
    return "\n\n".join([*blocks, "## Runs", *_markdown_list(table.lines)]) + "\n"


def _markdown_list(lines: Iterable[str]) -> list[str]:
    items = [f"- {_markdown_line(line)}" for line in lines]
    return ["\n".join(items)] if items else []


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


def _with_config(columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the columns, then the whole configuration, a column a key; None where a row has no such value."""
    keys = sorted({key for row in rows for key in row["config"]} - {"seed", *columns})
    return [{**{name: row[name] for name in columns}, **{key: row["config"].get(key) for key in keys}} for row in rows]


def comma_separated(rows: Sequence[dict[str, Any]]) -> str:
    """Return rows that share their keys as CSV, None as an empty field; nothing for no row."""
    if not rows:
        return ""
    frame = pd.DataFrame(rows, dtype=object).map(_csv_value).rename(columns=_csv_text)
    return frame.to_csv(index=False, lineterminator="\n")


def _csv_value(value: Any) -> str | None:
    """Return numbers as Python reads them back exactly, text guarded, other values as JSON."""
    if value is None:
        return None
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
    for section in table.sections:
        console.print()
        console.print(Text(visible(section.title), style="bold"))
        console.print(_grid(section))
        for line in section.lines:
            console.print(Text(visible(line), style="dim"))
    console.print()
    for line in table.lines:
        console.print(Text(visible(line), style="dim"))
    console.print()
    console.print(Text(visible(table.verdict)))


def _grid(section: Section) -> RichTable:
    """Return a section for the terminal: numbers to the right, the rest to the left."""
    grid = RichTable(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in section.columns:
        side: Literal["left", "right"] = "right" if column.kind == "number" else "left"
        grid.add_column(Text(visible(column.name)), justify=side, overflow="fold")
    for row in section.rows:
        grid.add_row(*(Text(visible(entry.text)) for entry in row))
    return grid
