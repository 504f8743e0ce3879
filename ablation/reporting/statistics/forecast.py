"""What a sweep will be able to tell apart, said before it runs.

Owns the sentence. The one file of this room that `sweep` may import: numbers in, words out, no record read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

SD = 0.2  # points, of the seeds' differences where none were measured: assumed


def resolution(seeds: int, pairs: Sequence[tuple[Mapping[int, float], Mapping[int, float]]], comparisons: int) -> list[str]:
    """Say which difference between two cells so many seeds can resolve, in lines.

    Args:
        seeds: that each cell will have.
        pairs: accuracies in percent by seed, of each cell and of the cell it is compared with, as far as they are done.
        comparisons: that the table will adjust for.
    """
    if seeds < 2:
        return ["1 seed a cell tells no difference from chance; seed=0,1,2 is three times the price"]
    from ablation.reporting.statistics.images import (
        seeds_to_reject,  # SciPy: most of a second, which one seed need not wait for
    )
    from ablation.reporting.statistics.power import POWER, pooled_sd, resolvable
    from ablation.reporting.statistics.seeds import estimate

    unit = resolvable(seeds, 1.0)
    assert unit is not None
    rows = [estimate({seed: a[seed] - b[seed] for seed in a.keys() & b.keys()}, None, -100.0, 100.0) for a, b in pairs]
    sd, number = pooled_sd(rows), sum(row.n for row in rows if row.n > 1)
    chance = f"{100 * POWER:.0f} % power, two-sided 5 %"
    if sd:
        measured = f"sd {sd:.2f} of the {number} differences that are done"
        can = f"{seeds} seeds a cell resolve a difference of {unit * sd:.2f} points ({chance}; {measured})"
    elif number:
        can = f"{seeds} seeds a cell: the seeds that are done show no spread, so no difference can be named"
    else:
        can = (
            f"{seeds} seeds a cell resolve a difference of {unit:.1f} sd of the seeds' differences ({chance}): in points"
            f" unknown until two seeds of two cells are done; {unit * SD:.2f} at an assumed sd of {SD:g}"
        )
    fewest = seeds_to_reject(max(1, comparisons))
    adjusted = f", adjusted for {comparisons} comparisons," if comparisons > 1 else ""
    least = f"the table's exact test{adjusted} cannot reject below {fewest} seeds"
    return [can, least] if seeds < fewest else [can]
