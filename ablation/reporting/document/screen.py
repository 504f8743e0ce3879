"""What a terminal shows of a study: one grid with a row a cell, then effects in a line each, and what each cell costs.

Owns the columns, which of them a narrow terminal does without, and which of many cells are shown. Computes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from ablation.records.numbers import exact, percent, points, probability
from ablation.reporting.document.entries import Column, Entry, Section
from ablation.reporting.document.notes import reason_lines, test_lines
from ablation.reporting.document.scale import Scale
from ablation.reporting.document.sections import DASH, cost, filled, first, mean_text, named, plus_minus
from ablation.reporting.document.verdict import when
from ablation.reporting.read.frame import plain
from ablation.reporting.statistics.analysis import Analysis, Comparison, Row, family
from ablation.reporting.statistics.cells import lacking
from ablation.reporting.statistics.config_keys import shown, units
from ablation.reporting.statistics.effects import Effect
from ablation.reporting.statistics.labels import BETWEEN

LONGEST = 16  # characters of a baseline's label in a column's name
BETTER = "P(better): 1 minus Student's one-sided p of that comparison alone"


def screen(analysis: Analysis, everything: bool = True) -> list[Section]:
    """Return the grids: cells, those against the cell that was named, effects, cost.

    Args:
        analysis: of the runs.
        everything: all cells and effects; else of more than FOLDED cells the best, the baseline and those that are decided, and
            no exploratory effect.
    """
    rows = analysis.rows if everything else first(analysis)[0]
    grids = [_cells(analysis, rows)]
    if against := [each for each in analysis.against if any(each.row is row for row in rows)]:
        label = against[0].other.cell.label
        columns = [Column("cell"), *_compared_columns(f"vs {label}")]
        body = [[named(each.row), *_compared(each)] for each in against]
        grids.append(Section("against", f"Against {label}", *filled(columns, body), reason_lines(against)))
    effects = [effect for effect in analysis.effects if effect.contrast.weights and (everything or effect.adjusted)]
    if effects:
        grids.append(_effects(analysis, effects))
    return [*grids, cost(rows)]


def _cells(analysis: Analysis, rows: Sequence[Row]) -> Section:
    """Return a row a cell: accuracy, difference to the baseline, images, the report's number, all on one scale."""
    comparisons = {id(each.row): each for each in analysis.comparisons}
    baselines = {id(each.other): each.other for each in analysis.comparisons}
    one = next(iter(baselines.values())) if len(baselines) == 1 else None
    short = one is not None and len(one.cell.label) <= LONGEST
    scale = Scale.of(rows, analysis.metric, one)
    columns = [
        *(Column("cell"), Column(f"{analysis.metric} %", "number"), Column("n", "number")),
        *_compared_columns(f"vs {one.cell.label}" if one and short else "vs baseline"),
        *(Column("report", "number", 2), Column("gap", "number", 3), Column(scale.name, "text", 6)),
    ]
    body = [
        [
            *(named(row), *_accuracy(row, analysis.metric)),
            *(_compared(comparisons[id(row)]) if id(row) in comparisons else [_baseline(row, baselines), DASH, DASH, DASH]),
            *(*_report(row), Entry(scale.strip(row) or "-")),
        ]
        for row in rows
    ]
    return Section("cells", "Cells", *filled(columns, body), _cell_lines(analysis, rows, list(baselines.values())))


def _compared_columns(name: str) -> list[Column]:
    return [
        *(Column(name, "number"), Column("p", "number", 1)),
        *(Column("P(better)", "number", 5, BETTER), Column("won : lost", "number", 4)),
    ]


def _compared(comparison: Comparison) -> list[Entry]:
    estimate, won_lost = comparison.estimate, comparison.won_lost
    return [
        Entry("other images") if comparison.mismatches else Entry(plus_minus(estimate), estimate.points),
        Entry(probability(comparison.p), comparison.p),
        Entry("-" if estimate.better is None else f"{estimate.better:.3f}", estimate.better),
        Entry(f"{exact(won_lost[0])} : {exact(won_lost[1])}", won_lost[0]) if won_lost else DASH,
    ]


def _accuracy(row: Row, metric: str) -> list[Entry]:
    """Return the mean, or in a word why there is none, and the number of seeds that it is of."""
    n, planned = row.samples[metric].n, row.cell.planned
    why = lacking(row.cell) or f"no {metric}"
    mean = Entry(mean_text(row, metric), row.samples[metric].mean) if n else Entry(why if " " not in why else "no accuracy")
    return [mean, Entry(f"{n} of {planned}" if n < planned else str(n), n)]


def _baseline(row: Row, baselines: dict[int, Row]) -> Entry:
    return Entry("baseline") if id(row) in baselines else DASH


def _report(row: Row) -> list[Entry]:
    """Return the report's accuracy and how far our mean at the best epoch lies from it."""
    number, beside = row.cell.report, row.report
    if number is None or beside is None:
        return [DASH, DASH]
    return [Entry(percent(number), number), DASH if beside.gap is None else Entry(points(beside.gap), beside.gap)]


def _cell_lines(analysis: Analysis, rows: Sequence[Row], baselines: Sequence[Row]) -> list[str]:
    """Say what the columns are, and what is not shown or not there."""
    planned = family([*analysis.comparisons, *analysis.against])
    where = ", ".join(f"{key} {value}" for key, value in (analysis.study.get("baseline") or {}).items())
    vs = baselines[0].cell.label if len(baselines) == 1 else f"the cell of {where} that shares all else"
    spread = any(row.samples[analysis.metric].n > 2 for row in rows)
    lines = [f"accuracy {when(analysis)}{', ± 95 %' if spread else ''}; n: seeds"]
    if baselines:
        lines += [f"difference in points to {vs}; {line}" for line in test_lines(analysis.comparisons, planned)]
    if any(row.cell.report is not None for row in rows):
        lines.append("report: one run at its best epoch; gap: our mean at the best epoch minus it")
    short = [f"{row.cell.label} ({lacking(row.cell)})" for row in rows if lacking(row.cell)]
    lines += [f"without an accuracy: {'; '.join(short)}"] if short else []
    lines += reason_lines([each for each in analysis.comparisons if each.row.samples[analysis.metric].n])
    hidden = len(analysis.rows) - len(rows)
    return [*lines, f"{hidden} more cells: --all"] if hidden else lines


def _effects(analysis: Analysis, effects: Sequence[Effect]) -> Section:
    """Return a row an effect: what changes, points, p."""
    columns = [
        *(Column("effect"), Column("change"), Column("points", "number")),
        *(Column("p", "number"), Column("answer", spare=1)),
    ]
    body = [
        [
            Entry(effect.contrast.name),
            Entry(", ".join(filter(None, [_change(effect), effect.tested_on]))),
            Entry(plus_minus(effect.estimate), effect.estimate.points),
            Entry(probability(effect.adjusted.adjusted if effect.adjusted else effect.estimate.p)),
            Entry(effect.decision.answer.value if effect.adjusted else "exploratory"),
        ]
        for effect in effects
    ]
    planned = sum(effect.adjusted is not None for effect in analysis.effects)
    hidden = sum(bool(effect.contrast.weights) for effect in analysis.effects) - len(effects)
    lines = test_lines([effect for effect in effects if effect.adjusted], planned)
    lines += _labelled(analysis, effects)
    lines += [f"{hidden} more effect{'s'[: hidden != 1]}, exploratory: --all"] if hidden else []
    return Section("effects", "What each factor adds (points)", *filled(columns, body), lines)


def _labelled(analysis: Analysis, effects: Sequence[Effect]) -> list[str]:
    """Say which levels the study's labels stand for: of its cells that differ from the baseline in one factor of an effect."""
    baseline = {key: plain(value) for key, value in (analysis.study.get("baseline") or {}).items()}
    levels = {level for effect in effects for level in effect.contrast.change.split(" -> ")}
    named = []
    for cell in analysis.study.get("cells") or []:
        label, where = str(cell["label"]), {key: plain(value) for key, value in cell["where"].items()}
        own = [key for key in where if baseline.get(key) != where[key]]
        names = {shown(where[key]) for key in own or where}
        here = any(where.items() <= row.cell.config.items() for row in analysis.rows)
        if here and len(own) <= 1 and levels & names and label.casefold() not in {name.casefold() for name in names}:
            parts = [f"{unit}{shown(value)}" for unit, value in zip(units([*where]), where.values(), strict=True)]
            named.append(f"{label} is {BETWEEN.join(parts)}")
    return [f"labels: {'; '.join(named)}"] if named else []


def _change(effect: Effect) -> str:
    return effect.contrast.change if effect.adjusted else effect.contrast.of
