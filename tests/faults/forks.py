"""Faults on purpose: runs in forked children, killed or failing at a batch or file operation that was counted beforehand.

A fork costs hundredths of a second where a new process pays for importing torch. Children end by `os._exit`, so what is
patched in one stays there. Owns no assertion.
"""

from __future__ import annotations

import builtins
import gc
import hashlib
import io
import json
import logging
import multiprocessing
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
import torch._dynamo  # else every child imports it at its first optimizer
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

import ablation.models.classifier
import ablation.records.tracker
import ablation.training.progress_bar  # noqa: F401  # all three: so that children find them imported
from ablation.commands import run
from ablation.cost import model_size
from ablation.records import provenance
from ablation.records.checkpoint import Checkpoints, file_digest, load_weights
from ablation.records.outcome import NEW, OF_ROWS
from ablation.sweep import planned_run, settings, signals
from ablation.sweep.command import run_command
from ablation.training import fit
from tests.conftest import ROOT, rows_of

TINY = ["profile=demo", "tracker=none", "input_size=16", "data.limit=40", "data.test_limit=50"]
TINY += ["train.batch_size=20", "train.epochs=3"]
CELLS = [(resizer, aug) for resizer in ("none", "plain", "cbam") for aug in ("base", "cutmix")]
CLOCK = (*NEW, *OF_ROWS, "peak_memory_bytes", "sessions", "tracker")  # of outcome.json: not the result

Act = Callable[[int, str, Callable[[], object]], object]


@dataclass(frozen=True)
class Run:
    """One run's configuration, resolved, as Hydra hands it to its task, and the whole one, which Hydra keeps."""

    task: DictConfig
    whole: DictConfig


def composed(*overrides: str) -> Run:
    """Compose a run's configuration, and do in the parent what every child would repeat: data, sizes, versions, digests."""
    planned_run.register()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config = compose("config", [*TINY, *overrides], return_hydra_config=True)
    HydraConfig.instance().set_config(config)
    unresolved = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    task = OmegaConf.create(OmegaConf.to_container(unresolved, resolve=True))  # OmegaConf.resolve knows no list by default
    model_size.size(planned_run.plan(task))
    settings.build(task, "data")
    provenance.provenance()
    return Run(task, config)


def train(config: Run, runs: Path) -> None:
    """Train a run in this process, below `runs`, by run.py's own function."""
    HydraConfig.instance().set_config(config.whole)
    config.task.paths.runs = str(runs)
    run.run(planned_run.plan(config.task))


def command(*arguments: str) -> int:
    """Do what `python run.py ARGUMENTS` does, in this process; return its exit code. Only for a forked child."""
    GlobalHydra.instance().clear()
    sys.argv = ["run.py", f"--config-path={ROOT / 'conf'}", *arguments]
    return run_command(run.task, run.trial)


def folder_of(config: Run, runs: Path) -> Path:
    """Return the folder that a run has below `runs`."""
    HydraConfig.instance().set_config(config.whole)
    return runs / planned_run.plan(config.task).folder.name


def start(work: Callable[[], object], said: Path) -> int:
    """Begin `work` in a forked child and return its process id; its output goes to the file `said`.

    An exception is exit code 1, with its traceback in `said`; an integer that `work` returns is the exit code.
    """
    sys.stdout.flush(), sys.stderr.flush()
    child = os.fork()
    if child == 0:
        _live(work, said)
    return child


def _live(work: Callable[[], object], said: Path) -> NoReturn:
    code = 70
    gc.freeze()  # else the first collection copies the parent's memory
    try:
        said.parent.mkdir(parents=True, exist_ok=True)
        opened = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(opened, 1), os.dup2(opened, 2)
        sys.stdout = sys.stderr = os.fdopen(1, "w", buffering=1, closefd=False)
        logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout, force=True)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        result = work()
        code = result if isinstance(result, int) else 0
    except BaseException:
        code = 1
        traceback.print_exc()
    finally:
        os._exit(code)


def end(child: int) -> int:
    """Wait for a child; return its exit code, or minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def forked(work: Callable[[], object], said: Path) -> int:
    """Do `work` in a forked child; return its exit code, or minus the signal that ended it."""
    return end(start(work, said))


def side_by_side(work: Callable[[Any], Any], tasks: Iterable[Any]) -> list[Any]:
    """Map by forked workers, three on two cores: a child waits for the disk a third of its time."""
    with multiprocessing.get_context("fork").Pool(len(os.sched_getaffinity(0)) * 3 // 2) as pool:
        return pool.map(work, tasks, chunksize=1)


class Watch:
    """Numbers, from 1, every batch of this process's runs and every file operation below a folder, and tells `act` first.

    `act` gets the number, the point's name and a function that writes the first half and returns its length (of writes;
    else it does nothing). An integer that `act` returns is a short write's. Only for a forked child: nothing is put back.
    """

    def __init__(self, folder: Path, act: Act) -> None:
        self.folder, self.act, self.count = str(folder), act, 0

    def point(self, name: str, half: Callable[[], object] = lambda: None) -> object:
        """Pass one point."""
        self.count += 1
        return self.act(self.count, name, half)

    def install(self) -> Watch:
        """Put the watch between this process and its files."""
        io.open = builtins.open = self._opening(io.open)  # type: ignore[assignment]
        for name in ("replace", "rename", "unlink", "mkdir", "fsync"):
            setattr(os, name, self._telling(name, getattr(os, name)))
        in_turn()
        on_batch(lambda: self.point("batch"))
        return self

    def _opening(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def opened(file: Any, mode: str = "r", *arguments: Any, **named: Any) -> Any:
            name = self._name(file)
            if name is None:
                return original(file, mode, *arguments, **named)
            self.point(f"open-{mode.strip('bt+')} {name}")
            if not set(mode) & set("wax"):
                return original(file, mode, *arguments, **named)
            raw = _Written(os.fspath(file), mode.replace("b", "").replace("t", ""), name, self.point)
            buffered: Any = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
            return buffered if "b" in mode else io.TextIOWrapper(buffered)

        return opened

    def _telling(self, what: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def told(file: Any, *arguments: Any, **named: Any) -> Any:
            name = self._name(arguments[0] if what in ("replace", "rename") else file)
            if name is not None:
                self.point(f"{what} {name}")
            return original(file, *arguments, **named)

        return told

    def _name(self, file: Any) -> str | None:
        """Return the path below the folder, without what differs from start to start; None if it is elsewhere."""
        path = str(Path(f"/proc/self/fd/{file}").readlink() if isinstance(file, int) else file)
        if not path.startswith(self.folder):
            return None
        return re.sub(r"\.\d+$|\.[0-9a-f]{16}(?=\.pt)", "", path[len(self.folder) :].lstrip("/")) or "."


class _Written(io.FileIO):
    """A file open for writing, below its buffer: every write that reaches the system is a point, and so is closing."""

    def __init__(self, file: str, mode: str, name: str, point: Callable[..., object]) -> None:
        super().__init__(file, mode)
        self._name, self._point = name, point

    def write(self, data: Any) -> int:
        short = self._point(f"write {self._name}", lambda: super(_Written, self).write(data[: len(data) // 2]))
        return short if isinstance(short, int) else super().write(data)

    def close(self) -> None:
        if not self.closed:
            try:
                self._point(f"close {self._name}")
            finally:
                super().close()


def in_turn() -> None:
    """Have every checkpoint written before training goes on: points then come in one order. Only for a forked child."""
    save = Checkpoints.save

    def saving(checkpoints: Checkpoints, *arguments: Any, **named: Any) -> None:
        save(checkpoints, *arguments, **named)
        checkpoints.wait()

    Checkpoints.save = saving  # type: ignore[method-assign]


def on_batch(tell: Callable[[], object]) -> None:
    """Have `tell` called before every batch, by the callable that asks whether to stop. Only for a forked child."""
    original = fit.Fit.run

    def running(self: Any, stopping: Callable[[], bool], *arguments: Any) -> Any:
        def asked() -> bool:
            tell()
            return stopping()

        return original(self, asked, *arguments)

    fit.Fit.run = running  # type: ignore[method-assign, assignment]


def on_nth_batch(number: int, act: Callable[[], object]) -> None:
    """Have `act` called before the batch of that number, from 1, when all before is written. Only for a forked child."""
    in_turn()
    passed = 0

    def tell() -> None:
        nonlocal passed
        passed += 1
        if passed == number:
            act()

    on_batch(tell)


def stop_at_batch(number: int) -> None:
    """Ask this process to stop, as SIGTERM does, at the batch of that number. Only for a forked child."""
    on_nth_batch(number, signals._stop_requested.set)


def die() -> None:
    """As by the kernel's out-of-memory killer."""
    os.kill(os.getpid(), signal.SIGKILL)


def durable(folder: Path) -> int:
    """Return the newest epoch whose checkpoint is whole, 0 for none."""
    sound = [file for file in folder.glob("checkpoints/epoch-*.pt") if file.name.split(".")[1] == file_digest(file)]
    return max((int(file.name.split(".")[0].removeprefix("epoch-")) for file in sound), default=0)


def result(folder: Path) -> dict[str, Any]:
    """Return what equal runs share to the last bit, the clock left out, part by part."""
    outcome = json.loads((folder / "outcome.json").read_text())
    parts: dict[str, Any] = {
        "outcome": outcome.pop("outcome"),
        "digest": outcome.pop("digest"),
        "record": {key: value for key, value in outcome.items() if key not in CLOCK},
        "rows": rows_of(folder),
        "files": sorted(str(file.relative_to(folder)) for file in folder.rglob("*")),
    }
    with np.load(folder / "predictions.npz") as predictions:
        parts["predictions"] = {key: sha256(predictions[key]) for key in predictions}
    weights = load_weights(folder / "checkpoints")
    parts["weights"] = {"epoch": weights["epoch"]} | {key: sha256(value) for key, value in weights["model"].items()}
    return parts


def difference(one: dict[str, Any], other: dict[str, Any]) -> str:
    """Return the first part in which two results differ and both values; an empty string where there is none."""
    for key in dict.fromkeys([*one, *other]):
        a, b = one.get(key), other.get(key)
        if a != b:
            if isinstance(a, dict) and isinstance(b, dict):
                return f"{key}.{difference(a, b)}"
            return f"{key}: {a} | {b}"
    return ""


def tree(*folders: Path) -> dict[str, tuple[int, int, bytes]]:
    """Return times and bytes of every file below some folders: what a run that is skipped must not change."""
    files = [file for folder in folders for file in sorted(folder.rglob("*")) if file.is_file()]
    return {str(file): (file.stat().st_mtime_ns, file.stat().st_ctime_ns, file.read_bytes()) for file in files}


def sha256(value: Any) -> str:
    """Return the digest of an array's or tensor's type, shape and bytes, or of a plain value's JSON."""
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().contiguous().numpy()
    if isinstance(value, np.ndarray):
        return hashlib.sha256(f"{value.dtype}{value.shape}".encode() + value.tobytes()).hexdigest()
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
