"""R3: a damaged checkpoint is never loaded; the one before it is, and the log says why."""

from __future__ import annotations

import io
import logging
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ablation.records.checkpoint import Checkpoints
from tests.faults import forks

pytestmark = pytest.mark.faults

FLIPS, TRUNCATIONS, SEED = 200, 60, 0


def state(epoch: int) -> dict[str, Any]:
    """A run's state in small: the parts that `Fit.state_dict` has, with other values in each epoch."""
    weight = torch.randn(64, 12, generator=torch.Generator().manual_seed(epoch))
    return {
        "history": [{"epoch": row + 1, "test_acc": 10.0 * row} for row in range(epoch)],
        "logits": {"last": weight[:4] * 2},
        "model": {"weight": weight, "running_mean": weight[0] + 1, "num_batches_tracked": torch.tensor(epoch)},
        "optimizer": {"state": {0: {"momentum_buffer": weight * 3}}, "param_groups": [{"lr": 0.1, "params": [0]}]},
        "scaler": {},
    }


def digest(content: dict[str, Any]) -> str:
    """Name a state: equal digests, equal states."""
    return forks.sha256({path: forks.sha256(leaf) for path, leaf in leaves(content)})


def leaves(node: Any, path: str = "") -> list[tuple[str, Any]]:
    pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [leaf for key, value in pairs for leaf in leaves(value, f"{path}/{key}")] if pairs else [(path, node)]


def damages(content: bytes) -> list[bytes]:
    """Return the corpus: single bits flipped anywhere, then ends cut off anywhere."""
    draw = random.Random(SEED)
    corpus = []
    for bit in draw.sample(range(8 * len(content)), FLIPS):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        corpus.append(bytes(flipped))
    return corpus + [content[:length] for length in draw.sample(range(len(content)), TRUNCATIONS)]


def whole(content: bytes) -> str:
    """Name all that a file holds: the state, and the weights of the chosen epoch."""
    return digest(torch.load(io.BytesIO(content), weights_only=True))


def bare(content: bytes, expected: str) -> bool:
    """Return True if torch.load, with no digest of ours, takes a damaged file without a word and returns something else."""
    try:
        return whole(content) != expected
    except Exception:
        return False


def test_no_damage_is_loaded(tmp_path: Path, caplog: pytest.LogCaptureFixture, figure: Callable[[str, str], None]) -> None:
    began = time.monotonic()
    checkpoints = Checkpoints(tmp_path, "0123456789", 1, ["best"])
    for epoch in (1, 2, 3):
        checkpoints.save(epoch, state(epoch), chosen={"best": 1, "last": epoch}, final=False)
        checkpoints.wait()
    (newest,) = tmp_path.glob("epoch-0003.*")
    content, before = newest.read_bytes(), digest(state(2))
    undamaged = whole(content)
    assert digest(checkpoints.load() or {}) == digest(state(3)) != before
    silent = fell_back = unsafe = 0
    for damaged in damages(content):
        newest.write_bytes(damaged)
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            loaded = checkpoints.load()
        aside = newest.with_name(f"{newest.name}.damaged")
        said = newest.name in caplog.text and newest.name.split(".")[1] in caplog.text and "damaged" in caplog.text
        silent += not said
        fell_back += loaded is not None and digest(loaded) == before and aside.read_bytes() == damaged
        aside.unlink(missing_ok=True)
        unsafe += bare(damaged, undamaged)
    figure(
        "R3",
        f"{FLIPS} bit flips + {TRUNCATIONS} truncations of {len(content):,} bytes: {silent} silent loads,"
        f" {fell_back} of {FLIPS + TRUNCATIONS} fell back (torch.load alone: {unsafe} silently wrong),"
        f" {time.monotonic() - began:.1f} s",
    )
    assert (silent, fell_back) == (0, FLIPS + TRUNCATIONS)
    assert unsafe > FLIPS // 2  # the corpus bites


@pytest.mark.parametrize("spoilt", [1, 2, 99])
def test_a_run_with_damaged_checkpoints_ends_as_if_they_were_whole(tmp_path: Path, spoilt: int) -> None:
    """The newest one, both, or all: then it starts at epoch 0, and says which files it passed over."""
    config = forks.composed("resizer=none", "aug=cutmix")
    said = tmp_path / "said"
    assert forks.forked(lambda: forks.train(config, tmp_path / "whole"), said) == 0
    runs = tmp_path / "runs"
    folder = forks.folder_of(config, runs)
    assert forks.forked(lambda: (forks.on_nth_batch(5, forks.die), forks.train(config, runs)), said) == -9
    files = sorted(folder.glob("checkpoints/epoch-*.pt"), reverse=True)
    assert [file.name[:10] for file in files] == ["epoch-0002", "epoch-0001"]
    for file in files[:spoilt]:
        half = file.stat().st_size // 2
        file.write_bytes(file.read_bytes()[:half] + b"\x00" + file.read_bytes()[half + 1 :])
    assert forks.forked(lambda: forks.train(config, runs), said) == 0, said.read_text()
    log = (folder / "run.log").read_text()
    assert all(file.name in log for file in files[:spoilt]) and log.count("passed over") == min(spoilt, 2)
    assert ("resume epoch=1" in log) == (spoilt == 1)
    found, expected = forks.result(folder), forks.result(forks.folder_of(config, tmp_path / "whole"))
    found["files"] = [name for name in found["files"] if not name.endswith(".damaged")]
    assert forks.difference(found, expected) == ""
