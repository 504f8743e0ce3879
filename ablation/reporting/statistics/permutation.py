"""A check that assumes no distribution: the unpaired permutation test of two cells over seeds."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

EXACT = 20_000  # ways to deal the runs to the two cells up to which all are looked at: 8 against 8 seeds
DRAWS = 9_999  # at random beyond
PART = 1_000_000  # runs dealt at once


def permutation_p(a: NDArray[np.float64], b: NDArray[np.float64], generator: np.random.Generator) -> NDArray[np.float64]:
    """Return the two-sided p of each row: how often runs dealt at random to the cells differ as much in their means.

    Pitman (1937); beyond EXACT ways Monte Carlo, p = (k + 1) / (draws + 1) (Phipson & Smyth 2010). It asks whether the two are
    the same distribution, for this test set; a few seeds allow no small p: at 3 against 3 none below 0.1.

    Args:
        a: (rows, nA) percent, a comparison a row.
        b: (rows, nB).
        generator: for the Monte Carlo test.
    """
    runs, first = np.concatenate([np.sort(a, axis=1), np.sort(b, axis=1)], axis=1), a.shape[1]
    total = runs.shape[1]
    # distance of the first cell's sum from its expectation, over all ways; percentages carry rounding, which must not untie
    expected = first * runs.mean(axis=1, keepdims=True)
    seen = np.abs(runs[:, :first].sum(axis=1, keepdims=True) - expected) - 1e-6
    extreme, ways = np.zeros(len(runs)), 0
    for dealt in _dealt(total, first, generator):
        chosen = np.zeros((len(dealt), total))
        np.put_along_axis(chosen, dealt, 1.0, axis=1)
        extreme += (np.abs(runs @ chosen.T - expected) >= seen).sum(axis=1)
        ways += len(dealt)
    return extreme / ways if math.comb(total, first) <= EXACT else (extreme + 1) / (ways + 1)


def _dealt(total: int, first: int, generator: np.random.Generator) -> Iterator[NDArray[np.intp]]:
    """Yield ways to choose the first cell's runs, (ways, first): all of them, or DRAWS at random in parts of some 10 MB."""
    if math.comb(total, first) <= EXACT:
        yield np.array(list(combinations(range(total), first)), dtype=np.intp).reshape(-1, first)
        return
    at_once = max(1, PART // total)
    for start in range(0, DRAWS, at_once):
        ways = min(at_once, DRAWS - start)
        yield generator.permuted(np.tile(np.arange(total), (ways, 1)), axis=1)[:, :first]
