"""The table as LaTeX: a `table` a section, to be \\input into a paper.

Owns the columns' widths and what stands on which page. Escaping is `escaping`'s; no number is changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ablation.reporting.document.document import Table
from ablation.reporting.document.entries import Entry, Section
from ablation.reporting.document.text import ARROW, MINUS, typeset, typeset_cell
from ablation.reporting.formats.escaping import escaped, numbers_together

PIECE = re.compile(r"\[[^\]]*\]|\S+(?: \u00b1 \S+)?")  # of an entry, what stays on one line
HEAD = "% Needs \\usepackage{booktabs,tabularx}. \\input this file where the tables are to stand."
# sizes of type; in points about what a character takes, and half the gap between columns
SIZES = (("small", 4.8, 4.0), ("footnotesize", 4.3, 4.0), ("scriptsize", 4.0, 2.5))
TEXT = 345.0  # points: the width of article's text on A4 and letter
FOLDED = 24  # characters of a long entry that stand on one line
LINES = 44  # of a table that fits on a page with its notes


def latex(table: Table) -> str:
    """Return the file: the verdict, then the sections. ASCII, whatever the names and labels hold."""
    study = re.sub(r"[^a-z0-9]+", "-", table.title.lower())[:24].strip("-") or "table"
    blocks = [HEAD, rf"\noindent {_sentence(table.verdict)}"]
    for section in table.sections:
        first = section is table.sections[0]
        notes = [*([table.note] if first and table.note else []), *section.lines, *(table.lines if first else [])]
        title = table.title if first else section.title
        blocks += _tables(section, title, f"tab:{study}-{section.key}", notes)
    return "\n\n".join(blocks) + "\n"


def _sentence(text: str) -> str:
    return numbers_together(escaped(typeset(text)))


def _tables(section: Section, title: str, label: str, notes: Sequence[str]) -> list[str]:
    """Return the section as one table, or as several where it is longer than a page."""
    size, begin, end = _layout(section)
    parts = _pages(section.rows)
    gap = "\n\\addlinespace[1.5pt]\n" if "X" in begin else "\n"  # where entries fold, it tells rows apart
    blocks = []
    for part, rows in enumerate(parts, 1):
        continued = f" (part {part} of {len(parts)})" if len(parts) > 1 else ""
        lines = [
            r"\begin{table}[htbp]",
            rf"\centering{size}",
            rf"\caption{{{escaped(title)}{continued}}}",
            *([rf"\label{{{label}}}"] if part == 1 else []),
            begin,
            r"\toprule",
            _row(typeset_cell(column.name) for column in section.columns),
            r"\midrule",
            gap.join(_row([row[0].text, *(typeset_cell(entry.text) for entry in row[1:])]) for row in rows),
            r"\bottomrule",
            end,
            *(_notes(notes) if part == len(parts) else []),
            r"\end{table}",
            *([r"\clearpage"] if part < len(parts) else []),  # LaTeX holds only so many tables back
        ]
        blocks.append("\n".join(filter(None, lines)))
    return blocks


def _row(cells: Iterable[str]) -> str:
    return " & ".join(numbers_together(escaped(cell)) for cell in cells) + r" \\"


def _notes(lines: Sequence[str]) -> list[str]:
    if not lines:
        return []
    said = "\\par\n".join(_sentence(line) for line in lines)
    return [r"\par\smallskip", rf"\begin{{minipage}}{{\linewidth}}\scriptsize\raggedright {said}\end{{minipage}}"]


def _layout(section: Section) -> tuple[str, str, str]:
    """Return type and gaps, and how the grid begins and ends: as wide as its text, or folded into the line's width."""
    texts = [[column.name for column in section.columns], *([entry.text for entry in row] for row in section.rows)]
    columns = [list(map(typeset_cell, column)) for column in zip(*texts, strict=True)]
    number = [column.kind == "number" for column in section.columns]
    longest = [max(map(_length, column)) for column in columns]
    rooms = {size: (TEXT - 2 * gap * len(columns)) / wide for size, wide, gap in SIZES}  # in characters
    for size in ("small", "footnotesize"):
        if sum(longest) <= rooms[size]:
            kinds = "".join("r" if right else "l" for right in number)
            return _type(size), rf"\begin{{tabular}}{{@{{}}{kinds}@{{}}}}", r"\end{tabular}"
    steps = [[length] * 3 if right else _steps(column) for length, right, column in zip(longest, number, columns, strict=True)]
    typical = sum(step[1] for step in steps)
    size = "footnotesize" if typical <= rooms["footnotesize"] else "scriptsize"
    kinds = _folding(steps, number, rooms[size])
    return _type(size), rf"\begin{{tabularx}}{{\linewidth}}{{@{{}}{kinds}@{{}}}}", r"\end{tabularx}"


def _type(size: str) -> str:
    gap = next(gap for name, _, gap in SIZES if name == size)
    return rf"\{size}\setlength{{\tabcolsep}}{{{gap:g}pt}}"


def _length(text: str) -> float:
    """Return about how many characters wide text is: signs and capitals are wider than digits."""
    return len(text) + 0.5 * sum(text.count(sign) for sign in f"+\u00b1{MINUS}{ARROW}") + 0.4 * sum(map(str.isupper, text))


def _steps(column: Sequence[str]) -> list[float]:
    """Return what a column of text needs at least, what three of four of its entries need on one line, and what all do."""
    lengths = sorted(map(_length, column))
    least = 0.5 + max(_length(piece) for cell in column for piece in PIECE.findall(cell) or [""])
    return [min(length, FOLDED) for length in (least, max(least, lengths[3 * len(lengths) // 4]))] + [lengths[-1]]


def _folding(steps: Sequence[Sequence[float]], number: Sequence[bool], room: float) -> str:
    """Return columns that share the line: what is left after one step goes to the next, in proportion to what it asks."""
    widths = [step[0] for step in steps]
    for place in (1, 2):
        asked = [max(0.0, step[place] - width) for step, width in zip(steps, widths, strict=True)]
        given = min(1.0, max(0.0, room - sum(widths)) / (sum(asked) or 1))
        widths = [width + given * more for width, more in zip(widths, asked, strict=True)]
    texts = [width for width, right in zip(widths, number, strict=True) if not right]
    return "".join(
        "r" if right else rf">{{\hsize={width * len(texts) / sum(texts):.3f}\hsize\raggedright\arraybackslash}}X"
        for width, right in zip(widths, number, strict=True)
    )


def _pages(rows: Sequence[Sequence[Entry]]) -> list[list[Sequence[Entry]]]:
    """Return the rows in parts that each fit on a page, however their text folds."""
    parts: list[list[Sequence[Entry]]] = [[]]
    height = 0
    for row in rows:
        lines = 1 + max(len(entry.text) for entry in row) // FOLDED
        if height + lines > LINES and parts[-1]:
            parts.append([])
            height = 0
        parts[-1].append(row)
        height += lines
    return parts
