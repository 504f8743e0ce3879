"""`plan=true` as a user meets it: the whole bill, from nothing, leaving nothing."""

from __future__ import annotations

import io
import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import DictConfig

from ablation.cost import plan_table
from tests.commands import script
from tests.conftest import ROOT
from tests.sweep.planned_runs import planned, record, tree

Compose = Callable[..., DictConfig]
TINY = ("profile=demo", "tracker=none", "data.limit=40", "data.test_limit=20")
UNREACHABLE = {"https_proxy": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in an empty folder, where data, weights, records and caches would be looked for and put."""
    home = {
        "HOME": str(folder),
        "TORCH_HOME": str(folder / "torch"),
        "CUDA_VISIBLE_DEVICES": "",
    }
    return script("run.py", *arguments, cwd=folder, environment={**home, **UNREACHABLE})


def row(text: str, start: str) -> list[str]:
    """The columns of the one run whose id begins so."""
    (line,) = [line for line in text.splitlines() if line.startswith(start)]
    return [column for column in line.split("  ") if column]


def test_the_paper_from_nothing(tmp_path: Path) -> None:
    """Golden facts: parameters and MACs of VGG16 alone, with Resizer and with CBAM; 547 s x 300 epochs on an assumed V100."""
    done = run(tmp_path, "-m", "resizer=none,plain,cbam", "aug=base,cutmix", "seed=0,1", "plan=true")
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert list(tmp_path.iterdir()) == []
    found = [[c.strip() for c in row(done.stdout, f"{name}-base-vgg16-s1")[1:]] for name in ("none", "plain", "cbam")]
    assert found == [
        ["to do", "134,301,514", "432.8 M", "~2.19 GB", "15.7", "assumed", "1.31 h"],
        ["to do", "134,313,549", "15.93 G", "~9.2 GB", "547", "assumed", "45.6 h"],
        ["to do", "134,313,698", "15.94 G", "~9.72 GB", "564", "assumed", "47 h"],
    ]
    assert "plan: 12 runs: 12 to do" in done.stdout and done.stdout.count("-vgg16-s") == 12
    assert "V100, not measured: 11.8 TFLOP/s in bf16 (0.75 of the peak of 15.7, in fp32: it has" in done.stdout
    assert "left    12 runs, 3,600 epochs: 376 GPU-hours; 15.7 days on the clock" in done.stdout  # 4 x (1.31 + 45.6 + 47)
    assert "disk    4.84 GB of checkpoints while runs train (up to 3 files a run), 6.45 GB" in done.stdout  # 12 x 0.537
    assert "With 2 seeds only differences above about 2.5 points would show (seed sd 0.2 assumed)" in done.stdout


def shown(composed: Compose, capsys: pytest.CaptureFixture[str], cells: list[str], *overrides: str) -> str:
    """Print the bill of a run for each of some overrides, in this process."""
    runs = [planned(composed, cell, *overrides) for cell in cells]
    assert plan_table.show(runs) == 0
    return capsys.readouterr().out


def test_another_gpu_and_slots(composed: Compose, capsys: pytest.CaptureFixture[str]) -> None:
    """Two runs on two slots: 48 h on a V100 are 8 times fewer on an A100, which has tensor cores for bf16."""
    launcher = ("hydra/launcher=local_gpus", "hydra.launcher.devices=[0,1]")
    text = shown(composed, capsys, ["resizer=plain", "resizer=cbam"], "plan_gpu=A100", *launcher)
    assert "A100, not measured: 187.2 TFLOP/s in bf16 (0.6 of the peak of 312), 1.32 TB/s of memory (0.85 of 1,555)" in text
    assert "600 epochs: 11.1 GPU-hours; 5.74 h on the clock with 2 slots of local_gpus" in text


def test_jobs_on_one_device_are_slots_too(composed: Compose, capsys: pytest.CaptureFixture[str]) -> None:
    """GPUs that are not here count as one."""
    launcher = ("hydra/launcher=local_gpus", "hydra.launcher.jobs_per_device=2")
    assert "with 2 slots of local_gpus" in shown(composed, capsys, ["resizer=plain", "resizer=cbam"], *launcher)


def test_one_run(composed: Compose, capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(composed, capsys, ["resizer=none"])
    assert "left    1 run, 300 epochs: 1.31 GPU-hours\n" in text and "1 seed a cell shows no spread" in text


def test_a_cpu_that_may_try_is_priced_itself(composed: Compose, capsys: pytest.CaptureFixture[str]) -> None:
    """And one that was asked for by name is, however long it takes; a GPU that is typed wins over both."""
    nowhere = ("paths.runs=nowhere", "paths.cache=nowhere")
    assert "rate    cpu, 1 threads: " in shown(composed, capsys, ["resizer=none"], "profile=demo", *nowhere)
    insisted = shown(composed, capsys, ["resizer=none"], "engine.device=cpu", "engine.cpu_threads=1", *nowhere)
    assert "rate    cpu, 1 threads: " in insisted and "of this machine" in insisted
    assert "assumed H100, " in shown(composed, capsys, ["resizer=none"], "profile=demo", "plan_gpu=H100", *nowhere)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ["plan=true", "plan_gpu=P100"],
            "refused: plan_gpu=P100: must be one of V100, T4, A100, H100, H100-PCIe, H200, RTX3090,",
        ),
        (["plan=true", "check=true"], "refused: plan=true check=true: one at a time"),
        (["-m", "plan=true,false"], "refused: plan=True: for the whole command, not for one run of it"),
        (["-m", "fetch=true,false"], "refused: fetch=True: for the whole command, not for one run of it"),
        (["check=1"], "refused: check=1: must be true or false"),
        (["-m", "plan=true", "resizer=none,cbm"], "refused: resizer=cbm: no such option; did you mean cbam?"),
    ],
)
def test_refusals(tmp_path: Path, arguments: list[str], line: str) -> None:
    done = run(tmp_path, *TINY, *arguments)
    assert done.returncode == 1 and done.stderr.startswith(line) and done.stderr.count("\n") == 1, done.stderr
    assert done.stdout == "" and list(tmp_path.iterdir()) == []


def test_what_is_done_and_what_resumes(composed: Compose, tmp_path: Path) -> None:
    """A done run costs nothing, one with a checkpoint of epoch 4 costs six epochs of seven seconds; no byte changes."""
    here = (*TINY, "train.epochs=10", f"paths.runs={tmp_path / 'runs'}", "engine.device=cpu")
    record(planned(composed, *here, "seed=0"), device="cpu, 1 threads")
    resumes = record(planned(composed, *here, "seed=1"), "preempted", device="cpu, 1 threads", epochs=4, seconds=28.0)
    (resumes / "checkpoints").mkdir()
    for epoch in (3, 4):
        (resumes / "checkpoints" / f"epoch-{epoch:04d}.0123456789abcdef.pt").touch()
    (resumes / "epochs.jsonl").write_text('{"seconds": 7.0}\n' * 4)
    before = tree(tmp_path)
    done = run(tmp_path, "-m", *here, "resizer=none", "aug=base", "seed=0,1,2", "plan=true")
    assert done.returncode == 0, done.stderr
    assert tree(tmp_path) == before
    assert "plan: 3 runs: 1 done, 1 preempted, 1 to do" in done.stdout
    states = [[column.strip() for column in row(done.stdout, f"none-base-vgg_tiny-s{seed}")] for seed in (0, 1, 2)]
    assert [[columns[1], *columns[4:]] for columns in states] == [
        ["done", "3 GB", "7", "record", "none"],
        ["preempted 4/10", "3 GB", "7", "record", "42 s"],
        ["to do", "3 GB", "7", "record", "1.17 min"],
    ]
    assert "left    2 runs, 16 epochs: 1.87 min of this machine\n" in done.stdout


NUMBERS = ["134,313,698", "15.94 G", "~9.68 GB", "433"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("columns", [100, 160])
@pytest.mark.parametrize("backbone", ["vgg16", "efficientnet_lite0"])
def test_nothing_is_cut_in_a_terminal(monkeypatch: pytest.MonkeyPatch, columns: int, backbone: str) -> None:
    """The longest ids of the paper and of the laptop fit whole into 100 columns, every number in its one form beside them."""
    run_id = f"bilinear-cutmix-{backbone}-s0-384e47d7f2"
    row = dict(zip(plan_table.COLUMNS, [run_id, "to do", *NUMBERS, "assumed", "36.1 h"], strict=True))
    screen = Terminal()
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stdout", screen)
    plan_table._table([row], ["to do"])
    header, line = re.sub(r"\x1b\[[0-9;]*m", "", screen.getvalue()).splitlines()
    fits = columns == 160 or backbone == "vgg16"  # else what the line below says of all runs is left out
    assert header.split() == ["run", "so", "far", "params", "MACs", "memory", "s/epoch", *["from"] * fits, "left"]
    numbers = " ".join(NUMBERS).split()
    assert line.split() == [run_id, "to", "do", *numbers, *["assumed"] * fits, "36.1", "h"]
    assert max(len(line.rstrip()) for line in (header, line)) <= columns


def test_a_file_gets_each_run_on_one_line_however_narrow_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    states = ["done", "running"]
    rows = [dict(zip(plan_table.COLUMNS, [f"run-{state}", state, *NUMBERS, "record", "none"], strict=True)) for state in states]
    plan_table._table(rows, states)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["run", "run-done", "run-running"]
    assert all(line.split()[2:] == [*" ".join(NUMBERS).split(), "record", "none"] for line in lines[1:])
    assert len({len(line) for line in lines}) == 1 and "\x1b" not in "".join(lines)


PLANS = [["plan=true"], ["-m", "plan=true"]]
INTERPOLATIONS = {
    "resizer.channels=${.num_blocks}": [*PLANS, ["check=true"], ["-m", "check=true"]],
    "resizer.channels=${resizer.num_blocks}": PLANS,
    "resizer.channels='${oc.decode:${oc.env:TEN}}'": PLANS,
    "train.epochs=${seed}": PLANS,
}
CASES = [(arguments, override) for override, modes in INTERPOLATIONS.items() for arguments in modes]


@pytest.mark.parametrize(("arguments", "override"), CASES)
def test_nothing_trains_that_is_to_be_planned(tmp_path: Path, arguments: list[str], override: str) -> None:
    """An override that means something at its own place alone is quoted as typed, and resolved there."""
    typed = [*arguments, *TINY, "resizer=plain", "aug=base", "seed=1", override]
    done = script("run.py", *typed, cwd=tmp_path, environment={"TEN": "10"})
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert ("plain-base-vgg_tiny-s1" in done.stdout) and "epoch 1" not in done.stdout
    assert not (tmp_path / "runs").exists()


def test_a_sweep_over_interpolations_trains_and_is_written_down(tmp_path: Path) -> None:
    typed = [
        *TINY,
        "train.epochs=1",
        "resizer=plain",
        "aug=base",
        "resizer.channels=${.num_blocks},'${oc.decode:${oc.env:TEN}}'",
    ]
    done = script("run.py", "-m", *typed, cwd=tmp_path, environment={"TEN": "10"})
    assert done.returncode == 0, done.stdout + done.stderr
    (manifest,) = (tmp_path / "runs" / "sweeps").glob("*/manifest.json")
    assert [run["config"]["resizer.channels"] for run in json.loads(manifest.read_text())["runs"]] == [1, 10]


@pytest.mark.parametrize(
    "override", ["resizer.channels=${.nothing}", "resizer.channels=${oc.env:UNSET_VARIABLE}", "seed=${seed}"]
)
@pytest.mark.parametrize("arguments", [[], ["-m"], ["-m", "plan=true"]])
def test_what_cannot_be_resolved_ends_the_command(tmp_path: Path, override: str, arguments: list[str]) -> None:
    done = run(tmp_path, *arguments, *TINY, "resizer=plain", "aug=base", override)
    assert done.returncode == 1 and done.stderr.startswith("refused: ") and done.stderr.count("\n") == 1, done.stderr
    assert "epoch" not in done.stdout and not (tmp_path / "runs").exists()


def test_a_hook_that_fails_ends_the_command(tmp_path: Path) -> None:
    """Where the manifest goes lies a regular file: Hydra alone would warn of the error and train."""
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "sweeps").write_text("in the way")
    done = run(tmp_path, "-m", *TINY, "resizer=none", "aug=base", "train.epochs=1")
    assert done.returncode == 1 and done.stderr.startswith("refused: ") and done.stderr.count("\n") == 1, done.stderr
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["sweeps"]


def planning(folder: Path, runs: int) -> subprocess.Popen[str]:
    """Start to plan a grid that takes minutes, and wait for its first word."""
    typed = ["-m", *TINY, f"seed=range({runs})", "resizer=none", "aug=base", f"paths.runs={folder / 'runs'}"]
    started = subprocess.Popen(
        [sys.executable, "run.py", *typed], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert started.stdout is not None
    assert started.stdout.readline().startswith(f"plan: {runs:,} runs, a large grid: planning takes about ")
    return started


@pytest.mark.faults
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 75), (signal.SIGUSR1, 75), (signal.SIGINT, 130)])
def test_a_signal_ends_planning_at_once(tmp_path: Path, number: int, code: int) -> None:
    """Nothing of ten hours of planning is left, not even the list of runs that are not finished."""
    started = planning(tmp_path, 1_000_000)
    started.send_signal(number)
    out, error = started.communicate(timeout=60)
    assert started.returncode == code and out == "" and "not finished" not in error and "Traceback" not in error
    assert not (tmp_path / "runs").exists()
