"""The verdict: a headline and at most four sentences, one fact each, that a paper could print.

Owns which facts stand in it, and in which order. Their words are `claims`'; every number is the analysis'.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ablation.records.numbers import duration, percent, spoken
from ablation.reporting.document import claims
from ablation.reporting.document.next_step import Step, more_seeds, new_cells
from ablation.reporting.read.frame import WORDS, plain
from ablation.reporting.statistics.analysis import Analysis, Comparison, Group, Row
from ablation.reporting.statistics.config_keys import shown
from ablation.reporting.statistics.effects import Effect
from ablation.reporting.statistics.estimate import Scope
from ablation.reporting.statistics.sameness import Answer

MOST = 4  # sentences under the headline
EFFECTS = 3  # of them that are about effects
NAMED = 3  # cells or kinds of images that a sentence lists before it only counts
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
    """The headline, the sentences and the command for what is open."""

    headline: str
    sentences: tuple[str, ...] = ()
    command: str | None = None  # that would decide the first thing that is open

    def __str__(self) -> str:
        """Return one paragraph."""
        return " ".join((self.headline, *self.sentences))


@dataclass(frozen=True)
class _Fact:
    text: str
    step: Step | None = None


def verdict(analysis: Analysis) -> Verdict:
    """Return the headline, the facts that matter most, and what is lacking."""
    groups = [group for group in analysis.groups if group.ranked]
    warnings = [_Fact(text) for text in _warnings(analysis, groups)]
    if not groups:
        states = ", ".join(f"{analysis.outcomes[word]} {word}" for word in WORDS if analysis.outcomes[word])
        return Verdict(f"No verdict: none of the planned runs has a {analysis.metric} accuracy ({states}).")
    if len(groups) > 1:
        names = _listed([group.name for group in groups])
        headline = _Fact(f"Results on different test images are not compared ({names}).")
        facts = [_joined(f"{group.name}: ", _lead(analysis, group)) for group in groups]
    else:
        headline, *facts = _argued(analysis, groups[0])
    chosen = [*facts[: max(0, MOST - len(warnings))], *warnings][:MOST]
    command = next((fact.step.command for fact in (headline, *chosen) if fact.step and fact.step.command), None)
    return Verdict(headline.text, tuple(fact.text for fact in chosen), command)


def _argued(analysis: Analysis, group: Group) -> list[_Fact]:
    """Return the headline and the further facts of cells that were tested on the same images, the weightiest first."""
    if group.winner is None:
        return _one_seed(analysis, group)
    facts, known = _lead(analysis, group), _known(analysis, group)
    planned = _planned(analysis, group.winner)
    if planned is not None and group.next is not None and group.next.other is not planned.other:
        facts.append(_judged(analysis, group.next, next_one=True, known=known))
    return [*facts, *_effects(analysis, group, known), *_reports(analysis)]


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


def _joined(prefix: str, facts: Sequence[_Fact]) -> _Fact:
    return _Fact(prefix + " ".join(fact.text for fact in facts), facts[-1].step)


def _lead(analysis: Analysis, group: Group) -> list[_Fact]:
    """Say whether the best cell beats its baseline, or the next where it has none or is one; then what is not decided."""
    best = group.winner or group.ranked[0]
    main = _planned(analysis, best) or group.next or group.single_next
    if main is None or group.winner is None:
        others = "there is no other cell to compare it with"
        if len(analysis.rows) > 1:
            others = "no other cell has two seeds" if len(group.ranked) > 1 else "no other cell has a result"
        more = f"; {others}" if main is None or main.estimate.points is None else ""
        return [_Fact(f"{best.cell.label} reaches {_mean(analysis, best)}{more}.")]
    if main.decision.answer not in (Answer.CANNOT_TELL, Answer.NO_TEST):
        return [_judged(analysis, main, next_one=main is group.next)]
    other = f"the next, {main.other.cell.label}" if main is group.next else main.other.cell.label
    would, step = claims.decides(analysis, main.estimate, main.level, [main.row, main.other])
    detail = f"{claims.undecided(analysis, main)}{would}."
    return [
        _Fact(f"{best.cell.label} is highest with {_mean(analysis, best)}, but not shown to beat {other}."),
        _Fact(f"{detail[:1].upper()}{detail[1:]}", step),
    ]


def _judged(analysis: Analysis, compared: Comparison, next_one: bool = False, known: Scope | None = None) -> _Fact:
    """Say what a comparison decides, or what would decide it."""
    if compared.decision.answer in (Answer.BETTER, Answer.WORSE):
        return _Fact(claims.better(compared, next_one, known))
    if compared.decision.answer is Answer.SAME:
        return _Fact(claims.same(compared))
    would, step = claims.decides(analysis, compared.estimate, compared.level, [compared.row, compared.other])
    other = f"the next, {compared.other.cell.label}" if next_one else compared.other.cell.label
    bounds = claims.undecided(analysis, compared, known)
    return _Fact(f"It is undecided whether {compared.row.cell.label} beats {other}: {bounds}{would}.", step)


def _mean(analysis: Analysis, row: Row) -> str:
    sample = row.samples[analysis.metric]
    seeds = f"{sample.n} seed{'s'[: sample.n != 1]}"
    return f"{percent(sample.mean or 0.0)} % {when(analysis)} ({seeds})"


def _one_seed(analysis: Analysis, group: Group) -> list[_Fact]:
    """Say what one seed a cell can: which is highest, and image by image what holds of these trained models."""
    best = group.ranked[0]
    if len(group.ranked) == 1:
        return _lead(analysis, group)
    highest = percent(best.samples[analysis.metric].mean or 0.0)
    headline = _Fact(f"One seed a cell decides nothing: {best.cell.label} is highest, {highest} %.")
    found = _planned(analysis, best) or group.single_next
    by_image = claims.image_by_image(found) if found else None
    step = more_seeds(analysis, analysis.rows, 2)
    time = f" ({duration(step.seconds)} of training)" if step.seconds else ""
    more = f"wo more seeds a cell{time} would show how much seeds scatter."
    facts = [_Fact(f"{by_image}; t{more}" if by_image else f"T{more}", step)]
    return [headline, *facts, *_effects(analysis, group, missing_alone=True)]


def _effects(analysis: Analysis, group: Group, known: Scope | None = None, missing_alone: bool = False) -> list[_Fact]:
    """Tell the study's headline contrast, then what is decided, then what is open; contrasts before main effects, by size."""
    wanted = analysis.study.get("headline")
    found = [effect for effect in analysis.effects if effect.tested_on == group.name]
    first = next((effect for effect in found if effect.contrast.kind == "contrast" and effect.contrast.name == wanted), None)
    facts = [fact for fact in [_missing(analysis, first)] if fact] if first else []
    if missing_alone:
        return facts
    rest = [effect for effect in found if effect.adjusted is not None and effect is not first]
    rest.sort(key=_weight)
    largest = list({effect.contrast.name: effect for effect in reversed(rest)}.values())[::-1]  # one of each factor before more
    rest = [*(effect for effect in rest if effect in largest), *(effect for effect in rest if effect not in largest)]
    for effect in [*([first] if first else []), *rest]:
        rows = [group.rows[cell] for cell in effect.contrast.weights]
        if rows and effect.estimate.points is not None and not _stands_already(analysis, group, rows):
            facts.append(_Fact(*claims.effect(analysis, effect, rows, known)))
    return facts[:EFFECTS]


def _weight(effect: Effect) -> tuple[bool, bool, float]:
    open_ = effect.decision.answer in (Answer.CANNOT_TELL, Answer.NO_TEST)
    return open_, effect.contrast.kind != "contrast", -abs(effect.estimate.points or 0.0)


def _stands_already(analysis: Analysis, group: Group, rows: Sequence[Row]) -> bool:
    """Return True if an effect is a difference of two cells that a sentence before it has."""
    compared = [each for each in (_main(analysis, group), group.next) if each is not None]
    return any({id(row) for row in rows} == {id(each.row), id(each.other)} for each in compared)


def _missing(analysis: Analysis, effect: Effect) -> _Fact | None:
    """Say which control the headline contrast lacks; nothing where the study has no cell that it ends in."""
    if effect.contrast.weights or not effect.contrast.ended:
        return None
    change = (analysis.study.get("contrasts") or {}).get(effect.contrast.name) or {}
    for end in (0, 1):
        side = {key: plain(levels[end]) for key, levels in change.items()}
        if not any(side.items() <= row.cell.config.items() for row in analysis.rows):
            added = " ".join(f"{key}={shown(value)}" for key, value in side.items())
            name = f"{effect.contrast.name} ({effect.contrast.change})"
            text = f"What {name} adds is not known: no run has {added}; add it to the sweep."
            return _Fact(text, new_cells(analysis, side))
    return _Fact(f"What {effect.contrast.name} adds is not known yet: missing {_listed(effect.contrast.missing)}.")


def _reports(analysis: Analysis) -> list[_Fact]:
    """Say how many of the report's numbers lie where one more run of ours would."""
    inside = [row.report.inside for row in analysis.rows if row.report and row.report.inside is not None]
    if not inside:
        return []
    numbers = f"{sum(inside)} of {len(inside)} published numbers {'lies' if len(inside) == 1 else 'lie'}"
    return [_Fact(f"{numbers} in the 95 % range of one more run of ours (at the best epoch).")]


def _warnings(analysis: Analysis, groups: Sequence[Group]) -> Iterator[str]:
    """Say what qualifies the headline: the order turned by the choice of the epoch, a lone seed on top, runs that lack."""
    for group in groups if len(groups) == 1 else []:
        main = _main(analysis, group)
        if main and main.turned:
            epoch, found = ("last", main.last) if analysis.metric == "best" else ("best", main.best)
            ahead = main.row if (found or 0.0) > 0 else main.other
            size = spoken(abs(found or 0.0), 0.0)
            yield f"At the {epoch} epoch the order is the other way round: {ahead.cell.label} is {size} points ahead."
        if group.single and group.winner:
            mean = percent(group.single.samples[analysis.metric].mean or 0.0)
            yield f"{group.single.cell.label} stands higher, {mean} %, but one seed makes no winner."
    yield from _lacking(analysis)


def _lacking(analysis: Analysis) -> Iterator[str]:
    """Say which runs have no result yet, and which cells diverged: a result, but no part of any mean."""
    results = ("done", "diverged", "unneeded")  # of the last a sweep in rounds needs none
    lacking = {word: number for word, number in sorted(analysis.outcomes.items()) if word not in results}
    total, missing = analysis.outcomes.total() - analysis.outcomes["unneeded"], sum(lacking.values())
    diverged = [
        f"{row.cell.label} diverged in {number} of {row.cell.planned} runs"
        for row in analysis.rows
        if (number := sum(run["outcome"] == "diverged" for run in row.cell.runs))
    ]
    parts = []
    if lacking:
        named = ", ".join(f"{number} {word}" for word, number in lacking.items())
        parts.append(f"{missing} of {total} planned runs {'has' if missing == 1 else 'have'} no result ({named})")
    parts += [f"{_listed(diverged)}; no mean contains a diverged run"] if diverged else []
    if parts:
        yield f"{'Provisional: ' if lacking else ''}{'; '.join(parts)}."


def _listed(names: Sequence[str]) -> str:
    more = [f"{len(names) - NAMED} more"] if len(names) > NAMED else []
    return ", ".join([*names[:NAMED], *more])
