"""Runs of a command are told apart in words: in the plan, the queue and the live view, and never by a digest."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ablation.sweep.identity import IN_ID
from ablation.sweep.names import apart
from tests.commands import script
from tests.conftest import TINY

BASE: dict[str, Any] = {"data": "digits", "resizer": "none", "aug": "base", "backbone": "vgg_tiny", "optimizer": "sgd"}
BASE |= {"optimizer.lr": 0.1, "train.epochs": 2, "seed": 0}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ([{}], [""]),
        ([{"seed": 0}, {"seed": 1}], ["", ""]),
        ([{"resizer": "none"}, {"resizer": "plain", "resizer.size": 32}], ["", ""]),
        ([{"optimizer": "sgd"}, {"optimizer": "adamw", "optimizer.lr": 0.001}], ["sgd", "adamw"]),
        ([{"optimizer.lr": 0.1}, {"optimizer.lr": 0.01}], ["lr 0.1", "lr 0.01"]),
        ([{"data.content": "pets"}, {"data.content": "pets_grey"}], ["pets", "pets_grey"]),
        ([{"data": "digits"}, {"data": "imagefolder", "data.content": "pets"}], ["digits", "imagefolder"]),
        ([{"train.epochs": 2}, {"train.epochs": 3}], ["epochs 2", "epochs 3"]),
        ([{"a.size": 1, "b.size": 2}, {"a.size": 2, "b.size": 1}], ["a.size 1, b.size 2", "a.size 2, b.size 1"]),
        ([{"optimizer.nesterov": True}, {}], ["nesterov True", "nesterov not set"]),
    ],
)
def test_what_varies_is_named_and_nothing_else(changes: list[dict[str, Any]], words: list[str]) -> None:
    assert apart([BASE | change for change in changes]) == words


VALUES = {"optimizer": ["sgd", "adamw"], "optimizer.lr": [0.1, 0.01], "train.epochs": [1, 2], "resizer": ["none", "plain"]}
VALUES |= {"data.content": ["pets", "grey"], "seed": [0, 1]}


@given(
    st.lists(st.fixed_dictionaries({key: st.sampled_from(values) for key, values in VALUES.items()}), min_size=1, max_size=12)
)
def test_no_two_runs_share_their_words(changes: list[dict[str, Any]]) -> None:
    """The options in a run id, the seed and the words: different for different runs."""
    identities = list({str(BASE | change): BASE | change for change in changes}.values())
    shown = [
        (*(each[key] for key in (*IN_ID, "seed")), words) for each, words in zip(identities, apart(identities), strict=True)
    ]
    assert len({*shown}) == len(identities)


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """Two folders of images of the same name, of other colours."""
    for number, parent in enumerate(("mine", "yours")):
        for place in ("train/cat", "train/dog", "test/cat", "test/dog"):
            (tmp_path / parent / "pets" / place).mkdir(parents=True)
            for k in range(4):
                image = Image.new("RGB", (8, 8), (60 * k + len(place), 30 * number, 40 * ("dog" in place)))
                image.save(tmp_path / parent / "pets" / place / f"{k}.png")
    return [tmp_path / "mine" / "pets", tmp_path / "yours" / "pets"]


def test_plan_queue_and_watch_name_the_folders(folders: list[Path], tmp_path: Path) -> None:
    places = [f"paths.runs={tmp_path / 'runs'}", f"paths.cache={tmp_path / 'cache'}"]
    command = ["-m", *(word for word in TINY if "limit" not in word), *places, "train.epochs=1", "data=imagefolder"]
    command += [f"data.root={folders[0]},{folders[1]}", "resizer=none", "aug=base", "optimizer.lr=0.1,0.01"]
    words = [f"({lr}, {parent}/pets)" for lr in ("lr 0.1", "lr 0.01") for parent in ("mine", "yours")]
    plan = script("run.py", *command, "plan=true")
    assert all(plan.stdout.count(each) == 1 for each in words), plan.stdout + plan.stderr
    queue = script("run.py", *command, "hydra/launcher=local_gpus", "hydra.launcher.devices=cpu")
    assert queue.returncode == 0 and all(f"{each}: done" in queue.stdout for each in words), queue.stdout + queue.stderr
    watch = script("reports/watch.py", "--runs", str(tmp_path / "runs"), "--once").stdout
    assert all(watch.count(f"none-base-vgg_tiny-s0 {each}") == 1 for each in words), watch
    assert not re.search(r"-s0-[0-9a-f]{10}", watch)
    out = tmp_path / "reports"
    table = script("reports/make_table.py", "--runs", str(tmp_path / "runs"), "--out", str(out))
    assert "mine/pets" in table.stdout and "yours/pets" in table.stdout, table.stderr
    assert not re.search(r"[0-9a-f]{16}", table.stdout)
