"""Read a run's outcome.json, its state and its epochs done, and format them for people.

Plans, launchers, tables and live views all use these functions. Writes nothing, imports no torch.
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

FORMAT = 2  # format 1 had none of the keys in NEW, and had module paths in its identity
NEW = ("started", "ended", "wall_seconds", "gpu")
NAME = "outcome.json"
CHECKPOINT = re.compile(r"(?P<kind>epoch|best|last|val)-(?P<epoch>\d{4,})\.(?P<digest>[0-9a-f]{16})\.pt")
CHOSEN = ("best", "last", "val")  # the three accuracies, never mixed
OF_ROWS = ("seconds", "wall_seconds", "images_per_second")  # names used both for an epoch and for the whole run
FINISHED = ("done", "diverged")  # both are results: the same code would end the same way again
ENDED = (*FINISHED, "failed", "preempted", "interrupted")  # outcomes of a run that has ended

State = Literal[
    "done",
    "diverged",
    "failed",
    "preempted",
    "interrupted",
    "killed",  # started, not ended, and no process holds its lock
    "running",  # a process holds its lock
    "unreadable",  # its outcome.json is not a record
    "to do",  # it has no record
]


class Unreadable(ValueError):
    """An outcome.json that this version cannot read; `reason` is the message without the folder and the way out."""

    def __init__(self, folder: Path, reason: str) -> None:
        super().__init__(f"{folder}: {reason}: move the folder away to go on")
        self.reason = reason


def read(folder: Path) -> dict[str, Any] | None:
    """Return a run's record, the content of its outcome.json; None if there is none.

    Raises:
        Unreadable: it is not a record that this version can read.
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
    """Return a record, or its summary in W&B, in this version's format; keys that an older format lacks are None.

    Raises:
        ValueError: this version does not read its format.
    """
    if record.get("format") not in (1, FORMAT):
        raise ValueError(f"a record in format {record.get('format')}, this version reads 1 and {FORMAT}")
    identity = record.get("config")  # W&B stores it separately from the summary
    current = {"config": without_stated_targets(identity)} if isinstance(identity, dict) else {}
    return {**dict.fromkeys(NEW), **record, **current, "format": FORMAT}


def state(folder: Path) -> State:
    """Return the state of a run from its folder alone; `to do` if the folder does not exist."""
    try:
        record = read(folder)
    except (OSError, Unreadable):
        return "unreadable"
    return state_of(record["outcome"] if record else None, folder)


def state_of(outcome: str | None, folder: Path) -> State:
    """Return the state of a run from the `outcome` in its record, here or in W&B; None: it has no record.

    A run with a result keeps it as its state, even while its process closes W&B; any other run is `running` exactly as long as
    a process holds its lock.
    """
    if outcome not in FINISHED and locked(folder):
        return "running"
    return cast(State, {None: "to do", "running": "killed"}.get(outcome, outcome))


def epochs_done(folder: Path) -> int:
    """Return how many epochs of a run do not have to be trained again.

    For a run with a result the epochs in its record, for a running one its rows. Any other run resumes from its newest
    checkpoint: rows after that are trained again.
    """
    current = state(folder)
    if current in FINISHED:
        return int((read(folder) or {}).get("epochs") or 0)
    return len(rows(folder)) if current == "running" else newest_checkpoint(folder)


def newest_checkpoint(folder: Path) -> int:
    """Return the epoch in the name of a run's newest resume file, 0 if there is none; damaged files are renamed."""
    names = (CHECKPOINT.fullmatch(file.name) for file in folder.glob("checkpoints/epoch-*.pt"))
    return max((int(name["epoch"]) for name in names if name), default=0)


def rows(folder: Path) -> list[dict[str, Any]]:
    """Return the rows of a run's epochs.jsonl up to the first unreadable one: a killed write leaves an incomplete line."""
    result = []
    with contextlib.suppress(OSError, ValueError):
        for text in (folder / "epochs.jsonl").read_text().splitlines():
            if not isinstance(row := json.loads(text), dict):
                break
            result.append(row)
    return result


def clock_seconds(entry: Mapping[str, Any]) -> Any:
    """Return the seconds on the clock of a row or record, checkpoints included: its `wall_seconds`.

    Where that was not recorded (format 1, an epoch whose row was lost) the result is `seconds`: training and evaluation alone.
    """
    return entry.get("seconds") if entry.get("wall_seconds") is None else entry["wall_seconds"]


def changed(folder: Path) -> int:
    """Return the modification time (ns) of a run's outcome.json, 0 if there is none."""
    with contextlib.suppress(OSError):
        return (folder / NAME).stat().st_mtime_ns
    return 0


def folder_of(runs: Path, run_id: str, identity: dict[str, Any]) -> Path:
    """Return the folder of a run: `runs`/<run id>, or that of the same run finished in format 1, under another digest.

    Args:
        runs: the runs folder, which may not exist.
        run_id: in the present format; ends in its digest.
        identity: in the present format.
    """
    folder = runs / run_id
    if folder.exists() or not runs.is_dir():
        return folder
    readable = run_id.rpartition("-")[0]
    for name in _by_readable_part(str(runs), runs.stat().st_mtime_ns).get(readable, ()):
        with contextlib.suppress(ValueError, OSError, RecursionError):  # not a readable record
            record = read(runs / name)
            if record and record["outcome"] in FINISHED and record["config"] == identity:
                return runs / name
    return folder


@functools.lru_cache(maxsize=4)
def _by_readable_part(runs: str, changed: int) -> dict[str, list[str]]:
    """Return the names in the runs folder by their part before the digest; read again if the folder has changed."""
    names = defaultdict(list)
    for folder in sorted(Path(runs).iterdir()):
        names[folder.name.rpartition("-")[0]].append(folder.name)
    return dict(names)


def differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """Return `key (a, here b)` for each key in which two flat dictionaries differ."""
    keys = [key for key in sorted({*one, *other}) if one.get(key) != other.get(key)]
    return ", ".join(f"{key} ({one.get(key)}, here {other.get(key)})" for key in keys) or "nothing that is named"


def outcome_of(error: BaseException | None) -> str:
    """Return the outcome of a run that ended with this error: the error's own `outcome` if it has one, else `failed`."""
    if error is None:
        return "done"
    return "interrupted" if isinstance(error, KeyboardInterrupt) else str(getattr(error, "outcome", "failed"))


def summary(outcome: Mapping[str, Any]) -> dict[str, Any]:
    """Return a flat dictionary of every value of an outcome that the table shows: W&B's summary of the run.

    W&B also copies the last row, of one epoch, into the summary. Values of the whole run that have the same name in a row are
    therefore called run/seconds, run/wall_seconds and run/images_per_second.
    """
    flat = {key: value for key, value in outcome.items() if not isinstance(value, dict | list) and value is not None}
    flat |= {f"run/{key}": flat.pop(key) for key in OF_ROWS if key in flat}
    for kind in (*CHOSEN, "code"):
        flat |= {f"{kind}/{key}": value for key, value in (outcome.get(kind) or {}).items()}
    return flat


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or the name of its type if the message is empty."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def accuracies(outcome: Mapping[str, Any]) -> str:
    """Return `best 90.00 % (epoch 7), last 89.00 % (epoch 9)`."""
    parts = (f"{kind} {outcome[kind]['test_acc']:.2f} % (epoch {outcome[kind]['epoch']})" for kind in CHOSEN if outcome[kind])
    return ", ".join(parts) or "no epoch finished"


def sentence(row: Mapping[str, Any], epochs: int) -> str:
    """Return the line about an epoch that is printed on the console and in run.log."""
    val = "" if row["val_acc"] is None else f"  val {row['val_acc']:.2f} %"
    loss = f"train loss {row['train_loss']:.4f}  test loss {row['test_loss']:.4f}"
    return f"  epoch {row['epoch']}/{epochs}  {loss}  test {row['test_acc']:.2f} %{val}  {row['images_per_second']:,.0f} img/s"


def line(row: Mapping[str, Any]) -> str:
    """Return a row as a line of epochs.jsonl.

    Raises:
        ValueError: a value is not finite.
    """
    return json.dumps(row, allow_nan=False) + "\n"
