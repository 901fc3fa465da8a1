"""Which words made a model say so? One function per method, each written as if it were alone with one text.

`explain` serves the methods that only ask (lime, shap, occlusion): they put texts to `ask` and get probability rows
back. `integrated_gradients` looks inside a transformers classifier. All return the distinct words of the text with
signed weights for one class, the strongest first; words are what whitespace separates, except that lime keeps its
own, runs of letters and digits. A word that occurs several times has the weight of its strongest occurrence (lime:
the weight of all of them together), so that the first K words are paper B's first K distinct words.
"""

import heapq
import importlib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import chain
from types import FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from .array_metric import check_choice
from .predictor import Text, class_probabilities

Ask = Callable[[list[Text]], np.ndarray]  # texts in, probability rows out, one row a text
Explanation = list[tuple[str, float]]  # distinct words, signed weights, falling |weight|, ties in text order

PRIVATE = (range(0xE000, 0xF900), range(0xF0000, 0x110000))  # characters without a meaning, neither letter nor space
PIECE = 2**22  # characters of the texts that occlusion asks about at a time


def explain(
    method: str,
    text: Text,
    ask: Ask,
    target: int,
    seed: int,
    samples: int | None = None,
    features: int | None = None,
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
        return rows(ask, lines if isinstance(text, str) else [split(line, boundary) for line in lines])

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
        plain = [str(line) for line in lines]
        return rows(ask, plain if isinstance(text, str) else [split(line, boundary, strip=True) for line in plain])

    explainer = shap.Explainer(answer, word_masker()(tokens), algorithm="partition")  # new: it caches on itself
    explainer.owen = MethodType(with_own_random(type(explainer).owen, seed), explainer)
    values = explainer([line], max_evals=samples, silent=True).values[0][:, target]
    return ranked(((word, w) for word, w in zip(words, values.tolist(), strict=True) if word != boundary), features)


def occlusion(
    text: Text, ask: Ask, target: int, seed: int = 0, samples: int | None = None, features: int | None = None
) -> Explanation:
    """How much the probability falls when one occurrence of a word is left out; the rest of the text stays as it is."""
    line, boundary = one_line(text)
    spans = [match.span() for match in WordTokenizer(boundary).pattern.finditer(line)]
    spans = [(start, end) for start, end in spans if line[start:end] != boundary]
    if not spans:
        return []

    def probabilities(lines: list[str]) -> np.ndarray:
        plain = isinstance(text, str)
        return rows(ask, lines if plain else [split(line, boundary, strip=True) for line in lines])[:, target]

    whole = rows(ask, [text])[0, target]
    at_a_time = max(1, PIECE // len(line))
    without: list[float] = []
    for at in range(0, len(spans), at_a_time):
        lines = [(line[:start] + line[end:]).strip() for start, end in spans[at : at + at_a_time]]
        without.extend(probabilities(lines).tolist())
    words = (line[start:end].strip() for start, end in spans)
    return ranked(((word, float(whole) - p) for word, p in zip(words, without, strict=True)), features)


@dataclass(frozen=True)
class Method:
    """A method that only asks: what it does with a text, and what it does unless told otherwise."""

    weigh: Callable[..., Explanation]  # (text, ask, target, seed, samples, features)
    samples: int | None = None  # perturbed texts; None: it takes no such number
    features: int | None = None  # words that are kept; None: all
    words: str = r"\S+"  # what a word is


METHODS = {
    "lime": Method(lime, samples=1000, features=20, words=r"\w+"),
    "shap": Method(partition_shap, samples=500),
    "occlusion": Method(occlusion),
}


def integrated_gradients(
    model: Any,
    tokenizer: Any,
    texts: list[Text],
    targets: list[int],
    steps: int = 50,
    max_length: int = 512,
    batch_tokens: int = 1024,
) -> list[Explanation]:
    """captum's integrated gradients of the probability of each text's target, from padding to the words of the text.

    The probability and not the logit, because it is what the other methods explain, and because a number that a model
    adds to the logits of all classes changes no answer and should change no explanation. Special tokens are the same
    in the text and in the baseline, so that the weights of all words sum to p(text) - p(baseline), up to the error of
    `steps`. Words that the model does not see (beyond `max_length`) are left out. A pass takes at most `batch_tokens`
    tokens, or one text.
    """
    torch, captum = load("torch", "torch"), load("captum.attr", "captum")
    if not getattr(tokenizer, "is_fast", False):
        raise ValueError("integrated_gradients needs a fast tokenizer: it tells which word a piece belongs to")
    if tokenizer.pad_token_id is None:
        raise ValueError("integrated_gradients starts from padding, but the tokenizer has no pad_token: give it one")
    if model.training:
        raise ValueError("the model is in training mode, where dropout is random: call model.eval() first")
    if len(texts) != len(targets):
        raise ValueError(f"integrated_gradients needs one target per text, got {len(targets)} for {len(texts)}")

    # Texts of one length share a batch: no padding, so each comes out as it would alone.
    explanations: list[Explanation] = [[] for _ in texts]
    by_length: dict[int, list[tuple[int, Any]]] = {}
    for i, text in enumerate(texts):
        parts = (text,) if isinstance(text, str) else text
        if any(part.strip() for part in parts):
            pieces = tokenizer(
                *parts,
                truncation=True,
                max_length=max_length,
                return_offsets_mapping=True,
                return_special_tokens_mask=True,
            )
            by_length.setdefault(len(pieces["input_ids"]), []).append((i, pieces))

    embeddings = model.get_input_embeddings()
    device = embeddings.weight.device
    for length, encoded in by_length.items():
        passes = max(1, batch_tokens // length)
        together = max(1, passes // steps)
        names = [name for name in tokenizer.model_input_names if name in encoded[0][1] and name != "input_ids"]

        def probability(ids: Any, *others: Any, names: list[str] = names) -> Any:
            logits = model(input_ids=ids, **dict(zip(names, others, strict=True))).logits
            return class_probabilities(logits.float())

        for at in range(0, len(encoded), together):
            batch = encoded[at : at + together]
            ids, special, *others = (
                torch.tensor([pieces[name] for _, pieces in batch], device=device)
                for name in ("input_ids", "special_tokens_mask", *names)
            )
            scores = captum.LayerIntegratedGradients(probability, embeddings).attribute(
                ids,
                baselines=torch.where(special.bool(), ids, tokenizer.pad_token_id),
                target=torch.tensor([targets[i] for i, _ in batch], device=device),
                additional_forward_args=tuple(others) or None,
                n_steps=steps,
                internal_batch_size=max(passes, len(batch)),
            )
            for (i, pieces), row in zip(batch, scores.double().sum(dim=-1).tolist(), strict=True):
                explanations[i] = ranked(sum_to_words(texts[i], pieces, row))
    return explanations


def sum_to_words(text: Text, pieces: Any, scores: list[float]) -> Iterator[tuple[str, float]]:
    """The whitespace words that the tokenizer's pieces cover, each with the sum of its pieces' scores.

    A piece belongs to the word in which it begins, or that follows when it begins in the space before one.
    """
    for number, part in enumerate((text,) if isinstance(text, str) else text):
        words = list(re.finditer(r"\S+", part))
        of_part = [i for i, sequence in enumerate(pieces.sequence_ids()) if sequence == number]
        if not words or not of_part:
            continue
        starts = [pieces["offset_mapping"][i][0] for i in of_part]
        owner = np.searchsorted([word.end() for word in words], starts, side="right").clip(max=len(words) - 1)
        totals = np.bincount(owner, np.array(scores)[of_part])
        yield from ((words[i].group(), float(totals[i])) for i in np.unique(owner))


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


# A pair of texts is one line to the explainers, with a boundary that no perturbation removes.


def one_line(text: Text) -> tuple[str, str]:
    """The text, or both texts of a pair around a boundary, and the boundary: a character that the texts do not have."""
    present = set(chain.from_iterable(text))
    boundary = next((chr(code) for code in chain(*PRIVATE) if chr(code) not in present), None)
    if boundary is None:
        raise ValueError("the text has every private-use character of Unicode, so none is left to mark its boundary")
    return (text if isinstance(text, str) else boundary.join(text)), boundary


def split(line: str, boundary: str, strip: bool = False) -> tuple[str, str]:
    """The pair that a line stands for.

    >>> split("A man sleeps.| Nobody is awake.", "|", strip=True)
    ('A man sleeps.', 'Nobody is awake.')
    """
    first, _, second = line.partition(boundary)
    return (first.strip(), second.strip()) if strip else (first, second)


def rows(ask: Ask, texts: Any) -> np.ndarray:
    return np.asarray(ask(texts), dtype=np.float64)


class WordTokenizer:
    """Whitespace words, each with the space before it, and the boundary, in the form that shap's maskers ask for.

    Space in front rather than behind keeps `...` apart from the next word when the one before it is masked.
    shap never masks what equals `sep_token`.

    >>> WordTokenizer("|")("A man  sleeps.|He dreams. ")["input_ids"]
    ['A', ' man', '  sleeps.', '|', 'He', ' dreams. ']
    """

    def __init__(self, boundary: str):
        self.sep_token = self.sep_token_id = boundary
        end = re.escape(boundary)
        self.pattern = re.compile(rf"{end}|\s*+[^\s{end}]++(?:\s++(?={end}|\Z))?")

    def __call__(self, line: str, return_offsets_mapping: bool = True) -> dict[str, Any]:
        found = list(self.pattern.finditer(line))
        return {"input_ids": [match.group() for match in found], "offset_mapping": [match.span() for match in found]}


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
