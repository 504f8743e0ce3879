"""`check=true`: run two training steps and one evaluation batch of every distinct cell of a command.

Keeps only the measured times, from which `plan=true` estimates the cost (`ablation/cost/history.py`).
"""

from __future__ import annotations

import gc
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ablation.cost import hardware, history, plan_table
from ablation.cost.estimate import command_cost
from ablation.records.numbers import duration, size
from ablation.sweep import signals
from ablation.sweep.refusal import one_line

if TYPE_CHECKING:
    from ablation.sweep.planned_run import Planned


def cells(planned: Sequence[Planned], trial: Callable[[Planned], Any]) -> int:
    """Try each distinct cell once, in the order of the command; return the exit code: 1 if one of them failed.

    Args:
        planned: the command's runs.
        trial: tries one run; returns seconds, images and peak memory, or raises what training would raise.

    Raises:
        Preempted: asked to stop.
    """
    first: dict[str, Planned] = {}
    for run in planned:
        first.setdefault(run.cell, run)
    print(f"check: {len(first)} cell{'s'[: len(first) != 1]}: two training steps and one evaluation batch at full size of each")
    width = max(len(run.folder.name) for run in first.values())
    results = []
    for name, run in first.items():
        result, description = _try(name, run, trial)
        print(f"  {run.folder.name:{width}}  {result:6}  {description}", flush=True)
        results.append(result)
    failed = results.count("failed")
    rest = f", {failed} failed" if failed else ""
    print(f"check: disk {plan_table.disk(command_cost(planned), planned[0].folder.parent)}")
    print(f"check: {len(results) - failed} ok{rest}; nothing is kept but the times, from which plan=true prices")
    return 1 if failed else 0


def _try(name: str, run: Planned, trial: Callable[[Planned], Any]) -> tuple[str, str]:
    """Try one cell; return `ok` or `failed`, and the times or the error."""
    executed = hardware.as_executed(run)
    try:
        measured = trial(executed)
        signals.raise_if_stopping()
        device = hardware.of_engine(hardware.engine(executed))
        history.keep_check(Path(run.config["paths"]["cache"]), name, device, measured.as_dict())
    except signals.Preempted:
        raise
    except Exception as error:
        traceback.clear_frames(error.__traceback__)  # the frames hold the model: the next cell needs its memory
        return "failed", one_line(error) or type(error).__name__
    finally:
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    times = f"{duration(measured.seconds_per_step)} a step, {duration(measured.seconds_per_evaluation)} an evaluation batch"
    return "ok", f"{times}, peak {size(measured.peak_memory_bytes)}"
