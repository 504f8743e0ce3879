"""The engine's promises about the device: what it sets in torch, what it compiles, and what it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn

from ablation.models.classifier import Classifier
from ablation.models.resizer import Interpolate
from ablation.training.engine import Engine
from tests.fake_cuda import DEVICE, fake_cuda, on_meta


@pytest.fixture(autouse=True)
def _not_deterministic() -> Iterator[None]:
    yield
    torch.use_deterministic_algorithms(False)


def test_a_numbered_gpu_becomes_the_current_one() -> None:
    """Pinned memory and Triton use the current device, which is GPU 0 at first."""
    with fake_cuda() as calls:
        Engine("cuda:0", "bf16")
    assert calls.current == [DEVICE]


def test_deterministic_fills_no_new_tensor() -> None:
    """torch would write each one once more, so that reading it before it is written gives equal bits: ours are written."""
    torch.utils.deterministic.fill_uninitialized_memory = True  # type: ignore[attr-defined]  # torch's default
    Engine("cpu", "fp32", deterministic=True)
    assert torch.are_deterministic_algorithms_enabled()
    assert torch.utils.deterministic.fill_uninitialized_memory is False  # type: ignore[attr-defined]


@pytest.mark.parametrize(("mode", "graphs"), [(False, None), ("default", False), ("reduce-overhead", True)])
def test_how_a_classifier_is_compiled(monkeypatch: pytest.MonkeyPatch, mode: Any, graphs: bool | None) -> None:
    """With torch's own dropout masks in either mode, in CUDA graphs in one."""
    compiled: list[tuple[nn.Module, dict[str, Any]]] = []
    monkeypatch.setattr(nn.Module, "compile", lambda module, options: compiled.append((module, options)))
    with fake_cuda():
        classifier = on_meta(lambda: Classifier(Interpolate(8), nn.Linear(3, 2)))
        Engine("cuda", "bf16", compile=mode).prepare(classifier)
    expected = [] if mode is False else [(classifier, {"fallback_random": True, "triton.cudagraphs": graphs})]
    assert compiled == expected


def test_cuda_graphs_without_cuda_are_refused() -> None:
    with pytest.raises(ValueError, match=r"engine\.compile=reduce-overhead: .* this one is cpu: engine\.compile=default"):
        Engine("cpu", "fp32", compile="reduce-overhead")
