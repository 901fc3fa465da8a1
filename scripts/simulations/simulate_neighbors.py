"""Pairs of embeddings of points that are all drawn anew: what the interval of an overlap of neighbours leaves out.

Both models see the same 8 hidden numbers of a point, each through a fixed mixing of its own and with noise of its own.
The true value of a figure depends on how many points there are, and has no formula: it is the mean over data sets.
"""

from dataclasses import dataclass

import numpy as np

HIDDEN, LARGE, COMPRESSED = 8, 32, 16
rng = np.random.default_rng(0)
LARGE_MIXING, COMPRESSED_MIXING = rng.normal(size=(HIDDEN, LARGE)), rng.normal(size=(HIDDEN, COMPRESSED))
CENTERS = 2 * rng.normal(size=(10, HIDDEN))


@dataclass(frozen=True)
class Points:
    """One cloud around 0, or around each of some centers."""

    centers: bool
    noise: float = 0.5

    def draw(self, n: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        hidden = rng.normal(size=(n, HIDDEN))
        if self.centers:
            hidden += CENTERS[rng.integers(len(CENTERS), size=n)]
        return {
            "predictions": hidden @ COMPRESSED_MIXING + self.noise * rng.normal(size=(n, COMPRESSED)),
            "large_predictions": hidden @ LARGE_MIXING + self.noise * rng.normal(size=(n, LARGE)),
        }


NEIGHBORS = {"points in one cloud": Points(centers=False), "points in ten clusters": Points(centers=True)}
