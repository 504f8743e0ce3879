"""Where the runs of a queue may run: the GPUs of this machine, found without torch, as slots of one run each.

Owns the arguments of hydra/launcher=local_gpus. Opens no device.
"""

from __future__ import annotations

import functools
import itertools
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ablation.sweep.ranges import whole
from ablation.sweep.refusal import Refused, typed

VISIBLE = "CUDA_VISIBLE_DEVICES"
COUNTS = {"jobs_per_device": whole(1), "retries": whole(0)}
WAY_OUT = "hydra.launcher.devices=cpu"


@dataclass(frozen=True)
class Slot:
    """Room for one run at a time: `name` as people say it, and the environment that shows the run this device alone."""

    name: str
    environment: dict[str, str] = field(hash=False)


def slots(launcher: Mapping[str, Any], overrides: Sequence[str] = ()) -> list[Slot]:
    """Return the slots of the node hydra.launcher, every device once before any twice.

    Args:
        launcher: plain values of `devices`, `jobs_per_device` and `retries`.
        overrides: as typed, to be quoted.

    Raises:
        Refused: a value is not legal, or no such device is here.
    """
    check_arguments(launcher, overrides)
    asked = launcher["devices"]
    one_each = [Slot("cpu", {VISIBLE: ""})] if asked == "cpu" else _gpus(asked, overrides)
    return one_each * int(launcher["jobs_per_device"])


def check_arguments(launcher: Mapping[str, Any], overrides: Sequence[str] = ()) -> None:
    """Refuse arguments that are legal on no machine. Takes what `slots` takes, and raises as it does."""
    for key, rule in COUNTS.items():
        if not rule.test(launcher[key]):
            raise Refused(f"{typed(f'hydra.launcher.{key}', launcher[key], overrides)}: must be {rule.words}")
    asked = launcher["devices"]
    if asked not in ("auto", "cpu") and not (isinstance(asked, list) and asked):
        quoted = typed("hydra.launcher.devices", asked, overrides)
        raise Refused(f"{quoted}: must be auto, cpu or a list of GPUs such as [0,3]")


def _gpus(asked: Any, overrides: Sequence[str]) -> list[Slot]:
    quoted = typed("hydra.launcher.devices", asked, overrides)
    here, environment = visible(os.environ.get(VISIBLE))
    if not here:
        why = f"{VISIBLE} lists none" if VISIBLE in os.environ else f"{VISIBLE} is not set and nvidia-smi names none"
        raise Refused(f"{quoted}: no GPU found ({why}): {WAY_OUT}")
    chosen = list(here) if asked == "auto" else [_find(entry, here, quoted) for entry in asked]
    if len(set(chosen)) < len(chosen):
        raise Refused(f"{quoted}: names a GPU twice; several runs on one are hydra.launcher.jobs_per_device")
    return [Slot(f"GPU {gpu.removeprefix('GPU-')[:12]}", {**environment, VISIBLE: gpu}) for gpu in chosen]


def _find(entry: Any, here: Sequence[str], quoted: str) -> str:
    """Return the GPU at a place among those here, as torch counts them (cuda:0 is the first), or of that UUID."""
    if type(entry) is int and 0 <= entry < len(here):
        return here[entry]
    if isinstance(entry, str) and entry in here:
        return entry
    there = ", ".join(f"{place} ({gpu})" if gpu != str(place) else gpu for place, gpu in enumerate(here))
    raise Refused(f"{quoted}: no GPU {entry} here; there are {there}")


@functools.cache
def visible(listed: str | None) -> tuple[list[str], dict[str, str]]:
    """Return this machine's GPUs as CUDA_VISIBLE_DEVICES names them, and what else must be set for the names to hold.

    Args:
        listed: CUDA_VISIBLE_DEVICES; CUDA reads it up to the first entry that is no index and no UUID. None: not set.
    """
    if listed is not None:
        entries = (entry.strip() for entry in listed.split(","))
        return list(itertools.takewhile(re.compile(r"\d+|(GPU|MIG)-[\w/-]+").fullmatch, entries)), {}
    try:
        command = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
        said = subprocess.run(command, capture_output=True, text=True, timeout=60).stdout
    except (OSError, subprocess.TimeoutExpired):
        return [], {}
    # nvidia-smi counts by bus, CUDA by speed unless it is told to (CUDA C Programming Guide, "CUDA Environment Variables")
    return [line for line in said.split() if line.isdigit()], {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}


def check_slurm() -> None:
    """Refuse a machine that cannot submit to SLURM, before anything is written.

    Raises:
        Refused: there is no sbatch or no srun.
    """
    if shutil.which("sbatch") is None or shutil.which("srun") is None:
        raise Refused("hydra/launcher=slurm: no sbatch and srun here: start it on a node of the cluster that has them")
