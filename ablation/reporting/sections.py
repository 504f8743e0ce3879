"""The grids of the table as text: accuracy, differences, what each factor adds, cost.

Owns which columns stand where and the lines under them. Computes nothing but averages of costs.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ablation.reporting.analysis import Analysis, Comparison, Row
from ablation.reporting.cells import Cell
from ablation.reporting.factorial import STEPS, Effect
from ablation.reporting.footnotes import power_lines, test_lines
from ablation.reporting.statistics import Estimate
from ablation.reporting.wording import (
    average,
    estimated,
    gibibytes,
    images,
    in_units,
    interval,
    points,
    probability,
    three_digits,
    words,
)

STEP_WORDS = {
    "interpolation": "interpolation",
    "learning": "learning",
    "attention": "attention",
    "resizer": "resizer",
    "aug": "augmentation",
    "interaction": "interaction",
}


@dataclass(frozen=True)
class Section:
    """One grid of the table: `key` names it in files and links, `lines` are said under it."""

    key: str  # accuracy, differences, against, factorial, cost
    title: str
    header: list[str]
    rows: list[list[str]]
    lines: list[str] = field(default_factory=list)


def sections(analysis: Analysis) -> list[Section]:
    """Return the grids that the study's runs have something to say in, in reading order."""
    found = [accuracy(analysis)]
    for key, comparisons in (("differences", analysis.comparisons), ("against", analysis.against)):
        if comparisons:
            found.append(_differences(analysis, key, comparisons, power=len(found) == 1))
    if analysis.effects:
        found.append(_factorial(analysis))
    return [*found, _cost(analysis)]


def accuracy(analysis: Analysis) -> Section:
    """Return the accuracies side by side, what choosing the epoch on the test set adds, and the report's number."""
    metrics = list(dict.fromkeys([analysis.metric, "best", "last", *(["val"] if _any(analysis, "val") else [])]))
    adds = [kind for kind in ("last", "val") if kind in metrics and "best" in metrics]
    compared = any(row.cell.report is not None for row in analysis.rows)
    header = ["cell", *metrics, *(f"best - {kind}" for kind in adds), *(["report", "gap"] if compared else [])]
    rows = [
        [
            row.cell.label,
            *(_accuracy(row, metric, first=metric == metrics[0]) for metric in metrics),
            *(estimated(row.optimism[kind]) for kind in adds),
            *(_report(row, analysis.images) if compared else []),
        ]
        for row in analysis.rows
    ]
    return Section("accuracy", "Accuracy (%)", header, rows)


def _any(analysis: Analysis, metric: str) -> bool:
    return any(row.accuracy[metric].n for row in analysis.rows)


def _accuracy(row: Row, metric: str, first: bool) -> str:
    """Return `94.02 ± 0.31 (n=3 of 4; 1 failed)`: the first metric says what is lacking; below 3 seeds the values stand."""
    found, planned, why = row.accuracy[metric], len(row.cell.runs), words(row.cell)
    parts = [f"n={found.n}" + (f" of {planned}" if first and found.n < planned else "")]
    parts += [why] if first and found.n and found.n < planned and why else []
    parts += [", ".join(f"{value:.2f}" for value in found.values)] if found.n == 2 else []
    parts += ["equal"] if found.n > 2 and not found.interval else []
    return f"{_mean(found) if found.n else why or f'no {metric}'} ({'; '.join(parts)})"


def _mean(found: Estimate) -> str:
    """Return a mean with its t interval: as ± where it is symmetric, as both ends where the scale clips it."""
    assert found.mean is not None
    if found.interval is None:
        return f"{found.mean:.2f}"
    low, high = found.mean - found.interval.low, found.interval.high - found.mean
    if math.isclose(low, high, abs_tol=0.005):
        return f"{found.mean:.2f} ± {high:.2f}"
    return f"{found.mean:.2f} [{found.interval.low:.2f}, {found.interval.high:.2f}]"


def _report(row: Row, number: int | None) -> list[str]:
    """Return the report's accuracy and how far the mean is from it, in points and in test images."""
    if row.cell.report is None:
        return ["-", "-"]
    if row.gap is None:
        return [f"{row.cell.report:.2f}", words(row.cell) or "-"]
    parts = [f"{images(row.gap.images)} images"] if row.gap.images is not None else []
    parts += [] if row.gap.inside is None else ["inside" if row.gap.inside else "outside"]
    return [f"{row.cell.report:.2f}", points(row.gap.points) + (f" ({', '.join(parts)})" if parts else "")]


def _differences(analysis: Analysis, key: str, comparisons: Sequence[Comparison], power: bool) -> Section:
    """Return differences seed by seed and image by image; what the seeds resolve is said once, under the first grid."""
    others = list(dict.fromkeys(comparison.other.cell.label for comparison in comparisons))
    named = others[0] if len(others) == 1 else "each one's baseline"
    header = ["cell", "points", "95 % interval", "images", "n", "p", "Holm", "won : lost", "McNemar p"]
    rows = [[comparison.row.cell.label, *_difference(comparison)] for comparison in comparisons]
    lines = test_lines(analysis, comparisons) + (power_lines(analysis, comparisons) if power else [])
    return Section(key, f"Difference to {named} ({analysis.metric}, points)", header, rows, lines)


def _difference(comparison: Comparison) -> list[str]:
    found, test = comparison.difference, comparison.images
    bounds = interval(found.estimate.interval) if found.estimate.interval else found.words.split(";")[0]
    return [
        points(found.estimate.mean),
        bounds,
        images(found.images),
        str(found.estimate.n),
        probability(found.p),
        probability(found.holm),
        f"{test.won:,} : {test.lost:,}" if test else comparison.image_words,
        probability(test.p) if test else "-",
    ]


def _factorial(analysis: Analysis) -> Section:
    """Return the decomposition first, then main effects that are no step of it, then interactions."""
    header = ["effect", "of", "points", "95 % interval", "images", "n"]
    found = distinct(analysis.effects)
    lines = ["each effect is a sum of cells seed by seed, so its interval is that of paired seeds"]
    lines += ["seeds that some cells of an effect lack are left out of it"] if any(effect.left_out for effect in found) else []
    title = f"What each factor adds ({analysis.metric}, points)"
    return Section("factorial", title, header, [_effect(effect) for effect in found], lines)


def distinct(effects: Iterable[Effect]) -> list[Effect]:
    """Return steps, then the rest; a main effect that is a step already is not said twice."""
    ordered = sorted(effects, key=lambda effect: effect.kind not in STEPS)
    kept: list[Effect] = []
    for effect in ordered:
        if not effect.weights or all(effect.weights != other.weights for other in kept):
            kept.append(effect)
    return kept


def _effect(effect: Effect) -> list[str]:
    found = effect.estimate
    bounds = interval(found.interval) if found.interval else effect.words.split(";")[0]
    return [STEP_WORDS[effect.kind], effect.name, points(found.mean), bounds, images(effect.images), str(found.n)]


def _cost(analysis: Analysis) -> Section:
    """Return what a cell costs: time, memory, size."""
    header = ["cell", "s/epoch", "img/s", "memory", "params", "MACs", "epoch"]
    rows = [[row.cell.label, *_costs(row.cell)] for row in analysis.rows]
    return Section(
        "cost",
        "Cost",
        header,
        rows,
        ["memory = highest peak while training; epoch = of the best; times are medians of the done runs"],
    )


def _costs(cell: Cell) -> list[str]:
    epochs = sorted(set(done(cell, "best_epoch")))
    return [
        average(seconds_per_epoch(cell), three_digits, statistics.median),
        average(done(cell, "images_per_second"), three_digits, statistics.median),
        average(done(cell, "peak_memory_bytes"), gibibytes, max),
        average(done(cell, "parameters"), in_units, mean),
        average(done(cell, "macs"), in_units, mean),
        f"{epochs[0]}-{epochs[-1]}" if len(epochs) > 1 else str(epochs[0]) if epochs else "-",
    ]


def done(cell: Cell, key: str) -> list[Any]:
    """Return a value of each done run, by seed: no other run has a number in this table."""
    return [run[key] for run in cell.runs if run["outcome"] == "done" and run[key] is not None]


def seconds_per_epoch(cell: Cell) -> list[float]:
    """Return seconds an epoch of each done run, evaluation included."""
    runs = [run for run in cell.runs if run["outcome"] == "done" and run["seconds"] is not None and run["epochs"]]
    return [run["seconds"] / run["epochs"] for run in runs]


def mean(numbers: Sequence[float]) -> float:
    """Return the mean, the same to the last bit whatever the order."""
    return math.fsum(numbers) / len(numbers)
