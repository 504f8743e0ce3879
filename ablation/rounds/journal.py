"""What a sweep in rounds knew after each round: `rounds.json` beside its manifest, read by the table.

Continuing does not need it: the same command judges the same records again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ablation.records.files import read_json, write_json
from ablation.records.manifest import NAME, ROUNDS
from ablation.reporting.statistics.looks import Judged, shares


def begin(sweep: Path, looks: Sequence[int]) -> None:
    """Write the shares of the level into the sweep's manifest and a journal without a look, before the first run starts."""
    manifest = read_json(sweep / NAME)
    assert manifest is not None  # written when the command was planned
    write_json(sweep / NAME, manifest | {"rounds": {**manifest["rounds"], "shares": list(shares(looks))}})
    write(sweep, looks, 0, {"comparisons": {}, "effects": {}}, [])


def write(
    sweep: Path, looks: Sequence[int], complete: int, judged: Mapping[str, Mapping[str, Judged]], not_needed: Sequence[str]
) -> None:
    """Replace the sweep's rounds.json.

    Args:
        sweep: runs/sweeps/<sweep id>.
        looks: seeds a cell at each look.
        complete: number of looks that were judged.
        judged: `comparisons` and `effects`, each by name.
        not_needed: ids of the planned runs that no open comparison needs.
    """
    families = {family: {name: _plain(each) for name, each in named.items()} for family, named in judged.items()}
    content = {"looks": list(looks), "shares": list(shares(looks)), "complete": complete, "not_needed": list(not_needed)}
    write_json(sweep / ROUNDS, content | families)


def _plain(judged: Judged) -> dict[str, Any]:
    adjusted = judged.adjusted
    return {
        "status": judged.status.value,
        "look": judged.look,
        "p": adjusted.p,
        "adjusted": adjusted.adjusted,
        "level": adjusted.level,
    }
