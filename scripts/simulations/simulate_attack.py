"""Do the intervals of attack_divergence hold the truth?

    python scripts/simulations/simulate_attack.py                   # both tables
    python scripts/simulations/simulate_attack.py --datasets 200    # a quick look

Examples are drawn from populations in which it is known how often each model is right when clean and breaks under
attack, and how far the two go together. One table is of the gap of accuracy_fall, the other of broken_jaccard.
"""

import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any, NamedTuple

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # one process a core is faster than one call on all of them

import numpy as np
from scipy.special import ndtri
from scipy.stats import multivariate_normal
from trials import LEVEL, Tried, command, intervals

from trusteq.dimensions import attack_divergence as falls


class Population(NamedTuple):
    """How often each model is right and, being right, breaks; and the correlations of what lies behind either."""

    right: float
    large_right: float
    fall: float
    large_fall: float
    right_together: float
    break_together: float

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Any, Any]:
        """Columns of both models."""
        right = correlated(n, (self.right, self.large_right), self.right_together, rng)
        breaks = correlated(n, (self.fall, self.large_fall), self.break_together, rng)
        compressed, large = (
            falls.columns([(a, a and b, 1, 0, True, -1) for a, b in zip(right[:, i], breaks[:, i], strict=True)])
            for i in (0, 1)
        )
        return compressed, large

    def jaccard(self) -> float:
        """Of the examples that both have right and either breaks, the share that both break."""
        normal = multivariate_normal(np.zeros(2), [[1, self.break_together], [self.break_together, 1]])
        both = float(normal.cdf(ndtri([self.fall, self.large_fall])))
        return both / (self.fall + self.large_fall - both)


def correlated(n: int, shares: tuple[float, float], correlation: float, rng: np.random.Generator) -> np.ndarray:
    """Pairs of truths with these shares, from correlated normal numbers.

    >>> correlated(100_000, (0.2, 0.9), 0.5, np.random.default_rng(0)).mean(axis=0).round(2).tolist()
    [0.2, 0.9]
    """
    shared, own = rng.standard_normal((n, 1)), rng.standard_normal((n, 2))
    return correlation**0.5 * shared + (1 - correlation) ** 0.5 * own < ndtri(np.array(shares))


POPULATIONS = {
    "the paper's falls": Population(0.85, 0.92, 0.87, 0.40, 0.7, 0.5),
    "alike, go together": Population(0.88, 0.90, 0.50, 0.45, 0.8, 0.8),
    "alike, unrelated": Population(0.88, 0.90, 0.50, 0.50, 0.0, 0.0),
    "all right": Population(0.9999, 0.9999, 0.30, 0.20, 0.5, 0.6),
    "both break nearly always": Population(0.80, 0.85, 0.97, 0.95, 0.6, 0.6),
    "both nearly never": Population(0.80, 0.85, 0.04, 0.02, 0.6, 0.6),
    "one never": Population(0.80, 0.85, 0.30, 0.0001, 0.6, 0.6),
    "weak models": Population(0.45, 0.60, 0.70, 0.50, 0.3, 0.5),
    "nearly the same model": Population(0.90, 0.90, 0.60, 0.60, 0.99, 0.99),
}


def gap_trial(population: Population, n: int, index: int) -> Tried:
    """Is the gap's truth inside, how wide is the interval, and would two independent samples have held the truth?"""
    compressed, large = population.draw(n, np.random.default_rng([index, n]))
    low, high = falls.fall_gap_interval(compressed, large, LEVEL)
    truth = population.fall - population.large_fall
    counts = [(int(model["broken"].sum()), max(1, int(model["right"].sum()))) for model in (compressed, large)]
    shares = [broken / right for broken, right in counts]
    variance = sum(share * (1 - share) / right for share, (_, right) in zip(shares, counts, strict=True))
    reach = ndtri((1 + LEVEL) / 2) * variance**0.5
    return low <= truth <= high, high - low, abs(shares[0] - shares[1] - truth) <= reach


def jaccard_trial(population: Population, n: int, index: int) -> Tried:
    """The same of broken_jaccard; beside it the plain interval of a share (Wald)."""
    result = falls.finish(*population.draw(n, np.random.default_rng([index, n])), LEVEL)
    low, high, truth = result["broken_jaccard_low"], result["broken_jaccard_high"], population.jaccard()
    either = max(1.0, n * population.right * (population.fall + population.large_fall) / (1 + truth))
    value = result["broken_jaccard"]
    reach = ndtri((1 + LEVEL) / 2) * (value * (1 - value) / either) ** 0.5
    return low <= truth <= high, high - low, abs(value - truth) <= reach


TABLES = {"accuracy_fall_gap": (gap_trial, "as if unpaired"), "broken_jaccard": (jaccard_trial, "Wald")}


def main() -> None:
    options = command(__doc__, datasets=5000, sizes=[20, 100, 1000]).parse_args()
    print(f"{options.datasets} data sets each, level {LEVEL:.0%}.")
    with ProcessPoolExecutor() as pool:
        for figure, (trial, beside) in TABLES.items():
            print(f"\n{figure}\n")
            trials = {name: partial(trial, population) for name, population in POPULATIONS.items()}
            intervals(pool, trials, options.sizes, options.datasets, beside)


if __name__ == "__main__":
    main()
