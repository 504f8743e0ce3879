"""The comparison table: a row a cell, each number with its n, each missing number with the word for why.

Owns what the table says. Pure: a DataFrame in, text and plain values out. How it is written is `formats`' part.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ablation.reporting.cells import Cell, absent, cells, shown
from ablation.reporting.sources import WORDS

METRICS = {
    "best": "best = at the epoch best on the test set (optimistic)",
    "last": "last = at the last epoch",
    "val": "val = at the epoch best on held-out training images",
}
NAMED = 8  # runs that a line names before it only counts


@dataclass(frozen=True)
class Table:
    """All that is written: text for people (`header`, `rows`, `lines`), plain values for programs (`values`, `runs`)."""

    title: str
    note: str | None
    header: list[str]
    rows: list[list[str]]
    lines: list[str]
    values: list[dict[str, Any]]  # a row a cell, for table.csv
    runs: list[dict[str, Any]]  # a row a run, for runs.csv
    complete: bool  # every planned run ended in a result


def build(frame: pd.DataFrame, study: Mapping[str, Any], metric: str = "best") -> Table:
    """Make the table of a study's runs.

    Args:
        frame: of `sources`, at least one row.
        study: the study's node.
        metric: `best`, `last` or `val`: which accuracy comes first.
    """
    found = cells(frame, study)
    metrics = list(dict.fromkeys([metric, "best", "last"]))
    compared = any(cell.report is not None for cell in found)
    header = ["cell", *metrics, *(["report"] if compared else []), "s/epoch", "img/s", "params", "epoch"]
    outcomes = Counter(frame["outcome"])
    return Table(
        title=str(study.get("title") or study["name"]),
        note=study.get("note"),
        header=header,
        rows=[_entries(cell, metrics, compared) for cell in found],
        lines=[
            counts(outcomes),
            *_report_lines(found),
            *_mixture_lines(found),
            *_problem_lines(frame),
            *_absent_lines(found, study),
            f"accuracy in %, mean of the done runs; {'; '.join(METRICS[name] for name in metrics)}; epoch = of the best",
        ],
        values=[_values(cell) for cell in found],
        runs=[{"cell": cell.label, **run} for cell in found for run in cell.runs],
        complete=outcomes["done"] + outcomes["diverged"] == len(frame),
    )


def counts(outcomes: Mapping[str, int]) -> str:
    """Return `planned 12 = done 8 + killed 1 + missing 3`: every planned run is one of the words."""
    words = [word for word in WORDS if outcomes[word] or word == "done"]
    return f"planned {sum(outcomes.values())} = " + " + ".join(f"{word} {outcomes[word]}" for word in words)


def _done(cell: Cell, key: str) -> list[Any]:
    """Return a value of each done run, by seed: no other run has a number in this table."""
    return [run[key] for run in cell.runs if run["outcome"] == "done" and run[key] is not None]


def mean(numbers: Sequence[float]) -> float:
    """Return the mean, the same to the last bit whatever the order."""
    return math.fsum(numbers) / len(numbers)


def _words(cell: Cell) -> str:
    """Return why runs of the cell have no number: `failed`, or `1 failed, 2 missing`."""
    outcomes = Counter(run["outcome"] for run in cell.runs)
    words = [word for word in WORDS if outcomes[word] and word != "done"]
    if len(words) == 1 and not outcomes["done"]:
        return words[0]
    return ", ".join(f"{outcomes[word]} {word}" for word in words)


def _entries(cell: Cell, metrics: Iterable[str], compared: bool) -> list[str]:
    report = "-" if cell.report is None else f"{cell.report:.2f}"
    return [cell.label, *_accuracies(cell, metrics), *([report] if compared else []), *_costs(cell)]


def _accuracies(cell: Cell, metrics: Iterable[str]) -> list[str]:
    """Return the first metric in full, `94.02 (n=2 of 3; 1 failed)`, the others short, `93.80 (n=2)`; words for no number."""
    planned = len(cell.runs)
    entries: list[str] = []
    for name in metrics:
        numbers = _done(cell, f"{name}_acc")
        n, words = len(numbers), _words(cell)
        of = f" of {planned}" if n < planned and not entries else ""
        why = f"; {words}" if n and of and words else ""
        entries.append(f"{f'{mean(numbers):.2f}' if n else words or 'no val'} (n={n}{of}{why})")
    return entries


def _costs(cell: Cell) -> list[str]:
    """Return seconds an epoch, training images a second, parameters, and the epoch of the best (of several seeds the range)."""
    epochs = sorted(set(_done(cell, "best_epoch")))
    return [
        _mean_or_dash(_seconds_per_epoch(cell), _three_digits),
        _mean_or_dash(_done(cell, "images_per_second"), _three_digits),
        _mean_or_dash(_done(cell, "parameters"), _in_thousands),
        f"{epochs[0]}-{epochs[-1]}" if len(epochs) > 1 else str(epochs[0]) if epochs else "-",
    ]


def _seconds_per_epoch(cell: Cell) -> list[float]:
    pairs = zip(_done(cell, "seconds"), _done(cell, "epochs"), strict=True)
    return [seconds / epochs for seconds, epochs in pairs if epochs]


def _mean_or_dash(numbers: Sequence[float], text: Callable[[float], str]) -> str:
    return text(mean(numbers)) if numbers else "-"


def _three_digits(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.1f}" if number >= 10 else f"{number:.2f}"


def _in_thousands(number: float) -> str:
    for size, unit in ((1e6, " M"), (1e3, " k")):
        if number >= size:
            return _three_digits(number / size) + unit
    return f"{number:.0f}"


def _report_lines(found: Sequence[Cell]) -> list[str]:
    """Say where the report's numbers cannot stand beside these, and why."""
    theirs = {key: value for cell in found for key, (value, _) in cell.differences.items()}
    if not theirs:
        return []
    here = {key: dict.fromkeys(shown(cell.differences[key][1]) for cell in found if key in cell.differences) for key in theirs}
    different = ", ".join(f"{key} {shown(value)} (here {' or '.join(here[key])})" for key, value in theirs.items())
    return [f"the report used another protocol: {different}"]


def _mixture_lines(found: Sequence[Cell]) -> list[str]:
    """Say when numbers of this table come from different code or from different devices."""
    lines = []
    runs = [run for cell in found for run in cell.runs if run["outcome"] == "done"]
    codes = Counter(str(run["code_source"] or run["code_commit"]) for run in runs)
    if len(codes) > 1:
        versions = ", ".join(f"{code} ({number} runs)" for code, number in sorted(codes.items()))
        lines.append(f"its runs were made by {len(codes)} versions of the code: {versions}; rerun=stale trains old ones again")
    devices = Counter(str(run["device"]) for run in runs)
    if len(devices) > 1:
        lines.append(
            f"times of different devices: {', '.join(f'{device} ({n} runs)' for device, n in sorted(devices.items()))}"
        )
    mixed = sorted(f"{run['run_id']} ({run['mixed']})" for run in runs if run["mixed"])
    if mixed:
        more = f" and {len(mixed) - NAMED} more" if len(mixed) > NAMED else ""
        lines.append(f"mixed within one run, so not bit-identical to one that never stopped: {'; '.join(mixed[:NAMED])}{more}")
    return lines


def _problem_lines(frame: pd.DataFrame) -> list[str]:
    """Name the records that could not be read."""
    damaged = [f"{row['run_id']} ({row['problem']})" for row in frame.to_dict("records") if row["problem"]]
    if not damaged:
        return []
    more = f" and {len(damaged) - NAMED} more" if len(damaged) > NAMED else ""
    records = "1 record" if len(damaged) == 1 else f"{len(damaged)} records"
    return [f"unreadable: {records}, counted as without a result: {'; '.join(damaged[:NAMED])}{more}"]


def _absent_lines(found: Sequence[Cell], study: Mapping[str, Any]) -> list[str]:
    labels = absent(found, study)
    return [f"cells of the study that were not planned: {'; '.join(labels)}"] if labels else []


def _values(cell: Cell) -> dict[str, Any]:
    """Return a cell's plain values: full precision, the word where there is no number, then its configuration."""
    outcomes = Counter(run["outcome"] for run in cell.runs)
    averages = {
        "best_acc": _done(cell, "best_acc"),
        "last_acc": _done(cell, "last_acc"),
        "val_acc": _done(cell, "val_acc"),
        "best_epoch": _done(cell, "best_epoch"),
        "seconds_per_epoch": _seconds_per_epoch(cell),
        "images_per_second": _done(cell, "images_per_second"),
    }
    most = {key: _done(cell, key) for key in ("peak_memory_bytes", "parameters", "macs")}
    nothing = "none" if outcomes["done"] else _words(cell)
    return {
        "cell": cell.label,
        "planned": len(cell.runs),
        **{word: outcomes[word] for word in WORDS},
        **{key: mean(numbers) if numbers else nothing for key, numbers in averages.items()},
        **{key: max(numbers) if numbers else nothing for key, numbers in most.items()},
        "report": cell.report,
        "config": cell.config,
    }
