"""How much memory and disk a run needs, estimated without allocating any: sizes are counted on pretended tensors.

Owns the estimate. What it leaves out: the workspaces of convolution libraries, and what an allocator keeps in reserve. Of plain
with EfficientNet-Lite0 at 96 pixels, batch 32, on a CPU: 0.99 of all tensors at their peak, 0.76 of the process's growth.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from ablation.cost import model_size
from ablation.sweep import settings
from ablation.sweep.planned_run import Planned

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_ACTIVATIONS: dict[str, int | None] = {}


@dataclass(frozen=True)
class Memory:
    """Bytes. `weights`: parameters and buffers; `activations`: what a step keeps for its backward pass, None: not known."""

    weights: int
    gradients: int
    optimizer: int
    activations: int | None
    images: int

    @property
    def peak(self) -> int | None:
        """At the end of a forward pass, when the gradients of the step before are still there."""
        if self.activations is None:
            return None
        return self.weights + self.gradients + self.optimizer + self.activations + self.images

    @property
    def resume_file(self) -> int:
        """A checkpoint to go on from: the weights and the optimizer's state."""
        return self.weights + self.optimizer


def estimate(run: Planned) -> Memory:
    """Estimate what a run holds on its device while it trains.

    Raises:
        Refused: a part does not take its arguments.
    """
    model = model_size.skeleton(run)
    gradients = sum(_bytes(parameter) for parameter in model.parameters() if parameter.requires_grad)
    there = run.dataset
    return Memory(
        weights=sum(map(_bytes, [*model.parameters(), *model.buffers()])),
        gradients=gradients,
        optimizer=gradients * _states(run),
        activations=_activations(run, model),
        images=3 * there.height * there.width * (run.trained_images + run.evaluated_images),
    )


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _states(run: Planned) -> int:
    """Return how many numbers the optimizer keeps for each of the model's: counted after one real step on two numbers."""
    numbers = nn.Parameter(torch.zeros(2))
    optimizer = settings.build(run.config, "optimizer", params=[numbers])
    numbers.grad = torch.zeros(2)
    optimizer.step()
    states = optimizer.state[numbers].values()
    return sum(isinstance(state, Tensor) and state.shape == numbers.shape for state in states)


def _activations(run: Planned, model: nn.Module) -> int | None:
    """Return what the forward pass of a full batch keeps, once for all cells that share what it depends on."""
    batch = torch.Size((run.train.batch_size, 3, run.dataset.height, run.dataset.width))
    key = json.dumps([run.config["backbone"], run.config["resizer"], *batch, run.train.precision])
    if key not in _ACTIVATIONS:
        try:
            _ACTIVATIONS[key] = _kept(model, batch, run.train.precision)
        except Exception:  # an operation that cannot be pretended: a word instead of a number, not the end of a plan
            _ACTIVATIONS[key] = None
    return _ACTIVATIONS[key]


def _kept(model: nn.Module, batch: torch.Size, precision: str) -> int:
    """Count the bytes that autograd saves, weights aside: their copies in half precision, which autocast makes, count.

    Args:
        model: on the meta device; pretended to be on the CPU, because autocast does nothing on meta.
        batch: (B, 3, H, W).
        precision: of autocast.
    """
    weights: set[int] = set()
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in weights:
            kept[storage._cdata] = storage  # held, so that no other gets its address
        return tensor

    with FakeTensorMode(allow_non_fake_inputs=True):
        model.to_empty(device="cpu").train()
        weights.update(parameter.untyped_storage()._cdata for parameter in model.parameters())
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            with torch.autocast("cpu", DTYPES[precision], enabled=precision != "fp32"):
                logits = model(torch.empty(batch))
            nn.functional.cross_entropy(logits.float(), torch.zeros(batch[0], dtype=torch.int64))
        return sum(storage.nbytes() for storage in kept.values())
