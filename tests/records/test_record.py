"""A run's folder: every end leaves its word, what is done is not touched, what is foreign is refused."""

from __future__ import annotations

import errno
import json
import multiprocessing
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ablation.records import provenance
from ablation.records import record as module
from ablation.records.correctness import decode
from ablation.records.lock import Busy, Lock, locked
from ablation.records.manifest import write_manifest
from ablation.records.outcome import epochs_done, rows
from ablation.records.record import Record

IDENTITY = {"seed": 0, "resizer": "none", "train.epochs": 2}
CODE = {"commit": None, "dirty": None, "source": provenance.source_digest()}


@dataclass(frozen=True)
class Row:
    epoch: int
    test_acc: float
    train_loss: float = 1.0
    test_loss: float = 1.0
    val_acc: float | None = None
    seconds: float = 2.0
    images_per_second: float = 10.0


class Spy:
    """A tracker that keeps its calls: stands in for W&B, which is not under test here."""

    status: dict[str, Any] = {"mode": "offline", "path": None}  # noqa: RUF012

    def __init__(self) -> None:
        self.rows: list[Any] = []
        self.closed: Any = None

    def open(self, *arguments: Any) -> None:
        self.rows = list(arguments[-1])

    def log(self, row: Any) -> None:
        self.rows.append(row)

    def image(self, *arguments: Any) -> None: ...

    def close(self, summary: dict[str, Any], failed: bool) -> None:
        self.closed = (summary, failed)


def opened(folder: Path, digest: str = "abc") -> Record:
    return Record(folder, digest=digest, config=IDENTITY, study="table1")


def outcome(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "outcome.json").read_text())
    return content


def trained(folder: Path, error: BaseException | None = None, spy: Spy | None = None) -> Record:
    record = opened(folder)
    with record:
        record.describe(
            "seed: 0\n",
            {"code": CODE, "data_checksum": "d" * 64},
            parameters=5,
            macs=7,
            device="cpu",
            peak_memory_bytes=lambda: 9,
        )
        record.restore([], {})
        record.start_tracking(spy or Spy(), folder.parent)
        first, second = Row(1, 90.0), Row(2, 80.0)
        record.append(first, {"best": first, "last": first})
        record.append(second, {"best": first, "last": second})
        if error is not None:
            raise error
        record.finish({"best": np.zeros((3, 2), np.float32)}, np.arange(3))
    return record


def test_a_done_run(tmp_path: Path) -> None:
    spy = Spy()
    trained(tmp_path / "a", spy=spy)
    content = outcome(tmp_path / "a")
    assert content["outcome"] == "done" and content["config"] == IDENTITY and content["error"] is None
    assert content["best"] == {"epoch": 1, "test_acc": 90.0} and content["last"] == {"epoch": 2, "test_acc": 80.0}
    assert (content["epochs"], content["seconds"], content["images_per_second"]) == (2, 4.0, 10.0)
    assert (content["parameters"], content["macs"], content["peak_memory_bytes"]) == (5, 7, 9)
    rows = (tmp_path / "a" / "epochs.jsonl").read_text().splitlines()
    assert [json.loads(row)["epoch"] for row in rows] == [1, 2] and len(spy.rows) == 2
    with np.load(tmp_path / "a" / "predictions.npz") as predictions:
        assert set(predictions) == {"best", "labels"}
    correct = decode((tmp_path / "a" / "correct.bits").read_bytes()).at("best")
    assert correct is not None and correct.tolist() == [True, False, False]  # equal logits: the first class
    summary, failed = spy.closed
    assert not failed and summary["best/test_acc"] == 90.0 and summary["last/epoch"] == 2 and summary["outcome"] == "done"
    assert not locked(tmp_path / "a")


def test_the_record_says_when_where_and_how_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Device and start are in outcome.json while the run trains; a run's wall time is that of its epochs over all starts."""
    clock = iter([0.0, 100.0, 103.0, 108.0, 1000.0, 2000.0, 2007.0])  # two starts; each opens its record, restores, appends
    monkeypatch.setattr(module, "monotonic", lambda: next(clock))
    times = iter(["2026-01-01T00:00:00+00:00", "2026-01-01T00:01:00+00:00", "2026-01-02T00:00:00+00:00"])
    monkeypatch.setattr(module, "_now", lambda: next(times))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    epochs = [Row(1, 90.0), Row(2, 80.0), Row(3, 85.0)]
    folder = tmp_path / "a"
    with pytest.raises(RuntimeError), opened(folder) as record:
        assert outcome(folder)["started"] == "2026-01-01T00:00:00+00:00"
        record.describe("", {"code": CODE, "data_checksum": "d"}, device="constructed", peak_memory_bytes=lambda: 9)
        early = outcome(folder)
        assert (early["outcome"], early["device"], early["gpu"], early["ended"]) == ("running", "constructed", "3", None)
        assert early["peak_memory_bytes"] is None  # asked at the end
        record.restore([], {})
        record.append(epochs[0], {})
        record.append(epochs[1], {})
        raise RuntimeError("no")
    first = outcome(folder)
    assert (first["ended"], first["wall_seconds"], first["seconds"]) == ("2026-01-01T00:01:00+00:00", 8.0, 4.0)
    with opened(folder) as record:
        record.describe("", {"code": CODE, "data_checksum": "d"})
        record.restore(epochs[:1], {})  # the second epoch had no checkpoint
        record.append(epochs[1], {})
        record.finish({}, np.arange(3))
    second = outcome(folder)
    assert (second["started"], second["ended"]) == (first["started"], "2026-01-02T00:00:00+00:00")
    assert [row["wall_seconds"] for row in rows(folder)] == [3.0, 7.0] and second["wall_seconds"] == 10.0
    assert "2 epochs in 10 s" in (folder / "run.log").read_text()  # on the clock, not the 4 s of training and evaluation


def test_the_wall_time_of_a_lost_row_is_unknown_and_not_zero(tmp_path: Path) -> None:
    """Killed between a checkpoint and its row, or continued from a record of format 1."""
    with opened(tmp_path / "a") as record:
        record.restore([Row(1, 90.0)], {})
        record.append(Row(2, 80.0), {})
    assert rows(tmp_path / "a")[0]["wall_seconds"] is None and outcome(tmp_path / "a")["wall_seconds"] is None


@pytest.mark.parametrize(("checkpoint", "error", "epochs"), [(1, RuntimeError("no"), 1), (0, KeyboardInterrupt(), 0)])
def test_an_end_without_a_result_counts_the_epochs_that_it_goes_on_from(
    tmp_path: Path, checkpoint: int, error: BaseException, epochs: int
) -> None:
    (tmp_path / "a" / "checkpoints").mkdir(parents=True)
    if checkpoint:
        (tmp_path / "a" / "checkpoints" / "epoch-0001.0123456789abcdef.pt").touch()
    with pytest.raises(type(error)):
        trained(tmp_path / "a", error)
    assert outcome(tmp_path / "a")["epochs"] == epochs_done(tmp_path / "a") == epochs


class Diverged(Exception):
    outcome = "diverged"


class Preempted(Exception):
    outcome = "preempted"


@pytest.mark.parametrize(
    ("error", "word", "swallowed", "failed"),
    [
        (Diverged("loss is nan"), "diverged", True, False),
        (Preempted(), "preempted", False, True),
        (KeyboardInterrupt(), "interrupted", False, True),
        (RuntimeError("out of\nmemory"), "failed", False, True),
        (SystemExit(3), "failed", False, True),
    ],
)
def test_every_end_leaves_its_word(tmp_path: Path, error: BaseException, word: str, swallowed: bool, failed: bool) -> None:
    spy = Spy()
    if swallowed:
        trained(tmp_path / "a", error, spy)
    else:
        with pytest.raises(type(error)):
            trained(tmp_path / "a", error, spy)
    content = outcome(tmp_path / "a")
    assert content["outcome"] == word and content["error"]["type"] == type(error).__name__
    assert ("RuntimeError" in str(content["error"]["traceback"])) == (word == "failed" and isinstance(error, RuntimeError))
    assert spy.closed[1] == failed and spy.closed[0]["outcome"] == word
    assert not locked(tmp_path / "a")


def test_while_it_runs_it_says_running_and_holds_the_lock(tmp_path: Path) -> None:
    with opened(tmp_path / "a"):
        assert outcome(tmp_path / "a")["outcome"] == "running"
        assert _elsewhere(tmp_path / "a") == "busy"
    assert _elsewhere(tmp_path / "a") == "free"


def _elsewhere(folder: Path) -> str:
    with multiprocessing.get_context("fork").Pool(1) as pool:
        return pool.apply(_try, (folder,))


def _try(folder: Path) -> str:
    seen = locked(folder)
    try:
        Lock(folder).release()
    except Busy as error:
        assert seen and "process" in str(error)
        return "busy"
    assert not seen
    return "free"


def _die_holding(folder: Path) -> None:
    folder.mkdir()
    held = Lock(folder)
    (folder / "held").touch()
    time.sleep(60)
    held.release()


def test_a_dead_process_holds_nothing(tmp_path: Path) -> None:
    holder = multiprocessing.get_context("fork").Process(target=_die_holding, args=(tmp_path / "a",))
    holder.start()
    while not (tmp_path / "a" / "held").exists():
        time.sleep(0.01)
    assert locked(tmp_path / "a")
    holder.kill()
    holder.join()
    assert not locked(tmp_path / "a")
    Lock(tmp_path / "a").release()


@pytest.mark.parametrize("error", [None, Diverged("loss is nan")])
def test_a_result_is_skipped_and_said(tmp_path: Path, error: Exception | None, caplog: pytest.LogCaptureFixture) -> None:
    trained(tmp_path / "a", error)
    with caplog.at_level("INFO"):
        assert opened(tmp_path / "a").earlier.skip()
    assert "skipped (best 90.00 % (epoch 1), last 80.00 % (epoch 2))" in caplog.text and "other code" not in caplog.text


def test_a_failure_is_not_skipped(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        trained(tmp_path / "a", RuntimeError("no"))
    assert not opened(tmp_path / "a").earlier.skip() and not opened(tmp_path / "b").earlier.skip()


def test_other_code_is_said_and_rerun_on_request(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained(tmp_path / "a")
    monkeypatch.setattr(provenance, "source_digest", lambda: "other")
    with caplog.at_level("INFO"):
        assert opened(tmp_path / "a").earlier.skip()
    assert f"by other code (source {CODE['source']}, now other; rerun=stale trains it again)" in caplog.text
    assert not opened(tmp_path / "a").earlier.skip(rerun="stale")
    assert not (tmp_path / "a").exists()
    assert outcome(tmp_path / "replaced" / f"a.{CODE['source']}.0")["outcome"] == "done"


def test_a_foreign_folder_is_refused(tmp_path: Path) -> None:
    trained(tmp_path / "a")
    with pytest.raises(ValueError, match=r"holds run abc, expected xyz; they differ in seed \(0, here 1\): move"):
        Record(tmp_path / "a", digest="xyz", config=IDENTITY | {"seed": 1}, study="table1").earlier.skip()


def test_an_unknown_format_is_refused_with_both_numbers(tmp_path: Path) -> None:
    trained(tmp_path / "a")
    content = outcome(tmp_path / "a") | {"format": 7}
    (tmp_path / "a" / "outcome.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"a record in format 7, this version reads 1"):
        opened(tmp_path / "a").earlier.skip()


def test_other_circumstances_are_kept_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for device in ("V100", "V100", "A100"):
        with pytest.raises(RuntimeError), opened(tmp_path / "a") as record:
            record.describe("", {"code": CODE, "data_checksum": "d", "device": device, "versions": {}})
            raise RuntimeError("no")
    assert [session["device"] for session in outcome(tmp_path / "a")["sessions"]] == ["V100", "A100"]
    assert outcome(tmp_path / "a")["mixed"] == "device"
    assert caplog.text.count("goes on with another device") == 1


def test_a_tracker_that_breaks_at_the_end_leaves_the_truth(tmp_path: Path) -> None:
    """Ctrl-C while the upload is waited for: the outcome stands, the lock is free, the log is closed."""

    class Breaking(Spy):
        def close(self, summary: dict[str, Any], failed: bool) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "a", spy=Breaking())
    assert outcome(tmp_path / "a")["outcome"] == "done" and not locked(tmp_path / "a")
    trained(tmp_path / "b")
    assert "epoch 1/2" in (tmp_path / "b" / "run.log").read_text()
    assert (tmp_path / "a" / "run.log").read_text().count("epoch 1/2") == 1


def test_a_file_system_without_locks_is_an_error_not_a_busy_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.lockf", refuse)
    with pytest.raises(OSError, match=r"No locks available.*lock"), opened(tmp_path / "a"):
        raise AssertionError("trained without a lock")


def test_done_meanwhile_by_another_process_is_busy_not_trained_again(tmp_path: Path) -> None:
    late = opened(tmp_path / "a")
    assert not late.earlier.skip()
    trained(tmp_path / "a")
    before = (tmp_path / "a" / "outcome.json").read_bytes()
    with pytest.raises(Busy, match="finished meanwhile"), late:
        raise AssertionError("trained twice")
    assert (tmp_path / "a" / "outcome.json").read_bytes() == before


def test_other_data_on_resume_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        trained(tmp_path / "a", RuntimeError("no"))
    with (
        pytest.raises(ValueError, match=r"began with data dddddddddddddddd, found data eeeeeeeeeeeeeeee"),
        opened(tmp_path / "a") as record,
    ):
        record.describe("", {"code": CODE, "data_checksum": "e" * 64})


def test_a_nan_never_becomes_invalid_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"), opened(tmp_path / "a") as record:
        record.append(Row(1, float("nan")), {})
    assert outcome(tmp_path / "a")["outcome"] == "failed"


def test_the_log_is_this_runs_alone(tmp_path: Path) -> None:
    trained(tmp_path / "a"), trained(tmp_path / "b")
    text = (tmp_path / "a" / "run.log").read_text()
    assert "epoch 2/2" in text and "done: best 90.00 %" in text
    assert text.count("epoch 2/2") == 1


def test_the_manifest_is_the_plan(tmp_path: Path) -> None:
    file = write_manifest(
        tmp_path / "sweeps" / "x", command="python run.py", study={"name": "s"}, tracker={}, runs={"r": IDENTITY}
    )
    content = json.loads(file.read_text())
    assert content["sweep_id"] == "x" and content["runs"] == [{"run_id": "r", "config": IDENTITY}]


PLAIN = "def f(x):\n    return x + 1\n"
COMMENTED = '"""A module."""\n\n# Why.\ndef f(x):\n    """Add one."""\n    return (\n        x + 1  # here\n    )\n'


@pytest.fixture
def source_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[dict[str, str]], str]]:
    """The source digest of a package of these files."""

    def digest(files: dict[str, str]) -> str:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        monkeypatch.setattr(provenance, "PACKAGE", folder)
        provenance.source_digest.cache_clear()
        return provenance.source_digest()

    yield digest
    monkeypatch.undo()
    provenance.source_digest.cache_clear()


@pytest.mark.parametrize("place", ["data", "models", "training", "sweep/identity.py"])
def test_the_source_digest_changes_with_code_that_can_change_a_number(
    source_of: Callable[[dict[str, str]], str], place: str
) -> None:
    file = place if place.endswith(".py") else f"{place}/a.py"
    base = source_of({file: PLAIN})
    assert source_of({file: COMMENTED}) == base, "a comment, a docstring or a line break made the run stale"
    assert source_of({file: PLAIN.replace("1", "2")}) != base
    assert source_of({file: PLAIN.replace("f(x)", "g(x)")}) != base
    assert source_of({file: PLAIN, "models/another.py": ""}) != base


@pytest.mark.parametrize("place", ["reporting", "records", "launch", "figures", "cost", "sweep"])
def test_the_source_digest_is_deaf_to_what_changes_no_number(source_of: Callable[[dict[str, str]], str], place: str) -> None:
    base = source_of({"models/a.py": PLAIN, f"{place}/b.py": PLAIN})
    assert source_of({"models/a.py": PLAIN, f"{place}/b.py": PLAIN.replace("1", "2")}) == base


def test_every_file_that_numbers_depend_on_is_there() -> None:
    assert all(list(provenance.PACKAGE.glob(name)) for name in provenance.NUMBERS)


def test_a_package_that_is_not_installed_is_left_out_of_the_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    """As wandb may be where tracker=none: the run trains, and its record names what was there."""
    monkeypatch.setattr(provenance, "PACKAGES", ("torch", "no-such-package"))
    assert list(provenance.provenance()["versions"]) == ["python", "torch"]
