"""Copy a training state into CPU memory, so that training continues while the copy is written.

From a GPU the copy goes into pinned memory, which the device fills at full speed; torch's allocator of pinned memory reuses
the blocks of an older copy.
"""

from __future__ import annotations

from copy import copy
from typing import Any

import torch
from torch import Tensor


def snapshot(state: Any) -> Any:
    """Return a copy of a state (tensors and plain types in dictionaries, lists and tuples) that later steps do not change.

    Tensors of the copy are on the CPU and keep their memory format; the call returns when all are copied.
    """
    devices: set[torch.device] = set()
    copied = _copied(state, devices)
    for device in devices:
        torch.cuda.current_stream(device).synchronize()
    return copied


def _copied(node: Any, devices: set[torch.device]) -> Any:
    if isinstance(node, Tensor):
        if node.device.type != "cuda":
            return node.detach().to("cpu", copy=True)
        devices.add(node.device)
        return torch.empty_like(node, device="cpu", pin_memory=True).copy_(node.detach(), non_blocking=True)
    if isinstance(node, dict):
        result = copy(node)  # keeps the `_metadata` of a module's state_dict: the modules' versions
        result.update({key: _copied(value, devices) for key, value in node.items()})
        return result
    return type(node)(_copied(value, devices) for value in node) if isinstance(node, list | tuple) else node
