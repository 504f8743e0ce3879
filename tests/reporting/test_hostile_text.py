"""Any text at all, as title, note, label, option and device of a table, is text in every format: nothing of it is live or lost.

The readers of tests/faults/markup.py judge. The page, and the way from a record to a table: tests/faults/test_security.py.
"""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from rich.console import Console

from ablation.reporting.document.document import Table
from ablation.reporting.formats import terminal
from ablation.reporting.formats.latex import latex
from ablation.reporting.formats.write import write
from tests.faults.markup import PARSERS, plain, terminal_problems
from tests.reporting.constructed_records import TABLE1, Runs, config, outcome
from tests.reporting.studies import argued

PLACE = "Placeholder"  # what is replaced by the text
SYNTAX = "\\`*_{}[]()#+-.!|<>&\"'$%^~=@/:;\t\n\r\x00\x07\x1b\u202e\u200b\u2028 aA0\u00fc\ud55c"
alphabets = (st.sampled_from(SYNTAX), st.characters(max_codepoint=127), st.characters(exclude_categories=["Cs"]))
texts = st.one_of(*(st.text(alphabet, min_size=1, max_size=60) for alphabet in alphabets)).filter(plain)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    """Four cells of three seeds, named after the text, with every section that a table may have."""
    runs = Runs(tmp_path_factory.mktemp("hostile") / "runs")
    cells = [{**cell, "label": f"{PLACE} {number}" if number else PLACE} for number, cell in enumerate(TABLE1["cells"])]
    planned = [
        config(*place, seed, schedule=PLACE)
        for place in (("none", "base"), ("plain", "base"), ("cbam", "base"), ("plain", "cutmix"))
        for seed in range(3)
    ]
    runs.manifest({**TABLE1, "cells": cells, "title": PLACE, "note": PLACE}, planned)
    for number, flat in enumerate(planned[:-1]):
        runs.record(outcome(flat, best=93.0 + number / 7, device=PLACE))
    return argued(runs)


def renamed(thing: Any, text: str) -> Any:
    """A value of a table with the text in place of the placeholder, however deep it stands."""
    if isinstance(thing, str):
        return thing.replace(PLACE, text)
    if isinstance(thing, dict):
        return {renamed(key, text): renamed(value, text) for key, value in thing.items()}
    if isinstance(thing, list | tuple):
        return type(thing)(renamed(value, text) for value in thing)
    if dataclasses.is_dataclass(thing) and not isinstance(thing, type):
        fields = {field.name: renamed(getattr(thing, field.name), text) for field in dataclasses.fields(thing)}
        return dataclasses.replace(thing, **fields)
    return thing


def problems(table: Table, text: str, folder: Path) -> dict[str, list[str]]:
    """By format, what of the text is live or lost."""
    named = renamed(table, text)
    found = {file.name: PARSERS[file.suffix](file.read_text(), text, named) for file in write(named, folder)}
    if text.isascii():  # the parser reads no accents
        found["table.tex"] = PARSERS[".tex"](latex(named), text, named)
    screen = Console(file=io.StringIO(), width=100, color_system=None)
    terminal.show(named, screen)
    found["terminal"] = terminal_problems(screen.file.getvalue(), text)  # type: ignore[attr-defined]
    return {name: wrong for name, wrong in found.items() if wrong}


@given(text=texts)
@example("two\r\n| more | rows |").via("a row of a Markdown table")
@example("=cmd|' /C calc'!A0").via("a formula")
@example(" \t=1+1").via("a formula behind a space")
@example("\\input{/etc/passwd} \\write18{id} $x$ % & _ ^ ~ { }").via("LaTeX's specials")
@example("<script>alert(1)</script> &lt;b&gt; ![x](http://x/y.png) [x](javascript:alert(1))").via("HTML and links")
@example("**bold** _it_ ~~gone~~ `code` ``` # heading closed #").via("Markdown")
@example("[red]markup[/red] \x1b[31m\x1b]0;title\x07 \u202egnirts").via("a terminal")
@example("1. item").via("a list")
def test_any_text_is_inert_in_every_format(table: Table, tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    entries = {plain(entry.text) for section in table.sections for row in section.rows for entry in row}
    entries |= {plain(column.name) for section in table.sections for column in section.columns}
    assume(plain(text) not in entries)  # else it would be back more often than it went in
    assert problems(table, text, tmp_path_factory.getbasetemp() / "hostile-table") == {}


def test_numbers_in_csv_are_not_guarded(table: Table, tmp_path: Path) -> None:
    """A guard before a negative number would make it text."""
    values = [{**row, "config": {"c": -3}, **dict.fromkeys(("best_mean",), -1.5)} for row in table.values]
    write(dataclasses.replace(table, values=values), tmp_path)
    text = (tmp_path / "table.csv").read_text()
    assert ",-1.5," in text and text.splitlines()[1].endswith(",-3")
