"""How much memory and disk a run needs, estimated without allocating any: sizes are counted on fake tensors.

Not included: the workspaces of convolution libraries, and the memory that an allocator keeps in reserve. Measured on a CPU for
resizer=plain with EfficientNet-Lite0 at 96 pixels and batch 32, the estimate is 0.99 of all tensors at their peak, and 0.76 of
the growth of the process.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from ablation.cost import model_size
from ablation.cost.flops import NARROW
from ablation.sweep import settings
from ablation.sweep.planned_run import Planned

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_OF_MODELS: dict[str, tuple[int, int, int, tuple[int, int] | None]] = {}


@dataclass(frozen=True)
class Memory:
    """Sizes in bytes.

    `weights`: parameters and buffers; `activations`: saved for the backward pass, None if unknown, of which `casts` are the
    weights in half precision and `narrow` maps of at most NARROW channels.
    """

    weights: int
    gradients: int
    optimizer: int
    activations: int | None
    casts: int
    narrow: int
    images: int

    @property
    def peak(self) -> int | None:
        """Bytes at the end of a forward pass, with the gradients of the previous step; None if the activations are unknown."""
        if self.activations is None:
            return None
        return self.weights + self.gradients + self.optimizer + self.activations + self.images

    @property
    def kept(self) -> int:
        """Bytes that grow with the batch: the activations without the weights' casts; 0 if they are unknown."""
        return 0 if self.activations is None else self.activations - self.casts

    @property
    def resume_file(self) -> int:
        """Bytes of a resume file: the weights and the optimizer's state."""
        return self.weights + self.optimizer


def estimate(run: Planned) -> Memory:
    """Estimate the memory that a run needs on its device while it trains.

    Raises:
        Refused: a part does not take its arguments.
    """
    dataset = run.dataset
    weights, gradients, casts, saved = _of_model(run)
    activations, narrow = saved or (None, 0)
    return Memory(
        weights=weights,
        gradients=gradients,
        optimizer=gradients * _states(run),
        activations=activations,
        casts=casts,
        narrow=narrow,
        images=3 * dataset.height * dataset.width * (run.trained_images + run.evaluated_images),
    )


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _states(run: Planned) -> int:
    """Return how many values the optimizer keeps per parameter, counted after one real step on a parameter of two values."""
    parameter = nn.Parameter(torch.zeros(2))
    optimizer = settings.build(run.config, "optimizer", params=[parameter])
    parameter.grad = torch.zeros(2)
    optimizer.step()
    states = optimizer.state[parameter].values()
    return sum(isinstance(state, Tensor) and state.shape == parameter.shape for state in states)


def _of_model(run: Planned) -> tuple[int, int, int, tuple[int, int] | None]:
    """Return the bytes of weights, gradients, casts, and `_saved_bytes` of a full batch; once for equal models."""
    batch = torch.Size((run.train.batch_size, 3, run.dataset.height, run.dataset.width))
    key = json.dumps([run.config["backbone"], run.config["resizer"], run.dataset.classes, *batch, run.train.precision])
    if key not in _OF_MODELS:
        model = model_size.skeleton(run)
        gradients = sum(_bytes(parameter) for parameter in model.parameters() if parameter.requires_grad)
        weights = sum(map(_bytes, [*model.parameters(), *model.buffers()]))
        cast = sum(parameter.numel() for parameter in model.parameters() if parameter.dim() > 1)  # not biases and norms
        casts = 0 if run.train.precision == "fp32" else DTYPES[run.train.precision].itemsize * cast
        try:
            _OF_MODELS[key] = weights, gradients, casts, _saved_bytes(model, batch, run.train.precision)
        except Exception:  # an operation without a fake-tensor kernel: report unknown
            _OF_MODELS[key] = weights, gradients, casts, None
    return _OF_MODELS[key]


def _saved_bytes(model: nn.Module, batch: torch.Size, precision: str) -> tuple[int, int]:
    """Count the bytes that autograd saves, all and of narrow maps. Weights do not count; their copies by autocast do.

    Args:
        model: on the meta device; moved to fake CPU tensors, because autocast does nothing on meta.
        batch: (B, 3, H, W).
        precision: of autocast.
    """
    weights: set[int] = set()
    saved: dict[int, tuple[torch.UntypedStorage, bool]] = {}

    def save(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in weights:
            narrow = tensor.dim() == 4 and tensor.shape[1] <= NARROW
            saved[storage._cdata] = storage, narrow  # the reference keeps the address from being reused
        return tensor

    with FakeTensorMode(allow_non_fake_inputs=True):
        model.to_empty(device="cpu").train()
        weights.update(parameter.untyped_storage()._cdata for parameter in model.parameters())
        with torch.autograd.graph.saved_tensors_hooks(save, lambda tensor: tensor):
            with torch.autocast("cpu", DTYPES[precision], enabled=precision != "fp32"):
                logits = model(torch.empty(batch))
            nn.functional.cross_entropy(logits.float(), torch.zeros(batch[0], dtype=torch.int64))
        sizes = [(storage.nbytes(), narrow) for storage, narrow in saved.values()]
        return sum(size for size, _ in sizes), sum(size for size, narrow in sizes if narrow)
