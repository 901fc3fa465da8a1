"""Do the intervals of attribution_alignment hold the truth, and how many examples does target_width save?

    python scripts/simulate_alignment.py                     # both tables
    python scripts/simulate_alignment.py --sequences 100     # a quick look

Examples are drawn from populations of per-example Jaccards whose mean is known. The first table looks at the interval
after every one of 10,000 examples; the second at intervals of a fixed number of examples.
"""

import argparse
import importlib
import math
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # one process a core is faster than one call on all of them

import numpy as np
from scipy.stats import betabinom, t

LEVEL = 0.95
MOST = 10_000


sys.path.append(str(Path(__file__).resolve().parent.parent / "metrics"))
alignment = importlib.import_module("attribution_alignment.alignment")


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
    stake = alignment.stakes(values, LEVEL, target_width, MOST)
    wealth = [np.cumsum(alignment.log_growth(*side)) for side in ((values, stake, mean), (1 - values, stake, 1 - mean))]
    return bool(np.max(wealth) > math.log(2 / (1 - LEVEL)))


def stop_trial(name: str, target_width: float, index: int) -> tuple[bool, int]:
    """On stopping: is the truth inside, and after how many examples was that?"""
    population = POPULATIONS[name]
    values = population.draw(MOST, np.random.default_rng(index))
    stop = next((n for n in looks() if alignment.sure(values[:n], LEVEL, target_width, MOST)), MOST)
    low, high = alignment.sequence_interval(values[:stop], LEVEL, target_width, MOST)
    return low <= population.mean() <= high, stop


def fixed_trial(name: str, n: int, index: int) -> tuple[bool, float, bool]:
    """One data set: is the truth inside, how wide is the interval, and would Student's t have held the truth?"""
    population = POPULATIONS[name]
    values, mean = population.draw(n, np.random.default_rng(index)), population.mean()
    low, high = alignment.mean_interval(values, LEVEL)
    reach = t.ppf((1 + LEVEL) / 2, n - 1) * values.std(ddof=1) / math.sqrt(n)
    return low <= mean <= high, high - low, abs(values.mean() - mean) <= reach


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sequences", type=int, default=1000)
    parser.add_argument("--widths", type=float, nargs="+", default=[0.02, 0.05, 0.1])
    parser.add_argument("--sizes", type=int, nargs="+", default=[3, 10, 50, 1000])
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    trials, many = range(arguments.sequences), range(5 * arguments.sequences)
    with ProcessPoolExecutor(arguments.processes) as pool:
        print(f"{len(trials)} sequences each ({len(many)} for ever missed), level {LEVEL:.0%};")
        print("fixed: how many examples one look at them all would need, were the variance known.\n")
        print("| population | mean | deviation | target_width | ever missed | held on stopping | examples | fixed |")
        print("| --- | --- | --- | --- | --- | --- | --- | --- |")
        for name, population in POPULATIONS.items():
            for width in arguments.widths:
                ever = np.mean(list(pool.map(partial(ever_trial, name, width), many, chunksize=50)))
                held, examples = np.mean(list(pool.map(partial(stop_trial, name, width), trials, chunksize=10)), axis=0)
                fixed = (2 * 1.96 * population.deviation() / width) ** 2
                figures = f"{population.mean():.3f} | {population.deviation():.3f} | {width} | {ever:.1%} | {held:.1%}"
                print(f"| {name} | {figures} | {examples:,.0f} | {fixed:,.0f} |", flush=True)
        print(f"\n{len(many)} data sets each.\n")
        print("| population | examples | held the truth | mean width | Student's t held it |")
        print("| --- | --- | --- | --- | --- |")
        for name in POPULATIONS:
            for n in arguments.sizes:
                tried = list(pool.map(partial(fixed_trial, name, n), many, chunksize=100))
                held, width, student = np.mean(tried, axis=0)
                print(f"| {name} | {n:,} | {held:.1%} | {width:.3f} | {student:.1%} |", flush=True)


if __name__ == "__main__":
    main()
