"""What each factor of a resizer x augmentation grid adds: main effects, interactions, and the path from nothing to attention.

Owns the contrasts. Every effect is a sum of cells computed seed by seed, so its interval is that of paired seeds. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ablation.reporting.statistics import Estimate, Reason, Reasons, estimate, in_images

Place = tuple[str, str]  # (resizer, aug)

# Resizing is three steps; the report's table joins the first two.
STEPS: dict[str, tuple[str, str]] = {
    "interpolation": ("none", "bilinear"),
    "learning": ("bilinear", "plain"),
    "attention": ("plain", "cbam"),
}
ORDER = ("none", "bilinear", "bicubic", "plain", "cbam", "base", "cutmix", "mixup")


@dataclass(frozen=True)
class Effect:
    """One contrast, in points; `reasons`: what is missing. Without a mean there is no effect, not one of zero."""

    kind: str  # resizer, aug, interaction, or a step: interpolation, learning, attention
    name: str
    estimate: Estimate
    images: float | None
    left_out: int  # seeds that some of its cells lack
    reasons: Reasons
    weights: Mapping[Place, float] = field(default_factory=dict)  # of the cells it is made of


def effects(
    accuracies: Mapping[tuple[str, str, int], float], reference: Place = ("none", "base"), images: int | None = None
) -> list[Effect]:
    """Return main effects of resizer and aug, interactions and steps.

    Args:
        accuracies: percent by (resizer, aug, seed), in any order; only runs that have one.
        reference: the baseline's resizer and aug: main effects and interactions are relative to it.
        images: test images, if known.

    Returns:
        Main effects are means over the levels of the other factor that both sides have, and named so; interactions are
        (cell - its resizer alone) - (its aug alone - reference). Steps: mean over augs, then each aug.
    """
    seeds: dict[Place, dict[int, float]] = {}
    for (resizer, aug, seed), accuracy in accuracies.items():
        seeds.setdefault((resizer, aug), {})[seed] = accuracy
    resizers = _ordered({resizer for resizer, _ in seeds} - {reference[0]})
    augs = _ordered({aug for _, aug in seeds} | {reference[1]})
    others = [aug for aug in augs if aug != reference[1]]
    found = [_step(seeds, "resizer", reference[0], level, augs, images) for level in resizers]
    found += [_aug(seeds, reference[1], level, _ordered([reference[0], *resizers]), images) for level in others]
    for resizer in resizers:
        for aug in others:
            weights = {(resizer, aug): 1.0, (resizer, reference[1]): -1.0, (reference[0], aug): -1.0, reference: 1.0}
            found.append(_effect(seeds, "interaction", f"{resizer} x {aug}", weights, images))
    for kind, (start, end) in STEPS.items():
        found.append(_step(seeds, kind, start, end, augs, images))
        each = augs if len(found[-1].weights) > 2 else []  # of one aug it is that aug's effect already
        found += [_step(seeds, kind, start, end, [aug], images) for aug in each]
    return found


def _step(
    seeds: Mapping[Place, Mapping[int, float]], kind: str, start: str, end: str, augs: Sequence[str], images: int | None
) -> Effect:
    """Return the effect of one resizer instead of another, a mean over the augs that both have."""
    return _mean_change(seeds, kind, f"{start} -> {end}", {aug: ((start, aug), (end, aug)) for aug in augs}, images)


def _aug(
    seeds: Mapping[Place, Mapping[int, float]], start: str, end: str, resizers: Sequence[str], images: int | None
) -> Effect:
    """Return the effect of one aug instead of another, a mean over the resizers that both have."""
    return _mean_change(
        seeds, "aug", f"{start} -> {end}", {resizer: ((resizer, start), (resizer, end)) for resizer in resizers}, images
    )


def _mean_change(
    seeds: Mapping[Place, Mapping[int, float]],
    kind: str,
    name: str,
    changes: Mapping[str, tuple[Place, Place]],
    images: int | None,
) -> Effect:
    """Average changes; those with a cell that was never run are named in place of a number."""
    whole = {level: places for level, places in changes.items() if all(seeds.get(place) for place in places)}
    if not whole:
        missing = _ordered({" ".join(place) for places in changes.values() for place in places if not seeds.get(place)})
        reason = Reason("missing", f"missing: {', '.join(missing)}")
        return Effect(kind, f"{name} ({', '.join(changes)})", estimate({}), None, 0, (reason,))
    weights: dict[Place, float] = {}
    for before, after in whole.values():
        weights |= {before: -1 / len(whole), after: 1 / len(whole)}
    effect = _effect(seeds, kind, f"{name} ({', '.join(whole)})", weights, images)
    without = [level for level in changes if level not in whole]
    if not without:
        return effect
    reason = Reason("missing", f"without {', '.join(without)}, whose cells are missing")
    return replace(effect, reasons=(reason, *effect.reasons))


def _effect(
    seeds: Mapping[Place, Mapping[int, float]], kind: str, name: str, weights: Mapping[Place, float], images: int | None
) -> Effect:
    """Compute a contrast at each seed that all its cells have."""
    missing = [" ".join(place) for place in weights if not seeds.get(place)]
    if missing:
        reason = Reason("missing", f"missing: {', '.join(_ordered(missing))}")
        return Effect(kind, name, estimate({}), None, 0, (reason,))
    rows = [seeds[place].keys() for place in weights]
    shared, any_of = set.intersection(*map(set, rows)), set.union(*map(set, rows))
    contrast = {seed: sum(weight * seeds[place][seed] for place, weight in weights.items()) for seed in shared}
    found = estimate(contrast, images, -200.0, 200.0)
    left_out = len(any_of) - len(shared)
    reasons = found.reasons if shared else (Reason("no-common-seed", "no seed that all its cells have"),)
    if left_out and shared:
        text = f"{left_out} seed{'s' if left_out > 1 else ''} left out: not in all its cells"
        reasons = (*reasons, Reason("left-out", text))
    return Effect(kind, name, found, in_images(found.mean, images), left_out, reasons, weights)


def _ordered(levels: Iterable[str]) -> list[str]:
    """Sort along the path, then by name: the order of the runs must not show."""
    place = {level: index for index, level in enumerate(ORDER)}
    return sorted(levels, key=lambda level: ([place.get(part, len(place)) for part in level.split()], level))
