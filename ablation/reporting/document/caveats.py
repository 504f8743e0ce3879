"""What qualifies a verdict: missing runs, the choice of the epoch, a lone seed, a contrast without its cells, the report.

Owns these sentences. Every number is the analysis'.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ablation.records.numbers import percent, spoken
from ablation.reporting.document.claims import Fact
from ablation.reporting.document.next_step import new_cells
from ablation.reporting.document.reported import paper
from ablation.reporting.read.frame import plain
from ablation.reporting.statistics.analysis import Analysis, Comparison, Group, Row
from ablation.reporting.statistics.config_keys import shown

NAMED = 3  # cells or kinds of images that a sentence lists before it only counts
RESULTS = ("done", "diverged", "unneeded")  # the last is of a sweep in rounds, and needs none


def provisional(analysis: Analysis) -> str:
    """Return what a headline begins with while runs have no result: `Provisional, 2 of 9 planned runs missing: `."""
    lacking = {word: number for word, number in sorted(analysis.outcomes.items()) if word not in RESULTS and number}
    if not lacking:
        return ""
    total = analysis.outcomes.total() - analysis.outcomes["unneeded"]
    named = ", ".join(f"{number} {word}" for word, number in lacking.items())
    what = next(iter(lacking)) if len(lacking) == 1 else f"without a result ({named})"
    return f"Provisional, {sum(lacking.values())} of {total} planned runs {what}: "


def turned(main: Comparison | None, when: str, headline: str) -> list[Fact]:
    """Say at which epoch the order of the headline's two cells is the other way round."""
    if main is None or not main.turned:
        return []
    for epoch, points in (("best", main.best or 0.0), ("last", main.last or 0.0)):
        if points * (main.estimate.points or 0.0) < 0:
            ahead = f"{(main.row if points > 0 else main.other).cell.label} is {spoken(abs(points), 0.0)} points ahead"
            start = f"At the {epoch} epoch" if when in headline else f"That is {when}; at the {epoch} epoch"
            return [Fact(f"{start} it is the other way round: {ahead}.", must=True)]
    return []


def lone(analysis: Analysis, group: Group) -> list[Fact]:
    """Say which cell of one seed lies above the winner."""
    if not (group.single and group.winner):
        return []
    mean = percent(group.single.samples[analysis.metric].mean or 0.0)
    return [Fact(f"{group.single.cell.label} stands higher, {mean} %, but one seed makes no winner.", must=True)]


def diverged(analysis: Analysis) -> list[Fact]:
    """Say which cells diverged: a result, but no part of any mean."""
    named = [
        f"{row.cell.label} diverged in {number} of {row.cell.planned} runs"
        for row in analysis.rows
        if (number := sum(run["outcome"] == "diverged" for run in row.cell.runs))
    ]
    return [Fact(f"{listed(named)}; no mean contains a diverged run.", must=True)] if named else []


def reports(analysis: Analysis) -> list[Fact]:
    """Say which of the report's numbers lie where one more run of ours would not, the farthest first, and how many do."""
    beside = [(row.cell.label, row.report) for row in analysis.rows if row.report and row.report.inside is not None]
    if not beside:
        return []
    outside = sorted(
        ((label, each.gap or 0.0) for label, each in beside if not each.inside), key=lambda each: -round(abs(each[1]), 6)
    )
    start, where = f"Beside {paper(analysis)}, at the best epoch:", "the 95 % range of one more run"
    agree = len(beside) - len(outside)
    count = f"{agree or 'none'} of {len(beside)} agree{'s'[: agree < 2]}"
    if not outside:
        return [Fact(f"{start} {count}, within {where}.")]
    sides = [(label, spoken(abs(gap), 0.0), "above" if gap > 0 else "below") for label, gap in outside]
    first = "{} is {} points {} it".format(*sides[0])
    if len(sides) > NAMED:
        return [Fact(f"{start} {len(sides)} of {len(beside)} lie outside {where}, the farthest: {first}; {count}.")]
    return [Fact(f"{start} {', '.join([first, *map(' '.join, sides[1:])])}, outside {where}; {count}.")]


def missing(analysis: Analysis, groups: Sequence[Group]) -> list[Fact]:
    """Say what the study's headline contrast lacks: once, or of each kind of test images where they differ in it."""
    found = [(group, fact) for group in groups if (fact := _missing(analysis, group))]
    if len(found) == len(groups) and len({fact.text for _, fact in found}) == 1:
        return [found[0][1]]
    return [Fact(f"{group.name}: w{fact.text[1:]}", fact.step, must=True) for group, fact in found]


def _missing(analysis: Analysis, group: Group) -> Fact | None:
    """Say of which of its two levels there is no run, no result, or none that shares all else; None where it has a value."""
    name = str(analysis.study.get("headline"))
    change = (analysis.study.get("contrasts") or {}).get(name)
    own = [each.contrast for each in analysis.effects if each.tested_on == group.name and each.contrast.kind == "contrast"]
    contrast = next((each for each in own if each.name == name), None)
    if not change or (contrast and contrast.weights):
        return None
    sides = [{key: plain(levels[end]) for key, levels in change.items()} for end in (0, 1)]
    named = f"{name} ({' -> '.join(' '.join(map(shown, side.values())) for side in sides)})"
    absent = [side for side in sides if not any(_has(row, side) for row in group.rows)]
    without = [side for side in sides if not any(_has(row, side) and row.samples[analysis.metric].n for row in group.rows)]
    if absent:
        values = {key: ",".join(dict.fromkeys(shown(side[key]) for side in absent)) for key in change}
        text = f"no run has {' or '.join(map(_typed, absent))}; add {'both' if len(absent) > 1 else 'it'} to the sweep"
        step = new_cells(analysis, values, f"to decide what {named} adds")
        return Fact(f"What {named} adds is not known: {text}.", step, must=True)
    if without:
        text = f"no run with {' or '.join(map(_typed, without))} has a result"
    elif contrast:
        text = f"missing {listed(contrast.missing)}"
    else:
        return None  # the same sum of cells as another contrast
    return Fact(f"What {named} adds is not known yet: {text}.", must=True)


def _has(row: Row, side: Mapping[str, Any]) -> bool:
    return side.items() <= row.cell.config.items()


def _typed(side: Mapping[str, Any]) -> str:
    return " ".join(f"{key}={shown(value)}" for key, value in side.items())


def listed(names: Sequence[str]) -> str:
    """Return the first names, and how many more there are."""
    more = [f"{len(names) - NAMED} more"] if len(names) > NAMED else []
    return ", ".join([*names[:NAMED], *more])
