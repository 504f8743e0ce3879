"""Format numbers for people: one form for each kind of number, in plans, live views, tables and pages.

Numbers in, text out. It is in records/ because that is the lowest package that every printing package may import.
"""

from __future__ import annotations

import math

SIZES = ((1e12, " TB"), (1e9, " GB"), (1e6, " MB"), (1e3, " kB"))  # powers of 1000, as disks and data sheets count
COUNTS = ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k"))
SPEEDS = ((1e12, " TFLOP/s"), (1e9, " GFLOP/s"))
TIMES = (
    (172_800, 86_400, " days"),
    (3600, 3600, " h"),
    (60, 60, " min"),
    (0.9995, 1, " s"),
)  # from so many seconds on, the unit


# quantities


def figures(value: float, digits: int = 3) -> str:
    """Return a number with `digits` significant digits, no exponent and no trailing zeros: `25,000`, `433`, `11.8`, `2`."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{min(places, 9)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def size(number: float) -> str:
    """Return bytes: `9.68 GB`, `537 MB`, `12 B`."""
    unit, name = _unit(number, SIZES, 3) or (1.0, " B")
    return figures(number / unit) + name


def count(number: float) -> str:
    """Return a large number of operations: `15.94 G`."""
    unit, name = _unit(number, COUNTS, 4) or (1.0, "")
    return figures(number / unit, 4) + name


def exact(number: float) -> str:
    """Return an exact count, such as that of parameters: `134,313,698`."""
    return f"{round(number):,}"


def duration(seconds: float | None) -> str:
    """Return a time in a readable unit: `54 ms`, `2.5 s`, `1.42 min`, `36.1 h`, `12.2 days`."""
    if seconds is None:
        return "unknown"
    for least, unit, name in TIMES:
        if seconds >= least:
            return figures(seconds / unit) + name
    return f"{figures(1e3 * seconds)} ms" if seconds else "0 s"


def gpu_hours(seconds: float) -> str:
    """Return a time on one GPU: `293 GPU-hours`."""
    return f"{figures(seconds / 3600)} GPU-hours"


def speed(flops: float) -> str:
    """Return FLOP/s: `11.8 TFLOP/s`."""
    unit, name = _unit(flops, SPEEDS, 3) or SPEEDS[-1]
    return f"{flops / unit:.1f}{name}"


def _unit(number: float, units: tuple[tuple[float, str], ...], digits: int) -> tuple[float, str] | None:
    """Return the largest unit that a number reaches after rounding to `digits` digits: 999.9 MB are 1 GB."""
    return next((unit for unit in units if number >= unit[0] * (1 - 0.5 * 10.0**-digits)), None)


# accuracies and their differences


def percent(accuracy: float) -> str:
    """Return an accuracy in percent, without the sign: `94.02`."""
    return f"{accuracy:.2f}"


def points(number: float | None) -> str:
    """Return a difference in points with its sign; a difference that rounds to 0.00 has none."""
    return "-" if number is None else f"{number:+.2f}" if round(number, 2) else "0.00"


def interval(low: float, high: float) -> str:
    """Return an interval of a difference: `[+0.12, +0.88]`."""
    return f"[{points(low)}, {points(high)}]"


def spoken(value: float, spread: float, sign: bool = False) -> str:
    """Return points for use in a sentence: one decimal if their interval is `spread` >= 2 points wide, else two."""
    text = f"{value:{'+' if sign else ''}.{1 if spread >= 2 else 2}f}"
    return "0" if not float(text) else text


def images(number: float | None) -> str:
    """Return a number of test images, signed; means over seeds may be fractions."""
    return "-" if number is None else f"{number:+,.1f}".removesuffix(".0") if round(number, 1) else "0"


def probability(p: float | None) -> str:
    """Return a p value in two digits; a dash if there is none."""
    return "-" if p is None else "< 0.001" if p < 0.001 else "1" if p > 0.995 else f"{p:.3f}" if 0.04 < p < 0.06 else f"{p:.2g}"


def p_is(p: float | None) -> str:
    """Return a p value for use in a sentence: `p = 0.014`, `p < 0.001`."""
    text = probability(p)
    return f"p {text}" if text.startswith("<") else f"p = {text}"
