"""The verdict: what the numbers allow to be said, in sentences that a paper could print.

Owns the words for win, tie and not resolved. Every number comes from the analysis; nothing is claimed beyond its interval.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ablation.records.numbers import exact, images, interval, p_is, percent, points
from ablation.reporting.read.frame import WORDS
from ablation.reporting.statistics.analysis import Analysis, Comparison, Row, family, varying
from ablation.reporting.statistics.images import seeds_to_reject
from ablation.reporting.statistics.per_image import standard_error
from ablation.reporting.statistics.seeds import GRAIN, LEVEL, joined

NAMED = 4  # cells that share the highest mean, before they are only counted


def verdict(analysis: Analysis) -> str:
    """Return one paragraph: the best cell, against the baseline, against the next; the headline contrast; what is lacking."""
    ranked = [row for row in analysis.rows if row.accuracy[analysis.metric].n]
    if not ranked:
        found = ", ".join(f"{analysis.outcomes[word]} {word}" for word in WORDS if analysis.outcomes[word])
        return f"No verdict: none of the planned runs has a {analysis.metric} accuracy ({found})."
    sentences = [_best(analysis, ranked)]
    sentences += _against_baseline(analysis)
    sentences += _against_next(analysis)
    sentences += _headline(analysis)
    return " ".join([*sentences, *_diverged(analysis.rows), *_lacking(analysis)])


def _top(analysis: Analysis, ranked: Sequence[Row]) -> Row:
    return analysis.leaders.row if analysis.leaders else ranked[0]


def _best(analysis: Analysis, ranked: Sequence[Row]) -> str:
    """Name the highest mean, or all that share it."""
    top = _top(analysis, ranked)
    found = top.accuracy[analysis.metric]
    mean = f"{percent(found.mean or 0.0)} %"
    if len(ranked) == 1:
        return f"{top.cell.label} reaches {mean} ({analysis.metric}, {_seeds(found.n)}); {_alone(analysis)}."
    means = [row.accuracy[analysis.metric].mean or 0.0 for row in ranked]
    equal = [row.cell.label for row, each in zip(ranked, means, strict=True) if abs(each - (found.mean or 0.0)) < GRAIN]
    if len(equal) > 1:
        last = equal[-1] if len(equal) <= NAMED else f"{len(equal) - NAMED + 1} more"
        return f"Highest are {', '.join(equal[:-1][: NAMED - 1])} and {last}, equal: {mean} ({analysis.metric})."
    return f"Highest is {top.cell.label}: {mean} ({analysis.metric}, {_seeds(found.n)})."


def _alone(analysis: Analysis) -> str:
    """Say why there is no second cell."""
    return "there is no other cell to compare it with" if len(analysis.rows) == 1 else "no other cell has a result"


def _seeds(n: int) -> str:
    return "1 seed" if n == 1 else f"{n} seeds"


def _against_baseline(analysis: Analysis) -> list[str]:
    """Say whether the best beats its baseline; if the baseline leads, `_against_next` says it all."""
    leader = analysis.leaders.row if analysis.leaders else None
    found = next((comparison for comparison in analysis.comparisons if comparison.row is leader), None)
    if found is None or (analysis.leaders and found.other is analysis.leaders.other):
        return []
    return [f"Against {found.other.cell.label}: {_judged(analysis, found)}"]


def _against_next(analysis: Analysis) -> list[str]:
    """Say whether the best beats the next."""
    if analysis.leaders is None:
        return []
    planned = [comparison for comparison in analysis.comparisons if comparison.row is analysis.leaders.row]
    same = next((comparison for comparison in planned if comparison.other is analysis.leaders.other), None)
    return [f"Against the next, {analysis.leaders.other.cell.label}: {_judged(analysis, same or analysis.leaders)}"]


def _judged(analysis: Analysis, comparison: Comparison) -> str:
    """Return the difference with its evidence and one of: a win, a loss, a tie, not resolved."""
    found = comparison.difference
    estimate = found.estimate
    if not estimate.n:
        return f"not comparable, {found.reasons[0].text}."
    share = (
        f", {images(found.images)} of {exact(analysis.images)} test images"
        if found.images is not None and analysis.images
        else ""
    )
    bounds = f" {interval(estimate.interval.low, estimate.interval.high)}" if estimate.interval else ""
    mixed = varying([comparison.row.cell.config, comparison.other.cell.config], tuple(analysis.study.get("baseline") or ()))
    if analysis.study.get("baseline") and mixed:
        return f"{points(estimate.mean)} points{bounds}{share}, not one factor's: they differ in {', '.join(mixed)} too."
    return f"{points(estimate.mean)} points{bounds}{share}, {_decided(analysis, comparison)}."


def _decided(analysis: Analysis, comparison: Comparison) -> str:
    """Return a win or a loss only where the interval excludes 0 and the adjusted p is below the level."""
    found = comparison.difference
    estimate = found.estimate
    if estimate.n == 1:
        return f"not resolved: one seed says nothing of the spread between seeds{_image_words(analysis, comparison)}"
    if estimate.interval is None:
        reasons = tuple(reason for reason in found.reasons if reason.code != "left-out")
        return f"not resolved: {joined(reasons)}{_image_words(analysis, comparison)}"
    if 0.0 in estimate.interval:
        word = "a tie" if _within_noise(analysis, comparison) else "not resolved"
        return f"{word}: the interval over {estimate.n} seeds holds 0{_image_words(analysis, comparison)}"
    number, p, how = _adjusted(analysis, comparison)
    if p is not None and p < LEVEL:
        return f"a {'win' if (estimate.mean or 0) > 0 else 'loss'} ({p_is(p)}{how and f', {how}'})"
    if found.smallest_p * number >= LEVEL:
        enough = f"it takes at least {seeds_to_reject(number)}"
        few = f"its interval excludes 0, but {estimate.n} seeds are too few for a test"
        return f"{few} ({how or 'one comparison'}: {enough})"
    return f"its interval excludes 0, but {p_is(p)}{how and f', {how}'}: not resolved"


def _within_noise(analysis: Analysis, comparison: Comparison) -> bool:
    """Return True if a difference's whole interval is below the binomial standard error of two accuracies on so many images."""
    number, bounds = analysis.images, comparison.difference.estimate.interval
    means = [each.accuracy[analysis.metric].mean for each in (comparison.row, comparison.other)]
    if number is None or bounds is None:
        return False
    return max(-bounds.low, bounds.high) < math.hypot(*(standard_error(mean, number) for mean in means if mean is not None))


def _adjusted(analysis: Analysis, comparison: Comparison) -> tuple[int, float | None, str]:
    """Return over how many comparisons p is adjusted, p, and how: the two best were chosen by looking at all pairs."""
    found = comparison.difference
    if comparison is not analysis.leaders:
        number = family(analysis)
        return number, found.holm, f"Holm over {number}" if number > 1 else ""
    ranked = sum(row.accuracy[analysis.metric].n > 0 for row in analysis.rows)
    pairs = ranked * (ranked - 1) // 2
    p = None if found.p is None else min(1.0, found.p * pairs)
    return pairs, p, f"Bonferroni over {pairs} pairs" if pairs > 1 else ""


def _image_words(analysis: Analysis, comparison: Comparison) -> str:
    """Add what the images say of these trained models, and at which epoch: it need not be that of `metric`."""
    test = comparison.images
    if test is None:
        return ""
    counts = f"{exact(test.won)} won, {exact(test.lost)} lost, {p_is(test.p)}"
    return f" (image by image at the {analysis.images_at} epoch: {counts}, of these trained models alone)"


def _headline(analysis: Analysis) -> list[str]:
    """Say what the study's headline contrast comes to: the one that it names, else the first that can be computed."""
    wanted = analysis.study.get("headline")
    contrasts = [effect for effect in analysis.effects if effect.contrast.kind == "contrast"]
    effect = next((each for each in contrasts if each.contrast.name == wanted or (not wanted and each.estimate.n)), None)
    if effect is None or not effect.contrast.ended:
        return []
    if effect.estimate.mean is None:
        return [f"What {effect.contrast.name} adds cannot be told ({joined(effect.reasons)})."]
    bounds = effect.estimate.interval
    told = interval(bounds.low, bounds.high) if bounds else f"({effect.reasons[0].text})"
    judged = "not resolved" if bounds is None or 0.0 in bounds else "its interval excludes 0 (not adjusted for other effects)"
    name = effect.contrast.name[:1].upper() + effect.contrast.name[1:]
    return [f"{name}, {effect.contrast.of}: {points(effect.estimate.mean)} points {told}, {judged}."]


def _diverged(rows: Sequence[Row]) -> list[str]:
    """Name cells with diverged runs: that is a result, and their mean is of the others."""
    found = [
        f"{row.cell.label} diverged in {number} of {len(row.cell.runs)} runs"
        for row in rows
        if (number := sum(run["outcome"] == "diverged" for run in row.cell.runs))
    ]
    return [f"{'; '.join(found)}: a result too, and no part of any mean."] if found else []


def _lacking(analysis: Analysis) -> list[str]:
    """Say what has no result yet."""
    lacking = [(word, number) for word, number in sorted(analysis.outcomes.items()) if word not in ("done", "diverged")]
    if not lacking:
        return []
    total, missing = analysis.outcomes.total(), sum(number for _, number in lacking)
    named = ", ".join(f"{number} {word}" for word, number in lacking)
    return [f"Provisional: {missing} of {total} planned runs {'has' if missing == 1 else 'have'} no result ({named})."]
