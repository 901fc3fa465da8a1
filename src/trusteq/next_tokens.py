"""How far apart are two models in what they say of every next token? A few numbers a token become figures.

They are those of llama-perplexity --kl-divergence. Its errors take tokens as independent, but those of a document are
not: intervals here count documents (groups.py). Each figure is a mean of numbers that each token has, or a smooth
function of such means, whose error is that of the mean of its linear part; of percentiles it is the share below that
is unsure, so that all of them hold wherever groups' intervals do (coverage.md)."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.special import stdtrit

from trusteq.groups import design, units_of
from trusteq.intervals import BLOCKS, LEAST_UNITS, block_noise, block_of_groups, share_interval
from trusteq.resampling import DRAWS

Said = Mapping[str, np.ndarray]
Figures = dict[str, Any]

OF_DIVERGENCE = (99.9, 99, 95, 90, 50, 10, 5, 1, 0.1)  # percentiles
OF_CHANGE = (99.9, 99, 95, 90, 75, 50, 25, 10, 5, 1, 0.1)
WITH_INTERVAL = (99, 95, 90, 75, 50, 25, 10, 5, 1)


def figures_of(said: Said, large: Said, groups: np.ndarray, level: float | None, seed: int = 0) -> Figures:
    """What there is to say of a compressed model beside the large one; `groups` counts from 0.

    >>> large = {"right": np.log([0.5, 0.25]), "top": np.array([1, 2]), "entropy": np.array([0.7, 1.3])}
    >>> said = large | {"right": np.log([0.25, 0.25]), "kl": np.array([0.2, 0.0]), "moved": np.zeros(2)}
    >>> found = figures_of(said, large, np.array([0, 1]), level=None)
    >>> found["kl_mean"], found["right_change_mean"], found["same_top"], round(found["perplexity_ratio"], 3)
    (0.1, -0.125, 1.0, 1.414)
    """
    own, larges = -said["right"].astype(np.float64), -large["right"].astype(np.float64)
    kl, change = said["kl"].astype(np.float64), np.exp(-own) - np.exp(-larges)
    same = (said["top"] == large["top"]).astype(np.float64)
    found: Figures = {}

    def mean(name: str, values: np.ndarray, turn: Any = float) -> None:
        """The mean, and its interval; `turn` is what becomes of it and of both ends."""
        found[name] = turn(values.mean())
        if level is not None:
            found[f"{name}_low"], found[f"{name}_high"] = map(turn, mean_interval(values, groups, level, seed))

    def spread(name: str, values: np.ndarray, percentiles: tuple[float, ...]) -> None:
        found[f"{name}_max"] = float(values.max())
        for percentile, value in zip(percentiles, np.percentile(values, percentiles), strict=True):
            key = f"{name}_median" if percentile == 50 else f"{name}_p{percentile:g}".replace(".", "_")
            found[key] = float(value)
            if level is not None and percentile in WITH_INTERVAL:
                ends = percentile_interval(values, percentile, groups, level)
                found[f"{key}_low"], found[f"{key}_high"] = ends
        found[f"{name}_min"] = float(values.min())

    mean("moved_probability", said["moved"].astype(np.float64))
    mean("kl_mean", kl)
    if "variance" in said:  # of an estimate (records/base_file.py)
        found["kl_mean_sampling_error"] = float(np.sqrt(said["variance"].sum(dtype=np.float64)) / len(kl))
    spread("kl", kl, OF_DIVERGENCE)
    mean("right_change_mean", change)
    mean("right_change_size", np.abs(change))
    squared = change**2
    mean("right_change_rms", squared, lambda value: math.sqrt(max(0.0, value)))
    spread("right_change", change, OF_CHANGE)
    share(found, "same_top", same, groups, level)
    for name, values in (("perplexity", own), ("large_perplexity", larges), ("perplexity_ratio", own - larges)):
        mean(name, values, raised)
    both = raised(own.mean()), raised(larges.mean())
    linear = both[0] * (1 + own - own.mean()) - both[1] * (1 + larges - larges.mean())
    mean("perplexity_gap", linear)
    found["log_perplexity_correlation"] = correlation(own, larges)
    for name, values in (("surprise_gap", own - said["entropy"]), ("large_surprise_gap", larges - large["entropy"])):
        mean(name, values)
    return found


def share(found: Figures, name: str, flags: np.ndarray, groups: np.ndarray, level: float | None) -> None:
    found[name] = float(flags.mean())
    if level is not None:
        together = design(flags - flags.mean(), groups)
        ends = share_interval(float(flags.sum()), len(flags), level, together)
        found[f"{name}_low"], found[f"{name}_high"] = ends


def mean_interval(values: np.ndarray, groups: np.ndarray, level: float, seed: int = 0) -> tuple[float, float]:
    """Of a mean over tokens, from what documents move it by (Student's t).

    Divergences are skewed: a few documents hold much of the whole, and samples without them look narrow. The side on
    which they lie reaches further, by what Cornish and Fisher's expansion gives for the skewness seen (twice at most).

    >>> mean_interval(np.array([1.0, 1.0, 2.0, 2.0]), np.array([0, 0, 0, 0]), 0.95)
    (-inf, inf)
    """
    units = units_of(groups)
    if units < LEAST_UNITS:
        return -math.inf, math.inf
    deviations, mean = deviations_of(values, groups, seed), float(values.mean())
    error, reach = math.sqrt((deviations**2).sum()), float(stdtrit(min(units, BLOCKS) - 1, (1 + level) / 2))
    if not error:
        return mean, mean
    lean = (deviations**3).sum() / error**3 * (2 * reach**2 + 1) / 6
    return mean - error * (reach + min(reach, max(0.0, -lean))), mean + error * (reach + min(reach, max(0.0, lean)))


def deviations_of(values: np.ndarray, groups: np.ndarray, seed: int = 0) -> np.ndarray:
    """By how much each document, or block of many, moves the mean of all tokens: what the mean would lose without it,
    so that a long document is not measured by a mean that it made."""
    block, units = block_of_groups(groups, seed), units_of(groups)
    count = min(int(groups.max()) + 1, BLOCKS)
    sums, share = np.bincount(block, values, count), np.bincount(block, minlength=count) / len(values)
    moved = (sums - share * sums.sum()) / len(values) / (1 - share)
    return np.asarray(moved * math.sqrt(units / (units - 1)))


def drawn_means(columns: list[np.ndarray], groups: np.ndarray, seed: int = 0) -> np.ndarray:
    """The means of several columns of the same tokens, a row each, and as many draws of each as resampling.py makes:
    errors of all means together, so that the difference of two rows scatters as it does among documents."""
    units = units_of(groups)
    if units < LEAST_UNITS:
        return np.stack([np.append(one.mean(), np.linspace(-1, 1, DRAWS)) for one in columns])
    deviations = np.stack([deviations_of(one, groups, seed) for one in columns])
    noise = block_noise(DRAWS, deviations.shape[1], seed, units)
    means = np.array([[one.mean()] for one in columns])
    return np.concatenate([means, means + deviations @ noise.T], axis=1)


def percentile_interval(values: np.ndarray, percentile: float, groups: np.ndarray, level: float) -> tuple[float, float]:
    """The values at the ends of the interval of the share that lies below (Woodruff 1952)."""
    below = (values <= np.percentile(values, percentile)).astype(np.float64)
    ends = share_interval(float(below.sum()), len(values), level, design(below - below.mean(), groups))
    low, high = np.quantile(values, ends)
    return float(low), float(high)


def raised(mean_log: float) -> float:
    """A mean of logarithms as a perplexity; one without bound stays so."""
    return float(np.exp(min(mean_log, 700.0))) if mean_log < math.inf else math.inf


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Pearson's; 1 where neither varies.

    >>> correlation(np.array([1.0, 2.0]), np.array([2.0, 4.0])), correlation(np.ones(2), np.ones(2))
    (1.0, 1.0)
    """
    spreads = first.std() * second.std()
    if not spreads > 0:
        return float(np.array_equal(first, second))
    return float(((first - first.mean()) * (second - second.mean())).mean() / spreads)
