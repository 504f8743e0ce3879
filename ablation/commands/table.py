"""Print the comparison table of a sweep, and write it as a page, Markdown, LaTeX and CSV.

    python reports/make_table.py                     the last sweep
    python reports/make_table.py --study table1      all sweeps of a study
    python reports/make_table.py --source wandb      from W&B (offline: from its offline files; local: from the records alone)
    python reports/make_table.py --check             does W&B hold the same values as the local records? writes nothing
    python reports/make_table.py --publish           and show table and figures in W&B
    python reports/make_table.py --source csv FILE --study mine.yaml                  runs of another program, from its CSV file
    python reports/make_table.py --source wandb --project E/P --study mine.yaml       or from its W&B project

Exit codes: 0 every planned run has a result, 2 written but incomplete, 1 nothing or not all written.
With --check: 0 agree, 1 do not.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from ablation.sweep import console
from ablation.sweep.installation import command, description

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ablation.reporting.document.document import Table
    from ablation.reporting.read.selection import Selection
    from ablation.reporting.read.source import Reading


GROWN = (
    "seeds were added since an earlier sweep of this study: if that was decided by looking, the p values do not pay for it;"
    " hydra/sweeper=rounds does"
)


class Parser(argparse.ArgumentParser):
    """Argument parser with exit code 1 for wrong usage, since 2 means that the table is incomplete."""

    def error(self, message: str) -> NoReturn:
        """Print one line and exit."""
        self.exit(1, f"{self.prog}: {message}\n")


def parser() -> Parser:
    """Return the command line."""
    result = Parser(description=description(__doc__), formatter_class=argparse.RawDescriptionHelpFormatter)
    add = result.add_argument
    add("--runs", type=Path, default=Path("runs"), metavar="DIR", help="folder of all runs (default: runs)")
    add("--sweep", metavar="last|ID|all", help="default: last; with --study all of the study's sweeps")
    add(
        "--study",
        metavar="NAME|FILE",
        help="only sweeps of this study; a YAML file: what the keys of another program's runs mean",
    )
    add(
        "--source",
        nargs="+",
        default=["auto"],
        metavar="auto|local|wandb|offline|csv FILE",
        help="auto (default): a sweep tracked online is read from W&B and held against the local records, which count;"
        " any other from the local records; csv FILE, and wandb with a project of another program: without --study FILE a"
        " study file is proposed",
    )
    add("--project", metavar="[ENTITY/]NAME", help="of W&B (default: the sweep's own)")
    add("--metric", choices=["best", "last", "val"], default="last", help="which accuracy is compared (default: last)")
    add("--against", metavar="CELL", help="compare every cell with this one too: its label, or key=value,key=value")
    add("--smallest", type=float, metavar="POINTS", help="smallest difference that matters: what lies within it is the same")
    add("--all", action="store_true", help="print every cell and effect; else of many those alone that matter most")
    add("--cost", action="store_true", help="print what each cell costs, too: time, memory, size")
    add("--brief", action="store_true", help="print the page's path and the headline alone")
    add("--out", type=Path, default=Path("reports"), metavar="DIR", help="tables go to DIR/<study> (default: reports)")
    either = result.add_mutually_exclusive_group()
    either.add_argument(
        "--check", action="store_true", help="compare W&B (or --source) with the local records, value by value; write nothing"
    )
    either.add_argument("--publish", action="store_true", help="show the table and the figures beside it in W&B too")
    return result


@console.command
def main(arguments: Sequence[str] | None = None) -> int:
    """Select the runs, then check their sources or make the table; return the exit code."""
    command_line = parser()
    options = command_line.parse_args(arguments)
    options.source, *files = options.source
    if options.source not in ("auto", "local", "wandb", "offline", "csv") or len(files) != (options.source == "csv"):
        command_line.error(f"--source {' '.join([options.source, *files])}: must be auto, local, wandb, offline or csv FILE")
    options.csv = Path(files[0]) if files else None
    options.study_file = Path(options.study) if options.study and options.study.endswith((".yaml", ".yml")) else None
    if options.runs.is_file():
        command_line.error(
            f"--runs {options.runs}: a file, must be a folder; runs of another program: --source csv {options.runs}"
        )
    if options.check and options.source in ("local", "csv"):
        command_line.error("--check holds a source against the local records: --source wandb or offline")
    from ablation.reporting.document.text import visible
    from ablation.reporting.read.foreign_study import Wrong
    from ablation.reporting.read.selection import select
    from ablation.reporting.read.wandb_online import Unavailable
    from ablation.reporting.statistics.analysis import Unknown

    refused = "not checked" if options.check else "nothing written"
    try:
        if options.csv or options.study_file:
            return foreign(options)
        selection = select(options.runs, options.sweep, options.study)
        if options.check:
            return check(options, selection)
        reading = read(options, selection)
        return foreign(options) if reading is None else make(options, selection, reading)
    except (LookupError, Unavailable, Unknown, Wrong) as error:
        print(f"{refused}: {visible(str(error))}", file=sys.stderr)
        return 1


def read(options: argparse.Namespace, selection: Selection) -> Reading | None:
    """Read the runs of a table; None if the W&B project named by --project has runs of another program alone."""
    from ablation.reporting.read import source, wandb_online

    reading = source.read(options.runs, selection, options.source, options.project)
    none_is_there = set(reading.frame["outcome"]) <= {"missing"}
    if options.source == "wandb" and options.project and none_is_there and wandb_online.has_foreign_runs(options.project):
        return None
    if reading.frame.empty:
        manifests = options.runs / "sweeps" / "*" / "manifest.json"
        raise wandb_online.Unavailable(f"no run found, looked for {manifests} and {reading.searched_in}")
    return reading


def foreign(options: argparse.Namespace) -> int:
    """Make the table of runs that another program logged; without a study file print one, and return 1."""
    from ablation.reporting.document.text import visible
    from ablation.reporting.read import foreign, foreign_frame, foreign_proposal, foreign_study
    from ablation.reporting.read.foreign_study import Wrong
    from ablation.reporting.read.selection import Selection
    from ablation.reporting.read.source import Reading

    if options.check or options.publish or options.metric != "last":
        raise Wrong("runs of another program have one metric and no local records: without --check, --publish and --metric")
    if options.csv is None and not (options.source == "wandb" and options.project):
        raise Wrong(f"--study {options.study}: of which runs? --source csv FILE or --source wandb --project ENTITY/NAME")
    name = str(options.csv) if options.csv else f"W&B {options.project}"
    runs = foreign.csv_runs(options.csv) if options.csv else foreign.wandb_runs(options.project)
    if options.study_file is None:
        for line in foreign_proposal.proposal(runs, "mine"):
            print(visible(line))
        again = f"--source csv {options.csv}" if options.csv else f"--source wandb --project {options.project}"
        raise Wrong(
            f"{name} has {len(runs)} runs of another program: save the proposal above as mine.yaml, correct it, then"
            f" {command('table')} {again} --study mine.yaml"
        )
    study = foreign_study.load(options.study_file)
    kept, lines = foreign_frame.counting(runs, study)
    if varying := foreign_frame.within_cells(kept, study):
        lines.append(f"no factor, but different within a cell: {', '.join(varying)}")
    reading = Reading(foreign_frame.frame(kept, study), name, name, lines)
    return make(options, Selection(study.study, {}, others=True, description=f"study {study.file}"), reading)


def check(options: argparse.Namespace, selection: Selection) -> int:
    """Print every disagreement between the sources, or that they agree; return the exit code."""
    from ablation.reporting.document.text import visible
    from ablation.reporting.read import source
    from ablation.reporting.read.compare import agreement, compared, disagreements
    from ablation.reporting.read.wandb_online import Unavailable

    pair = source.pair(options.runs, selection, options.source, options.project)
    different = disagreements(pair.local, pair.other, ("local record", pair.name))
    if not different and not compared(pair.local, pair.other):
        raise Unavailable(f"no run has ended, neither in the local records nor in {pair.name}")
    for line in [*selection.warnings, *pair.lines, *different]:
        print(visible(line))
    if not different:
        print(f"{agreement(pair.local, pair.other)} ({pair.name} and local records, {visible(selection.description)})")
    return 1 if different else 0


def make(options: argparse.Namespace, selection: Selection, reading: Reading) -> int:
    """Analyse the runs, write and print the table; return the exit code."""
    import numpy as np
    from rich.console import Console

    from ablation.reporting.document import future_work
    from ablation.reporting.document.csv_rows import numbers
    from ablation.reporting.document.document import build
    from ablation.reporting.document.text import visible
    from ablation.reporting.formats import correct_images, terminal, write
    from ablation.reporting.read.logits import CorrectReader
    from ablation.reporting.read.wandb_online import Unavailable
    from ablation.reporting.statistics.analysis import analyse
    from ablation.reporting.statistics.looks import Looked

    correct = CorrectReader(options.runs)
    try:
        looked = Looked.of(selection.rounds) if selection.rounds else None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Unavailable(f"the sweep's rounds.json cannot be read ({type(error).__name__}: {error}): run it again") from None
    settings = {"against": options.against, "smallest": options.smallest, "command": selection.command, "correct": correct}
    settings |= {"looked": looked}
    analysis = analyse(reading.frame, selection.study, np.random.default_rng(0), options.metric, **settings)
    table = build(analysis, options.all)
    done = [run["run_id"] for row in analysis.rows for run in row.cell.done]
    folder = write.folder(options.out, selection.study["name"])
    if section := future_work.read(folder, done, options.metric):
        table = replace(table, sections=[*table.sections, section], screen=[*table.screen, section])
    try:
        files = write.write(table, folder)
        page = write.write_page(analysis, table, options.runs, folder, reading.description)
        files += correct_images.write(folder, done, correct)
    except OSError as error:
        print(f"not all written: --out {options.out}: {error.strerror or error}", file=sys.stderr)
        return 1

    console = Console(highlight=False, soft_wrap=False)
    if not options.brief:
        terminal.show(table, console, options.cost)
    unread = [f"correct images of {name} unreadable, left out: {reason}" for name, reason in correct.problems.items()]
    grown = [GROWN] if selection.grown and not looked else []
    terminal.show_lines([*selection.warnings, *reading.lines, *unread, *grown], console)
    if options.publish:
        print(visible(publish(options, selection, folder, numbers(table.values))))
    if options.brief:
        terminal.show_paths({"page": page}, console)
        terminal.show_lines([table.headline], console, "bold", wrap=False)
    else:
        source_line = f"source: {reading.description}, {selection.description}"
        terminal.show_lines([source_line, f"written: {', '.join(file.name for file in files)}"], console, "dim")
        terminal.show_paths({"page": page}, console)
        if selection.planned or not options.study_file:
            for purpose, typed in next_steps(table):
                terminal.show_lines([f"next, {purpose}:"], console)
                terminal.show_lines([f"  {typed}"], console, wrap=False)
    return 0 if table.complete else 2


def next_steps(table: Table) -> Sequence[tuple[str, str]]:
    """Return what to type next and what for: what the sweep lacks, what would decide what is open, else the figures."""
    if table.next_steps:
        return table.next_steps
    if not table.complete:
        return [("to go on with what has no result", "the same command again")]
    return [("for the report's figures", command("figures"))]


def publish(options: argparse.Namespace, selection: Selection, folder: Path, numbers: Mapping[str, float]) -> str:
    """Publish the written folder and the table's numbers in W&B; return a line about the result."""
    from ablation.reporting.formats.wandb_report import publish
    from ablation.reporting.read.source import project
    from ablation.reporting.read.wandb_online import Unavailable

    try:
        return publish(folder, numbers, options.runs, project(options.runs, selection, options.project))
    except (OSError, Unavailable) as error:
        return f"not published: {error}"
