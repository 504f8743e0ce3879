"""R6: whatever becomes of W&B, a run ends as the same run without it, in time, with every row in its own record.

The faults are real: wandb's own client and helper process against a small server on loopback (tests/wandb_server.py).
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import wandb
from omegaconf import DictConfig, OmegaConf

from ablation.commands import run
from ablation.records import tracker, wandb_process
from ablation.records.record import Record
from ablation.sweep import planned_run
from tests.conftest import ROOT, TINY, outcome_of, rows_of
from tests.wandb_server import Server, serving

pytestmark = pytest.mark.faults

EPOCHS = 4
MOST_SECONDS = 30.0  # that a fault may add to a run
SMALL = [*(option for option in TINY if not option.startswith(("tracker", "train.epochs"))), f"train.epochs={EPOCHS}"]
ONLINE = ["tracker=wandb", "tracker.mode=online", "tracker.init_timeout=1.5", "tracker.finish_timeout=1.5"]

Compose = Callable[..., DictConfig]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    """A W&B server of one's own, and a client that knows no other account."""
    wandb.teardown()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NETRC", str(tmp_path / "home" / "netrc"))
    with serving() as started:
        for name, value in started.environment().items():
            monkeypatch.setenv(name, value)
        yield started
        started.heal()
        wandb.teardown()
        assert started.errors == []


def digest(folder: Path) -> str:
    """A run's result to the last bit: rows without the clock, predictions byte by byte."""
    rows = json.dumps(rows_of(folder), sort_keys=True).encode()
    return hashlib.sha256(rows + (folder / "predictions.npz").read_bytes()).hexdigest()


@dataclass
class Trained:
    """A run and what it cost."""

    folder: Path
    seconds: float
    said: str

    @property
    def tracker_status(self) -> dict[str, Any]:
        """What the record says of its tracker."""
        status: dict[str, Any] = outcome_of(self.folder)["tracker"]
        return status


@pytest.fixture
def train(
    composed: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> Callable[..., Trained]:
    """Train a small run by run.py's own function; `at` acts after an epoch's row is in the record and on its way to W&B."""

    def one(*overrides: str, at: dict[int, Callable[[], object]] | None = None, runs: str = "runs") -> Trained:
        append = Record.append

        def acting(self: Record, epoch: Any, chosen: Any) -> None:
            append(self, epoch, chosen)
            (at or {}).get(epoch.epoch, lambda: None)()

        monkeypatch.setattr(Record, "append", acting)
        caplog.clear()
        config = composed(*SMALL, f"paths.runs={tmp_path / runs}", *overrides)
        began = time.monotonic()
        try:
            run.run(planned_run.of_task(config))
        finally:
            monkeypatch.setattr(Record, "append", append)
        seconds = time.monotonic() - began
        ours = [line for line in caplog.records if line.name.startswith("ablation") and line.levelno > logging.INFO]
        return Trained(planned_run.plan(config).folder, seconds, "\n".join(line.getMessage() for line in ours))

    return one


RESERVED = socket.socket()


def closed_port() -> int:
    """A port of this machine that refuses: bound to the end of this process, so that no other test gets it."""
    RESERVED.bind(("127.0.0.1", 0))
    return int(RESERVED.getsockname()[1])


@dataclass(frozen=True)
class Fault:
    """How a fault is made, whether it acted, and which mode the record must name afterwards."""

    start: Callable[[Server, pytest.MonkeyPatch], object] = lambda server, monkeypatch: None
    middle: Callable[[Server], object] = lambda server: None
    fired: Callable[[Server], bool] = lambda server: bool(server.fired)
    mode: str = "offline"


KILLED: list[int] = []


def kill_core(server: Server) -> None:
    """SIGKILL this process's own wandb-core."""
    KILLED[:] = [wandb_process.helpers()[-1]]
    os.kill(KILLED[0], signal.SIGKILL)
    time.sleep(0.2)


def is_dead(pid: int) -> bool:
    """Whether a process has ended."""
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"


def refuses(port: int) -> bool:
    """Whether nobody listens there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def unknown(host: str) -> bool:
    """Whether a name has no address."""
    try:
        socket.getaddrinfo(host, 80)
    except socket.gaierror:
        return True
    return False


def delete(server: Server) -> None:
    """Delete the only run on the server, as its owner may at any time."""
    server.delete(next(iter(server.runs)))


PORT = closed_port()
NOWHERE = "no-such-host.invalid"
FAULTS = {
    "unreachable": Fault(
        lambda server, patch: patch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{PORT}"), fired=lambda server: refuses(PORT)
    ),
    "no DNS": Fault(
        lambda server, patch: patch.setenv("WANDB_BASE_URL", f"http://{NOWHERE}"), fired=lambda server: unknown(NOWHERE)
    ),
    "core killed": Fault(middle=kill_core, fired=lambda server: is_dead(KILLED[0]), mode="lost at epoch 3"),
    "429 from the start": Fault(lambda server, patch: server.fail("429")),
    "429 mid-run": Fault(middle=lambda server: server.fail("429"), mode=f"lost at epoch {EPOCHS}"),
    "500 from the start": Fault(lambda server, patch: server.fail("500")),
    "500 mid-run": Fault(middle=lambda server: server.fail("500"), mode=f"lost at epoch {EPOCHS}"),
    "hang from the start": Fault(lambda server, patch: server.fail("hang")),
    "hang mid-run": Fault(middle=lambda server: server.fail("hang"), mode=f"lost at epoch {EPOCHS}"),
    "slow finish": Fault(middle=lambda server: server.fail("slow", "file_stream", delay=20), mode=f"lost at epoch {EPOCHS}"),
    "run deleted mid-run": Fault(
        middle=delete, fired=lambda server: bool(server.deleted) and not server.runs, mode=f"lost at epoch {EPOCHS}"
    ),
}
NETWORK = [name for name in FAULTS if name not in ("core killed", "run deleted mid-run")]  # what can be uploaded later
SECONDS: dict[str, float] = {}  # added to a run, by fault
UNTRACKED: dict[str, Any] = {}


def sync(said: str, server: Server, folder: Path) -> str:
    """Carry out the `wandb sync` that a warning ends with, once the server is well again."""
    server.heal()
    command = shlex.split(said.partition("upload it later: ")[2])
    assert command[:2] == ["wandb", "sync"]
    folder.mkdir()
    options: dict[str, Any] = {"env": {**os.environ, **server.environment()}, "stdin": subprocess.DEVNULL, "timeout": 60}
    done = subprocess.run([sys.executable, "-m", *command], cwd=folder, capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def epochs(server: Server, run_id: str) -> Counter[int]:
    """How often the server has each epoch of a run."""
    return Counter(row["epoch"] for row in server.runs[run_id].history() if "test_acc" in row)


ONCE = Counter(range(1, EPOCHS + 1))


@pytest.fixture
def untracked(train: Callable[..., Trained]) -> dict[str, Any]:
    """Digest and seconds of the run without W&B, in this same process; the first of all pays for imports and is not timed."""
    if not UNTRACKED:
        train("tracker=none", runs="warm")
        reference = train("tracker=none", runs="untracked")
        UNTRACKED.update(digest=digest(reference.folder), seconds=reference.seconds)
    return UNTRACKED


@pytest.mark.parametrize("name", FAULTS)
def test_training_ends_as_without_wandb(
    name: str,
    server: Server,
    train: Callable[..., Trained],
    untracked: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Same digest, every row in the record; where the data stayed here, the command that is said uploads it."""
    fault = FAULTS[name]
    fault.start(server, monkeypatch)
    tracked = train(*ONLINE, at={2: lambda: fault.middle(server)})
    assert fault.fired(server)
    assert digest(tracked.folder) == untracked["digest"]
    assert [row["epoch"] for row in rows_of(tracked.folder)] == list(ONCE)
    assert (outcome_of(tracked.folder)["outcome"], tracked.tracker_status["mode"]) == ("done", fault.mode)
    SECONDS[name] = tracked.seconds - untracked["seconds"]
    assert len(tracked.said.splitlines()) == 1  # one warning
    assert ("upload it later: wandb sync " in tracked.said) == (name != "core killed")
    if name in NETWORK:
        sync(tracked.said, server, tmp_path / "elsewhere")
        assert epochs(server, tracked.folder.name) == ONCE
        assert server.runs[tracked.folder.name].summary["outcome"] == "done"


def test_the_shipped_limits_keep_the_promise_too() -> None:
    """The tests above wait for less; each fault costs at most one of these sums of the limits in conf/tracker/wandb.yaml."""
    shipped: Any = OmegaConf.load(ROOT / "conf" / "tracker" / "wandb.yaml")
    assert 2.5 * shipped.init_timeout + 2 * wandb_process.GRACE <= MOST_SECONDS  # begins, and the helper process will not go
    assert shipped.finish_timeout + 2 * wandb_process.GRACE <= MOST_SECONDS
    defaults = tracker.WandbTracker()
    assert (defaults.init_timeout, defaults.finish_timeout) == (shipped.init_timeout, shipped.finish_timeout)


def test_without_a_fault_the_server_has_everything(
    server: Server, train: Callable[..., Trained], untracked: dict[str, Any]
) -> None:
    """And the digest tells a run from another, so that being equal means something."""
    tracked = train(*ONLINE)
    kept = server.runs[tracked.folder.name]
    assert tracked.said == "" and tracked.tracker_status["mode"] == "online"
    assert re.fullmatch(rf"http://\S+/runs/{kept.name}", tracked.tracker_status["url"])  # the page, for who reads the table
    assert (kept.state, kept.exit_code, epochs(server, kept.name)) == ("finished", 0, ONCE)
    assert kept.values() == outcome_of(tracked.folder)["config"]
    assert kept.summary["best/test_acc"] == outcome_of(tracked.folder)["best"]["test_acc"]
    assert digest(tracked.folder) == untracked["digest"]
    assert digest(train("tracker=none", "seed=1").folder) != untracked["digest"]


def test_a_failed_run_is_failed_there_too_though_the_next_one_starts(server: Server, train: Callable[..., Trained]) -> None:
    """Acceptance row 7: W&B's own default would say finished, exit code 0."""

    def fail() -> None:
        raise RuntimeError("ordered by the test")

    with pytest.raises(RuntimeError, match="ordered by the test"):
        train(*ONLINE, at={2: fail})
    (failed,) = server.runs
    after = train(*ONLINE, "seed=1")
    states = {run_id: (kept.state, kept.exit_code) for run_id, kept in server.runs.items()}
    assert states == {failed: ("failed", 1), after.folder.name: ("finished", 0)}
    assert epochs(server, failed) == Counter({1: 1, 2: 1})
    assert epochs(server, after.folder.name) == ONCE


def test_a_deleted_run_goes_on_under_another_id(
    server: Server, train: Callable[..., Trained], untracked: dict[str, Any]
) -> None:
    """Interrupted here, deleted there, resumed: W&B refuses the old id for ever; the record names the new one."""

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(*ONLINE, at={2: stop})
    (run_id,) = server.runs
    server.delete(run_id)
    resumed = train(*ONLINE)
    assert digest(resumed.folder) == untracked["digest"]
    assert (resumed.tracker_status["mode"], resumed.tracker_status["id"]) == ("online", f"{run_id}-2")
    assert resumed.tracker_status["url"].endswith(f"/runs/{run_id}-2")
    assert list(server.runs) == [f"{run_id}-2"] and epochs(server, f"{run_id}-2") == ONCE
    assert f"{run_id} was used there before" in resumed.said


def test_killed_stopped_and_resumed_online_each_epoch_is_there_once(server: Server, tmp_path: Path) -> None:
    """SIGKILL of the real command, when the server has the summary of an epoch but no row; SIGTERM, when it has some rows."""
    count = 40
    size = ["profile=demo", "data.limit=300", "data.test_limit=40", f"train.epochs={count}", "train.batch_size=20"]
    command = [sys.executable, "run.py", "-v", *size, *ONLINE, f"paths.runs={tmp_path}"]

    def session(number: signal.Signals | None = None, at: int = 0) -> tuple[int, str]:
        """One start of the command, sent a signal after an epoch; its exit code and what it said."""
        training = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert training.stdout is not None
        said = ""
        for line in training.stdout:
            said += line
            if number and f"epoch {at}/" in line:
                training.send_signal(number)
        return training.wait(), said

    assert session(signal.SIGKILL, at=5)[0] == -signal.SIGKILL
    ((run_id, kept),) = server.runs.items()
    assert len(kept.lines) < 5 and outcome_of(tmp_path / run_id)["outcome"] == "running"  # the kill came before the rows
    code, said = session(signal.SIGTERM, at=15)
    assert code == 75 and "resume epoch=" in said, said
    assert 15 <= len(kept.lines) < count and kept.state == "failed"
    code, said = session()
    assert code == 0 and "resume epoch=" in said, said
    assert Counter(row["epoch"] for row in kept.history()) == Counter(range(1, count + 1))
    assert {row["epoch"]: row["test_acc"] for row in kept.history()} == {
        row["epoch"]: row["test_acc"] for row in rows_of(tmp_path / run_id)
    }
    assert (kept.state, list(server.runs)) == ("finished", [run_id])


@pytest.mark.parametrize("asked", [["tracker.mode=online"], []], ids=["tracker.mode=online", "WANDB_MODE=online"])
def test_online_without_a_key_is_refused_before_the_first_run(asked: list[str], tmp_path: Path) -> None:
    """With both ways out, in one line, nothing written."""
    home = {"HOME": str(tmp_path / "home"), "NETRC": str(tmp_path / "home" / "netrc")}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")} | home
    environment |= {} if asked else {"WANDB_MODE": "online"}
    overrides = [*SMALL, "resizer=none", "aug=base", "tracker=wandb", f"paths.runs={tmp_path / 'runs'}", *asked]
    command = [sys.executable, "run.py", "-m", *overrides]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done.stdout + done.stderr
    for words in ("mode=online" if asked else "WANDB_MODE=online", "wandb login", "tracker.mode=offline"):
        assert words in done.stderr
    assert not (tmp_path / "runs").exists()


def test_the_figure(figure: Callable[[str, str], None]) -> None:
    """After the faults; run alone it has nothing to say."""
    if set(SECONDS) != set(FAULTS):
        pytest.skip("the figure is that of the whole file")
    kinds = {re.sub(r" (from the start|mid-run)$", "", name) for name in SECONDS}
    worst = max(SECONDS, key=SECONDS.__getitem__)
    same = f"{len(SECONDS)} of {len(FAULTS)} trainings end with the digest of the untracked run, 0 rows missing"
    most = f"at most {SECONDS[worst]:.1f} s added ({worst}) under limits of 1.5 s"
    figure("R6", f"{len(kinds)} W&B faults at {len(FAULTS)} points: {same}, {most}")
    assert len(kinds) == 8
