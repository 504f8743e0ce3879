"""Text before any format: what of it is visible, and computed text with a true minus and arrows; names and labels stay.

Owns these few replacements alone. What a format needs escaped is the format's.
"""

from __future__ import annotations

import re
import unicodedata

MINUS = "\u2212"
TIMES = "\u00d7"
ARROW = "\u2192"


def visible(text: str) -> str:
    """Return text on one line, without control characters and without marks that turn the direction of writing."""
    if text.isprintable():  # nearly every text: 10,000 runs make half a million
        return text
    kept = (" " if character.isspace() else character for character in text)
    return "".join(character for character in kept if unicodedata.category(character) not in ("Cc", "Cf", "Cs"))


def typeset(text: str) -> str:
    """Return text with a minus where a hyphen stands before a number that begins there, and arrows for `->`."""
    return re.sub(r"(?<![^\s(\[:])-(?=\d)", MINUS, text).replace("->", ARROW)


def typeset_cell(text: str) -> str:
    """Return an entry of a table: as `typeset`, and a dash for what does not apply."""
    return "\u2013" if text == "-" else typeset(text).replace(" x ", f" {TIMES} ").replace(" - ", f" {MINUS} ")
