"""Factors are data: what a study varies is named in conf/, never in the code that plans, records and reports. By AST."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ROOMS = (
    *(f"ablation/{room}" for room in ("commands", "cost", "figures", "launch", "records", "reporting", "sweep")),
    "reports",
    "hydra_plugins",
)
ENGLISH = {"none", "base", "plain", "learning", "attention"}  # words of sentences too: names only where they stand alone
EXEMPT = {  # file -> why it may know an option or a group
    "ablation/sweep/identity.py": "the groups of the identity, and those that a run id is made of",
    "ablation/sweep/ranges.py": "the legal values of every argument",
    "ablation/cost/model_size.py": "builds the classifier from its groups to count it",
    "ablation/cost/memory.py": "builds the classifier from its groups to measure it",
    "ablation/figures/captions.py": "the report's figures are of the Resizer, CBAM and CutMix",
    "ablation/figures/diagram.py": "draws the parts of the Resizer",
    "ablation/figures/draw.py": "the report's figures, by the parts that they show",
    "ablation/figures/module_graph.py": "names the parts of the Resizer and CBAM",
    "ablation/figures/samples.py": "the steps of the report's augmentation",
    "ablation/records/format1.py": "the module paths of the options of then",
    "ablation/figures/sharpness.py": "measures what the Resizer does to an image",
    "ablation/commands/run.py": "builds the parts of a run from its groups",
    "ablation/commands/figures.py": "the report's figures, as captions",
    "ablation/figures/trained_run.py": "builds the resizer that the figures show",
}


def words() -> set[str]:
    """Every factor that a shipped study names, the options of it, and the names of the studies' contrasts."""
    found: set[str] = set()
    for file in (ROOT / "conf" / "study").glob("*.yaml"):
        study = yaml.safe_load(file.read_text())["study"]
        contrasts = study.get("contrasts") or {}
        factors = {key for change in [*contrasts.values(), study.get("baseline") or {}] for key in change}
        options = {option.stem for factor in factors for option in (ROOT / "conf" / factor).glob("*.yaml")}
        found |= {*contrasts, *factors, *options}
    return found


def texts(tree: ast.AST) -> Iterator[ast.Constant]:
    """Every text in a source but its docstrings."""
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node


def violations(file: str, source: str) -> list[str]:
    """Texts of a source that are or hold the name of a factor, an option or a contrast."""
    if file in EXEMPT:
        return []
    known = words()
    clear = "|".join(sorted(known - ENGLISH))
    names = "|".join(sorted(known - {"none", "base"}))
    pattern = re.compile(rf"\b({clear})\b|^({names})$|\b({names})[=.]\w|=({names})\b", re.IGNORECASE)
    return [
        f"{file}:{node.lineno}: {node.value!r}"
        for node in texts(ast.parse(source))
        if pattern.search(node.value) and not node.value.startswith("ablation.")
    ]


def sources() -> list[str]:
    return [file.relative_to(ROOT).as_posix() for room in ROOMS for file in sorted((ROOT / room).rglob("*.py"))]


def test_the_words_are_those_of_the_studies() -> None:
    assert words() >= {"resizer", "aug", "plain", "cbam", "bilinear", "cutmix", "interpolation", "learning", "attention"}


@pytest.mark.parametrize("file", sources())
def test_no_code_names_a_factor(file: str) -> None:
    assert violations(file, (ROOT / file).read_text()) == []


@pytest.mark.parametrize(
    "planted",
    [
        'STEPS = {"learning": 1}',
        'wanted = [effect for effect in effects if effect.kind == "attention"]',
        'OPTIONS = ("resizer", "aug")',
        'where = config["resizer.size"]',
        'print(f"the Resizer adds {points} to {name}")',
        'command = f"python run.py resizer={name}"',
        'help = "compare with --against key=plain"',
        'def late() -> None:\n    return {"plain": 0, "other": 1}',
    ],
)
def test_the_check_bites(planted: str) -> None:
    assert len(violations("ablation/reporting/document/document.py", planted)) >= 1


@pytest.mark.parametrize(
    "innocent", ['"""The resizer."""', 'say("plain values only")', 'say("No learning curves")', "plain(x)"]
)
def test_words_of_sentences_pass(innocent: str) -> None:
    assert violations("ablation/reporting/document/document.py", innocent) == []


def test_every_exemption_is_of_a_file_that_needs_it() -> None:
    needed = {}
    for file in EXEMPT:
        source = (ROOT / file).read_text()
        needed[file] = violations(f"{file}x", source)
    assert all(needed.values()), [file for file, found in needed.items() if not found]
