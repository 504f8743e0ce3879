"""The LaTeX: it compiles, it fits the page, and what comes from outside is printed, never obeyed, in its own script."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from ablation.reporting.document.document import Table
from ablation.reporting.document.entries import Column, Entry, Section
from ablation.reporting.formats import latex as writer
from ablation.reporting.formats.latex import latex
from tests.reporting.argued import argued, six_cells
from tests.reporting.constructed_records import TABLE1

pytestmark = pytest.mark.system

NAMES = [
    r"\input{/etc/passwd} \write18{id} \end{document}", "$x$ % & # _ ^ ~ { }", "}}}{{{", "%", "a\\", "[red]markup[/red]",
    "*starred", "\\\\[100cm]", "two\nlines\r\n\\\\ & more", "nul\x00bell\x07esc\x1b", "\u202egnirts zero\u200bwidth",
    "한글 ünïçø ß", "日本語", "x" * 300, "<|>\"'`", "-- --- ''' ,, ?` !`", "± \u2212 \u00d7 → Δ ≤ ≥ … “quoted” \u2013",
    "^^41 ^^M \\char`\\^", "\U0001f600 e\u0301 q\u0308", "", " ",
]  # fmt: skip
PRINTED = [  # of them, without spaces; what the font lacks is not in the PDF
    r"\input{/etc/passwd}\write18{id}\end{document}", "$x$%&#_^~{}", "}}}{{{", "[red]markup[/red]", "*starred", r"\\[100cm]",
    r"twolines\\&more", "nulbellesc", "gnirtszerowidth", "한글ünïçøß", "日本語", "x" * 300, "<|>", "Δ≤≥", "“quoted”",
    "^^41^^M\\char\u2018\\^",  # LaTeX prints a backtick as a left quote
]  # fmt: skip
ARTICLE = r"""\documentclass{article}
\usepackage{booktabs,tabularx}
%s
\begin{document}
\input{%s}
\end{document}
"""
FONT = {"pdflatex": "", "xelatex": r"\usepackage{fontspec}\setmainfont{NanumGothic}"}
KOREAN = {
    **TABLE1,
    "title": "표 1: CIFAR-10 정확도 (%)",
    "cells": [{**cell, "label": cell["label"].replace("Baseline", "기준선")} for cell in TABLE1["cells"]],
}


def compiled(folder: Path, *files: str, engine: str = "xelatex") -> tuple[str, str]:
    """Compile the files, one document, and return the log and the PDF's text."""
    for program in (engine, "pdftotext"):
        assert shutil.which(program), f"no {program} here: .ci/packages installs it"
    inputs = "}\n\\input{".join(f"table-{number}" for number in range(len(files)))
    (folder / "main.tex").write_text(ARTICLE % (FONT[engine], inputs))
    for number, text in enumerate(files):
        (folder / f"table-{number}.tex").write_text(text)
    command = [engine, "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "main.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=300)
    log = (folder / "main.log").read_text(errors="replace")
    assert done.returncode == 0, "\n".join(re.findall(r"^!.*(?:\n.*){3}", log, re.MULTILINE)) or log[-2000:]
    text = subprocess.run(["pdftotext", "-raw", "main.pdf", "-"], cwd=folder, capture_output=True, timeout=300, check=True)
    return log, text.stdout.decode()


def table(name: str, rows: int = 2) -> Table:
    """A table whose every text is this name."""
    row = [Entry(name), Entry(name), Entry("94.02 ± 0.31 (n=3)", 94.02), Entry("[-0.20, +0.42]", -0.2), Entry("1.00", 1.0)]
    columns = [Column("cell"), Column(name), Column("best", "estimate"), Column("95 % interval", "estimate")]
    section = Section("accuracy", name, [*columns, Column("s/epoch", "number")], [row] * rows, [name])
    return Table(name, name, name, [section], [name], [], [], [], [], complete=True)


@pytest.mark.parametrize("engine", FONT)
def test_a_study_compiles_and_fits_the_page(engine: str, tmp_path: Path) -> None:
    """Six cells of three seeds with the report's numbers beside them: the widest tables that there are."""
    shown = argued(six_cells(tmp_path)).table
    log, text = compiled(tmp_path, latex(shown), engine=engine)
    assert "Overfull" not in log
    assert "Missing character" not in log
    entries = (entry.text for section in shown.sections for row in section.rows for entry in row)
    interval = next(each for each in entries if each.startswith("[-")).strip("[]").replace(" ", "").replace("-", "\u2212")
    printed = re.sub(r"[\s_]", "", text)
    for part in (
        "+ResizerCBAM+CutMix",
        "96.63",
        "Whateachfactoradds",
        "planned18=done18",
        "Holm",
        "bilinear",
        interval,
    ):
        assert part in printed, part


def test_a_korean_study_is_printed_in_korean(tmp_path: Path) -> None:
    """The baseline's label, 기준선: in the verdict, in three grids and in a caption."""
    log, text = compiled(tmp_path, latex(argued(six_cells(tmp_path, KOREAN)).table))
    assert "Overfull" not in log
    assert "Missing character" not in log
    assert "표 1: CIFAR-10 정확도 (%)" in text
    assert text.count("기준선") == 5


def test_hostile_names_compile_and_are_printed(tmp_path: Path) -> None:
    """Each in every place: title, caption, note, verdict, header, label, cell, line."""
    _, text = compiled(tmp_path, *(latex(table(name)) for name in NAMES))
    assert "root:" not in text
    squeezed = re.sub(r"\s", "", text)
    for printed in PRINTED:
        assert squeezed.count(printed) >= 6, printed


def test_a_table_longer_than_a_page_goes_on_on_the_next(tmp_path: Path) -> None:
    log, text = compiled(tmp_path, latex(table("Resizer_CBAM", rows=300)))
    assert "Float too large" not in log
    assert text.count("94.02") == 300
    assert "(part 2 of 15)" in text


def test_every_text_stays_on_its_line() -> None:
    """A comment that a name began would swallow the row's end: there is none but ours."""
    for name in NAMES:
        comments = [line for line in latex(table(name)).splitlines() if re.search(r"(?<!\\)%", line)]
        assert comments == [writer.HEAD]


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("\\", r"\textbackslash{}"),
        ("{$&#%}", r"\{\$\&\#\%\}"),
        ("a_b", r"a\_\allowbreak{}b"),
        ("~^", r"\textasciitilde{}\textasciicircum{}"),
        ("é 기준선 \u03b1 <|>", "é 기준선 \u03b1 <|>"),
        ("\u2212", "$-$"),
        ("1 ± 2", r"1~$\pm$~2"),
        ("[x]", "{}[x]"),
        ("a\tb", "a b"),
    ],
)
def test_characters(text: str, printed: str) -> None:
    assert writer._text(text) == printed


@pytest.mark.parametrize("special", list("\\{}$&#%_~^"))
def test_each_of_the_ten_specials_does_harm_unescaped(special: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its escape the name is lost or the file does not compile: the test above bites."""
    monkeypatch.setitem(writer.PRINTED, ord(special), special)
    try:
        _, text = compiled(tmp_path, latex(table(f"a{special}b")))
    except AssertionError:
        return
    assert f"a{special}b" not in re.sub(r"\s", "", text)
