"""Differences and effects as pictures: a row each with its points and interval.

Owns what a row shows and says. Computes nothing: every number is the analysis'.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from ablation.reporting.document.picture import (
    ANSWER_CLASSES,
    Line,
    Picture,
    Value,
    decided,
    difference,
    legend,
    more_rows,
    tested,
)
from ablation.reporting.document.sections import plus_minus
from ablation.reporting.document.strips import Scale, Strip, ends, scale
from ablation.reporting.document.text import typeset_cell
from ablation.reporting.statistics.analysis import Analysis, Comparison, Row
from ablation.reporting.statistics.effects import Effect
from ablation.reporting.statistics.estimate import Estimate
from ablation.reporting.statistics.family import Adjusted
from ablation.reporting.statistics.sameness import Decision

EFFECTS = 8  # that stand in the first screen before the rest is folded
NAMED = 8  # cells that a row names before it only counts


def differences(comparisons: Sequence[Comparison], key: str) -> Picture | None:
    """Return a picture of each cell's difference to the other, of the first of very many; None if none has a number."""
    comparisons, _ = more_rows(comparisons, "differences")
    if all(each.estimate.points is None for each in comparisons):
        return None
    others = list(dict.fromkeys(each.other.cell.label for each in comparisons))
    named = others[0] if len(others) == 1 else "its own baseline"
    on = scale([0.0, *_ends([each.estimate for each in comparisons])])
    lines = [
        Line(
            Value(each.row.cell.label),
            _interval(each.estimate, on, each.decision),
            [difference(each)],
            ANSWER_CLASSES.get(each.decision.answer, ""),
            [tested(each)],
        )
        for each in comparisons
    ]
    return Picture(key, f"Against {named}", ["Cell", "", "Points"], on, lines, legend(lines, "no difference"))


def effects(analysis: Analysis) -> Picture | None:
    """Return a picture of what each factor adds, the planned effects first; None if no effect has a number."""
    found = [each for each in analysis.effects if each.contrast.weights]
    if not found:
        return None
    planned = sum(each.adjusted is not None for each in found)
    ranked = sorted(found, key=lambda each: each.adjusted is None)
    first = min(EFFECTS, planned or len(found))
    rest, name = more_rows(ranked[first:], "effects")
    more = _effects(analysis, rest, "effects-more", name) if rest else None
    return replace(_effects(analysis, ranked[:first], "effects", "What each factor adds"), more=more)


def _effects(analysis: Analysis, found: Sequence[Effect], key: str, title: str) -> Picture:
    on = scale([0.0, *_ends([each.estimate for each in found])])
    rows = {group.name: group.rows for group in analysis.groups}
    lines = [_effect(each, on, rows[each.tested_on], len(rows) > 1) for each in found]
    return Picture(key, title, ["Effect", "", "Points"], on, lines, legend(lines, "no effect"))


def _effect(effect: Effect, on: Scale, rows: Sequence[Row], several: bool) -> Line:
    contrast, found = effect.contrast, effect.estimate
    test = _tested(effect.decision, found.p, effect.adjusted)
    # a mean over all other levels needs no list of them; the details name its cells
    of = contrast.change if effect.adjusted and len(contrast.weights) > 2 else contrast.of
    whole = "sum" if contrast.kind == "interaction" else "mean"
    sides = [
        f"{words} {_listed([rows[cell].cell.label for cell, weight in contrast.weights.items() if weight * sign > 0])}"
        for words, sign in ((f"{whole} of", 1), ("minus that of", -1))
    ]
    details = [f"{test} ({found.scope.value})" if found.scope else test, *sides]
    answer = ANSWER_CLASSES.get(effect.decision.answer, "")
    label = Value(contrast.name[:1].upper() + contrast.name[1:], typeset_cell(f"{of}, {effect.tested_on}" if several else of))
    return Line(label, _interval(found, on, effect.decision), [Value(plus_minus(found), test)], answer, details)


def _listed(labels: Sequence[str]) -> str:
    return ", ".join(labels) if len(labels) <= NAMED else f"{len(labels)} cells"


def _tested(decision: Decision, p: float | None, adjusted: Adjusted | None) -> str:
    if adjusted is None:
        return f"exploratory: {decided(decision, p)}"
    return decided(decision, adjusted.adjusted)


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
        decided=decision.answer in ANSWER_CLASSES,
        line=on.at(0.0),
    )
