"""How much do two sets share, how much would chance give, and where between chance and the most does a figure lie?"""

from functools import lru_cache

import numpy as np
from scipy.special import gammaln


def jaccard(a: set[str], b: set[str]) -> float:
    """The share of words in both among those in either; two empty sets are equal: 1.

    >>> jaccard({"good", "film"}, {"good", "plot", "end"})
    0.25
    """
    return len(a & b) / len(a | b) if a or b else 1.0


@lru_cache(maxsize=65536)
def expected_jaccard(size: int, large_size: int, words: int) -> float:
    """The mean Jaccard of two random sets of these sizes among so many words (their overlap is hypergeometric).

    >>> round(expected_jaccard(1, 1, 4), 3), round(expected_jaccard(10, 10, 40), 3)
    (0.25, 0.148)
    """
    if not size + large_size:
        return 1.0
    shared = np.arange(max(0, size + large_size - words), min(size, large_size) + 1)
    log_chance = log_choose(size, shared) + log_choose(words - size, large_size - shared)
    chance = np.exp(log_chance - log_choose(words, np.array(large_size)))
    return float(chance @ (shared / (size + large_size - shared)) / chance.sum())


def log_choose(n: int, k: np.ndarray) -> np.ndarray:
    return gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)


def relative_to(value: float, chance: float, ceiling: float) -> float:
    """Where a figure lies between chance (0) and the ceiling (1); no room between them: 1 for equal sets, else 0.

    >>> relative_to(0.5, chance=0.25, ceiling=0.75), relative_to(1.0, chance=1.0, ceiling=1.0)
    (0.5, 1.0)
    """
    if ceiling - chance < 1e-12:
        return 1.0 if value == 1.0 else 0.0
    return (value - chance) / (ceiling - chance)


def expected_share(first: int, second: int, n: int) -> float:
    """What two unrelated sets of these sizes, out of n, share of both together; two empty ones are equal.

    >>> expected_share(50, 50, 100)
    0.3333333333333333
    """
    if not first + second:
        return 1.0
    chance = first * second / n
    return chance / (first + second - chance)


def kappa(n: int, both: int, first: int, second: int) -> float:
    """Cohen's kappa of being in the one set and in the other; where there is nothing to disagree about it is full."""
    observed = (n - first - second + 2 * both) / n
    expected = (first * second + (n - first) * (n - second)) / n**2
    return 1.0 if expected == 1 else (observed - expected) / (1 - expected)
