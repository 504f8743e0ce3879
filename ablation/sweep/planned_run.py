"""One planned run: identity, folder and typed values, made once from the composed configuration.

`plan` turns Hydra's configuration into a `Planned`, which all later code uses instead; PLANNED lists this process's runs.
Imports no torch.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from ablation.data.dataset_info import Facts
from ablation.data.listing import listing
from ablation.records import outcome
from ablation.records.outcome import FINISHED, changed, folder_of
from ablation.records.provenance import digest_of, same_code, source_digest
from ablation.sweep import commits, installation, own_parts, settings
from ablation.sweep.identity import GROUPS, cell, digest, run_id
from ablation.sweep.refusal import Refused

ELSEWHERE = ("data.root", "data.cache", "data.train", "data.test", "data.facts.name")  # the identity has the content instead


@dataclass(frozen=True)
class Train:
    """A run's epochs, batch size and precision."""

    epochs: int
    batch_size: int
    precision: str  # fp32, bf16, fp16


OptionFile = tuple[tuple[str, ...], str | None]  # the keys of an option's file, its `_target_`


@dataclass(frozen=True, eq=False)
class Planned:
    """One run of the command."""

    folder: Path  # runs/<run id>, absolute
    digest: str  # of the identity
    identity: dict[str, Any]  # flat: option names, values under dotted keys, the seed
    options: dict[str, str]  # the chosen option of each group
    config: dict[str, Any]  # the whole configuration, resolved, without Hydra's own part
    launcher: dict[str, Any]  # hydra.launcher
    overrides: list[str]  # as typed for this run
    train: Train
    environment: dict[str, str]  # hydra.job.env_set: variables that its process gets
    sources: dict[str, str]  # digests of this project's code and of each package of the user's own, when it was planned
    earlier_change: int  # st_mtime_ns of outcome.json when the run was planned, 0 if there was none

    @property
    def run_id(self) -> str:
        """The run id: name of the folder and of the W&B run."""
        return self.folder.name

    @property
    def seed(self) -> int:
        """Seed of every random stream."""
        return int(self.identity["seed"])

    @property
    def study(self) -> str:
        """Name of the study under which the run is planned."""
        return str(self.config["study"]["name"])

    @functools.cached_property
    def cell(self) -> str:
        """Digest of the identity without the seed."""
        return cell(self.identity)

    @property
    def dataset(self) -> Facts:
        """Number and size of the run's images, known before the data are opened."""
        return settings.dataset_facts(self.config)

    @functools.cached_property
    def own_code(self) -> dict[str, str]:
        """Digest of each package of the user's own, if a part of the run is from one.

        Raises:
            Refused: a file is not valid Python.
        """
        return own_code(self.config)

    @property
    def trained_images(self) -> int:
        """Number of training images per epoch."""
        data = self.config["data"]
        return int(data["limit"] or self.dataset.train - data["val_size"])

    @property
    def evaluated_images(self) -> int:
        """Number of images evaluated after each epoch: test and held out."""
        data = self.config["data"]
        return int((data["test_limit"] or self.dataset.test) + data["val_size"])

    @property
    def state(self) -> str:
        """The state of the run's folder; `to do again` if other code made its result and rerun=stale."""
        state = outcome.state(self.folder)
        if state in FINISHED and self.config["rerun"] == "stale":
            record = outcome.read(self.folder) or {}
            return state if same_code(record["code"], self.own_code) else "to do again"
        return state

    @property
    def epochs_done(self) -> int:
        """Epochs that this command does not have to train."""
        return 0 if self.state == "to do again" else outcome.epochs_done(self.folder)


PLANNED: list[Planned] = []  # the runs of this process's command: the exit code is computed from them


def plan(config: DictConfig, overrides: Sequence[str] | None = None, values: dict[str, Any] | None = None) -> Planned:
    """Return the planned run of a composed configuration.

    Args:
        config: composed; in a task its `hydra` node is missing and is taken from HydraConfig.
        overrides: of the run; None: those that Hydra composed it with.
        values: of `check_config`, if the caller has them.

    Raises:
        Refused: a mandatory value or the image folder is missing.
    """
    hydra_node = config.hydra if "hydra" in config else HydraConfig.get()
    values = settings.checked(config) if values is None else values
    flat = identity(config, values)
    folder = folder_of(Path(values["paths"]["runs"]).absolute(), run_id(flat), flat)
    return Planned(
        folder=folder,
        digest=digest(flat),
        identity=flat,
        options=settings.choices(config),
        config=values,
        launcher=settings.plain(hydra_node.launcher),
        overrides=settings.as_typed(hydra_node) if overrides is None else list(overrides),
        train=Train(**values["train"]),
        environment=_environment(hydra_node.job),
        sources={"ablation": source_digest(), **own_code(values)},
        earlier_change=changed(folder),
    )


def of_task(config: DictConfig) -> Planned:
    """Return the planned run of a task of this command; if another process planned it, check and plan it here.

    Raises:
        Refused: a value of the configuration is not legal.
    """
    hydra_node = config.hydra if "hydra" in config else HydraConfig.get()
    overrides = settings.as_typed(hydra_node)
    for run in PLANNED:
        if run.overrides == overrides:
            return run
    if mode := settings.mode_of(config):
        raise Refused(f"{mode}={config[mode]}: trains nothing, and this run was not planned")
    return plan(config, overrides, settings.check_config(config, overrides))


def identity(config: DictConfig, values: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return everything that can change a run's result as one flat dictionary: see `ablation.sweep.identity`.

    The path of a class or function is not part of it: `resizer=plain` already names the part. A `_target_` counts only if it
    differs from that in the option's own file (`resizer._target_=...`), so renaming a module does not change any identity.

    Args:
        config: composed.
        values: the same configuration, resolved and plain, if the caller has it.
    """
    values = settings.checked(config) if values is None else values
    options = settings.choices(config)
    flat: dict[str, Any] = {group: options[group] for group in GROUPS}
    for group in (*GROUPS, "train"):
        flat |= settings.leaves(values[group], f"{group}.")
    for group, files in option_files(config).items():
        if flat.get(f"{group}._target_") == next((target for _, target in files if target is not None), None):
            del flat[f"{group}._target_"]
    flat["seed"] = values["seed"]
    for key in ELSEWHERE:
        flat.pop(key, None)
    if source := settings.image_folder(values):
        settings.dataset_facts(values)  # refuses a folder that cannot be listed
        flat["data.content"] = listing(source).digest
    weights = values["backbone"]["weights"]
    if weights not in ("imagenet", "none"):
        flat["backbone.weights"] = weights_digest(weights)
    if values["code"] is not None:  # only then, so that all other identities stay what they are
        flat["code"] = commits.resolved(values["code"])
    return flat


def option_files(config: DictConfig) -> dict[str, tuple[OptionFile, ...]]:
    """Return of each group what its chosen option's file has, then that of the option that it extends, and so on."""
    hydra_node = config.hydra if "hydra" in config else HydraConfig.get()
    folders = tuple(source.path for source in hydra_node.runtime.config_sources if source.schema == "file")
    options = settings.choices(config)
    return {group: _chain(folders, group, options[group]) for group in GROUPS}


@functools.cache
def _chain(folders: tuple[str, ...], group: str, option: str | None) -> tuple[OptionFile, ...]:
    files = []
    while option is not None:
        keys, target, option = _stated(folders, group, option)
        files.append((keys, target))
    return tuple(files)


@functools.cache
def _stated(folders: tuple[str, ...], group: str, option: str) -> tuple[tuple[str, ...], str | None, str | None]:
    """Return keys and target in an option's file, and the option of the same group that it extends. Read once per process."""
    for folder in folders:
        file = Path(folder) / group / f"{option.removesuffix('.yaml')}.yaml"
        if file.is_file():
            node: Any = OmegaConf.load(file)
            extended = [entry for entry in node.get("defaults", []) if isinstance(entry, str) and entry != "_self_"]
            return tuple(map(str, node)), node.get("_target_"), extended[0] if extended else None
    return (), None, None


def _environment(job: Any) -> dict[str, str]:
    """Return the variables of hydra.job.env_set, but for those that Hydra copied: every process of a sweep has them already."""
    return {str(name): str(job.env_set[name]) for name in job.env_set if name not in job.env_copy}


def own_code(config: dict[str, Any]) -> dict[str, str]:
    """Return what `Planned.own_code` does, of a resolved configuration."""
    try:
        return {name: digest_of(tuple(files)) for name, files in own_parts.packages(config).items()}
    except ValueError as error:
        raise Refused(str(error)) from None


def weights_digest(path: str) -> str:
    """Return `sha256:` and the digest of a file of weights, as the identity has it."""
    return f"sha256:{_file_digest(path, Path(path).stat().st_mtime_ns)}"


@functools.lru_cache
def _file_digest(path: str, changed: int) -> str:
    """Return a file's sha256; computed again in a process only if the file's modification time changes."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def register() -> None:
    """Register the OmegaConf resolvers that conf/config.yaml uses; Hydra passes them on to workers."""
    OmegaConf.register_new_resolver("run_id", lambda *, _root_: _folder(_root_).name, replace=True)
    OmegaConf.register_new_resolver("run_dir", lambda *, _root_: str(_folder(_root_)), replace=True)
    OmegaConf.register_new_resolver("sweep_id", settings.sweep_id, use_cache=True, replace=True)
    OmegaConf.register_new_resolver("typed", installation.command, replace=True)


def _folder(config: DictConfig) -> Path:
    overrides = settings.as_typed(config.hydra)
    return next((run.folder for run in PLANNED if run.overrides == overrides), None) or plan(config).folder
