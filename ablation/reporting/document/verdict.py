"""The verdict: a headline and at most four sentences, one fact each, that a paper could print.

Owns which facts stand in it, and in which order. Their words are `claims`'; every number is the analysis'.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ablation.records.numbers import duration, percent
from ablation.reporting.document import caveats, claims
from ablation.reporting.document.claims import Fact
from ablation.reporting.document.next_step import Step, more_seeds
from ablation.reporting.read.frame import WORDS
from ablation.reporting.statistics.analysis import Analysis, Comparison, Group, Row
from ablation.reporting.statistics.effects import Effect
from ablation.reporting.statistics.estimate import Scope
from ablation.reporting.statistics.sameness import Answer

MOST = 4  # sentences under the headline
EFFECTS = 3  # of them that are about effects
NAMED = 3  # cells, at most, that a headline names
STEPS = 2  # commands for what is open
WHEN = {
    "last": "at the last epoch",
    "best": "at the epoch best on the test set",
    "val": "at the epoch best on held-out images",
}


def when(analysis: Analysis) -> str:
    """Return which epoch's accuracy is compared; `logged` is what another program's runs say of theirs."""
    return str(analysis.study.get("logged") or WHEN[analysis.metric])


@dataclass(frozen=True)
class Verdict:
    """The headline, the sentences and the commands for what is open."""

    headline: str
    sentences: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()  # that would decide what is open, by the order of the sentences

    def __str__(self) -> str:
        """Return one paragraph."""
        return " ".join((self.headline, *self.sentences))


def verdict(analysis: Analysis) -> Verdict:
    """Return the headline, the facts that matter most, and what is lacking."""
    groups = [group for group in analysis.groups if group.ranked]
    if not groups:
        states = ", ".join(f"{analysis.outcomes[word]} {word}" for word in WORDS if analysis.outcomes[word])
        return Verdict(f"No verdict: none of the planned runs has a {analysis.metric} accuracy ({states}).")
    if len(groups) > 1:
        names = caveats.listed([group.name for group in groups])
        headline = Fact(f"Results on different test images are not compared ({names}).")
        facts = [_joined(f"{group.name}: ", _lead(analysis, group)) for group in groups]
        facts += caveats.missing(analysis, groups)
    else:
        headline, *facts = _argued(analysis, groups[0])
    chosen = _chosen([*facts, *caveats.diverged(analysis)])
    sentences = tuple(fact.text for fact in chosen)
    return Verdict(f"{caveats.provisional(analysis)}{headline.text}", sentences, tuple(_steps([headline, *chosen])))


def _chosen(facts: Sequence[Fact]) -> list[Fact]:
    """Return at most MOST facts in their order: those that must stand, and of the others the first that there is room for."""
    room = MOST - sum(fact.must for fact in facts)
    others = [fact for fact in facts if not fact.must][: max(0, room)]
    return [fact for fact in facts if fact.must or fact in others][:MOST]


def _steps(facts: Sequence[Fact]) -> list[Step]:
    """Return at most STEPS steps that have a command: the first, then the one that adds the fewest seeds, or cells alone."""
    found = [fact.step for fact in facts if fact.step and fact.step.command]
    return [*found[:1], *sorted(found[1:], key=lambda step: step.seeds)][:STEPS]


def _argued(analysis: Analysis, group: Group) -> list[Fact]:
    """Return the headline and the further facts of cells that were tested on the same images, the weightiest first."""
    alone, known = group.winner is None, _known(analysis, group)
    headline, *facts = _one_seed(analysis, group) if alone else _lead(analysis, group)
    planned = None if group.winner is None else _planned(analysis, group.winner)
    if planned is not None and group.next is not None and group.next.other is not planned.other:
        facts.append(_judged(analysis, group.next, next_one=True, known=known))
    facts += caveats.missing(analysis, [group])
    facts += [] if alone else [*_effects(analysis, group, known), *caveats.reports(analysis)]
    turned = caveats.turned(_main(analysis, group), when(analysis), headline.text)
    return [headline, *turned, *facts, *caveats.lone(analysis, group)]


def _known(analysis: Analysis, group: Group) -> Scope | None:
    """Return for what the headline says that it holds; further sentences need not say it again."""
    main = _main(analysis, group)
    return main.estimate.scope if main else None


def _main(analysis: Analysis, group: Group) -> Comparison | None:
    """Return the comparison of the headline: the winner with its baseline, else with the next."""
    planned = _planned(analysis, group.winner) if group.winner else None
    return planned or group.next or group.single_next


def _planned(analysis: Analysis, row: Row) -> Comparison | None:
    """Return a cell's comparison with its baseline."""
    return next((each for each in analysis.comparisons if each.row is row), None)


def _joined(prefix: str, facts: Sequence[Fact]) -> Fact:
    return Fact(prefix + " ".join(fact.text for fact in facts), facts[-1].step)


def _lead(analysis: Analysis, group: Group) -> list[Fact]:
    """Say whether the best cell beats its baseline, or the next where it has none or is one; then what is not decided."""
    best = group.winner or group.ranked[0]
    main = _planned(analysis, best) or group.next or group.single_next
    if main is None or group.winner is None:
        others = "there is no other cell to compare it with"
        if len(analysis.rows) > 1:
            others = "no other cell has two seeds" if len(group.ranked) > 1 else "no other cell has a result"
        more = f"; {others}" if main is None or main.estimate.points is None else ""
        return [Fact(f"{best.cell.label} reaches {_mean(analysis, best)}{more}.")]
    if main.decision.answer not in (Answer.CANNOT_TELL, Answer.NO_TEST):
        return [_judged(analysis, main, next_one=main is group.next)]
    other = f"the next, {main.other.cell.label}" if main is group.next else main.other.cell.label
    would, step = _decides(analysis, main)
    detail = f"{claims.undecided(analysis, main)}{would}."
    tied = _tied(analysis, group, best)
    but = "" if main.other in tied else f", but not shown to beat {other}"
    return [
        Fact(f"{_highest(tied)} with {_mean(analysis, best)}{but}."),
        Fact(f"{detail[:1].upper()}{detail[1:]}", step),
    ]


def _tied(analysis: Analysis, group: Group, best: Row) -> list[Row]:
    """Return the cells with the mean and the number of seeds of the best one, it among them."""
    highest = best.samples[analysis.metric]
    samples = [(row, row.samples[analysis.metric]) for row in group.ranked]
    same = [row for row, each in samples if each.n == highest.n and math.isclose(each.mean or 0, highest.mean or 0)]
    return [best, *(row for row in same if row is not best)]


def _highest(tied: Sequence[Row]) -> str:
    """Return the beginning of a headline that names the highest cell, or all that are."""
    names = [row.cell.label for row in tied]
    if len(names) == 1:
        return f"{names[0]} is highest"
    if len(names) > NAMED:
        return f"{names[0]} and {len(names) - 1} more are equal and highest"
    return f"{', '.join(names[:-1])} and {names[-1]} are equal and highest"


def _judged(analysis: Analysis, compared: Comparison, next_one: bool = False, known: Scope | None = None) -> Fact:
    """Say what a comparison decides, or what would decide it."""
    if compared.decision.answer in (Answer.BETTER, Answer.WORSE):
        return Fact(claims.better(compared, next_one, known))
    if compared.decision.answer is Answer.SAME:
        return Fact(claims.same(compared))
    would, step = _decides(analysis, compared)
    other = f"the next, {compared.other.cell.label}" if next_one else compared.other.cell.label
    bounds = claims.undecided(analysis, compared, known)
    return Fact(f"It is undecided whether {compared.row.cell.label} beats {other}: {bounds}{would}.", step)


def _decides(analysis: Analysis, open_: Comparison) -> tuple[str, Step | None]:
    purpose = f"to decide between {open_.row.cell.label} and {open_.other.cell.label}"
    return claims.decides(analysis, open_.estimate, open_.level, [open_.row, open_.other], purpose)


def _mean(analysis: Analysis, row: Row) -> str:
    sample = row.samples[analysis.metric]
    seeds = f"{sample.n} seed{'s'[: sample.n != 1]}"
    return f"{percent(sample.mean or 0.0)} % {when(analysis)} ({seeds})"


def _one_seed(analysis: Analysis, group: Group) -> list[Fact]:
    """Say what one seed a cell can: which is highest, and image by image what holds of these trained models."""
    best = group.ranked[0]
    if len(group.ranked) == 1:
        return _lead(analysis, group)
    highest = percent(best.samples[analysis.metric].mean or 0.0)
    headline = Fact(f"{_highest(_tied(analysis, group, best))} with {highest} %, but one seed a cell decides nothing.")
    found = _planned(analysis, best) or group.single_next
    by_image = claims.image_by_image(found) if found else None
    step = more_seeds(analysis, analysis.rows, 2, "to see how much seeds scatter")
    time = f" ({duration(step.seconds)} of training)" if step.seconds else ""
    more = f"wo more seeds a cell{time} would show how much seeds scatter."
    return [headline, Fact(f"{by_image}; t{more}" if by_image else f"T{more}", step)]


def _effects(analysis: Analysis, group: Group, known: Scope | None) -> list[Fact]:
    """Tell the study's headline contrast, then what is decided, then what is open; contrasts before main effects, by size."""
    wanted = analysis.study.get("headline")
    found = [effect for effect in analysis.effects if effect.tested_on == group.name]
    first = next((effect for effect in found if effect.contrast.kind == "contrast" and effect.contrast.name == wanted), None)
    rest = [effect for effect in found if effect.adjusted is not None and effect is not first]
    rest.sort(key=_weight)
    largest = list({effect.contrast.name: effect for effect in reversed(rest)}.values())[::-1]  # one of each factor before more
    rest = [*(effect for effect in rest if effect in largest), *(effect for effect in rest if effect not in largest)]
    facts = []
    for effect in [*([first] if first else []), *rest]:
        rows = [group.rows[cell] for cell in effect.contrast.weights]
        if rows and effect.estimate.points is not None and not _stands_already(analysis, group, rows):
            facts.append(claims.effect(analysis, effect, rows, known))
    return facts[:EFFECTS]


def _weight(effect: Effect) -> tuple[bool, bool, float]:
    open_ = effect.decision.answer in (Answer.CANNOT_TELL, Answer.NO_TEST)
    return open_, effect.contrast.kind != "contrast", -abs(effect.estimate.points or 0.0)


def _stands_already(analysis: Analysis, group: Group, rows: Sequence[Row]) -> bool:
    """Return True if an effect is a difference of two cells that a sentence before it has."""
    compared = [each for each in (_main(analysis, group), group.next) if each is not None]
    return any({id(row) for row in rows} == {id(each.row), id(each.other)} for each in compared)
