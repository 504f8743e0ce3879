"""A run whose console fails is trained to its end or stops resumably; nothing of logging's own errors reaches the user."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands import script
from tests.conftest import ROOT, TINY, outcome_of
from tests.reporting.argued import six_cells

RUN = shlex.join([sys.executable, str(ROOT / "run.py"), *TINY, "resizer=none"])
FRESH = {  # consoles that a process must find as it starts
    "closed": f"{RUN} >&- 2>error",
    "all closed": f"{RUN} <&- >&- 2>&-",
    "no terminal, under nohup": f"setsid nohup {RUN} </dev/null >out 2>error",
    "the C locale and no home": f"LC_ALL=C LANG=C HOME=/dev/null/home XDG_CACHE_HOME=/dev/null/cache {RUN} >out 2>error",
    "an encoding without the folder's letters": f"PYTHONIOENCODING=ascii {RUN} paths.runs=\"'rüns ö'\" >out 2>error",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with spaces and letters of other scripts."""
    folder = tmp_path / "ünï cödé 한글"
    folder.mkdir()
    return folder


def a_pipe_that_closes() -> dict[int, int]:
    """After its first line, as of `| head -1`."""
    read, write = os.pipe()
    threading.Thread(target=lambda: os.fdopen(read).readline()).start()  # closed as the file is forgotten
    return {1: write}


def a_pipe_that_is_closed() -> dict[int, int]:
    read, write = os.pipe()
    os.close(read)
    return {1: write}


def a_full_disk() -> dict[int, int]:
    return {1: os.open("/dev/full", os.O_WRONLY)}


def both_on_a_full_disk() -> dict[int, int]:
    return dict.fromkeys((1, 2), os.open("/dev/full", os.O_WRONLY))


@pytest.mark.faults
@pytest.mark.parametrize("command", FRESH.values(), ids=FRESH)
def test_trained_to_the_end(folder: Path, command: str) -> None:
    """The record is whole, and nothing is printed into it."""
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], cwd=folder, timeout=300, capture_output=True, text=True)
    errors = [path.read_text() for path in folder.glob("error")]
    whole(folder, done.returncode, done.stderr, *errors)


@pytest.mark.faults
@pytest.mark.parametrize("console", [a_pipe_that_closes, a_pipe_that_is_closed, a_full_disk, both_on_a_full_disk])
def test_trained_whatever_happens_to_the_console(folder: Path, console: Callable[[], dict[int, int]]) -> None:
    done = script("run.py", *TINY, "resizer=none", cwd=folder, files=console())
    whole(folder, done.returncode, done.stderr)


@pytest.mark.faults
def test_trained_on_a_narrow_console_without_colours(folder: Path) -> None:
    narrow = {"COLUMNS": "40", "NO_COLOR": "1", "TERM": "dumb"}
    done = script("run.py", *TINY, "resizer=none", cwd=folder, environment=narrow)
    whole(folder, done.returncode, done.stderr)


def whole(folder: Path, code: int, *errors: str) -> None:
    """Assert that a command trained its run to the end, and that nothing of logging's own errors was printed."""
    assert code == 0, errors
    (file,) = folder.glob("r*/*/outcome.json")
    assert outcome_of(file.parent)["outcome"] == "done"
    assert len((file.parent / "epochs.jsonl").read_text().splitlines()) == 2
    assert sum(" epoch " in line for line in (file.parent / "run.log").read_text().splitlines()) == 2
    assert not any("Traceback" in text or "Logging error" in text or "Exception ignored" in text for text in errors), errors


def started(folder: Path, ignored: bool, *more: str) -> subprocess.Popen[str]:
    """Start a long run in a session of its own, as behind SSH, with SIGHUP ignored or not; wait for its first epoch."""
    prepare: Callable[[], object] = lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN if ignored else signal.SIG_DFL)  # noqa: E731
    typed = [
        sys.executable,
        str(ROOT / "run.py"),
        *more,
        *TINY,
        f"train.epochs={30 if ignored else 2000}",
        f"paths.runs={folder}",
    ]
    run = subprocess.Popen(
        typed, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=prepare
    )
    until = time.monotonic() + 300
    while not any(file.stat().st_size for file in folder.glob("*/epochs.jsonl")):
        assert run.poll() is None and time.monotonic() < until, run.communicate()
        time.sleep(0.01)
    return run


@pytest.mark.faults
@pytest.mark.parametrize(
    "launcher", [[], ["-m", "resizer=none", "aug=base", "hydra/launcher=local_gpus", "hydra.launcher.devices=cpu"]]
)
@pytest.mark.parametrize("ignored", [False, True])
def test_a_lost_session(tmp_path: Path, launcher: list[str], ignored: bool) -> None:
    """SIGHUP stops a run at its last checkpoint, to go on from there; under nohup it goes on to its end."""
    run = started(tmp_path, ignored, *launcher)
    assert run.stdout is not None and run.stderr is not None
    run.stdout.close(), run.stderr.close()  # the terminal is gone, too
    os.kill(run.pid, signal.SIGHUP)
    assert run.wait(300) == (0 if ignored else 75)
    (file,) = tmp_path.glob("*/outcome.json")
    outcome = outcome_of(file.parent)
    assert outcome["outcome"] == ("done" if ignored else "preempted") and outcome["epochs"] > 0


@pytest.mark.faults
@pytest.mark.parametrize("script", ["reports/make_table.py", "reports/audit.py"])
@pytest.mark.parametrize("console", ["2>error | true", ">/dev/full 2>error", ">&- 2>error"])
def test_a_report_is_written_whatever_its_console_does(tmp_path: Path, script: str, console: str) -> None:
    """Its files and its exit code are those of a good console; nothing is said about the bad one."""
    six_cells(tmp_path)
    command = f"{shlex.join([sys.executable, str(ROOT / script)])} {console}"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], cwd=tmp_path, timeout=300)
    assert done.returncode == 0 and (tmp_path / "error").read_text() == ""
    if "table" in script:
        assert (tmp_path / "reports" / "table1" / "table.csv").is_file()
