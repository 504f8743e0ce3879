"""What one comparison or effect decides, as a sentence: the difference with its interval, or what would decide it.

Owns the words for each answer. Every number is the analysis'; nothing is said beyond its interval.
"""

from __future__ import annotations

from collections.abc import Sequence

from ablation.records.numbers import duration, exact, p_is, points, spoken
from ablation.reporting.document.next_step import Step, more_seeds
from ablation.reporting.statistics.analysis import Analysis, Comparison, Row, family
from ablation.reporting.statistics.effects import Effect
from ablation.reporting.statistics.estimate import LEVEL, Estimate, Interval, Reason, Scope
from ablation.reporting.statistics.power import MOST, SeedsNeeded, seeds_needed
from ablation.reporting.statistics.sameness import Answer

SCOPES = {Scope.SEEDS_AND_IMAGES: "", Scope.SEEDS: ", for this test set", Scope.IMAGES: ", of these trained models"}
SAME = 0.1  # level of the interval that two one-sided tests rest on
MANY = 100  # seeds a cell beyond which no command is given


def better(comparison: Comparison, next_one: bool = False, known: Scope | None = None) -> str:
    """Say by how much a cell beats another. Its answer is BETTER or WORSE; `known`: see `holds`."""
    one, other, points_ = comparison.row.cell.label, comparison.other.cell.label, comparison.estimate.points or 0.0
    other = f"the next, {other}," if next_one else other
    bounds = interval(comparison.estimate, turned=points_ < 0)
    size = spoken(abs(points_), _width(comparison.estimate))
    if points_ > 0:
        return f"{one} beats {other} by {size} points ({bounds}){holds(comparison.estimate, known)}."
    return f"{one} is {size} points worse than {other} ({bounds}){holds(comparison.estimate, known)}."


def same(comparison: Comparison) -> str:
    """Say that two cells are the same within the stated margin."""
    margin = comparison.decision.margin or 0.0
    found = comparison.estimate.interval(SAME)
    bounds = f" (90 %: {_between(found, ' to ')})" if found else ""
    return f"{comparison.row.cell.label} and {comparison.other.cell.label} are the same within {margin:g} points{bounds}."


def untold(analysis: Analysis, comparison: Comparison, known: Scope | None = None) -> str:
    """Say what is not known of a difference, without a full stop: between which bounds it lies, or why there is no test."""
    estimate = comparison.estimate
    if comparison.mismatches:
        apart = "; ".join(f"{each.kind.value} {each.one}, {each.other}" for each in comparison.mismatches)
        return f"not tested on the same images ({apart})"
    if comparison.decision.interval is None:
        return nothing(estimate)
    planned = family([*analysis.comparisons, *analysis.against])
    adjusted = f", adjusted for {planned} comparisons" if comparison.level < LEVEL and planned > 1 else ""
    return f"between {_between(comparison.decision.interval)} points{adjusted}{holds(estimate, known)}"


def nothing(estimate: Estimate) -> str:
    """Say why there is no test."""
    if estimate.reason is Reason.NO_SPREAD:
        return f"{points(estimate.points)} points, but equal in all seeds, so there is no spread to judge by"
    return estimate.reason.value if estimate.reason else "no test"


def effect(analysis: Analysis, found: Effect, rows: Sequence[Row], known: Scope | None = None) -> tuple[str, Step | None]:
    """Say what an effect comes to, and the step that would decide one that is open."""
    name = found.contrast.name if "." in found.contrast.name else found.contrast.name[:1].upper() + found.contrast.name[1:]
    name = f"{name} ({found.contrast.change})"
    estimate, size = found.estimate, spoken(abs(found.estimate.points or 0.0), _width(found.estimate))
    if found.decision.answer in (Answer.BETTER, Answer.WORSE):
        verb = "gains" if found.decision.answer is Answer.BETTER else "loses"
        bounds = interval(estimate, turned=found.decision.answer is Answer.WORSE)
        return f"{name} {verb} {size} points ({bounds}){holds(estimate, known)}.", None
    if found.decision.answer is Answer.SAME:
        bounds = f" (90 %: {_between(inner, ' to ')})" if (inner := estimate.interval(SAME)) else ""
        return f"{name} changes less than {found.decision.margin:g} points{bounds}.", None
    if found.decision.interval is None:
        return f"{name}: cannot tell, {nothing(estimate)}.", None
    level = LEVEL if found.adjusted is None else found.adjusted.level
    would, step = decides(analysis, estimate, level, list(rows))
    return f"{name}: cannot tell, between {_between(found.decision.interval)} points{would}.", step


def decides(analysis: Analysis, estimate: Estimate, level: float, rows: Sequence[Row]) -> tuple[str, Step | None]:
    """Say how many more seeds would show the difference that matters: the stated one, else the one that was seen."""
    difference = analysis.smallest or abs(estimate.points or 0.0)
    if not round(difference, 6) or estimate.scope not in (Scope.SEEDS, Scope.SEEDS_AND_IMAGES):
        return "", None
    needed = seeds_needed(estimate, difference, level)
    if needed is None:
        return "", None
    wanted = spoken(difference, 0.0 if difference < 0.95 else 2.0)
    if needed.seeds is None or needed.seeds > MANY:
        return f"; {_too_many(needed, wanted, estimate)}", None
    more = max(needed.more or (0,))
    if not more:
        return f"; {wanted} points would most likely have been seen", None
    step = more_seeds(analysis, rows, more)
    time = f" ({duration(step.seconds)})" if step.seconds else ""
    which = "both" if len(rows) == 2 else f"its {len(rows)} cells"
    return f"; {more} more seed{'s'[: more != 1]} of {which}{time} would show {wanted} points", step


def _too_many(needed: SeedsNeeded, wanted: str, estimate: Estimate) -> str:
    """Say that seeds alone will not do."""
    if needed.limit > needed.difference and estimate.images:
        return f"no number of seeds shows {wanted} points on {exact(estimate.images)} test images"
    seeds = exact(needed.seeds) if needed.seeds else f"more than {exact(MOST)}"
    return f"{wanted} points would take {seeds} seeds a cell"


def image_by_image(comparison: Comparison) -> str | None:
    """Say what one seed a side can, without a full stop: of these trained models. None without their correct images."""
    if comparison.won_lost is None or comparison.estimate.p is None:
        return None
    won, lost = comparison.won_lost
    one, other = comparison.row.cell.label, comparison.other.cell.label
    counts = f"{exact(won)} images won, {exact(lost)} lost, {p_is(comparison.estimate.p)}"
    if comparison.estimate.p < LEVEL:
        ahead = one if won > lost else other
        return f"Image by image {ahead} is ahead of {other if won > lost else one} ({counts}), of these trained models alone"
    return f"Image by image {one} and {other} cannot be told apart ({counts}), not even as these trained models"


def interval(estimate: Estimate, turned: bool = False) -> str:
    """Return `95 %: 20.1 to 24.3`, of the size of a difference if `turned`."""
    found = estimate.interval()
    assert found is not None
    low, high = (-found.high, -found.low) if turned else (found.low, found.high)
    return f"95 %: {spoken(low, high - low)} to {spoken(high, high - low)}"


def _between(found: Interval, word: str = " and ") -> str:
    return word.join(spoken(end, found.high - found.low, sign=True) for end in (found.low, found.high))


def _width(estimate: Estimate) -> float:
    found = estimate.interval()
    return 0.0 if found is None else found.high - found.low


def holds(estimate: Estimate, known: Scope | None = None) -> str:
    """Return for what a claim holds, unless that is all or was said before."""
    return "" if estimate.scope is None or estimate.scope is known else SCOPES[estimate.scope]
