"""hydra/sweeper=rounds as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.commands import script

TINY = ("profile=demo", "study=none", "tracker=none", "data.limit=40", "data.test_limit=20", "train.epochs=1", "aug=base")
ROUNDS = ("hydra/sweeper=rounds", "rounds.looks=[2,3]", "resizer=none,bilinear")


def test_rounds_train_judge_and_are_tabled(tmp_path: Path) -> None:
    """The table of a sweep in rounds is complete, and names its looks; the same command again trains nothing."""
    done = script("run.py", "-m", *TINY, *ROUNDS, cwd=tmp_path)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert "plan: 6 runs: 6 to do, at most: looks at 2, 3 seeds a cell" in done.stdout
    assert "round 1 (2 seeds): of 1 planned comparisons" in done.stdout
    (manifest,) = (tmp_path / "runs" / "sweeps").glob("*/manifest.json")
    assert json.loads(manifest.read_text())["rounds"] == {"looks": [2, 3], "hours": None}
    again = script("run.py", "-m", *TINY, *ROUNDS, cwd=tmp_path)
    assert again.returncode == 0 and "epoch 1/1" not in again.stdout and "round 1 (2 seeds)" in again.stdout
    table = script("reports/make_table.py", cwd=tmp_path)
    assert table.returncode == 0, table.stdout + table.stderr
    assert "seeds in rounds" in " ".join(table.stdout.split()) and "missing" not in table.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("rounds.looks=[3]",), "rounds.looks=[3]: must be two or more rising whole numbers"),
        (("rounds.looks=[5,3]",), "rounds.looks=[5,3]: must be two or more rising whole numbers"),
        (("rounds.looks=[1,3]",), "rounds.looks=[1,3]: must be two or more rising whole numbers"),
        (("rounds.looks=3",), "rounds.looks=3: must be two or more rising whole numbers"),
        (("rounds.hours=0",), "rounds.hours=0: must be null or finite and > 0"),
        (("rounds.hours=-1",), "rounds.hours=-1: must be null or finite and > 0"),
        (("seed=0,1",), "hydra/sweeper=rounds chooses the seeds"),
        (("rounds.look=[2,3]",), "look"),
    ],
)
def test_bad_rounds_are_refused_in_one_line(arguments: tuple[str, ...], words: str, tmp_path: Path) -> None:
    done = script("run.py", "-m", *TINY, *ROUNDS, *arguments, cwd=tmp_path)
    assert done.returncode == 1 and words in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert not list(tmp_path.glob("runs/*"))


def test_rounds_of_a_single_run_are_refused(tmp_path: Path) -> None:
    done = script("run.py", *TINY, "hydra/sweeper=rounds", cwd=tmp_path)
    assert done.returncode == 1 and "hydra/sweeper=rounds: needs -m" in done.stderr
