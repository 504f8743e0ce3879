"""Two cells' learning curves compared at every epoch."""

from __future__ import annotations

from collections.abc import Sequence

from ablation.reporting.read.provenance import Curve
from ablation.reporting.statistics.estimate import Estimate
from ablation.reporting.statistics.sample import summarise
from ablation.reporting.statistics.two_cells import compare


def difference_by_epoch(ours: Sequence[Curve], theirs: Sequence[Curve]) -> list[tuple[int, Estimate]]:
    """Return mean(ours) - mean(theirs) in points at each epoch that all curves have, by Welch's t test over seeds.

    Each epoch is estimated alone: an interval holds for its own epoch, not for the whole curve, and for this test set, since
    which images were correct is kept of the chosen epochs only.

    Args:
        ours: a curve a seed, (epoch, accuracy in percent).
        theirs: of the other cell; the seeds need not be the same.
    """
    cells = [[dict(curve) for curve in cell] for cell in (ours, theirs)]
    if not all(cells):
        return []
    shared = sorted(set.intersection(*(set(curve) for cell in cells for curve in cell)))
    first, second = ([summarise([curve[epoch] for curve in cell]) for epoch in shared] for cell in cells)
    return [(epoch, compare(*pair)) for epoch, *pair in zip(shared, first, second, strict=True)]
