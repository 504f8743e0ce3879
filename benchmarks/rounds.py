"""Seeds in rounds against a fixed number of seeds, in simulated studies: false claims, findings, runs saved.

    python benchmarks/rounds.py
    python benchmarks/rounds.py --tables 2000

A study has eight cells, the first is the baseline, and its spread is the laptop study's: 1,000 test images, seed sd 2.1 points,
or 1.2 to 5. A fixed study trains all seeds of the last look and tests once at 0.05. All figures go to results/rounds.json.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # works without installation

import numpy as np
from numpy.typing import NDArray

from ablation.reporting.statistics.estimate import LEVEL
from ablation.reporting.statistics.family import holm
from ablation.reporting.statistics.looks import LOOKS, Judged, Status, judge
from ablation.reporting.statistics.sample import Sample, summarise
from ablation.reporting.statistics.two_cells import compare
from benchmarks.simulated import SMALL

OUT = Path(__file__).with_name("results") / "rounds.json"
CELLS = 8
EQUAL, UNEQUAL = (2.1,) * CELLS, (2.1, 1.2, 1.2, 1.6, 2.1, 3.0, 4.0, 5.0)
STUDIES = (  # name, sds over seeds, points above the baseline
    ("no difference, sd 2.1", EQUAL, (0.0,) * CELLS),
    ("no difference, sd 1.2 to 5", UNEQUAL, (0.0,) * CELLS),
    ("20 points in all", EQUAL, (0.0, *(20.0,) * 7)),
    ("8 points in all", EQUAL, (0.0, *(8.0,) * 7)),
    ("4 points in all", EQUAL, (0.0, *(4.0,) * 7)),
    ("20, 20, 8, 8, 4, 4, 0 points", EQUAL, (0.0, 20.0, 20.0, 8.0, 8.0, 4.0, 4.0, 0.0)),
)


def sample(correct: NDArray[np.bool_], seeds: int) -> Sample:
    """Return the first seeds of a cell."""
    return summarise((100 * correct[:seeds].mean(axis=1)).tolist(), correct[:seeds])


def in_rounds(correct: Sequence[NDArray[np.bool_]]) -> tuple[list[bool], int]:
    """Return which cells are shown to differ from the baseline, and the number of runs that were trained."""
    judged: list[Judged | None] = [None] * (CELLS - 1)
    status = [Status.OPEN] * (CELLS - 1)
    trained = [0] * CELLS
    for look, seeds in enumerate(LOOKS):
        goes_on = [Status.OPEN in status, *(each is Status.OPEN for each in status)]
        trained = [seeds if more else before for more, before in zip(goes_on, trained, strict=True)]
        samples = [sample(cell, count) for cell, count in zip(correct, trained, strict=True)]
        judged = [*judge([compare(cell, samples[0]) for cell in samples[1:]], judged, look, LOOKS)]
        status = [each.status for each in judged if each is not None]
        if Status.OPEN not in status:
            break
    return [each is Status.SHOWN for each in status], sum(trained)


def fixed(correct: Sequence[NDArray[np.bool_]]) -> list[bool]:
    """Return which cells are shown to differ from the baseline by one test of all seeds."""
    samples = [sample(cell, LOOKS[-1]) for cell in correct]
    return [each.shown for each in holm([compare(cell, samples[0]).p for cell in samples[1:]])]


def simulated(sds: Sequence[float], gains: Sequence[float], tables: int) -> dict[str, float | None]:
    """Return shares over studies: with a false claim, of true differences that are found, of runs saved."""
    rng = np.random.default_rng(0)
    true = np.array(gains[1:]) != 0
    rows = []
    for _ in range(tables):
        correct = SMALL.draw(rng, LOOKS[-1], sds, gains)
        shown, trained = in_rounds(correct)
        once = fixed(correct)
        lost = np.array(once) & ~np.array(shown) & true
        rows.append(
            (
                bool((np.array(shown) & ~true).any()),
                bool((np.array(once) & ~true).any()),
                np.array(shown)[true].mean() if true.any() else math.nan,
                np.array(once)[true].mean() if true.any() else math.nan,
                lost.sum() / max(1, true.sum()),
                1 - trained / (CELLS * LOOKS[-1]),
            )
        )
    names = ("false_claims", "false_claims_fixed", "found", "found_fixed", "lost", "runs_saved")
    means = zip(names, np.mean(rows, axis=0), strict=True)
    return {name: None if math.isnan(value) else round(float(value), 4) for name, value in means}


def main(arguments: list[str] | None = None) -> int:
    """Simulate, print and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=int, default=500, metavar="N", help="studies a figure (default: 500)")
    parser.add_argument("--out", type=Path, default=OUT, metavar="FILE")
    options, began = parser.parse_args(arguments), time.perf_counter()
    results: list[dict[str, Any]] = []
    print(
        f"looks at {LOOKS} seeds against {LOOKS[-1]} seeds at once; false: studies with a false claim; found: true differences"
    )
    print(f"{'':30s}{'false':>8s}{'fixed':>8s}{'found':>8s}{'fixed':>8s}{'lost':>8s}{'runs saved':>12s}")
    for name, sds, gains in STUDIES:
        result = simulated(sds, gains, options.tables)
        results.append({"study": name, **result})
        values = list(result.values())
        texts = ["-" if value is None else f"{value:.3f}" for value in values]
        print(f"{name:30s}" + "".join(f"{text:>8s}" for text in texts[:5]) + f"{texts[5]:>12s}", flush=True)
    error = math.sqrt(LEVEL * (1 - LEVEL) / options.tables)
    seconds = time.perf_counter() - began
    print(f"{options.tables} studies each (standard error of an error rate of 0.05: {error:.3f}), {seconds:.0f} s")
    content = {"tables": options.tables, "looks": LOOKS, "standard_error_at_0.05": error, "results": results}
    options.out.write_text(json.dumps(content, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
