"""The grids of the table: accuracy, differences, what each factor adds, cost.

Owns which columns stand where, what each entry says and is about, and the lines under them. Computes nothing but costs.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ablation.records.numbers import count, exact, figures, images, interval, percent, points, probability, size
from ablation.reporting.document.entries import Column, Entry, Section
from ablation.reporting.document.notes import power_lines, test_lines
from ablation.reporting.statistics.analysis import Analysis, Comparison, Row
from ablation.reporting.statistics.cells import Cell, lacking
from ablation.reporting.statistics.effects import Effect
from ablation.reporting.statistics.seeds import Estimate, Reasons


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
    columns = [Column("cell"), *(Column(metric, "estimate") for metric in metrics)]
    for kind in adds:
        intervals = any(row.optimism[kind].interval for row in analysis.rows)
        columns.append(Column(f"best - {kind}", "estimate" if intervals else "number"))
    if compared:
        columns += [Column("report", "number"), Column("gap", "estimate")]
    rows = [
        [
            _named(row),
            *(Entry(_accuracy(row, metric, first=metric == metrics[0]), row.accuracy[metric].mean) for metric in metrics),
            *(Entry(estimated(row.optimism[kind]), row.optimism[kind].mean) for kind in adds),
            *(_report(row) if compared else []),
        ]
        for row in analysis.rows
    ]
    return Section("accuracy", "Accuracy (%)", columns, rows)


def _named(row: Row) -> Entry:
    return Entry(row.cell.label, row.cell.label)


def _any(analysis: Analysis, metric: str) -> bool:
    return any(row.accuracy[metric].n for row in analysis.rows)


def _accuracy(row: Row, metric: str, first: bool) -> str:
    """Return `94.02 ± 0.31 (n=3 of 4; 1 failed)`: the first metric says what is lacking; below 3 seeds the values stand."""
    found, planned, why = row.accuracy[metric], len(row.cell.runs), lacking(row.cell)
    parts = [f"n={found.n}" + (f" of {planned}" if first and found.n < planned else "")]
    parts += [why] if first and found.n and found.n < planned and why else []
    parts += [", ".join(percent(value) for value in found.values)] if found.n == 2 else []
    parts += ["equal"] if found.n > 2 and not found.interval else []
    return f"{_mean(found) if found.n else why or f'no {metric}'} ({'; '.join(parts)})"


def _mean(found: Estimate) -> str:
    """Return a mean with its t interval: as ± where it is symmetric, as both ends where the scale clips it."""
    assert found.mean is not None
    if found.interval is None:
        return percent(found.mean)
    low, high = found.mean - found.interval.low, found.interval.high - found.mean
    if math.isclose(low, high, abs_tol=0.005):
        return f"{percent(found.mean)} ± {percent(high)}"
    return f"{percent(found.mean)} [{percent(found.interval.low)}, {percent(found.interval.high)}]"


def estimated(found: Estimate) -> str:
    """Return a mean difference with its interval where there is one: `+0.50 [+0.12, +0.88]`."""
    return points(found.mean) + (f" {interval(found.interval.low, found.interval.high)}" if found.interval else "")


def _report(row: Row) -> list[Entry]:
    """Return the report's accuracy and how far the mean is from it, in points and in test images."""
    number, gap = row.cell.report, row.gap
    if number is None:
        return [Entry("-"), Entry("-")]
    if gap is None:
        return [Entry(percent(number), number), Entry(lacking(row.cell) or "-")]
    parts = [f"{images(gap.images)} images"] if gap.images is not None else []
    parts += [] if gap.inside is None else ["inside" if gap.inside else "outside"]
    text = points(gap.points) + (f" ({', '.join(parts)})" if parts else "")
    return [Entry(percent(number), number), Entry(text, gap.points)]


def _differences(analysis: Analysis, key: str, comparisons: Sequence[Comparison], power: bool) -> Section:
    """Return differences seed by seed and image by image; what the seeds resolve is said once, under the first grid."""
    others = list(dict.fromkeys(comparison.other.cell.label for comparison in comparisons))
    named = others[0] if len(others) == 1 else "each one's baseline"
    columns = [
        Column("cell"),
        Column("points", "number"),
        Column("95 % interval", "estimate"),
        *(Column(name, "number") for name in ("images", "n", "p", "Holm")),
        Column("won : lost", "estimate"),
        Column("McNemar p", "number"),
    ]
    rows = [[_named(comparison.row), *_difference(comparison)] for comparison in comparisons]
    lines = test_lines(analysis, comparisons) + (power_lines(analysis, comparisons) if power else [])
    return Section(key, f"Difference to {named} ({analysis.metric}, points)", columns, rows, lines)


def _difference(comparison: Comparison) -> list[Entry]:
    found, test = comparison.difference, comparison.images
    return [
        Entry(points(found.estimate.mean), found.estimate.mean),
        _interval(found.estimate, found.reasons),
        Entry(images(found.images), found.images),
        Entry(str(found.estimate.n), found.estimate.n),
        Entry(probability(found.p), found.p),
        Entry(probability(found.holm), found.holm),
        Entry(f"{exact(test.won)} : {exact(test.lost)}", test.won) if test else Entry(comparison.image_reasons[0].text),
        Entry(probability(test.p), test.p) if test else Entry("-"),
    ]


def _interval(found: Estimate, reasons: Reasons) -> Entry:
    """Return an interval, sorted by its lower end, or the first reason why there is none."""
    return (
        Entry(interval(found.interval.low, found.interval.high), found.interval.low)
        if found.interval
        else Entry(reasons[0].text)
    )


def _factorial(analysis: Analysis) -> Section:
    """Return the study's contrasts, then main effects that are none of them, then interactions."""
    columns = [
        *(Column("effect"), Column("of"), Column("points", "number"), Column("95 % interval", "estimate")),
        *(Column("images", "number"), Column("n", "number")),
    ]
    found = distinct(analysis.effects)
    lines = ["each effect is a sum of cells seed by seed, so its interval is that of paired seeds"]
    lines += ["seeds that some cells of an effect lack are left out of it"] if any(effect.left_out for effect in found) else []
    title = f"What each factor adds ({analysis.metric}, points)"
    return Section("factorial", title, columns, [_effect(effect) for effect in found], lines)


def distinct(effects: Iterable[Effect]) -> list[Effect]:
    """Return the effects without those that are the same contrast as one before: a study may name a main effect."""
    kept: list[Effect] = []
    seen: set[frozenset[tuple[int, float]]] = set()
    for effect in effects:
        weights = frozenset(effect.contrast.weights.items())
        if not weights or weights not in seen:
            kept.append(effect)
        seen.add(weights)
    return kept


def _effect(effect: Effect) -> list[Entry]:
    found = effect.estimate
    return [
        Entry(effect.contrast.name, effect.contrast.name),
        Entry(effect.contrast.of, effect.contrast.of),
        Entry(points(found.mean), found.mean),
        _interval(found, effect.reasons),
        Entry(images(effect.images), effect.images),
        Entry(str(found.n), found.n),
    ]


def _cost(analysis: Analysis) -> Section:
    """Return what a cell costs: time, memory, size."""
    columns = [Column("cell"), *(Column(name, "number") for name in ("s/epoch", "img/s", "memory", "params", "MACs", "epoch"))]
    rows = [[_named(row), *_costs(row.cell)] for row in analysis.rows]
    line = "memory = highest peak while training; epoch = of the best; times are medians of the done runs"
    return Section("cost", "Cost", columns, rows, [line])


def _costs(cell: Cell) -> list[Entry]:
    found = costs(cell)
    epochs = sorted(set(done(cell, "best_epoch")))
    span = f"{epochs[0]}-{epochs[-1]}" if len(epochs) > 1 else str(epochs[0]) if epochs else "-"
    texts: dict[str, Callable[[float], str]] = {
        "seconds_per_epoch": figures,
        "images_per_second": figures,
        "peak_memory_bytes": size,
        "parameters": exact,
        "macs": count,
    }
    entries = [Entry("-" if found[key] is None else text(found[key]), found[key]) for key, text in texts.items()]
    return [*entries, Entry(span, epochs[0] if epochs else None)]


def costs(cell: Cell) -> dict[str, Any]:
    """Return each cost of the cell's done runs, None where none of them has it.

    Of times it is the median: one run beside which something else ran must not speak for the cell. Of the rest the most.
    """
    middle = {
        "best_epoch": done(cell, "best_epoch"),
        "seconds_per_epoch": seconds_per_epoch(cell),
        "images_per_second": done(cell, "images_per_second"),
    }
    most = {key: done(cell, key) for key in ("peak_memory_bytes", "parameters", "macs")}
    return {
        **{key: statistics.median(numbers) if numbers else None for key, numbers in middle.items()},
        **{key: max(numbers, default=None) for key, numbers in most.items()},
    }


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
