"""Intervals, each in a few lines: of a share, of a difference of paired shares, of a mean, and by the jackknife.

A `design` says how groups of rows that belong together count (groups.py)."""

import math
from functools import lru_cache

import numpy as np
from scipy.special import stdtrit

from trusteq.groups import ALONE, Design

BLOCKS = 256
LEAST_UNITS = 1.5  # rows or groups: with fewer, one of them is nearly all there is, and nothing shows the spread


def normal_quantile(level: float) -> float:
    """How many standard errors a two-sided interval of this level reaches.

    >>> round(normal_quantile(0.95), 3)
    1.96
    """
    return ALONE.quantile(level)


def share_interval(successes: float, trials: float, level: float, design: Design = ALONE) -> tuple[float, float]:
    """Wilson's score interval for a share; nothing observed says nothing: (0, 1).

    >>> [round(x, 3) for x in share_interval(8, 10, 0.95)]
    [0.49, 0.943]
    >>> share_interval(0, 0, 1e-300)
    (0.0, 1.0)
    """
    if not trials:
        return 0.0, 1.0
    successes, trials, z2 = design.alone(successes), design.alone(trials), design.quantile(level) ** 2
    center = (successes + z2 / 2) / (trials + z2)
    spread = np.sqrt(z2 * (successes * (trials - successes) / trials) + z2**2 / 4) / (trials + z2)
    low = 0.0 if successes == 0 else max(0.0, center - spread)
    high = 1.0 if successes == trials else min(1.0, center + spread)
    return float(low), float(high)


def paired_share_gap_interval(
    only_first: float, only_second: float, n: float, level: float, design: Design = ALONE
) -> tuple[float, float]:
    """Interval of (only_first - only_second) / n, two shares of the same n examples (Bonett and Price 2012).

    >>> [round(x, 3) for x in paired_share_gap_interval(5, 5, 100, 0.95)]
    [-0.067, 0.067]
    """
    only_first, only_second, n = map(design.alone, (only_first, only_second, n))
    first, second = (only_first + 1) / (n + 2), (only_second + 1) / (n + 2)
    error = np.sqrt((first + second - (first - second) ** 2) / (n + 2))
    center, spread, gap = first - second, design.quantile(level) * error, (only_first - only_second) / n
    return float(max(-1.0, min(center - spread, gap))), float(min(1.0, max(center + spread, gap)))


def wilson_mean_interval(values: np.ndarray, level: float, design: Design = ALONE) -> tuple[float, float]:
    """Wilson's score interval with the variance that was seen; one value says nothing: (0, 1).

    A share's variance is m (1 - m); values between 0 and 1 have a part of it, estimated with one unseen value of the
    greatest variance, 1/4, so that equal values, or all but a few, do not claim to be the whole truth.

    >>> [round(end, 3) for end in wilson_mean_interval(np.array([0.2, 0.4, 0.3, 0.5, 0.1]), 0.95)]
    [0.1, 0.623]
    >>> [round(end, 3) for end in wilson_mean_interval(np.ones(100), 0.95)]
    [0.962, 1.0]
    """
    if len(values) == 1:
        return 0.0, 1.0
    n, mean = design.alone(len(values)), float(values.mean())
    part = min(1.0, (n * values.var(ddof=design.effect) + 1 / 4) / (n * mean * (1 - mean) + 1 / 4))
    z2 = part * design.quantile(level, len(values) - 1) ** 2
    center = (n * mean + z2 / 2) / (n + z2)
    spread = math.sqrt(z2 * n * mean * (1 - mean) + z2**2 / 4) / (n + z2)
    return float(max(0.0, min(center - spread, mean))), float(min(1.0, max(center + spread, mean)))


def padded_mean_interval(values: np.ndarray, level: float, design: Design = ALONE) -> tuple[float, float]:
    """Interval of a mean of values from 0 to 1, from its standard error with a value of 0 and one of 1 added, so that
    few or equal values claim no certainty: one value says nothing.

    >>> padded_mean_interval(np.array([0.25]), 0.95)
    (0.0, 1.0)
    """
    padded, weight = np.append(values, [0.0, 1.0]), np.append(np.full(len(values), 1 / design.effect), [1.0, 1.0])
    total = weight.sum()
    mean = (weight * padded).sum() / total
    spread = np.sqrt((weight * (padded - mean) ** 2).sum() / (total - 1))
    reach = design.quantile(level, len(padded) - 1) * spread / np.sqrt(total)
    low, high = mean - reach, mean + reach
    return float(max(0.0, min(low, values.mean()))), float(min(1.0, max(high, values.mean())))


def jackknife_interval(
    value: float, without_one: np.ndarray, level: float, design: Design = ALONE
) -> tuple[float, float]:
    """Interval of a figure from -1 to 1, from its values without each row; without any, the whole range."""
    n = len(without_one)
    if n == 0:
        return -1.0, 1.0
    error = np.sqrt((n - 1) / n * ((without_one - without_one.mean()) ** 2).sum())
    reach = design.quantile(level, n - 1) * error * np.sqrt(design.effect)
    return float(max(-1.0, value - reach)), float(min(1.0, value + reach))


def blocks_of(seed: int, start: int, count: int, n: int) -> np.ndarray:
    """A random one of 256 blocks for each of the rows start, start + 1, ...: the same however the rows are cut.

    Sums per block are all that resampling needs, so nothing that grows with the rows has to be kept. Where all n rows
    are no more than the blocks, each has its own.

    >>> bool((blocks_of(0, 0, 5, n=1000)[2:] == blocks_of(0, 2, 3, n=1000)).all())
    True
    """
    if n <= BLOCKS:
        return np.arange(start, start + count)
    stream = np.random.PCG64(seed)
    stream.advance(start)
    return (stream.random_raw(count) >> np.uint64(56)).astype(np.intp)


def block_of_groups(groups: np.ndarray, seed: int) -> np.ndarray:
    """The block of each row where groups are dealt to the blocks, never split; groups of one row as `blocks_of`.

    >>> block_of_groups(np.array([0, 0, 1, 0]), seed=0).tolist()
    [0, 0, 1, 0]
    """
    count = int(groups.max()) + 1
    return blocks_of(seed, 0, count, count)[groups]


def block_deviations(sums: np.ndarray, rows: np.ndarray, units: float | None = None) -> np.ndarray:
    """How far each block's sum (blocks first) lies from its part of the whole, scaled to errors of the mean.

    `units`: how many groups the rows are of, where they are of any."""
    n, shares, blocks = rows.sum(), rows / rows.sum(), len(rows)
    units = n if units is None else units
    deviations = sums - np.multiply.outer(shares, sums.sum(axis=0))
    return deviations / n * np.sqrt(units / max(units - 1, 1) * blocks / (blocks - 1))


def block_mean_interval(
    sums: np.ndarray, rows: np.ndarray, level: float, units: float | None = None
) -> tuple[float, float]:
    """Interval of a mean over rows, from its sums and the number of rows in every block (Student's t)."""
    n = int(rows.sum())
    mean = float(sums.sum()) / n
    units = n if units is None else units
    if units < LEAST_UNITS:
        return -np.inf, np.inf
    error = np.sqrt((block_deviations(sums, rows, units) ** 2).sum())
    reach = float(error * stdtrit(min(units, BLOCKS) - 1, (1 + level) / 2))
    return mean - reach, mean + reach


@lru_cache(maxsize=3)
def block_noise(draws: int, blocks: int, seed: int, units: float | None = None) -> np.ndarray:
    """Random weights (draws first): `block_noise(...) @ block_deviations(...)` are random errors of the means, with the
    variances and covariances that the blocks show (Student's t). One noise for two models keeps them paired."""
    rng = np.random.Generator(np.random.PCG64(seed))
    normal, freedom = rng.standard_normal((draws, blocks)), min(blocks, units or blocks) - 1
    noise = normal / np.sqrt(rng.chisquare(freedom, (draws, 1)) / freedom)
    noise.setflags(write=False)  # it is kept for the next figure
    return noise
