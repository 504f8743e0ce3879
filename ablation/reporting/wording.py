"""How a number is written for a person: signs, intervals, p values, sizes. Owns no number and no claim."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from ablation.reporting.cells import Cell
from ablation.reporting.sources import WORDS
from ablation.reporting.statistics import Estimate, Interval

GIB = 2**30


def points(number: float | None) -> str:
    """Return a difference in points with its sign; 0.00 has none, whichever side it was rounded from."""
    return "-" if number is None else f"{number:+.2f}" if round(number, 2) else "0.00"


def interval(found: Interval) -> str:
    """Return an interval of a difference."""
    return f"[{points(found.low)}, {points(found.high)}]"


def estimated(found: Estimate) -> str:
    """Return a mean difference with its interval where there is one: `+0.50 [+0.12, +0.88]`."""
    return points(found.mean) + (f" {interval(found.interval)}" if found.interval else "")


def probability(p: float | None) -> str:
    """Return a p value in two digits; a dash where none can be computed."""
    return "-" if p is None else "< 0.001" if p < 0.001 else "1" if p > 0.995 else f"{p:.3f}" if 0.04 < p < 0.06 else f"{p:.2g}"


def p_is(p: float | None) -> str:
    """Return a p value as it stands in a sentence: `p = 0.014`, `p < 0.001`."""
    text = probability(p)
    return f"p {text}" if text.startswith("<") else f"p = {text}"


def images(number: float | None) -> str:
    """Return a number of test images, signed; means over seeds may be fractions."""
    return "-" if number is None else f"{number:+,.1f}".removesuffix(".0") if round(number, 1) else "0"


def three_digits(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.1f}" if number >= 10 else f"{number:.2f}"


def in_units(number: float) -> str:
    """Return `134 M`, `15.5 G`."""
    for size, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if number >= size:
            return three_digits(number / size) + unit
    return f"{number:.0f}"


def gibibytes(number: float) -> str:
    return f"{number / GIB:.2f} GiB"


def average(numbers: Sequence[float], text: Callable[[float], str], mean: Callable[[Sequence[float]], float]) -> str:
    """Return the mean as text, a dash of none."""
    return text(mean(numbers)) if numbers else "-"


def words(cell: Cell) -> str:
    """Return why runs of the cell have no number: `failed`, or `1 failed, 2 missing`."""
    outcomes = Counter(run["outcome"] for run in cell.runs)
    found = [word for word in WORDS if outcomes[word] and word != "done"]
    if len(found) == 1 and not outcomes["done"]:
        return found[0]
    return ", ".join(f"{outcomes[word]} {word}" for word in found)
