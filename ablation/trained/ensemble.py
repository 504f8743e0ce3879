"""The report's future work on runs that are there: ensembles of trained models and test-time augmentation.

An ensemble's prediction is the mean of its members' class probabilities. No member is chosen by its accuracy: an ensemble has
all seeds of a cell, or all runs. Reads stored logits; test-time augmentation (TTA) needs the weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from torch import Tensor

from ablation.data.augment import crop_flip
from ablation.data.images import Dataset
from ablation.reporting.statistics.cells import Cell
from ablation.reporting.statistics.two_cells import mcnemar_p
from ablation.sweep import settings
from ablation.trained.load import Trained, Unusable, load

ALL = "all cells"
SHIFTS = ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1))  # centre, up, down, left, right; in units of half the training padding

Probabilities = NDArray[np.float64]  # (N, classes)
View = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Combined:
    """One row: predictions that combine several forward passes, beside the best of what they combine."""

    cell: str
    method: str
    members: int  # trained models; of TTA the seeds over which accuracy, won and lost are means
    accuracy: float  # percent
    member: float  # percent: the best member's accuracy; of TTA the same models' on the plain images
    won: float  # test images that only the combination has right
    lost: float  # test images that only the best member has right
    p: float | None  # exact McNemar, of these trained models; None of means over seeds
    passes: int  # forward passes for one image


class NoLogits(Exception):
    """A run without readable logits; one line names it."""


def probabilities(folder: Path, kind: str) -> tuple[Probabilities, NDArray[np.int64]]:
    """Return a run's class probabilities of the test images, and their labels (N,).

    Args:
        folder: runs/<run id>.
        kind: `best`, `last` or `val`.

    Raises:
        NoLogits: predictions.npz is missing or damaged, or has no logits of this kind.
    """
    file = folder / "predictions.npz"
    try:
        with np.load(file) as arrays:  # numpy's default refuses pickles
            return softmax(arrays[kind].astype(np.float64), axis=1), arrays["labels"]
    except Exception as error:  # damaged archives raise many types
        raise NoLogits(f"{file}: no {kind} logits ({type(error).__name__}: {str(error).splitlines()[0]})") from None


def ensembles(cells: Sequence[Cell], runs: Path, kind: str) -> tuple[list[Combined], list[str]]:
    """Return the ensemble of each cell's seeds, then that of all runs, and a line for each run that is left out.

    Runs that were tested on other images than the first are left out of the ensemble of all.
    """
    rows, problems = [], []
    everything: list[Probabilities] = []
    first: NDArray[np.int64] | None = None
    for cell in cells:
        members: list[Probabilities] = []
        labels = None
        for run in cell.done:
            try:
                member, tested = probabilities(runs / run["run_id"], kind)
            except NoLogits as error:
                problems.append(str(error))
                continue
            if labels is not None and not np.array_equal(labels, tested):
                problems.append(f"{run['run_id']}: other test images than the other seeds of {cell.label}")
                continue
            labels, members = tested, [*members, member]
        if labels is None:
            continue
        if len(members) > 1:
            rows.append(combine(cell.label, f"ensemble of {len(members)} seeds", members, labels))
        first = labels if first is None else first
        if np.array_equal(first, labels):
            everything += members
    if first is not None and len(everything) > 1 and len(cells) > 1:
        rows.append(combine(ALL, f"ensemble of {len(everything)} runs", everything, first))
    return rows, problems


def combine(cell: str, method: str, members: Sequence[Probabilities], labels: NDArray[np.int64]) -> Combined:
    """Return the ensemble of members, beside the member with the highest accuracy, which was chosen on the test images."""
    right = [member.argmax(1) == labels for member in members]
    best = max(right, key=lambda each: int(each.sum()))
    together = np.mean(members, axis=0).argmax(1) == labels
    won, lost = int((together & ~best).sum()), int((best & ~together).sum())
    accuracy, member = 100 * float(together.mean()), 100 * float(best.mean())
    return Combined(cell, method, len(members), accuracy, member, won, lost, mcnemar_p(won, lost), len(members))


def views(trained: Trained) -> Iterator[tuple[str, list[View]]]:
    """Yield the TTA methods of a run with their views of uint8 images (N, 3, H, W): only changes that training made, too."""
    flip, padding = trained.augment.flip, trained.augment.padding
    distance = (padding + 1) // 2

    def view(row: int, column: int, mirrored: bool) -> View:
        def changed(pixels: Tensor) -> Tensor:
            offsets = torch.tensor([[padding + row * distance, padding + column * distance]]).expand(len(pixels), 2)
            return crop_flip(pixels, offsets, torch.full((len(pixels),), mirrored), padding)

        return changed

    if flip:
        yield "mirror", [view(0, 0, False), view(0, 0, True)]
    if padding:
        mirrors = (False, True) if flip else (False,)
        name = "mirror x 5 shifts" if flip else "5 shifts"
        yield name, [view(row, column, mirrored) for row, column in SHIFTS for mirrored in mirrors]


def augmented(cell: Cell, runs: Path, kind: str, device: str = "auto") -> tuple[list[Combined], list[str]]:
    """Return a cell's TTA rows, means over its seeds, and a line for each run that is left out."""
    results: dict[str, list[tuple[int, float, float, float, float]]] = {}
    problems = []
    for run in cell.done:
        try:
            trained = load(runs / run["run_id"], kind, device)
            dataset: Dataset = settings.build(trained.config, "data")
            if dataset.checksum != trained.provenance.get("data_checksum"):
                raise Unusable(f"{trained.folder}: its images have changed since it was trained")
        except (Unusable, OSError, ValueError) as error:
            problems.append(str(error))
            continue
        labels = dataset.test.labels.numpy()
        plain = _right([lambda pixels: pixels], trained, dataset, labels)
        for method, changes in views(trained):
            right = _right(changes, trained, dataset, labels)
            won, lost = float((right & ~plain).sum()), float((plain & ~right).sum())
            values = (len(changes), 100 * float(right.mean()), 100 * float(plain.mean()), won, lost)
            results.setdefault(method, []).append(values)
    rows = []
    for method, seeds in results.items():
        passes, accuracy, member, won, lost = np.mean(seeds, axis=0).tolist()
        p = mcnemar_p(int(won), int(lost)) if len(seeds) == 1 else None
        rows.append(Combined(cell.label, f"TTA: {method}", len(seeds), accuracy, member, won, lost, p, int(passes)))
    return rows, problems


def _right(changes: Sequence[View], trained: Trained, dataset: Dataset, labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which test images (N,) the mean probability over views has right."""
    total: Tensor | float = 0.0
    for change in changes:
        total = total + trained.logits(change(dataset.test.pixels)).double().softmax(1)
    assert isinstance(total, Tensor)
    return np.asarray(total.argmax(1).numpy() == labels)
