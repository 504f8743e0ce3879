"""The audit of published numbers as sections and sentences: what they resolve before anything is trained.

Owns the words; every number is `statistics.published`'.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ablation.records.numbers import exact, images, percent, points
from ablation.reporting.document.entries import Column, Entry, Section
from ablation.reporting.statistics.family import holm
from ablation.reporting.statistics.power import MOST
from ablation.reporting.statistics.published import (
    Comparison,
    Published,
    accuracy_interval,
    expected_maximum,
    factors,
    seeds_for,
    standard_error,
)


def accuracies(cells: Sequence[Published], test_images: int) -> Section:
    """Return each accuracy with the sampling error of the test set."""
    rows = []
    for cell in cells:
        bounds = accuracy_interval(cell.accuracy, test_images)
        wrong, error = round(test_images * (1 - cell.accuracy / 100)), standard_error(cell.accuracy, test_images)
        rows.append(
            [
                Entry(cell.label, cell.label),
                Entry(percent(cell.accuracy), cell.accuracy),
                Entry(exact(wrong), wrong),
                Entry(f"{error:.2f}", error),
                Entry(f"[{percent(bounds.low)}, {percent(bounds.high)}]", bounds.low),
            ]
        )
    line = "SE: of the choice of test images, in points. 95 %: Wilson's interval. Neither knows of seeds."
    return Section("accuracies", "Each number", _columns("cell", "%", "wrong", "SE", "95 %"), rows, [line])


def differences(compared: Sequence[Comparison], seed_sd: float) -> Section:
    """Return each difference with what the test images can tell, and the seeds that it needs."""
    rows = []
    for each in compared:
        needed = seeds_for(each.points, seed_sd)
        answer = f"if <= {exact(each.resolving or 0)} differ" if each.resolved is None else "yes" if each.resolved else "no"
        rows.append(
            [
                Entry(each.change, each.change),
                Entry(points(each.points), each.points),
                Entry(images(each.images), each.images),
                Entry(f"{each.unpaired:.2f}", each.unpaired),
                Entry(f"{each.paired[0]:.2f}-{each.paired[1]:.2f}", each.paired[0]),
                Entry(answer, each.resolved),
                Entry(exact(needed) if needed else f"more than {exact(MOST)}", needed),
            ]
        )
    lines = [
        "SE: had each model test images of its own. paired: on the same images, smallest to largest that the unpublished "
        "overlap of their errors allows.",
        "resolved: exact McNemar, 95 %, for these two trained models alone: yes / no whatever the overlap, or only if they "
        "differ on at most so many images. No adjustment for the number of comparisons.",
        f"seeds: runs of each cell for 80 % power (Welch's t test, 5 %), if an accuracy scatters by {seed_sd} points over "
        "seeds: assumed, not measured.",
    ]
    columns = _columns("change", "points", "images", "SE", "paired", "resolved", "seeds")
    return Section("differences", "Each difference", columns, rows, lines)


def effects(cells: Sequence[Published], study: Mapping[str, Any], test_images: int) -> Section | None:
    """Return the study's contrasts, main effects and interactions, what is missing in words; None if none has a number."""
    rows, missing = [], []
    for effect, error in factors(cells, study, test_images):
        name = f"{effect.contrast.name}: {effect.contrast.of}"
        size = effect.estimate.points
        if size is None or error is None:
            missing.append(f"{name} cannot be told, missing: {', '.join(effect.contrast.missing)}")
            continue
        count = size * test_images / 100
        rows.append([Entry(name, name), Entry(points(size), size), Entry(images(count), count), Entry(f"{error:.2f}", error)])
    line = "One run a cell: no interval over seeds. SE: of the test images alone, unpaired."
    columns = _columns("effect", "points", "images", "SE")
    return Section("effects", "Each factor", columns, rows, [*missing, line]) if rows else None


def _columns(text: str, *numbers: str) -> list[Column]:
    return [Column(text), *(Column(name, "number") for name in numbers)]


def limits(compared: Sequence[Comparison], protocol: Mapping[str, Any]) -> list[str]:
    """Say in sentences what is resolved, what is not, and what no arithmetic can repair."""
    count = len(compared)
    adjusted = sum(each.shown for each in holm([each.largest_p for each in compared]))
    certain = sum(bool(each.resolved) for each in compared)
    never = [f"{each.change}: {images(each.images)} images" for each in compared if each.resolved is False]
    unknown = [
        f"{each.change}: they can differ on {exact(each.differing[0])} to {exact(each.differing[1])}, "
        f"resolved to {exact(each.resolving or 0)}"
        for each in compared
        if each.resolved is None
    ]
    lines = [f"resolved for these models whatever the overlap: {certain} of {count}; with Holm's adjustment {adjusted}"]
    lines += [f"not resolved whatever the overlap: {len(never)} of {count} ({'; '.join(never)})"] if never else []
    lines += [f"open: {len(unknown)} of {count} ({'; '.join(unknown)})"] if unknown else []
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
    return lines
