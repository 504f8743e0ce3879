"""A try of a run before it is queued: two training steps and one evaluation batch at full size, then nothing is kept.

Owns what is measured of them. Never writes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from ablation.training.fit import Fit

STEPS = 2  # the first wakes the libraries and makes the optimizer's state; the second is timed
ENOUGH = 1.0  # seconds: what is quicker is done again, at most AGAIN times, for one step of a small model says little
AGAIN = 4


@dataclass(frozen=True)
class Trial:
    """Seconds of one training step and of one evaluation batch (the quickest), the images in each, and the peak in bytes."""

    seconds_per_step: float
    images_per_step: int
    seconds_per_evaluation: float
    images_per_evaluation: int
    peak_memory_bytes: int

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)


def trial(fit: Fit, stopping: Callable[[], bool]) -> Trial | None:
    """Try a run that was built and not begun; it is spoilt afterwards. Its whole data stays on the device.

    Args:
        fit: a run at its beginning.
        stopping: asked before every step; once true, the result is None.

    Raises:
        Diverged, torch.OutOfMemoryError, RuntimeError: what training would raise.
    """
    whole = fit.dataset
    step, batch = (min(fit.batch_size, len(images)) for images in (whole.train, whole.test))
    chosen = torch.arange(STEPS * step, device=whole.train.labels.device) % len(whole.train)
    rows = torch.arange(batch, device=whole.test.labels.device)
    fit.dataset = replace(whole, train=whole.train.at(chosen), test=whole.test.at(rows), val=None)
    fit.batch_size, fit.epochs = step, 1 + AGAIN
    fit.engine.reset_peak_memory()
    times: list[tuple[float, float]] = []
    began = time.perf_counter()
    clock = _Clock(fit.engine.device)
    for _ in fit.run(stopping, clock):
        times.append(clock.read())
        if len(times) > 1 and time.perf_counter() - began > ENOUGH:  # the first evaluation wakes the device, or compiles
            break
    if not times:
        return None
    steps, batches = zip(*times, strict=True)
    return Trial(min(steps), step, min(batches), batch, fit.engine.peak_memory())


class _Clock:
    """Told after every step; a step has ended when the device says so."""

    def __init__(self, device: torch.device) -> None:
        self._synchronize: Callable[[], None] = getattr(torch, device.type).synchronize
        self._times: list[float] = []

    def __call__(self, images: int) -> None:
        self._synchronize()
        self._times.append(time.perf_counter())

    def read(self) -> tuple[float, float]:
        """Return the seconds of the last step and of what came after it, and start anew."""
        *_, before, after = self._times
        self._times = []
        return after - before, time.perf_counter() - after
