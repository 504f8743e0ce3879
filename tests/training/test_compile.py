"""engine.compile: the same run, up to the rounding of fused kernels. Compiled for the CPU, so it needs a compiler."""

from __future__ import annotations

import shutil
from typing import Any

import pytest
import torch
from torch import nn

from ablation.data.augment import Augment
from ablation.models.classifier import Classifier
from ablation.models.resizer import Interpolate
from ablation.training.engine import Engine
from ablation.training.fit import Epoch, Fit
from ablation.training.optim import Constant
from tests.training.test_fit import HALF, dataset, without_clock

pytestmark = pytest.mark.faults  # half a minute


def trained(compile: Any) -> list[Epoch]:
    """Two epochs of a small network with dropout."""
    torch.manual_seed(0)
    backbone = nn.Sequential(nn.Flatten(), nn.Linear(3 * 12 * 12, 16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 4))
    engine = Engine(device="cpu", precision="fp32", compile=compile)
    classifier = engine.prepare(Classifier(Interpolate(12), backbone))
    names = set(classifier.state_dict())
    optimizer = torch.optim.SGD(classifier.parameters(), lr=0.05, momentum=0.9)
    parts = (classifier, dataset(), Augment(1, True, HALF, HALF), optimizer, Constant())
    rows = list(Fit(*parts, epochs=2, batch_size=16, seed=0, engine=engine))
    assert set(classifier.state_dict()) == names and not [name for name in names if "_orig_mod" in name]
    return rows


def test_a_compiled_run_has_the_losses_of_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shutil.which("gcc") or shutil.which("c++"), "engine.compile needs a C++ compiler on a CPU"
    plain, compiled = trained(False), trained("default")
    for one, other in zip(without_clock(plain), without_clock(compiled), strict=True):
        assert other.train_loss == pytest.approx(one.train_loss, rel=1e-5)
        assert other.test_loss == pytest.approx(one.test_loss, rel=1e-5) and other.test_acc == one.test_acc

    # Planted: the compiler's own dropout masks are another run.
    inner = nn.Module.compile
    monkeypatch.setattr(nn.Module, "compile", lambda self, options: inner(self, options=options | {"fallback_random": False}))
    torch.compiler.reset()
    assert abs(trained("default")[0].train_loss - plain[0].train_loss) > 1e-3
