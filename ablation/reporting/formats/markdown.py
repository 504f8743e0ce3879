"""Write a table as GitHub Markdown. Text from names, labels and notes is escaped."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ablation.reporting.document.document import Table
from ablation.reporting.document.text import visible


def markdown(table: Table) -> str:
    """Return the table in GitHub's Markdown: the verdict, each section with its lines, then the lines of the table."""
    blocks = [f"# {_text(table.title)}", *([_line(table.note)] if table.note else [])]
    blocks.append(_line(table.verdict))
    for section in table.sections:
        rule = "".join(" --- |" if column.kind == "text" else " ---: |" for column in section.columns)
        grid = [_row(column.name for column in section.columns), f"|{rule}"]
        grid += [_row(entry.text for entry in row) for row in section.rows]
        blocks += [f"## {_text(section.title)}", "\n".join(grid), *_list(section.lines)]
    return "\n\n".join([*blocks, "## Runs", *_list(table.lines)]) + "\n"


def _list(lines: Iterable[str]) -> list[str]:
    items = [f"- {_line(line)}" for line in lines]
    return ["\n".join(items)] if items else []


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(_text(cell) for cell in cells) + " |"


def _line(text: str) -> str:
    """Return text that starts no heading, list, rule or code block at the start of a line."""
    return re.sub(r"^(\d*)([+=.)-])", r"\1\\\2", _text(text))


def _text(text: str) -> str:
    """Return text that Markdown shows as it is: no column, code, tag, link or emphasis begins in it."""
    escaped = re.sub(r"[\\|`*\[\]~$#]", r"\\\g<0>", visible(text).strip())
    escaped = re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", escaped)  # within a word it needs no escape: Resizer_CBAM
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
