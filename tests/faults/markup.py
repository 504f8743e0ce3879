"""What a reader of each format makes of a table: Markdown, a spreadsheet, TeX, a browser, a terminal; without our escaping.

Each function takes a file's text, the hostile name that its study, title, note, a label and options are, and the table; it
returns what is live in the text or lost from it.
"""

from __future__ import annotations

import csv
import io
import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from ablation.reporting.document.document import Table
from ablation.reporting.document.text import visible
from ablation.reporting.formats import html as pages

LIVE = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
DEAD = {"heading", "paragraph", "bullet_list", "list_item", "table", "thead", "tbody", "tr", "th", "td", "inline", "text"}
SILENT = """noindent begin end centering small footnotesize scriptsize setlength tabcolsep caption label toprule midrule
bottomrule par smallskip linewidth raggedright arraybackslash addlinespace clearpage allowbreak"""
TEX = {  # what our LaTeX may call, and what of it is read
    **dict.fromkeys(SILENT.split(), ""),
    "textbackslash": "\\",
    "textasciitilde": "~",
    "textasciicircum": "^",
    "pm": "\u00b1",
    "rightarrow": "\u2192",
    "times": "\u00d7",
    "\\": "\n",
    **{sign: sign for sign in "{}$&#%_"},
}
SIGN = re.compile(r"\$(-|\\pm|\\times|\\rightarrow)\$")  # the only formulas that are ours
TEX_TOKEN = re.compile(r"\\(?P<call>[a-zA-Z]+|.)(?:\{\})?|(?P<other>.)", re.DOTALL)
HTML = """html head meta link title style body header p h1 ul li a main section h2 figure figcaption svg g path use defs
line circle clippath rect text div span small table thead tbody tfoot tr th td button details summary dl dt dd code script"""
ADDRESS = re.compile(r"#[\w-]+$|data:(image/png;base64,[\w+/=]*|,)$|(\.\./)*([\w-]+/)+$")  # within the page, or a run's folder
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u2028\u202a-\u202e\u2066-\u2069]")


def plain(text: str) -> str:
    """Text as a reader may expect it back: visible characters, spaces for what separates."""
    return " ".join(visible(text).split())


def labels(table: Table, name: str) -> int:
    """How many rows of the table's grids are this name's."""
    return sum(plain(row[0].text) == plain(name) for section in table.sections for row in section.rows)


def lost(found: int, expected: int) -> list[str]:
    """A complaint if the name is not back as often as it went in."""
    return [] if found == expected else [f"back {found} times, not {expected}"]


def markdown_problems(text: str, name: str, table: Table) -> list[str]:
    """Title, note and labels come back; each section is a heading, a grid, perhaps a list; the whole has a list."""
    tokens = LIVE.parse(text)
    everything = [child for token in tokens for child in (token, *(token.children or ()))]
    live = {kind for token in everything if (kind := re.sub(r"_(open|close)$", "", token.type)) not in DEAD}
    inline = [plain(_text(token)) for token in tokens if token.type == "inline"]
    kinds = [token.type for token in tokens]
    shape = [kinds.count(kind) for kind in ("heading_open", "table_open", "tr_open", "bullet_list_open")]
    grids, lists = len(table.sections), 1 + sum(bool(section.lines) for section in table.sections)
    whole = [2 + grids, grids, sum(1 + len(section.rows) for section in table.sections), lists]
    found = [f"live: {sorted(live)}"] if live else []
    found += [] if shape == whole else [f"headings, tables, rows, lists: {shape}, not {whole}"]
    return found + lost(inline.count(plain(name)), 2 + labels(table, name))


def _text(token: Token) -> str:
    return "".join(child.content for child in token.children or ())


def csv_problems(text: str, name: str, table: Table) -> list[str]:
    """No formula; every row as wide as the first; the name in files that have a column of cells."""
    rows = list(csv.reader(io.StringIO(text)))
    entries = [cell for row in rows for cell in row]
    number = re.compile(r"-?\d+(\.\d+)?(e[+-]?\d+)?")
    formulas = [cell for cell in entries if re.match(r"[\s\"]*[=+@\t\r-]", cell) and not number.fullmatch(cell)]
    found = [f"formulas: {formulas}"] if formulas else []
    widths = [len(row) for row in rows]
    lengths = [len(kind) for kind in (table.values, table.runs, table.differences, table.contrasts)]
    found += [] if len(set(widths)) == 1 and len(rows) - 1 in lengths else [f"rows of {widths} cells"]
    found += [] if not re.search(r"[\x00-\x09\x0b-\x1f\u202e]", text) else ["control characters"]
    named = "cell" not in rows[0] or plain(name) in [plain(text) for cell in entries for text in (cell, cell.removeprefix("'"))]
    return found + ([] if named else ["the name is not there"])


def tex_problems(text: str, name: str, table: Table) -> list[str]:
    """Only our commands, no comment; every row as wide as its grid's header; labels come back."""
    text = SIGN.sub(lambda sign: "\u2212" if sign[1] == "-" else sign[1], text.partition("\n")[2])  # after our own comment
    tokens = list(TEX_TOKEN.finditer(text))
    live = {token["call"] for token in tokens if token["call"]} - TEX.keys()
    live |= {token["other"] for token in tokens if token["other"]} & set("%$#^_")
    found = [f"live: {sorted(live)}"] if live else []
    found += [] if not CONTROL.search(text) else ["characters"]
    grids = re.findall(r"\\midrule\n(.*?)\\bottomrule", text, re.DOTALL)
    rows = [_cells(row) for grid in grids for row in re.split(r"\\\\\n(?:\\addlinespace\[[^]]*\]\n)?", grid) if row.strip()]
    written = [*table.sections, *([table.reported] if table.reported else [])]
    widths = [len(row) for section in written for row in section.rows]
    found += [] if [len(row) for row in rows] == widths else [f"{[len(row) for row in rows]} cells, not {widths}"]
    found += [] if plain(name) in printed(text) else ["the name is not there"]
    return found + lost([row[0] for row in rows].count(plain(name)), labels(replace(table, sections=written), name))


def _cells(row: str) -> list[str]:
    return [printed(cell) for cell in re.split(r"(?<!\\)&", row)]


def printed(text: str) -> str:
    """LaTeX as it is read."""

    def read(token: re.Match[str]) -> str:
        return TEX.get(token["call"], "") if token["call"] else {"{": "", "}": "", "~": " "}.get(token["other"], token["other"])

    return plain(TEX_TOKEN.sub(read, text))


class Reader(HTMLParser):
    """Elements, attributes, and text by the elements that it stands in."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.texts: dict[str, list[str]] = defaultdict(list)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Keep an element."""
        self.open.append(tag)
        self.texts[tag].append("")
        self.attributes += [(name, value or "") for name, value in attributes]

    def handle_endtag(self, tag: str) -> None:
        """Go back past elements that have no end."""
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        """Keep text with each element around it."""
        for tag in set(self.open):
            self.texts[tag][-1] += data


def html_problems(text: str, name: str, table: Table) -> list[str]:
    """Only our elements, our one script, no handler, no address but ours; title, heading and labels come back."""
    reader = Reader()
    reader.feed(text)
    reader.close()
    live = reader.texts.keys() - set(HTML.split())
    found = [f"live: {sorted(live)}"] if live else []
    found += [f"{key}={value}" for key, value in reader.attributes if key.startswith("on")]
    addresses = [value for key, value in reader.attributes if key in ("href", "src", "xlink:href", "action", "formaction")]
    found += [address for address in addresses if not ADDRESS.match(address)]
    script = Path(pages.__file__).with_name("page.js").read_text().strip()
    found += [] if reader.texts["script"] == [script] else ["scripts"]
    found += ["control characters"] if CONTROL.search(text) else []
    said = [plain(text) for tag in ("title", "h1", "th") for text in reader.texts[tag]]
    return found + lost(said.count(plain(name)), 2 + labels(table, name) + _pictured(table, name))


def _pictured(table: Table, name: str) -> int:
    """How many labels of the page's pictures, and of its table as the report prints it, are this name's."""
    rows = [row["cell"] for rows in (table.values, table.values, table.differences) for row in rows]
    return sum(plain(str(label)) == plain(name) for label in rows)


def terminal_problems(text: str, name: str) -> list[str]:
    """What a terminal makes of the output."""
    found = ["control characters"] if CONTROL.search(text) else []
    there = re.sub(r"\s", "", plain(name)) in re.sub(r"\s", "", text)  # folded, but whole
    return found + ([] if there else ["the name is not there"])


PARSERS: dict[str, Callable[[str, str, Table], list[str]]] = {  # a new writer needs a new parser here
    ".md": markdown_problems,
    ".csv": csv_problems,
    ".tex": tex_problems,
    ".html": html_problems,
}
