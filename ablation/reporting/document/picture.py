"""The table as a picture: a row a cell with its seeds, mean and interval, and a row a difference or an effect.

Owns what a row shows and says. Computes nothing: every number is the analysis'. A missing number is a word, never a mark.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ablation.records.numbers import exact, p_is, percent
from ablation.reporting.document.sections import estimated, first, mean_text, plus_minus
from ablation.reporting.document.strips import Mark, Scale, Strip, ends, scale
from ablation.reporting.document.text import typeset_cell
from ablation.reporting.document.verdict import WHEN
from ablation.reporting.statistics.analysis import Analysis, Comparison, Group, Row
from ablation.reporting.statistics.cells import lacking
from ablation.reporting.statistics.effects import Effect
from ablation.reporting.statistics.estimate import Estimate, Interval
from ablation.reporting.statistics.family import Adjusted
from ablation.reporting.statistics.sameness import Answer, Decision

EFFECTS = 8  # that stand in the first screen before the rest is folded
MOST = 40  # rows of a picture beyond those of the first screen: the tables have all
WORDS = {Answer.BETTER: "better", Answer.WORSE: "worse", Answer.SAME: "same"}


@dataclass(frozen=True)
class Said:
    """A number with its interval, and in small what qualifies it."""

    text: str
    under: str = ""


@dataclass(frozen=True)
class Line:
    """One row of a picture."""

    label: Said
    strip: Strip
    said: Sequence[Said]  # as many as the picture's columns beyond label and strip
    answer: str = ""  # better, worse, same; empty where nothing is decided
    details: Sequence[str] = ()  # sentences, shown when the row is pointed at
    runs: Sequence[dict[str, Any]] = ()  # of the cell


@dataclass(frozen=True)
class Picture:
    """Rows on one scale, and those that matter less."""

    key: str
    title: str
    columns: Sequence[str]  # of label, strip and what is said
    scale: Scale
    lines: Sequence[Line]
    legend: Sequence[tuple[str, str]]  # mark, words
    more: Picture | None = None


def cells(analysis: Analysis) -> list[Picture]:
    """Return a picture of the accuracies for each kind of test images."""
    shown, _ = first(analysis)
    chosen = {id(row) for row in shown}
    several = len(analysis.groups) > 1
    return [_cells(analysis, group, chosen, place if several else 0) for place, group in enumerate(analysis.groups, 1)]


def _cells(analysis: Analysis, group: Group, chosen: set[int], place: int) -> Picture:
    against = {id(each.row): each for each in analysis.comparisons}
    baselines = list(dict.fromkeys(against[id(row)].other.cell.label for row in group.rows if id(row) in against))
    named = baselines[0] if len(baselines) == 1 else "its own baseline"
    on = scale(_values(analysis, group.rows))
    compared_with = {id(each.other): each.other for each in against.values()}
    few = all(id(row) in chosen for row in group.rows)
    rows = group.rows if few else sorted(group.rows, key=lambda row: -(row.samples[analysis.metric].mean or 0.0))

    def line(row: Row) -> Line:
        compared = against.get(id(row))
        said = [_accuracy(analysis, row), *([_difference(compared)] if baselines else [])]
        other = compared.other if compared else compared_with.get(id(row))
        answer = WORDS.get(compared.decision.answer, "") if compared else ""
        strip = _seeds(analysis, row, on, other.samples[analysis.metric].mean if other else None, bool(answer))
        return Line(Said(row.cell.label), strip, said, answer, _cell_details(analysis, row, compared), row.cell.runs)

    columns = ["Cell", "", "Mean, %", *([f"Against {named}, points"] if baselines else [])]
    key = f"cells-{place}" if place else "cells"
    lines = [line(row) for row in rows if id(row) in chosen]
    others = [row for row in rows if id(row) not in chosen]
    rest = [line(row) for row in others[:MOST]]
    more = Picture(f"{key}-more", _more(len(others), "cells"), columns, on, rest, []) if rest else None
    title = f"{group.name}: accuracy {WHEN[analysis.metric]}" if group.name else f"Accuracy {WHEN[analysis.metric]}"
    return Picture(key, title, columns, on, lines, _legend([*lines, *rest], f"mean of {named}"), more)


def _more(number: int, what: str) -> str:
    return f"{exact(number)} more {what}" + (f", the first {MOST} of them" if number > MOST else "")


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
        report=None if report is None else Mark(on.at(report), f"the report: {percent(report)} %"),
        line=None if line is None or math.isnan(line) else on.at(line),
    )


def _accuracy(analysis: Analysis, row: Row) -> Said:
    found, planned, why = row.samples[analysis.metric], len(row.cell.runs), lacking(row.cell)
    if not found.n:
        return Said(why or f"no {analysis.metric}")
    counted = f"n = {found.n}" + (f" of {planned}" if found.n < planned else "")
    return Said(mean_text(row, analysis.metric), f"{counted}; {why}" if why else counted)


def _difference(compared: Comparison | None) -> Said:
    """Return the difference with its decision; of a cell without a result nothing, since its mean says why."""
    if compared is None:
        return Said("")
    found = compared.estimate
    if found.points is None:
        return Said(found.reason.value if found.reason and compared.row.cell.done else "")
    return Said(plus_minus(found), _decision(compared.decision, compared.p))


def _decision(decision: Decision, p: float | None) -> str:
    return decision.answer.value + (f", {p_is(p)}" if p is not None else "")


def _cell_details(analysis: Analysis, row: Row, compared: Comparison | None) -> list[str]:
    """Return n, mean and interval, then the difference with its test, then the report's number."""
    found, bounds, number = row.samples[analysis.metric], _bounds(analysis, row), _accuracy(analysis, row)
    parts = [number.under or number.text]
    if found.n and found.mean is not None:
        interval = f", 95 % interval {percent(bounds.low)} to {percent(bounds.high)} %" if bounds else ""
        parts.append(f"{analysis.metric} accuracy {percent(found.mean)} %{interval}")
    if compared and compared.estimate.points is not None:
        parts.append(f"against {compared.other.cell.label}: {estimated(compared.estimate)} points, {_test(compared)}")
    if row.cell.report is not None:
        inside = row.report.inside if row.report else None
        where = (
            "" if inside is None else f", {'inside' if inside else 'outside'} of where one more run of ours would lie (95 %)"
        )
        parts.append(f"the report: {percent(row.cell.report)} % at its best epoch{where}")
    return parts


def _test(compared: Comparison) -> str:
    scope = compared.estimate.scope
    return _decision(compared.decision, compared.p) + (f" ({scope.value})" if scope else "")


def differences(comparisons: Sequence[Comparison], key: str) -> Picture | None:
    """Return a picture of each cell's difference to the other, of the first MOST; None if none has a number."""
    comparisons = comparisons[:MOST]
    if all(each.estimate.points is None for each in comparisons):
        return None
    others = list(dict.fromkeys(each.other.cell.label for each in comparisons))
    named = others[0] if len(others) == 1 else "its own baseline"
    on = scale([0.0, *_ends([each.estimate for each in comparisons])])
    lines = [
        Line(
            Said(each.row.cell.label),
            _interval(each.estimate, on, each.decision),
            [_difference(each)],
            WORDS.get(each.decision.answer, ""),
            [_test(each)],
        )
        for each in comparisons
    ]
    return Picture(key, f"Against {named}", ["Cell", "", "Points"], on, lines, _legend(lines, "no difference"))


def effects(analysis: Analysis) -> Picture | None:
    """Return a picture of what each factor adds, the planned effects first; None if no effect has a number."""
    found = [each for each in analysis.effects if each.contrast.weights]
    if not found:
        return None
    planned = sum(each.adjusted is not None for each in found)
    ranked = sorted(found, key=lambda each: each.adjusted is None)
    first = min(EFFECTS, planned or len(found))
    rest = ranked[first : first + MOST]
    more = _effects(analysis, rest, "effects-more", _more(len(found) - first, "effects")) if rest else None
    return replace(_effects(analysis, ranked[:first], "effects", "What each factor adds"), more=more)


def _effects(analysis: Analysis, found: Sequence[Effect], key: str, title: str) -> Picture:
    on = scale([0.0, *_ends([each.estimate for each in found])])
    rows = {group.name: group.rows for group in analysis.groups}
    lines = [_effect(each, on, rows[each.tested_on], len(rows) > 1) for each in found]
    return Picture(key, title, ["Effect", "", "Points"], on, lines, _legend(lines, "no effect"))


def _effect(effect: Effect, on: Scale, rows: Sequence[Row], several: bool) -> Line:
    contrast, found = effect.contrast, effect.estimate
    test = _tested(effect.decision, found.p, effect.adjusted)
    # a mean over all other levels needs no list of them; the details name its cells
    of = contrast.change if effect.adjusted and len(contrast.weights) > 2 else contrast.of
    sides = {
        word: ", ".join(rows[cell].cell.label for cell, weight in contrast.weights.items() if weight * sign > 0)
        for word, sign in (("mean of", 1), ("minus that of", -1))
    }
    details = [f"{test} ({found.scope.value})" if found.scope else test, *(f"{word} {names}" for word, names in sides.items())]
    answer = WORDS.get(effect.decision.answer, "")
    label = Said(contrast.name[:1].upper() + contrast.name[1:], typeset_cell(f"{of}, {effect.tested_on}" if several else of))
    return Line(label, _interval(found, on, effect.decision), [Said(plus_minus(found), test)], answer, details)


def _tested(decision: Decision, p: float | None, adjusted: Adjusted | None) -> str:
    if adjusted is None:
        return f"exploratory: {_decision(decision, p)}"
    return _decision(decision, adjusted.adjusted)


def _ends(estimates: Sequence[Estimate]) -> Iterator[float]:
    for each in estimates:
        bounds = each.interval()
        yield from (bounds.low, bounds.high) if bounds else ()
        yield from () if each.points is None else (each.points,)


def _interval(found: Estimate, on: Scale, decision: Decision) -> Strip:
    known = found.points is not None and not math.isnan(found.points)
    return Strip(
        mean=on.at(found.points) if known and found.points is not None else None,
        ends=ends(found.interval(), on),
        decided=decision.answer in WORDS,
        line=on.at(0.0),
    )


def _legend(lines: Sequence[Line], line: str) -> list[tuple[str, str]]:
    """Return the marks that some row has, with what they mean."""
    strips = [each.strip for each in lines]
    mean = ("mean", "mean with 95 % interval") if any(strip.ends for strip in strips) else ("point", "mean")
    entries = [
        ("seed", "one seed", any(strip.seeds for strip in strips)),
        (*mean, any(strip.mean is not None and not strip.decided for strip in strips)),
        ("decided", "decided", any(strip.mean is not None and strip.decided for strip in strips)),
        ("report", "the report, best epoch", any(strip.report for strip in strips)),
        ("line", line, any(strip.line is not None for strip in strips)),
    ]
    return [(mark, words) for mark, words, there in entries if there]
