"""A trial of a run before it is queued: two training steps and one evaluation batch at full size. Writes nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from ablation.training.fit import Fit

STEPS = 2  # the first initialises the libraries and the optimizer's state; the second is timed
ENOUGH = 1.0  # seconds: shorter trials are repeated, at most AGAIN times, since one step of a small model varies a lot
AGAIN = 4


@dataclass(frozen=True)
class Trial:
    """Seconds of the fastest training step and evaluation batch, the images in each, and peak memory in bytes."""

    seconds_per_step: float
    images_per_step: int
    seconds_per_evaluation: float
    images_per_evaluation: int
    peak_memory_bytes: int

    def as_dict(self) -> dict[str, Any]:
        """Return the values as a dictionary."""
        return asdict(self)


def trial(fit: Fit, stopping: Callable[[], bool]) -> Trial | None:
    """Measure a few steps of a run that has not started; do not use the Fit afterwards. All its data stays on the device.

    Args:
        fit: of a run that has not started.
        stopping: called before every step; once it returns True, the result is None.

    Raises:
        Diverged, torch.OutOfMemoryError, RuntimeError: as in training.
    """
    dataset = fit.dataset
    step, batch = (min(fit.batch_size, len(images)) for images in (dataset.train, dataset.test))
    chosen = torch.arange(STEPS * step, device=dataset.train.labels.device) % len(dataset.train)
    rows = torch.arange(batch, device=dataset.test.labels.device)
    fit.dataset = replace(dataset, train=dataset.train.at(chosen), test=dataset.test.at(rows), val=None)
    fit.batch_size, fit.epochs = step, 1 + AGAIN
    fit.engine.reset_peak_memory()
    times: list[tuple[float, float]] = []
    began = time.perf_counter()
    clock = _Clock(fit.engine.device)
    for _ in fit.run(stopping, clock):
        times.append(clock.read())
        if len(times) > 1 and time.perf_counter() - began > ENOUGH:  # the first evaluation initialises the device, or compiles
            break
    if not times:
        return None
    steps, batches = zip(*times, strict=True)
    return Trial(min(steps), step, min(batches), batch, fit.engine.peak_memory())


class _Clock:
    """Called after every step; waits for the device and notes the time."""

    def __init__(self, device: torch.device) -> None:
        self._synchronize: Callable[[], None] = getattr(torch, device.type).synchronize
        self._times: list[float] = []

    def __call__(self, images: int) -> None:
        self._synchronize()
        self._times.append(time.perf_counter())

    def read(self) -> tuple[float, float]:
        """Return the seconds of the last step and those since its end, and reset."""
        *_, before, after = self._times
        self._times = []
        return after - before, time.perf_counter() - after
