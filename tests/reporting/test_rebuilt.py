"""A published study is rebuilt from what is published with it: every table, byte for byte."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import pytest

from ablation.commands import table
from ablation.records.numbers import probability
from tests.conftest import ROOT

TABLES = ("table.md", "table.csv", "table.tex", "runs.csv", "differences.csv", "effects.csv", "correct.zip")
STUDIES = sorted(folder.parent for folder in (ROOT / "reports" / "published").glob("*/sweeps"))


@pytest.mark.parametrize("study", STUDIES, ids=[study.name for study in STUDIES])
def test_its_tables_are_those_of_its_records(study: Path, tmp_path: Path) -> None:
    """By the command that its README names; every planned run is done, so the code is 0."""
    runs = study.relative_to(ROOT)
    assert f"--runs {runs} --study {study.name}" in " ".join((study / "README.md").read_text().split())
    assert table.main(["--runs", str(runs), "--study", study.name, "--out", str(tmp_path)]) == 0
    differing = [name for name in TABLES if (tmp_path / study.name / name).read_bytes() != (study / name).read_bytes()]
    assert differing == []


def test_the_readme_quotes_the_published_differences() -> None:
    """Each row of its table: the difference to the baseline, half its interval, and Holm's p."""
    with (ROOT / "reports" / "published" / "resizers" / "differences.csv").open() as lines:
        published = {row["cell"]: row for row in csv.DictReader(lines)}
    quoted = re.findall(r"^\| ([^|]+) \| ([+-][\d.]+) ± ([\d.]+) \| ([^|]+) \|$", (ROOT / "README.md").read_text(), re.M)
    assert len(quoted) == 10
    for cell, points, half, p in quoted:
        row = published[cell]
        width = float(row["difference_high"]) - float(row["difference_low"])
        assert (float(points), float(half)) == pytest.approx((float(row["difference"]), width / 2), abs=0.0501), cell
        assert probability(float(row["holm"])) == p, cell


def test_a_changed_number_is_found(tmp_path: Path) -> None:
    """One more test image right in one run: another table."""
    study = ROOT / "reports" / "published" / "resizers"
    runs = shutil.copytree(study, tmp_path / "runs")
    outcome = next(runs.glob("bilinear-base-*-s0-*/outcome.json"))
    content = json.loads(outcome.read_text())
    content["last"]["test_acc"] += 0.1
    outcome.write_text(json.dumps(content))
    table.main(["--runs", str(runs), "--study", "resizers", "--out", str(tmp_path)])
    assert (tmp_path / "resizers" / "table.csv").read_bytes() != (study / "table.csv").read_bytes()
