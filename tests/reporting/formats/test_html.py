"""The page: all in one file, looked at, pointed at and sorted in a real browser, and the same bytes from the same records."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from ablation.reporting.document.entries import Column, Entry, Section
from ablation.reporting.formats import html as pages
from ablation.reporting.formats.html import page
from ablation.reporting.read import local_files
from ablation.reporting.read.provenance import without
from ablation.reporting.read.run_links import Links
from ablation.reporting.read.selection import select
from tests.reporting.argued import argued, six_cells
from tests.reporting.browser import Browser
from tests.reporting.constructed_records import TABLE1, Runs, config, outcome, run_id

pytestmark = pytest.mark.system

WIDTHS = (400, 900, 1600)
HARD = {  # what a sweep also is: a cell that diverged, one that never ran, one with a seed less
    **{("plain", "base", seed): "diverged" for seed in range(3)},
    **{("cbam", "base", seed): "missing" for seed in range(3)},
    ("none", "cutmix", 1): "failed",
}
KOREAN = (
    "\uae30\uc900\uc120",
    "\uae30\uc900\uc120\uc5d0 \ucef7\ubbf9\uc2a4 \uc99d\uac15\uc744 \ub354\ud55c \uc870\uac74",
    "\ud559\uc2b5\ud615\ub9ac\uc0ac\uc774\uc800" * 6,
    "y" * 90,
    "\ud559\uc2b5\ud615 \ub9ac\uc0ac\uc774\uc800, CBAM \uc8fc\uc758 \uae30\uc81c " * 3,
    "CBAM \u00b7 CutMix",
)
EVIL = "<script>evil = 1</script><img src=x onerror='evil = 1'>\u202e\x07\"&amp;{{ 7 * 7 }}"
FACTS = (
    "commit c0ffee",
    "5ca1ab1e5ca1ab1e",
    "NVIDIA Constructed 1",
    "torch 2.14.1",
    "68bbfc5b",
    "2026-01-01 00:00 to 2026-01-01 00:10",
    "constructed",
)
OPEN = "document.querySelectorAll('details').forEach((fold) => { fold.open = true; })"
OUTSIDE = """[...document.querySelectorAll("svg text, .picture *")].filter((found) => {
  const box = found.getBoundingClientRect();
  return box.left < -1 || box.right > innerWidth + 1;
}).map((found) => found.textContent)"""
SMALLEST = """Math.min(...[...document.querySelectorAll("svg text")].map(
  (text) => parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().a))"""
# pairs of lines of text in the pictures that share a pixel, and lines that stand in the strip of marks
OVERLAPPING = """[...document.querySelectorAll(".picture")].flatMap((picture) => {
  const boxes = [];
  const walker = document.createTreeWalker(picture, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode, range = document.createRange();
    if (!node.data.trim() || node.parentElement.closest("svg, .tip")) continue;
    range.selectNodeContents(node);
    for (const box of range.getClientRects()) boxes.push([node.data.trim(), box]);
  }
  for (const strip of picture.querySelectorAll(".strip > svg")) boxes.push(["marks", strip.getBoundingClientRect()]);
  const apart = (a, b) => a.right < b.left + 1 || b.right < a.left + 1 || a.bottom < b.top + 2 || b.bottom < a.top + 2;
  return boxes.flatMap(([one, a], place) => boxes.slice(place + 1).filter(([, b]) => !apart(a, b)).map(([two]) => [one, two]));
})"""
TIPS = """[...document.querySelectorAll(".tip")].filter((tip) => tip.checkVisibility()).map(
  (tip) => tip.innerText.replace(/\\n+/g, "\\n"))"""
COLOURS = "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.querySelector('svg .seed')).fill]"
VOID = {"meta", "link", "img", "br"}


class Structure(HTMLParser):
    """What a parser finds: elements with their attributes and text, in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: dict[str, list[str]] = {}
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Keep an element."""
        self.elements.append((tag, {name: found or "" for name, found in attributes}))
        self.texts.setdefault(tag, []).append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Keep an element without content."""
        self.elements.append((tag, {name: found or "" for name, found in attributes}))

    def handle_endtag(self, tag: str) -> None:
        """Every end ends what began last."""
        assert tag in VOID or self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Keep text with its element."""
        if self.open:
            self.texts[self.open[-1]][-1] += data

    def all(self, tag: str) -> list[dict[str, str]]:
        """The attributes of each such element."""
        return [attributes for found, attributes in self.elements if found == tag]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One browser for all tests."""
    started = Browser(tmp_path_factory.mktemp("profile"))
    yield started
    started.close()


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a sweep that is not all well."""
    folder = tmp_path_factory.mktemp("hard")
    file = folder / "index.html"
    file.write_text(argued(six_cells(folder, words=HARD)).page())
    return file


@pytest.fixture(scope="module")
def korean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with labels in Korean, long ones and one without a space."""
    folder = tmp_path_factory.mktemp("korean")
    cells = [{**cell, "label": label} for cell, label in zip(TABLE1["cells"], KOREAN, strict=True)]
    file = folder / "index.html"
    file.write_text(argued(six_cells(folder, {**TABLE1, "cells": cells})).page())
    return file


@pytest.fixture(scope="module")
def linked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page whose runs have their folders and pages in W&B."""
    folder = tmp_path_factory.mktemp("linked")
    found = argued(six_cells(folder))
    links = {
        run["run_id"]: Links(f"../../runs/{run['run_id']}/", f"https://wandb.ai/x/{run['run_id']}")
        for runs in found.cells
        for run in runs
    }
    file = folder / "index.html"
    file.write_text(page(found.analysis, found.table, found.details, links=links))
    return file


def labels(browser: Browser, section: str = "accuracy") -> list[str]:
    """A table's cells in the order in which they stand."""
    found: list[str] = browser.run(f"[...document.querySelectorAll('#{section} tbody th')].map((cell) => cell.textContent)")
    return found


def press(browser: Browser, column: int, section: str = "accuracy") -> str:
    """Click a column's button and return the column's state."""
    head = f"document.querySelectorAll('#{section} thead th')[{column}]"
    state: str = browser.run(f"{head}.querySelector('button').click(), {head}.getAttribute('aria-sort')")
    return state


# what stands in it


def test_the_page_needs_nothing_but_itself(index: Path) -> None:
    found = Structure(index.read_text())
    loaded = [
        attributes[name]
        for _, attributes in found.elements
        for name in ("src", "href", "xlink:href", "action", "data", "poster", "srcset")
        if name in attributes
    ]
    assert [address for address in loaded if not address.startswith(("#", "data:"))] == []
    assert "http:" not in index.read_text() and "https:" not in index.read_text()
    assert "@import" not in found.texts["style"][0] and "url(" not in found.texts["style"][0]
    assert found.open == []


def test_only_its_own_script_may_run(index: Path) -> None:
    found = Structure(index.read_text())
    assert found.texts["script"] == [pages._file("page.js")]
    assert [name for _, attributes in found.elements for name in attributes if name.startswith("on")] == []
    (policy,) = [meta["content"] for meta in found.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; ")
    assert re.search(r"script-src 'sha256-[\w+/=]+';", policy)


def test_every_id_is_one_and_every_link_leads_to_one(index: Path) -> None:
    found = Structure(index.read_text())
    ids = [attributes["id"] for _, attributes in found.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = [attributes.get(name, "") for _, attributes in found.elements for name in ("href", "xlink:href")]
    used = {address[1:] for address in links if address.startswith("#")}
    used |= set(re.findall(r"url\(#([^)]+)\)", index.read_text()))
    used |= {attributes["aria-labelledby"] for _, attributes in found.elements if "aria-labelledby" in attributes}
    assert used <= set(ids)


def test_the_verdict_comes_before_any_table(index: Path) -> None:
    text = index.read_text()
    places = [
        text.index(part) for part in ("planned 18 = done 11 + diverged 3 + failed 1 + missing 3", 'id="verdict"', "<table")
    ]
    assert places == sorted(places)


def test_a_studys_note_stands_before_the_verdict(tmp_path: Path) -> None:
    text = argued(six_cells(tmp_path, {**TABLE1, "note": "a note of the study"})).page()
    assert text.index("a note of the study") < text.index('id="verdict"')


def test_a_missing_number_is_a_word(index: Path) -> None:
    """Of a cell without a result there is no zero."""
    found = Structure(index.read_text())
    entries = zip(found.texts["td"], found.all("td"), strict=True)
    words = [text for text, attributes in entries if "data-value" not in attributes]
    assert {"diverged (n=0)", "missing (n=0)"} <= set(words)
    assert {"diverged", "missing"} <= {text.strip() for text in words}
    assert "0.00 (n=0)" not in index.read_text()


def test_provenance_says_where_the_numbers_come_from(index: Path) -> None:
    found = Structure(index.read_text())
    said = " | ".join(found.texts["dd"] + found.texts["code"])
    for fact in FACTS:
        assert fact in said, fact


def test_equal_records_give_equal_bytes(tmp_path: Path) -> None:
    """Again, and in another order of the frame's rows."""
    folder = six_cells(tmp_path, words=HARD)
    frame = local_files.local(folder, select(folder))
    first = argued(folder, frame).page()
    assert argued(folder, frame).page() == first
    assert argued(folder, frame.sample(frac=1, random_state=1)).page() == first


def test_without_local_records_words_stand_in_the_curves_place(tmp_path: Path) -> None:
    found = argued(six_cells(tmp_path))
    text = page(found.analysis, found.table, without(found.cells, "The runs were read from elsewhere."), source="elsewhere")
    assert "The runs were read from elsewhere." in text
    assert 'aria-label="Test accuracy over epochs, percent"' not in text
    assert "commit c0ffee" in text


def test_one_run_makes_a_page(tmp_path: Path) -> None:
    """No study, no comparison, no factorial, no curve."""
    runs = Runs(tmp_path / "runs")
    runs.record(outcome(config(), best=91.0))
    found = argued(runs.folder)
    text = found.page()
    assert Structure(text).open == []
    assert "epochs.jsonl: not there" in text
    assert 'id="factorial"' not in text


def test_a_cell_is_sorted_by_the_value_that_it_is_about_and_a_word_by_none(tmp_path: Path) -> None:
    """In full, not as its text rounds it: two means that read 94.00 still have an order."""
    row = [Entry("c", "c"), Entry("94.00 ± 0.31 (n=3)", 94.0049), Entry("2 seeds: no interval below 3"), Entry("yes", True)]
    columns = [Column("cell"), Column("best", "estimate"), Column("95 % interval", "estimate"), Column("resolved")]
    found = argued(six_cells(tmp_path))
    table = replace(found.table, sections=[Section("accuracy", "Accuracy", columns, [row])])
    structure = Structure(page(found.analysis, table, without(found.cells, "")))
    entries = [each for each in structure.all("td") if "data-value" in each or each.get("class", "").startswith("word")]
    assert [each.get("data-value") for each in entries] == ["94.0049", None, None]


# in a browser


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_it_fits_and_is_silent(width: int, dark: bool, index: Path, browser: Browser) -> None:
    browser.show(index, width, dark=dark)
    assert browser.run("document.scrollingElement.scrollWidth <= innerWidth && innerWidth") == width
    browser.run(OPEN)
    assert browser.run("document.scrollingElement.scrollWidth <= innerWidth && innerWidth") == width
    assert browser.noise() == []
    assert browser.run(OUTSIDE) == []
    assert browser.run(SMALLEST) >= 10


@pytest.mark.parametrize("width", WIDTHS)
def test_no_text_of_a_picture_overlaps_another_or_the_marks(width: int, index: Path, korean: Path, browser: Browser) -> None:
    for file in (index, korean):
        browser.show(file, width)
        browser.run(OPEN)
        assert browser.run("document.querySelectorAll('.picture').length") >= 3
        assert browser.run(OVERLAPPING) == []


def test_the_check_for_overlaps_finds_one(index: Path, tmp_path: Path, browser: Browser) -> None:
    planted = tmp_path / "planted.html"
    planted.write_text(index.read_text().replace("</style>", ".picture .label { white-space: nowrap; width: 3rem }</style>"))
    browser.show(planted, 900)
    assert browser.run(OVERLAPPING) != []


def test_the_first_screen_answers_and_uses_its_width(index: Path, browser: Browser) -> None:
    """Verdict, table and effects stand in the first 900 pixels, side by side, and reach from edge to edge."""
    browser.show(index, 1600)
    boxes = "['verdict', 'cells', 'effects'].map((id) => document.getElementById(id).getBoundingClientRect().toJSON())"
    verdict, table, factors = browser.run(boxes)
    assert max(box["bottom"] for box in (verdict, table, factors)) <= 900
    assert table["right"] < factors["left"] and abs(table["top"] - factors["top"]) < 1
    assert table["left"] < 64 and factors["right"] > 1600 - 64
    assert browser.run("document.querySelectorAll('.folds details[open]').length") == 0


def test_pointing_at_a_row_shows_what_it_is_made_of(index: Path, browser: Browser) -> None:
    """And does not catch the mouse, which goes on to the next row."""
    browser.show(index, 1600)
    assert browser.run(TIPS) == []
    rows = "[...document.querySelectorAll('#cells tbody tr')].map((row) => row.getBoundingClientRect().toJSON())"
    for place in (0, 1):
        box = browser.run(rows)[place]
        browser.point(box["left"] + 300, box["top"] + box["height"] / 2)
        (tip,) = browser.run(TIPS)
        assert tip.startswith(["Baseline\nn = 3\nlast accuracy", "+ CutMix\nn = 2 of 3; 1 failed\nlast accuracy"][place])
    assert run_id(config("none", "cutmix", 0)) in tip
    assert "95 % interval" not in tip and "failed" in tip
    browser.point(5, 5)
    assert browser.run(TIPS) == []


def test_a_press_holds_a_row_so_that_its_links_can_be_followed(linked: Path, browser: Browser) -> None:
    browser.show(linked, 1600)
    box = browser.run("document.querySelector('#cells tbody td').getBoundingClientRect().toJSON()")
    browser.point(box["left"] + 20, box["top"] + 20, press=True)
    link = browser.run("document.querySelector('.tip a').getBoundingClientRect().toJSON()")
    browser.point(link["left"] + 5, link["top"] + 5)
    assert len(browser.run(TIPS)) == 1
    assert browser.run(f"document.elementFromPoint({link['left'] + 5}, {link['top'] + 5}).tagName") == "A"


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_the_keyboard_reaches_each_row_and_its_links(script: bool, linked: Path, browser: Browser) -> None:
    """Tab: the row says what it is made of, then its runs' folders and their pages in W&B; Escape puts it away."""
    browser.send("Emulation.setScriptExecutionDisabled", value=not script)
    try:
        browser.show(linked, 1600)
        browser.press("Tab", 9)
        (tip,) = browser.run(TIPS)
        accuracy = "last accuracy 92.75 %, 95 % interval 92.13 to 93.37 %".replace(" %", "\N{NO-BREAK SPACE}%")
        assert tip.startswith(f"Baseline\nn = 3\n{accuracy}")
        assert browser.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        reached = []
        for _ in range(7):
            browser.press("Tab", 9)
            reached.append(browser.run("document.activeElement.getAttribute('href') || document.activeElement.textContent"))
        names = [run_id(config(seed=seed)) for seed in range(3)]
        assert reached == [
            *(each for name in names for each in (f"../../runs/{name}/", f"https://wandb.ai/x/{name}")),
            "+ CutMix",
        ]
        if script:
            browser.press("Escape", 27)
            assert browser.run(TIPS) == []
        assert browser.noise() == []
    finally:
        browser.send("Emulation.setScriptExecutionDisabled", value=False)


def test_every_run_is_listed_with_its_links(linked: Path, browser: Browser) -> None:
    browser.show(linked, 900)
    rows = browser.run("[...document.querySelectorAll('#runs tbody tr')].map((row) => row.querySelectorAll('a').length)")
    assert rows == [2] * 18


def test_an_address_opens_its_fold(index: Path, browser: Browser) -> None:
    browser.show(index, 900)
    browser.run("location.hash = '#provenance'")
    assert browser.run("document.getElementById('provenance').checkVisibility({contentVisibilityAuto: true})")


def test_the_report_s_own_table_is_a_view(index: Path, browser: Browser) -> None:
    browser.show(index, 1600)
    columns = browser.run("[...document.querySelectorAll('#reported thead th')].map((head) => head.textContent)")
    assert columns == [cell["label"] for cell in TABLE1["cells"]]


def test_a_click_sorts_by_value_and_puts_words_last(index: Path, browser: Browser) -> None:
    browser.show(index, 900)
    before = labels(browser)
    assert press(browser, 1) == "descending"
    assert labels(browser) == [
        "+ Resizer_CBAM + CutMix",
        "+ Resizer + CutMix",
        "+ CutMix",
        "Baseline",
        "+ Resizer",
        "+ Resizer_CBAM",
    ]
    assert press(browser, 1) == "ascending"
    assert labels(browser) == [
        "Baseline",
        "+ CutMix",
        "+ Resizer + CutMix",
        "+ Resizer_CBAM + CutMix",
        "+ Resizer",
        "+ Resizer_CBAM",
    ]
    assert press(browser, 1) == "none"
    assert labels(browser) == before
    assert press(browser, 0) == "ascending"
    assert labels(browser) == sorted(before)
    assert browser.noise() == []


def test_one_column_at_a_time_is_sorted_and_says_so(index: Path, browser: Browser) -> None:
    browser.show(index, 900)
    press(browser, 1)
    press(browser, 2)
    states = browser.run("[...document.querySelectorAll('#accuracy thead th')].map((head) => head.ariaSort)")
    assert states[:3] == ["none", "none", "descending"]
    assert set(states[3:]) == {"none"}


def test_the_keyboard_opens_a_fold_and_sorts_its_table(index: Path, browser: Browser) -> None:
    browser.show(index, 900)
    browser.run("document.querySelector('.folds summary').focus()")
    browser.press("Enter", 13, "\r")
    assert browser.run("document.activeElement.parentElement.open")
    browser.press("Tab", 9)
    assert browser.run("document.activeElement.getAttribute('role')") == "region"  # scrolls with the arrow keys
    browser.press("Tab", 9)
    browser.press("Tab", 9)
    assert browser.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    before = labels(browser)
    browser.press("Enter", 13, "\r")
    assert browser.run("document.activeElement.closest('th').ariaSort") == "descending"
    assert labels(browser) != before


def test_light_and_dark_are_two(index: Path, browser: Browser) -> None:
    browser.show(index, 900)
    light = browser.run(COLOURS)
    browser.show(index, 900, dark=True)
    assert all(first != second for first, second in zip(light, browser.run(COLOURS), strict=True))


def test_hostile_text_is_text(tmp_path: Path, browser: Browser) -> None:
    """In every place that text from outside reaches: nothing of it runs, and it is read as it was written."""
    study: dict[str, Any] = {**TABLE1, "name": EVIL, "title": EVIL, "note": EVIL}
    study["cells"] = [{**cell, "label": f"{EVIL} {place}"} for place, cell in enumerate(study["cells"])]
    folder = six_cells(tmp_path, study)
    provenance = {"versions": {"<b>": "<script>evil = 1</script>"}, "machine": [], "data_checksum": "<script>evil = 1</script>"}
    (folder / run_id(config()) / "provenance.json").write_text(json.dumps(provenance))
    index = tmp_path / "index.html"
    index.write_text(argued(folder).page())
    browser.show(index, 400)
    assert browser.noise() == []
    assert browser.run("typeof evil") == "undefined"
    assert browser.run("document.querySelectorAll('script').length") == 1
    assert browser.run("document.querySelectorAll('img, b').length") == 0
    shown = EVIL.replace("\u202e", "").replace("\x07", "")
    assert browser.run("document.title") == shown
    assert browser.run("document.querySelector('tbody th').textContent") == f"{shown} 0"
    assert browser.run("document.querySelector('.tip .name').textContent") == f"{shown} 0"
    assert browser.run("document.scrollingElement.scrollWidth <= innerWidth")


def test_the_policy_stops_what_escaping_would_let_through(index: Path, tmp_path: Path, browser: Browser) -> None:
    """A script planted into the page does not run: two walls, not one."""
    planted = tmp_path / "planted.html"
    planted.write_text(index.read_text().replace("</main>", "<script>evil = 1</script><img src=x onerror='evil = 1'></main>"))
    browser.show(planted, 900)
    assert browser.run("typeof evil") == "undefined"
    assert browser.noise() != []


def test_it_prints_on_paper(index: Path, tmp_path: Path, browser: Browser) -> None:
    """In print, whatever the screen: dark ink on white, no table cut off by its scroller, and what is folded stands there."""
    browser.show(index, 900, dark=True, media="print")
    assert browser.run("getComputedStyle(document.body).color") == "rgb(28, 32, 36)"
    assert browser.run("getComputedStyle(document.querySelector('.scroll')).overflowX") == "visible"
    browser.pdf(tmp_path / "page.pdf")
    text = subprocess.run(
        ["pdftotext", "-layout", tmp_path / "page.pdf", "-"], capture_output=True, text=True, check=True
    ).stdout
    said = " ".join(text.split())
    for part in (
        "beats Baseline by 3.62 points",
        "Holm over",
        "commit c0ffee",
        "where one more of ours would lie",
        "As the report",
    ):
        assert part in said, part


# what the colours are


def test_text_and_series_stand_out_in_both_schemes() -> None:
    """WCAG 2.2: 4.5 to 1 for text (1.4.3), 3 to 1 for what is drawn (1.4.11)."""
    css = pages._file("page.css")
    light, dark = (dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block)) for block in css.split("@media screen")[:2])
    for colours in (light, light | dark):
        for name, colour in colours.items():
            if name in ("ink", "muted", "link"):
                assert min(contrast(colour, colours["paper"]), contrast(colour, colours["wash"])) >= 4.5, name
            if name.startswith("series"):
                assert contrast(colour, colours["paper"]) >= 3, name


def contrast(first: str, second: str) -> float:
    """The ratio of WCAG 2.2's relative luminances."""
    bright, dim = sorted((luminance(first), luminance(second)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
