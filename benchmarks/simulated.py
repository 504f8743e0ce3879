"""Simulated studies with known truth: which test images are correct, drawn from a population of seeds and images.

An image is classified correctly if a normal variable exceeds its cell's threshold. The variance has parts for the image, for
image and cell, and for the run; the seed shifts the threshold.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(201)


@dataclass(frozen=True)
class Population:
    """The population of a study: N test images, mean accuracy in percent, and the parts of the variance (sum 1)."""

    images: int
    accuracy: float
    shared: float  # the image, in every cell
    own: float  # the image in one cell
    run: float  # what differs from run to run

    def threshold(self, accuracy: float) -> float:
        """Return the threshold of the normal variable for this accuracy in percent."""
        return -float(special.ndtri(accuracy / 100))

    def residual_sd(self) -> float:
        """Return the sd of the accuracy over runs with equal seed effect, in points: from the N images alone."""
        share = special.ndtr((NODES * math.sqrt(self.shared + self.own) - self.threshold(self.accuracy)) / math.sqrt(self.run))
        return 100 * math.sqrt(float(WEIGHTS @ (share * (1 - share)) / WEIGHTS.sum()) / self.images)

    def shift_sd(self, sd: float) -> float:
        """Return the sd of the threshold over seeds that gives a total sd (points) over seeds; 0 if the images give as much."""
        density = 100 * math.exp(-(self.threshold(self.accuracy) ** 2) / 2) / math.sqrt(2 * math.pi)
        return math.sqrt(max(0.0, sd**2 - self.residual_sd() ** 2)) / density

    def draw(
        self, rng: np.random.Generator, seeds: int, sds: Sequence[float], gains: Sequence[float]
    ) -> list[NDArray[np.bool_]]:
        """Return per cell which images are correct, (seeds, N).

        Args:
            rng: the only source of randomness.
            seeds: runs per cell.
            sds: over seeds, in points, one per cell.
            gains: points above `accuracy`, one per cell.
        """
        shared = math.sqrt(self.shared) * rng.standard_normal(self.images, dtype=np.float32)
        cells = []
        for sd, gain in zip(sds, gains, strict=True):
            image = shared + math.sqrt(self.own) * rng.standard_normal(self.images, dtype=np.float32)
            shift = self.shift_sd(sd)
            # shifts of the threshold would lower the mean accuracy: `bar` corrects it
            bar = self.threshold(self.accuracy + gain) * math.sqrt(1 + shift**2)
            bars = (bar - image) / math.sqrt(self.run)
            moved = shift / math.sqrt(self.run) * rng.standard_normal((seeds, 1), dtype=np.float32)
            cells.append(rng.standard_normal((seeds, self.images), dtype=np.float32) + moved > bars)
        return cells


SMALL = Population(1_000, 60.0, 0.55, 0.10, 0.35)
CIFAR = Population(10_000, 95.0, 0.84, 0.05, 0.11)
