"""Computed text as a page sets it: a true minus before a number, arrows. Names and labels are not computed: they stay.

Owns these few replacements alone. What a format needs escaped is the format's.
"""

from __future__ import annotations

import re

MINUS = "\u2212"
TIMES = "\u00d7"
ARROW = "\u2192"


def typeset(text: str) -> str:
    """Return text with a minus where a hyphen stands before a number that begins there, and arrows for `->`."""
    return re.sub(r"(?<![^\s(\[:])-(?=\d)", MINUS, text).replace("->", ARROW)


def typeset_cell(text: str) -> str:
    """Return an entry of a table: as `typeset`, and a dash for what does not apply."""
    return "\u2013" if text == "-" else typeset(text).replace(" x ", f" {TIMES} ").replace(" - ", f" {MINUS} ")
