"""Intervals for calibration errors: sums (or maxima) of absolute residuals, whose estimates are biased upward.

A calibration error is a sum of |m_b| over bins, and its estimate a sum of |m_b + h_b|, where h_b is noise. The error
of the estimate, |m_b + h_b| - |m_b|, is pure bias where the truth m_b is 0 and plain noise where it is far from 0; it
falls with |m_b| in between. The truth is not known, so the two ends of what the data allow are both drawn: |m_b| as
small as its estimate less DOUBT standard errors, and as large as its estimate plus as much. The interval covers both;
DOUBT is the least that kept 93 % in the simulations of scripts/coverage.py."""

from typing import Any

import numpy as np

from trusteq.intervals import block_deviations

DOUBT = 1.0
SLICE = 2048


def distance_errors(
    sums: np.ndarray, rows: np.ndarray, combine: Any, noise: np.ndarray, units: float | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Draws of (estimate - truth) of a combination of |mean residuals|: if the truth is small, and if it is large.

    `sums` are residuals per block (first) and bin; `combine` is np.add or np.maximum.
    """
    deviations, mean = block_deviations(sums, rows, units), sums.sum(axis=0) / rows.sum()
    doubt = DOUBT * np.sqrt((deviations**2).sum(axis=0))
    sign = np.where(mean < 0, -1.0, 1.0)
    truths = sign * np.maximum(np.abs(mean) - doubt, 0), sign * (np.abs(mean) + doubt)
    noisy = [np.zeros(len(noise)), np.zeros(len(noise))]
    for at in range(0, len(mean), SLICE):
        part = slice(at, at + SLICE)
        drawn = noise @ deviations[:, part]
        noisy = [
            combine(so_far, combine.reduce(np.abs(truth[part] + drawn), axis=1))
            for so_far, truth in zip(noisy, truths, strict=True)
        ]
    compressed, large = (so_far - combine.reduce(np.abs(truth)) for so_far, truth in zip(noisy, truths, strict=True))
    return compressed, large


def distance_gap_interval(
    gap: float, compressed: tuple[np.ndarray, np.ndarray], large: tuple[np.ndarray, np.ndarray], level: float
) -> tuple[float, float]:
    """The gap less the most, and less the least, that its own error may plausibly be; draws are paired."""
    (compressed_most, compressed_least), (large_most, large_least) = compressed, large
    tail = (1 - level) / 2
    most = float(np.quantile(compressed_most - large_least, 1 - tail))
    least = float(np.quantile(compressed_least - large_most, tail))
    return gap - max(most, 0.0), gap - min(least, 0.0)
