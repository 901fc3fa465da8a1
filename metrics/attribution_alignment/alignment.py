"""Do two models' explanations name the same words, and how sure is that?

An explanation is a list of distinct words with signed weights, in order of falling absolute weight. `compare` sets the
explanations of one example side by side, `finish` turns all examples into figures with intervals, and `sure` says when
enough examples have been seen.
"""

import math
import sys
from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations, permutations
from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.special import gammaln, stdtrit
from scipy.stats import kendalltau

from .array_metric import brief

Explanation = list[tuple[str, float]]
Row = dict[str, np.ndarray]

MOST = sys.float_info.max
SPECIAL = {"", "[CLS]", "[SEP]", "[PAD]", "[MASK]", "<s>", "</s>", "<pad>", "<mask>", "<bos>", "<eos>", "<|endoftext|>"}


# What was made elsewhere becomes explanations.


def read_attributions(name: str, values: Any) -> list[Explanation]:
    """One explanation per example, from (word, weight) pairs, {"word": ..., "weight": ...} dicts or a dict of weights.

    Blanks around words go, special tokens too; of a repeated word the entry of largest absolute weight counts.

    >>> read_attributions("predictions", [[("a", 0.1), ("film", -0.5), ("a", 0.3)], {"[CLS]": 9, "good ": 0.2}])
    [[('film', -0.5), ('a', 0.3)], [('good', 0.2)]]
    """
    if values is None:
        raise ValueError(f"{name} is missing")
    if isinstance(values, str | bytes | dict) or not hasattr(values, "__len__"):
        raise ValueError(f"{name} needs one list of (word, weight) pairs per example, got {type(values).__name__}")
    if len(values) == 0:
        raise ValueError(f"{name} is empty")
    return [read_explanation(f"{name}, example {i}:", entry) for i, entry in enumerate(values)]


def read_explanation(where: str, entry: Any) -> Explanation:
    pairs = [read_pair(where, pair) for pair in pairs_of(where, entry)]
    explanation = rank([(word, weight) for word, weight in pairs if word not in SPECIAL])
    if not explanation:
        raise ValueError(f"{where} there is no word with a weight{' apart from special tokens' if pairs else ''}")
    return explanation


def pairs_of(where: str, entry: Any) -> list[Any]:
    if isinstance(entry, dict):
        return [pair for pair in entry.items() if pair[1] is not None]  # Arrow gives every row the words of all rows
    if isinstance(entry, str | bytes) or not hasattr(entry, "__iter__"):
        raise ValueError(f"{where} expected (word, weight) pairs or a dict of weights, got {brief(entry)}")
    return [(p["word"], p["weight"]) if isinstance(p, dict) and p.keys() == {"word", "weight"} else p for p in entry]


def read_pair(where: str, pair: Any) -> tuple[str, float]:
    if isinstance(pair, str | bytes | dict) or not hasattr(pair, "__len__") or len(pair) != 2:
        raise ValueError(f"{where} expected a (word, weight) pair, got {brief(pair)}")
    word, weight = pair
    if not isinstance(word, str):
        raise ValueError(f"{where} a word must be a string, got {brief(word)}")
    weight = weight.item() if getattr(weight, "ndim", None) == 0 else weight  # an entry of NumPy, torch or JAX
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not abs(weight) <= MOST:
        raise ValueError(f"{where} the weight of {brief(word)} must be a finite number, got {brief(weight)}")
    return word.strip(), float(weight)


def rank(pairs: Sequence[tuple[str, float]]) -> Explanation:
    """Distinct words in order of falling absolute weight, ties in the order given.

    >>> rank([("a", 0.1), ("b", -0.5), ("a", -0.2)])
    [('b', -0.5), ('a', -0.2)]
    """
    ranked: dict[str, float] = {}
    for word, weight in sorted(pairs, key=lambda pair: -abs(pair[1])):
        ranked.setdefault(word, weight)
    return list(ranked.items())


# compare: one example, all runs of both models.


def compare(small: Sequence[Explanation], large: Sequence[Explanation], k: Sequence[int], words: int = 0) -> Row:
    """What finish needs of one example, each an array over runs (or over pairs of runs).

    `words` is the number of distinct words in the text; at least those that either explanation of a run names count.
    Where a figure has no answer (no shared word has a sign to agree on, fewer than two can be ranked) it is NaN.

    >>> row = compare([[("good", 0.5), ("film", 0.1)]], [[("good", 0.4), ("plot", -0.2)]], k=[2], words=4)
    >>> {name: values.round(3).tolist() for name, values in row.items()}  # doctest: +NORMALIZE_WHITESPACE
    {'jaccard_at_2': [0.333], 'expected_jaccard_at_2': [0.389], 'sign_agreement_at_2': [1.0], 'short_at_2': [0.0],
     'top_word_agreement': [1.0], 'rank_correlation': [nan]}
    """
    runs = len(small)
    weights, large_weights = [dict(e) for e in small], [dict(e) for e in large]
    distinct = [max(words, len(a.keys() | b.keys())) for a, b in zip(weights, large_weights, strict=True)]
    row: dict[str, list[float]] = {}
    for size in k:
        top, large_top = ([{word for word, _ in e[:size]} for e in runs_of] for runs_of in (small, large))
        each = range(runs)
        row[f"jaccard_at_{size}"] = [jaccard(top[r], large_top[r]) for r in each]
        row[f"expected_jaccard_at_{size}"] = [
            expected_jaccard(len(top[r]), len(large_top[r]), distinct[r]) for r in each
        ]
        row[f"sign_agreement_at_{size}"] = [
            sign_agreement(weights[r], large_weights[r], top[r] & large_top[r]) for r in each
        ]
        row[f"short_at_{size}"] = [float(any(len(e) < size for e in (*small, *large)))]
        if runs > 1:
            row[f"self_jaccard_at_{size}"] = [jaccard(a, b) for a, b in combinations(top, 2)]
            row[f"large_self_jaccard_at_{size}"] = [jaccard(a, b) for a, b in combinations(large_top, 2)]
            row[f"cross_jaccard_at_{size}"] = [jaccard(top[i], large_top[j]) for i, j in permutations(each, 2)]
    firsts = zip(small, large, strict=True)
    row["top_word_agreement"] = [float([w for w, _ in a[:1]] == [w for w, _ in b[:1]]) for a, b in firsts]
    row["rank_correlation"] = [rank_correlation(a, b) for a, b in zip(weights, large_weights, strict=True)]
    return {name: np.array(values) for name, values in row.items()}


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


def sign_agreement(weights: dict[str, float], large_weights: dict[str, float], shared: set[str]) -> float:
    """The share of shared words that both models count for the class, or both against it; NaN where none is shared.

    >>> sign_agreement({"good": 0.5, "not": -0.2}, {"good": 0.1, "not": 0.3}, {"good", "not"})
    0.5
    """
    if not shared:
        return math.nan
    return sum(sign(weights[word]) == sign(large_weights[word]) for word in shared) / len(shared)


def sign(weight: float) -> int:
    return 1 if weight > 0 else -1 if weight < 0 else 0


def rank_correlation(weights: dict[str, float], large_weights: dict[str, float]) -> float:
    """Kendall's tau-b of the absolute weights of all shared words; NaN where a model puts them in no order.

    >>> rank_correlation({"good": 0.5, "not": -0.4, "a": 0.1}, {"good": 0.3, "not": -0.9, "a": 0.0, "film": 1.0})
    0.3333333333333333
    """
    shared = [word for word in weights if word in large_weights]
    a, b = (np.abs([side[word] for word in shared]) for side in (weights, large_weights))
    if len(shared) > 256:  # n log n steps; below, all pairs at once are ten times as fast
        return float(kendalltau(a, b).statistic)
    order, large_order = np.sign(a[:, None] - a), np.sign(b[:, None] - b)
    pairs = math.sqrt(np.vdot(order, order) * np.vdot(large_order, large_order))
    return float(np.vdot(order, large_order)) / pairs if pairs else math.nan


# finish: all examples to figures.


def finish(
    rows: Sequence[Row],
    k: Sequence[int],
    confidence_level: float | None = 0.95,
    target_width: float | None = None,
    most: int | None = None,
) -> dict[str, float]:
    """Figures from the rows that `compare` made, one per example, in the order in which the examples were taken.

    With `target_width` the intervals are those of `sequence_interval`, which allow for having looked after every
    example of at most `most`.

    >>> row = compare([[("good", 0.5)], [("film", 0.2)]], [[("good", 0.5)], [("good", 0.2)]], k=[1], words=4)
    >>> figures = finish([row, row], k=[1], confidence_level=None)
    >>> figures["jaccard_at_1"], figures["self_jaccard_at_1"], figures["large_self_jaccard_at_1"]
    (0.5, 0.0, 1.0)
    >>> figures["cross_jaccard_at_1"], figures["expected_jaccard_at_1"], figures["alignment_at_1"]
    (0.5, 0.25, 1.0)
    """
    table = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    runs = table["top_word_agreement"].shape[1]
    result: dict[str, float] = {}
    for size in k:
        key = f"jaccard_at_{size}"
        result[key] = float(table[key].mean())
        if confidence_level is not None:
            values = table[key].mean(axis=1)
            if target_width is None:
                ends = mean_interval(values, confidence_level)
            else:
                ends = sequence_interval(values, confidence_level, target_width, most)
            result[f"{key}_low"], result[f"{key}_high"] = ends
        result[f"expected_{key}"] = float(table[f"expected_{key}"].mean())
        result[f"sign_agreement_at_{size}"] = mean_where_known(table[f"sign_agreement_at_{size}"])
        result[f"short_examples_at_{size}"] = int(table[f"short_at_{size}"].sum())
        if runs > 1:
            result[f"{key}_variance"] = float(table[key].mean(axis=0).var(ddof=1))
            for name in (f"self_{key}", f"large_self_{key}", f"cross_{key}"):
                result[name] = float(table[name].mean())
            ceiling = (result[f"self_{key}"] + result[f"large_self_{key}"]) / 2
            result[f"alignment_at_{size}"] = relative_to(
                result[f"cross_{key}"], chance=result[f"expected_{key}"], ceiling=ceiling
            )
    result["top_word_agreement"] = float(table["top_word_agreement"].mean())
    result["rank_correlation"] = mean_where_known(table["rank_correlation"])
    result["examples_used"] = len(rows)
    return result


def mean_where_known(values: np.ndarray) -> float:
    """The mean of the entries that are not NaN; none is known: 0.

    >>> mean_where_known(np.array([1.0, np.nan, 0.5])), mean_where_known(np.array([np.nan]))
    (0.75, 0.0)
    """
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else 0.0


def relative_to(value: float, chance: float, ceiling: float) -> float:
    """Where a figure lies between chance (0) and the ceiling (1); no room between them: 1 for equal sets, else 0.

    >>> relative_to(0.5, chance=0.25, ceiling=0.75), relative_to(1.0, chance=1.0, ceiling=1.0)
    (0.5, 1.0)
    """
    if ceiling - chance < 1e-12:
        return 1.0 if value == 1.0 else 0.0
    return (value - chance) / (ceiling - chance)


def describe(small: Sequence[Explanation], large: Sequence[Explanation], row: Row) -> dict[str, Any]:
    """One example's entry in the details: its explanations, run by run, and its row with runs averaged.

    >>> explanations = [[("good", 0.5), ("film", 0.1)]]
    >>> entry = describe(explanations, explanations, compare(explanations, explanations, k=[1]))
    >>> entry["jaccard_at_1"], entry["rank_correlation"]
    (1.0, 1.0)
    """
    entry: dict[str, Any] = {
        "explanations": [[[word, float(weight)] for word, weight in run] for run in small],
        "large_explanations": [[[word, float(weight)] for word, weight in run] for run in large],
    }
    for name, values in row.items():
        known = values[~np.isnan(values)]
        entry[name] = float(known.mean()) if len(known) else None
    return entry


# Intervals of a mean of values between 0 and 1.


def mean_interval(values: np.ndarray, level: float) -> tuple[float, float]:
    """Wilson's score interval with the variance that was seen; one value says nothing: (0, 1).

    A share's variance is m (1 - m); values between 0 and 1 have a part of it, estimated with one unseen value of the
    greatest variance, 1/4, so that equal values, or all but a few, do not claim to be the whole truth.

    >>> [round(end, 3) for end in mean_interval(np.array([0.2, 0.4, 0.3, 0.5, 0.1]), 0.95)]
    [0.1, 0.623]
    >>> [round(end, 3) for end in mean_interval(np.ones(100), 0.95)]
    [0.962, 1.0]
    """
    n, mean = len(values), float(values.mean())
    if n == 1:
        return 0.0, 1.0
    part = min(1.0, (n * values.var(ddof=1) + 1 / 4) / (n * mean * (1 - mean) + 1 / 4))
    z2 = part * stdtrit(n - 1, (1 + level) / 2) ** 2
    center = (n * mean + z2 / 2) / (n + z2)
    spread = math.sqrt(z2 * n * mean * (1 - mean) + z2**2 / 4) / (n + z2)
    return float(max(0.0, min(center - spread, mean))), float(min(1.0, max(center + spread, mean)))


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
