"""Ensembles and test-time augmentation of a study's runs: the report's future work, as rows beside its table.

    python reports/make_ensemble.py                     ensembles over the seeds of each cell and over all runs
    python reports/make_ensemble.py --tta               and test-time augmentation, from the weights that the runs kept

Writes ensembles.csv beside the table; `make_table` then has it as a section.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ablation.sweep import console
from ablation.sweep.installation import description

if TYPE_CHECKING:
    from ablation.trained.ensemble import Combined


@console.command
def main(arguments: Sequence[str] | None = None) -> int:
    """Compute, print and write; return the exit code: 1 if nothing could be combined."""
    parser = argparse.ArgumentParser(description=description(__doc__), formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR", help="folder of all runs (default: runs)")
    parser.add_argument("--sweep", metavar="last|ID|all", help="as for the table")
    parser.add_argument("--study", metavar="NAME", help="as for the table")
    parser.add_argument(
        "--metric", choices=["best", "last", "val"], default="last", help="which epoch's models (default: last)"
    )
    parser.add_argument("--tta", action="store_true", help="also test-time augmentation; needs records.keep_weights=[METRIC]")
    parser.add_argument("--device", default="auto", help="of --tta: auto, cuda, cuda:N, mps or cpu")
    parser.add_argument("--out", type=Path, default=Path("reports"), metavar="DIR", help="as for the table (default: reports)")
    options = parser.parse_args(arguments)
    from ablation.reporting.document.text import visible
    from ablation.reporting.read.local_files import local
    from ablation.reporting.read.selection import select
    from ablation.reporting.statistics.cells import cells
    from ablation.trained import ensemble

    try:
        selection = select(options.runs, options.sweep, options.study)
    except LookupError as error:
        print(f"nothing written: {visible(str(error))}", file=sys.stderr)
        return 1
    found = cells(local(options.runs, selection), selection.study)
    rows, problems = ensemble.ensembles(found, options.runs, options.metric)
    for cell in found if options.tta else ():
        more, why = ensemble.augmented(cell, options.runs, options.metric, options.device)
        rows, problems = rows + more, problems + why
    for line in problems:
        print(f"left out: {visible(line)}", file=sys.stderr)
    if not rows:
        print(f"nothing written: no two done runs with {options.metric} logits in {selection.description}", file=sys.stderr)
        return 1
    return _write(rows, [run["run_id"] for cell in found for run in cell.done], selection.study["name"], options)


def _write(rows: Sequence[Combined], run_ids: Sequence[str], study: str, options: argparse.Namespace) -> int:
    """Print the section and write ensembles.csv; return the exit code."""
    from rich.console import Console

    from ablation.reporting.document import future_work
    from ablation.reporting.formats import terminal, write
    from ablation.reporting.formats.csv_files import comma_separated

    common = {"metric": options.metric, "runs": future_work.digest(run_ids)}
    values = [{**asdict(row), **common} for row in rows]
    file = write.folder(options.out, study) / future_work.NAME
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(comma_separated(values), encoding="utf-8")
    terminal.show_section(future_work.section(values), Console(highlight=False))
    print(f"written: {file}")
    return 0
