"""Numbers as a plan shows them: a few digits and a unit. Owns the wording alone."""

from __future__ import annotations

import math

SIZES = ((1e12, " TB"), (1e9, " GB"), (1e6, " MB"), (1e3, " kB"), (1, " B"))
COUNTS = ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k"), (1, ""))


def size(number: float) -> str:
    """Return bytes, in powers of 1000 as disks and data sheets count them: `9.7 GB`."""
    unit, name = next((each for each in SIZES if number >= each[0]), SIZES[-1])
    return f"{number / unit:.{1 if number < 100 * unit and unit > 1e6 else 0}f}{name}"


def count(number: float, digits: int = 4) -> str:
    """Return a number of things with so many digits: `134.3 M`."""
    unit, name = next((each for each in COUNTS if number >= each[0]), COUNTS[-1])
    return f"{number / unit:.{digits}g}{name}"


def duration(seconds: float) -> str:
    """Return seconds in the unit in which they are read: `54 ms`, `2.5 s`, `1.4 min`, `36.1 h`."""
    if seconds >= 3600:
        return f"{figures(seconds / 3600)} h"
    if seconds >= 60:
        return f"{seconds / 60:.{1 if seconds < 600 else 0}f} min"
    return f"{figures(seconds)} s" if seconds >= 1 else f"{figures(1e3 * seconds)} ms"


def speed(flops: float) -> str:
    """Return FLOP/s: `11.8 TFLOP/s`."""
    return f"{flops / 1e12:.1f} TFLOP/s" if flops >= 1e12 else f"{flops / 1e9:.1f} GFLOP/s"


def figures(value: float) -> str:
    """Return three significant digits without an exponent, trailing zeros cut."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    places = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{min(places, 9)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
