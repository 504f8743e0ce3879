"""What each factor of a study adds, in points: every contrast estimated from the accuracies of its cells.

Owns the estimate and its order; which cells an effect takes is the part of `contrasts`. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ablation.reporting.statistics.contrasts import Config, Contrast, Untold, contrasts
from ablation.reporting.statistics.seeds import Estimate, Reason, Reasons, Seeds, estimate, in_images

KINDS = ("contrast", "main effect", "interaction")  # in the order in which they are read
NAMED = 6  # cells or levels that a reason lists before it only counts


@dataclass(frozen=True)
class Effect:
    """A contrast in points; `reasons` say what is missing. Without a mean there is no effect, not one of zero."""

    contrast: Contrast
    estimate: Estimate
    images: float | None
    left_out: int  # seeds that some of its cells lack
    reasons: Reasons


def effects(
    configs: Sequence[Config], accuracies: Sequence[Seeds], study: Mapping[str, Any], images: int | None = None
) -> tuple[list[Effect], list[Untold]]:
    """Return the study's contrasts in its order, then main effects, then interactions, the largest first; and what has none.

    Fewer than two cells with a result have no effects, and no reasons for it either.

    Args:
        configs: flat configurations without the seed, one a cell.
        accuracies: of each cell, in percent by seed; empty where it has no result.
        study: its baseline, cells and contrasts.
        images: test images, if known.
    """
    done = [cell for cell, seeds in enumerate(accuracies) if seeds]
    if len(done) < 2:
        return [], []
    chosen, untold = contrasts(configs, study, done)
    found = [estimated(contrast, accuracies, images) for contrast in chosen]
    return sorted(found, key=_rank), untold


def estimated(contrast: Contrast, accuracies: Sequence[Seeds], images: int | None = None) -> Effect:
    """Compute a contrast at each seed that all its cells have; its interval is that of paired seeds.

    Args:
        contrast: its weights are by cell.
        accuracies: of each cell, in percent by seed.
        images: test images, if known.
    """
    if not contrast.weights:
        return Effect(contrast, estimate({}), None, 0, (Reason("missing", f"missing: {_listed(contrast.missing)}"),))
    rows = [accuracies[cell].keys() for cell in contrast.weights]
    shared, any_of = set.intersection(*map(set, rows)), set.union(*map(set, rows))
    by_seed = {seed: math.fsum(w * accuracies[cell][seed] for cell, w in contrast.weights.items()) for seed in shared}
    found = estimate(by_seed, images, -200.0, 200.0)
    left_out = len(any_of) - len(shared)
    reasons: list[Reason] = []
    if contrast.without:
        reasons.append(Reason("missing", f"without {_listed(contrast.without)}, whose cells are missing"))
    reasons += found.reasons if shared else [Reason("no-common-seed", "no seed that all its cells have")]
    if left_out and shared:
        reasons.append(Reason("left-out", f"{left_out} seed{'s' if left_out > 1 else ''} left out: not in all its cells"))
    return Effect(contrast, found, in_images(found.mean, images), left_out, tuple(reasons))


def _rank(effect: Effect) -> tuple[int, float, str, str]:
    """Order effects by kind, then by size; the study's contrasts stay as it names them."""
    kind, mean = KINDS.index(effect.contrast.kind), effect.estimate.mean
    if kind == 0:
        return kind, 0.0, "", ""
    return kind, math.inf if mean is None else -round(abs(mean), 6), effect.contrast.name, effect.contrast.of


def _listed(names: Sequence[str]) -> str:
    more = [f"{len(names) - NAMED} more"] if len(names) > NAMED else []
    return ", ".join([*names[:NAMED], *more])
