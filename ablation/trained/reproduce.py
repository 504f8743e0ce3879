"""Train a run again from its record alone, and compare rows, logits and weights with it to the last bit.

The record is config.yaml, and outcome.json where it is there. What differs in the circumstances (versions, device, threads,
code) is named beside the first difference.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml  # type: ignore[import-untyped]

from ablation.records import outcome
from ablation.records.checkpoint import load_weights
from ablation.records.outcome import CHOSEN, OF_ROWS
from ablation.records.provenance import source_digest
from ablation.sweep import settings
from ablation.sweep.identity import GROUPS, digest, run_id
from ablation.sweep.planned_run import Planned, Train, own_code
from ablation.trained.load import Unusable

CIRCUMSTANCES = ("versions", "device", "machine", "data_checksum")


@dataclass(frozen=True)
class Compared:
    """What two records of a run have in common."""

    same: bool
    compared: list[str]  # `10 epochs`, `logits`, `weights`: what both have
    difference: str | None  # the first one
    circumstances: list[str]  # `torch 2.14.1, was 2.13.0`

    @property
    def sentence(self) -> str:
        """One line."""
        circumstances = "; ".join(self.circumstances) or "none that is recorded"
        if self.same:
            return f"the same to the last bit: {', '.join(self.compared)}"
        return f"not the same: {self.difference}; what differs in the circumstances: {circumstances}"


def plan(folder: Path, to: Path) -> Planned:
    """Return the planned run of a record, to be trained into another runs folder.

    A run on a CPU gets the number of threads that it had, on which its last bits depend. Nothing is sent to W&B.

    Args:
        folder: runs/<run id>, or a folder of that name with config.yaml alone.
        to: the runs folder for the new run.

    Raises:
        Unusable: the record is not there, unreadable, or contradicts itself.
    """
    config, record = _config(folder), _record(folder)
    identity = record["config"] if record else _identity(config)
    if record:
        _check(folder, config, record)
    new = copy.deepcopy(config)
    new["paths"]["runs"], new["tracker"] = str(to), {**new["tracker"], "mode": "disabled"}
    threads = str((record or {}).get("device") or "").removeprefix("cpu, ").removesuffix(" threads")
    if threads.isdigit():
        new["engine"]["cpu_threads"] = int(threads)
    name = folder.absolute().name if record else run_id(identity)
    return Planned(
        folder=to.absolute() / name,
        digest=record["digest"] if record else digest(identity),
        identity=identity,
        options={group: str(identity[group]) for group in GROUPS},
        config=new,
        launcher={},
        overrides=[],
        train=Train(**new["train"]),
        environment={},
        sources={"ablation": source_digest(), **own_code(new)},
        earlier_change=0,
    )


def compare(old: Path, new: Path) -> Compared:
    """Compare two records of one run: the rows without their clock, then logits, then weights.

    Raises:
        Unusable: they have nothing in common that could be compared.
    """
    compared: list[str] = []
    difference = None
    for part, first in _parts(old, new):
        compared.append(part)
        difference = difference or first
    if not compared:
        raise Unusable(f"{old}: has neither epochs.jsonl, predictions.npz nor weights: nothing to compare with")
    return Compared(difference is None, compared, difference, circumstances(old, new))


def circumstances(old: Path, new: Path) -> list[str]:
    """Return what differs between two runs beside their numbers: `torch 2.14.1, was 2.13.0`."""
    before, now = (_flat(_provenance(folder)) for folder in (old, new))
    keys = [key for key in now if key in before and now[key] != before[key]]
    return [f"{key} {now[key]}, was {before[key]}" for key in keys]


def _parts(old: Path, new: Path) -> Iterator[tuple[str, str | None]]:
    """Yield what both have, and its first difference."""
    rows, again = _rows(old), _rows(new)
    if rows and again:
        differing = next((index for index, pair in enumerate(zip(rows, again, strict=False)) if pair[0] != pair[1]), None)
        if differing is None and len(rows) != len(again):
            differing = min(len(rows), len(again))
        yield f"{len(again)} epochs", None if differing is None else _of_epoch(rows, again, differing)
    for kind in CHOSEN:
        logits, others = _logits(old, kind), _logits(new, kind)
        if logits is not None and others is not None:
            equal = logits.shape == others.shape and bool((logits.view(np.uint32) == others.view(np.uint32)).all())
            yield f"{kind} logits", None if equal else f"{kind} logits differ"
        weights, their = _weights(old, kind), _weights(new, kind)
        if weights is not None and their is not None:
            unequal = [name for name in {**weights, **their} if not _equal(weights.get(name), their.get(name))]
            yield f"{kind} weights", f"{kind} weights differ, first {unequal[0]}" if unequal else None


def _of_epoch(rows: list[dict[str, Any]], again: list[dict[str, Any]], index: int) -> str:
    """Return which values of an epoch differ."""
    if index >= min(len(rows), len(again)):
        return f"it has {len(again)} epochs, the record {len(rows)}"
    one, other = again[index], rows[index]
    keys = [key for key in {**one, **other} if one.get(key) != other.get(key)]
    return f"epoch {index + 1}: " + ", ".join(f"{key} {one.get(key)}, was {other.get(key)}" for key in keys)


def _check(folder: Path, config: dict[str, Any], record: dict[str, Any]) -> None:
    """Refuse a record whose two files are of different runs: one of them was changed."""
    leaves = {key: value for group in (*GROUPS, "train") for key, value in settings.leaves(config[group], f"{group}.")}
    leaves["seed"] = config["seed"]
    identity = record["config"]
    wrong = [key for key, value in leaves.items() if key in identity and key != "backbone.weights" and identity[key] != value]
    if wrong:
        key = wrong[0]
        raise Unusable(f"{folder}: config.yaml has {key}={leaves[key]}, outcome.json {identity[key]}: one of them was changed")
    if digest(identity) != record["digest"] and record.get("format") != 1:
        raise Unusable(f"{folder}: outcome.json has digest {record['digest']}, its identity {digest(identity)}: it was changed")


def _config(folder: Path) -> dict[str, Any]:
    try:
        config: dict[str, Any] = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
        for key in (*GROUPS, "train", "engine", "records", "paths", "tracker", "study", "seed"):
            config[key]
    except FileNotFoundError:
        raise Unusable(f"{folder}: no config.yaml there; a run is a folder such as runs/<run id>") from None
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError) as error:
        raise Unusable(f"{folder / 'config.yaml'}: is not the configuration of a run ({type(error).__name__})") from None
    return config


def _record(folder: Path) -> dict[str, Any] | None:
    try:
        return outcome.read(folder)
    except (OSError, ValueError) as error:
        raise Unusable(str(error)) from None


def _identity(config: dict[str, Any]) -> dict[str, Any]:
    """Return an identity of a configuration without a record: options by the names of their targets."""
    identity = {group: str(config[group].get("_target_", group)).rpartition(".")[2] for group in GROUPS}
    for group in (*GROUPS, "train"):
        identity |= dict(settings.leaves(config[group], f"{group}."))
    return {**identity, "seed": config["seed"]}


def _rows(folder: Path) -> list[dict[str, Any]]:
    try:
        rows = [json.loads(line) for line in (folder / "epochs.jsonl").read_text().splitlines()]
    except (OSError, ValueError):
        return []
    return [{key: value for key, value in row.items() if key not in OF_ROWS} for row in rows]


def _logits(folder: Path, kind: str) -> np.ndarray | None:
    try:
        with np.load(folder / "predictions.npz") as arrays:  # numpy's default refuses pickles
            return np.ascontiguousarray(arrays[kind], dtype=np.float32)
    except Exception:  # damaged archives raise many types
        return None


def _weights(folder: Path, kind: str) -> dict[str, torch.Tensor] | None:
    try:
        weights: dict[str, torch.Tensor] = load_weights(folder / "checkpoints", kind)["model"]
    except (OSError, ValueError):
        return None
    return weights


def _equal(one: torch.Tensor | None, other: torch.Tensor | None) -> bool:
    """Return True if two tensors are the same to the last bit, a NaN being itself."""
    if one is None or other is None or one.shape != other.shape or one.dtype != other.dtype:
        return False
    return one.contiguous().numpy().tobytes() == other.contiguous().numpy().tobytes()


def _provenance(folder: Path) -> dict[str, Any]:
    try:
        content = json.loads((folder / "provenance.json").read_bytes())
    except (OSError, ValueError):
        return {}
    parts = {key: content.get(key) for key in CIRCUMSTANCES} if isinstance(content, dict) else {}
    return {**parts, "code": (content.get("code") or {}).get("source")} if parts else {}


def _flat(content: dict[str, Any]) -> dict[str, str]:
    return {
        key.rpartition(".")[2] if key.startswith("versions.") else key: str(value) for key, value in settings.leaves(content)
    }
