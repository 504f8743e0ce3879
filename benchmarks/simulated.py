"""Studies whose truth is known: test images that are correct or not, drawn from a population of seeds and images.

An image is classified correctly where a normal variable passes its cell's threshold: a part of the variable belongs to the
image, a part to image and cell, the rest to the run; the seed moves the threshold.
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
    """What a study is drawn from: N test images, mean accuracy in percent, and the parts of an image's variance (sum 1)."""

    images: int
    accuracy: float
    shared: float  # the image, in every cell
    own: float  # the image in one cell
    run: float  # what differs from run to run

    def threshold(self, accuracy: float) -> float:
        """Return what the normal variable must pass for this accuracy."""
        return -float(special.ndtri(accuracy / 100))

    def residual_sd(self) -> float:
        """Return the sd over runs of equal seed effect, points: what N images alone make of it."""
        share = special.ndtr((NODES * math.sqrt(self.shared + self.own) - self.threshold(self.accuracy)) / math.sqrt(self.run))
        return 100 * math.sqrt(float(WEIGHTS @ (share * (1 - share)) / WEIGHTS.sum()) / self.images)

    def shift_sd(self, sd: float) -> float:
        """Return by how much seeds move the threshold for an sd (points) over seeds in all; 0 if the images make as much."""
        density = 100 * math.exp(-(self.threshold(self.accuracy) ** 2) / 2) / math.sqrt(2 * math.pi)
        return math.sqrt(max(0.0, sd**2 - self.residual_sd() ** 2)) / density

    def draw(
        self, rng: np.random.Generator, seeds: int, sds: Sequence[float], gains: Sequence[float]
    ) -> list[NDArray[np.bool_]]:
        """Return per cell which images are correct, (seeds, N).

        Args:
            rng: the only source of chance.
            seeds: runs a cell.
            sds: over seeds, points, one a cell.
            gains: points above `accuracy`, one a cell.
        """
        shared = math.sqrt(self.shared) * rng.standard_normal(self.images, dtype=np.float32)
        cells = []
        for sd, gain in zip(sds, gains, strict=True):
            image = shared + math.sqrt(self.own) * rng.standard_normal(self.images, dtype=np.float32)
            shift = self.shift_sd(sd)
            # seeds spread the threshold, which would lower the mean: `bar` keeps it
            bar = self.threshold(self.accuracy + gain) * math.sqrt(1 + shift**2)
            bars = (bar - image) / math.sqrt(self.run)
            moved = shift / math.sqrt(self.run) * rng.standard_normal((seeds, 1), dtype=np.float32)
            cells.append(rng.standard_normal((seeds, self.images), dtype=np.float32) + moved > bars)
        return cells


SMALL = Population(1_000, 60.0, 0.55, 0.10, 0.35)
CIFAR = Population(10_000, 95.0, 0.84, 0.05, 0.11)
