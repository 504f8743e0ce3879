"""What became of a run: its outcome.json read, its state, its epochs done, and the lines that a person reads about it.

The one home of these answers: the plan, the launchers, the table and the view all ask here. Writes nothing, imports no torch.
"""

from __future__ import annotations

import contextlib
import functools
import json
import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, cast

from ablation.records.format1 import without_stated_targets
from ablation.records.lock import locked

FORMAT = 2  # 1 had no NEW, and module paths in its identity
NEW = ("started", "ended", "wall_seconds", "gpu")
NAME = "outcome.json"
CHECKPOINT = re.compile(r"(?P<kind>epoch|best|last|val)-(?P<epoch>\d{4,})\.(?P<digest>[0-9a-f]{16})\.pt")
CHOSEN = ("best", "last", "val")  # the three accuracies, never mixed
OF_ROWS = ("seconds", "wall_seconds", "images_per_second")  # of a row and of the whole run, under one name
FINISHED = ("done", "diverged")  # both are results: the same code would end the same way again
ENDED = (*FINISHED, "failed", "preempted", "interrupted")  # what a record says of its run's end

State = Literal[
    "done",
    "diverged",
    "failed",
    "preempted",
    "interrupted",
    "killed",  # begun, not ended, and no process holds it
    "running",  # a process holds it
    "unreadable",  # its outcome.json is no record
    "to do",  # it has no record
]


class Unreadable(ValueError):
    """An outcome.json that is no record which this version reads; `reason` names neither the folder nor the way out."""

    def __init__(self, folder: Path, reason: str) -> None:
        super().__init__(f"{folder}: {reason}: move the folder away to go on")
        self.reason = reason


def read(folder: Path) -> dict[str, Any] | None:
    """Return a run's record, its outcome.json; None where there is none.

    Raises:
        Unreadable: it is no record that this version reads.
        NotADirectoryError: a file is in the folder's place.
    """
    try:
        return _checked(json.loads((folder / NAME).read_bytes()))
    except FileNotFoundError:
        return None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise Unreadable(folder, f"{NAME} is not JSON ({error})") from None
    except (ValueError, RecursionError) as error:
        raise Unreadable(folder, str(error)) from None


def _checked(content: Any) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise ValueError(f"{NAME} is no record")
    record = upgrade(content)
    if record.get("outcome") not in (*ENDED, "running"):
        legal = ", ".join((*ENDED, "running"))
        raise ValueError(f"outcome {record.get('outcome')!r} in {NAME}, expected one of {legal}")
    kinds = {"config": dict, "epochs": int | None} | dict.fromkeys((*CHOSEN, "code"), dict | None)
    for key, kind in kinds.items():
        if not isinstance(record.get(key), kind):
            raise ValueError(f"{key} {record.get(key)!r} in {NAME} is of another kind than a record's")
    return record


def upgrade(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record, or its summary in W&B, in this version's format; what an older one does not know is None.

    Raises:
        ValueError: it is of a format that this version does not read.
    """
    if record.get("format") not in (1, FORMAT):
        raise ValueError(f"a record in format {record.get('format')}, this version reads 1 and {FORMAT}")
    identity = record.get("config")  # W&B keeps it apart
    current = {"config": without_stated_targets(identity)} if isinstance(identity, dict) else {}
    return {**dict.fromkeys(NEW), **record, **current, "format": FORMAT}


def state(folder: Path) -> State:
    """Return the state of a run, from its folder alone; a folder that does not exist is `to do`."""
    try:
        record = read(folder)
    except (OSError, Unreadable):
        return "unreadable"
    return state_of(record["outcome"] if record else None, folder)


def state_of(outcome: str | None, folder: Path) -> State:
    """Return the state of a run whose record, here or in W&B, says `outcome`; None: it has no record.

    A result stays one while its process still closes W&B; any other run is `running` exactly as long as a process holds it.
    """
    if outcome not in FINISHED and locked(folder):
        return "running"
    return cast(State, {None: "to do", "running": "killed"}.get(outcome, outcome))


def epochs_done(folder: Path) -> int:
    """Return how many epochs of a run need not be trained again.

    A result has those of its record and a running run its rows. Any other goes on after its newest checkpoint: rows beyond
    that are trained again.
    """
    now = state(folder)
    if now in FINISHED:
        return int((read(folder) or {}).get("epochs") or 0)
    return len(rows(folder)) if now == "running" else newest_checkpoint(folder)


def newest_checkpoint(folder: Path) -> int:
    """Return the epoch of a run's newest resume file by its name, 0 where there is none; a damaged one has another name."""
    names = (CHECKPOINT.fullmatch(file.name) for file in folder.glob("checkpoints/epoch-*.pt"))
    return max((int(name["epoch"]) for name in names if name), default=0)


def rows(folder: Path) -> list[dict[str, Any]]:
    """Return the whole rows of a run's epochs.jsonl, up to the first that cannot be read: a killed write leaves half a line."""
    found = []
    with contextlib.suppress(OSError, ValueError):
        for text in (folder / "epochs.jsonl").read_text().splitlines():
            if not isinstance(row := json.loads(text), dict):
                break
            found.append(row)
    return found


def changed(folder: Path) -> int:
    """Return when a run's outcome.json was last written, by the clock of its file system; 0 where there is none."""
    with contextlib.suppress(OSError):
        return (folder / NAME).stat().st_mtime_ns
    return 0


def folder_of(runs: Path, run_id: str, identity: dict[str, Any]) -> Path:
    """Return the folder of a run: `runs`/<run id>, or that of the same run done in format 1, under another digest.

    Args:
        runs: the runs folder, which need not exist.
        run_id: of the run today; ends in its digest.
        identity: of the run today.
    """
    folder = runs / run_id
    if folder.exists() or not runs.is_dir():
        return folder
    readable = run_id.rpartition("-")[0]
    for name in _by_readable_part(str(runs), runs.stat().st_mtime_ns).get(readable, ()):
        with contextlib.suppress(ValueError, OSError, RecursionError):  # no record of ours
            record = read(runs / name)
            if record and record["outcome"] in FINISHED and record["config"] == identity:
                return runs / name
    return folder


@functools.lru_cache(maxsize=4)
def _by_readable_part(runs: str, changed: int) -> dict[str, list[str]]:
    """Return the names in the runs folder by what stands before their digest; read anew once the folder has changed."""
    names = defaultdict(list)
    for folder in sorted(Path(runs).iterdir()):
        names[folder.name.rpartition("-")[0]].append(folder.name)
    return dict(names)


def differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """Return `key (a, here b)` for each key in which two flat dictionaries differ."""
    keys = [key for key in sorted({*one, *other}) if one.get(key) != other.get(key)]
    return ", ".join(f"{key} ({one.get(key)}, here {other.get(key)})" for key in keys) or "nothing that is named"


def outcome_of(error: BaseException | None) -> str:
    """Return the outcome of a block that ended with this error; an exception that is more than a failure carries its own."""
    if error is None:
        return "done"
    return "interrupted" if isinstance(error, KeyboardInterrupt) else str(getattr(error, "outcome", "failed"))


def summary(outcome: Mapping[str, Any]) -> dict[str, Any]:
    """Return every value of an outcome that the table shows, flat: W&B's summary of the run.

    Seconds and images a second are of the whole run there, of one epoch in a row, and W&B keeps the last row in the summary:
    so they are called run/seconds, run/wall_seconds and run/images_per_second.
    """
    flat = {key: value for key, value in outcome.items() if not isinstance(value, dict | list) and value is not None}
    flat |= {f"run/{key}": flat.pop(key) for key in OF_ROWS if key in flat}
    for kind in (*CHOSEN, "code"):
        flat |= {f"{kind}/{key}": value for key, value in (outcome.get(kind) or {}).items()}
    return flat


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, the name of its type where it has none."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def accuracies(outcome: Mapping[str, Any]) -> str:
    """Return `best 90.00 % (epoch 7), last 89.00 % (epoch 9)`."""
    parts = (f"{kind} {outcome[kind]['test_acc']:.2f} % (epoch {outcome[kind]['epoch']})" for kind in CHOSEN if outcome[kind])
    return ", ".join(parts) or "no epoch finished"


def sentence(row: Mapping[str, Any], epochs: int) -> str:
    """Return the line that the console and run.log get of an epoch."""
    val = "" if row["val_acc"] is None else f"  val {row['val_acc']:.2f} %"
    loss = f"train loss {row['train_loss']:.4f}  test loss {row['test_loss']:.4f}"
    return f"  epoch {row['epoch']}/{epochs}  {loss}  test {row['test_acc']:.2f} %{val}  {row['images_per_second']:,.0f} img/s"


def line(row: Mapping[str, Any]) -> str:
    """Return a row as a line of epochs.jsonl.

    Raises:
        ValueError: a value is not finite.
    """
    return json.dumps(row, allow_nan=False) + "\n"
