"""What a study's published numbers say before a single run: standard errors, test images, what is and is not resolved.

    python reports/audit.py --study table1                 the report's six numbers
    python reports/audit.py --study table1 --seed-sd 0.1   with another assumption of how much seeds scatter

Exit codes: 0 printed, 1 there is nothing to audit.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from ablation.reporting.statistics.published import Comparison, Published

ROOT = Path(__file__).resolve().parents[1]


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    result = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    result.add_argument("--study", default="table1", metavar="NAME", help="a file of conf/study (default: table1)")
    result.add_argument("--images", type=int, metavar="N", help="test images (default: those of the study's data)")
    result.add_argument(
        "--seed-sd", type=float, default=0.15, metavar="POINTS", help="assumed sd of an accuracy over seeds (default: 0.15)"
    )
    return result


def main(arguments: list[str] | None = None) -> int:
    """Read the study, compute, print; return the exit code."""
    options = parser().parse_args(arguments)
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))  # works without installation
    from rich.console import Console
    from rich.text import Text

    from ablation.reporting.statistics import published

    try:
        if not 0 < options.seed_sd < 100:
            raise ValueError(f"--seed-sd {options.seed_sd}: must be in (0, 100) points")
        study = published.read_study(ROOT / "conf" / "study", options.study)
        cells = published.published(study)
        if len(cells) < 2:
            raise LookupError(f"study {options.study} holds {len(cells)} published numbers; two can be compared")
        images = test_images(study.get("protocol") or {}) if options.images is None else options.images
        if images < 1:
            raise ValueError(f"--images {images}: must be >= 1")
    except (LookupError, ValueError, OSError) as error:
        print(f"nothing to audit: {error}", file=sys.stderr)
        return 1

    console = Console(highlight=False)
    console.print(Text(str(study.get("title") or options.study), style="bold"))
    console.print(f"The published numbers alone, each taken as one run; {images:,} test images.\n")
    compared = published.comparisons(cells, study.get("baseline"), images)
    show_cells(console, cells, images)
    show_comparisons(console, compared, options.seed_sd)
    show_factors(console, cells, study, images)
    show_limits(console, compared, study.get("protocol") or {})
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
    data = yaml.safe_load((ROOT / "conf" / "data" / f"{protocol['data']}.yaml").read_text(encoding="utf-8"))
    return int(protocol.get("data.test_limit") or facts(data["_target_"], str(data.get("root", ""))).test)


def grid(console: Console, title: str, header: list[str], rows: list[list[str]], lines: list[str]) -> None:
    """Print a heading, a table whose first column is text, and lines under it."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for place, name in enumerate(header):
        table.add_column(Text(name), justify="right" if place else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(Text(title, style="bold"))
    console.print(table)
    for line in lines:
        console.print(Text(line))
    console.print()


def show_cells(console: Console, cells: list[Published], images: int) -> None:
    """Print each accuracy with the sampling error of the test set."""
    from ablation.reporting.statistics.published import accuracy_interval, standard_error

    rows = []
    for cell in cells:
        interval = accuracy_interval(cell.accuracy, images)
        wrong = round(images * (1 - cell.accuracy / 100))
        numbers = [f"{cell.accuracy:.2f}", f"{wrong:,}", f"{standard_error(cell.accuracy, images):.2f}"]
        rows.append([cell.label, *numbers, f"[{interval.low:.2f}, {interval.high:.2f}]"])
    line = "SE: of the choice of test images, in points. 95 %: Wilson's interval. Neither knows of seeds."
    grid(console, "Each number", ["cell", "%", "wrong", "SE", "95 %"], rows, [line])


def show_comparisons(console: Console, compared: list[Comparison], seed_sd: float) -> None:
    """Print each difference with what the test images can tell, and the seeds that it needs."""
    from ablation.reporting.statistics.power import MOST
    from ablation.reporting.statistics.published import seeds_for

    rows = []
    for found in compared:
        paired = f"{found.paired[0]:.2f}-{found.paired[1]:.2f}"
        number = seeds_for(found.points, seed_sd)
        seeds = f"{number:,}" if number else f"more than {MOST:,}"
        numbers = [f"{found.points:+.2f}", f"{found.images:+,}", f"{found.unpaired:.2f}", paired]
        answer = f"if <= {found.resolving:,} differ" if found.resolved is None else "yes" if found.resolved else "no"
        rows.append([found.change, *numbers, answer, seeds])
    lines = [
        "SE: had each model test images of its own. paired: on the same images, smallest to largest that the unpublished "
        "overlap of their errors allows.",
        "resolved: exact McNemar, 95 %, for these two trained models alone: yes / no whatever the overlap, or only if they "
        "differ on at most so many images. No adjustment for the number of comparisons.",
        f"seeds: runs of each cell for 80 % power (Welch's t test, 5 %), if an accuracy scatters by {seed_sd} points over "
        "seeds: assumed, not measured.",
    ]
    grid(console, "Each difference", ["change", "points", "images", "SE", "paired", "resolved", "seeds"], rows, lines)


def show_factors(console: Console, cells: list[Published], study: dict[str, Any], images: int) -> None:
    """Print the study's contrasts, main effects and interactions; what is missing in words."""
    from ablation.reporting.statistics.published import factors

    rows, missing = [], []
    for effect, error in factors(cells, study, images):
        points = effect.estimate.points
        if points is None:
            lacking = ", ".join(effect.contrast.missing)
            missing.append(f"{effect.contrast.name}: {effect.contrast.of} cannot be told, missing: {lacking}")
        else:
            numbers = [f"{points:+.2f}", f"{points * images / 100:+,.0f}", f"{error:.2f}"]
            rows.append([f"{effect.contrast.name}: {effect.contrast.of}", *numbers])
    if rows:
        line = "One run a cell: no interval over seeds. SE: of the test images alone, unpaired."
        grid(console, "Each factor", ["effect", "points", "images", "SE"], rows, [*missing, line])


def show_limits(console: Console, compared: list[Comparison], protocol: dict[str, Any]) -> None:
    """Print in sentences what is resolved, what is not, and what no arithmetic can repair."""
    from rich.text import Text

    from ablation.reporting.statistics.family import holm
    from ablation.reporting.statistics.published import expected_maximum

    count = len(compared)
    still = sum(each.shown for each in holm([found.largest_p for found in compared]))
    certain = [found for found in compared if found.resolved]
    never = [f"{found.change}: {found.images:+,} images" for found in compared if found.resolved is False]
    open_ones = [
        f"{found.change}: they can differ on {found.differing[0]:,} to {found.differing[1]:,}, resolved to {found.resolving:,}"
        for found in compared
        if found.resolved is None
    ]
    lines = [f"resolved for these models whatever the overlap: {len(certain)} of {count}; with Holm's adjustment {still}"]
    lines += [f"not resolved whatever the overlap: {len(never)} of {count} ({'; '.join(never)})"] if never else []
    lines += [f"open: {len(open_ones)} of {count} ({'; '.join(open_ones)})"] if open_ones else []
    lines.append(
        "One run a cell: none of this says what training again would give. It takes two seeds a cell to see how they scatter."
    )
    if epochs := protocol.get("train.epochs"):
        half = max(2, epochs // 2)
        above = expected_maximum(half)
        lines.append(
            f"The best of {epochs} epochs was chosen on the test set. If the last {half} scatter independently by 0.05 to "
            f"0.1 points, the best lies {above:.1f} sd = {0.05 * above:.2f} to {0.1 * above:.2f} points above their mean: an "
            "estimate (Blom 1958) on assumed numbers, not a measurement. A sweep measures it: best - last."
        )
    console.print(Text("What follows", style="bold"))
    for line in lines:
        console.print(Text(f"- {line}"))


if __name__ == "__main__":
    sys.exit(main())
