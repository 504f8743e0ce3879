"""What a picture of the table is made of: rows of marks on one scale, each with the numbers and words beside it.

Owns these types and what they say of a difference. Computes nothing: every number is the analysis'.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from ablation.records.numbers import exact, figures, p_is
from ablation.reporting.document.sections import plus_minus
from ablation.reporting.document.strips import Scale, Strip
from ablation.reporting.statistics.analysis import Comparison
from ablation.reporting.statistics.sameness import Answer, Decision

Row = TypeVar("Row")
MOST = 40  # rows of a picture beyond those of the first screen: the tables have all
ANSWER_CLASSES = {Answer.BETTER: "better", Answer.WORSE: "worse", Answer.SAME: "same"}


@dataclass(frozen=True)
class Value:
    """A number with its interval, and in small what qualifies it."""

    text: str
    under: str = ""


@dataclass(frozen=True)
class Line:
    """One row of a picture."""

    label: Value
    strip: Strip
    values: Sequence[Value]  # as many as the picture's columns beyond label and strip
    answer: str = ""  # better, worse, same; empty where nothing is decided
    details: Sequence[str] = ()  # sentences, shown when the row is pointed at
    runs: Sequence[dict[str, Any]] = ()  # of the cell


@dataclass(frozen=True)
class Picture:
    """Rows on one scale, and those that matter less."""

    key: str
    title: str
    columns: Sequence[str]  # of label, strip and what is said
    scale: Scale
    lines: Sequence[Line]
    legend: Sequence[tuple[str, str]]  # mark, words
    more: Picture | None = None


def difference(compared: Comparison | None) -> Value:
    """Return the difference with its decision; of a cell without a result nothing, since its mean says why."""
    if compared is None:
        return Value("")
    estimate = compared.estimate
    if estimate.points is None:
        return Value(estimate.reason.value if estimate.reason and compared.row.cell.done else "")
    return Value(plus_minus(estimate), decided(compared.decision, compared.p))


def decided(decision: Decision, p: float | None) -> str:
    """Return what was decided and the p of no difference, which says nothing of sameness."""
    if decision.answer is Answer.SAME:
        return f"the same within {figures(decision.margin or 0.0)}"
    return f"{decision.answer.value}, {p_is(p)}" if p is not None else f"{decision.answer.value}"


def tested(compared: Comparison) -> str:
    scope = compared.estimate.scope
    return decided(compared.decision, compared.p) + (f" ({scope.value})" if scope else "")


def more_rows(rows: Sequence[Row], what: str) -> tuple[Sequence[Row], str]:
    """Return the first MOST rows, and a name for all that says so."""
    return rows[:MOST], f"{exact(len(rows))} more {what}" + (f", the first {MOST} of them" if len(rows) > MOST else "")


def legend(lines: Sequence[Line], line: str, report: str = "") -> list[tuple[str, str]]:
    """Return the marks that some row has, with what they mean: `line` of the dashed one, `report` of the published number."""
    strips = [each.strip for each in lines]
    mark, name = ("mean", "mean with 95 % interval") if any(strip.ends for strip in strips) else ("point", "mean")
    open_ = any(strip.mean is not None and not strip.decided for strip in strips)
    entries = [
        ("seed", "one seed", any(strip.seeds for strip in strips)),
        (mark, name, open_),
        (
            "decided",
            "decided" if open_ else f"{name}, decided",
            any(strip.mean is not None and strip.decided for strip in strips),
        ),
        ("report", report, any(strip.report for strip in strips)),
        ("line", line, any(strip.line is not None for strip in strips)),
    ]
    return [(mark, meaning) for mark, meaning, present in entries if present]
