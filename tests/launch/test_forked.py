"""A forked run is as a new one: arguments, environment, files, signals, exit code; where that is not safe, none is made."""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import types
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from omegaconf import DictConfig

from ablation.commands import run
from ablation.launch import forked
from ablation.launch.forked import Forked
from ablation.sweep import planned_run
from tests.conftest import ROOT

ABOUT = """
import json, os, signal, sys
about = {"argv": sys.argv, "environment": dict(os.environ), "name": __name__, "leads": os.getsid(0) == os.getpid()}
about["handlers"] = [str(signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM)]
about["blocked"] = [int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, [])]
print(json.dumps(about), sys.stdin.read())
"""
THREAD = "import threading, time\nthreading.Thread(target=lambda: (time.sleep(0.05), print('thread', flush=True))).start()\n"


@pytest.fixture
def fork(tmp_path: Path) -> Callable[..., tuple[Forked, Path]]:
    """Start a script with some words as arguments; return the process and its console."""

    def start(source: str, *words: str) -> tuple[Forked, Path]:
        script, console = tmp_path / "script.py", tmp_path / "console"
        script.write_text(source)
        with console.open("wb") as file:
            return Forked([str(script), *words], {"ONLY": "this"}, file.fileno()), console

    return start


def test_it_is_as_a_new_process(fork: Callable[..., tuple[Forked, Path]], tmp_path: Path) -> None:
    def own(number: int, frame: types.FrameType | None) -> None:
        raise AssertionError("the launcher's handler")

    before = signal.signal(signal.SIGTERM, own)
    try:
        process, console = fork(ABOUT, "seed=1", "a b")
        assert process.wait() == 0 == process.poll()
    finally:
        signal.signal(signal.SIGTERM, before)
    about = json.loads(console.read_text())
    assert about["argv"] == [str(tmp_path / "script.py"), "seed=1", "a b"] and about["environment"] == {"ONLY": "this"}
    assert about["name"] == "__main__" and about["leads"] and about["blocked"] == []
    assert "default_int_handler" in about["handlers"][0] and about["handlers"][1] == str(signal.SIG_DFL)
    assert sys.argv[1:] != ["seed=1", "a b"] and "ONLY" not in os.environ  # of this process nothing has changed


@pytest.mark.parametrize(
    ("source", "code", "said"),
    [
        ("import sys; sys.exit(75)", 75, ""),
        ("import sys; sys.exit()", 0, ""),
        ("import sys; sys.exit('why')", 1, "why\n"),
        ("1 / 0", 1, "ZeroDivisionError: division by zero\n"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -9, ""),
        ("import atexit; atexit.register(print, 'last')", 0, "last\n"),
        (THREAD, 0, "thread\n"),
        ("import os; os.write(1, b'below'); print('above')", 0, "belowabove\n"),
    ],
)
def test_how_it_ends(fork: Callable[..., tuple[Forked, Path]], source: str, code: int, said: str) -> None:
    process, console = fork(source)
    assert process.wait() == code
    assert console.read_text().endswith(said) and bool(console.read_text()) == bool(said)


def test_a_signal_sent_at_once_is_not_lost(fork: Callable[..., tuple[Forked, Path]]) -> None:
    """Neither to the process nor to its group, which it leads from the beginning."""
    for send in (lambda one: one.send_signal(signal.SIGTERM), lambda one: os.killpg(one.pid, signal.SIGTERM)):
        process, _ = fork("import time; time.sleep(60)")
        send(process)
        assert process.wait() == -signal.SIGTERM
        process.send_signal(signal.SIGTERM)  # it is gone


def test_nothing_is_forked_from_a_process_with_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock that another thread holds is never released in the child."""
    monkeypatch.setattr(threading, "active_count", lambda: 1)
    assert forked.possible()
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not forked.possible()
    monkeypatch.undo()
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    try:
        assert not forked.possible()
    finally:
        end.set()
        thread.join()


def test_nothing_is_forked_from_a_process_that_has_cuda(
    composed: Callable[..., DictConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is imported for: everything that a run imports late. Asking for CUDA's devices is enough to lose it for all forks."""
    runs = [planned_run.plan(composed("profile=demo"))]
    for bad, there, usable in ((False, True, True), (True, False, True), (True, True, False)):
        monkeypatch.setattr(torch.cuda, "_is_in_bad_fork", lambda bad=bad: bad)
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)
        assert run.warm(runs) is usable
    source = """
import torch
from ablation.cost import packing
from ablation.launch import forked
from ablation.sweep import planned_run
from benchmarks.ours import compose

packing._estimates([planned_run.plan(compose("profile=demo"))])
print(forked.possible(), forked.true_in_a_fork(torch.cuda._is_in_bad_fork))
torch.cuda.is_available()
print(forked.true_in_a_fork(torch.cuda._is_in_bad_fork))
"""
    done = subprocess.run([sys.executable, "-c", source], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False", str(torch.version.cuda is not None)]


def test_a_question_that_a_fork_cannot_answer_is_no() -> None:
    """It ends in the fork, which would go on as a second launcher otherwise."""

    def raising() -> bool:
        raise RuntimeError("planted")

    process = os.getpid()
    assert not forked.true_in_a_fork(raising) and forked.true_in_a_fork(lambda: True) and os.getpid() == process


def test_the_launchers_folders_and_exits_stay_its_own(fork: Callable[..., tuple[Forked, Path]], tmp_path: Path) -> None:
    """W&B keeps a temporary folder a process: the first run to end must not delete it under the others. The run's own go."""
    folder = tempfile.TemporaryDirectory(dir=tmp_path)
    ended = tmp_path / "ended"
    atexit.register(ended.touch)
    own = "import atexit, tempfile\natexit.register(print, 'end')\nfolder = tempfile.TemporaryDirectory()\nprint(folder.name)\n"
    try:
        process, console = fork(own)
        assert process.wait() == 0
    finally:
        atexit.unregister(ended.touch)
    name, end = console.read_text().split()
    assert end == "end" and not Path(name).exists()
    assert Path(folder.name).is_dir() and not ended.exists()
    folder.cleanup()
