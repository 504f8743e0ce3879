"""What each factor of a study adds, in points: every contrast estimated from the accuracies of its cells.

Owns the estimate, its family and its order; which cells an effect takes is `contrasts`' part. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ablation.reporting.statistics.config_keys import Config
from ablation.reporting.statistics.contrasts import Contrast, NoEffect, contrasts
from ablation.reporting.statistics.estimate import LEVEL, Estimate, Reason
from ablation.reporting.statistics.family import Adjusted, at_look, holm
from ablation.reporting.statistics.sameness import Decision, as_shown, decide
from ablation.reporting.statistics.sample import Sample
from ablation.reporting.statistics.weighted_sum import contrast

KINDS = ("contrast", "main effect", "interaction")  # in the order in which they are read


@dataclass(frozen=True)
class Effect:
    """A contrast in points. Without points there is no effect, not one of zero; `estimate.reason` says why."""

    contrast: Contrast
    estimate: Estimate
    adjusted: Adjusted | None  # among the planned effects; None: exploratory, not adjusted for anything
    decision: Decision  # at the level of `adjusted`, else at LEVEL
    tested_on: str = ""  # the test images, where the table has several kinds

    @property
    def name(self) -> str:
        """The contrast and the cells that it is of, unique in a table."""
        return " ".join(filter(None, (self.contrast.name, self.contrast.of, self.tested_on)))


def effects(
    configs: Sequence[Config],
    samples: Sequence[Sample],
    study: Config,
    margin: float | None = None,
    looked: Mapping[str, Adjusted] | None = None,
) -> tuple[list[Effect], list[NoEffect]]:
    """Return the study's contrasts in its order, then main effects, then interactions, the largest first; and what has none.

    Planned are the study's contrasts as a mean over the other factors and all main effects; Holm's adjustment is over them,
    those that are not run yet included. Contrasts at one level of another factor and interactions are exploratory. An effect
    that is the same sum of cells as one before is left out.

    Args:
        configs: flat configurations without the seed, one a cell.
        samples: of each cell, on the same test images; of no seed where it has no result.
        study: its baseline, cells and contrasts.
        margin: smallest difference that matters, points; None if none was stated.
        looked: of a sweep in rounds, what its looks made of each planned effect, by name, in place of Holm's adjustment.
    """
    done = [cell for cell, sample in enumerate(samples) if sample.n]
    if len(done) < 2:
        return [], []
    chosen, no_effect = contrasts(configs, study, done)
    unique = _distinct(chosen)
    wanted = _planned(unique)
    whole = wanted if len(done) == len(configs) else _planned(_distinct(contrasts(configs, study)[0]))
    estimates = [_estimate(each, samples) for each in unique]
    planned = [index for index, each in enumerate(unique) if each in wanted and each.weights]
    to_come = max(0, sum(1 for each in whole if each.weights) - len(planned))
    adjusted = dict(zip(planned, holm([*(estimates[index].p for index in planned), *[None] * to_come]), strict=False))
    if looked is not None:
        adjusted = {
            index: at_look(looked, f"{unique[index].name} {unique[index].of}", each) for index, each in adjusted.items()
        }
    result = [
        Effect(each, estimate, adjusted.get(index), _decision(estimate, adjusted.get(index), margin))
        for index, (each, estimate) in enumerate(zip(unique, estimates, strict=True))
    ]
    return sorted(result, key=_rank), no_effect


def _decision(estimate: Estimate, adjusted: Adjusted | None, margin: float | None) -> Decision:
    level = LEVEL if adjusted is None else adjusted.level
    return as_shown(decide(estimate, level, margin), adjusted, estimate.points)


def _estimate(each: Contrast, samples: Sequence[Sample]) -> Estimate:
    """Estimate a contrast; seeds need not be the same in its cells."""
    if not each.weights:
        return Estimate.without_test(Reason.NO_SEED)
    return contrast([samples[cell] for cell in each.weights], list(each.weights.values()))


def _planned(every: Iterable[Contrast]) -> list[Contrast]:
    """Return the study's contrasts as a mean over the other factors (the first of each name), and the main effects."""
    whole = {each.name: each for each in reversed([each for each in every if each.kind == "contrast"])}
    return [*whole.values(), *(each for each in every if each.kind == "main effect")]


def _distinct(every: Iterable[Contrast]) -> list[Contrast]:
    """Return contrasts without those that are the same sum of cells as one before: a study may name a main effect."""
    kept: list[Contrast] = []
    seen: set[frozenset[tuple[int, float]]] = set()
    for each in every:
        weights = frozenset(each.weights.items())
        if not weights or weights not in seen:
            kept.append(each)
        seen.add(weights)
    return kept


def _rank(effect: Effect) -> tuple[int, float, str, str]:
    """Order effects by kind, then by size; the study's contrasts stay as it names them."""
    kind, points = KINDS.index(effect.contrast.kind), effect.estimate.points
    if kind == 0:
        return kind, 0.0, "", ""
    return kind, math.inf if points is None else -round(abs(points), 6), effect.contrast.name, effect.contrast.of


def on(effect: Effect, images: str) -> Effect:
    """Return an effect that names its test images."""
    return replace(effect, tested_on=images)
