"""Names for what a run's identity holds as a digest, and what tells the runs of a command apart, in words.

A run id ends in a digest; beside it stand only three options and the seed. Pure, but for the paths whose last parts are names.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ablation.sweep.identity import IN_ID

if TYPE_CHECKING:
    from ablation.sweep.planned_run import Planned

Identity = Mapping[str, Any]


def words(planned: Sequence[Planned]) -> dict[str, dict[str, str]]:
    """Return by run id the names of values that the identity holds as digests: folder of the images, file of the weights."""
    from ablation.data.layout import names  # not for the live view, which reads the names from a manifest
    from ablation.sweep import settings

    paths: dict[str, dict[str, str]] = defaultdict(dict)
    for run in planned:
        if source := settings.image_folder(run.config):
            paths["data.content"][run.run_id] = source.root
        if str(run.identity.get("backbone.weights")).startswith("sha256:"):
            paths["backbone.weights"][run.run_id] = run.config["backbone"]["weights"]
    result: dict[str, dict[str, str]] = defaultdict(dict)
    for key, of_runs in paths.items():
        short = names(list(dict.fromkeys(of_runs.values())))
        for run_id, path in of_runs.items():
            result[run_id][key] = short[path]
    return dict(result)


def of_command(planned: Sequence[Planned]) -> dict[str, str]:
    """Return `apart` of a command's runs, by run id."""
    named = words(planned)
    identities = [run.identity | named.get(run.run_id, {}) for run in planned]
    return dict(zip((run.run_id for run in planned), apart(identities), strict=True))


def apart(identities: Sequence[Identity]) -> list[str]:
    """Return what tells each run from the others beside its run id: `adamw, lr 0.1`; nothing where the id's words do.

    An option is named where it varies; a value where it differs between runs of equal options.

    Args:
        identities: flat, one a run, with names in place of digests.
    """
    options = [key for key in dict.fromkeys(key for each in identities for key in each) if "." not in key]
    shown = [key for key in options if key not in (*IN_ID, "seed") and len({str(each.get(key)) for each in identities}) > 1]
    alike: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for index, each in enumerate(identities):
        alike[tuple(str(each.get(key)) for key in options if key != "seed")].append(index)
    result = [[str(each[key]) for key in shown if key in each] for each in identities]
    for indices in alike.values():
        keys = dict.fromkeys(key for index in indices for key in identities[index] if "." in key)
        varying = [key for key in keys if len({str(identities[index].get(key)) for index in indices}) > 1]
        last = [key.rpartition(".")[2] for key in varying]
        for index in indices:
            for key, name in zip(varying, last, strict=True):
                unit = "" if key == "data.content" else f"{name if last.count(name) == 1 else key} "
                result[index].append(f"{unit}{identities[index].get(key, 'not set')}")
    return [", ".join(parts) for parts in result]
