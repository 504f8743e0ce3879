"""The devices of hydra/launcher=local_gpus: the GPUs of this machine, found without torch, as slots for one run each.

Checks the launcher's arguments. Opens no device.
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

from ablation.sweep.ranges import Rule, whole
from ablation.sweep.refusal import Refused, typed

VISIBLE = "CUDA_VISIBLE_DEVICES"
COUNTS = {"jobs_per_device": Rule("auto or a whole number >= 1", lambda v: v == "auto" or (type(v) is int and v >= 1))}
COUNTS |= {"retries": whole(0)}
WAY_OUT = "hydra.launcher.devices=cpu"


@dataclass(frozen=True)
class Slot:
    """A place for one run at a time: the device's name in messages, and environment variables that show the run only it."""

    name: str
    environment: dict[str, str] = field(hash=False)


def slots(launcher: Mapping[str, Any], overrides: Sequence[str] = (), jobs: int = 1) -> list[Slot]:
    """Return the slots of the node hydra.launcher: every device once, then every device a second time, and so on.

    Args:
        launcher: plain values of its arguments.
        overrides: as typed, to be quoted.
        jobs: runs at once on each device if jobs_per_device=auto, see `ablation.cost.packing`.

    Raises:
        Refused: a value is not legal, or this machine has no such device.
    """
    check_arguments(launcher, overrides)
    devices = launcher["devices"]
    one_each = [Slot("cpu", {VISIBLE: ""})] if devices == "cpu" else _gpus(devices, overrides)
    return one_each * (jobs if launcher["jobs_per_device"] == "auto" else launcher["jobs_per_device"])


def check_arguments(launcher: Mapping[str, Any], overrides: Sequence[str] = ()) -> None:
    """Refuse arguments that are legal on no machine. Same arguments and errors as `slots`."""
    for key, rule in COUNTS.items():
        if not rule.test(launcher[key]):
            raise Refused(f"{typed(f'hydra.launcher.{key}', launcher[key], overrides)}: must be {rule.description}")
    if not isinstance(launcher["wait_for_free"], bool):
        raise Refused(f"{typed('hydra.launcher.wait_for_free', launcher['wait_for_free'], overrides)}: must be true or false")
    devices = launcher["devices"]
    if devices not in ("auto", "cpu") and not (isinstance(devices, list) and devices):
        quoted = typed("hydra.launcher.devices", devices, overrides)
        raise Refused(f"{quoted}: must be auto, cpu or a list of GPUs such as [0,3]")
    if devices == "cpu" and launcher["jobs_per_device"] == "auto":
        quoted = typed("hydra.launcher.jobs_per_device", "auto", overrides)
        raise Refused(f"{quoted}: is for GPUs, whose memory is known; with hydra.launcher.devices=cpu a whole number >= 1")


def _gpus(devices: Any, overrides: Sequence[str]) -> list[Slot]:
    quoted = typed("hydra.launcher.devices", devices, overrides)
    gpus, environment = visible(os.environ.get(VISIBLE))
    if not gpus:
        why = f"{VISIBLE} lists none" if VISIBLE in os.environ else f"{VISIBLE} is not set and nvidia-smi names none"
        raise Refused(f"{quoted}: no GPU found ({why}): {WAY_OUT}")
    chosen = list(gpus) if devices == "auto" else [_find(entry, gpus, quoted) for entry in devices]
    if len(set(chosen)) < len(chosen):
        raise Refused(f"{quoted}: names a GPU twice; several runs on one are hydra.launcher.jobs_per_device")
    return [Slot(f"GPU {gpu.removeprefix('GPU-')[:12]}", {**environment, VISIBLE: gpu}) for gpu in chosen]


def _find(entry: Any, gpus: Sequence[str], quoted: str) -> str:
    """Return the GPU with this index, as torch counts them (cuda:0 is the first), or with this UUID."""
    if type(entry) is int and 0 <= entry < len(gpus):
        return gpus[entry]
    if isinstance(entry, str) and entry in gpus:
        return entry
    legal = ", ".join(f"{index} ({gpu})" if gpu != str(index) else gpu for index, gpu in enumerate(gpus))
    raise Refused(f"{quoted}: no GPU {entry} here; there are {legal}")


@functools.cache
def visible(listed: str | None) -> tuple[list[str], dict[str, str]]:
    """Return this machine's GPUs as CUDA_VISIBLE_DEVICES names them, and environment variables that the names depend on.

    Args:
        listed: the value of CUDA_VISIBLE_DEVICES, None if it is not set. CUDA reads it up to the first entry that is
            neither an index nor a UUID.
    """
    if listed is not None:
        entries = (entry.strip() for entry in listed.split(","))
        return list(itertools.takewhile(re.compile(r"\d+|(GPU|MIG)-[\w/-]+").fullmatch, entries)), {}
    try:
        command = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
        output = subprocess.run(command, capture_output=True, text=True, timeout=60).stdout
    except (OSError, subprocess.TimeoutExpired):
        return [], {}
    # nvidia-smi orders GPUs by PCI bus, CUDA by speed unless this is set (CUDA Programming Guide, "CUDA Environment Variables")
    return [line for line in output.split() if line.isdigit()], {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}


def check_slurm() -> None:
    """Refuse a machine that cannot submit to SLURM, before anything is written.

    Raises:
        Refused: sbatch or srun is not installed.
    """
    if shutil.which("sbatch") is None or shutil.which("srun") is None:
        raise Refused("hydra/launcher=slurm: no sbatch and srun here: start it on a node of the cluster that has them")
