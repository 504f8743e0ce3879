"""Checkpoints: what is read is what was written, or an older whole one, or a refusal; never a mixture."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from ablation.records import tensor_file
from ablation.records.checkpoint import Checkpoints, file_digest, load_weights
from ablation.records.snapshot import snapshot


def state(epoch: int) -> dict[str, Any]:
    return {
        "model": {"weight": torch.full((40,), float(epoch))},
        "history": [{"epoch": epoch, "loss": 0.1}],
        "lr": 0.1 * epoch,
    }


def saved(
    folder: Path, epochs: int, best: int = 1, every: int = 1, keep: tuple[str, ...] = ("best",), final: bool = False
) -> Checkpoints:
    """Save so many epochs, each written before the next begins."""
    checkpoints = Checkpoints(folder, "abc", every, list(keep))
    for epoch in range(1, epochs + 1):
        chosen = {"best": min(best, epoch), "last": epoch}
        checkpoints.save(epoch, state(epoch), chosen=chosen, final=final and epoch == epochs)
        checkpoints.wait()
    if final:
        checkpoints.extract(chosen)
    return checkpoints


def weight(epoch: int) -> torch.Tensor:
    """The weights that `state` has in an epoch."""
    weights: torch.Tensor = state(epoch)["model"]["weight"]
    return weights


def names(folder: Path) -> list[str]:
    return sorted(file.name.split(".")[0] for file in folder.iterdir())


def test_round_trip_and_the_name_is_the_contents_digest(tmp_path: Path) -> None:
    loaded = saved(tmp_path, 3).load()
    assert loaded is not None and torch.equal(loaded["model"]["weight"], state(3)["model"]["weight"])
    assert loaded["history"] == state(3)["history"] and loaded["lr"] == state(3)["lr"]
    assert all(file.name.split(".")[1] == file_digest(file) for file in tmp_path.iterdir())


def test_torchs_own_checksum_is_off_while_a_file_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is two fifths of a save, and the digest in the name finds more. Other files of the process keep it."""
    seen: list[bool] = []
    inner = torch.save

    def save(*arguments: Any, **named: Any) -> None:
        seen.append(torch.serialization.get_crc32_options())
        inner(*arguments, **named)

    monkeypatch.setattr(torch, "save", save)
    saved(tmp_path, 3)
    assert seen and not any(seen) and torch.serialization.get_crc32_options()


def test_the_newest_two_are_kept_and_the_best_weights_are_in_both(tmp_path: Path) -> None:
    saved(tmp_path, 6, best=2)
    assert names(tmp_path) == ["epoch-0005", "epoch-0006"]
    for file in tmp_path.iterdir():
        content = torch.load(file, weights_only=True)
        assert list(content["weights"]) == [2] and torch.equal(content["weights"][2]["weight"], weight(2))


def test_weights_of_the_files_own_epoch_are_written_once(tmp_path: Path) -> None:
    large = {"model": {"weight": torch.randn(100_000)}}
    for folder, best in (("own", 1), ("none", 0)):
        with Checkpoints(tmp_path / folder, "abc", 1, ["best"]) as checkpoints:
            checkpoints.save(1, large, chosen={"best": best} if best else {}, final=True)
    own, none = (next((tmp_path / folder).iterdir()).stat().st_size for folder in ("own", "none"))
    assert own - none < 2000


@pytest.mark.parametrize("keep", ["best", "last"])
def test_an_interval_writes_its_epochs_and_the_last(tmp_path: Path, keep: str) -> None:
    saved(tmp_path, 7, best=2, every=4, keep=(keep,), final=True)
    assert names(tmp_path) == sorted(["epoch-0004", "epoch-0007", "best-0002" if keep == "best" else "last-0007"])
    assert torch.equal(load_weights(tmp_path, keep)["model"]["weight"], weight(2 if keep == "best" else 7))


def test_minutes_pass_between_two_files_but_not_before_the_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An epoch takes 100 seconds: five minutes are over after epochs 3 and 6; weights of epoch 4 wait for the next file."""
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    checkpoints, written = Checkpoints(tmp_path, "abc", 1, ["best"], checkpoint_minutes=5), []
    for epoch in range(1, 9):
        now += 100
        checkpoints.save(epoch, state(epoch), chosen={"best": 4 if epoch >= 4 else epoch}, final=epoch == 8)
        checkpoints.wait()
        written.append(names(tmp_path)[-1:])
    assert [file for (file,) in written[2:]] == ["epoch-0003"] * 3 + ["epoch-0006"] * 2 + ["epoch-0008"] and written[:2] == [
        [],
        [],
    ]
    again = Checkpoints(tmp_path, "abc", 1, ["best"])
    again.load()
    again.extract({"best": 4})
    assert torch.equal(load_weights(tmp_path)["model"]["weight"], weight(4))


class Held:
    """Writes that begin, and go on when they may."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.may, self.error, self.begun = threading.Event(), None, []
        write = tensor_file.write

        def writing(folder: Path, name: str, content: dict[str, Any]) -> None:
            self.begun.append(name)
            assert self.may.wait(60)
            if self.error:
                raise self.error
            write(folder, name, content)

        monkeypatch.setattr(tensor_file, "write", writing)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    held = Held(monkeypatch)
    yield held
    held.may.set()


def test_training_goes_on_while_a_file_is_written_and_changes_nothing_in_it(tmp_path: Path, held: Held) -> None:
    """Epochs 2 and 3 are skipped while epoch 1 is written; the last one waits for it."""
    live = state(1)
    with Checkpoints(tmp_path, "abc", 1, ["best"]) as checkpoints:
        checkpoints.save(1, live, chosen={"best": 1}, final=False)
        for epoch in (2, 3):
            live["model"]["weight"].fill_(epoch), live["history"].append({"epoch": epoch})
            checkpoints.save(epoch, live, chosen={"best": 2}, final=False)
        assert held.begun == ["epoch-0001"] and names(tmp_path) == []
        held.may.set()
        live["model"]["weight"].fill_(4)
        checkpoints.save(4, live, chosen={"best": 2}, final=True)
        assert names(tmp_path) == ["epoch-0001", "epoch-0004"] and held.begun == ["epoch-0001", "epoch-0004"]
    first, last = (torch.load(file, weights_only=True) for file in sorted(tmp_path.iterdir()))
    assert torch.equal(first["state"]["model"]["weight"], weight(1)) and len(first["state"]["history"]) == 1
    assert torch.equal(last["state"]["model"]["weight"], weight(4)) and torch.equal(last["weights"][2]["weight"], weight(2))


def test_a_failed_write_is_raised_at_the_next_save_and_the_file_before_stays(tmp_path: Path, held: Held) -> None:
    saved_before = Checkpoints(tmp_path, "abc", 1, ["best"])
    held.may.set()
    saved_before.save(1, state(1), chosen={"best": 1}, final=True)
    held.error = OSError("no room")
    saved_before.save(2, state(2), chosen={"best": 1}, final=False)
    while saved_before._writing is not None and not saved_before._writing.done():
        time.sleep(0.001)
    with pytest.raises(OSError, match="no room"):
        saved_before.save(3, state(3), chosen={"best": 1}, final=False)
    assert names(tmp_path) == ["epoch-0001"]


@pytest.mark.parametrize("other", [None, ZeroDivisionError("first")])
def test_a_failed_write_ends_the_block_unless_something_else_did(
    tmp_path: Path, held: Held, other: Exception | None, caplog: pytest.LogCaptureFixture
) -> None:
    held.may.set()
    held.error = OSError("no room")
    before = set(threading.enumerate())
    expected = pytest.raises(type(other or held.error), match="first" if other else "no room")
    with expected, Checkpoints(tmp_path, "abc", 1, ["best"]) as checkpoints:
        checkpoints.save(1, state(1), chosen={"best": 1}, final=False)
        if other:
            raise other
    assert ("no room" in caplog.text) == (other is not None)
    assert set(threading.enumerate()) <= before


def test_the_block_ends_when_the_file_is_there(tmp_path: Path, held: Held) -> None:
    threading.Timer(0.05, held.may.set).start()
    with Checkpoints(tmp_path, "abc", 1, ["best"]) as checkpoints:
        checkpoints.save(1, state(1), chosen={"best": 1}, final=False)
    assert names(tmp_path) == ["epoch-0001"]


@pytest.mark.parametrize("end", [None, KeyboardInterrupt, SystemExit, ZeroDivisionError])
def test_a_stopped_run_has_its_last_epoch_on_disk_though_the_writer_was_busy(
    tmp_path: Path, held: Held, end: type[BaseException] | None
) -> None:
    """Epoch 3 came while epoch 1 was being written, and training has changed the weights since; an error writes no more."""
    live = state(1)
    with contextlib.suppress(end or ()), Checkpoints(tmp_path, "abc", 1, ["best"]) as checkpoints:
        for epoch in (1, 2, 3):
            live["model"]["weight"].fill_(epoch)
            checkpoints.save(epoch, live, chosen={"best": 2}, final=False)
        live["model"]["weight"].fill_(4)
        held.may.set()
        if end:
            raise end
    assert names(tmp_path) == ["epoch-0001", "epoch-0003"][: 1 if end is ZeroDivisionError else 2]
    if end is not ZeroDivisionError:
        content = torch.load(max(tmp_path.iterdir()), weights_only=True)
        assert torch.equal(content["state"]["model"]["weight"], weight(3)) and list(content["weights"]) == [2]


def test_a_stopped_run_has_its_last_epoch_on_disk_though_no_minutes_have_passed(tmp_path: Path) -> None:
    with Checkpoints(tmp_path, "abc", 1, ["best"], checkpoint_minutes=5) as checkpoints:
        for epoch in (1, 2):
            checkpoints.save(epoch, state(epoch), chosen={"best": 1}, final=False)
        assert names(tmp_path) == []
    assert names(tmp_path) == ["epoch-0002"]


def test_a_copy_keeps_everything_but_the_memory() -> None:
    model = torch.nn.Conv2d(2, 3, 3).to(memory_format=torch.channels_last)
    live = {"model": model.state_dict(), "rows": [{"epoch": 1}], "pair": (1, None), "lr": 0.1}
    copied = snapshot(live)
    assert copied["model"]["weight"].stride() == model.weight.stride() and copied["model"]._metadata == live["model"]._metadata
    live["rows"][0]["epoch"] = 2
    model.weight.data.zero_()
    assert copied["rows"] == [{"epoch": 1}] and copied["pair"] == (1, None) and copied["lr"] == 0.1
    assert copied["model"]["weight"].abs().sum() > 0


def format_1(folder: Path, epoch: int) -> None:
    """A file as it was written before the weights of other epochs stood in it."""
    file = folder / "new"
    torch.save({"format": 1, "run": "abc", "epoch": epoch, "state": state(epoch)}, file)
    file.rename(folder / f"epoch-{epoch:04d}.{file_digest(file)}.pt")


def test_a_run_that_began_in_format_1_keeps_its_best_weights(tmp_path: Path) -> None:
    for epoch in (2, 5, 6):
        format_1(tmp_path, epoch)
    checkpoints = Checkpoints(tmp_path, "abc", 1, ["best"])
    assert (checkpoints.load() or {})["lr"] == state(6)["lr"]
    for epoch in (7, 8):
        checkpoints.save(epoch, state(epoch), chosen={"best": 2}, final=epoch == 8)
    checkpoints.extract({"best": 2})
    assert names(tmp_path) == ["best-0002", "epoch-0007", "epoch-0008"]
    assert torch.equal(load_weights(tmp_path)["model"]["weight"], weight(2))


def test_final_weights_are_those_of_their_epochs(tmp_path: Path) -> None:
    saved(tmp_path, 5, best=2, keep=("best", "last"), final=True)
    for kind, epoch in (("best", 2), ("last", 5)):
        weights = load_weights(tmp_path, kind)
        assert weights["epoch"] == epoch and torch.equal(weights["model"]["weight"], state(epoch)["model"]["weight"])
    with pytest.raises(FileNotFoundError, match="no val weights"):
        load_weights(tmp_path, "val")


@pytest.mark.parametrize("place", range(0, 1000, 97))
def test_a_damaged_newest_file_falls_back_one_epoch_and_says_so(
    tmp_path: Path, place: int, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoints = saved(tmp_path, 3)
    (newest,) = tmp_path.glob("epoch-0003.*")
    content = bytearray(newest.read_bytes())
    content[place] ^= 1
    newest.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        loaded = checkpoints.load()
    assert loaded is not None and loaded["lr"] == state(2)["lr"]
    assert newest.name in caplog.text and "damaged" in caplog.text


def test_nothing_sound_left_is_nothing(tmp_path: Path) -> None:
    checkpoints = saved(tmp_path, 2)
    for file in tmp_path.iterdir():
        file.write_bytes(file.read_bytes()[:100])
    assert checkpoints.load() is None and len(list(tmp_path.glob("*.damaged"))) == 2


def test_another_runs_file_is_refused(tmp_path: Path) -> None:
    saved(tmp_path, 1)
    with pytest.raises(ValueError, match=r"of run abc in format 2, expected xyz"):
        Checkpoints(tmp_path, "xyz", 1, []).load()


def test_leftovers_of_a_killed_write_are_swept(tmp_path: Path) -> None:
    (tmp_path / ".tmp.epoch.123").write_bytes(b"half")
    Checkpoints(tmp_path, "abc", 1, [])
    assert list(tmp_path.iterdir()) == []


class Bomb:
    def __init__(self, marker: str) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return (open, (self.marker, "w"))  # type: ignore[return-value]


def test_a_pickle_bomb_is_not_run(tmp_path: Path) -> None:
    """Even with a name that fits its content."""
    marker, file = tmp_path / "ran", tmp_path / "epoch-0001.pt"
    torch.save({"format": 1, "run": "abc", "epoch": 1, "state": Bomb(str(marker))}, file)
    file.rename(tmp_path / f"epoch-0001.{file_digest(file)}.pt")
    assert Checkpoints(tmp_path, "abc", 1, []).load() is None
    assert not marker.exists()
    torch.load(next(tmp_path.glob("*.damaged")), weights_only=False)  # the bomb is live: the test can fail
    assert marker.exists()
