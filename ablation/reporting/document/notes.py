"""The lines under a grid: which test its numbers are of, for what they hold, how much seeds scatter.

Owns these words; the numbers are the analysis'.
"""

from __future__ import annotations

from collections.abc import Sequence

from ablation.records.numbers import percent
from ablation.reporting.statistics.analysis import Analysis, Comparison, family
from ablation.reporting.statistics.effects import Effect
from ablation.reporting.statistics.estimate import LEVEL, Estimate, Scope
from ablation.reporting.statistics.power import POWER

NAMED = 8  # cells that a line names before it only counts
TESTS = {
    Scope.SEEDS_AND_IMAGES: "over seeds and test images (variance components, Student's t)",
    Scope.SEEDS: "over seeds, for this test set (Welch's t): no correct images are here",
    Scope.IMAGES: "of these trained models, image by image: a cell has one seed",
}
SCOPE_NAMES = {
    Scope.SEEDS_AND_IMAGES: "over seeds and test images",
    Scope.SEEDS: "over seeds, for this test set",
    Scope.IMAGES: "image by image, of these trained models",
}


def comparison_lines(analysis: Analysis, comparisons: Sequence[Comparison]) -> list[str]:
    """Say what the numbers of a grid of differences are, and which cells have none, and why."""
    planned = family([*analysis.comparisons, *analysis.against])
    lines = _scopes([each.estimate for each in comparisons])
    if any(each.p is not None for each in comparisons):
        adjusted = f"p: two-sided, Holm over {planned}" if planned > 1 else "p: two-sided"
        alone = "interval 95 % and P(better), 1 minus Student's one-sided p, of one difference alone"
        alone += ": p decides" if planned > 1 else ""
        lines.append(f"{adjusted}; {alone}; detects: shown with a power of {100 * POWER:.0f} %")
    if any(each.won_lost for each in comparisons):
        lines.append("won : lost: test images that a larger share of the cell's seeds, of the other's, has right")
    return [*lines, *reason_lines(comparisons)]


def test_lines(tested: Sequence[Comparison] | Sequence[Effect], planned: int) -> list[str]:
    """Say in one line what the numbers of one test a row are: the interval, the adjustment, for what it holds."""
    scopes = [each.estimate.scope for each in tested if each.estimate.scope]
    if not scopes:
        return []
    apart = any(each.adjusted and each.adjusted.level < LEVEL for each in tested)  # interval and p can disagree
    p = f"p {'decides: ' if apart else ''}two-sided{f', Holm over {planned}' if planned > 1 else ''}"
    several = len({*scopes}) > 1
    counts = [f"{SCOPE_NAMES[scope]}{f' ({scopes.count(scope)})' if several else ''}" for scope in Scope if scope in scopes]
    return [f"± 95 % of one difference{' alone' if apart else ''}; {p}; {', '.join(counts)}"]


def effect_lines(effects: Sequence[Effect]) -> list[str]:
    """Say what the numbers of a grid of effects are, and of which nothing is known."""
    planned = sum(effect.adjusted is not None for effect in effects)
    lines = _scopes([effect.estimate for effect in effects])
    if planned:
        lines.append(
            f"p: two-sided, Holm over {planned} planned effects, and p decides; exploratory ones stand without an adjustment"
        )
    missing = [f"{effect.contrast.name} ({effect.contrast.change})" for effect in effects if not effect.contrast.weights]
    if missing:
        lines.append(f"no runs for: {_some(missing)}")
    left = list(dict.fromkeys(place for effect in effects for place in effect.contrast.without))
    return lines + ([f"means over other factors leave out what has no result: {_some(left)}"] if left else [])


def margin_line(analysis: Analysis) -> list[str]:
    """Say which difference counts as none, who stated it, and which test that is."""
    if analysis.smallest is None:
        return []
    by = "the study" if analysis.study.get("smallest") == analysis.smallest else "--smallest"
    tests = '"the same" rests on two one-sided tests at 5 %: a 90 % interval within that'
    return [f"smallest difference that matters: {analysis.smallest:g} points, stated by {by}; {tests}"]


def spread_line(analysis: Analysis) -> list[str]:
    """Say how much an accuracy scatters over seeds."""
    spread = analysis.spread
    if spread is None:
        return []
    bounds = f"{percent(spread.interval.low)} to {percent(spread.interval.high)}"
    return [
        f"an accuracy scatters over seeds by {percent(spread.sd)} points (sd of {spread.runs} runs, pooled; 95 %: {bounds})"
    ]


def _scopes(estimates: Sequence[Estimate]) -> list[str]:
    """Say for what the tests of some estimates hold, with how many of each where they differ."""
    scopes = [estimate.scope for estimate in estimates if estimate.scope]
    distinct = [scope for scope in Scope if scope in scopes]
    counts = {scope: f" ({scopes.count(scope)})" if len(distinct) > 1 else "" for scope in distinct}
    return [f"test{counts[scope]}: {TESTS[scope]}" for scope in distinct]


def reason_lines(comparisons: Sequence[Comparison]) -> list[str]:
    """Name the cells that have no test by their reason."""
    lines = []
    for reason in dict.fromkeys(each.estimate.reason for each in comparisons if each.estimate.reason):
        cells = [each.row.cell.label for each in comparisons if each.estimate.reason is reason]
        apart = dict.fromkeys(
            f"{mismatch.kind.value} {mismatch.one} and {mismatch.other}"
            for each in comparisons
            if each.estimate.reason is reason
            for mismatch in each.mismatches
        )
        lines.append(f"no test of {_some(cells)}: {reason.value}{f' ({_some(list(apart))})' if apart else ''}")
    return lines


def _some(names: Sequence[str]) -> str:
    more = [f"{len(names) - NAMED} more"] if len(names) > NAMED else []
    return ", ".join([*names[:NAMED], *more])
