"""The comparison table of a sweep: printed, and written as table.md, table.csv and runs.csv.

    python reports/make_table.py                     the last sweep
    python reports/make_table.py --study table1      all sweeps of a study
    python reports/make_table.py --source offline    from W&B's offline files instead of the local records

Exit codes: 0 every planned run has a result, 2 written but incomplete, 1 nothing written.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parents[1]
SOURCES = {"local": "local records", "offline": "W&B offline files"}


class Parser(argparse.ArgumentParser):
    """argparse with this script's exit code for wrong usage: 2 says that the table is incomplete."""

    def error(self, message: str) -> NoReturn:
        """Print one line and end."""
        self.exit(1, f"{self.prog}: {message}\n")


def parser() -> Parser:
    """Return the command line."""
    result = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    result.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR", help="folder of all runs (default: runs)")
    result.add_argument("--sweep", metavar="last|ID|all", help="default: last; with --study all of the study's sweeps")
    result.add_argument("--study", metavar="NAME", help="only sweeps of this study")
    result.add_argument("--source", choices=["auto", *SOURCES], default="auto", help="auto: the local records")
    result.add_argument(
        "--metric", choices=["best", "last", "val"], default="best", help="which accuracy comes first (default: best)"
    )
    result.add_argument(
        "--out", type=Path, default=Path("reports"), metavar="DIR", help="tables go to DIR/<study> (default: reports)"
    )
    return result


def main(arguments: list[str] | None = None) -> int:
    """Select, read, build, write, print; return the exit code."""
    options = parser().parse_args(arguments)
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))  # works without installation
    from rich.console import Console

    from ablation.reporting import formats, sources
    from ablation.reporting.selection import select
    from ablation.reporting.table import build

    source = "local" if options.source == "auto" else options.source
    try:
        selection = select(options.runs, options.sweep, options.study)
    except LookupError as error:
        print(f"nothing written: {formats.visible(str(error))}", file=sys.stderr)
        return 1
    frame = getattr(sources, source)(options.runs, selection)
    if frame.empty:
        places = {"local": options.runs / "*" / "outcome.json", "offline": options.runs / "wandb" / "offline-run-*"}
        looked = f"{options.runs / 'sweeps' / '*' / 'manifest.json'} and {places[source]}"
        print(f"nothing written: no run found, looked for {looked}", file=sys.stderr)
        return 1
    table = build(frame, selection.study, options.metric)
    try:
        written = formats.write(table, options.out, selection.study["name"])
    except OSError as error:
        print(f"nothing written: --out {options.out}: {error.strerror or error}", file=sys.stderr)
        return 1

    console = Console(highlight=False, soft_wrap=False)
    formats.show(table, console)
    for line in selection.warnings:
        print(formats.visible(line))
    print(f"source: {SOURCES[source]}, {selection.said}")
    print(f"written: {', '.join(str(file) for file in written)}")
    if not table.complete:
        print("incomplete: the same run.py command goes on with what has no result")
    return 0 if table.complete else 2


if __name__ == "__main__":
    sys.exit(main())
