"""A run's parameters, multiply-accumulates and work per epoch, counted on the meta device; and checks of the machine.

Allocates no memory, opens neither data nor weights.
"""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import hydra
import torch
from torch.utils.flop_counter import FlopCounterMode

from ablation.cost.flops import TRAINING, Work
from ablation.sweep import gpu_facts, settings
from ablation.sweep.planned_run import Planned
from ablation.sweep.refusal import Refused, one_line

TOO_LARGE = 1e16  # multiply-accumulates: about a week on two CPU cores
_MEASURED: dict[str, Size | None] = {}  # by the nodes that a measurement or check depends on; None: checked


@dataclass(frozen=True)
class Size:
    """Of a run's classifier: trainable parameters, MACs of an image's forward pass (convolutions and linear layers), layers."""

    parameters: int
    macs: int
    layers: int  # modules without modules of their own


def size(run: Planned) -> Size:
    """Build a run's parts and pass one image through them on the meta device, once for all runs with equal nodes.

    Raises:
        Refused: a part does not take its arguments, or the parts do not fit together.
    """
    for group, check in {"tracker": _check_part, "aug": _check_part, "schedule": _check_part, "data": _check_loader}.items():
        _once(run, [group], functools.partial(check, run, group))
    _once(run, ["optimizer"], functools.partial(_check_optimizer, run))
    batch = [run.train.batch_size, run.trained_images, run.dataset.classes, run.dataset.height, run.dataset.width]
    measured = _once(run, ["resizer", "backbone"], functools.partial(_measure, run), batch)
    assert measured is not None
    return measured


def _once(run: Planned, groups: list[str], measure: Callable[[], Size | None], values: Sequence[int] = ()) -> Size | None:
    """Measure or check a run's parts, unless it was done for the same nodes and values in this process."""
    key = json.dumps([groups, [run.config[group] for group in groups], *values])
    if key not in _MEASURED:
        _MEASURED[key] = measure()
    return _MEASURED[key]


def skeleton(run: Planned) -> torch.nn.Module:
    """Build a run's classifier on the meta device: names and shapes, no memory.

    Raises:
        Refused: a part does not take its arguments.
    """
    with torch.device("meta"):
        resizer = _build(run, "resizer")
        backbone = _build(run, "backbone", num_classes=run.dataset.classes, weights="none")
    return torch.nn.Sequential(resizer, backbone)


def work(run: Planned) -> Work:
    """Return the work of one epoch of a run. Raises as `size`."""
    return Work(run.trained_images, run.evaluated_images, size(run).macs)


def _measure(run: Planned) -> Size:
    facts = run.dataset
    model = skeleton(run).eval()
    image = torch.empty(1, 3, facts.height, facts.width, device="meta")
    try:
        with FlopCounterMode(display=False) as counter:
            model(image)
    except Exception as error:
        chosen = " ".join(f"{group}={run.options[group]}" for group in ("data", "resizer", "backbone"))
        raise Refused(f"{chosen}: do not fit together at {facts.height}x{facts.width}: {one_line(error)}") from None
    _check_last_batch(run, model, image)
    parameters = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    layers = sum(not any(module.children()) for module in model.modules())
    return Size(parameters, counter.get_total_flops() // 2, layers)


def _check_last_batch(run: Planned, model: torch.nn.Module, image: torch.Tensor) -> None:
    """Refuse a last batch that batch norm cannot normalise: one value per channel would raise in the first epoch."""
    images, batch_size = run.trained_images, run.train.batch_size
    last = images % batch_size or batch_size
    try:
        model.train()(image.expand(last, -1, -1, -1))
    except ValueError as error:
        raise Refused(
            f"train.batch_size={batch_size}: leaves a last batch of {last} of {images} images, too few for batch norm"
            f" ({one_line(error)}): choose another size"
        ) from None


def _check_part(run: Planned, group: str) -> None:
    """Refuse a missing or unknown argument of a part that is not built on the meta device."""
    _build(run, group)


def _check_optimizer(run: Planned) -> None:
    _build(run, "optimizer", params=[torch.nn.Parameter(torch.zeros(1))])


def _check_loader(run: Planned, group: str) -> None:
    """Refuse a missing or unknown argument of the data's loader, which is not called."""
    try:
        loader = hydra.utils.get_method(run.config[group]["_target_"])
        given = set(run.config[group]) - {"_target_", *settings.POINTED_AT[group]}
        inspect.signature(loader).bind(**dict.fromkeys(given))
    except TypeError as error:
        raise Refused(f"{group}={run.options[group]}: {error}") from None


def _build(run: Planned, group: str, **further: Any) -> Any:
    try:
        return settings.build(run.config, group, **further)
    except Refused:
        raise
    except Exception as error:
        raise Refused(f"{group}={run.options.get(group, group)}: cannot be built: {one_line(error)}") from None


def check_machine(run: Planned) -> None:
    """Refuse a device that this machine does not have or cannot use, and a run that would take weeks on a CPU chosen by `auto`.

    Raises:
        Refused: the device is missing; torch or the precision does not fit the GPU (`gpu_facts.check`); or there is no GPU,
            `engine.device=auto`, and MACs x 3 x images x epochs > 1e16.
    """
    device = run.config["engine"]["device"]
    if device not in ("cpu", "mps"):
        gpu_facts.check(gpu_facts.read(), device, run.train.precision, run.overrides)
    try:
        settings.build(run.config, "engine", precision=run.train.precision)
    except ValueError as error:
        raise Refused(str(error)) from None
    if device == "auto" and not _accelerated() and (needed := too_large(run)):
        raise Refused(
            f"engine.device=auto: no GPU here, and {run.run_id} needs {needed:.1e} multiply-accumulates"
            f" (a CPU gets at most {TOO_LARGE:.0e}): profile=demo (two minutes), profile=laptop (half an hour), or"
            " engine.device=cpu to train on the CPU anyway"
        )


def _accelerated() -> bool:
    return torch.cuda.is_available() or torch.backends.mps.is_available()


def too_large(run: Planned) -> float | None:
    """Return a run's multiply-accumulates if they are too many for a CPU; None if they are not, or a device was chosen."""
    epoch = work(run)
    needed = float(TRAINING * epoch.macs * epoch.trained * run.train.epochs)
    return needed if needed > TOO_LARGE and run.config["engine"]["device"] == "auto" else None
