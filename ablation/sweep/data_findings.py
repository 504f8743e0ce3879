"""Print a summary of each image folder of a command before the first run, and possible problems with its images.

The checks themselves are in `ablation.data.findings`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ablation.data.findings import findings
from ablation.data.layout import ImageFolder, names
from ablation.data.listing import listing
from ablation.sweep import settings

if TYPE_CHECKING:
    from ablation.sweep.planned_run import Planned


def show(planned: Sequence[Planned]) -> None:
    """Print a line for each image folder of a command, with its runs if there are several folders, and one for each finding."""
    runs: dict[ImageFolder, list[str]] = defaultdict(list)
    for run in planned:
        if source := settings.image_folder(run.config):
            runs[source].append(run.folder.name)
    short_names = names([source.root for source in runs])
    for source, run_ids in runs.items():
        images = listing(source)
        counts = f"{len(images.train):,} training and {len(images.test):,} test images of {len(images.classes)} classes"
        used_by = f", of {', '.join(run_ids)}" if len(runs) > 1 else ""
        print(f"data: {short_names[source.root]}: {counts}, {images.width} x {images.height} pixels{used_by}")
        for finding in findings(images, source.size):
            print(f"data: {short_names[source.root]}: {finding.sentence}")
