"""What is known of a command's folders of images before the first run: what each is, and what a person should look at.

Owns the lines. What is looked for: `ablation.data.findings`.
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
    """Print a line for each folder of images of a command, and one for each finding; of several folders also whose they are."""
    runs: dict[ImageFolder, list[str]] = defaultdict(list)
    for run in planned:
        if source := settings.image_folder(run.config):
            runs[source].append(run.folder.name)
    named = names([source.root for source in runs])
    for source, run_ids in runs.items():
        found = listing(source)
        counts = f"{len(found.train):,} training and {len(found.test):,} test images of {len(found.classes)} classes"
        whose = f", of {', '.join(run_ids)}" if len(runs) > 1 else ""
        print(f"data: {named[source.root]}: {counts}, {found.width} x {found.height} pixels{whose}")
        for finding in findings(found, source.size):
            print(f"data: {named[source.root]}: {finding.sentence}")
