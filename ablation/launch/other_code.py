"""Train a run with the code of another commit: in a process of its own, from a worktree, then taken over under its own run id.

The other code knows neither `code=` nor this run's id, so it trains in runs/code/<commit>/<run id>/, where it also resumes.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from ablation.records import files, outcome, tensor_file
from ablation.records.lock import Lock
from ablation.records.manifest import RUN_ID
from ablation.records.outcome import FINISHED
from ablation.sweep import commits, signals
from ablation.sweep.planned_run import Planned

PAUSE = 0.1  # seconds between two looks at the process
OWN = ("config.yaml", "provenance.json", "epochs.jsonl", "predictions.npz", "correct.bits", "run.log")


def train(run: Planned) -> None:
    """Train a run whose identity names a commit, and write its record.

    Raises:
        Busy: another process trains it.
        Preempted, KeyboardInterrupt: asked to stop; the same command goes on.
        RuntimeError: the other code ended without a result.
    """
    commit, runs = str(run.identity["code"]), run.folder.parent
    tree = commits.checkout(commit, runs / "code" / commit / "tree")
    own_runs = runs / "code" / commit / run.run_id
    run.folder.mkdir(parents=True, exist_ok=True)
    lock = Lock(run.folder)
    try:
        code = _run(tree, run, own_runs)
        trained = _result(own_runs)
        if trained is None:
            signals.raise_if_stopping()
            if code == 130:
                raise KeyboardInterrupt
            raise RuntimeError(f"code={commit}: ended with code {code} and no result: see {own_runs} and the lines above")
        take_over(trained, run)
    finally:
        lock.release()
    print(f"{run.run_id}: {outcome.accuracies(outcome.read(run.folder) or {})}, by the code of {commit}")


def _run(tree: Path, run: Planned, own_runs: Path) -> int:
    """Run the other code's run.py to its end, handing on a request to stop; return its exit code."""
    overrides = [override for override in run.overrides if not override.lstrip("+").startswith(("code=", "paths."))]
    paths = [f"paths.runs={own_runs.absolute()}"]
    environment = {**os.environ, "PYTHONPATH": str(tree.absolute())}
    for name in [name for name in environment if name.startswith("ABLATION_")]:
        del environment[name]
    process = subprocess.Popen([sys.executable, str(tree.absolute() / "run.py"), *overrides, *paths], env=environment)
    told = False
    while process.poll() is None:
        if signals.stopping() and not told:
            process.send_signal(signal.SIGTERM)
            told = True
        time.sleep(PAUSE)
    return process.returncode


def _result(runs: Path) -> Path | None:
    """Return the folder of the one run in a runs folder, None if it has no result."""
    folders = [folder for folder in runs.glob("*-s*") if RUN_ID.fullmatch(folder.name)] if runs.is_dir() else []
    finished = [folder for folder in folders if (outcome.read(folder) or {}).get("outcome") in FINISHED]
    return finished[0] if len(finished) == 1 else None


def take_over(trained: Path, run: Planned) -> None:
    """Copy a record under a run's own id and identity; outcome.json last, so that a killed copy is done again."""
    record = outcome.read(trained)
    assert record is not None
    (run.folder / "checkpoints").mkdir(parents=True, exist_ok=True)
    for name in OWN:
        if (trained / name).is_file():
            shutil.copy2(trained / name, run.folder / name)
    for file in (trained / "checkpoints").glob("*.pt"):
        if not file.name.startswith("epoch-"):
            content = tensor_file.read(file)
            tensor_file.write(run.folder / "checkpoints", file.name.split(".")[0], {**content, "run": run.digest})
    changed = {"run_id": run.run_id, "digest": run.digest, "config": run.identity, "study": run.study}
    files.write_json(run.folder / outcome.NAME, {**record, **changed})
