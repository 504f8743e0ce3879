"""Find configuration keys that change together with an option of a sweep, so that no table can say which of them mattered.

Two options of a group are compared by runs that differ in the option alone. If another key never has the same value under both,
no such runs exist: the two are confounded (Montgomery, "Design and Analysis of Experiments", ch. 7). Imports no torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

from ablation.sweep.identity import GROUPS

if TYPE_CHECKING:
    from ablation.sweep.planned_run import Planned

Identity = Mapping[str, Any]
SHOWN = 5  # lines; more are counted


@dataclass(frozen=True)
class Confounded:
    """A key that differs wherever two options of a group are compared."""

    group: str
    options: tuple[str, str]
    key: str
    values: tuple[str, str]  # under the first option, under the second

    @property
    def sentence(self) -> str:
        """One line with the names, the values and the way out."""
        one, other = self.options
        return (
            f"{self.group}={one} and {self.group}={other} also differ in {self.key} ({self.values[0]}, {self.values[1]}),"
            f" so their difference may be of either; give {self.key} one value, or sweep it too"
        )


def show(planned: Sequence[Planned]) -> None:
    """Print a line for each confounded pair of options of a command."""
    pairs = confounded([run.identity for run in planned])
    for pair in pairs[:SHOWN]:
        print(f"confounded: {pair.sentence}")
    if len(pairs) > SHOWN:
        print(f"confounded: and {len(pairs) - SHOWN} more pairs of options and keys")


def confounded(identities: Sequence[Identity]) -> list[Confounded]:
    """Return the confounded pairs of options of a command, in the order of the groups.

    A group's own keys (`resizer.channels` of `resizer`) belong to its options. Of two groups that change together, the first in
    GROUPS is the one named as compared.

    Args:
        identities: flat, one a run; the seed does not count.
    """
    keys = list(dict.fromkeys(key for identity in identities for key in identity if key != "seed"))
    varying = [key for key in keys if len({_value(identity, key) for identity in identities}) > 1]
    result = []
    for index, group in enumerate(GROUPS):
        options = list(dict.fromkeys(str(identity[group]) for identity in identities))
        named = {group, *(each for each in GROUPS if each in varying)}  # keys of these belong to the option that is chosen
        others = [key for key in varying if key.split(".")[0] not in named or key in GROUPS[index + 1 :]]
        for key in others if len(options) > 1 else []:
            under = {option: {_value(each, key) for each in identities if str(each[group]) == option} for option in options}
            for one, other in combinations(options, 2):
                if not under[one] & under[other]:
                    values = (" or ".join(sorted(under[one])), " or ".join(sorted(under[other])))
                    result.append(Confounded(group, (one, other), key, values))
    return result


def _value(identity: Identity, key: str) -> str:
    return str(identity.get(key, "not set"))
