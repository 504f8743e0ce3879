"""The report's figures 1 to 8, drawn from a run: its modules, its data, its augmentation, its trained resizer.

    python reports/make_figures.py                   the best run with CBAM of the last sweep (else the best Resizer)
    python reports/make_figures.py --run ID          of this run
    python reports/make_figures.py --only 4,7        two of them

Figure 8 shows the best run of every learned Resizer of the sweep, the best first; with --run that run alone.
Written to reports/<study>/figures as PNG and PDF, with figures.json (titles, captions, numbers).
Exit codes: 0 all drawn, 2 some refused, 1 nothing written.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from ablation.sweep import console
from ablation.sweep.installation import description

COUNT = 8


class Parser(argparse.ArgumentParser):
    """Argument parser with exit code 1 for wrong usage, since 2 means that a figure could not be drawn."""

    def error(self, message: str) -> NoReturn:
        """Print one line and exit."""
        self.exit(1, f"{self.prog}: {message}\n")


def numbers(text: str) -> list[int]:
    """Return the figure numbers in a text such as `4,7`.

    Raises:
        argparse.ArgumentTypeError: not numbers from 1 to COUNT.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part in map(str, range(1, COUNT + 1)) for part in parts):
        raise argparse.ArgumentTypeError(f"{text}: must be numbers from 1 to {COUNT}, as in 4,7")
    return sorted({int(part) for part in parts})


def parser() -> Parser:
    """Return the command line."""
    result = Parser(description=description(__doc__), formatter_class=argparse.RawDescriptionHelpFormatter)
    add = result.add_argument
    add("--runs", type=Path, default=Path("runs"), metavar="DIR", help="folder of all runs (default: runs)")
    add("--sweep", metavar="last|ID|all", help="default: last; with --study all of the study's sweeps")
    add("--study", metavar="NAME", help="only sweeps of this study")
    add("--run", metavar="ID", help="default: the done run with CBAM, else with the Resizer, of best accuracy")
    add("--only", type=numbers, default="1,2,3,4,5,6,7,8", metavar="4,7", help="only these figures")
    add("--seed", type=int, default=0, metavar="N", help="of the images that are drawn (default: 0)")
    add("--out", type=Path, default=Path("reports"), metavar="DIR", help="to DIR/<study>/figures (default: reports)")
    return result


@console.command
def main(arguments: Sequence[str] | None = None) -> int:
    """Select a run, draw its figures and write their captions; return the exit code."""
    options = parser().parse_args(arguments)
    from ablation.figures import captions, draw, trained_run
    from ablation.reporting.document.text import visible
    from ablation.reporting.formats import write

    try:
        run, study, description = trained_run.find(options.runs, options.sweep, options.study, options.run)
        folder = write.folder(options.out, study) / "figures"
        folder.mkdir(parents=True, exist_ok=True)
    except LookupError as error:
        print(f"nothing written: {visible(str(error))}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"nothing written: --out {options.out}: {error.strerror or error}", file=sys.stderr)
        return 1
    print(f"run: {visible(description)}")
    drawn, refused = draw.draw(run, folder, options.only, options.seed)
    for line in refused:
        print(visible(line), file=sys.stderr)
    try:
        file = captions.write(folder, drawn, options.only, run.row["run_id"] if run.row else None)
    except ValueError as error:
        print(f"no captions written: {visible(str(error))}", file=sys.stderr)
        return 1
    if not drawn:
        print("nothing drawn", file=sys.stderr)
        return 1
    for _, caption in drawn:
        print(f"figure {caption.number}: {visible(caption.text if caption.number == 8 else caption.title)}")
    print(f"written: {', '.join(f'{stem}.png' for stem, _ in drawn)} (and .pdf), {file}")
    return 2 if refused else 0
