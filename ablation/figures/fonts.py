"""Fonts for names in any script: letters missing in the figures' font are drawn in an installed font that has them.

Letters that no installed font has are logged; matplotlib draws them as boxes.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterable

from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.text import Text

PLACEHOLDERS = "Last Resort"  # matplotlib's own font of boxes for every letter

log = logging.getLogger(__name__)


def cover(figure: Figure, own: str) -> None:
    """Set the fonts that each text of a figure needs besides `own`; log once the letters that no font has."""
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        families, missing = families_for(frozenset(text.get_text()), own)
        if len(families) > 1:
            text.set_fontfamily(families)
        if missing:
            _say(missing)


@functools.cache
def families_for(letters: Iterable[str], own: str) -> tuple[list[str], str]:
    """Return the fonts that have the letters, `own` first, and the letters that no installed font has, sorted."""
    missing = {letter for letter in letters if not letter.isspace()} - _letters(font_manager.findfont(own))
    families = [own]
    for name, file in _installed() if missing else ():
        if covered := missing & _letters(file):
            families.append(name)
            missing -= covered
        if not missing:
            break
    return families, "".join(sorted(missing))


@functools.cache
def _installed() -> list[tuple[str, str]]:
    """Return (family, file) of the upright fonts of normal weight, sans-serif fonts first."""
    fonts = {
        (font.name, font.fname)
        for font in font_manager.fontManager.ttflist
        if font.style == "normal" and font.weight in (400, "normal", "regular") and not font.name.startswith(PLACEHOLDERS)
    }
    return sorted(fonts, key=lambda font: ("Sans" not in font[0], font))


@functools.cache
def _letters(file: str) -> frozenset[str]:
    """Return the letters of a font file; an empty set if it cannot be read."""
    try:
        return frozenset(map(chr, font_manager.get_font(file).get_charmap()))
    except (OSError, RuntimeError, ValueError):
        return frozenset()


@functools.cache
def _say(missing: str) -> None:
    log.warning(
        "no installed font has %s: drawn as boxes; install one, as Noto Sans (for Chinese, Japanese, Korean its CJK)", missing
    )
