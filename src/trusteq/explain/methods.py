"""Which words made a model say so? One function per method, each written as if it were alone with one text.

`explain` serves the methods that only ask (lime, shap, occlusion): they put texts to `ask` and get probability rows
back. `integrated_gradients` looks inside a transformers classifier. All return the distinct words of the text with
signed weights for one class, the strongest first; words are what whitespace separates, except that lime's are letters
and digits, with apostrophes inside. A word that occurs several times has the weight of its strongest occurrence, or
ranked by "support" of the one that speaks most for the class (lime: the weight of all of them together), so that the
first K words are paper B's first K distinct words."""

import heapq
import importlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice, pairwise
from types import ModuleType
from typing import Any

import numpy as np

from trusteq.checks import check_choice
from trusteq.explain.linear import lines_of, word_weights, words_kept
from trusteq.explain.owen import Masks, owen_values
from trusteq.explain.permuting import budget, masks, orders_of, values
from trusteq.kinds.text import PIECE, Text, WordTokenizer, changeable, one_line, whole, without, word_places, word_spans

Ask = Callable[[list[Text]], np.ndarray]  # texts in, probability rows out, one row a text
Spans = Callable[[str], list[tuple[int, int]]]
Explanation = list[tuple[str, float]]  # distinct words, signed weights, falling |weight|, ties in text order
Weights = Iterable[tuple[str, float]]  # of the words in text order; a word may occur more than once


def explain(
    method: str,
    text: Text,
    ask: Ask,
    target: int,
    seed: int,
    samples: int | None = None,
    features: int | None = None,
    rank: str = "absolute",
) -> Explanation:
    """The words of the text by what they did to the probability of the class `target`; empty when there are no words.

    `samples` is the number of perturbed texts (lime: 1000, shap: at most 500, shap_permutation: 100, or twice the words
    and one where that is more; occlusion asks once a word), `features` the number of words that are kept (lime: 20,
    the others: all). Ranked by "support", words that speak for the class come first and those against it last.

    >>> positive = {"good": 0.3, "dull": -0.1}
    >>> def ask(texts):
    ...     p = np.array([0.5 + sum(positive.get(word, 0) for word in text.split()) for text in texts])
    ...     return np.stack([1 - p, p], axis=1)
    >>> [(word, round(weight, 9)) for word, weight in explain("occlusion", "dull but good", ask, target=1, seed=0)]
    [('good', 0.3), ('dull', -0.1), ('but', 0.0)]
    """
    check_choice("method", method, tuple(METHODS))
    chosen = METHODS[method]
    if samples is not None and chosen.samples is None:
        raise ValueError(f"{method} asks about each word once and takes no samples")
    samples = chosen.samples if samples is None else samples
    features = chosen.features if features is None else features
    return ranked(chosen.weigh(text, ask, target, seed, samples, features), features, rank)


def lime(text: Text, ask: Ask, target: int, seed: int, samples: int, features: int) -> Weights:
    """`LimeTextExplainer` with its defaults, but that its words are whole: `don't` is one. Removing a word removes all
    its occurrences."""
    return lime_of(word_spans, text, ask, target, seed, samples, features)


def lime_package(text: Text, ask: Ask, target: int, seed: int, samples: int, features: int) -> Weights:
    r"""The same with the package's own words, `\w+`, which break `don't`, and a word at a separate accent, in two."""
    return lime_of(runs_of_letters, text, ask, target, seed, samples, features)


def lime_of(spans_of: Spans, text: Text, ask: Ask, target: int, seed: int, samples: int, features: int) -> Weights:
    # The boundary of a pair is no word character: like all that stands between words, it is never removed.
    line, boundary = one_line(text)
    if not (spans := spans_of(line)):
        return []
    pieces, word_of, words = pieces_of(line, spans)
    kept = words_kept(len(words), samples, seed)
    lines = lines_of(pieces, word_of, kept)
    said = rows(ask, whole(text, lines, boundary))[:, target]
    found = word_weights(kept, said, features, forward_selection)
    return [(words[i], weight) for i, weight in found]


def pieces_of(line: str, spans: list[tuple[int, int]]) -> tuple[list[str], np.ndarray, list[str]]:
    """What a line is made of, which of the distinct words each piece is (-1: none of them), and these.

    >>> pieces, word_of, words = pieces_of("so, so good", [(0, 2), (4, 6), (7, 11)])
    >>> pieces, word_of.tolist(), words
    (['', 'so', ', ', 'so', ' ', 'good', ''], [-1, 0, -1, 0, -1, 1, -1], ['so', 'good'])
    """
    ends = [0, *(place for span in spans for place in span), len(line)]
    pieces = [line[start:end] for start, end in pairwise(ends)]
    number: dict[str, int] = {}
    word_of = np.full(len(pieces), -1)
    word_of[1::2] = [number.setdefault(word, len(number)) for word in pieces[1::2]]
    return pieces, word_of, list(number)


def forward_selection(data: np.ndarray, said: np.ndarray, weights: np.ndarray, features: int) -> np.ndarray:
    return load("lime.lime_base", "lime").LimeBase(None).forward_selection(data, said, weights, features)


def partition_shap(text: Text, ask: Ask, target: int, seed: int, samples: int, features: int | None = None) -> Weights:
    """shap's partition explainer over whitespace words, with its defaults: what is masked becomes `...`.

    The explainer looks closer where any class changes much, so its values for one class do not depend on `target`.
    """
    line, boundary = one_line(text)
    pieces = WordTokenizer(boundary)(line)["input_ids"]
    words = [piece.strip() for piece in pieces]
    fixed = np.array([word == boundary for word in words], dtype=bool)
    if fixed.all():
        return []

    def answer(masks: Masks) -> np.ndarray:
        lines, at_a_time = (masked(pieces, mask | fixed) for mask in masks), max(1, PIECE // len(line))
        parts = iter(lambda: list(islice(lines, at_a_time)), [])
        return np.concatenate([rows(ask, whole(text, some, boundary, strip=True)) for some in parts])

    tree = merge_tree(words, boundary, load("shap.maskers._text", "shap"))
    found = owen_values(tree, answer, samples - 2, seed)[:, target]
    return [(word, weight) for word, weight in zip(words, found.tolist(), strict=True) if word != boundary]


def permutation_shap(
    text: Text, ask: Ask, target: int, seed: int, samples: int, features: int | None = None
) -> Weights:
    """shap's permutation explainer over the same words, masked in the same way, in orders that its tree allows."""
    line, boundary = one_line(text)
    pieces = WordTokenizer(boundary)(line)["input_ids"]
    words = [piece.strip() for piece in pieces]
    fixed = np.array([word == boundary for word in words], dtype=bool)
    places = np.flatnonzero(~fixed)
    if not len(places):
        return []
    tree = merge_tree(words, boundary, load("shap.maskers._text", "shap"))
    rounds = budget(samples, len(places)) // (2 * len(places) + 1)
    orders = orders_of(tree, places, rounds, seed)
    lines = (masked(pieces, mask) for order in orders for mask in masks(order, fixed))
    said: list[float] = []
    while some := list(islice(lines, max(1, PIECE // len(line)))):
        said.extend(rows(ask, whole(text, some, boundary, strip=True))[:, target].tolist())
    found = values(orders, np.array(said), len(words))
    return [(words[place], float(found[place])) for place in places]


def masked(pieces: list[str], mask: np.ndarray) -> str:
    """The line as shap's text masker leaves it: `...` for words that are gone, once for several in a row.

    >>> masked(["a", " very", "  good", " film"], np.array([True, False, False, True]))
    'a ... film'
    """
    parts, gone = [], False
    for piece, stays in zip(pieces, mask.tolist(), strict=True):
        if stays or not gone:
            parts.append(piece if stays else " ...")
        gone = not stays
    return " ".join("".join(parts).split())


def occlusion(
    text: Text, ask: Ask, target: int, seed: int = 0, samples: int | None = None, features: int | None = None
) -> Weights:
    """How much the probability falls when one occurrence of a word is left out; the rest of the text stays as it is."""
    line, boundary = one_line(text)
    places = word_places(line, boundary)
    if not places:
        return []

    def probabilities(lines: list[str]) -> np.ndarray:
        return rows(ask, whole(text, lines, boundary, strip=True))[:, target]

    unchanged = rows(ask, [text])[0, target]
    at_a_time = max(1, PIECE // len(line))
    found: list[float] = []
    for at in range(0, len(places), at_a_time):
        found.extend(probabilities([without(line, place) for place in places[at : at + at_a_time]]).tolist())
    words = (line[start:end].strip() for start, end in places)
    return [(word, float(unchanged) - p) for word, p in zip(words, found, strict=True)]


def whitespace_words(line: str) -> list[tuple[int, int]]:
    return [match.span() for match in re.finditer(r"\S+", line)]


def runs_of_letters(line: str) -> list[tuple[int, int]]:
    return [match.span() for match in re.finditer(r"\w+", line)]


@dataclass(frozen=True)
class Method:
    """A method that only asks: what it does with a text, and what it does unless told otherwise."""

    weigh: Callable[..., Weights]  # (text, ask, target, seed, samples, features)
    samples: int | None = None  # perturbed texts; None: it takes no such number
    features: int | None = None  # words that are kept; None: all
    words: Spans = whitespace_words  # what a word is


METHODS = {  # an audit takes fewer samples: audit/options.py
    "lime": Method(lime, samples=1000, features=20, words=word_spans),
    "lime_package": Method(lime_package, samples=1000, features=20, words=runs_of_letters),
    "shap": Method(partition_shap, samples=500),
    "shap_permutation": Method(permutation_shap, samples=100),
    "occlusion": Method(occlusion),
}


def ranked(weights: Weights, features: int | None = None, rank: str = "absolute") -> Explanation:
    """Distinct words, each with its weight of largest size; falling size, ties in the order given. By "support" it is
    the weight itself that counts.

    >>> ranked([("very", 0.1), ("good", 0.3), ("very", -0.2), ("but", 0.2)])
    [('good', 0.3), ('very', -0.2), ('but', 0.2)]
    >>> ranked([("very", 0.1), ("good", 0.3), ("very", -0.2), ("but", 0.2)], rank="support")
    [('good', 0.3), ('but', 0.2), ('very', 0.1)]
    """
    strongest: dict[str, float] = {}
    size: Callable[[float], float] = float if rank == "support" else abs
    for word, weight in weights:
        if size(weight) > size(strongest.setdefault(word, weight)):
            strongest[word] = weight
    return sorted(strongest.items(), key=lambda pair: -size(pair[1]))[:features]


def rows(ask: Ask, texts: Any) -> np.ndarray:
    return np.asarray(ask(texts), dtype=np.float64)


def merge_tree(words: list[str], boundary: str, parts: ModuleType) -> np.ndarray:
    """The tree of shap's `partition_tree`: the neighbours with the best score merge first, across the boundary last.

    Only the scores of the new group's two neighbours change in a merge; the others wait in a heap. A row holds the two
    nodes, their height, which is the share of words below, and the number of words below.
    """
    count = len(words)
    tree = np.zeros((count - 1, 4))
    nodes = [parts.TokenGroup([parts.Token(word)], i) for i, word in enumerate(words)]
    sizes = [1] * count
    right = dict(enumerate(range(1, count)))  # the group on the right begins at this word
    left = {after: before for before, after in right.items()}
    group = dict(enumerate(nodes))
    heap: list[tuple[float, int, int, int]] = []

    def offer(before: int, after: int) -> None:
        one, two = group[before], group[after]
        apart = boundary in (one[-1].s, two[0].s)
        score = -np.inf if apart else parts.merge_score(one, two, [])
        heapq.heappush(heap, (-score, before, one.index, two.index))

    for before, after in right.items():
        offer(before, after)
    for row in range(count - 1):
        while True:  # until the best offer is one whose two groups are still neighbours
            _, before, one, two = heapq.heappop(heap)
            after = right.get(before, -1)
            if after in group and (group[before].index, group[after].index) == (one, two):
                break
        sizes.append(sizes[one] + sizes[two])
        tree[row] = one, two, 0, sizes[-1]
        first, last = group[before][0], group[after][-1]
        if parts.openers.get(first.s) == last.s:
            first.balanced = last.balanced = True
        group[before] = group[before] + group.pop(after)
        group[before].index = count + row
        del right[before], left[after]
        if after in right:
            beyond = right.pop(after)
            right[before], left[beyond] = beyond, before
            offer(before, beyond)
        if before in left:
            offer(left[before], before)
    tree[:, 2] = tree[:, 3] / max(count, 1)
    return tree


def load(module: str, package: str) -> ModuleType:
    """Import what only one method needs, when it is needed."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(f"this method needs the package {package} ({error}): pip install {package}") from error


def words_of(method: str, text: Text) -> set[str]:
    """The distinct words that an explanation of the text can choose from.

    >>> sorted(words_of("lime", "I don't, don't")), sorted(words_of("lime_package", "I don't, don't"))
    (['I', "don't"], ['I', 'don', 't'])
    >>> sorted(words_of("shap", "I don't, don't"))
    ['I', "don't", "don't,"]
    """
    spans_of = METHODS[method].words if method in METHODS else whitespace_words
    return {part[start:end] for part in changeable(text) for start, end in spans_of(part)}
