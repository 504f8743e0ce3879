"""What one comparison or effect decides, as a sentence: the difference with its interval, or what would decide it.

Owns the words for each answer. Every number is the analysis'; no sentence claims more than its interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ablation.records.numbers import duration, exact, p_is, points, spoken
from ablation.reporting.document.next_step import Step, more_seeds
from ablation.reporting.statistics.analysis import Analysis, Comparison, Row, family
from ablation.reporting.statistics.contrasts import Contrast
from ablation.reporting.statistics.effects import Effect
from ablation.reporting.statistics.estimate import LEVEL, Estimate, Interval, Reason, Scope
from ablation.reporting.statistics.power import MOST, SeedsNeeded, seeds_needed
from ablation.reporting.statistics.sameness import Answer

SCOPES = {  # for what a claim holds, where that is less than seeds and test images
    Scope.SEEDS_AND_IMAGES: "",
    Scope.SEEDS: "on this test set alone",
    Scope.IMAGES: "of these trained models alone",
}
SAME = 0.1  # level of the interval that two one-sided tests rest on
LONGEST = 30  # characters of other factors' levels that a sentence lists
MANY = 100  # seeds a cell beyond which no command is given


@dataclass(frozen=True)
class Fact:
    """A sentence of the verdict."""

    text: str
    step: Step | None = None  # that would decide what it leaves open
    must: bool = False  # it stands whatever else there is to say


def better(comparison: Comparison, next_one: bool = False, known: Scope | None = None) -> str:
    """Say by how much a cell beats another. Its answer is BETTER or WORSE; `known`: see `holds`."""
    one, other, points_ = comparison.row.cell.label, comparison.other.cell.label, comparison.estimate.points or 0.0
    other = f"the next, {other}," if next_one else other
    bounds = interval(comparison.estimate, turned=points_ < 0)
    size = spoken(abs(points_), _width(comparison.estimate))
    if points_ > 0:
        return f"{one} beats {other} by {size} points ({_listed(bounds, holds(comparison.estimate, known))})."
    return f"{one} is {size} points worse than {other} ({_listed(bounds, holds(comparison.estimate, known))})."


def same(comparison: Comparison) -> str:
    """Say that two cells are the same within the stated margin."""
    margin = comparison.decision.margin or 0.0
    bounds_90 = comparison.estimate.interval(SAME)
    bounds = f" (90 %: {_between(bounds_90)})" if bounds_90 else ""
    return f"{comparison.row.cell.label} and {comparison.other.cell.label} are the same within {margin:g} points{bounds}."


def undecided(analysis: Analysis, comparison: Comparison, known: Scope | None = None) -> str:
    """Say what is known of a difference that is not decided, without a full stop: its bounds, or why there is no test."""
    estimate = comparison.estimate
    if comparison.mismatches:
        apart = "; ".join(f"{each.kind.value} {each.one}, {each.other}" for each in comparison.mismatches)
        return f"not tested on the same images ({apart})"
    if comparison.decision.interval is None:
        return nothing(estimate)
    count = family([*analysis.comparisons, *analysis.against])
    adjusted = _adjusted(analysis, comparison.level, f"{count} comparisons" if count > 1 else "")
    bounds = f"95 %{adjusted}: {_between(comparison.decision.interval)}"
    return f"the difference is {_size(estimate.points, sign=True)} points ({_listed(bounds, holds(estimate, known))})"


def nothing(estimate: Estimate) -> str:
    """Say why there is no test."""
    if estimate.reason is Reason.NO_SPREAD:
        return f"{points(estimate.points)} points, but equal in all seeds, so there is no spread to judge by"
    return estimate.reason.value if estimate.reason else "no test"


def effect(analysis: Analysis, result: Effect, rows: Sequence[Row], known: Scope | None = None) -> Fact:
    """Say what an effect comes to, with the step that would decide one that is open."""
    contrast = result.contrast
    name = f"{contrast.name[:1].upper()}{contrast.name[1:]}" if contrast.kind == "contrast" else f"Changing {contrast.name}"
    name = f"{name} ({', '.join(filter(None, (contrast.change, averaged(contrast))))})"
    estimate, size = result.estimate, spoken(abs(result.estimate.points or 0.0), _width(result.estimate))
    if result.decision.answer in (Answer.BETTER, Answer.WORSE):
        verb = "adds" if result.decision.answer is Answer.BETTER else "costs"
        bounds = interval(estimate, turned=result.decision.answer is Answer.WORSE)
        return Fact(f"{name} {verb} {size} points ({_listed(bounds, holds(estimate, known))}).")
    if result.decision.answer is Answer.SAME:
        bounds = f" (90 %: {_between(inner)})" if (inner := estimate.interval(SAME)) else ""
        return Fact(f"{name} changes accuracy by less than {result.decision.margin:g} points{bounds}.")
    if result.decision.interval is None:
        return Fact(f"{name}: cannot tell, {nothing(estimate)}.")
    level = LEVEL if result.adjusted is None else result.adjusted.level
    would, step = decides(analysis, estimate, level, list(rows), f"to decide what {contrast.name} ({contrast.change}) adds")
    bounds = f"95 %{_adjusted(analysis, level, 'all effects')}: {_between(result.decision.interval)}"
    return Fact(f"{name}: cannot tell, {_size(estimate.points, sign=True)} points ({bounds}){would}.", step)


def averaged(contrast: Contrast) -> str:
    """Return at which levels of other factors an effect is: `averaged over base and cutmix, lr 0.1`."""
    means = [f"{', '.join(levels[:-1])} and {levels[-1]}" for levels in contrast.over if len(levels) > 1]
    alone = [levels[0] for levels in contrast.over if len(levels) == 1]
    listed = ", and over ".join(means)
    mean = f"averaged over {listed if len(listed) <= LONGEST else 'the other factors'}" if means else ""
    return ", ".join(filter(None, (mean, *alone)))


def decides(analysis: Analysis, estimate: Estimate, level: float, rows: Sequence[Row], purpose: str) -> tuple[str, Step | None]:
    """Say how many more seeds would show the difference that matters: the stated one, else the one that was seen."""
    difference = analysis.smallest or abs(estimate.points or 0.0)
    if not round(difference, 2) or estimate.scope not in (Scope.SEEDS, Scope.SEEDS_AND_IMAGES):
        return "", None
    needed = seeds_needed(estimate, difference, level)
    if needed is None:
        return "", None
    wanted = _size(difference)
    supposed = (
        f"; if it is {wanted} points, the smallest that matters,"
        if analysis.smallest
        else f"; if it is really {wanted} points,"
    )
    if needed.seeds is None or needed.seeds > MANY:
        return f"{supposed} {_too_many(needed, estimate)}", None
    more = max(needed.more or (0,))
    if not more:
        return f"; a difference of {wanted} points would most likely have been shown", None
    step = more_seeds(analysis, rows, more, purpose)
    time = f" ({duration(step.seconds)} of training)" if step.seconds else ""
    which = "both" if len(rows) == 2 else f"its {len(rows)} cells"
    return f"{supposed} {more} more seed{'s'[: more != 1]} of {which}{time} would likely show it", step


def _too_many(needed: SeedsNeeded, estimate: Estimate) -> str:
    """Say that seeds alone will not do."""
    if needed.limit > needed.difference and estimate.images:
        return f"no number of seeds would show it on {exact(estimate.images)} test images"
    return f"to show it would take {exact(needed.seeds) if needed.seeds else f'more than {exact(MOST)}'} seeds a cell"


def image_by_image(comparison: Comparison) -> str | None:
    """Say what one seed a side can, without a full stop: of the trained models. None without their correct images."""
    if comparison.won_lost is None or comparison.estimate.p is None:
        return None
    won, lost = comparison.won_lost
    one, other = comparison.row.cell.label, comparison.other.cell.label
    counts = f"{exact(won)} images won, {exact(lost)} lost, {p_is(comparison.estimate.p)}"
    if comparison.estimate.p < LEVEL:
        better, worse = (one, other) if won > lost else (other, one)
        models = f"the trained model of {better} is better than that of {worse} ({counts})"
        return f"Image by image, {models}; training again may give another"
    return f"Image by image, the trained models of {one} and {other} cannot be told apart ({counts})"


def interval(estimate: Estimate, turned: bool = False) -> str:
    """Return `95 %: 20.1 to 24.3`, of the size of a difference if `turned`."""
    bounds = estimate.interval()
    assert bounds is not None
    low, high = (-bounds.high, -bounds.low) if turned else (bounds.low, bounds.high)
    return f"95 %: {spoken(low, high - low)} to {spoken(high, high - low)}"


def _between(bounds: Interval) -> str:
    return " to ".join(spoken(end, bounds.high - bounds.low, sign=True) for end in (bounds.low, bounds.high))


def _size(difference: float | None, sign: bool = False) -> str:
    """Return a difference in points in two digits or more, whatever its interval."""
    return spoken(difference or 0.0, 0.0 if abs(difference or 0.0) < 0.95 else 2.0, sign)


def _adjusted(analysis: Analysis, level: float, over: str) -> str:
    """Return `, adjusted for 7 comparisons`, of an interval wider than one test's own."""
    what = " and ".join(filter(None, (over, "the looks" if analysis.looked else "")))
    return f", adjusted for {what}" if level < LEVEL and what else ""


def _width(estimate: Estimate) -> float:
    bounds = estimate.interval()
    return 0.0 if bounds is None else bounds.high - bounds.low


def _listed(*parts: str) -> str:
    return "; ".join(filter(None, parts))


def holds(estimate: Estimate, known: Scope | None = None) -> str:
    """Return for what a claim holds, unless that is all, or the headline says it."""
    return "" if estimate.scope is None or estimate.scope is known else SCOPES[estimate.scope]
