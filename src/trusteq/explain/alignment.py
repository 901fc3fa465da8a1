"""Do two models' explanations name the same words, and how sure is that?

An explanation is a list of distinct words with signed weights, in order of falling absolute weight. `compare` sets the
explanations of one example side by side, `finish` turns all examples into figures with intervals, and `sure` says when
enough examples have been seen."""

import math
import re
import sys
from collections.abc import Iterable, Sequence
from itertools import combinations, permutations
from typing import Any

import numpy as np

from trusteq.arrays import as_entries
from trusteq.checks import brief
from trusteq.explain.methods import Explanation, words_of
from trusteq.groups import Groups, design
from trusteq.intervals import wilson_mean_interval
from trusteq.kinds.text import Text
from trusteq.overlap import expected_jaccard, jaccard, relative_to
from trusteq.sequences import sequence_interval

Row = dict[str, np.ndarray]
MOST = sys.float_info.max
SPECIAL = {"", "[CLS]", "[SEP]", "[PAD]", "[MASK]", "<s>", "</s>", "<pad>", "<mask>", "<bos>", "<eos>", "<|endoftext|>"}
SPECIAL_IN_TEXT = re.compile("|".join(map(re.escape, sorted(SPECIAL - {""}))))
RANKS = ("absolute", "support")

# What was made elsewhere becomes explanations.


def read_attributions(name: str, values: Any) -> list[Explanation]:
    """One explanation per example, from (word, weight) pairs, {"word": ..., "weight": ...} dicts or a dict of weights.

    Blanks around words go, special tokens too; of a repeated word the entry of largest absolute weight counts. One
    that holds no word is empty: whether that is an answer is for `check_not_empty` to say.

    >>> read_attributions("predictions", [[("a", 0.1), ("film", -0.5), ("a", 0.3)], {"[CLS]": 9, "good ": 0.2}])
    [[('film', -0.5), ('a', 0.3)], [('good', 0.2)]]
    """
    entries = as_entries(name, values, "one list of (word, weight) pairs")
    return [read_explanation(f"{name}, example {i}:", entry) for i, entry in enumerate(entries)]


def read_explanation(where: str, entry: Any) -> Explanation:
    pairs = [read_pair(where, pair) for pair in pairs_of(where, entry)]
    return rank([(word, weight) for word, weight in pairs if word not in SPECIAL])


def check_not_empty(name: str, explanations: Iterable[Any]) -> None:
    for i, explanation in enumerate(explanations):
        if not explanation:
            words = "there is no word with a weight apart from special tokens"
            raise ValueError(f'{name}, example {i}: {words}; with rank="support" that is an empty set')


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


# What of an explanation counts.


def special_in(method: str, text: Text | None) -> set[str]:
    """The words of a text that are special tokens, or what a method makes of them; without the text, all there may be.

    >>> sorted(special_in("lime", "It is so. [SEP] The SEP is here")), sorted(special_in("lime", "one [SEP] two"))
    ([], ['SEP'])
    """
    if text is None:
        return SPECIAL | {"SEP", "CLS"}
    parts = (text,) if isinstance(text, str) else text
    plain = tuple(SPECIAL_IN_TEXT.sub(" ", part) for part in parts)
    if plain == parts:
        return set()
    gone = words_of(method, text) - words_of(method, plain if len(plain) == 2 else plain[0])
    return {word for word in gone if any(word in token for token in SPECIAL)}


def counted(explanation: Explanation, special: set[str], rank: str = "absolute") -> Explanation:
    """Without special words; ranked by "support", only what speaks for the class.

    >>> counted([("SEP", 0.5), ("not", -0.4), ("good", 0.2)], {"SEP"}, "support")
    [('good', 0.2)]
    """
    return [(word, weight) for word, weight in explanation if word not in special and (rank != "support" or weight > 0)]


# compare: one example, all runs of both models.


def compare(compressed: Sequence[Explanation], large: Sequence[Explanation], k: Sequence[int], words: int = 0) -> Row:
    """What finish needs of one example, each an array over runs (or over pairs of runs).

    `words` is the number of distinct words in the text; at least those that either explanation of a run names count.
    Where a figure has no answer (no shared word has a sign to agree on, fewer than two can be ranked) it is NaN.

    >>> row = compare([[("good", 0.5), ("film", 0.1)]], [[("good", 0.4), ("plot", -0.2)]], k=[2], words=4)
    >>> {name: values.round(3).tolist() for name, values in row.items()}  # doctest: +NORMALIZE_WHITESPACE
    {'jaccard_at_2': [0.333], 'expected_jaccard_at_2': [0.389], 'sign_agreement_at_2': [1.0], 'short_at_2': [0.0],
     'top_word_agreement': [1.0], 'rank_correlation': [nan]}
    """
    runs = len(compressed)
    weights, large_weights = [dict(e) for e in compressed], [dict(e) for e in large]
    distinct = [max(words, len(a.keys() | b.keys())) for a, b in zip(weights, large_weights, strict=True)]
    row: dict[str, list[float]] = {}
    for size in k:
        top, large_top = ([{word for word, _ in e[:size]} for e in runs_of] for runs_of in (compressed, large))
        each = range(runs)
        row[f"jaccard_at_{size}"] = [jaccard(top[r], large_top[r]) for r in each]
        row[f"expected_jaccard_at_{size}"] = [
            expected_jaccard(len(top[r]), len(large_top[r]), distinct[r]) for r in each
        ]
        row[f"sign_agreement_at_{size}"] = [
            sign_agreement(weights[r], large_weights[r], top[r] & large_top[r]) for r in each
        ]
        row[f"short_at_{size}"] = [float(any(len(e) < size for e in (*compressed, *large)))]
        if runs > 1:
            row[f"self_jaccard_at_{size}"] = [jaccard(a, b) for a, b in combinations(top, 2)]
            row[f"large_self_jaccard_at_{size}"] = [jaccard(a, b) for a, b in combinations(large_top, 2)]
            row[f"cross_jaccard_at_{size}"] = [jaccard(top[i], large_top[j]) for i, j in permutations(each, 2)]
    firsts = zip(compressed, large, strict=True)
    row["top_word_agreement"] = [float([w for w, _ in a[:1]] == [w for w, _ in b[:1]]) for a, b in firsts]
    row["rank_correlation"] = [rank_correlation(a, b) for a, b in zip(weights, large_weights, strict=True)]
    return {name: np.array(values) for name, values in row.items()}


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
        from scipy.stats import kendalltau  # slow to import

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
    groups: Groups = None,
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
                ends = wilson_mean_interval(values, confidence_level, design(values - values.mean(), groups))
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


def describe(compressed: Sequence[Explanation], large: Sequence[Explanation], row: Row) -> dict[str, Any]:
    """One example's entry in the details: its explanations, run by run, and its row with runs averaged.

    >>> explanations = [[("good", 0.5), ("film", 0.1)]]
    >>> entry = describe(explanations, explanations, compare(explanations, explanations, k=[1]))
    >>> entry["jaccard_at_1"], entry["rank_correlation"]
    (1.0, 1.0)
    """
    entry: dict[str, Any] = {
        "explanations": [[[word, float(weight)] for word, weight in run] for run in compressed],
        "large_explanations": [[[word, float(weight)] for word, weight in run] for run in large],
    }
    for name, values in row.items():
        known = values[~np.isnan(values)]
        entry[name] = float(known.mean()) if len(known) else None
    return entry
