"""What a grid of the table is made of: typed columns, and entries that hold a text for people and a value for programs.

Owns these types alone. A format aligns by a column's kind and sorts by an entry's value; it reads nothing out of a text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal[
    "text",
    "number",  # a short number alone: it stands to the right and never folds
    "estimate",  # a number with its interval, its counts or words beside it: it may fold
]


@dataclass(frozen=True)
class Column:
    """A column's name and what its entries are."""

    name: str
    kind: Kind = "text"
    spare: int = 0  # above 0: a grid that is too wide for its place does without it, the highest first
    note: str = ""  # what it says, for a line under a grid that has it


@dataclass(frozen=True)
class Entry:
    """An entry of a grid. Its value is in the column's own unit and not rounded; None: there is none, and the text says why."""

    text: str
    value: float | int | str | bool | None = None

    @property
    def number(self) -> float | int | None:
        """The value by which a column of numbers is sorted; None of text, of a yes or no, and of what is missing."""
        return self.value if isinstance(self.value, int | float) and not isinstance(self.value, bool) else None


@dataclass(frozen=True)
class Section:
    """One grid of the table: `key` names it in files and links, `lines` stand under it."""

    key: str  # accuracy, differences, against, factorial, cost; of a screen cells, against, effects, cost
    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Entry]]  # each as long as the columns
    lines: Sequence[str] = field(default_factory=list)
