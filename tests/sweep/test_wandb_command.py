"""W&B's own habits at the command line: variables, settings files, sweep agents, `wandb sync`, a home that cannot be written.

Real client, real helper process, and the small server of these tests.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import script
from tests.conftest import outcome_of, wait_until_closed
from tests.wandb_server import Server, serving

SWEEP = ["-m", "profile=demo", "data.limit=40", "data.test_limit=20", "train.epochs=1", "resizer=none", "aug=base", "seed=0,1"]
ALONE = {"WANDB_MODE": "", "WANDB_SILENT": "", "NETRC": os.devnull}  # empty is unset: this machine knows nothing of W&B


def train(runs: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    home = {"HOME": str(runs.parent / "home"), **ALONE}
    return script("run.py", *SWEEP, f"paths.runs={runs}", *arguments, environment={**home, **environment})


def table(runs: Path, source: str, out: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    arguments = ["--runs", str(runs), "--source", source, "--out", str(out), *options]
    return script("reports/make_table.py", *arguments, environment={**ALONE, **environment})


def lines(done: subprocess.CompletedProcess[str]) -> list[str]:
    return [line for line in done.stdout.splitlines() if line.startswith("W&B: ")]


def test_under_a_sweep_agent_each_run_keeps_its_own_id(tmp_path: Path) -> None:
    """And the table reads them from where the variables sent them, in a shell that no longer has these."""
    agent = {"WANDB_SWEEP_ID": "swp1", "WANDB_RUN_ID": "agent1", "WANDB_SWEEP_PARAM_PATH": "nowhere.yaml"}
    fields = {"WANDB_PROJECT": "thesis", "WANDB_RUN_GROUP": "g1", "WANDB_TAGS": "x,y", "WANDB_NOTES": "why"}
    runs = tmp_path / "runs"
    with serving() as server:
        done = train(runs, "tracker.group=mine", **agent, **fields, **server.environment())
        assert done.returncode == 0 and len(lines(done)) == 1, done.stdout + done.stderr
        assert "project thesis (WANDB_PROJECT), group mine (tracker.group, not WANDB_RUN_GROUP)" in lines(done)[0]
        (manifest,) = runs.glob("sweeps/*/manifest.json")
        content = json.loads(manifest.read_text())
        assert content["tracker"]["project"] == "thesis"
        assert sorted(server.runs) == sorted(run["run_id"] for run in content["runs"])
        for run_id, run in server.runs.items():
            assert run.project == "thesis" and outcome_of(runs / run_id)["tracker"]["project"] == "tester/thesis"
            assert run.values() == outcome_of(runs / run_id)["config"]
            about = {"group": "mine", "tags": ["x", "y"], "notes": "why", "sweepName": "swp1", "jobType": "train"}
            assert {key: run.attributes[key] for key in about} == about
        checked = table(runs, "auto", tmp_path, "--check", **server.environment())
        assert checked.returncode == 0 and checked.stdout.startswith("agree: 2 runs"), checked.stdout + checked.stderr


def synced(server: Server, folder: Path, home: Path) -> None:
    """Upload offline runs as a person does."""
    wait_until_closed(folder)
    command = [sys.executable, "-m", "wandb", "sync", *map(str, folder.glob("offline-run-*"))]
    environment = {**os.environ, **server.environment(), "HOME": str(home), "NETRC": os.devnull}
    assert subprocess.run(command, env=environment, cwd=home, capture_output=True).returncode == 0


def test_offline_then_synced_is_the_table_of_the_records(tmp_path: Path) -> None:
    """With `wandb offline` before, a key, and W&B's files in a folder of one's own; each source to the last byte."""
    runs, home = tmp_path / "runs", tmp_path / "home"
    settings = home / ".config" / "wandb" / "settings"
    settings.parent.mkdir(parents=True)
    settings.write_text("[default]\nmode = offline\nproject = thesis\n")
    with serving() as server:
        done = train(runs, WANDB_DIR=str(tmp_path / "files"), **server.environment())
        assert done.returncode == 0 and not server.runs and not (runs / "wandb").exists()
        said = (
            f"W&B: offline ({settings}: mode=offline), project thesis ({settings}), files in {tmp_path / 'files'} (WANDB_DIR)"
        )
        assert lines(done) == [said]
        synced(server, tmp_path / "files" / "wandb", home)
        assert {run.project for run in server.runs.values()} == {"thesis"}
        texts = {}
        for source in ("local", "offline", "wandb"):
            made = table(runs, source, tmp_path / source, **server.environment())
            assert made.returncode == 0, made.stdout + made.stderr
            texts[source] = {name: (tmp_path / source / "demo" / name).read_bytes() for name in ("table.md", "runs.csv")}
    assert texts["local"] == texts["offline"] == texts["wandb"]


@pytest.mark.parametrize("variable", ["WANDB_MODE=offlien", "WANDB_PROJECT=a/b"])
def test_a_typo_is_refused_before_training(variable: str, tmp_path: Path) -> None:
    name, value = variable.split("=", 1)
    done = train(tmp_path / "runs", **{name: value})
    assert (done.returncode, done.stdout) == (1, "") and done.stderr.startswith("refused: ") and done.stderr.count("\n") == 1
    assert name in done.stderr or value in done.stderr
    assert not (tmp_path / "runs").exists()


def test_without_a_tracker_nothing_of_wandb_is_read(tmp_path: Path) -> None:
    done = train(tmp_path / "runs", "tracker=none", WANDB_MODE="offlien")
    assert done.returncode == 0 and not lines(done) and "W&B" not in done.stderr


@pytest.mark.parametrize("variable", ["HOME", "WANDB_CACHE_DIR"])
def test_the_helper_process_does_not_log_to_the_console(variable: str, tmp_path: Path) -> None:
    """Where its log folder cannot be made: it would print a dozen lines a run."""
    done = train(tmp_path / "runs", **{variable: "/dev/null/no", "WANDB_SILENT": "true"})
    assert done.returncode == 0 and done.stderr == "", done.stderr
    words = ("plan: ", "none-base-", "1/2 none-base-", "2/2 none-base-", "  epoch ", "  done: ")  # ours
    assert [line for line in done.stdout.splitlines() if not line.startswith(words)] == []
