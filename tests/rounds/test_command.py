"""hydra/sweeper=rounds as it is typed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from ablation.reporting.statistics.looks import shares
from tests.commands import script
from tests.reporting.conftest import make_table, runs
from tests.reporting.constructed_records import Runs, config, outcome
from tests.reporting.studies import NO_STUDY

__all__ = ["make_table", "runs"]  # fixtures
Printed = pytest.CaptureFixture[str]
TINY = ("profile=demo", "study=none", "tracker=none", "data.limit=40", "data.test_limit=20", "train.epochs=1", "aug=base")
ROUNDS = ("hydra/sweeper=rounds", "rounds.looks=[2,3]", "resizer=none,bilinear")


def test_rounds_train_judge_and_are_tabled(tmp_path: Path) -> None:
    """The table of a sweep in rounds is complete, and names its looks; the same command again trains nothing."""
    done = script("run.py", "-m", *TINY, *ROUNDS, cwd=tmp_path)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert "plan: 6 runs: 6 to do, at most: looks at 2, 3 seeds a cell" in done.stdout
    assert "round 1 (2 seeds): of 1 planned comparisons" in done.stdout
    (manifest,) = (tmp_path / "runs" / "sweeps").glob("*/manifest.json")
    assert json.loads(manifest.read_text())["rounds"] == {"looks": [2, 3], "hours": None, "shares": list(shares((2, 3)))}
    again = script("run.py", "-m", *TINY, *ROUNDS, cwd=tmp_path)
    assert again.returncode == 0 and "epoch 1/1" not in again.stdout and "round 1 (2 seeds)" in again.stdout
    table = script("reports/make_table.py", cwd=tmp_path)
    assert table.returncode == 0, table.stdout + table.stderr
    printed = " ".join(table.stdout.split())
    assert "seeds in rounds" in printed
    for word in ("missing", "Provisional", "without a result", "of 3"):  # a run that is not needed lacks nothing
        assert word not in printed, printed


@pytest.mark.faults
def test_rounds_go_through_the_queue(tmp_path: Path) -> None:
    """Each round is a batch of its own; the same runs as under the basic launcher."""
    queue = ("hydra/launcher=local_gpus", "hydra.launcher.devices=cpu", "hydra.launcher.jobs_per_device=2")
    done = script("run.py", "-m", *TINY, *ROUNDS, *queue, cwd=tmp_path)
    assert done.returncode == 0 and "round 1 (2 seeds)" in done.stdout, done.stdout + done.stderr
    assert len(list((tmp_path / "runs").glob("*-s*/predictions.npz"))) in (4, 6)


def test_seeds_added_by_hand_are_said_not_to_pay_for_looking(
    runs: Runs, make_table: Callable[..., int], capsys: Printed
) -> None:
    """Two sweeps of one study, the second with more seeds of the same cells; one sweep alone says nothing."""
    first, second = ([config(resizer, "base", seed) for resizer in ("none", "plain") for seed in range(n)] for n in (2, 3))
    for flat in second:
        runs.record(outcome(flat))
    runs.manifest(NO_STUDY, second, sweep="20260102-000000-bbbb")
    assert make_table() == 0 and "seeds were added" not in capsys.readouterr().out
    runs.manifest(NO_STUDY, first, sweep="20260101-000000-aaaa")
    assert make_table() == 0
    assert "seeds were added since an earlier sweep of this study" in " ".join(capsys.readouterr().out.split())


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
