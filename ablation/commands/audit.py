"""Analyse a study's published numbers before any run: standard errors and which differences can be resolved.

    python reports/audit.py --study table1                 the report's six numbers
    python reports/audit.py --study table1 --seed-sd 0.1   with another assumed standard deviation over seeds

Exit codes: 0 printed, 1 nothing to audit.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from ablation.sweep import console
from ablation.sweep.installation import CONF, description


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    result = argparse.ArgumentParser(description=description(__doc__), formatter_class=argparse.RawDescriptionHelpFormatter)
    result.add_argument("--study", default="table1", metavar="NAME", help="a file of conf/study (default: table1)")
    result.add_argument("--images", type=int, metavar="N", help="test images (default: those of the study's data)")
    result.add_argument(
        "--seed-sd", type=float, default=0.15, metavar="POINTS", help="assumed sd of an accuracy over seeds (default: 0.15)"
    )
    return result


@console.command
def main(arguments: Sequence[str] | None = None) -> int:
    """Read the study, compute, print; return the exit code."""
    options = parser().parse_args(arguments)
    from rich.console import Console

    from ablation.reporting.document.published import accuracies, differences, effects, limits
    from ablation.reporting.formats.terminal import show_lines, show_section
    from ablation.reporting.statistics.published import comparisons, published, read_study

    try:
        if not 0 < options.seed_sd < 100:
            raise ValueError(f"--seed-sd {options.seed_sd}: must be in (0, 100) points")
        study = read_study(CONF / "study", options.study)
        protocol, cells = study.get("protocol") or {}, published(study)
        if len(cells) < 2:
            raise LookupError(f"study {options.study} holds {len(cells)} published numbers; two can be compared")
        images = test_images(protocol) if options.images is None else options.images
        if images < 1:
            raise ValueError(f"--images {images}: must be >= 1")
    except (LookupError, ValueError, OSError) as error:
        print(f"nothing to audit: {error}", file=sys.stderr)
        return 1

    console = Console(highlight=False)
    compared = comparisons(cells, study.get("baseline"), images)
    show_lines([str(study.get("title") or options.study)], console, "bold")
    show_lines([f"The published numbers alone, each taken as one run; {images:,} test images."], console)
    for section in (accuracies(cells, images), differences(compared, options.seed_sd), effects(cells, study, images)):
        if section is not None:
            console.print()
            show_section(section, console)
    console.print()
    show_lines(["What follows"], console, "bold")
    show_lines([f"- {line}" for line in limits(compared, protocol)], console)
    return 0


def test_images(protocol: dict[str, Any]) -> int:
    """Return the number of test images of the study's protocol.

    Raises:
        LookupError: the protocol names no data.
    """
    import yaml  # type: ignore[import-untyped]

    from ablation.data.dataset_info import facts

    if "data" not in protocol:
        raise LookupError("the study's protocol names no data: give --images N")
    data = yaml.safe_load((CONF / "data" / f"{protocol['data']}.yaml").read_text(encoding="utf-8"))
    return int(protocol.get("data.test_limit") or facts(data["_target_"]).test)
