"""Any text as LaTeX that prints it: pure ASCII, no command of the text's own, every character visible in pdflatex's own fonts.

Owns what each character becomes. A character that these fonts lack is printed as its code point, [U+D55C].
"""

from __future__ import annotations

import re
import string
import unicodedata

from ablation.reporting.formats.terminal import visible

SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",  # these three are other characters in the default encoding
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\texttt{\char34}",
    "`": r"\`{}",
}
MATH = {
    "\u00b1": r"\pm",
    "\u2212": "-",
    "\u00d7": r"\times",
    "\u00b7": r"\cdot",
    "\u00b0": r"^\circ",
    "\u00b5": r"\mu",
    "\u2192": r"\rightarrow",
    "\u2190": r"\leftarrow",
    "\u2264": r"\leq",
    "\u2265": r"\geq",
    "\u2260": r"\neq",
    "\u2248": r"\approx",
    "\u221e": r"\infty",
    "\u0394": r"\Delta",
    "\u03a3": r"\Sigma",
    "\u03a9": r"\Omega",
}
GREEK = "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi . pi rho varsigma sigma tau upsilon phi chi"
MATH |= {chr(0x3B1 + place): f"\\{name}" for place, name in enumerate(GREEK.split()) if name != "."}
WORDS = {
    "\u2013": "--{}",
    "\u2014": "---{}",
    "\u2018": r"`{}",
    "\u2019": "'{}",
    "\u201c": "``{}",
    "\u201d": "''{}",
    "\u2026": r"\ldots{}",
    "\u00df": r"\ss{}",
    "\u00e6": r"\ae{}",
    "\u00c6": r"\AE{}",
    "\u0153": r"\oe{}",
    "\u0152": r"\OE{}",
    "\u00f8": r"\o{}",
    "\u00d8": r"\O{}",
    "\u0142": r"\l{}",
    "\u0141": r"\L{}",
}
ACCENTS = {
    "\u0300": "`",
    "\u0301": "'",
    "\u0302": "^",
    "\u0303": "~",
    "\u0304": "=",
    "\u0306": "u",
    "\u0307": ".",
    "\u0308": '"',
    "\u030a": "r",
    "\u030b": "H",
    "\u030c": "v",
    "\u0323": "d",
    "\u0327": "c",
}
LIGATURES = "-',"  # two of them are another character
UNBROKEN = 20  # characters of a word after which it may break: a column is narrow


def escaped(text: str) -> str:
    """Return text for LaTeX, on one line, without control characters or marks that turn the direction of writing."""
    words = unicodedata.normalize("NFC", visible(text).strip()).split(" ")
    found = " ".join(map(_word, words))
    return f"{{}}{found}" if found.startswith(("[", "*")) else found  # after a row's end they would be its argument


def _word(word: str) -> str:
    parts = []
    for place, character in enumerate(word):
        parts.append(_character(character))
        if character in LIGATURES and word[place + 1 : place + 2] == character:
            parts.append("{}")
        if len(word) > UNBROKEN and (place % UNBROKEN == UNBROKEN - 1 or character in "_/=,.-"):
            parts.append(r"\allowbreak{}")
    return "".join(parts)


def _character(character: str) -> str:
    if character in SPECIAL:
        return SPECIAL[character]
    if character in MATH:
        return rf"\ensuremath{{{MATH[character]}}}"
    if character in WORDS:
        return WORDS[character]
    if " " <= character <= "~":
        return character
    return _accented(character) or rf"\texttt{{[U+{ord(character):04X}]}}\allowbreak{{}}"


def _accented(character: str) -> str | None:
    """Return a Latin letter with its one accent, None of any other character."""
    parts = unicodedata.normalize("NFD", character)
    if len(parts) == 2 and parts[0] in string.ascii_letters and parts[1] in ACCENTS:
        return rf"\{ACCENTS[parts[1]]}{{{parts[0]}}}"
    return None


def numbers_together(text: str) -> str:
    """Return escaped text in which an interval and a mean with its half width stay on one line."""
    text = re.sub(r"\[[^\]]*\]", lambda interval: interval[0].replace(" ", "~"), text)
    return text.replace(r" \ensuremath{\pm} ", r"~\ensuremath{\pm}~").replace(r" \%", r"~\%")
