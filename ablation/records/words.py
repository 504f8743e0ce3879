"""How a record speaks: the word for an end, and the lines that a person reads on the console and in run.log.

Owns wording alone: takes plain dictionaries, writes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

CHOSEN = ("best", "last", "val")  # the three accuracies, never mixed
FINISHED = ("done", "diverged")  # both are results: the same code would end the same way again


def differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """Return `key (a, here b)` for each key in which two flat dictionaries differ."""
    keys = [key for key in sorted({*one, *other}) if one.get(key) != other.get(key)]
    return ", ".join(f"{key} ({one.get(key)}, here {other.get(key)})" for key in keys) or "nothing that is named"


def outcome_of(error: BaseException | None) -> str:
    """Name how a block ended: exceptions that are more than failures carry their word."""
    if error is None:
        return "done"
    return "interrupted" if isinstance(error, KeyboardInterrupt) else str(getattr(error, "outcome", "failed"))


def summary(outcome: Mapping[str, Any]) -> dict[str, Any]:
    """Return every value of an outcome that the table shows, flat: W&B's summary of the run.

    Seconds and images a second are of the whole run there, of one epoch in a row, and W&B keeps the last row in the summary:
    so they are called run/seconds and run/images_per_second.
    """
    flat = {key: value for key, value in outcome.items() if not isinstance(value, dict | list) and value is not None}
    flat |= {f"run/{key}": flat.pop(key) for key in ("seconds", "images_per_second") if key in flat}
    for kind in (*CHOSEN, "code"):
        flat |= {f"{kind}/{key}": value for key, value in (outcome.get(kind) or {}).items()}
    return flat


def first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def accuracies(outcome: dict[str, Any]) -> str:
    parts = (f"{kind} {outcome[kind]['test_acc']:.2f} % (epoch {outcome[kind]['epoch']})" for kind in CHOSEN if outcome[kind])
    return ", ".join(parts) or "no epoch finished"


def sentence(row: dict[str, Any], epochs: int) -> str:
    val = "" if row["val_acc"] is None else f"  val {row['val_acc']:.2f} %"
    loss = f"train loss {row['train_loss']:.4f}  test loss {row['test_loss']:.4f}"
    return f"  epoch {row['epoch']}/{epochs}  {loss}  test {row['test_acc']:.2f} %{val}  {row['images_per_second']:,.0f} img/s"


def line(row: dict[str, Any]) -> str:
    return json.dumps(row, allow_nan=False) + "\n"
