"""The table's numbers at full precision, for the CSV files and for W&B: a row a cell, an effect, a comparison image by image.

Owns the columns' names. A number that does not exist is empty or the word for why, never a zero.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ablation.reporting.document.sections import costs
from ablation.reporting.read.frame import WORDS
from ablation.reporting.statistics.analysis import Analysis, Comparison, Row
from ablation.reporting.statistics.cells import lacking
from ablation.reporting.statistics.effects import Effect
from ablation.reporting.statistics.seeds import Estimate, joined


def cell_values(analysis: Analysis) -> list[dict[str, Any]]:
    """Return each cell's plain values, then its configuration."""
    differences = {id(comparison.row): comparison for comparison in analysis.comparisons}
    return [_cell(row, differences.get(id(row))) for row in analysis.rows]


def _cell(row: Row, comparison: Comparison | None) -> dict[str, Any]:
    cell = row.cell
    outcomes = Counter(run["outcome"] for run in cell.runs)
    nothing = "none" if outcomes["done"] else lacking(cell)
    return {
        "cell": cell.label,
        "planned": len(cell.runs),
        **{word: outcomes[word] for word in WORDS},
        **{f"{kind}_acc": nothing if found.mean is None else found.mean for kind, found in row.accuracy.items()},
        **{key: nothing if value is None else value for key, value in costs(cell).items()},
        **{key: value for kind, found in row.accuracy.items() for key, value in _estimate(kind, found).items()},
        **{f"best_minus_{kind}": found.mean for kind, found in row.optimism.items()},
        **_difference(comparison),
        "report": cell.report,
        "gap": row.gap.points if row.gap else None,
        "gap_images": row.gap.images if row.gap else None,
        "report_inside": row.gap.inside if row.gap else None,
        "report_as_one_run": row.gap.as_one_run if row.gap else None,
        "config": cell.config,
    }


def _estimate(kind: str, found: Estimate) -> dict[str, Any]:
    """Return n, sd, the t and the bootstrap interval of an accuracy."""
    return {
        f"{kind}_n": found.n,
        f"{kind}_sd": found.sd,
        f"{kind}_low": found.interval.low if found.interval else None,
        f"{kind}_high": found.interval.high if found.interval else None,
        f"{kind}_bootstrap_low": found.bootstrap.low if found.bootstrap else None,
        f"{kind}_bootstrap_high": found.bootstrap.high if found.bootstrap else None,
    }


def _difference(comparison: Comparison | None) -> dict[str, Any]:
    """Return the paired difference to the baseline; the baseline itself has none."""
    names = ("baseline", "difference", "difference_low", "difference_high", "difference_images", "difference_n")
    tests = ("p", "p_exact", "smallest_p", "holm")
    if comparison is None:
        return dict.fromkeys((*names, *tests))
    found = comparison.difference
    bounds = found.estimate.interval
    values = (comparison.other.cell.label, found.estimate.mean, bounds.low if bounds else None, bounds.high if bounds else None)
    tested = (found.p, found.exact, found.smallest_p, found.holm)
    return dict(zip((*names, *tests), (*values, found.images, found.estimate.n, *tested), strict=True))


def difference_values(analysis: Analysis) -> list[dict[str, Any]]:
    """Return every paired difference: to the baseline, and to the cell that was asked for."""
    rows = []
    for each in (*analysis.comparisons, *analysis.against):
        values = _difference(each)
        other = values.pop("baseline")
        rows.append({"cell": each.row.cell.label, "other": other, **values, "left_out_seeds": each.difference.left_out})
    return rows


def effect_values(analysis: Analysis) -> list[dict[str, Any]]:
    """Return each effect with its interval."""
    return [_effect(effect) for effect in analysis.effects]


def _effect(effect: Effect) -> dict[str, Any]:
    found = effect.estimate
    return {
        "kind": effect.contrast.kind,
        "effect": effect.contrast.name,
        "of": effect.contrast.of,
        "points": found.mean,
        "low": found.interval.low if found.interval else None,
        "high": found.interval.high if found.interval else None,
        "images": effect.images,
        "n": found.n,
        "sd": found.sd,
        "words": joined(effect.reasons),
    }


def image_values(analysis: Analysis) -> list[dict[str, Any]]:
    """Return each comparison image by image; these come from local logits, so no other file holds them."""
    return [
        {
            "cell": comparison.row.cell.label,
            "other": comparison.other.cell.label,
            "epoch": analysis.images_at,
            "seeds": test.seeds,
            "won": test.won,
            "lost": test.lost,
            "differing_images": test.images,
            "p": test.p,
        }
        for comparison in (*analysis.comparisons, *analysis.against)
        if (test := comparison.images) is not None
    ]


def numbers(rows: Sequence[Mapping[str, Any]]) -> dict[str, float | int]:
    """Return each finite number of the cells' rows as `<cell>/<column>`; words, yes or no, and the configuration stay out."""
    return {
        f"{row['cell']}/{column}": value
        for row in rows
        for column, value in row.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    }
