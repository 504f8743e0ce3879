"""A pretended GPU: tensors with a CUDA device, shapes and types but no values, so that a whole step can be taken without one.

Owns what stands in for the device (`FakeTensorMode`), the walk through the backward graph, and the log of the calls that would
make the processor wait for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ablation.data import augment
from ablation.models.classifier import Classifier
from ablation.training import engine

DEVICE = torch.device("cuda:0")
WAITING = ("nonzero", "masked_select", "_unique", "unique_", "equal", "is_nonzero", "bincount")
WITHOUT_FAKE = ("_fused_sgd_", "_fused_adamw_")  # they change their arguments in place and return nothing


class Calls(TorchDispatchMode):
    """Keeps every operation's name and outputs, and which of them would wait for the device."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[str] = []
        self.outputs: list[tuple[str, Tensor]] = []
        self.current: list[torch.device] = []  # what was made the current device
        self._pinned: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = str(func).removeprefix("aten.").partition(".")[0]
        inputs = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        on_device = any(tensor.device.type == "cuda" for tensor in inputs)
        if name in ("item", "_local_scalar_dense"):
            if on_device:
                self.waits.append(name)
            return 0.4 if inputs[0].dtype.is_floating_point else 1  # of draws on the processor: CutMix mixes, in a box
        if name in WITHOUT_FAKE:
            return None
        if on_device and (name.startswith(WAITING) or (name.startswith("index") and self._by_mask(args))):
            self.waits.append(name)
        result = func(*args, **kwargs)
        made = [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
        self.outputs += [(name, tensor) for tensor in made]
        if kwargs.get("pin_memory") or (name == "detach" and id(inputs[0]) in self._pinned):
            self._pinned |= {id(tensor) for tensor in made}  # held by `outputs`, so that no other gets the number
        if {tensor.device.type for tensor in (*inputs, *made)} == {"cpu", "cuda"} and self._copies(
            name, inputs, made, args, kwargs
        ):
            self.waits.append(f"{name} {[str(tensor.device) for tensor in (*inputs, *made)]}")
        return result

    def _copies(self, name: str, inputs: list[Tensor], made: list[Tensor], args: Any, kwargs: dict[str, Any]) -> bool:
        """Return True if a call copies between the device and memory that is not pinned, or waits until the copy is made."""
        if name not in ("_to_copy", "copy_", "to"):
            return False
        here = [tensor for tensor in (*inputs, *made) if tensor.device.type == "cpu"]
        going_on = kwargs.get("non_blocking") or args[2:3] == (True,)
        return not going_on or any(id(tensor) not in self._pinned for tensor in here)

    @staticmethod
    def _by_mask(args: Any) -> bool:
        return any(leaf.dtype == torch.bool for leaf in tree_leaves(args[1:2]) if isinstance(leaf, Tensor))


@contextmanager
def fake_cuda() -> Iterator[Calls]:
    """Pretend that `cuda:0` is there, and log what is called on it."""
    augment._constants.cache_clear()
    current: list[torch.device] = []
    patches = [
        mock.patch("torch.cuda.amp.common.amp_definitely_not_available", lambda: False),
        mock.patch("torch.cuda.is_bf16_supported", lambda *_, **__: True),
        mock.patch("torch.cuda.set_device", lambda device: current.append(device)),
        mock.patch.object(engine, "find_device", lambda asked: DEVICE),
        mock.patch.object(Classifier, "to", placed),
        mock.patch.object(Tensor, "backward", backward),
    ]
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark
    try:
        with FakeTensorMode(allow_non_fake_inputs=True), Calls() as calls:
            calls.current = current
            for patch in patches:
                patch.start()
            yield calls
    finally:
        mock.patch.stopall()
        augment._constants.cache_clear()  # what was made here has no values
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark = before


def on_meta(build: Callable[[], nn.Module]) -> nn.Module:
    """Build a module of names and shapes alone; `placed` puts it on the device."""
    with torch.device("meta"):
        return build()


def placed(model: nn.Module, device: torch.device, memory_format: torch.memory_format) -> nn.Module:
    """Do what `Module.to` does, to a module on the meta device: pretended parameters cannot be moved, only made anew."""
    for module in model.modules():
        for name, tensor in [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]:
            kept = memory_format if tensor.dim() == 4 else torch.contiguous_format
            fresh = torch.empty(tensor.shape, dtype=tensor.dtype, device=device, memory_format=kept)
            setattr(module, name, nn.Parameter(fresh) if isinstance(tensor, nn.Parameter) else fresh)
    return model


def backward(loss: Tensor) -> None:
    """Do what `Tensor.backward` does, node by node: torch's own engine asks the driver for its streams.

    Raises:
        AssertionError: a gradient is on another device than what it is the gradient of.
    """
    root = loss.grad_fn
    assert root is not None
    gradients: dict[Any, dict[int, Tensor]] = {root: {0: torch.ones_like(loss)}}
    with torch.no_grad():
        for node in reversed(_in_order(root)):
            given = gradients.pop(node)
            if hasattr(node, "variable"):
                leaf = node.variable
                leaf.grad = given[0] if leaf.grad is None else leaf.grad + given[0]
                continue
            results: Any = node(*(given.get(index) for index in range(max(given) + 1)))
            results = results if isinstance(results, tuple) else (results,)
            for (following, index), gradient in zip(node.next_functions, results, strict=True):
                if following is not None and gradient is not None:
                    _add(gradients.setdefault(following, {}), index, gradient, following._input_metadata[index])


def _in_order(root: Any) -> list[Any]:
    """Return the nodes below `root`, each after those that it hands gradients to."""
    order, seen, stack = [], {root}, [(root, iter(root.next_functions))]
    while stack:
        node, following = stack[-1]
        fresh = next((one for one, _ in following if one is not None and one not in seen), None)
        if fresh is None:
            order.append(node)
            stack.pop()
        else:
            seen.add(fresh)
            stack.append((fresh, iter(fresh.next_functions)))
    return order


def _add(given: dict[int, Tensor], index: int, gradient: Tensor, wanted: Any) -> None:
    assert gradient.device == wanted.device, f"a gradient on {gradient.device} of a tensor on {wanted.device}"
    gradient = gradient.sum_to_size(tuple(wanted.shape)).to(wanted.dtype)
    given[index] = given[index] + gradient if index in given else gradient
