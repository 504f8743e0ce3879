"""Class names in any script: drawn in a font that has the letters, or the letters that none has are said once."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import numpy as np
import pytest
from matplotlib import font_manager

from ablation.figures import fonts, sheet

OWN = "DejaVu Sans"
UNASSIGNED = "\U00012f90"  # Cypro-Minoan, drawn by no font of a usual machine


def letters(name: str) -> set[str]:
    return set(map(chr, font_manager.get_font(font_manager.findfont(name)).get_charmap()))


@pytest.fixture(autouse=True)
def as_a_new_process() -> None:
    fonts.families_for.cache_clear()
    fonts._say.cache_clear()


def test_what_the_own_font_has_needs_no_other() -> None:
    assert fonts.families_for(frozenset("été Ж Ω عر"), OWN) == ([OWN], "")


def test_another_font_is_found_for_letters_that_the_own_one_lacks() -> None:
    """STIX comes with matplotlib and has letters that DejaVu Sans has not."""
    letter = sorted(letter for letter in letters("STIXGeneral") - letters(OWN) if letter.isalpha())[0]
    families, missing = fonts.families_for(frozenset(f"a{letter}"), OWN)
    assert families[0] == OWN and missing == "" and letter in set().union(*map(letters, families[1:]))


def test_letters_of_no_font_are_said_once_and_drawn_all_the_same(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    images = [[np.zeros((8, 8, 3))] * 2]
    with warnings.catch_warnings(), caplog.at_level(logging.WARNING):
        warnings.simplefilter("error")
        for number in range(2):
            sheet.sheet(tmp_path / str(number), images, labels=[f"cat {UNASSIGNED}"], heads=[UNASSIGNED, r"\xe9t\xe9"])
    assert (tmp_path / "1.png").exists() and (tmp_path / "1.pdf").exists()
    assert caplog.text.count(f"no installed font has {UNASSIGNED}: drawn as boxes") == 1
