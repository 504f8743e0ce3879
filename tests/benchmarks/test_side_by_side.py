"""What makes a comparison honest, clocks aside: both sides compute the same, turns alternate, tables say what is missing."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[2]))  # `benchmarks` is no part of the package

from ablation.data.images import Images
from ablation.models.resizer import Resizer
from benchmarks import alone, ours, reports_way, side_by_side
from benchmarks.peers import process


@pytest.mark.parametrize("position", ["none", "block"])
def test_the_reports_resizer_computes_what_ours_does(position: str) -> None:
    """Same layers in the same order, equal numbers in, equal numbers out."""
    theirs, own = reports_way.Resizer(attention=position == "block"), Resizer(224, position=position)
    states = zip(own.state_dict(), theirs.state_dict().values(), strict=True)
    own.load_state_dict(dict(states))
    images = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(own(images), theirs(images), rtol=1e-4, atol=1e-4)


def test_the_reports_cutmix_says_what_is_visible() -> None:
    """The share that it returns is the share of pixels that stay, for every box drawn."""
    np.random.seed(0)
    for _ in range(50):
        images = torch.arange(8.0).view(8, 1, 1, 1).repeat(1, 3, 32, 32)
        before = images.clone()
        mixed, others, share = reports_way.cutmix(images, torch.arange(8))
        own = (mixed == before).float().mean((1, 2, 3))
        foreign = others != torch.arange(8)
        torch.testing.assert_close(own[foreign], torch.full_like(own[foreign], share))


def test_batches_are_those_of_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the limit and input.py are fed is what `Fit` trains on, whichever `Fit` of the same seed is asked."""
    config = ours.compose("profile=demo", "aug=cutmix", "train.batch_size=4", "train.precision=fp32", "engine.device=cpu")
    contender = ours.Ours(config, steps=3, device="cpu")
    fit = contender.fit("fp32")
    seen: list[Images] = []
    loss = fit.loss
    monkeypatch.setattr(fit, "loss", lambda batch: seen.append(batch) or loss(batch))
    next(iter(fit))
    made = list(contender.fit("bf16").batches(0))
    assert len(made) == len(seen) == 3
    for one, other in zip(made, seen, strict=True):
        assert torch.equal(one.images, other.images) and torch.equal(one.labels_b, other.labels_b) and one.lam == other.lam


def test_a_peer_ends_when_told_to_though_its_pipe_stays_open() -> None:
    """Workers forked after the peer was started hold its pipe open, so that an end of file may never come."""
    code = "from benchmarks.peers.process import serve; serve('pytest', iter([1.5, 2.5]))"
    with subprocess.Popen([sys.executable, "-c", code], cwd=process.ROOT, stdin=-1, stdout=-1, text=True) as peer:
        assert peer.stdin is not None and peer.stdout is not None
        assert peer.stdout.readline().startswith('"pytest ')
        peer.stdin.write(f"turn\n{process.END}\n")
        peer.stdin.flush()
        assert peer.stdout.readline() == "1.5\n"
        assert peer.wait(timeout=300) == 0


def test_a_contender_is_alone_while_it_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its process has warmed up, and none of another contender lives; all are given the same job."""
    events: list[str] = []
    jobs: list[dict[str, object]] = []

    class Pretended:
        def __init__(self, python: str, script: str, job: dict[str, object]) -> None:
            self.script = script
            jobs.append(job)

        def __enter__(self) -> Pretended:
            events.append(f"{self.script} starts")
            return self

        def turn(self) -> float:
            events.append(self.script)
            return 2.0 if events[-2:] == [self.script] * 2 else 1.0

        def __exit__(self, *_: object) -> None:
            events.append(f"{self.script} ends")

    monkeypatch.setattr(alone, "Peer", Pretended)
    options = argparse.Namespace(device="cpu", batch=16, steps=2, peers="python", repeats=1)
    turns = alone.measure("bilinear-base", options)
    scripts = [*alone.HERE.values(), *alone.PEERS.values()]
    assert events == [event for one in scripts for event in (f"{one} starts", one, one, f"{one} ends")] * 2
    assert turns == {name: [2.0] for name in (*alone.HERE, *alone.PEERS)} and all(job == jobs[0] for job in jobs)


def test_contenders_alternate_and_the_first_round_is_thrown_away() -> None:
    """A B A B; a value of the warm-up is in no result."""
    order: list[str] = []

    def turn(name: str) -> float:
        order.append(name)
        return float(len(order))

    turns = side_by_side.alternate({"a": lambda: turn("a"), "b": lambda: turn("b")}, repeats=2)
    assert order == ["a", "b"] * 3
    assert turns == {"a": [3.0, 5.0], "b": [4.0, 6.0]}
    assert str(side_by_side.ratio(turns["b"], turns["a"])) == "1.27 (1.2 to 1.33)"


def test_the_readme_has_a_place_for_every_benchmark() -> None:
    """`--write` finds its markers, and a table that nobody measured says so."""
    text = side_by_side.README.read_text()
    for name in ("step", "alone", "memory", "input", "epoch", "sweep", "report", "resizer", "gpu"):
        assert text.count(f"<!-- {name} -->") == text.count(f"<!-- end of {name} -->") == 1
        assert f"`python benchmarks/{name}.py" in text.split(f"<!-- {name} -->")[1].split("<!-- end")[0]
