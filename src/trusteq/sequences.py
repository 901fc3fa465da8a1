"""Have enough examples been seen? An interval of a mean that holds at every number of examples at once."""

import math

import numpy as np


def sequence_interval(
    values: np.ndarray, level: float, target_width: float, most: int | None = None
) -> tuple[float, float]:
    """An interval of the mean that holds at every number of examples at once, narrowest when it is `target_width` wide.

    Waudby-Smith and Ramdas 2023, "Estimating means of bounded random variables by betting": against each candidate m
    one gambler stakes a part of their wealth that the next value lies above m, another that it lies below. If m is the
    mean, neither game is favourable, and the chance that a wealth ever grows 2 / (1 - level)-fold is at most
    (1 - level) / 2. What is left are the candidates that made nobody rich. This holds for values of any distribution
    on [0, 1] and any number of them, and needs no approximation. `most` is how many values there can be at all.

    >>> [round(end, 3) for end in sequence_interval(np.tile([0.0, 0.5, 0.25], 300), 0.95, target_width=0.05)]
    [0.231, 0.269]
    """
    values = np.asarray(values, dtype=np.float64)
    mean, stake = float(values.mean()), stakes(values, level, target_width, most)
    low = lowest_left(values, stake, level)
    high = 1 - lowest_left(1 - values, stake, level)
    return min(low, mean), max(high, mean)


def stakes(values: np.ndarray, level: float, target_width: float, most: int | None) -> np.ndarray:
    """How much to bet on each value, from the variance of those before it.

    With stake s the interval after t values is log(2 / alpha) / (s t) + s variance / 2 to either side, which is least
    for s^2 = 2 log(2 / alpha) / (variance t); t is when that least is half the target width, or the last value.
    """
    before = np.arange(len(values))
    total, squares = (np.concatenate([[0.0], np.cumsum(power)[:-1]]) for power in (values, values**2))
    deviations = np.maximum(squares - total**2 / np.maximum(before, 1), 0)
    variance = (1 / 4 + deviations) / (before + 1)
    growth = 2 * math.log(2 / (1 - level))
    end = np.minimum(4 * growth * variance / target_width**2, most if most is not None else np.inf)
    return np.sqrt(growth / (variance * end))


def lowest_left(values: np.ndarray, stake: np.ndarray, level: float) -> float:
    """The smallest candidate against which the gambler on higher values is not rich."""
    from scipy.optimize import brentq  # slow to import

    rich, least = math.log(2 / (1 - level)), 1e-9

    def excess(mean: float) -> float:
        return float(log_growth(values, stake, mean).sum()) - rich

    return 0.0 if excess(least) <= 0 else float(brentq(excess, least, 1.0, xtol=1e-9))


def log_growth(values: np.ndarray, stake: np.ndarray, mean: float) -> np.ndarray:
    """By how much each value makes the log wealth grow; no bet risks more than half of the wealth.

    >>> log_growth(np.array([1.0, 0.0]), np.array([0.5, 0.5]), mean=0.5).round(3).tolist()
    [0.223, -0.288]
    """
    return np.log1p(np.minimum(stake, 0.5 / mean) * (values - mean))


def sure(values: np.ndarray, level: float, target_width: float, most: int | None = None) -> bool:
    """Whether the sequence interval is narrow enough to stop; it may be asked after every example.

    >>> values = np.tile([0.0, 0.5, 0.25], 300)
    >>> sure(values[:400], 0.95, target_width=0.05), sure(values, 0.95, target_width=0.05)
    (False, True)
    """
    low, high = sequence_interval(values, level, target_width, most)
    return high - low <= target_width
