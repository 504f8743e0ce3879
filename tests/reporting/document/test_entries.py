"""Nothing of a table is read out of a text: alignment comes from a column's kind, order and numbers from an entry's value."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ablation.reporting.document.document import Table
from ablation.reporting.document.entries import Column, Entry, Section
from ablation.reporting.formats import terminal
from ablation.reporting.formats.html import page
from ablation.reporting.formats.latex import latex
from ablation.reporting.formats.markdown import markdown
from ablation.reporting.read.logits import CorrectReader
from ablation.reporting.read.provenance import without
from ablation.reporting.statistics.estimate import Reason
from tests.reporting.constructed_records import SIX, Runs, config, outcome
from tests.reporting.studies import analysis, argued, by_images

ROOT = Path(__file__).parents[3]
TEXTS = {  # column -> how the number in its text is rounded; all others of numbers are texts of the sections' own making
    "points": lambda value: f"{value:+.2f}" if round(value, 2) else "0.00",
    "n": str,
    "report": lambda value: f"{value:.2f}",
    "epoch": str,
    **dict.fromkeys(("best", "last", "val"), lambda value: f"{value:.2f}"),
}


def whole(runs: Runs) -> Table:
    """A study with every section, every reason and a cell without a result."""
    draw = np.random.default_rng(1)
    rights = {place: [sorted(draw.permutation(200)[: 150 + 5 * at]) for _ in range(4)] for at, place in enumerate(SIX)}
    by_images(runs, rights, 200)
    for seed in range(4):
        runs.record(outcome(config(*SIX[3], seed), "failed"))
        if seed:
            runs.record(outcome(config(*SIX[4], seed), "interrupted"))
    return argued(runs, against="+ Resizer", correct=CorrectReader(runs.folder))


def test_an_entrys_text_begins_with_its_value_and_a_word_has_none(runs: Runs) -> None:
    for section in whole(runs).sections:
        for row in section.rows:
            assert len(row) == len(section.columns)
            for column, entry in zip(section.columns, row, strict=True):
                if column.kind == "text":
                    assert entry.value is not None and entry.number is None
                elif entry.value is None:
                    assert not re.match(r"[+-]?\d+\.\d", entry.text), entry
                elif column.name in TEXTS:
                    assert entry.text.startswith(TEXTS[column.name](entry.value)), entry


def reworded(table: Table) -> Table:
    """The table with words for all numbers, and with numbers for all words."""
    sections = [
        replace(
            section,
            rows=[[replace(entry, text="7" if entry.number is None else "word") for entry in row] for row in section.rows],
        )
        for section in table.sections
    ]
    return replace(table, sections=sections)


def test_formats_align_and_sort_by_types_whatever_the_texts_say(runs: Runs) -> None:
    table = whole(runs)
    other = reworded(table)
    rules = [re.findall(r"^\| [-|: ]+$", markdown(each), re.MULTILINE) for each in (table, other)]
    assert rules[0] == rules[1] and len(rules[0]) == len(table.sections)
    sides = [
        [[column.justify for column in terminal.grid(section, 500).columns] for section in each.sections]
        for each in (table, other)
    ]
    assert sides[0] == sides[1]
    assert sides[0][1] == ["left", "right", "left", "right", "right", "left", "left", "right"]
    about = analysis(runs)
    pages = [page(about, each, without([row.cell.runs for row in about.rows], "")) for each in (table, other)]
    for pattern in (r'data-value="([^"]*)"', r'<t[hd][^>]* class="([^"]*)"'):
        first, second = ([found.removesuffix(" long") for found in re.findall(pattern, text)] for text in pages)
        assert first == second and first


def test_a_column_of_numbers_never_folds_in_latex_and_the_rest_may() -> None:
    columns = [Column("cell"), Column("a", "number"), Column("b", "estimate"), Column("c", "number")]
    row = [Entry("x" * 40), Entry("no logits here"), Entry("94.02 ± 0.31 (n=3)" * 3, 94.02), Entry("-")]
    table = Table("t", None, "v", [Section("accuracy", "t", columns, [row])], [], [], [], [], [], complete=True)
    layout = re.search(r"\\begin\{tabularx\}\{\\linewidth\}\{@\{\}(.*)@\{\}\}", latex(table))
    assert layout and re.sub(r">\{[^X]*X", "X", layout[1]) == "XrXr"


def test_a_reason_is_typed(runs: Runs) -> None:
    """And no program reads the words that it has for people."""
    by_images(runs, {SIX[0]: [[0], [1]], SIX[2]: [[2]]}, 4)
    (comparison,) = analysis(runs).comparisons
    assert comparison.estimate.reason is Reason.ONE_SEED
    assert argued(runs).differences[0]["reason"] == Reason.ONE_SEED.value


def splits(source: str) -> list[int]:
    """Lines that cut a text at a semicolon, or look for words in a reason."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("split", "partition"):
            found += [node.lineno for each in node.args if isinstance(each, ast.Constant) and ";" in str(each.value)]
        if isinstance(node, ast.Compare) and isinstance(node.left, ast.Constant) and " " in str(node.left.value).strip():
            ours = re.search("word|reason|part|line|said", ast.unparse(node.comparators[0]))  # and not a library's error
            found += [node.lineno for operator in node.ops if ours and isinstance(operator, ast.In | ast.NotIn)]
    return found


@pytest.mark.parametrize("file", sorted((ROOT / "ablation" / "reporting").rglob("*.py")), ids=lambda file: file.stem)
def test_no_reason_is_read_out_of_a_sentence(file: Path) -> None:
    assert splits(file.read_text()) == []


@pytest.mark.parametrize("planted", ['found.words.split(";")[0]', '"left out" not in part', 'words.partition("; ")'])
def test_that_check_bites(planted: str) -> None:
    assert splits(planted) == [1]
