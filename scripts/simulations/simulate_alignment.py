"""Do the intervals of attribution_alignment hold the truth, and how many examples does target_width save?

    python scripts/simulations/simulate_alignment.py                   # both tables
    python scripts/simulations/simulate_alignment.py --datasets 100    # a quick look

Examples are drawn from populations of per-example Jaccards whose mean is known. The first table looks at the interval
after every one of 10,000 examples; the second at intervals of a fixed number of examples.
"""

import math
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import NamedTuple

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # one process a core is faster than one call on all of them

import numpy as np
from scipy.stats import betabinom, t
from trials import LEVEL, Tried, command, intervals, row, tries

from trusteq import sequences
from trusteq.intervals import wilson_mean_interval

WIDTHS = (0.02, 0.05, 0.1)
MOST = 10_000


class Population(NamedTuple):
    """Values between 0 and 1, and how often each comes; `runs` of them are averaged for every example."""

    values: np.ndarray
    chances: np.ndarray
    runs: int = 1

    def draw(self, n: int, rng: np.random.Generator) -> np.ndarray:
        return rng.choice(self.values, (n, self.runs), p=self.chances).mean(axis=1)

    def mean(self) -> float:
        return float(self.values @ self.chances)

    def deviation(self) -> float:
        return math.sqrt((self.values - self.mean()) ** 2 @ self.chances / self.runs)


def shared_words(a: float, b: float, k: int = 10, runs: int = 1) -> Population:
    """The Jaccard of two sets of k words that share a beta-binomial number of them.

    >>> population = shared_words(3, 3)
    >>> population.values[:3].round(3).tolist(), round(population.mean(), 3)
    ([0.0, 0.053, 0.111], 0.369)
    """
    shared = np.arange(k + 1)
    return Population(shared / (2 * k - shared), betabinom.pmf(shared, k, a, b), runs)


POPULATIONS = {
    "little in common": shared_words(1.5, 4),
    "half of the words": shared_words(3, 3),
    "half, 3 runs": shared_words(3, 3, runs=3),
    "most of the words": shared_words(5, 1.5),
    "all alike": shared_words(20, 20),
    "all or nothing": shared_words(0.5, 0.5),
    "one word": shared_words(2, 2, k=1),
    "equal but for few": Population(np.array([0.0, 1.0]), np.array([0.03, 0.97])),
    "nothing but for few": Population(np.array([0.0, 1 / 19, 1.0]), np.array([0.95, 0.03, 0.02])),
}


def looks() -> Iterator[int]:
    """Every number of examples up to 100, then one in a hundred: a stop comes at most 1 % late."""
    n = 1
    while n <= MOST:
        yield n
        n += max(1, n // 100)


def ever_trial(name: str, target_width: float, index: int) -> bool:
    """Is the truth outside after any number of examples? It is where one of the two gamblers against it is rich."""
    population = POPULATIONS[name]
    values, mean = population.draw(MOST, np.random.default_rng(index)), population.mean()
    stake = sequences.stakes(values, LEVEL, target_width, MOST)
    wealth = [np.cumsum(sequences.log_growth(*side)) for side in ((values, stake, mean), (1 - values, stake, 1 - mean))]
    return bool(np.max(wealth) > math.log(2 / (1 - LEVEL)))


def stop_trial(name: str, target_width: float, index: int) -> tuple[bool, int]:
    """On stopping: is the truth inside, and after how many examples was that?"""
    population = POPULATIONS[name]
    values = population.draw(MOST, np.random.default_rng(index))
    stop = next((n for n in looks() if sequences.sure(values[:n], LEVEL, target_width, MOST)), MOST)
    low, high = sequences.sequence_interval(values[:stop], LEVEL, target_width, MOST)
    return low <= population.mean() <= high, stop


def fixed_trial(name: str, n: int, index: int) -> Tried:
    """One data set: is the truth inside, how wide is the interval, and would Student's t have held the truth?"""
    population = POPULATIONS[name]
    values, mean = population.draw(n, np.random.default_rng(index)), population.mean()
    low, high = wilson_mean_interval(values, LEVEL)
    reach = t.ppf((1 + LEVEL) / 2, n - 1) * values.std(ddof=1) / math.sqrt(n)
    return low <= mean <= high, high - low, abs(values.mean() - mean) <= reach


def main() -> None:
    options = command(__doc__, datasets=1000, sizes=[3, 10, 50, 1000]).parse_args()
    few, many = options.datasets, 5 * options.datasets
    print(f"{few} sequences each ({many} for ever missed), level {LEVEL:.0%};")
    print("fixed: how many examples one look at them all would need, were the variance known.\n")
    with ProcessPoolExecutor() as pool:
        row("population", "mean", "deviation", "target_width", "ever missed", "held on stopping", "examples", "fixed")
        row(*["---"] * 8)
        for name, population in POPULATIONS.items():
            for width in WIDTHS:
                ever = tries(pool, partial(ever_trial, name, width), many).mean()
                held, examples = tries(pool, partial(stop_trial, name, width), few).mean(axis=0)
                fixed = (2 * 1.96 * population.deviation() / width) ** 2
                shares = f"{width}", f"{ever:.1%}", f"{held:.1%}", f"{examples:,.0f}", f"{fixed:,.0f}"
                row(name, f"{population.mean():.3f}", f"{population.deviation():.3f}", *shares)
        print(f"\n{many} data sets each.\n")
        trials = {name: partial(fixed_trial, name) for name in POPULATIONS}
        intervals(pool, trials, options.sizes, many, "Student's t held it")


if __name__ == "__main__":
    main()
