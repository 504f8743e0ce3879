"""A run rebuilt from its record: its configuration, data, augmentation and trained resizer, each made when it is used.

Owns the way back from runs/<run id>/ to objects. Draws nothing, writes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from ablation.data.augment import Augment
from ablation.data.dataset_info import FOLDER
from ablation.data.images import Dataset
from ablation.data.layout import ImageFolder
from ablation.data.listing import listing
from ablation.figures import captions
from ablation.models.resizer import Resizer
from ablation.records.checkpoint import load_weights
from ablation.records.manifest import RUN_ID
from ablation.reporting.read import local_files
from ablation.reporting.read.selection import select
from ablation.sweep import settings
from ablation.sweep.installation import CONF, command
from ablation.sweep.refusal import Refused


class Refusal(Exception):
    """What cannot be had from a record; one line says why and what makes it."""


@dataclass
class TrainedRun:
    """One run of a runs folder.

    Args:
        runs: the folder.
        row: of `local_files.local`, with the flat identity; None where there is no run: then there are modules alone.
        learned: the runs that figure 8 shows: of each learned resizer the best one, the best first.
    """

    runs: Path
    row: dict[str, Any] | None
    learned: Sequence[TrainedRun] = ()

    @cached_property
    def config(self) -> Any:
        """config.yaml as plain values. Where its resizer learns nothing, that of `stand_in` stands in its place.

        Raises:
            Refusal: it cannot be read.
        """
        config = _read(CONF / "config.yaml" if self.row is None else self.runs / self.row["run_id"] / "config.yaml")
        if not _is_learned(config):
            config["resizer"] = _read(stand_in()) | {"size": config["input_size"]}
        return config

    @cached_property
    def learns(self) -> bool:
        """True if the run's resizer is the learnable one, by its config.yaml."""
        try:
            return self.row is not None and _is_learned(_read(self.runs / self.row["run_id"] / "config.yaml"))
        except Refusal:
            return False

    @property
    def attends(self) -> bool:
        """True if the run's resizer is the learnable one with CBAM in it."""
        return self.row is not None and self.row["config"].get("resizer.position", "none") != "none" and self.learns

    @property
    def name(self) -> str:
        """The run's resizer as figure 8 names it: `Resizer`, `Resizer_CBAM`, with the start of its last convolution."""
        zero = self.row is not None and self.row["config"].get("resizer.zero_init") is True
        return ("Resizer_CBAM" if self.attends else "Resizer") + (", zero start" if zero else "")

    @cached_property
    def dataset(self) -> Dataset:
        """The images that the run saw.

        Raises:
            Refusal: there is no run.
            OSError, ValueError: the data is not here, or is not what the run saw.
        """
        dataset: Dataset = settings.build(self._of_a_run(), "data")
        return dataset

    @cached_property
    def augment(self) -> Augment:
        """The run's augmentation.

        Raises:
            Refusal: there is no run.
        """
        augment: Augment = settings.build(self._of_a_run(), "aug")
        return augment

    def _of_a_run(self) -> Any:
        if self.row is None:
            raise Refusal(f"no run in {self.runs} says which data; {self.way_out}")
        return self.config

    def resizer(self, **changes: Any) -> Resizer:
        """Return the run's resizer as it is built, untrained: for its shapes and counts."""
        resizer: Resizer = settings.build(self.config, "resizer", **changes)
        return resizer

    def trained_resizer(self) -> tuple[Resizer, str]:
        """Return the resizer with the weights that the run kept, and which epoch they are of (`best`, `last` or `val`).

        Raises:
            Refusal: the run is not done, has no learned resizer or kept no weights: nothing untrained is ever returned.
            ValueError: the file is damaged or of another run.
        """
        row = self.row
        if row is None or row["outcome"] != "done" or not self.learns:
            state = f"{row['run_id']} is {row['outcome']}, resizer={row['config'].get('resizer')}" if row else "there is no run"
            raise Refusal(f"needs a done run with a learned resizer, {state}; {self.way_out}")
        folder = self.runs / row["run_id"] / "checkpoints"
        kind = next((kind for kind in ("best", "last", "val") if any(folder.glob(f"{kind}-*.pt"))), None)
        if kind is None:
            raise Refusal(f"{folder}: no weights were kept (records.keep_weights); {self.way_out}")
        content = load_weights(folder, kind)
        if (content["run"], content["epoch"]) != (row["digest"], row[f"{kind}_epoch"]):
            source = f"run {content['run']}, epoch {content['epoch']}"
            raise ValueError(f"{folder}: {kind} weights are of {source}, the record is {row['digest']}: train the run again")
        weights = {key.removeprefix("resizer."): value for key, value in content["model"].items() if key.startswith("resizer.")}
        resizer = self.resizer()
        try:
            resizer.load_state_dict(weights)
        except RuntimeError as error:
            first = " ".join(str(error).split())[:160]
            raise ValueError(f"{folder}: {kind} weights do not fit the resizer of config.yaml ({first})") from None
        return resizer.eval(), kind

    @property
    def image_size(self) -> tuple[int, int] | None:
        """Height and width of the run's images, None if there is no run or its data is not here."""
        try:
            info = settings.dataset_facts(self.config)
        except (KeyError, OSError, TypeError, ValueError, Refused):
            return None
        return info.height, info.width

    @property
    def data(self) -> str:
        """The run's data in words."""
        dataset, node = self.dataset, self.config["data"]
        height, width = dataset.train.pixels.shape[2:]
        endings = {Path(file.path).suffix for file in listing(ImageFolder.of(node)).train} if node["_target_"] == FOLDER else {}
        files = ", ".join(sorted({"JPEG" if "j" in ending.lower() else ending[1:].upper() for ending in endings}))
        return captions.data(node, files, dataset.classes, (len(dataset.train), len(dataset.test)), (height, width))

    @property
    def way_out(self) -> str:
        """The command that makes a run with a trained resizer, in a minute."""
        where = "" if self.runs == Path("runs") else f" paths.runs={self.runs}"
        return f"{command('run')} -m profile=demo study=none resizer={stand_in().stem}{where}"


def find(runs: Path, sweep: str | None, study: str | None, run_id: str | None = None) -> tuple[TrainedRun, str, str]:
    """Return the run to show, the study's name, and a line about the choice.

    A run that is done comes before others, one with CBAM before one with the Resizer, then the best accuracy.

    Args:
        sweep, study: as for `select`; run_id: this run and no other.

    Raises:
        LookupError: there is no such sweep, study or run.
    """
    selection = select(runs, sweep, study)
    name, description = selection.study["name"], selection.description
    if run_id is not None:
        if not RUN_ID.fullmatch(run_id) or not (runs / run_id / "config.yaml").is_file():
            raise LookupError(f"--run {run_id}: no such run in {runs}")
        selection = replace(selection, planned={run_id: selection.planned.get(run_id, {})}, others=False)
    rows: list[dict[str, Any]] = local_files.local(runs, selection).to_dict("records")  # type: ignore[assignment]
    rows = [row for row in rows if (runs / row["run_id"] / "config.yaml").is_file()]
    rows = [row for row in rows if row["outcome"] == "done"] or rows
    ranked = [TrainedRun(runs, row) for row in sorted(rows, key=lambda row: row["best_acc"] or 0.0, reverse=True)]
    if not ranked:
        return TrainedRun(runs, None), name, f"none found ({description})"
    attending, learning = (run for run in ranked if run.attends), (run for run in ranked if run.learns)
    run = next(attending, None) or next(learning, ranked[0])
    run.learned = _best_of_each(ranked)
    assert run.row is not None
    why = "as asked" if run_id else f"done before others, CBAM before Resizer, then the best accuracy; {description}"
    return run, name, f"{run.row['run_id']}, {run.row['outcome']} ({why})"


def _best_of_each(ranked: Sequence[TrainedRun]) -> list[TrainedRun]:
    """Return the first done run of each learned resizer, of those with the images and the output size of the very first.

    Of runs that share resizer and data only the first one's config.yaml is read: the others, its seeds among them, rank below.
    """
    shown: dict[str, TrainedRun] = {}
    seen: list[dict[str, Any]] = []
    images: Any = None
    for run in ranked:
        assert run.row is not None
        flat = {key: value for key, value in run.row["config"].items() if key.partition(".")[0] in ("data", "resizer")}
        if run.row["outcome"] != "done" or flat in seen:
            continue
        seen.append(flat)
        own = {key: value for key, value in flat.items() if key.partition(".")[0] == "data" or key == "resizer.size"}
        if images in (None, own) and run.learns:
            images = own
            shown.setdefault(run.name, run)
    return list(shown.values())


@cache
def stand_in() -> Path:
    """Return the shipped option with everything that figures 1 to 3 show: the first whose Resizer has attention.

    Raises:
        Refusal: there is none.
    """
    folder = CONF / "resizer"
    for file in sorted(folder.glob("*.yaml")):
        node = _read(file)
        if _is_learned({"resizer": node}) and node.get("position", "none") != "none":
            return file
    raise Refusal(f"{folder}: no option is a Resizer with attention, position=block or trunk")


def _is_learned(config: Any) -> bool:
    return str((config.get("resizer") or {}).get("_target_")).endswith(".Resizer")


def _read(file: Path) -> Any:
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        content.keys()
    except (OSError, ValueError, AttributeError, yaml.YAMLError) as error:
        first = (str(error).splitlines() or [""])[0]
        raise Refusal(f"{file}: cannot be read as a configuration ({type(error).__name__}: {first})") from None
    return content
