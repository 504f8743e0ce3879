"""Whatever launches a run, it is the same run: id, rows and bits. And what many runs cost that have nothing to do."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import DictConfig

from ablation.launch.process import Child
from ablation.launch.queue import Queue
from ablation.records.provenance import code
from ablation.sweep import planned_run
from ablation.sweep.devices import Slot
from ablation.sweep.identity import digest, run_id
from ablation.sweep.planned_run import Planned
from tests.commands import script
from tests.conftest import ROOT, TINY
from tests.faults import forks
from tests.launch.conftest import Start

LAUNCHERS = {
    "basic": [],
    "local": ["hydra/launcher=local_gpus", "hydra.launcher.devices=cpu", "hydra.launcher.jobs_per_device=2"],
}


@pytest.mark.faults
def test_the_same_ids_and_the_same_bits_as_the_basic_launcher(tmp_path: Path) -> None:
    """Really trained, by run.py: records, rows, logits and weights."""
    for name, more in LAUNCHERS.items():
        done = script("run.py", "-m", *TINY, "resizer=none,plain", "aug=cutmix", f"paths.runs={tmp_path / name}", *more)
        assert done.returncode == 0, done.stdout + done.stderr
    basic, local = (sorted(file.parent for file in (tmp_path / name).glob("*/outcome.json")) for name in LAUNCHERS)
    assert [folder.name for folder in basic] == [folder.name for folder in local] and len(basic) == 2
    for one, other in zip(basic, local, strict=True):
        assert forks.difference(forks.result(one), forks.result(other)) == ""
    (manifest,), (other_manifest,) = ((tmp_path / name).glob("sweeps/*/manifest.json") for name in LAUNCHERS)
    same = ("runs", "study", "tracker")
    assert all(json.loads(manifest.read_text())[key] == json.loads(other_manifest.read_text())[key] for key in same)
    assert {file.name for file in other_manifest.parent.iterdir()} == {
        "manifest.json",
        "configurations.json",
        "multirun.yaml",
        *(f"{folder.name}.log" for folder in local),
    }


@pytest.mark.faults
@pytest.mark.parametrize("by_forking", [True, False])
def test_a_hundred_processes_that_do_nothing(
    tmp_path: Path,
    composed: Callable[..., DictConfig],
    capfd: pytest.CaptureFixture[str],
    by_forking: bool,
) -> None:
    """Each started once, in order, no slot left empty or taken twice."""
    one = planned_run.plan(composed(*TINY), [])
    runs = [dataclasses.replace(one, folder=tmp_path / f"none-base-vgg-s{seed}-0123456789") for seed in range(100)]
    script = tmp_path / "script.py"
    script.write_text(
        "import os, sys\nopen(sys.argv[1], 'a').write(os.environ['CUDA_VISIBLE_DEVICES'] + ' ' + sys.argv[2] + '\\n')\n"
    )
    slots = [Slot(f"GPU {gpu}", {"CUDA_VISIBLE_DEVICES": str(gpu)}) for gpu in range(4)]
    at_work: list[int] = []

    def begin(run: Planned, slot: Slot) -> Child:
        return Child(run, slot, tmp_path / "log", str(script), [str(tmp_path / "ledger"), run.folder.name], by_forking)

    queue = Queue(runs, slots, begin, tick=lambda: at_work.append(len({child.slot.name for child in queue.running})))
    queue.work()
    noted = [line.split() for line in (tmp_path / "ledger").read_text().splitlines()]
    assert sorted(name for _, name in noted) == sorted(run.folder.name for run in runs)
    assert {gpu for gpu, _ in noted} == {"0", "1", "2", "3"} and max(at_work) == 4 == at_work[0]
    begun = [line.partition(":")[0] for line in capfd.readouterr().out.splitlines() if ": on GPU " in line]
    assert begun == [run.folder.name for run in runs] and not queue.errors and queue.stopped is None


@pytest.mark.faults
def test_a_hundred_runs_that_are_done_start_no_process(
    start: Start, tmp_path: Path, composed: Callable[..., DictConfig], figure: Callable[[str, str], None]
) -> None:
    config = composed("profile=demo", "train.epochs=2")
    for seed in range(100):
        identity = planned_run.identity(config) | {"seed": seed}
        last = {"epoch": 2, "test_acc": 50.0}
        outcome = {"format": 1, "run_id": run_id(identity), "digest": digest(identity), "outcome": "done", "config": identity}
        outcome |= {"best": last, "last": last, "val": None, "code": code()}
        folder = tmp_path / "runs" / run_id(identity)
        folder.mkdir(parents=True)
        (folder / "outcome.json").write_text(json.dumps(outcome))
    sweep = start("resizer=none", "aug=base", "seed=range(100)")
    rc, said, error = sweep.finish()
    figure("local_gpus", "100 runs that are done: no process started")
    assert (rc, error) == (0, "") and said.count("done, skipped") == 100 and ": on " not in said
    assert sweep.notes() == []


def test_a_run_does_not_start_where_the_launcher_is_gone() -> None:
    """Between a process's start and the kernel's promise lies a moment in which the launcher may die."""
    script = ROOT / "ablation" / "launch" / "die_with_parent.py"
    command = [sys.executable, "-I", "-S", str(script), str(os.getppid()), "-c", "print('ran')"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1 and done.stdout == "" and "the launcher is gone" in done.stderr
    held = subprocess.run([*command[:4], str(os.getpid()), *command[5:]], capture_output=True, text=True)
    assert (held.returncode, held.stdout) == (0, "ran\n")
