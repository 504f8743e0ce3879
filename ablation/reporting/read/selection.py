"""Select the runs of a table from the manifests of the sweeps, by `--sweep` and `--study`.

Reads no run; a manifest that cannot be read gives a warning.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ablation.records.manifest import NAME, ROUNDS, RUN_ID, began

NO_STUDY: dict[str, Any] = {"name": "runs", "title": None}


@dataclass(frozen=True)
class Selection:
    """The runs of a table."""

    study: dict[str, Any]
    planned: dict[str, dict[str, Any]]  # flat config by run id
    others: bool  # include the other runs of the folder
    description: str  # of the choice, one line
    warnings: list[str] = field(default_factory=list)  # one line for each unreadable manifest
    tracker: dict[str, Any] = field(default_factory=dict)  # the newest sweep's tracker node
    command: str | None = None  # of the newest sweep
    rounds: dict[str, Any] | None = None  # content of the newest sweep's rounds.json
    grown: bool = False  # an earlier sweep of this study had fewer seeds of the same cells
    words: dict[str, dict[str, str]] = field(default_factory=dict)  # by run id, names of values that its config has as digests


def select(runs: Path, sweep: str | None = None, study: str | None = None) -> Selection:
    """Select runs.

    Args:
        runs: the runs folder.
        sweep: `last`, an id, or `all` (including runs outside of any sweep); None is `last`, or with `study` all of its sweeps.
        study: only sweeps of this study.

    Raises:
        LookupError: there is no such sweep or study, or several studies match; the message lists what exists.
    """
    manifests, warnings = _manifests(runs / "sweeps")
    if not manifests and not study and sweep in (None, "last", "all"):
        description = f"no manifest in {runs / 'sweeps'}: every run found"
        return Selection(NO_STUDY, {}, others=True, description=description, warnings=warnings)
    chosen = {name: manifest for name, manifest in manifests.items() if study in (None, manifest["study"]["name"])}
    if study and not chosen:
        raise LookupError(f"no sweep of study {study} in {runs / 'sweeps'}; it holds {_studies(manifests)}")
    wanted = sweep or ("all" if study else "last")
    if wanted == "last":
        chosen = dict([[*chosen.items()][-1]])
    elif wanted != "all":
        if wanted not in chosen:
            raise LookupError(f"no sweep {wanted} in {runs / 'sweeps'}; it holds {', '.join(sorted(manifests)) or 'none'}")
        chosen = {wanted: chosen[wanted]}
    if len({manifest["study"]["name"] for manifest in chosen.values()}) > 1:
        raise LookupError(f"{runs / 'sweeps'} holds {_studies(chosen)}: choose with --study NAME or --sweep ID")
    planned = {run["run_id"]: run["config"] for name in chosen for run in chosen[name]["runs"]}
    others = wanted == "all" and not study
    sweeps = f"sweep {next(iter(chosen))}" if len(chosen) == 1 else f"{len(chosen)} sweeps"
    description = f"{sweeps}{' and every other run' if others else ''} of {runs}"
    newest_id, newest = [*chosen.items()][-1]
    return Selection(
        newest["study"],
        planned,
        others,
        description,
        warnings,
        newest.get("tracker") or {},
        newest.get("command"),
        _rounds(runs / "sweeps" / newest_id, warnings),
        _grown(manifests, newest),
        {run["run_id"]: run["words"] for manifest in chosen.values() for run in manifest["runs"] if run.get("words")},
    )


def _rounds(sweep: Path, warnings: list[str]) -> dict[str, Any] | None:
    """Return the content of a sweep's rounds.json, None if it has none; one that cannot be read is a warning."""
    try:
        content: dict[str, Any] = json.loads((sweep / ROUNDS).read_bytes())
        if not all(isinstance(name, str) for name in content["not_needed"]):
            raise TypeError("not_needed is no list of run ids")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        warnings.append(f"unreadable, left out: {sweep / ROUNDS} ({type(error).__name__}: {error})")
        return None
    return content


def _grown(manifests: dict[str, dict[str, Any]], newest: dict[str, Any]) -> bool:
    """Return True if an earlier sweep of the same study planned fewer seeds of a cell that the newest has."""
    now = _seeds(newest)
    earlier = [one for one in manifests.values() if one is not newest and one["study"]["name"] == newest["study"]["name"]]
    return any(seeds < now.get(cell, set()) for one in earlier for cell, seeds in _seeds(one).items())


def _seeds(manifest: dict[str, Any]) -> dict[str, set[Any]]:
    """Return the planned seeds of each cell."""
    seeds: dict[str, set[Any]] = {}
    for run in manifest["runs"]:
        cell = json.dumps({key: value for key, value in run["config"].items() if key != "seed"}, sort_keys=True)
        seeds.setdefault(cell, set()).add(run["config"].get("seed"))
    return seeds


def _studies(manifests: dict[str, dict[str, Any]]) -> str:
    names = sorted({manifest["study"]["name"] for manifest in manifests.values()})
    return ("studies " if len(names) > 1 else "study ") + ", ".join(names) if names else "no sweep"


def _manifests(folder: Path) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Return the manifests by sweep id, the newest last, and a line for each that cannot be read."""
    manifests, warnings = {}, []
    for file in sorted(folder.glob(f"*/{NAME}")):
        try:
            manifest = json.loads(file.read_bytes())
            _check(manifest)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            warnings.append(f"unreadable, left out: {file} ({type(error).__name__}: {error})")
        else:
            manifests[file.parent.name] = manifest
    order = sorted(manifests, key=lambda name: (began(folder / name, manifests[name]), name))
    return {name: manifests[name] for name in order}, warnings


def _check(manifest: dict[str, Any]) -> None:
    """Raise TypeError, KeyError, AttributeError or ValueError unless all parts used later are valid."""
    check_study(manifest["study"])
    (manifest.get("tracker") or {}).items()
    if not isinstance(manifest.get("command"), str | None):
        raise TypeError("command is no text")
    for run in manifest["runs"]:
        if not RUN_ID.fullmatch(run["run_id"]):
            raise ValueError(f"{run['run_id']!r} is no run id")
        run["config"].items()
        if any(not isinstance(word, str) for word in (run.get("words") or {}).values()):
            raise TypeError(f"words of {run['run_id']} are no texts")


def check_study(study: dict[str, Any]) -> None:
    """Raise TypeError, KeyError, AttributeError or ValueError unless all parts of a study that are used later are valid."""
    if not isinstance(study["name"], str):
        raise TypeError("study.name is no text")
    for cell in study.get("cells") or []:
        cell["label"], cell["where"].items()
    for name, change in (study.get("contrasts") or {}).items():
        if not change or any(not isinstance(levels, list) or len(levels) != 2 for levels in change.values()):
            raise TypeError(f"study.contrasts.{name} is no {{factor: [from, to]}}")
    (study.get("baseline") or {}).items()
    smallest = study.get("smallest")
    if smallest is not None and not smallest > 0:
        raise ValueError(f"study.smallest {smallest} is not above 0")
