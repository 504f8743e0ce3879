"""The structure of a module: its layers in the order in which they are called, with shapes, parameters and connections.

Read from a built module with `torch.fx` on the meta device; changes neither the module nor a random stream.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace

import torch
from torch import fx, nn
from torch.fx.passes.shape_prop import ShapeProp

from ablation.models.resizer import Interpolate, WideConv2d

PLUMBING = ("flatten", "getattr", "getitem")  # reshape or select, without changing values
KINDS = {"placeholder": "input", "output": "output", "add": "sum", "mul": "product", "sigmoid": "pointwise"}
POINTWISE = (nn.LeakyReLU, nn.ReLU, nn.BatchNorm2d)


@dataclass(frozen=True)
class Box:
    """One step of a forward pass.

    `kind`: input, layer, resize, pointwise, attention, operation, sum, product or output; `shape`: of the output, without
    the batch; `parameters`: trainable, counted where first used; `shared`: its layer was used before; `inputs`: indices of the
    boxes it reads; `group`: the child module that it belongs to, "" for the module itself.
    """

    kind: str
    text: str  # of its layer or operation; `then`: of the pointwise steps that follow it within the box
    then: tuple[str, ...]
    shape: tuple[int, ...]
    parameters: int
    shared: bool
    inputs: tuple[int, ...]
    group: str


class _Tracer(fx.Tracer):
    """Does not trace into modules of the given classes."""

    def __init__(self, whole: tuple[type[nn.Module], ...]) -> None:
        super().__init__()
        self.whole = whole

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, self.whole) or super().is_leaf_module(m, module_qualified_name)


def anatomy(module: nn.Module, shape: Sequence[int], whole: tuple[type[nn.Module], ...] = ()) -> list[Box]:
    """Return the boxes of `module` in the order of the forward pass, read from the module itself.

    A pointwise step (batch norm, activation) is merged into the layer before it if nothing else reads that layer.

    Args:
        module: takes one tensor and returns one; on any device, not changed.
        shape: of its input, without the batch.
        whole: classes that are drawn as one box.
    """
    module = deepcopy(module).to("meta").eval()
    graph = fx.GraphModule(module, _Tracer((Interpolate, WideConv2d, *whole)).trace(module))
    ShapeProp(graph).propagate(torch.empty(1, *shape, device="meta"))
    boxes: list[Box] = []
    box_of: dict[fx.Node, int] = {}  # index of the box with a node's result
    seen: set[str] = set()
    for node in graph.graph.nodes:
        part = module.get_submodule(node.target) if node.op == "call_module" else None
        inputs = tuple(box_of[source] for source in node.all_input_nodes)
        if _called(node) in PLUMBING or isinstance(part, nn.Identity):
            box_of[node] = inputs[0]
            continue
        box = _box(node, part, inputs, _group(node, module), node.target in seen)
        seen.add(node.target if part is not None else "")
        if box.kind == "pointwise" and boxes[-1].kind == "layer" and inputs == (len(boxes) - 1,) and _only_reader(node):
            previous = boxes[-1]
            boxes[-1] = replace(previous, then=(*previous.then, box.text), parameters=previous.parameters + box.parameters)
        else:
            boxes.append(box)
        box_of[node] = len(boxes) - 1
    return boxes


def _box(node: fx.Node, part: nn.Module | None, inputs: tuple[int, ...], group: str, shared: bool) -> Box:
    if part is not None:
        kind = "pointwise" if isinstance(part, POINTWISE) else "resize" if isinstance(part, Interpolate) else "layer"
        kind = kind if next(part.children(), None) is None else "attention"
        parameters = sum(parameter.numel() for parameter in part.parameters() if parameter.requires_grad)
        again = shared and parameters > 0
        return Box(kind, _layer(part), (), _shape(node), 0 if again else parameters, again, inputs, group)
    name = _called(node)
    return Box(KINDS.get(name, "operation"), _operation(node, name), (), _shape(node), 0, False, inputs, group)


def _called(node: fx.Node) -> str:
    """Return the name of an operation, or of a node's role."""
    if node.op in ("placeholder", "output", "call_module"):
        return node.op
    return str(node.target if isinstance(node.target, str) else node.target.__name__)


def _only_reader(node: fx.Node) -> bool:
    return all(len(source.users) == 1 for source in node.all_input_nodes)


def _shape(node: fx.Node) -> tuple[int, ...]:
    metadata = node.meta["tensor_meta"]
    first = metadata if hasattr(metadata, "shape") else metadata[0]  # max gives values and indices
    return tuple(first.shape[1:])


def _group(node: fx.Node, module: nn.Module) -> str:
    """Return the child module that a node belongs to, with its class unless it is a Sequential: `blocks.0: ResBlock`."""
    stack = list(node.meta.get("nn_module_stack", {}).values())
    parts = stack[-1][0].split(".") if stack and stack[-1][0] else []
    if not parts:
        return ""
    depth = 2 if isinstance(module.get_submodule(parts[0]), nn.ModuleList) else 1
    name = ".".join(parts[:depth])
    if node.target == name:  # it is the child itself
        return ""
    kind = type(module.get_submodule(name)).__name__
    return name if kind == "Sequential" else f"{name}: {kind}"


def _layer(part: nn.Module) -> str:
    """Return a description of a layer from its attributes."""
    if isinstance(part, nn.Conv2d):
        size = "x".join(map(str, part.kernel_size))
        return f"conv {size}, {part.in_channels} → {part.out_channels}{'' if part.bias is not None else ', no bias'}"
    if isinstance(part, nn.Linear):
        return f"linear {part.in_features} → {part.out_features}"
    if isinstance(part, Interpolate):
        return f"{part.mode} resize"
    if isinstance(part, nn.LeakyReLU):
        return f"LeakyReLU {part.negative_slope:g}"
    return "batch norm" if isinstance(part, nn.BatchNorm2d) else type(part).__name__


def _operation(node: fx.Node, name: str) -> str:
    """Return a description of an operation; for a reduction, with the axis that it reduces, of (B, C, pixels)."""
    if name in ("max", "amax", "mean"):
        over = {1: "channels", 2: "pixels"}[int(node.args[1])]  # type: ignore[arg-type]
        return f"{name.removeprefix('a')} over {over}"
    descriptions = {
        "add": "+",
        "mul": "\N{MULTIPLICATION SIGN}",
        "cat": "concatenate",
        "placeholder": str(node.target),
        "output": "output",
    }
    return descriptions.get(name, name.replace("_", " "))
