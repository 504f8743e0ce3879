"""The command line as a user meets it: exit codes, one line for an error, nothing left behind by a refusal."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.commands import script
from tests.conftest import ROOT, wait_until_closed

TINY = ["profile=demo", "data.limit=40", "data.test_limit=20", "train.epochs=1", "tracker=none"]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return script("run.py", *arguments, environment={"COLUMNS": "100", **environment})


def run_from_nothing(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """For what Python reads as it starts."""
    command = [sys.executable, "run.py", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, env={**os.environ, **environment})


@pytest.fixture
def without_torch(tmp_path: Path) -> dict[str, str]:
    """An environment in which importing torch fails: the strongest form of `imports no torch`."""
    (tmp_path / "torch.py").write_text("raise ImportError('torch was imported')")
    return {"PYTHONPATH": str(tmp_path)}


def tree(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    files = (file for file in sorted(folder.rglob("*")) if file.is_file())
    return {
        str(file.relative_to(folder)): (s := file.stat()).st_mtime_ns and (s.st_mtime_ns, s.st_ctime_ns, file.read_bytes())
        for file in files
    }


@pytest.mark.parametrize("arguments", [["--help"], ["--cfg", "job"], ["-sc", "query=bash"], ["train.epochs=0"]])
def test_no_torch_for_help_completion_and_refusals(arguments: list[str], without_torch: dict[str, str]) -> None:
    done = run_from_nothing(*arguments, COMP_LINE="python run.py resizer=", COMP_POINT="22", **without_torch)
    assert "torch was imported" not in done.stdout + done.stderr
    assert done.returncode == (1 if arguments[0].startswith("train") else 0), done.stderr
    assert arguments[0] != "-sc" or "resizer=cbam" in done.stdout.split()


def test_the_torch_that_fails_bites(without_torch: dict[str, str]) -> None:
    done = run_from_nothing(*TINY, "plan=true", **without_torch)
    assert done.returncode == 1 and "torch was imported" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["-m", "resizer=none,cbm"], "refused: resizer=cbm: no such option; did you mean cbam?"),
        (["-m", "train.epochs=3,0"], "refused: train.epochs=0: must be a whole number >= 1"),
        (["optimizer.lr=-1"], "refused: optimizer.lr=-1: must be finite and > 0"),
        (["resizer=bilinear", "resizer.size=0"], "refused: resizer.size=0: must be a whole number >= 1"),
        (["data=imagefolder", "data.root=/nowhere"], "refused: data.root=/nowhere: "),
        (["data=imagefolder"], "refused: data=imagefolder: needs data.root=VALUE; conf/data/imagefolder.yaml says which"),
        (["-m", *TINY, "seed=0,0"], "refused: "),
        (["optimzer.lr=0.1"], "refused: optimzer.lr=0.1: no such key optimzer; did you mean optimizer?"),
        (["resizer=none,plain"], "refused: resizer=none,plain: several values are a sweep, which needs -m"),
        (["data.root=한글"], "refused: data.root=한글: cannot be read; type key=value, and quote other letters"),
        (["plan"], "refused: plan: cannot be read; type key=value"),
    ],
)
def test_refusals_are_one_line_and_leave_nothing(arguments: list[str], line: str, tmp_path: Path) -> None:
    done = run(*arguments, f"paths.runs={tmp_path / 'runs'}")
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith(line) and done.stderr.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_plan_trains_and_writes_nothing(tmp_path: Path) -> None:
    done = run(*TINY, "plan=true", "-m", f"paths.runs={tmp_path / 'runs'}")
    assert done.returncode == 0 and done.stdout.count("to do") == 9 and "MACs" in done.stdout
    assert not (tmp_path / "runs").exists()


def test_a_sweep_leaves_records_and_a_manifest_and_the_second_changes_no_byte(tmp_path: Path) -> None:
    runs = tmp_path / "runs 한글 dir"
    arguments = [*TINY, "resizer=none,plain", "-m", "aug=base", f"paths.runs='{runs}'"]  # -m in the middle
    first = run(*arguments)
    assert first.returncode == 0, first.stderr
    (manifest,) = runs.glob("sweeps/*/manifest.json")
    content = json.loads(manifest.read_text())
    ids = [planned["run_id"] for planned in content["runs"]]
    assert content["sweep_id"] == manifest.parent.name and content["study"]["name"] == "demo" and len(ids) == 2
    for planned in content["runs"]:
        outcome = json.loads((runs / planned["run_id"] / "outcome.json").read_text())
        assert outcome["outcome"] == "done" and outcome["config"] == planned["config"]
        assert not list((runs / planned["run_id"]).glob("checkpoints/epoch-*"))
    plan, *lines = first.stdout.splitlines()  # of a file: one line a run, the epochs in its run.log
    assert plan == "plan: 2 runs: 2 to do"
    assert [line.partition(": done: ")[0] for line in lines] == [f"{at}/2 {run_id}" for at, run_id in enumerate(ids, 1)]
    assert all("  epoch 1/1  " in (runs / run_id / "run.log").read_text() for run_id in ids)
    before = {run_id: tree(runs / run_id) for run_id in ids}
    second = run(*arguments)
    assert second.returncode == 0 and second.stdout.count("skipped") == 2
    assert {run_id: tree(runs / run_id) for run_id in ids} == before


def test_verbose_prints_each_epoch_and_is_no_other_run(tmp_path: Path) -> None:
    arguments = [*TINY, "resizer=none", "aug=base", f"paths.runs={tmp_path}"]
    name, epoch, done = run("-v", *arguments).stdout.splitlines()
    assert epoch.startswith("  epoch 1/1  train loss ") and done.startswith(f"{name}: done: best ")
    assert run(*arguments).stdout.startswith(f"{name}: done, skipped")


def test_the_table_from_wandbs_files_equals_the_local_one(tmp_path: Path) -> None:
    """Of real runs, byte for byte: what W&B kept is what the record says."""
    runs, tables = tmp_path / "runs", {}
    overrides = [*TINY[:3], "train.epochs=2", "resizer=none,plain", "aug=base", f"paths.runs={runs}"]
    done = run("-m", *overrides, WANDB_MODE="offline", WANDB_SILENT="")
    assert done.returncode == 0 and "W&B: offline (WANDB_MODE=offline)" in done.stdout
    wait_until_closed(runs / "wandb")
    for source in ("local", "offline"):
        options = ["--runs", str(runs), "--source", source, "--out", str(tmp_path / source)]
        assert script("reports/make_table.py", *options).returncode == 0
        tables[source] = {file.name: file.read_bytes() for file in (tmp_path / source / "demo").iterdir()}
        page = tables[source].pop("index.html")  # alone says where its runs were read from
        assert {"local": b"local records", "offline": b"W&amp;B offline files"}[source] in page
    assert {"table.md", "table.tex", "table.csv", "runs.csv"} <= set(tables["local"]) and tables["local"] == tables["offline"]


def test_what_a_part_says_reaches_the_user_once(tmp_path: Path) -> None:
    """No network, no data: one line that names folder, file and alternatives, not behind Hydra's wrapper."""
    data = ["data=cifar10", "resizer=bilinear", f"data.root={tmp_path / 'data'}"]
    unreachable = {"https_proxy": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}
    done = run(*TINY, *data, f"paths.runs={tmp_path / 'runs'}", **unreachable)
    said = done.stdout + done.stderr
    assert done.returncode == 1 and "Error in call to target" not in said
    assert said.count("cifar-10-python.tar.gz (md5 c58f30108f718f92721af3b95e74349a)") == 1 and "profile=demo" in said


@pytest.mark.parametrize("many", [[], ["-m"]])
def test_a_folder_that_cannot_be_written_is_refused_before_training(tmp_path: Path, many: list[str]) -> None:
    """As runs/ in a checkout that is somebody else's: /sys is closed to root, too. A plan needs no folder."""
    arguments = [*many, *TINY, "resizer=none", "aug=base", "paths.runs=/sys/runs"]
    done = run(*arguments)
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
    line = r"refused: paths\.runs=/sys/runs: cannot be written \(.+\): say paths\.runs=FOLDER, or start in another folder\n"
    assert re.fullmatch(line, done.stderr), done.stderr
    assert run(*arguments, "plan=true").returncode == 0
    (tmp_path / "file").touch()
    done = run(*arguments[:-1], f"paths.runs={tmp_path}/file/runs")
    assert done.stderr == f"refused: paths.runs={tmp_path}/file/runs: is or lies in a file, must be a folder\n"


@pytest.mark.parametrize(
    ("change", "words"),
    [({"digest": "0123456789"}, "holds run 0123456789, expected"), ({"format": 9}, "a record in format 9, this version reads")],
)
def test_a_foreign_folder_stops_the_command(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    """Before the first run, whichever run's folder it is."""
    arguments = ["-m", *TINY, "resizer=none,plain", "aug=base", f"paths.runs={tmp_path}"]
    foreign = next(word for word in run(*arguments, "plan=true").stdout.split() if word.startswith("plain-base"))
    (tmp_path / foreign).mkdir()
    record = {"format": 1, "digest": foreign.rpartition("-")[2], "outcome": "failed", "config": {"seed": 0}} | change
    (tmp_path / foreign / "outcome.json").write_text(json.dumps(record))
    done = run(*arguments)
    assert done.returncode == 1 and done.stderr.startswith("refused: ") and words in done.stderr
    assert [folder.name for folder in tmp_path.iterdir()] == [foreign]


def blocked_sweep(runs: Path) -> tuple[list[str], str]:
    """A sweep of two whose first run must fail: a regular file lies where its checkpoints go. Return arguments and its id."""
    arguments = ["-m", *TINY, "resizer=none,plain", "aug=base", f"paths.runs={runs}"]
    blocked = next(word for word in run(*arguments, "plan=true").stdout.split() if word.startswith("none-base"))
    (runs / blocked).mkdir(parents=True)
    (runs / blocked / "checkpoints").write_text("in the way")
    return arguments, blocked


def outcomes(runs: Path) -> dict[str, str]:
    return {file.parent.name: json.loads(file.read_text())["outcome"] for file in runs.glob("*/outcome.json")}


def test_a_failing_run_does_not_stop_the_others(tmp_path: Path) -> None:
    """It is said once, at once and in the list at the end; the exit code is 1."""
    arguments, blocked = blocked_sweep(tmp_path)
    done = run(*arguments)
    assert done.returncode == 1, done.stdout + done.stderr
    assert sorted(outcomes(tmp_path).values()) == ["done", "failed"] and outcomes(tmp_path)[blocked] == "failed"
    assert done.stdout.count(f"failed: {blocked}: ") == 1 and f"failed      {blocked}" in done.stderr
    assert "Traceback" not in done.stderr and "Error executing" not in done.stderr


def test_fail_fast_leaves_the_later_runs_untouched(tmp_path: Path) -> None:
    arguments, blocked = blocked_sweep(tmp_path)
    done = run(*arguments, "fail_fast=true")
    assert done.returncode == 1 and outcomes(tmp_path) == {blocked: "failed"}
    assert "2 of 2 runs not finished" in done.stderr and "to do       plain-base" in done.stderr


def test_an_interrupt(tmp_path: Path) -> None:
    """Of one run: it says so in its outcome. Other signals, and sweeps: tests/faults/test_stop.py."""
    command = [sys.executable, "run.py", "-v", *TINY[:3], "train.epochs=400", "tracker=none", f"paths.runs={tmp_path}"]
    running = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert running.stdout is not None
    assert any("epoch 2/400" in line for line in running.stdout)
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=300)
    (file,) = tmp_path.glob("*/outcome.json")
    assert (running.returncode, json.loads(file.read_text())["outcome"]) == (130, "interrupted")
