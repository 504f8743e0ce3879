"""Checkpoints: what is read is what was written, or an older whole one, or a refusal; never a mixture."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch

from ablation.records.checkpoint import Checkpoints, file_digest, load_weights


def state(epoch: int) -> dict[str, Any]:
    return {
        "model": {"weight": torch.full((40,), float(epoch))},
        "history": [{"epoch": epoch, "loss": 0.1}],
        "lr": 0.1 * epoch,
    }


def saved(
    folder: Path, epochs: int, best: int = 1, every: int = 1, keep: tuple[str, ...] = ("best",), final: bool = False
) -> Checkpoints:
    checkpoints = Checkpoints(folder, "abc", every, list(keep))
    for epoch in range(1, epochs + 1):
        chosen = {"best": min(best, epoch), "last": epoch}
        checkpoints.save(epoch, state(epoch), chosen=chosen, final=final and epoch == epochs)
    if final:
        checkpoints.extract(chosen)
    return checkpoints


def names(folder: Path) -> list[str]:
    return sorted(file.name.split(".")[0] for file in folder.iterdir())


def test_round_trip_and_the_name_is_the_contents_digest(tmp_path: Path) -> None:
    loaded = saved(tmp_path, 3).load()
    assert loaded is not None and torch.equal(loaded["model"]["weight"], state(3)["model"]["weight"])
    assert loaded["history"] == state(3)["history"] and loaded["lr"] == state(3)["lr"]
    assert all(file.name.split(".")[1] == file_digest(file) for file in tmp_path.iterdir())


def test_newest_two_and_the_best_are_kept(tmp_path: Path) -> None:
    saved(tmp_path, 6, best=2)
    assert names(tmp_path) == ["epoch-0002", "epoch-0005", "epoch-0006"]


def test_an_interval_still_writes_the_best_and_the_last(tmp_path: Path) -> None:
    saved(tmp_path, 7, best=2, every=4, final=True)
    assert names(tmp_path) == ["best-0002", "epoch-0002", "epoch-0004", "epoch-0007"]


def test_keeping_the_last_weights_does_not_write_every_epoch(tmp_path: Path) -> None:
    saved(tmp_path, 7, every=4, keep=("last",), final=True)
    assert names(tmp_path) == ["epoch-0004", "epoch-0007", "last-0007"]


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
    with pytest.raises(ValueError, match=r"of run abc in format 1, expected xyz"):
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
