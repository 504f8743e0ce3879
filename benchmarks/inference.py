"""Error rates, power and coverage of the statistics in simulated studies, next to the figures of the specification.

    python benchmarks/inference.py
    python benchmarks/inference.py --tables 2000

A study has eight cells, of which the first is the baseline; each study has new seeds and images (simulated.py). All figures
are written to results/statistics.json.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # works without installation

import numpy as np

from ablation.reporting.statistics.estimate import LEVEL, Estimate
from ablation.reporting.statistics.family import holm, rank
from ablation.reporting.statistics.sample import summarise
from ablation.reporting.statistics.two_cells import compare
from ablation.reporting.statistics.weighted_sum import contrast
from benchmarks.simulated import CIFAR, SMALL, Population

OUT = Path(__file__).with_name("results") / "statistics.json"
CELLS = 8


UNEQUAL = (2.1, 1.2, 1.2, 1.6, 2.1, 3.0, 4.0, 5.0)

# name, population, sds over seeds, the specification's figures at n = 3, 5, 10: T1, Welch over seeds alone
NULL = (
    ("1,000 images, sd 2.1", SMALL, (2.1,) * CELLS, (0.055, 0.050, 0.025), (0.035, 0.058, 0.092)),
    ("1,000 images, sd 1.2 to 5", SMALL, UNEQUAL, (0.070, 0.060, 0.058), (None, None, 0.198)),
    ("10,000 images, sd 0.15", CIFAR, (0.15,) * CELLS, (0.083, 0.050, 0.058), (None, None, 0.233)),
)
# name, population, sd, planted points, the specification's figures at n = 3, 5, 10
PLANTED = (
    ("0.6 points, 10,000 images, sd 0.15", CIFAR, 0.15, 0.6, (0.56, 0.97, 1.0)),
    ("20 points, 1,000 images, sd 2.1", SMALL, 2.1, 20.0, (0.98, 1.0, 1.0)),
)
WIDTH = {"T1": 16, "Welch": 16, "winner": 9, "effects": 9, "T1 coverage": 13, "Welch coverage": 16, "effects coverage": 18}
GRID = np.arange(CELLS).reshape(4, 2)  # four levels of one factor by two of another


def main_effects() -> list[list[float]]:
    """Return the weights of a 4 x 2 grid's planned effects: each level against the first, and the other factor."""
    effects = []
    for level in range(1, 4):
        weights = np.zeros(CELLS)
        weights[GRID[level]], weights[GRID[0]] = 0.5, -0.5
        effects.append(weights.tolist())
    weights = np.full(CELLS, 0.25)
    weights[GRID[:, 0]] = -0.25
    return [*effects, weights.tolist()]


def any_shown(estimates: Sequence[Estimate]) -> bool:
    """Return True if any is significant after Holm's adjustment."""
    return any(adjusted.shown for adjusted in holm([estimate.p for estimate in estimates]))


def covered(estimates: Sequence[Estimate], truth: float = 0.0) -> float:
    """Return the share of 95 % intervals that contain the truth."""
    intervals = [estimate.interval() for estimate in estimates]
    return float(np.mean([interval is not None and truth in interval for interval in intervals]))


def null_study(population: Population, sds: Sequence[float], seeds: int, rng: np.random.Generator) -> dict[str, float]:
    """Return claims (0 or 1) and coverages in one study without any true difference."""
    correct = population.draw(rng, seeds, sds, (0.0,) * CELLS)
    samples = [summarise((100 * cell.mean(axis=1)).tolist(), cell) for cell in correct]
    alone = [summarise((100 * cell.mean(axis=1)).tolist()) for cell in correct]
    ours = [compare(cell, samples[0]) for cell in samples[1:]]
    welch = [compare(cell, alone[0]) for cell in alone[1:]]
    effects = [contrast(samples, weights) for weights in main_effects()]
    ranking = rank(samples)
    best = compare(samples[ranking.winner or 0], samples[ranking.runner_up or 0])
    return {
        "T1": any_shown(ours),
        "Welch": any_shown(welch),
        "winner": best.p is not None and best.p < LEVEL,
        "effects": any_shown(effects),
        "T1 coverage": covered(ours),
        "Welch coverage": covered(welch),
        "effects coverage": covered(effects),
    }


def planted_study(population: Population, sd: float, gain: float, seeds: int, rng: np.random.Generator) -> dict[str, float]:
    """Return whether a planted difference is significant at Holm's first level of seven (0 or 1), and covered (0 or 1)."""
    low, high = population.draw(rng, seeds, (sd, sd), (0.0, gain))
    result = compare(*(summarise((100 * cell.mean(axis=1)).tolist(), cell) for cell in (high, low)))
    return {"T1": result.p is not None and result.p < LEVEL / (CELLS - 1), "T1 coverage": covered([result], gain)}


def mean_of(studies: Sequence[dict[str, float]]) -> dict[str, float]:
    """Return the mean of each figure over studies."""
    return {key: round(float(np.mean([study[key] for study in studies])), 4) for key in studies[0]}


def main(arguments: list[str] | None = None) -> int:
    """Simulate, print and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=int, default=500, metavar="N", help="studies a figure (default: 500)")
    parser.add_argument("--out", type=Path, default=OUT, metavar="FILE")
    options, began = parser.parse_args(arguments), time.perf_counter()
    results: list[dict[str, Any]] = []
    print("no difference: share of studies with a claim, share of intervals that hold 0")
    print(f"{'':42s}{''.join(f'{key:>{width}s}' for key, width in WIDTH.items())}")
    for name, population, sds, t1, welch in NULL:
        for index, seeds in enumerate((3, 5, 10)):
            rng = np.random.default_rng(seeds)
            result = mean_of([null_study(population, sds, seeds, rng) for _ in range(options.tables)])
            results.append({"kind": "null", "study": name, "n": seeds, **result})
            results[-1] |= {"specified T1": t1[index], "specified Welch": welch[index]}
            print(row(results[-1]), flush=True)
    print(f"a planted difference: share of studies that show it at level {LEVEL} / {CELLS - 1}")
    for name, population, sd, gain, power in PLANTED:
        for index, seeds in enumerate((3, 5, 10)):
            rng = np.random.default_rng(seeds)
            result = mean_of([planted_study(population, sd, gain, seeds, rng) for _ in range(options.tables)])
            results.append({"kind": "power", "study": name, "n": seeds, **result, "specified T1": power[index]})
            print(row(results[-1]), flush=True)
    error = math.sqrt(LEVEL * (1 - LEVEL) / options.tables)
    seconds = time.perf_counter() - began
    print(f"{options.tables} studies a figure (standard error of an error rate of 0.05: {error:.3f}), {seconds:.0f} s")
    content = {"tables": options.tables, "standard_error_at_0.05": error, "results": results}
    options.out.write_text(json.dumps(content, indent=1) + "\n")
    return 0


def row(result: Mapping[str, Any]) -> str:
    """Return one line of the printed table; the specification's figure in brackets."""
    parts = [f"{result['study']:34s} n = {result['n']:<3d}"]
    for key in ("T1", "Welch", "winner", "effects", "T1 coverage", "Welch coverage", "effects coverage"):
        specified = result.get(f"specified {key}")
        figure = "" if key not in result else f"{result[key]:.3f}"
        parts.append(f"{figure + (f' [{specified}]' if specified is not None else ''):>{WIDTH[key]}s}")
    return "".join(parts)


if __name__ == "__main__":
    sys.exit(main())
