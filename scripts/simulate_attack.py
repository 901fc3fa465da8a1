"""Do the intervals of attack_divergence hold the truth?

    python scripts/simulate_attack.py                   # the table
    python scripts/simulate_attack.py --datasets 200    # a quick look

Examples are drawn from populations in which it is known how often each model is right when clean and breaks under
attack, and how far the two go together. One table is of the gap of accuracy_fall, the other of broken_jaccard.
"""

import argparse
import os
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # one process a core is faster than one call on all of them

import evaluate
import numpy as np
from scipy.special import ndtri
from scipy.stats import multivariate_normal

LEVEL = 0.95
metric = evaluate.load(str(Path(__file__).resolve().parent.parent / "metrics" / "attack_divergence"))
falls: Any = sys.modules[type(metric).__module__.rpartition(".")[0] + ".falls"]


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
        small, large = (
            falls.columns([(a, a and b, 1, 0, True, -1) for a, b in zip(right[:, i], breaks[:, i], strict=True)])
            for i in (0, 1)
        )
        return small, large

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


def gap_trial(population: Population, n: int, index: int) -> tuple[bool, float, bool]:
    """Is the gap's truth inside, how wide is the interval, and would two independent samples have held the truth?"""
    small, large = population.draw(n, np.random.default_rng([index, n]))
    low, high = falls.fall_gap_interval(small, large, LEVEL)
    truth = population.fall - population.large_fall
    counts = [(int(model["broken"].sum()), max(1, int(model["right"].sum()))) for model in (small, large)]
    shares = [broken / right for broken, right in counts]
    variance = sum(share * (1 - share) / right for share, (_, right) in zip(shares, counts, strict=True))
    reach = ndtri((1 + LEVEL) / 2) * variance**0.5
    return low <= truth <= high, high - low, abs(shares[0] - shares[1] - truth) <= reach


def jaccard_trial(population: Population, n: int, index: int) -> tuple[bool, float, bool]:
    """The same of broken_jaccard; beside it the plain interval of a share (Wald)."""
    result = falls.finish(*population.draw(n, np.random.default_rng([index, n])), LEVEL)
    low, high, truth = result["broken_jaccard_low"], result["broken_jaccard_high"], population.jaccard()
    either = max(1.0, n * population.right * (population.fall + population.large_fall) / (1 + truth))
    value = result["broken_jaccard"]
    reach = ndtri((1 + LEVEL) / 2) * (value * (1 - value) / either) ** 0.5
    return low <= truth <= high, high - low, abs(value - truth) <= reach


TABLES: dict[str, tuple[Callable[[Population, int, int], tuple[bool, float, bool]], str]] = {
    "accuracy_fall_gap": (gap_trial, "as if unpaired"),
    "broken_jaccard": (jaccard_trial, "Wald"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--datasets", type=int, default=5000)
    parser.add_argument("--sizes", type=int, nargs="+", default=[20, 100, 1000])
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    with ProcessPoolExecutor(arguments.processes) as pool:
        print(f"{arguments.datasets} data sets each, level {LEVEL:.0%}.")
        for name, (trial, naive) in TABLES.items():
            print(f"\n{name}\n")
            print(f"| population | examples | held the truth | mean width | {naive} |")
            print("| --- | --- | --- | --- | --- |")
            for title, population in POPULATIONS.items():
                for n in arguments.sizes:
                    tried = list(pool.map(partial(trial, population, n), range(arguments.datasets), chunksize=100))
                    held, width, other = np.mean(tried, axis=0)
                    print(f"| {title} | {n:,} | {held:.1%} | {width:.3f} | {other:.1%} |", flush=True)


if __name__ == "__main__":
    main()
