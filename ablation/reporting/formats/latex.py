"""Write the table as LaTeX, one `table` per section, to be \\input into a paper. UTF-8, names in any script.

Escapes text and splits long sections over pages; LaTeX lays out the columns.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ablation.reporting.document.document import Table
from ablation.reporting.document.entries import Entry, Section
from ablation.reporting.document.text import ARROW, MINUS, TIMES, typeset, typeset_cell, visible

HEAD = (
    "% \\input this file into a document with \\usepackage{booktabs,tabularx}. pdfLaTeX compiles Latin names; other scripts, "
    "as Korean, take XeLaTeX or LuaLaTeX with \\usepackage{fontspec}\\setmainfont{NanumGothic}, or another font that has them."
)
SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_\allowbreak{}",  # lets long option names break
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}
SIGNS = {MINUS: "$-$", "\u00b1": r"$\pm$", TIMES: r"$\times$", ARROW: r"$\rightarrow$"}  # a text font may lack them
PRINTED = str.maketrans(SPECIAL | SIGNS)
ROWS = 20  # rows per page, enough room if each wraps to three lines


def latex(table: Table) -> str:
    """Return the file: the verdict, then the sections."""
    study = re.sub(r"[^a-z0-9]+", "-", table.title.lower())[:24].strip("-") or "table"
    blocks = [HEAD, rf"\noindent {_text(typeset(table.verdict))}"]
    for section in (*table.sections, *([table.reported] if table.reported else [])):
        first = section is table.sections[0]
        notes = [*([table.note] if first and table.note else []), *section.lines, *(table.lines if first else [])]
        title = table.title if first else section.title
        blocks += _tables(section, title, f"tab:{study}-{section.key}", notes)
    return "\n\n".join(blocks) + "\n"


def _tables(section: Section, title: str, label: str, notes: Sequence[str]) -> list[str]:
    """Return the section as one table, or as several if it is longer than a page."""
    kinds = "".join("r" if column.kind == "number" else r">{\raggedright\arraybackslash}X" for column in section.columns)
    parts = [section.rows[start : start + ROWS] for start in range(0, len(section.rows), ROWS)]
    blocks = []
    for number, rows in enumerate(parts, 1):
        continued = f" (part {number} of {len(parts)})" if len(parts) > 1 else ""
        lines = [
            r"\begin{table}[htbp]",
            r"\centering\footnotesize\setlength{\tabcolsep}{3pt}",
            rf"\caption{{{_text(title)}{continued}}}",
            *([rf"\label{{{label}}}"] if number == 1 else []),
            rf"\begin{{tabularx}}{{\linewidth}}{{@{{}}{kinds}@{{}}}}",
            r"\toprule",
            _row(typeset_cell(column.name) for column in section.columns),
            r"\midrule",
            "\n\\addlinespace[1.5pt]\n".join(map(_entries, rows)),  # separates wrapped rows
            r"\bottomrule",
            r"\end{tabularx}",
            *(_notes(notes) if notes and number == len(parts) else []),
            r"\end{table}",
            *([r"\clearpage"] if number < len(parts) else []),  # LaTeX can defer only a few tables
        ]
        blocks.append("\n".join(lines))
    return blocks


def _entries(row: Sequence[Entry]) -> str:
    return _row([row[0].text, *(typeset_cell(entry.text) for entry in row[1:])])


def _row(cells: Iterable[str]) -> str:
    return " & ".join(map(_text, cells)) + r" \\"


def _notes(lines: Sequence[str]) -> list[str]:
    text = "\\par\n".join(_text(typeset(line)) for line in lines)
    return [r"\par\smallskip", rf"\begin{{minipage}}{{\linewidth}}\scriptsize\raggedright {text}\end{{minipage}}"]


def _text(text: str) -> str:
    """Return text that LaTeX prints as it is: on one line, without control characters, its ten special characters escaped."""
    escaped = visible(text).strip().translate(PRINTED).replace(r" $\pm$ ", r"~$\pm$~")
    escaped = re.sub(r"\w{16}", r"\g<0>\\allowbreak{}", escaped)  # longer than a command's name, narrower than a column
    return f"{{}}{escaped}" if escaped.startswith(("[", "*")) else escaped  # else an argument of the row's end
