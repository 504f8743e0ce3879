"""What torch and the driver report of this machine's GPUs, read in one place, and the runs that they cannot train.

`check` and `check_queue` refuse before the first run starts; precision and device are never changed silently.
"""

from __future__ import annotations

import csv
import functools
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ablation.sweep import devices
from ablation.sweep.planned_run import Planned
from ablation.sweep.refusal import Refused, typed

ROOT = Path(__file__).resolve().parents[2]
BF16 = (8, 0)  # as torch.cuda.is_bf16_supported(including_emulation=False): older GPUs have no arithmetic in bf16
TURING = (7, 5)  # CUDA 13 builds for nothing older
# pytorch/pytorch, issues 172352 and 190385
BEFORE_TURING = "install torch 2.10 to 2.14 as built for CUDA 12.6 (+cu126), the last with sm_50, sm_60 and sm_70"
LEAST_DRIVER = {"11": 450, "12": 525, "13": 580}  # NVIDIA, CUDA Compatibility, "Minor Version Compatibility", table 1
READ = "import dataclasses, json; from ablation.sweep import gpu_facts as f; print(json.dumps(dataclasses.asdict(f.read())))"


@dataclass(frozen=True)
class Gpu:
    """A GPU's name, compute capability and bytes of memory."""

    name: str
    capability: tuple[int, int]
    memory: int = 0

    def __str__(self) -> str:
        return f"{self.name} (sm_{self.capability[0]}{self.capability[1]})"


@dataclass(frozen=True)
class Facts:
    """Versions, the architectures that torch is built for, and the GPUs that it can use, in its order.

    `cuda`: version that torch is built for, None: without CUDA. `named`, `driver`: from nvidia-smi, if torch can use no GPU.
    """

    torch: str
    cuda: str | None
    built_for: tuple[str, ...]
    gpus: tuple[Gpu, ...]
    named: tuple[str, ...] = ()
    driver: str = ""


@functools.cache
def read() -> Facts:
    """Return the facts of this process's machine, read once. Initialises CUDA."""
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    found = map(torch.cuda.get_device_properties, range(count))
    gpus = tuple(Gpu(each.name, (each.major, each.minor), each.total_memory) for each in found)
    named, driver = ((), "") if gpus else _nvidia_smi()
    return Facts(torch.__version__, torch.version.cuda, tuple(torch.cuda.get_arch_list()), gpus, named, driver)


@functools.cache
def read_apart(environment: tuple[tuple[str, str], ...]) -> Facts:
    """Return the facts as another process reads them, so that CUDA stays uninitialised in this one.

    Args:
        environment: variables that decide which GPUs that process sees.
    """
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    variables = {**os.environ, "PYTHONPATH": path, **dict(environment)}
    ended = subprocess.run([sys.executable, "-c", READ], capture_output=True, text=True, env=variables)
    if ended.returncode:
        raise Refused(
            f"torch cannot be asked for this machine's GPUs: {(ended.stderr.splitlines() or ['no reason given'])[-1]}"
        )
    facts = json.loads(ended.stdout.splitlines()[-1])
    gpus = tuple(Gpu(gpu["name"], (gpu["capability"][0], gpu["capability"][1]), gpu["memory"]) for gpu in facts["gpus"])
    return Facts(**facts | {"gpus": gpus, "built_for": tuple(facts["built_for"]), "named": tuple(facts["named"])})


def _nvidia_smi() -> tuple[tuple[str, ...], str]:
    """Return the names of the GPUs that this process may use and the driver's version; no names if there is no nvidia-smi."""
    if not devices.visible(os.environ.get(devices.VISIBLE))[0]:
        return (), ""
    try:
        command = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return (), ""
    rows = [row for row in csv.reader(ended.stdout.splitlines(), skipinitialspace=True) if len(row) == 2]
    return (tuple(name for name, _ in rows), rows[0][1]) if rows and not ended.returncode else ((), "")


def check(facts: Facts, device: str, precision: str, overrides: Sequence[str] = (), quoted: str = "") -> None:
    """Refuse a run that this machine's GPU cannot train.

    Args:
        facts: of `read`.
        device: engine.device: auto, cuda, cuda:N, mps or cpu.
        precision: train.precision.
        overrides: as typed, to be quoted.
        quoted: the override that chose the device, if it is not engine.device.

    Raises:
        Refused: torch can use none of the GPUs that nvidia-smi names, is not built for the GPU, or would emulate bf16 on it.
    """
    kind, _, index = device.partition(":")
    if kind not in ("auto", "cuda"):
        return
    quoted = quoted or typed("engine.device", device, overrides)
    if not facts.gpus and facts.named:
        raise Refused(f"{quoted}: nvidia-smi names {', '.join(facts.named)}, but {_unusable(facts)}")
    if int(index or 0) >= len(facts.gpus) or facts.cuda is None:
        return  # no such GPU, which the engine refuses; or AMD's, which torch builds for all alike
    gpu = facts.gpus[int(index or 0)]
    if not any(covers(architecture, gpu.capability) for architecture in facts.built_for):
        way_out = "install a torch that is built for it"
        if gpu.capability < TURING:
            way_out = BEFORE_TURING if gpu.capability >= (5, 0) else "no torch from 2.10 on is: engine.device=cpu"
        raise Refused(f"{quoted}: {gpu}: torch {facts.torch} is built for {' '.join(facts.built_for)} only: {way_out}")
    if precision == "bf16" and gpu.capability < BF16:
        raise Refused(
            f"{typed('train.precision', precision, overrides)}: {gpu} has no arithmetic in bf16: train.precision=fp16"
            " (another run id: precision is part of a run's identity)"
        )


def _unusable(facts: Facts) -> str:
    """Return why torch can use no GPU although the driver names some, and the way out."""
    if facts.cuda is None:
        return f"torch {facts.torch} is built without CUDA: install a torch with CUDA, or engine.device=cpu"
    major = facts.cuda.partition(".")[0]
    least = f" needs driver {LEAST_DRIVER[major]} or newer" if major in LEAST_DRIVER else ""
    return (
        f"torch {facts.torch} can use none: the driver is {facts.driver}, CUDA {facts.cuda}{least}:"
        " update the driver, install a torch built for an older CUDA, or engine.device=cpu"
    )


def covers(architecture: str, capability: tuple[int, int]) -> bool:
    """Return True if code built for an architecture runs on a GPU: CUDA C++ Programming Guide, Binary and PTX Compatibility.

    sm_XY runs on X.Z with Z >= Y, compute_XY on everything newer; with the suffix `a` either runs on X.Y alone.
    """
    match = re.fullmatch(r"(sm|compute)_(\d+)(\d)([af]?)", architecture)
    if match is None:
        return False
    built = int(match[2]), int(match[3])
    if match[4] == "a":
        return built == capability
    return built <= capability and (built[0] == capability[0] or (match[1] == "compute" and not match[4]))


def of_queue(launcher: Mapping[str, Any]) -> Facts:
    """Return the facts about the GPUs of a queue, in its order."""
    return read_apart(tuple(_visible(launcher).items()))


def _visible(launcher: Mapping[str, Any]) -> dict[str, str]:
    """Return the environment variables that show a process all GPUs of a queue."""
    slots = devices.slots(launcher)
    names = dict.fromkeys(slot.environment[devices.VISIBLE] for slot in slots)
    return slots[0].environment | {devices.VISIBLE: ",".join(names)}


def check_queue(run: Planned) -> None:
    """Refuse a run that a GPU of its queue (hydra/launcher=local_gpus) cannot train. Raises as `check`."""
    if run.config["engine"]["device"].partition(":")[0] not in ("auto", "cuda"):
        return
    facts, quoted = of_queue(run.launcher), typed("hydra.launcher.devices", run.launcher["devices"])
    names = _visible(run.launcher)[devices.VISIBLE]
    wanted = names.count(",") + 1
    if len(facts.gpus) < wanted and not facts.named:
        usable = f"{len(facts.gpus)} of {wanted} GPUs ({devices.VISIBLE}={names})"
        raise Refused(f"{quoted}: torch {facts.torch} can use {usable}: {devices.WAY_OUT}")
    for index in range(max(1, len(facts.gpus))):
        check(facts, f"cuda:{index}", run.train.precision, run.overrides, quoted)
