"""The view of a sweep: states and times of constructed records, computed by hand; in a terminal, a pipe and a file."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from ablation.launch import live_view, progress
from ablation.records.lock import Busy, Lock, locked
from tests.conftest import ROOT
from tests.reporting.constructed_records import TABLE1, Runs, config, outcome

EPOCHS = 10
IMPORT = "import pathlib, sys; from ablation.records.lock import Lock, locked; folder = pathlib.Path(sys.argv[1])\n"
HOLD = IMPORT + "held = Lock(folder)\nprint(1, flush=True)\nsys.stdin.read()"
LOOK = IMPORT + "print(1, flush=True)\nwhile True: locked(folder)"


def planned(resizer: str, aug: str = "base", seed: int = 0) -> dict[str, Any]:
    return config(resizer, aug, seed, train__epochs=EPOCHS)


def rows(folder: Path, seconds: list[float], accuracy: float = 80.0, tail: str = "") -> None:
    """Write epochs.jsonl: an epoch for each of `seconds` on the clock, of which one second was training."""
    lines = [
        json.dumps(
            {"epoch": number, "test_acc": accuracy + number, "images_per_second": 1000.0, "seconds": 1.0, "wall_seconds": value}
        )
        for number, value in enumerate(seconds, 1)
    ]
    folder.mkdir(exist_ok=True)
    (folder / "epochs.jsonl").write_text("\n".join(lines) + "\n" + tail)


def checkpoint(folder: Path, epoch: int) -> None:
    """Leave an empty resume file: its name says its epoch."""
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / f"epoch-{epoch:04d}.0123456789abcdef.pt").touch()


def hold(folder: Path) -> subprocess.Popen[str]:
    """Hold a run's lock in another process."""
    folder.mkdir(exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "1\n"
    return process


@pytest.fixture
def sweep(tmp_path: Path) -> progress.Sweep:
    """Six runs: done at 2 s an epoch, begun at 4 s an epoch with 4 of 10, failed, failed in an earlier sweep, two untouched."""
    runs = Runs(tmp_path / "runs")
    cells = [
        planned("none"),
        planned("plain"),
        planned("cbam"),
        planned("none", "cutmix"),
        planned("plain", "cutmix"),
        planned("plain", seed=1),
    ]
    earlier = runs.record(outcome(cells[3], "failed"))
    os.utime(earlier, ns=(10**18, 10**18))
    runs.manifest(TABLE1, cells)
    runs.record(outcome(cells[0], epochs=EPOCHS, seconds=9.0, wall_seconds=20.0, images_per_second=2000.0, last=91.0))
    running = runs.record(outcome(cells[1], "running", gpu="GPU-3f1", device="constructed")).parent
    rows(running, [9.0, 3.0, 4.0, 4.0], tail='{"epoch": 5, "test_')
    checkpoint(running, 3)
    runs.record(outcome(cells[2], "failed"))
    return progress.find(tmp_path / "runs")


def states(sweep: progress.Sweep) -> list[str]:
    return [row.state for row in progress.read(sweep)]


def test_states_and_times_by_hand(sweep: progress.Sweep) -> None:
    running = hold(sweep.runs / list(sweep.planned)[1])
    try:
        assert states(sweep) == ["done", "running", "failed", "failed", "to do", "to do"]
        now = progress.read(sweep)
    finally:
        running.communicate("")
    done, plain, _, none_cutmix, plain_cutmix, plain_1 = now
    assert (done.epoch, done.accuracy, done.seconds) == (10, 91.0, 2.0)
    assert (plain.epoch, plain.accuracy, plain.device, plain.images_per_second) == (4, 84.0, "GPU 3f1", 1000.0)
    left = [progress.run_seconds_left(row, now) for row in (plain, none_cutmix, plain_cutmix, plain_1)]
    assert left == [6 * 4.0, 10 * 2.0, 10 * 4.0, 10 * 4.0]  # cutmix as base of the same resizer; seed 1 as seed 0
    assert progress.seconds_left(now) == 24 + 20 + 40 + 40  # one at a time, as it runs now
    assert progress.seconds_left(now, slots=2) == 64  # 24 + 40 | 40 + 20
    assert progress.seconds_left(now, slots=9) == 40
    text = live_view.sentence(now, slots=2)
    assert text.startswith(
        "6 runs: 1 done, 1 running, 1 failed, 1 failed before, 2 to do; plain-base-vgg16-s0 4/10 84.00 %;"
        " left: 1.07 min (2 at once; "
    )
    assert states(sweep)[1] == "killed"  # nobody holds it any more


def test_before_the_first_epoch_nothing_is_known(tmp_path: Path) -> None:
    runs = Runs(tmp_path / "runs")
    runs.manifest(TABLE1, [planned("none"), planned("plain")])
    now = progress.read(progress.find(tmp_path / "runs"))
    assert progress.seconds_left(
        now
    ) is None and "left: unknown before the first epoch; no run is running now" in live_view.sentence(now)


def test_a_run_like_none_that_was_measured_counts_as_their_median(sweep: progress.Sweep) -> None:
    now = progress.read(sweep)
    stranger = progress.Row("x", "to do", True, 0, 10, None, None, "", None, planned("cbam", "mixup"))
    assert progress.run_seconds_left(stranger, [*now, stranger]) == 10 * 3.0  # of 2 and 4


def test_what_stopped_before_this_sweep_goes_on_after_its_checkpoint(sweep: progress.Sweep) -> None:
    folder = sweep.runs / list(sweep.planned)[3]
    checkpoint(folder, 2)
    rows(folder, [2.0, 2.0])
    row = progress.read(sweep)[3]
    assert (row.state, row.open, row.shown, row.epoch) == ("failed", True, "failed before", 2) and progress.run_seconds_left(
        row, [row]
    ) == 8 * 2.0


def test_more_runs_than_lines_show_what_runs_and_count_the_rest(sweep: progress.Sweep) -> None:
    console = Console(width=120, record=True, file=open(os.devnull, "w"))  # noqa: PTH123, SIM115
    running = hold(sweep.runs / list(sweep.planned)[1])
    try:
        now = progress.read(sweep)
    finally:
        running.communicate("")
    console.print(live_view.table(now, max_lines=3))
    lines = console.export_text().splitlines()
    assert len(lines) == 4 and "running" in lines[1] and "failed" in lines[2]
    assert lines[3].strip() == "... and 4 runs: 1 done, 1 failed before, 2 to do"
    console.print(live_view.table(now, max_lines=6))
    assert len(console.export_text().splitlines()) == 7


def command(sweep: progress.Sweep, *arguments: str) -> list[str]:
    return [sys.executable, "reports/watch.py", "--runs", str(sweep.runs), *arguments]


def test_a_pipe_gets_the_table_once(sweep: progress.Sweep) -> None:
    done = subprocess.run(command(sweep), cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (0, "") and "\x1b" not in done.stdout
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["run", "state", "epoch", "last", "%", "img/s", "device", "left"]
    assert lines[1].split() == ["none-base-vgg16-s0", "done", "10/10", "91.00", "2,000"]
    assert lines[2].split()[:4] == ["plain-base-vgg16-s0", "killed", "3/10", "83.00"]
    assert lines[7] == "sweep 20260101-000000-aaaa: 6 runs: 1 done, 1 killed, 1 failed, 1 failed before, 2 to do"
    assert lines[8].startswith("left: 1.67 min (1 at once; measured epochs;") and lines[8].endswith("no run is running now")


def test_the_view_imports_neither_torch_nor_pandas(sweep: progress.Sweep, tmp_path: Path) -> None:
    for name in ("torch", "pandas", "wandb", "hydra"):
        (tmp_path / f"{name}.py").write_text(f"raise ImportError('{name} was imported')")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command(sweep, "--once"), cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_file_gets_a_line_and_a_terminal_a_table_until_nothing_is_open(tmp_path: Path) -> None:
    runs = Runs(tmp_path / "runs")
    runs.manifest(TABLE1, [planned("none")])
    runs.record(outcome(planned("none"), epochs=EPOCHS, seconds=9.0, wall_seconds=20.0))
    sweep = progress.find(tmp_path / "runs")
    with (tmp_path / "said").open("w") as file:
        assert subprocess.run(command(sweep), cwd=ROOT, stdout=file, timeout=300).returncode == 0
    assert (tmp_path / "said").read_text()[5:] == " 1 run: 1 done; nothing left to run\n"
    terminal, end = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "30"}
    process = subprocess.Popen(command(sweep), cwd=ROOT, stdout=end, stderr=end, env=environment)
    os.close(end)
    seen = b""
    try:
        while piece := os.read(terminal, 4096):
            seen += piece
    except OSError:
        pass  # Linux ends a terminal that nobody writes to with EIO
    assert process.wait(60) == 0 and b"none-base-vgg16-s0" in seen and b"nothing left to run" in seen
    os.close(terminal)


def test_no_such_sweep_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(LookupError, match=r"no sweep last in .*; it holds none"):
        progress.find(tmp_path)
    assert (
        subprocess.run([sys.executable, "reports/watch.py", "--runs", str(tmp_path)], cwd=ROOT, capture_output=True).returncode
        == 1
    )


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"runs": [{"run_id": "../../evil", "config": {}}]}', '{"runs": [{"run_id": 3}]}']
)
def test_a_foreign_manifest_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "sweeps" / "x").mkdir(parents=True)
    (tmp_path / "sweeps" / "x" / "manifest.json").write_text(text)
    with pytest.raises(LookupError, match=r"manifest\.json: cannot be read"):
        progress.find(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"outcome": 3}',
        '{"outcome": "done", "last": 3}',
        '{"outcome": "done", "epochs": "x", "last": {"test_acc": []}}',
    ],
)
def test_a_foreign_record_breaks_no_view(sweep: progress.Sweep, text: str) -> None:
    (sweep.runs / next(iter(sweep.planned)) / "outcome.json").write_text(text)
    assert len(progress.read(sweep)) == 6 and live_view.sentence(progress.read(sweep))


def test_looking_never_makes_a_run_believe_that_it_is_held(tmp_path: Path) -> None:
    """Watchers look at all runs every two seconds, at starting ones, too."""
    Lock(tmp_path).release()
    watcher = subprocess.Popen([sys.executable, "-c", LOOK, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert watcher.stdout is not None and watcher.stdout.readline() == "1\n"
        until, taken = time.monotonic() + 0.5, 0
        while time.monotonic() < until or taken < 300:
            Lock(tmp_path).release()  # raises Busy where a watcher was in the way
            taken += 1
    except Busy as busy:
        pytest.fail(f"after {taken} times: {busy}")
    finally:
        watcher.kill()
        watcher.communicate()
    assert not locked(tmp_path)
