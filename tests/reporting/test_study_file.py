"""A study is a file: another paper's question, composed, trained at a tiny size and tabled under that paper's name."""

from __future__ import annotations

import csv
from pathlib import Path

from tests.commands import script

TINY = ("profile=demo", "data.limit=40", "data.test_limit=20", "train.epochs=1", "tracker=none", "resizer=none", "study=mixup")


def test_another_papers_study_is_run_and_tabled(tmp_path: Path) -> None:
    """Its axes are swept, its cells named; its numbers are left out with the reason, and its own table ends the LaTeX."""
    trained = script("run.py", "-m", *TINY, "seed=0,1", cwd=tmp_path)
    assert trained.returncode == 0 and "plan: 4 runs: 4 to do" in trained.stdout, trained.stderr
    table = script("reports/make_table.py", cwd=tmp_path)
    assert table.returncode == 0, table.stderr
    assert "Zhang et al. 2018 used another protocol" in " ".join(table.stdout.split())
    folder = tmp_path / "reports" / "mixup"
    rows = list(csv.DictReader((folder / "table.csv").open()))
    assert [(row["cell"], row["report"]) for row in rows] == [("ERM", ""), ("mixup", "")]
    assert "mixing" in (folder / "effects.csv").read_text()
    latex = (folder / "table.tex").read_text()
    assert "Zhang et al. 2018 and these runs" in latex and latex.index("these runs") < latex.rindex("mixup & ")


def test_its_looks_are_the_studys(tmp_path: Path) -> None:
    """A sweep in rounds of this study looks at 3, 5 and 8 seeds."""
    plan = script("run.py", "-m", *TINY, "hydra/sweeper=rounds", "plan=true", cwd=tmp_path)
    assert plan.returncode == 0 and "plan: 16 runs: 16 to do, at most: looks at 3, 5, 8 seeds a cell" in plan.stdout, (
        plan.stderr
    )
