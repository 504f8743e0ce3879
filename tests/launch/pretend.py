"""run.py with its training pretended: all of Hydra, the plan, the record and the launchers is real, torch is not imported.

    python tests/launchers/pretend.py -m profile=demo ...

Every run notes `begin` and `end` in the file $LEDGER, with its process and CUDA_VISIBLE_DEVICES. $PRETEND, a JSON object, says
by `<resizer>-<aug>` how a run behaves that does not simply end well: ACTIONS. Owns no assertion.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import sys
import time
import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

MACS = {"none": 1, "bilinear": 2, "cbam": 3, "plain": 4}  # not in the order of the plan


@dataclass(frozen=True)
class Epoch:
    """The fields of a real one."""

    epoch: int
    lr: float = 0.1
    train_loss: float = 1.0
    test_loss: float = 1.0
    test_acc: float = 50.0
    val_acc: float | None = None
    seconds: float = 2.0
    images_per_second: float = 100.0


class Diverged(Exception):
    """As of training."""

    outcome = "diverged"


def note(*words: object) -> None:
    """Add one line to the ledger, whole."""
    with Path(os.environ["LEDGER"]).open("a") as file:
        file.write(" ".join(map(str, words)) + "\n")


def hang(folder: Path) -> None:
    """As run.py between two batches: until asked to stop."""
    from ablation.sweep import signals

    note("hang", os.getpid())
    while not signals.stopping():
        time.sleep(0.005)
    signals.raise_if_stopping()


def deaf(folder: Path) -> None:
    """A run that hears neither SIGINT nor SIGTERM, with a child of its own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN), signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if os.fork() == 0:
        note("grandchild", os.getpid())
    else:
        note("deaf", os.getpid())
    while True:
        time.sleep(0.05)


def die(folder: Path) -> None:
    """As by the kernel's out-of-memory killer."""
    os.kill(os.getpid(), signal.SIGKILL)


def refuse(folder: Path) -> None:
    """As where the data is not there: refused before the record is begun."""
    from ablation.sweep.refusal import Refused

    raise Refused("data.root=/nowhere: no such folder: put it back")


def refuse_and_chat(folder: Path) -> None:
    """The same, and a library has the last line on the console."""
    atexit.register(lambda: print("1 of 1 runs not finished\nskipped: a library's own words", file=sys.stderr))
    refuse(folder)


def mute(folder: Path) -> None:
    """As by a library that calls exit(1)."""
    print("done, skipped", flush=True)
    os._exit(1)


def die_once(folder: Path) -> None:
    """The same, in the first attempt."""
    marker = folder / "died"
    if not marker.exists():
        marker.touch()
        die(folder)


def crash(folder: Path) -> None:
    """As by a library that calls exit(3)."""
    os._exit(9)


def fail(folder: Path) -> None:
    """An error of the code."""
    raise RuntimeError("a matrix that does not fit")


def diverge(folder: Path) -> None:
    """A result."""
    raise Diverged("loss nan in epoch 2")


ACTIONS: dict[str, Callable[[Path], None]] = {
    action.__name__: action for action in (hang, deaf, die, die_once, crash, fail, diverge, refuse, refuse_and_chat, mute)
}


def train(planned: Any, record: Any) -> None:
    """Pretend run.py's function of that name."""
    name = record.folder.name.split("-vgg")[0]
    note("begin", name, os.getpid(), os.environ.get("CUDA_VISIBLE_DEVICES", "unset"))
    sources = {"source": "pretended", "commit": None, "dirty": None}
    record.describe("pretended: true\n", {"device": "pretended", "versions": {}, "data_checksum": "0", "code": sources})
    record.restore([], {})
    action = json.loads(os.environ.get("PRETEND", "{}")).get(name)
    for number in range(1, planned.train.epochs + 1):
        epoch = Epoch(number)
        (record.folder / "checkpoints").mkdir(exist_ok=True)
        (record.folder / "checkpoints" / f"epoch-{number:04d}.0123456789abcdef.pt").touch()
        record.append(epoch, {"best": epoch, "last": epoch})
        if action and number == 1:
            ACTIONS[action](record.folder)
    record.finish({"last": np.zeros((1, 10), np.float32)}, labels=np.zeros(1, int))
    note("end", name, os.getpid(), os.environ.get("CUDA_VISIBLE_DEVICES", "unset"))


def install() -> None:
    """Put the pretence in place: training, and a plan that needs no torch."""
    import ablation.sweep
    from ablation.commands import run
    from ablation.records.earlier_record import EarlierRecord
    from ablation.sweep import exit_reason, gpu_facts

    plan: Any = types.ModuleType("ablation.cost.model_size")
    plan.size = lambda run: types.SimpleNamespace(parameters=10, macs=MACS[run.options["resizer"]])
    plan.work = lambda run: types.SimpleNamespace(trained=1437, evaluated=360, macs=plan.size(run).macs)
    plan.check_machine = lambda run: None
    gpus = (gpu_facts.Gpu("pretended", (9, 0)),) * 2
    gpu_facts.read_apart = lambda environment: gpu_facts.Facts("2.14.1", "13.0", ("sm_90",), gpus)  # type: ignore[assignment]
    sys.modules["ablation.cost.model_size"] = ablation.cost.model_size = plan  # type: ignore[attr-defined]
    run.train, run.warm = train, lambda runs: True  # type: ignore[assignment]
    skip = EarlierRecord.skip

    def before(record: EarlierRecord, *arguments: Any) -> bool:
        """Behave as asked for before the record is begun, in a run's own process alone."""
        action = json.loads(os.environ.get("PRETEND", "{}")).get(f"before {record.folder.name.split('-vgg')[0]}")
        if action and exit_reason.VARIABLE in os.environ:
            ACTIONS[action](record.folder)
        return skip(record, *arguments)

    EarlierRecord.skip = before  # type: ignore[method-assign]


def main() -> int:
    """Carry the command line out."""
    from ablation.commands import run
    from ablation.launch import queue
    from ablation.sweep.command import run_command

    install()
    queue.GRACE = 0.3
    return run_command(run.task, run.trial)


if __name__ == "__main__":
    sys.argv[1:1] = [] if any(word.startswith("--config-path") for word in sys.argv) else [f"--config-path={ROOT / 'conf'}"]
    sys.exit(main())
