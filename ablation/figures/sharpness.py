"""Measures of sharpness and edge emphasis of a resizer's output against plain interpolation, and sentences about them.

Pictures are (N, H, W, 3) and greys (N, H, W), 0 black and 1 white, not clipped. Filter results on the outermost pixels are
left out: they depend on the padding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

STRENGTHS = ((0.1, "no"), (0.3, "weakly"), (0.5, "moderately"), (1.1, "strongly"))  # Cohen (1988) on |r|
CLEAR = 1.5  # ratio of detail at equal contrast from which the verdict is plainly "sharper"; a convention of this file


@dataclass(frozen=True)
class Comparison:
    """A resizer's pictures against bilinear ones, over `images` pictures; means over them unless noted otherwise.

    `laplacian`: variance of the Laplacian, bilinear and resizer; `variance`: of the pictures themselves, likewise;
    `sharper`: number of pictures in which the resizer's Laplacian variance is higher. `edges`: correlation of |difference|
    with the bilinear picture's Sobel magnitude; `chance`: with another picture's; None if undefined. `difference`: mean
    |difference|; `clipped`: share of the resizer's values outside [0, 1].
    """

    images: int
    laplacian: tuple[float, float]
    variance: tuple[float, float]
    sharper: int
    edges: float | None
    chance: float | None
    difference: float
    clipped: float


def measure(bilinear: np.ndarray, resized: np.ndarray) -> dict[str, np.ndarray]:
    """Measure pictures (N, H, W, 3), not clipped, of both; return each measure as (N,), NaN where undefined.

    Memory grows with N: measure in batches and pass all results to `summary`.
    """
    difference = np.abs(resized - bilinear).mean(-1)
    before, after = bilinear.mean(-1), resized.mean(-1)
    edges = sobel(before)
    others = np.roll(edges, 1, axis=0) if len(edges) > 1 else np.zeros_like(edges)
    return {
        "laplacian_before": laplacian_variance(before),
        "laplacian_after": laplacian_variance(after),
        "variance_before": inner(before).var((1, 2)),
        "variance_after": inner(after).var((1, 2)),
        "edges": correlation(difference, edges),
        "chance": correlation(difference, others),
        "difference": difference.mean((1, 2)),
        "clipped": outside(resized),
    }


def summary(parts: Sequence[Mapping[str, np.ndarray]]) -> Comparison:
    """Return the comparison over all measured pictures."""
    stats = {key: np.concatenate([part[key] for part in parts]).astype(np.float64) for key in parts[0]}
    before, after = stats["laplacian_before"], stats["laplacian_after"]
    return Comparison(
        images=len(before),
        laplacian=(before.mean().item(), after.mean().item()),
        variance=(stats["variance_before"].mean().item(), stats["variance_after"].mean().item()),
        sharper=int((after > before).sum()),
        edges=_mean(stats["edges"]),
        chance=_mean(stats["chance"]),
        difference=stats["difference"].mean().item(),
        clipped=stats["clipped"].mean().item(),
    )


def _mean(values: np.ndarray) -> float | None:
    defined = values[~np.isnan(values)]
    return defined.mean().item() if len(defined) else None


def inner(greys: np.ndarray) -> np.ndarray:
    """Return (N, H, W) without the outermost pixels."""
    return greys[:, 1:-1, 1:-1]


def laplacian_variance(greys: np.ndarray) -> np.ndarray:
    """Return (N,): variance of the five-point Laplacian, which increases with fine detail (or noise)."""
    filtered = np.stack([ndimage.laplace(grey) for grey in greys])
    return np.asarray(inner(filtered).var((1, 2)))


def sobel(greys: np.ndarray) -> np.ndarray:
    """Return (N, H, W): the gradient's magnitude by Sobel's filters."""
    # Picture by picture: on a stack, `ndimage.sobel` smooths across the pictures too.
    return np.stack([np.hypot(ndimage.sobel(grey, axis=0), ndimage.sobel(grey, axis=1)) for grey in greys])


def correlation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return (N,): Pearson's r over the pixels of each pair of maps (N, H, W); NaN where a map has no variance."""
    first, second = (inner(maps).reshape(len(maps), -1).astype(np.float64) for maps in (first, second))
    first, second = (maps - maps.mean(1, keepdims=True) for maps in (first, second))
    norms = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return np.asarray(np.where(norms > 1e-9, (first * second).sum(1) / np.maximum(norms, 1e-9), np.nan))


def outside(pictures: np.ndarray) -> np.ndarray:
    """Return (N,): the share of the values of (N, H, W, 3) that a display clips, outside [0, 1] by more than rounding."""
    return np.asarray(((pictures < -1e-6) | (pictures > 1 + 1e-6)).mean((1, 2, 3)))


def sentences(stats: Comparison, name: str) -> list[str]:
    """Return sentences on whether the measures support the report's claims about its Figure 8."""
    if stats.difference == 0:
        return [f"{name} changes nothing here: its output is the bilinear picture in all {stats.images:,} test images."]
    return [
        _sharper(stats),
        _edges(stats),
        f"Mean |difference| {stats.difference:.2f} where black to white is 1; {100 * stats.clipped:.1f} % of {name}'s values "
        "lie outside black to white and are clipped in the picture.",
    ]


def _sharper(stats: Comparison) -> str:
    """Return the sentence on sharpness, corrected for contrast: twice the contrast gives four times the Laplacian variance."""
    counted = f"higher in {stats.sharper:,} of {stats.images:,} test images"
    if not (stats.laplacian[0] and stats.variance[0] and stats.variance[1]):
        return f"Sharper: cannot be told, pictures are without structure. Laplacian variance {counted}."
    ratio = stats.laplacian[1] / stats.laplacian[0]
    relative = ratio * stats.variance[0] / stats.variance[1]
    verdict = "no" if ratio <= 1 else "no, only stronger in contrast"
    if ratio > 1 and relative > 1:
        verdict = "yes" if relative >= CLEAR else "hardly, mostly stronger in contrast"
    return (
        f"Sharper: {verdict}. Laplacian variance {_times(ratio)} bilinear's, {counted}; {_times(relative)} once both are "
        "divided by the variance of the pictures. It counts every fine detail, artefacts and noise included."
    )


def _edges(stats: Comparison) -> str:
    """Return the sentence on edges: is the difference correlated with its picture's edges, and more than with another's?"""
    if stats.edges is None or stats.chance is None:
        return "Emphasises edges: cannot be told, pictures or difference are without structure."
    own = stats.edges - stats.chance >= STRENGTHS[0][0]
    verdict = (
        strength(stats.edges) if own or stats.edges < STRENGTHS[0][0] else "no more than it fits the edges of other pictures"
    )
    return (
        f"Emphasises edges: {verdict}. |Difference| correlates with the bilinear picture's Sobel magnitude by "
        f"{stats.edges:z.2f}, with that of another test image by {stats.chance:z.2f}."
    )


def _times(ratio: float) -> str:
    return f"{ratio:,.0f} times" if ratio >= 10 else f"{ratio:.2g} times"


def strength(correlation: float) -> str:
    """Return the strength of a correlation in words."""
    if correlation <= -STRENGTHS[0][0]:
        return "no, the difference lies away from edges"
    return next(word for bound, word in STRENGTHS if abs(correlation) < bound)
