"""Which words made a model say so? One function per method, each written as if it were alone with one text.

`explain` serves the methods that only ask (lime, shap, occlusion): they put texts to `ask` and get probability rows
back. `integrated_gradients` looks inside a transformers classifier. All return the distinct words of the text with
signed weights for one class, the strongest first; words are what whitespace separates, except that lime keeps its
own, runs of letters and digits. A word that occurs several times has the weight of its strongest occurrence (lime:
the weight of all of them together), so that the first K words are paper B's first K distinct words."""

import heapq
import importlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from types import FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from trusteq.checks import check_choice
from trusteq.kinds.text import Text, WordTokenizer, changeable, one_line, whole, without, word_places

Ask = Callable[[list[Text]], np.ndarray]  # texts in, probability rows out, one row a text
Explanation = list[tuple[str, float]]  # distinct words, signed weights, falling |weight|, ties in text order
PIECE = 2**22  # characters of the texts that occlusion asks about at a time


def explain(
    method: str, text: Text, ask: Ask, target: int, seed: int, samples: int | None = None, features: int | None = None
) -> Explanation:
    """The words of the text by what they did to the probability of the class `target`; empty when there are no words.

    `samples` is the number of perturbed texts (lime: 1000, shap: at most 500; occlusion asks once a word), `features`
    the number of words that are kept (lime: 20, the others: all).

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
    return chosen.weigh(text, ask, target, seed, samples, chosen.features if features is None else features)


def lime(text: Text, ask: Ask, target: int, seed: int, samples: int, features: int) -> Explanation:
    r"""`LimeTextExplainer` with its defaults: its words are `\w+`, and removing one removes all its occurrences.

    Marks that combine with letters are not in `\w`: lime breaks a word in two at a separate accent or a Hindi vowel.
    """
    lime_text = load("lime.lime_text", "lime")
    line, boundary = one_line(text)
    words = re.findall(r"\w+", line)
    if not words:
        return []
    check_table(re.split(r"(\W+)", line))

    def answer(lines: list[str]) -> np.ndarray:
        return rows(ask, whole(text, lines, boundary))

    # The boundary of a pair is no word character: like all that stands between words, lime never removes it.
    explainer = lime_text.LimeTextExplainer(random_state=seed)
    found = explainer.explain_instance(line, answer, labels=(target,), num_features=features, num_samples=samples)
    word = found.domain_mapper.indexed_string.word
    return ranked((str(word(i)), float(weight)) for i, weight in sorted(found.local_exp[target]))


def partition_shap(
    text: Text, ask: Ask, target: int, seed: int, samples: int, features: int | None = None
) -> Explanation:
    """shap's partition explainer over whitespace words, with its defaults: what is masked becomes `...`.

    The explainer looks closer where any class changes much, so its values for one class do not depend on `target`.
    """
    shap = load("shap", "shap")
    line, boundary = one_line(text)
    tokens = WordTokenizer(boundary)
    words = [word.strip() for word in tokens(line)["input_ids"]]
    if not set(words) - {boundary}:
        return []
    check_table(words)

    def answer(lines: Iterable[str]) -> np.ndarray:
        return rows(ask, whole(text, map(str, lines), boundary, strip=True))

    explainer = shap.Explainer(answer, word_masker()(tokens), algorithm="partition")  # new: it caches on itself
    explainer.owen = MethodType(with_own_random(type(explainer).owen, seed), explainer)
    values = explainer([line], max_evals=samples, silent=True).values[0][:, target]
    return ranked(((word, w) for word, w in zip(words, values.tolist(), strict=True) if word != boundary), features)


def occlusion(
    text: Text, ask: Ask, target: int, seed: int = 0, samples: int | None = None, features: int | None = None
) -> Explanation:
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
    return ranked(((word, float(unchanged) - p) for word, p in zip(words, found, strict=True)), features)


@dataclass(frozen=True)
class Method:
    """A method that only asks: what it does with a text, and what it does unless told otherwise."""

    weigh: Callable[..., Explanation]  # (text, ask, target, seed, samples, features)
    samples: int | None = None  # perturbed texts; None: it takes no such number
    features: int | None = None  # words that are kept; None: all
    words: str = r"\S+"  # what a word is


METHODS = {  # an audit takes fewer samples: audit/options.py
    "lime": Method(lime, samples=1000, features=20, words=r"\w+"),
    "shap": Method(partition_shap, samples=500),
    "occlusion": Method(occlusion),
}


def ranked(weights: Iterable[tuple[str, float]], features: int | None = None) -> Explanation:
    """Distinct words, each with its weight of largest size; falling size, ties in the order given.

    >>> ranked([("very", 0.1), ("good", 0.3), ("very", -0.2), ("but", 0.2)])
    [('good', 0.3), ('very', -0.2), ('but', 0.2)]
    """
    strongest: dict[str, float] = {}
    for word, weight in weights:
        if abs(weight) > abs(strongest.setdefault(word, weight)):
            strongest[word] = weight
    return sorted(strongest.items(), key=lambda pair: -abs(pair[1]))[:features]


def rows(ask: Ask, texts: Any) -> np.ndarray:
    return np.asarray(ask(texts), dtype=np.float64)


@cache
def word_masker() -> type:
    """shap's text masker with the same tree of words, found in M log M steps instead of M², and a boundary in it."""
    shap, parts = load("shap", "shap"), load("shap.maskers._text", "shap")

    class WordMasker(shap.maskers.Text):  # type: ignore[name-defined]
        def clustering(self, line: str) -> np.ndarray:
            words = [word.strip() for word in self.token_segments(line)[0]]
            return merge_tree(words, self.tokenizer.sep_token, parts)

    return WordMasker


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


def with_own_random(function: FunctionType, seed: int) -> FunctionType:
    """The same function, for which `np.random` is a generator of its own: the global one belongs to all threads.

    >>> def draw():
    ...     return np.random.randn()
    >>> with_own_random(draw, 7)() == with_own_random(draw, 7)()
    True
    """
    return FunctionType(function.__code__, {**function.__globals__, "np": NumpyWithOwnRandom(seed)})


class NumpyWithOwnRandom:
    def __init__(self, seed: int):
        self.random = np.random.RandomState(seed)

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)


def check_table(words: list[str]) -> None:
    """lime and shap keep the words in a table whose cells are all as wide as the longest: that must fit in memory."""
    size = 4 * len(words) * max(map(len, words))
    if size > 2**31:
        raise ValueError(
            f"the text has {len(words):,} words and spaces of up to {max(map(len, words)):,} characters, which takes "
            f"{size / 2**30:.0f} GiB to explain: shorten the longest"
        )


def load(module: str, package: str) -> ModuleType:
    """Import what only one method needs, when it is needed."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(f"this method needs the package {package} ({error}): pip install {package}") from error


def distinct_words(method: str, text: Text) -> int:
    """How many words an explanation of the text can choose from: lime's are letters and digits, others' have no space.

    >>> distinct_words("lime", "good, good!"), distinct_words("shap", "good, good!")
    (1, 2)
    """
    words = re.compile(METHODS[method].words if method in METHODS else r"\S+")
    return len({word for part in changeable(text) for word in words.findall(part)})
