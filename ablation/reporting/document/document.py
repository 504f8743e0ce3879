"""The comparison table: what the study's runs say, as text for people and plain values for programs.

Owns the verdict's place, the sections' order and the lines under them. How it is written is `formats`' part. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ablation.reporting.document.csv_rows import cell_values, difference_values, effect_values
from ablation.reporting.document.entries import Section
from ablation.reporting.document.next_step import commands
from ablation.reporting.document.notes import margin_line
from ablation.reporting.document.reported import protocol_line, section
from ablation.reporting.document.screen import screen
from ablation.reporting.document.sections import sections
from ablation.reporting.document.title import holds, title
from ablation.reporting.document.verdict import verdict
from ablation.reporting.read.frame import WORDS
from ablation.reporting.statistics.analysis import Analysis
from ablation.reporting.statistics.cells import Cell, absent, duplicates

__all__ = ["Section", "Table", "build", "counts"]

METRICS = {
    "best": "best = at the epoch best on the test set (optimistic)",
    "last": "last = at the last epoch",
    "val": "val = at the epoch best on held-out training images",
}
NAMED = 8  # runs that a line names before it only counts


@dataclass(frozen=True)
class Table:
    """All that is written."""

    title: str
    note: str | None
    verdict: str  # the headline and the sentences as one paragraph
    sections: list[Section]
    lines: list[str]
    values: list[dict[str, Any]]  # a row a cell, for table.csv
    runs: list[dict[str, Any]]  # a row a run, for runs.csv
    differences: list[dict[str, Any]]  # a row a comparison, for differences.csv
    contrasts: list[dict[str, Any]]  # a row an effect, for effects.csv
    complete: bool  # every planned run ended in a result
    headline: str = ""
    sentences: Sequence[str] = ()
    screen: Sequence[Section] = ()  # what a terminal shows in place of the sections
    warnings: Sequence[str] = ()  # the lines without the legend
    reported: Section | None = None  # a paper's own table: its published numbers and ours, a column a cell
    next_steps: Sequence[tuple[str, str]] = ()  # what for, and the command: go on with what has no result, decide what is open


def build(analysis: Analysis, everything: bool = True) -> Table:
    """Make the table of an analysis.

    Args:
        analysis: of the runs.
        everything: a screen of all cells; else of many those alone that matter most. Sections and values are always whole.
    """
    cells = [row.cell for row in analysis.rows]
    study, outcomes = analysis.study, analysis.outcomes
    judged = verdict(analysis)
    lines = [
        counts(outcomes),
        *margin_line(analysis),
        *protocol_line(analysis),
        *_mixture_lines(cells),
        *_problem_lines(cells),
        *_duplicate_lines(cells),
        *_unfit_lines(analysis),
        *_absent_lines(cells, study),
        *_no_effect_lines(analysis),
        *_rounds_lines(analysis),
    ]
    complete = outcomes["done"] + outcomes["diverged"] + outcomes["unneeded"] == outcomes.total()
    return Table(
        title=title(analysis),
        note=study.get("note") if holds(analysis) else None,
        verdict=str(judged),
        headline=judged.headline,
        sentences=judged.sentences,
        sections=sections(analysis),
        lines=[*lines, _legend(analysis)],
        screen=screen(analysis, everything),
        warnings=lines,
        values=cell_values(analysis),
        runs=[{"cell": cell.label, **run} for cell in cells for run in cell.runs],
        differences=difference_values(analysis),
        contrasts=effect_values(analysis),
        complete=complete,
        reported=section(analysis),
        next_steps=commands(judged.steps, complete, analysis.command),
    )


def counts(outcomes: Mapping[str, int]) -> str:
    """Return `planned 12 = done 8 + killed 1 + missing 3`: every planned run is one of the words."""
    words = [word for word in WORDS if outcomes[word] or word == "done"]
    return f"planned {sum(outcomes.values())} = " + " + ".join(f"{word} {outcomes[word]}" for word in words)


def _legend(analysis: Analysis) -> str:
    metrics = [kind for kind in METRICS if any(row.samples[kind].n for row in analysis.rows)]
    legend = "; ".join(METRICS[kind] for kind in metrics)
    if logged := analysis.study.get("logged"):
        legend = f"{analysis.metric} = {logged}"
    spread = any(row.samples[analysis.metric].n > 2 for row in analysis.rows)
    return f"accuracy in %, mean of the done runs{', ± 95 %' if spread else ''}; {legend}"


def _mixture_lines(cells: Sequence[Cell]) -> list[str]:
    """Say when numbers of this table come from different code or from different devices."""
    lines = []
    runs = [run for cell in cells for run in cell.done]
    codes = Counter(str(run["code_source"] or run["code_commit"]) for run in runs)
    if len(codes) > 1:
        versions = ", ".join(f"{code} ({_runs(number)})" for code, number in sorted(codes.items()))
        lines.append(f"its runs were made by {len(codes)} versions of the code: {versions}; rerun=stale trains old ones again")
    own = sorted({package for run in runs for package in (run["code_own"] or {}).items()})
    for name in dict.fromkeys(name for name, _ in own):
        if len(digests := [digest for package, digest in own if package == name]) > 1:
            lines.append(f"made by {len(digests)} versions of {name}: {', '.join(digests)}; rerun=stale trains old runs again")
    devices = Counter(str(run["device"]) for run in runs)
    if len(devices) > 1:
        lines.append(
            f"times of different devices: {', '.join(f'{device} ({_runs(n)})' for device, n in sorted(devices.items()))}"
        )
    mixed = sorted(f"{run['run_id']} ({run['mixed']})" for run in runs if run["mixed"])
    if mixed:
        more = f" and {len(mixed) - NAMED} more" if len(mixed) > NAMED else ""
        lines.append(f"mixed within one run, so not bit-identical to one that never stopped: {'; '.join(mixed[:NAMED])}{more}")
    return lines


def _runs(number: int) -> str:
    return f"{number} run{'s'[: number != 1]}"


def _problem_lines(cells: Sequence[Cell]) -> list[str]:
    """Name the records that could not be read."""
    damaged = sorted(f"{run['run_id']} ({run['problem']})" for cell in cells for run in cell.runs if run["problem"])
    if not damaged:
        return []
    more = f" and {len(damaged) - NAMED} more" if len(damaged) > NAMED else ""
    records = "1 record" if len(damaged) == 1 else f"{len(damaged)} records"
    return [f"unreadable: {records}, counted as without a result: {'; '.join(damaged[:NAMED])}{more}"]


def _duplicate_lines(cells: Sequence[Cell]) -> list[str]:
    """Name the done runs that do not count: nothing says which of two records of one seed is the run."""
    lines = []
    for (label, seed), names in list(duplicates(cells).items())[:NAMED]:
        if seed is None:
            lines.append(f"without a seed, not counted: {', '.join(names[:NAMED])} ({label})")
        else:
            lines.append(
                f"seed {seed} of {label} stands in {len(names)} records, none of them counted: {', '.join(names[:NAMED])}"
            )
    return lines


def _unfit_lines(analysis: Analysis) -> list[str]:
    """Name the runs whose correct images are not those of their recorded accuracy."""
    unfit = [name for row in analysis.rows for name in row.unfit]
    more = f" and {len(unfit) - NAMED} more" if len(unfit) > NAMED else ""
    return (
        [f"correct images that are not those of the recorded accuracy, left out: {', '.join(unfit[:NAMED])}{more}"]
        if unfit
        else []
    )


def _no_effect_lines(analysis: Analysis) -> list[str]:
    """Say which factors have no effect in the table, and why."""
    why = {
        "not crossed": "no two cells differ in it alone",
        "many levels": "too many levels for effects",
        "other keys": "other options than most cells, so no part of any effect",
    }
    lines = []
    for reason, words in why.items():
        names = [each.name for each in analysis.no_effect if each.reason == reason]
        more = [f"{len(names) - NAMED} more"] if len(names) > NAMED else []
        lines += [f"no effect of {'; '.join([*names[:NAMED], *more])}: {words}"] if names else []
    return lines


def _rounds_lines(analysis: Analysis) -> list[str]:
    """Say how the seeds of a sweep in rounds were chosen, and what its p values are adjusted for."""
    looked = analysis.looked
    if looked is None:
        return []
    counts = ", ".join(f"{number} {status}" for status, number in looked.counts.items())
    looks = ", ".join(map(str, looked.looks))
    return [f"seeds in rounds, {looked.complete} of the looks at {looks} seeds: {counts}; p is adjusted for the looks, too"]


def _absent_lines(cells: Sequence[Cell], study: Mapping[str, Any]) -> list[str]:
    labels = absent(cells, study)
    return [f"cells of the study that the sweep leaves out: {'; '.join(labels)}"] if labels else []
