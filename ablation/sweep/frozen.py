"""A sweep's plan on disk: the resolved configuration of every run, which is what any process trains that did not plan it.

Composing a run again would train what conf/ and the environment contain by then. What a configuration only names (code, images,
weights) is compared with the plan before a run is trained.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ablation.data.listing import listing
from ablation.records.files import read_json, write_json
from ablation.records.outcome import changed
from ablation.records.provenance import source_digest
from ablation.sweep import settings
from ablation.sweep.planned_run import Planned, Train, own_code, weights_digest
from ablation.sweep.refusal import Refused

NAME = "configurations.json"
VARIABLE = "ABLATION_PLANNED_RUN"  # environment variable of a run's process: FILE#RUN-ID


def write(sweep: Path, planned: Sequence[Planned]) -> None:
    """Write the runs of a sweep into its folder, runs/sweeps/<sweep id>."""
    write_json(sweep / NAME, {run.run_id: dataclasses.asdict(run) | {"folder": str(run.folder)} for run in planned})


def reference(sweep: Path, run: Planned) -> dict[str, str]:
    """Return the environment variable that makes a process train this run."""
    return {VARIABLE: f"{(sweep / NAME).absolute()}#{run.run_id}"}


def read(reference: str) -> Planned:
    """Return the run that the environment variable names.

    Raises:
        Refused: the plan is not there or damaged.
    """
    file, _, run_id = reference.rpartition("#")
    try:
        content: dict[str, Any] = (read_json(Path(file)) or {})[run_id]
        folder = Path(content.pop("folder"))
        replaced = {"folder": folder, "train": Train(**content.pop("train")), "earlier_change": changed(folder)}
        return Planned(**{**content, **replaced})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Refused(f"{run_id}: its plan {file} cannot be read ({type(error).__name__}: {error}): plan it again") from None


def check_unchanged(run: Planned) -> None:
    """Refuse to train what was not planned.

    Raises:
        Refused: code, images or weights are others than those that the run was planned with.
    """
    for name, planned, here in _named(run):
        if planned != here:
            way_out = "put it back, or give the command again, which plans anew"
            raise Refused(f"{run.run_id}: planned with {name} {planned[:16]}, here is {here[:16]}: {way_out}")


def _named(run: Planned) -> Iterator[tuple[str, str, str]]:
    """Yield (name, digest when planned, digest now) of what the configuration names."""
    here = {"ablation": source_digest(), **own_code(run.config)}
    for package, planned in run.sources.items():
        yield f"the code of {package}, digest", planned, here.get(package, "none")
    if source := settings.image_folder(run.config):
        try:
            yield f"images in {source.root}", run.identity["data.content"], listing.__wrapped__(source).digest
        except OSError as error:
            raise Refused(f"{run.run_id}: its images have changed since it was planned: {error}") from None
    weights, planned = run.config["backbone"]["weights"], str(run.identity["backbone.weights"])
    if planned.startswith("sha256:"):
        found = weights_digest(weights) if Path(weights).is_file() else "no file"
        yield f"backbone.weights={weights}", planned.removeprefix("sha256:"), found.removeprefix("sha256:")


def data_checksums(run: Planned) -> frozenset[str]:
    """Return the checksums of the decoded copies of a run's images in its cache; empty if there is none, or for other data.

    The named data sets are checked against their published digests when they are loaded.
    """
    source = settings.image_folder(run.config)
    if source is None:
        return frozenset()
    facts = settings.dataset_facts(run.config)
    wanted = {"digest": run.identity["data.content"], "height": facts.height, "width": facts.width}
    wanted["background"] = source.background
    found = set()
    for file in Path(source.cache).glob("imagefolder-*/about.json"):
        with contextlib.suppress(OSError, ValueError, KeyError, AttributeError):  # being made or damaged: made when needed
            about: dict[str, Any] = json.loads(file.read_bytes())
            if wanted.items() <= about.items():
                found.add(str(about["checksum"]))
    return frozenset(found)
