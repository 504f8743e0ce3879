"""What is said under a grid of differences: which test the p values are of, what it can and what it cannot resolve.

Owns the words about tests and power; the numbers come from `paired` and `power`.
"""

from __future__ import annotations

from collections.abc import Sequence

from ablation.records.numbers import probability
from ablation.reporting.statistics.analysis import Analysis, Comparison, family
from ablation.reporting.statistics.images import seeds_to_reject, smallest_p
from ablation.reporting.statistics.power import needed_in_words, resolvable
from ablation.reporting.statistics.seeds import LEVEL


def test_lines(analysis: Analysis, comparisons: Sequence[Comparison]) -> list[str]:
    """Say what the p values are of, and the smallest that so many seeds allow."""
    tested = sorted({comparison.difference.estimate.n for comparison in comparisons if comparison.difference.p is not None})
    together = family(analysis)
    lines = []
    if tested:
        least = "; ".join(
            f"n = {n}: {probability(smallest_p(n))}{' (not enough seeds)' if smallest_p(n) > LEVEL else ''}" for n in tested
        )
        needed = seeds_to_reject(together)
        lines.append(
            f"p: sign-flip test over seeds, two-sided{_monte_carlo(comparisons)}; smallest p possible: {least};"
            f" with Holm over {together}, p below {LEVEL:g} takes at least {needed} seeds"
        )
    if any(comparison.images for comparison in comparisons):
        lines.append(
            f"won : lost: test images that only the cell, only the other gets right ({analysis.images_at} epoch, summed over"
            " seeds);"
            " McNemar p: exact, an image counts once, of these trained models: it says nothing of other seeds"
        )
    left = [comparison for comparison in comparisons if comparison.difference.left_out]
    if left:
        seeds = ", ".join(f"{comparison.row.cell.label} ({comparison.difference.left_out})" for comparison in left[:8])
        lines.append(f"seeds that only one of the two has, left out: {seeds}{' and more' if len(left) > 8 else ''}")
    return lines


def _monte_carlo(comparisons: Sequence[Comparison]) -> str:
    several = [comparison for comparison in comparisons if not comparison.difference.exact]
    return (
        ", exact" if not several else ", Monte Carlo from 14 seeds on" if len(several) < len(comparisons) else ", Monte Carlo"
    )


def power_lines(analysis: Analysis, comparisons: Sequence[Comparison]) -> list[str]:
    """Say what this number of seeds resolves, and what the report's differences would take."""
    if analysis.sd is None or not analysis.sd > 0:
        return ["power: unknown, it needs two seeds of two cells whose differences vary"]
    n = max(comparison.difference.estimate.n for comparison in comparisons)
    resolved = resolvable(n, analysis.sd)
    lines = [
        f"power: seeds scatter by {analysis.sd:.2f} points here (sd of differences, pooled);"
        f" n = {n} resolves {'nothing' if resolved is None else f'{resolved:.2f} points'} with a power of 80 % (paired t test)"
    ]
    needed = [f"{name} {size:+.2f}: {needed_in_words(size, analysis.sd)}" for name, size in _published(analysis)]
    return lines + ([f"seeds that the report's differences would take at this spread: {'; '.join(needed)}"] if needed else [])


def _published(analysis: Analysis) -> list[tuple[str, float]]:
    """Return the report's differences: each cell to the baseline, and between its two best."""
    cells = [cell for cell in analysis.study.get("cells") or [] if cell.get("report") is not None]
    base = [cell for cell in cells if cell["where"] == analysis.study.get("baseline")]
    found = [(cell["label"], cell["report"] - base[0]["report"]) for cell in cells if base and cell is not base[0]]
    best = sorted(cells, key=lambda cell: -cell["report"])[:2]
    if len(best) == 2:
        found.append((f"{best[0]['label']} over {best[1]['label']}", best[0]["report"] - best[1]["report"]))
    return found
