"""What stands below the report's figures: which data, which run, what is seen. Every fact is the run's own.

Owns the wording and figures.json. Pure but for that file; computes no number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ablation.figures.module_graph import Box
from ablation.figures.sharpness import Comparison, sentences
from ablation.records import files
from ablation.records.numbers import exact
from ablation.reporting.document.text import visible

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
NAMES = {"load_cifar10": "CIFAR-10", "load_cifar100": "CIFAR-100", "load_digits": "scikit-learn's handwritten digits"}
MODULES = {  # number -> title, and what stands before the facts
    1: ("The Resizer", "Bilinear interpolation of the image plus a learned residual"),
    2: ("CBAM", "A gate in (0, 1) for every channel, then one for every pixel"),
    3: ("CBAM in the Resizer", "The two gates of CBAM, after the last batch norm and before the sum"),
}


@dataclass(frozen=True)
class Caption:
    """Title and caption of one of the report's figures in plain text, and the numbers behind it."""

    number: int
    title: str
    text: str
    numbers: dict[str, Any] = field(default_factory=dict)
    run_id: str | None = None  # of the run that it shows first, where that may be another than the other figures'


def write(folder: Path, drawn: Sequence[tuple[str, Caption]], numbers: Sequence[int], run_id: str | None) -> Path:
    """Write figures.json, an entry a figure: number, title, caption, file, pdf, run_id, numbers.

    Args:
        drawn: the stem of a figure's files, and its caption.
        numbers: of the figures that were to be drawn; entries of others stay.

    Raises:
        ValueError: the old file is not JSON.
    """
    file = folder / "figures.json"
    kept = [entry for entry in (files.read_json(file) or {}).get("figures", []) if entry["number"] not in numbers]
    for stem, caption in drawn:
        about = {"number": caption.number, "title": visible(caption.title), "caption": visible(caption.text)}
        kept.append(
            about
            | {"file": f"{stem}.png", "pdf": f"{stem}.pdf", "run_id": caption.run_id or run_id, "numbers": caption.numbers}
        )
    files.write_json(file, {"figures": sorted(kept, key=lambda entry: int(entry["number"]))})
    return file


def data(config: Mapping[str, Any], files: str, classes: Sequence[str], images: tuple[int, int], size: tuple[int, int]) -> str:
    """Name a run's data: the set, or the folder and what is in it, and how many images the run saw.

    Args:
        config: the run's `data` node; files: of a folder, as `JPEG`; images: training and test images in use; size: height and
            width in pixels.
    """
    loader = str(config["_target_"]).rpartition(".")[2]
    kind = "CIFAR-10's ten classes" if tuple(classes) == CIFAR10 and size == (32, 32) else f"{len(classes)} classes"
    name = NAMES.get(loader) or f"the image folder {Path(str(config.get('root'))).name} ({files}, {kind})"
    limited = any(config.get(key) is not None for key in ("limit", "test_limit"))
    part = "a class-balanced part, " if limited else ""
    return f"{name}, {size[0]}x{size[1]} pixels ({part}{images[0]:,} training and {images[1]:,} test images)"


def module(number: int, boxes: Sequence[Box], origin: str, data_is_here: bool) -> Caption:
    """Describe figure 1, 2 or 3, a diagram: what comes in and out, how many parameters are trained.

    Args:
        boxes: of the diagram.
        origin: the run or the file that the module's settings are from.
        data_is_here: the input has the size of the run's images.
    """
    title, what = MODULES[number]
    shapes = [" x ".join(map(str, box.shape)) for box in (boxes[0], boxes[-1])]
    count = sum(box.parameters for box in boxes)
    absent = "" if data_is_here else "; no run with its data is here, so the input has the report's 32x32 pixels"
    text = (
        f"{what}. {shapes[0]} in, {shapes[1]} out (channels x height x width), {exact(count)} trainable parameters. "
        "Each box is a layer with the shape of what leaves it and its parameters; orange lines are skip connections. "
        f"Read from the built module, with the settings of {origin}{absent}."
    )
    return Caption(number, title, text, {"parameters": count})


def classes(data: str, total: int, drawn: int) -> Caption:
    """Describe figure 4: of `total` classes `drawn` have room."""
    some = f" The first {drawn} of {total} classes." if drawn < total else ""
    text = f"Ten random training images of each class of {data}. The pixels as they are, enlarged.{some}"
    return Caption(4, "Ten images of each class", text)


def preprocessing(number: int, data: str, steps: Sequence[str], mean: Sequence[float], std: Sequence[float]) -> Caption:
    """Describe figure 5 or 6: the steps, in order."""
    which = {5: "Training", 6: "Test"}[number]
    alone = "" if len(steps) > 2 else " Nothing but the normalisation happens to them."
    text = (
        f"What happens to {which.lower()} images of {data}, from top to bottom: {', '.join(steps)}.{alone} "
        f"Mean {_listed(mean)} and standard deviation {_listed(std)} of the channels, from the backbone's pretraining. "
        "The normalised images are shown de-normalised; the numbers that the model sees lie in the ranges below them."
    )
    return Caption(number, f"{which} preprocessing", text)


def _listed(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def cutmix(data: str, mix: str, probability: float, alpha: float) -> Caption:
    """Describe figure 7; `mix` and `probability` are what the run did."""
    did = f"This run mixed a batch with probability {probability:g}." if mix == "cutmix" else "This run trained without CutMix."
    text = (
        f"Random training images of {data} after preprocessing and CutMix (Beta({alpha:g}, {alpha:g})), shown de-normalised. "
        "Below each: its label with lambda, the share of pixels that are still its own, and the label of the image that was "
        f"pasted in with the rest. Each is the first of a batch of its own: the images of a batch share one box. {did}"
    )
    return Caption(7, "Random results of CutMix", text)


def weights(row: Mapping[str, Any], kind: str) -> str:
    """Name a checkpoint: run id, epoch and accuracy; `kind` is `best`, `last` or `val`."""
    how = {"best": "the best on the test set", "last": "the last", "val": "the best on held-out images"}[kind]
    images = f"{row['test_images']:,} test images" if row["test_images"] else "the test images"
    epoch, accuracy = row[f"{kind}_epoch"], row[f"{kind}_acc"]
    return f"run {row['run_id']}, epoch {epoch} of {row['epochs']} ({how}), accuracy {accuracy:.2f} % on {images}"


@dataclass(frozen=True)
class Learned:
    """A learned resizer of figure 8."""

    name: str
    run_id: str
    weights: str  # run, epoch and accuracy, in words
    size: Sequence[int]  # of its output: height, width
    measured: Comparison


def resized(data: str, learned: Sequence[Learned]) -> Caption:
    """Describe figure 8, and what the numbers of each resizer, the best first, say to the report's reading of it."""
    best, *others = learned
    text = (
        f"Test images of {data} at the model's {best.size[0]}x{best.size[1]} pixels: bilinear interpolation; "
        f"{'; '.join(each.name for each in learned)}, each clipped, as a display shows it, and normalised, its 1st and 99th "
        "percentile, given below each picture on a scale of black 0 to white 1, drawn as black and white; the magnitude of the "
        f"difference between {best.name} and bilinear, the mean over the channels, from 0 to its 99th percentile. Measured "
        "neither clipped nor normalised. The report reads in its figure that the Resizer is sharper and emphasises edges. "
        f"Here, {best.name}, {best.weights}: {' '.join(sentences(best.measured, best.name))}"
    )
    text += "".join(f" {each.name}, {each.weights}: {' '.join(sentences(each.measured, each.name)[:2])}" for each in others)
    numbers = asdict(best.measured) | {"others": {each.name: asdict(each.measured) for each in others}}
    return Caption(8, f"Bilinear and {', '.join(each.name for each in learned)}", text, numbers, best.run_id)
