"""Learning rates by epoch: golden facts of the report's protocol, and that every length composes."""

from __future__ import annotations

import itertools

import pytest
import torch

from ablation.training.optim import Constant, Cosine, Step

REPORT = Step(milestones=[1 / 3, 1 / 2], gamma=0.1)


@pytest.mark.parametrize(("epoch", "lr"), [(0, 0.01), (99, 0.01), (100, 0.001), (149, 0.001), (150, 1e-4), (299, 1e-4)])
def test_the_reports_steps(epoch: int, lr: float) -> None:
    assert 0.01 * REPORT(epoch, 300) == pytest.approx(lr, rel=1e-12)


def test_step_is_torchs_multisteplr() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.01)
    theirs = torch.optim.lr_scheduler.MultiStepLR(optimizer, [100, 150], 0.1)
    for epoch in range(300):
        assert 0.01 * REPORT(epoch, 300) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-9)
        optimizer.step(), theirs.step()


@pytest.mark.parametrize("epochs", range(1, 12))
def test_any_length_starts_at_the_base_rate(epochs: int) -> None:
    for schedule in (REPORT, Cosine(), Constant()):
        factors = [schedule(epoch, epochs) for epoch in range(epochs)]
        assert factors[0] == 1 and all(0 < b <= a for a, b in itertools.pairwise(factors))


def test_cosine_is_a_half_at_half_way() -> None:
    assert Cosine()(5, 10) == pytest.approx(0.5)
