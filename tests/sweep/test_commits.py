"""`code=HEAD~3,HEAD`: commits as an axis, each trained by its own code and tabled beside the others."""

from __future__ import annotations

import csv
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import DictConfig

from ablation.records.checkpoint import load_weights
from ablation.records.provenance import source_digest
from ablation.sweep import commits, planned_run
from ablation.sweep.refusal import Refused
from tests.commands import ROOT, script

TINY = (
    "profile=demo",
    "study=none",
    "resizer=none",
    "aug=base",
    "data.limit=40",
    "data.test_limit=20",
    "train.epochs=1",
    "tracker=none",
)


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("code=HEAD~3,HEAD", "code='HEAD~3','HEAD'"),
        ("code=.", "code='.'"),
        ("+code=v1.0^", "+code='v1.0^'"),
        ("code=null", "code=null"),
        ("code='HEAD~3'", "code='HEAD~3'"),
        ("code=choice(a,b)", "code=choice(a,b)"),
        ("encode=HEAD~3", "encode=HEAD~3"),
        ("code", "code"),
    ],
)
def test_names_of_commits_are_quoted_for_hydra(typed: str, read: str) -> None:
    assert commits.quoted(typed) == read


def test_a_commit_is_resolved_and_the_code_as_it_is_has_its_digest() -> None:
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert commits.resolved("HEAD") == head[:12] and commits.resolved(".") == f"here-{source_digest()}"


@pytest.mark.parametrize("code", ["no-such-branch", "HEAD:run.py", "--all", "HEAD~100000"])
def test_what_is_no_commit_is_refused(code: str) -> None:
    with pytest.raises(Refused, match=r"no commit with run\.py"):
        commits.resolved(code)


def test_only_code_that_was_typed_is_part_of_an_identity(composed: Callable[..., DictConfig]) -> None:
    """All other run ids stay what they are."""
    plain, head = (planned_run.plan(composed("profile=demo", *more)) for more in ((), ("code='HEAD'",)))
    assert "code" not in plain.identity and head.identity == {**plain.identity, "code": commits.resolved("HEAD")}
    assert head.run_id != plain.run_id


def test_a_commit_that_is_none_stops_the_command(tmp_path: Path) -> None:
    """Before anything is trained, in one line."""
    done = script("run.py", "-m", *TINY, "code=nowhere,.", cwd=tmp_path)
    assert done.returncode == 1 and "code=nowhere: no commit with run.py" in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "runs").exists()


@pytest.mark.faults
def test_two_versions_are_trained_and_tabled(tmp_path: Path) -> None:
    """The last commit and the code as it is: two cells of one table, the same accuracy; then skipped."""
    done = script("run.py", "-m", *TINY, "code=HEAD,.", "seed=0,1", cwd=tmp_path, timeout=600)
    assert done.returncode == 0, done.stderr
    table = script("reports/make_table.py", cwd=tmp_path)
    assert table.returncode == 0, table.stderr
    rows = list(csv.DictReader((tmp_path / "reports" / "none" / "table.csv").open()))
    head = commits.resolved("HEAD")
    assert [(row["planned"], row["done"]) for row in rows] == [("2", "2")] * 2
    assert {row["code"] for row in rows} == {head, commits.resolved(".")} and rows[0]["last_acc"] == rows[1]["last_acc"]
    folders = [folder.parent for folder in (tmp_path / "runs").glob("*-s*/outcome.json")]
    records = {folder: json.loads((folder / "outcome.json").read_text()) for folder in folders}
    taken = [folder for folder, record in records.items() if record["config"].get("code") == head]
    assert len(records) == 4 and len(taken) == 2
    for folder in taken:
        assert (
            records[folder]["run_id"] == folder.name
            and load_weights(folder / "checkpoints")["run"] == records[folder]["digest"]
        )
    again = script("run.py", "-m", *TINY, "code=HEAD,.", "seed=0,1", cwd=tmp_path, timeout=600)
    assert again.returncode == 0 and "plan: 4 runs: 4 done" in again.stdout
