"""The grids of the table: accuracy, differences, what each factor adds, cost.

Owns which columns stand where, what each entry says and is about, and the lines under them. Computes nothing but costs.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from typing import Any

from ablation.records.numbers import count, exact, figures, interval, percent, points, probability, size
from ablation.reporting.document.entries import Column, Entry, Section
from ablation.reporting.document.notes import comparison_lines, effect_lines, spread_line
from ablation.reporting.statistics.analysis import Analysis, Comparison, Row
from ablation.reporting.statistics.cells import Cell, lacking
from ablation.reporting.statistics.effects import Effect
from ablation.reporting.statistics.estimate import Estimate
from ablation.reporting.statistics.power import detectable
from ablation.reporting.statistics.sameness import Answer

FOLDED = 12  # cells that are shown at first; of more, those that matter
DASH = Entry("-")


def sections(analysis: Analysis) -> list[Section]:
    """Return the grids that the study's runs have something to say in, in reading order."""
    grids = [accuracy(analysis, analysis.rows)]
    for key, comparisons in (("differences", analysis.comparisons), ("against", analysis.against)):
        if comparisons:
            grids.append(_differences(analysis, key, comparisons))
    if analysis.effects:
        grids.append(_factorial(analysis))
    return [*grids, cost(analysis.rows)]


def first(analysis: Analysis) -> tuple[list[Row], int]:
    """Return the rows that matter most, best and baseline first, then the decided ones by their means; how many are left."""
    if len(analysis.rows) <= FOLDED:
        return analysis.rows, 0
    compared = [*analysis.comparisons, *analysis.against]
    answered = {id(each.row) for each in compared if each.decision.answer not in (Answer.CANNOT_TELL, Answer.NO_TEST)}
    best = [row for group in analysis.groups for row in group.ranked[:2]]
    own = [each.other for each in analysis.comparisons if any(each.row is row for row in best)]
    others = list({id(each.other): each.other for each in compared}.values())
    ranked = [row for group in analysis.groups for row in group.ranked]
    decided = [row for row in ranked if id(row) in answered]
    wanted = list(
        {
            id(row): row for row in [*best, *own, *(others if len(others) < 3 else []), *decided, *ranked, *analysis.rows]
        }.values()
    )
    kept = wanted[:FOLDED]
    return kept, len(analysis.rows) - len(kept)


def accuracy(analysis: Analysis, rows: Sequence[Row]) -> Section:
    """Return the accuracies side by side, what choosing the epoch on the test set adds, and the report's number."""
    best = ["best"] if _any(analysis, "best") or not _any(analysis, analysis.metric) else []  # other programs keep one number
    metrics = list(dict.fromkeys([analysis.metric, "last", *best, *(["val"] if _any(analysis, "val") else [])]))
    adds = [kind for kind in ("last", "val") if best and kind in metrics and _any(analysis, kind)]
    reported = any(row.cell.report is not None for row in analysis.rows)
    columns = [Column("cell"), *(Column(metric, "estimate") for metric in metrics)]
    columns += [Column(f"best - {kind}", "number") for kind in adds]
    columns += [Column("report", "number"), Column("gap", "number"), Column("one more run", "estimate")] if reported else []
    body = [
        [
            named(row),
            *(Entry(_accuracy(row, metric, first=metric == metrics[0]), row.samples[metric].mean) for metric in metrics),
            *(Entry(points(row.optimism.get(kind)), row.optimism.get(kind)) for kind in adds),
            *(_report(row) if reported else []),
        ]
        for row in rows
    ]
    note = ["report: a single run at its best epoch; one more run: where one more of ours would lie (95 %)"] if reported else []
    return Section("accuracy", "Accuracy (%)", columns, body, [*spread_line(analysis), *note])


def named(row: Row) -> Entry:
    return Entry(row.cell.label, row.cell.label)


def _any(analysis: Analysis, metric: str) -> bool:
    return any(row.samples[metric].n for row in analysis.rows)


def _accuracy(row: Row, metric: str, first: bool) -> str:
    """Return `94.02 ± 0.31 (n=3 of 4; 1 failed)`: the first metric says what is lacking; of two seeds the values stand."""
    sample, planned, why = row.samples[metric], row.cell.planned, lacking(row.cell)
    parts = [f"n={sample.n}" + (f" of {planned}" if first and sample.n < planned else "")]
    parts += [why] if first and sample.n and sample.n < planned and why else []
    parts += [", ".join(percent(value) for value in row.cell.accuracies(metric).values())] if sample.n == 2 else []
    return f"{mean_text(row, metric) if sample.n else why or f'no {metric}'} ({'; '.join(parts)})"


def mean_text(row: Row, metric: str) -> str:
    """Return a mean with its interval from three seeds on: as ± where symmetric, as both ends where the scale clips it."""
    mean, bounds = row.samples[metric].mean or 0.0, row.means[metric].interval()
    if bounds is None or row.samples[metric].n < 3:
        return percent(mean)
    low, high = mean - bounds.low, bounds.high - mean
    if math.isclose(low, high, abs_tol=0.005):
        return f"{percent(mean)} ± {percent(high)}"
    return f"{percent(mean)} [{percent(bounds.low)}, {percent(bounds.high)}]"


def estimated(estimate: Estimate) -> str:
    """Return a difference with its interval where there is one: `+0.50 [+0.12, +0.88]`."""
    bounds = estimate.interval()
    return points(estimate.points) + (f" {interval(bounds.low, bounds.high)}" if bounds else "")


def plus_minus(estimate: Estimate) -> str:
    """Return a difference with its interval: `+0.50 ± 0.38`, and both ends where what is possible clips one."""
    bounds = estimate.interval()
    if bounds is None or estimate.points is None:
        return points(estimate.points)
    if math.isclose(estimate.points - bounds.low, bounds.high - estimate.points, abs_tol=0.005):
        return f"{points(estimate.points)} ± {percent(bounds.high - estimate.points)}"
    return estimated(estimate)


def _report(row: Row) -> list[Entry]:
    """Return the report's accuracy, how far our mean at the best epoch is from it, and where one more run would lie."""
    number, beside = row.cell.report, row.report
    if number is None or beside is None:
        return [DASH] * 3
    gap = Entry(points(beside.gap), beside.gap) if beside.gap is not None else Entry(lacking(row.cell) or "-")
    if beside.interval is None:
        return [Entry(percent(number), number), gap, DASH]
    bounds = f"{percent(beside.interval.low)} to {percent(beside.interval.high)}"
    word = "inside" if beside.inside else "outside"
    return [Entry(percent(number), number), gap, Entry(f"{bounds}: {word}", beside.interval.low)]


def _differences(analysis: Analysis, key: str, comparisons: Sequence[Comparison]) -> Section:
    """Return each cell's difference with what it decides."""
    others = list(dict.fromkeys(comparison.other.cell.label for comparison in comparisons))
    reference = others[0] if len(others) == 1 else "each one's baseline"
    columns = [
        *(Column("cell"), Column("points", "number"), Column("95 % interval", "estimate"), Column("p", "number")),
        *(Column("P(better)", "number"), Column("answer"), Column("won : lost", "estimate"), Column("detects", "number")),
    ]
    rows = [[named(comparison.row), *_difference(comparison)] for comparison in comparisons]
    title = f"Difference to {reference} ({analysis.metric}, points)"
    return Section(key, title, *filled(columns, rows), comparison_lines(analysis, comparisons))


def _difference(comparison: Comparison) -> list[Entry]:
    estimate, won_lost = comparison.estimate, comparison.won_lost
    limit = detectable(estimate, comparison.level)
    answer = comparison.decision.answer
    return [
        Entry(points(estimate.points), estimate.points),
        _interval(estimate),
        Entry(probability(comparison.p), comparison.p),
        Entry("-" if estimate.better is None else f"{estimate.better:.3f}", estimate.better),
        Entry(answer.value, answer.value),
        Entry(f"{exact(won_lost[0])} : {exact(won_lost[1])}", won_lost[0]) if won_lost else DASH,
        Entry(percent(limit.points), limit.points) if limit else DASH,
    ]


def filled(columns: Sequence[Column], rows: Sequence[list[Entry]]) -> tuple[list[Column], list[list[Entry]]]:
    """Return a grid without the columns in which nothing stands."""
    kept = [place for place, column in enumerate(columns) if any(row[place].text != "-" for row in rows)]
    return [columns[place] for place in kept], [[row[place] for place in kept] for row in rows]


def _interval(estimate: Estimate) -> Entry:
    """Return an interval, sorted by its lower end."""
    bounds = estimate.interval()
    return Entry(interval(bounds.low, bounds.high), bounds.low) if bounds else DASH


def _factorial(analysis: Analysis) -> Section:
    """Return the study's contrasts, then main effects that are none of them, then interactions."""
    columns = [
        *(Column("effect"), Column("of"), Column("points", "number"), Column("95 % interval", "estimate")),
        *(Column("p", "number"), Column("answer")),
    ]
    several = len({effect.tested_on for effect in analysis.effects}) > 1
    rows = [_effect(effect, several) for effect in analysis.effects if effect.contrast.weights]
    title = f"What each factor adds ({analysis.metric}, points)"
    return Section("factorial", title, *filled(columns, rows), effect_lines(analysis.effects))


def _effect(effect: Effect, several: bool) -> list[Entry]:
    estimate, adjusted = effect.estimate, effect.adjusted
    p = estimate.p if adjusted is None else adjusted.adjusted
    answer = effect.decision.answer.value if adjusted else f"exploratory: {effect.decision.answer.value}"
    of = f"{effect.contrast.of}, {effect.tested_on}" if several else effect.contrast.of
    return [
        Entry(effect.contrast.name, effect.contrast.name),
        Entry(of, of),
        Entry(points(estimate.points), estimate.points),
        _interval(estimate),
        Entry(probability(p), p),
        Entry(answer, answer),
    ]


def cost(rows: Sequence[Row]) -> Section:
    """Return what a cell costs: time, memory, size."""
    spare = {"s/epoch": 0, "img/s": 2, "memory": 0, "params": 1, "MACs": 3, "epoch": 4}
    columns = [Column("cell"), *(Column(name, "number", order) for name, order in spare.items())]
    body = [[named(row), *_costs(row.cell)] for row in rows]
    line = "memory = highest peak while training; epoch = of the best; times are medians of the done runs"
    return Section("cost", "Cost", columns, body, [line])


def _costs(cell: Cell) -> list[Entry]:
    values = costs(cell)
    epochs = sorted(set(done(cell, "best_epoch")))
    span = f"{epochs[0]}-{epochs[-1]}" if len(epochs) > 1 else str(epochs[0]) if epochs else "-"
    texts: dict[str, Callable[[float], str]] = {
        "seconds_per_epoch": figures,
        "images_per_second": figures,
        "peak_memory_bytes": size,
        "parameters": exact,
        "macs": count,
    }
    entries = [Entry("-" if values[key] is None else text(values[key]), values[key]) for key, text in texts.items()]
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
    return [run[key] for run in cell.done if run[key] is not None]


def seconds_per_epoch(cell: Cell) -> list[float]:
    """Return seconds an epoch of each done run, evaluation included."""
    runs = [run for run in cell.done if run["seconds"] is not None and run["epochs"]]
    return [run["seconds"] / run["epochs"] for run in runs]


def mean(numbers: Sequence[float]) -> float:
    """Return the mean, the same to the last bit whatever the order."""
    return math.fsum(numbers) / len(numbers)
