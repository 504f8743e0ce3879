"""The accuracies as a picture: a row a cell with its seeds, mean, interval and the report's number.

Owns what a row shows and says. Computes nothing: every number is the analysis'. A missing number is a word, never a mark.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from ablation.records.numbers import percent
from ablation.reporting.document.picture import ANSWER_CLASSES, Line, Picture, Value, difference, legend, more_rows, tested
from ablation.reporting.document.reported import paper
from ablation.reporting.document.sections import estimated, first, mean_text
from ablation.reporting.document.strips import Mark, Scale, Strip, ends, scale
from ablation.reporting.document.verdict import when
from ablation.reporting.statistics.analysis import Analysis, Comparison, Group, Row
from ablation.reporting.statistics.cells import lacking
from ablation.reporting.statistics.estimate import Interval


def cells(analysis: Analysis) -> list[Picture]:
    """Return a picture of the accuracies for each kind of test images."""
    shown, _ = first(analysis)
    chosen = {id(row) for row in shown}
    several = len(analysis.groups) > 1
    return [_cells(analysis, group, chosen, index if several else 0) for index, group in enumerate(analysis.groups, 1)]


def _cells(analysis: Analysis, group: Group, chosen: set[int], index: int) -> Picture:
    against = {id(each.row): each for each in analysis.comparisons}
    baselines = list(dict.fromkeys(against[id(row)].other.cell.label for row in group.rows if id(row) in against))
    named = baselines[0] if len(baselines) == 1 else "its own baseline"
    on = scale(_values(analysis, group.rows))
    compared_with = {id(each.other): each.other for each in against.values()}
    few = all(id(row) in chosen for row in group.rows)
    rows = group.rows if few else sorted(group.rows, key=lambda row: -(row.samples[analysis.metric].mean or 0.0))

    def line(row: Row) -> Line:
        compared = against.get(id(row))
        values = [_accuracy(analysis, row), *([difference(compared)] if baselines else [])]
        other = compared.other if compared else compared_with.get(id(row))
        answer = ANSWER_CLASSES.get(compared.decision.answer, "") if compared else ""
        strip = _seeds(analysis, row, on, other.samples[analysis.metric].mean if other else None, bool(answer))
        return Line(Value(row.cell.label), strip, values, answer, _cell_details(analysis, row, compared), row.cell.runs)

    columns = ["Cell", "", "Mean, %", *([f"Against {named}, points"] if baselines else [])]
    key = f"cells-{index}" if index else "cells"
    lines = [line(row) for row in rows if id(row) in chosen]
    others, name = more_rows([row for row in rows if id(row) not in chosen], "cells")
    rest = [line(row) for row in others]
    more = Picture(f"{key}-more", name, columns, on, rest, []) if rest else None
    title = f"{group.name}: accuracy {when(analysis)}" if group.name else f"Accuracy {when(analysis)}"
    return Picture(
        key, title, columns, on, lines, legend([*lines, *rest], f"mean of {named}", f"{paper(analysis)}, best epoch"), more
    )


def _values(analysis: Analysis, rows: Sequence[Row]) -> Iterator[float]:
    for row in rows:
        yield from row.cell.accuracies(analysis.metric).values()
        bounds = _bounds(analysis, row)
        yield from (bounds.low, bounds.high) if bounds else ()
        yield from () if row.cell.report is None else (row.cell.report,)


def _bounds(analysis: Analysis, row: Row) -> Interval | None:
    """Return the interval of a mean from three seeds on: of two it is wider than all else."""
    return row.means[analysis.metric].interval() if row.samples[analysis.metric].n > 2 else None


def _seeds(analysis: Analysis, row: Row, on: Scale, line: float | None, decided: bool) -> Strip:
    found, mean, report = row.cell.accuracies(analysis.metric), row.samples[analysis.metric].mean, row.cell.report
    known = mean is not None and not math.isnan(mean)
    return Strip(
        seeds=[
            Mark(on.at(value), f"seed {seed}: {percent(value)} %") for seed, value in found.items() if not math.isnan(value)
        ],
        mean=on.at(mean) if known and mean is not None and len(found) > 1 else None,
        ends=ends(_bounds(analysis, row), on),
        decided=decided,
        report=None if report is None else Mark(on.at(report), f"{paper(analysis)}: {percent(report)} %"),
        line=None if line is None or math.isnan(line) else on.at(line),
    )


def _accuracy(analysis: Analysis, row: Row) -> Value:
    found, planned, why = row.samples[analysis.metric], row.cell.planned, lacking(row.cell)
    if not found.n:
        return Value(why or f"no {analysis.metric}")
    counted = f"n = {found.n}" + (f" of {planned}" if found.n < planned else "")
    return Value(mean_text(row, analysis.metric), f"{counted}; {why}" if why else counted)


def _cell_details(analysis: Analysis, row: Row, compared: Comparison | None) -> list[str]:
    """Return n, mean and interval, then the difference with its test, then the report's number."""
    found, bounds, number = row.samples[analysis.metric], _bounds(analysis, row), _accuracy(analysis, row)
    parts = [number.under or number.text]
    if found.n and found.mean is not None:
        interval = f", 95 % interval {percent(bounds.low)} to {percent(bounds.high)} %" if bounds else ""
        parts.append(f"{analysis.metric} accuracy {percent(found.mean)} %{interval}")
    if compared and compared.estimate.points is not None:
        parts.append(f"against {compared.other.cell.label}: {estimated(compared.estimate)} points, {tested(compared)}")
    if row.cell.report is not None:
        inside = row.report.inside if row.report else None
        where = (
            "" if inside is None else f", {'inside' if inside else 'outside'} of where one more run of ours would lie (95 %)"
        )
        parts.append(f"{paper(analysis)}: {percent(row.cell.report)} % at its best epoch{where}")
    return parts
