"""The report's figures 1 to 8, each drawn from a run, with a caption.

A figure does not depend on which others are drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ablation.figures import captions, diagram, samples, sharpness, sheet
from ablation.figures.captions import Caption
from ablation.figures.module_graph import anatomy
from ablation.figures.trained_run import Refusal, TrainedRun, stand_in
from ablation.models.cbam import CBAM, ChannelAttention, SpatialAttention
from ablation.models.resizer import Resizer
from ablation.sweep.installation import CONF
from ablation.sweep.refusal import Refused

COLUMNS = 6  # images side by side in figures 5 to 8
MEASURED = 500  # test images measured for figure 8, or all if there are fewer
BATCH = 20  # images per forward pass of figure 8
ROWS = 20  # most classes in figure 4
SCALE = "Numbers below a picture: its 1st (last row: 0) and 99th percentile. A display shows 0 as black, 1 as white."
NORMAL = (0.01, 0.99)  # quantiles of a picture's values that are black and white where it is normalised


def draw(run: TrainedRun, folder: Path, numbers: Sequence[int], seed: int) -> tuple[list[tuple[str, Caption]], list[str]]:
    """Draw figures; return the file stem and caption of each, and a message for each that cannot be drawn.

    Args:
        run: the run to draw from.
        folder: output folder; an old file of a figure that cannot be drawn is deleted.
        numbers: of the figures.
        seed: for the choice of images.
    """
    drawn, refused = [], []
    for number in numbers:
        name, function = FIGURES[number - 1]
        stem = f"{number}-{name}"
        generator = torch.Generator().manual_seed(10 * seed + number)
        try:
            drawn.append((stem, function(run, folder / stem, number, generator)))
        except (Refusal, Refused, OSError, ValueError, KeyError, TypeError) as error:  # a foreign config.yaml too
            refused.append(f"figure {number}: refused: {str(error).splitlines()[0]}")
            for old in (folder / f"{stem}.png", folder / f"{stem}.pdf"):  # it may show another run
                old.unlink(missing_ok=True)
    return drawn, refused


def module(run: TrainedRun, stem: Path, number: int, _: torch.Generator) -> Caption:
    """Draw figure 1, 2 or 3: the Resizer, CBAM, or the module that contains CBAM."""
    size = run.image_size or (32, 32)
    position = run.config["resizer"].get("position", "none")
    if number == 1:
        boxes = anatomy(run.resizer(position="none"), (3, *size))
    else:
        resizer = run.resizer(position="block" if position == "none" else position)
        owner: Any = next(part for part in resizer.modules() if isinstance(getattr(part, "attention", None), CBAM))
        shape = next(box.shape for box in anatomy(resizer, (3, *size), (CBAM,)) if box.kind == "attention")
        if number == 2:
            boxes = anatomy(owner.attention, shape)
        else:
            boxes = anatomy(owner, (3, *size) if owner is resizer else shape, (ChannelAttention, SpatialAttention))
    diagram.draw(stem, boxes)
    own = run.learns if number == 1 else run.attends
    origin = f"run {run.row['run_id']}" if run.row and own else stand_in().relative_to(CONF.parent).as_posix()
    return captions.module(number, boxes, origin, run.image_size is not None)


def classes(run: TrainedRun, stem: Path, _: int, generator: torch.Generator) -> Caption:
    """Draw figure 4: ten random training images of each class."""
    images, names = run.dataset.train, run.dataset.classes
    chosen = samples.by_class(images, len(names), 10, generator)[:ROWS]
    sheet.sheet(stem, [list(samples.shown(images.pixels[indices])) for indices in chosen], labels=names[:ROWS])
    return captions.classes(run.data, len(names), len(chosen))


def preprocessing(run: TrainedRun, stem: Path, number: int, generator: torch.Generator) -> Caption:
    """Draw figure 5 or 6: the steps of the training or of the test preprocessing."""
    dataset, augment = run.dataset, run.augment
    if number == 5:
        steps = samples.training_steps(augment, samples.one_each(dataset.train, COLUMNS, generator).pixels, generator)
    else:
        steps = samples.evaluation_steps(augment, samples.one_each(dataset.test, COLUMNS, generator).pixels)
    sheet.sheet(
        stem,
        [list(step.images) for step in steps],
        labels=[step.name.replace(" ", "\n", 1) for step in steps],
        notes=[step.notes for step in steps],
        windows=[step.windows for step in steps],
    )
    return captions.preprocessing(number, run.data, [step.name for step in steps], augment.mean, augment.std)


def cutmix(run: TrainedRun, stem: Path, _: int, generator: torch.Generator) -> Caption:
    """Draw figure 7: random results of CutMix."""
    augment, dataset, count = run.augment, run.dataset, 3 * COLUMNS
    batch = run.config["train"]["batch_size"]
    images, notes = samples.cutmix_results(augment, dataset.train, dataset.classes, count, batch, generator)
    rows = [slice(start, start + COLUMNS) for start in range(0, count, COLUMNS)]
    sheet.sheet(stem, [list(images[row]) for row in rows], notes=[notes[row] for row in rows])
    return captions.cutmix(run.data, augment.mix, augment.probability, augment.alpha)


def resized(run: TrainedRun, stem: Path, _: int, generator: torch.Generator) -> Caption:
    """Draw figure 8: test images by plain interpolation and by each learned resizer, with measurements.

    Each resizer has two rows: clipped as a display shows it, and normalised image by image, so that its structure is seen. The
    last row is the difference between the best one and interpolation.
    """
    shown = run.learned or [run]
    data, augment = shown[0].dataset, shown[0].augment
    drawn = samples.one_each(data.test, COLUMNS, generator)
    chosen = data.test.pixels[torch.randperm(len(data.test), generator=generator)[:MEASURED]]

    @torch.inference_mode()
    def resize_both(resizer: Resizer, pixels: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        images = augment.test(pixels)
        return samples.pictures(resizer.resize(images), augment), samples.pictures(resizer(images), augment)

    learned: list[captions.Learned] = []
    rows: list[sheet.Row] = []
    for each in shown:
        resizer, kind = each.trained_resizer()
        assert each.row is not None
        measured = sharpness.summary([sharpness.measure(*resize_both(resizer, pixels)) for pixels in chosen.split(BATCH)])
        weights = captions.weights(each.row, kind)
        learned.append(captions.Learned(each.name, each.row["run_id"], weights, resizer.resize.size, measured))
        bilinear, pictures = resize_both(resizer, drawn.pixels)
        if not rows:
            first = np.abs(pictures - bilinear).mean(-1)
            rows.append(sheet.Row("bilinear", bilinear))
        name = _in_lines(each)
        rows += [sheet.Row(f"{name},\nclipped", pictures), _normalised(f"{name},\nnormalised", pictures)]
    rows.append(_normalised(f"|{_in_lines(shown[0])}\n- bilinear|", first, black=0.0))
    heads = [data.classes[label] for label in drawn.labels]
    sheet.sheet(
        stem,
        [list(row.pictures.clip(0, 1)) for row in rows],
        labels=[row.label for row in rows],
        heads=heads,
        notes=[row.notes or [""] * len(heads) for row in rows],
        foot="\n".join([*(f"{each.name}: {each.weights}" for each in learned), SCALE]),
    )
    return captions.resized(shown[0].data, learned)


def _in_lines(run: TrainedRun) -> str:
    return run.name.replace(", ", ",\n")


def _normalised(label: str, pictures: np.ndarray, black: float | None = None) -> sheet.Row:
    """Return pictures (N, H, W[, 3]) scaled one by one, with the values that are black and white below each."""
    axes = tuple(range(1, pictures.ndim))
    low, high = (np.quantile(pictures, share, axis=axes, keepdims=True) for share in NORMAL)
    low = low if black is None else np.full_like(low, black)
    notes = [f"{one:.2f} to {other:.2f}" for one, other in zip(low.ravel(), high.ravel(), strict=True)]
    return sheet.Row(label, (pictures - low) / np.maximum(high - low, 1e-6), notes)


FIGURES = (  # figures 1 to 8: file name and drawing function
    ("resizer", module),
    ("cbam", module),
    ("block", module),
    ("classes", classes),
    ("training", preprocessing),
    ("test", preprocessing),
    ("cutmix", cutmix),
    ("resized", resized),
)
