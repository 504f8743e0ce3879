"""The table's numbers at full precision, for the CSV files and for W&B: a row a cell, a comparison, an effect.

Owns the columns' names. A number that does not exist is None, an empty field; why stands in a column of words beside it.
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
from ablation.reporting.statistics.estimate import LEVEL, Estimate
from ablation.reporting.statistics.power import detectable
from ablation.reporting.statistics.rows import METRICS


def cell_values(analysis: Analysis) -> list[dict[str, Any]]:
    """Return each cell's plain values, then its configuration."""
    differences = {id(comparison.row): comparison for comparison in analysis.comparisons}
    return [_cell(row, differences.get(id(row))) for row in analysis.rows]


def _cell(row: Row, comparison: Comparison | None) -> dict[str, Any]:
    outcomes = Counter(run["outcome"] for run in row.cell.runs)
    return {
        "cell": row.cell.label,
        "outcome": lacking(row.cell) or "done",
        "planned": row.cell.planned,
        **{word: outcomes[word] for word in WORDS},
        **{f"{metric}_acc": row.samples[metric].mean for metric in METRICS},
        **costs(row.cell),
        **{key: value for metric in METRICS for key, value in _mean(metric, row).items()},
        **{f"best_minus_{metric}": row.optimism.get(metric) for metric in ("last", "val")},
        "baseline": comparison.other.cell.label if comparison else None,
        **_difference(comparison),
        "report": row.cell.report,
        "gap": row.report.gap if row.report else None,
        "one_more_run_low": row.report.interval.low if row.report and row.report.interval else None,
        "one_more_run_high": row.report.interval.high if row.report and row.report.interval else None,
        "report_inside": row.report.inside if row.report else None,
        "config": row.cell.config,
    }


def _mean(metric: str, row: Row) -> dict[str, Any]:
    """Return n, sd and the interval of an accuracy; of one seed the interval is of the test images alone, and is left out."""
    found, sample = row.means[metric].interval(), row.samples[metric]
    bounds = found if sample.n > 1 else None
    return {
        f"{metric}_n": sample.n,
        f"{metric}_sd": sample.sd,
        f"{metric}_low": bounds.low if bounds else None,
        f"{metric}_high": bounds.high if bounds else None,
    }


DIFFERENCE = (
    *("difference", "difference_low", "difference_high", "p", "holm", "p_better", "answer", "won", "lost", "detects"),
    *("permutation_p", "holds", "reason"),
)


def _difference(comparison: Comparison | None) -> dict[str, Any]:
    """Return a comparison; the baseline itself has none."""
    if comparison is None:
        return dict.fromkeys(DIFFERENCE)
    estimate, bounds, won_lost = comparison.estimate, comparison.estimate.interval(), comparison.won_lost
    limit = detectable(estimate, comparison.level)
    values = (
        estimate.points,
        bounds.low if bounds else None,
        bounds.high if bounds else None,
        estimate.p,
        comparison.adjusted.adjusted if comparison.adjusted else None,
        estimate.better,
        comparison.decision.answer.value,
        won_lost[0] if won_lost else None,
        won_lost[1] if won_lost else None,
        limit.points if limit else None,
        comparison.check,
        *_words(estimate),
    )
    return dict(zip(DIFFERENCE, values, strict=True))


def _words(estimate: Estimate) -> tuple[str | None, str | None]:
    """Return for what a test holds, or why there is none."""
    return estimate.scope.value if estimate.scope else None, estimate.reason.value if estimate.reason else None


def difference_values(analysis: Analysis) -> list[dict[str, Any]]:
    """Return every difference: to the baseline, and to the cell of --against."""
    return [
        {
            "cell": each.row.cell.label,
            "other": each.other.cell.label,
            "metric": analysis.metric,
            "n": each.row.samples[analysis.metric].n,
            "other_n": each.other.samples[analysis.metric].n,
            **_difference(each),
            "level": each.level,
            "standard_error": each.estimate.error,
            "degrees_of_freedom": each.estimate.freedom,
            "best_difference": each.best,
            "last_difference": each.last,
        }
        for each in (*analysis.comparisons, *analysis.against)
    ]


def effect_values(analysis: Analysis) -> list[dict[str, Any]]:
    """Return each effect with its interval."""
    return [_effect(effect) for effect in analysis.effects]


def _effect(effect: Effect) -> dict[str, Any]:
    estimate, adjusted = effect.estimate, effect.adjusted
    bounds, level = estimate.interval(), LEVEL if adjusted is None else adjusted.level
    limit = detectable(estimate, level)
    holds, reason = _words(estimate)
    return {
        "kind": effect.contrast.kind,
        "effect": effect.contrast.name,
        "of": effect.contrast.of,
        "tested_on": effect.tested_on or None,
        "planned": adjusted is not None,
        "points": estimate.points,
        "low": bounds.low if bounds else None,
        "high": bounds.high if bounds else None,
        "p": estimate.p,
        "holm": adjusted.adjusted if adjusted else None,
        "p_better": estimate.better,
        "answer": effect.decision.answer.value,
        "detects": limit.points if limit else None,
        "standard_error": estimate.error,
        "degrees_of_freedom": estimate.freedom,
        "missing": ", ".join(effect.contrast.missing) or None,
        "holds": holds,
        "reason": reason,
    }


def numbers(rows: Sequence[Mapping[str, Any]]) -> dict[str, float | int]:
    """Return each finite number of the cells' rows as `<cell>/<column>`; words, yes or no, and the configuration stay out."""
    return {
        f"{row['cell']}/{column}": value
        for row in rows
        for column, value in row.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    }
