"""The printed table: at any width a row is a line, no line is longer than the terminal, and what is left out is said."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from rich.console import Console

from ablation.reporting.document.document import Table, build
from ablation.reporting.document.entries import Column, Entry, Section
from ablation.reporting.formats import terminal
from ablation.reporting.read.logits import CorrectReader
from tests.reporting.constructed_records import SIX, TABLE1, Runs, config
from tests.reporting.studies import NO_STUDY, analysis, by_images, fill, record

EIGHT = [(resizer, aug) for resizer in ("none", "bilinear", "plain", "cbam") for aug in ("base", "cutmix")]
LONG = "A cell whose label is longer than any terminal of eighty columns can hold beside its numbers, number"


def three_seeds(runs: Runs) -> None:
    draw = np.random.default_rng(0)
    fill(runs, {place: [94 + at / 4 + float(draw.normal()) / 5 for _ in range(3)] for at, place in enumerate(SIX)}, drop=0.3)


def by_image(runs: Runs, seeds: int) -> None:
    draw = np.random.default_rng(0)
    cells = {
        place: [draw.permutation(2_000)[: 1_500 + 40 * at].tolist() for _ in range(seeds)] for at, place in enumerate(EIGHT)
    }
    by_images(runs, cells, 2_000)


def forty(runs: Runs) -> None:
    draw = np.random.default_rng(1)
    planned = [
        config(resizer, aug, seed, optimizer__lr=rate)
        for rate in (0.001, 0.003, 0.01, 0.03, 0.1)
        for resizer, aug in EIGHT
        for seed in range(3)
    ]
    fates = [90 + 2 * (flat["resizer"] != "none") + float(draw.normal()) / 4 for flat in planned]
    record(runs, list(zip(planned, fates, strict=True)), {**NO_STUDY, "baseline": {"resizer": "none", "aug": "base"}})


def long_labels(runs: Runs) -> None:
    cells = [{"label": f"{LONG} {at}", "where": cell["where"]} for at, cell in enumerate(TABLE1["cells"])]
    fill(runs, {place: [90.0 + at, 90.5 + at, 90.2 + at] for at, place in enumerate(SIX)}, {**TABLE1, "cells": cells})


STUDIES: dict[str, Callable[[Runs], None]] = {
    "three seeds beside the report's numbers": three_seeds,
    "two seeds, image by image": lambda runs: by_image(runs, 2),
    "one seed": lambda runs: by_image(runs, 1),
    "forty cells": forty,
    "an incomplete sweep": lambda runs: fill(
        runs, {SIX[0]: [93.0, 93.5, "failed"], SIX[2]: [95.0, "running", None], SIX[4]: [None] * 3}
    ),
    "a diverged cell": lambda runs: fill(runs, {SIX[0]: [93.0, 93.5], SIX[2]: [95.0, 95.4], SIX[4]: ["diverged"] * 2}),
    "at the ends of the scale": lambda runs: fill(runs, {SIX[0]: [0.0, 0.5, 1.0], SIX[2]: [99.0, 99.5, 100.0]}),
    "labels that no terminal holds": long_labels,
    "labels of wide characters": lambda runs: fill(
        runs, {SIX[0]: [93.0, 93.1]}, {**TABLE1, "cells": [{"label": "기준선 실험 " * 9, "where": {"resizer": "none"}}]}
    ),
}


def printed(table: Table, width: int) -> list[str]:
    file = io.StringIO()
    terminal.show(table, Console(file=file, width=width, highlight=False), cost=True)
    return file.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("study", STUDIES)
def test_a_row_is_a_line_and_no_line_is_too_long(runs: Runs, study: str, width: int) -> None:
    """Every entry that is shown stands whole on its row's line; a name alone may be cut, with a mark."""
    STUDIES[study](runs)
    table = build(analysis(runs, correct=CorrectReader(runs.folder), against=None), everything=False)
    lines = printed(table, width)
    assert max(terminal.cell_len(line) for line in lines) <= width
    for section in table.screen:
        kept = terminal.fitting(section.columns, terminal.widths(section), width)
        wanted = [[entry.text for place, entry in enumerate(row) if place in kept] for row in section.rows]
        for row in wanted:
            begins, rest = row[0].strip()[:6], [text for place, text in zip(kept, row, strict=True) if _whole(section, place)]
            assert any(line.startswith(begins) and all(text in line for text in rest) for line in lines), row


def _whole(section: Section, place: int) -> bool:
    return section.columns[place].kind == "number"


def test_a_wider_terminal_shows_more(runs: Runs) -> None:
    three_seeds(runs)
    table = build(analysis(runs))
    narrow, wide = "\n".join(printed(table, 80)), "\n".join(printed(table, 120))
    assert "80 columns have no room for: P(better)\n" in narrow and "no room" not in wide
    assert "P(better): 1 minus Student's one-sided p" in wide and "P(better): 1" not in narrow
    assert "●" in wide and "●" not in narrow
    assert "report" in narrow and "vs Baseline" in narrow


def test_the_verdict_stands_above_the_grid_and_cost_on_demand(runs: Runs) -> None:
    three_seeds(runs)
    table, file = build(analysis(runs)), io.StringIO()
    terminal.show(table, Console(file=file, width=200))
    lines = file.getvalue().splitlines()
    assert lines.index(table.headline) < next(place for place, line in enumerate(lines) if line.startswith("cell "))
    assert lines[: lines.index(table.headline)] == [table.title, ""]
    assert "s/epoch" not in file.getvalue() and any("s/epoch" in line for line in printed(table, 80))


@pytest.mark.parametrize(
    ("width", "kept"),
    [(24, [0, 1, 2, 3]), (23, [0, 1, 3]), (18, [0, 1, 3]), (17, [0, 3]), (12, [0, 3]), (11, [0, 3]), (1, [0, 3])],
)
def test_columns_are_dropped_in_their_order_and_no_other(width: int, kept: list[int]) -> None:
    """Of four columns of 4, 4, 4 and 6 characters, 2 between them."""
    columns = [Column("name"), Column("b", "number", 1), Column("c", "number", 9), Column("d", "number")]
    assert terminal.fitting(columns, [4, 4, 4, 6], width) == kept


def test_text_is_no_markup_and_a_link_is_a_links_address_alone() -> None:
    """In a terminal; in a file a path is its text."""
    section = Section("x", "[red]t[/red]", [Column("[b]c[/b]")], [[Entry("[i]e[/i]\x1b[31m")]], ["[u]l[/u]"])
    file = io.StringIO()
    terminal.show_section(section, Console(file=file, width=80))
    assert file.getvalue().split() == ["[red]t[/red]", "[b]c[/b]", "[i]e[/i][31m", "[u]l[/u]"]


def test_a_path_is_a_link_in_a_terminal_and_its_text_in_a_file(runs: Runs) -> None:
    path = runs.folder / "a b" / "index.html"
    for terminal_, link in ((True, f";{path.as_uri()}\x1b\\{path}\x1b]8;;"), (False, f"page: {path}\n")):
        file = io.StringIO()
        console = Console(file=file, width=20, force_terminal=terminal_, color_system="standard" if terminal_ else None)
        terminal.show_paths({"page": path}, console)
        assert link in file.getvalue() and file.getvalue().count("\n") == 1
