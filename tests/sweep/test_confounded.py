"""Options of a command that differ in another key everywhere are named before the first run."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablation.sweep.confounded import SHOWN, Confounded, confounded
from tests.commands import script

FIXED = {"data": "digits", "backbone": "vgg_tiny", "resizer": "none", "aug": "base", "optimizer": "sgd", "schedule": "constant"}


def identity(**changes: Any) -> dict[str, Any]:
    """Return an identity; `optimizer__lr` is optimizer.lr."""
    return {**FIXED, "seed": 0, **{key.replace("__", "."): value for key, value in changes.items()}}


def test_a_key_that_changes_with_the_option_is_named_with_both_values() -> None:
    """The option's own keys are part of what is compared; the learning rate is not."""
    runs = [identity(optimizer__lr=0.1), identity(resizer="plain", resizer__channels=8, optimizer__lr=0.01)]
    assert confounded(runs) == [Confounded("resizer", ("none", "plain"), "optimizer.lr", ("0.1", "0.01"))]


@pytest.mark.parametrize("group", ["aug", "optimizer"])
def test_two_groups_that_change_together_are_named_once(group: str) -> None:
    """And their keys with them: `optimizer.lr` belongs to the optimizer that is chosen."""
    runs = [identity(), identity(resizer="plain", **{group: "other", f"{group}__lr": 0.2})]
    assert [(each.group, each.key) for each in confounded(runs)] == [("resizer", group)]


def test_one_pair_of_three_options_is_enough() -> None:
    """none and plain share a learning rate; cbam has another than both."""
    rates = {"none": 0.1, "plain": 0.1, "cbam": 0.2}
    pairs = confounded([identity(resizer=option, optimizer__lr=rate) for option, rate in rates.items()])
    assert [each.options for each in pairs] == [("none", "cbam"), ("plain", "cbam")]


def test_a_key_of_a_group_that_stays_is_named() -> None:
    """One Resizer of two widths under two optimizers."""
    runs = [identity(resizer__channels=8), identity(optimizer="adamw", resizer__channels=16)]
    assert [(each.group, each.key) for each in confounded(runs)] == [("optimizer", "resizer.channels")]


@given(
    st.lists(st.sampled_from(["none", "plain", "cbam"]), min_size=1, max_size=3, unique=True),
    st.integers(1, 3),
    st.integers(1, 3),
)
def test_a_full_grid_is_never_confounded(options: list[str], rates: int, seeds: int) -> None:
    """Whatever its axes are."""
    grid = itertools.product(options, range(rates), range(seeds))
    assert confounded([{**identity(resizer=option, optimizer__lr=rate), "seed": seed} for option, rate, seed in grid]) == []


def test_the_plan_names_them_and_counts_the_rest(tmp_path: Path) -> None:
    """A sweep over profiles changes much at once: backbone and training with the data."""
    done = script("run.py", "-m", "study=none", "profile=demo,laptop", "resizer=none", "aug=base", "plan=true", cwd=tmp_path)
    lines = [line for line in done.stdout.splitlines() if line.startswith("confounded: ")]
    assert done.returncode == 0 and len(lines) == SHOWN + 1, done.stdout
    assert lines[0].startswith("confounded: data=digits and data=cifar10 also differ in backbone (vgg_tiny, ")
    assert lines[-1].endswith(" more pairs of options and keys")


def test_the_reports_grid_has_none(tmp_path: Path) -> None:
    """Every axis is crossed with every other."""
    done = script("run.py", "-m", "resizer=none,plain,cbam", "aug=base,cutmix", "plan=true", cwd=tmp_path)
    assert done.returncode == 0 and "confounded" not in done.stdout
