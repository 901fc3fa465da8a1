"""What an attack may not do: which words it has to leave alone, and which texts go too far from the original."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trusteq.attack.outcomes import Questions
from trusteq.attack.stop_words import STOP_WORDS
from trusteq.checks import failure
from trusteq.kinds.text import Draft, Text
from trusteq.models.open import as_predictor
from trusteq.models.predictor import numbers


class Constraint:
    """`may_change` says whether a word may be replaced now, `allows` which of the resulting texts are near enough."""

    def may_change(self, draft: Draft, index: int) -> bool:
        return True

    def allows(
        self, draft: Draft, index: int, words: Sequence[str], texts: Sequence[Text], ask: Questions
    ) -> Sequence[bool]:
        """For each of the words that could replace one, and the texts with them: may it?"""
        return [True] * len(words)


@dataclass(frozen=True)
class NoStopWord(Constraint):
    """Function words (the, is, not, ...) stay; the list is of English.

    >>> [NoStopWord().may_change(Draft("The film"), index) for index in (0, 1)]
    [False, True]
    """

    def may_change(self, draft: Draft, index: int) -> bool:
        return draft.original_words[index].lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'") not in STOP_WORDS


@dataclass(frozen=True)
class NoWordTwice(Constraint):
    """A word that was replaced stays as it is then."""

    def may_change(self, draft: Draft, index: int) -> bool:
        return index not in draft.changed


@dataclass(frozen=True)
class ShareOfWords(Constraint):
    """At most this share of the text's words is replaced.

    >>> [ShareOfWords(0.4).may_change(Draft(text), 0) for text in ("a film", "a film again")]
    [False, True]
    """

    share: float

    def may_change(self, draft: Draft, index: int) -> bool:
        return len(draft.changed | {index}) <= self.share * len(draft.words) + 1e-9  # 0.4 * 5 may miss 2 by rounding


@dataclass(frozen=True)
class EditDistance(Constraint):
    """At most so many letters are inserted, deleted or substituted (Levenshtein), added up over the words.

    The distance of the whole texts is never more than that, and would take far longer.
    """

    most: int

    def allows(
        self, draft: Draft, index: int, words: Sequence[str], texts: Sequence[Text], ask: Questions
    ) -> Sequence[bool]:
        others = sum(edit_distance(draft.original_words[i], draft.words[i]) for i in draft.changed - {index})
        return [others + edit_distance(draft.original_words[index], word) <= self.most for word in words]


class Similarity(Constraint):
    """The text's embedding keeps at least this cosine with the original's.

    The encoder is a callable from a list of texts to their vectors, a path, a Hub id or (model, tokenizer).
    """

    def __init__(self, encoder: Any, at_least: float = 0.8, **settings: Any):
        self.encoder = encoder if isinstance(encoder, Encoder) else Encoder(encoder, **settings)
        self.at_least = at_least

    def allows(
        self, draft: Draft, index: int, words: Sequence[str], texts: Sequence[Text], ask: Questions
    ) -> Sequence[bool]:
        vectors = ask.of(self.encoder, [draft.part(text) for text in (draft.original, *texts)])
        return (vectors[1:] @ vectors[0] >= self.at_least - 1e-9).tolist()  # float rounding is not too far away


class Encoder:
    """Texts in, vectors of length 1 out; what does not give vectors is named in one sentence."""

    def __init__(self, given: Any, **settings: Any):
        self.embed: Callable[[list[str]], Any] = given
        if isinstance(given, str | os.PathLike | tuple):
            self.embed = as_predictor(given, "similarity", **settings).embed
        elif not callable(given):
            kinds = "a callable from texts to vectors, a path, a Hub id or (model, tokenizer)"
            raise ValueError(f"similarity must be {kinds}, got {type(given).__name__}")

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        distinct = {text: i for i, text in enumerate(dict.fromkeys(texts))}
        try:
            vectors = np.asarray(numbers(self.embed(list(distinct))), dtype=np.float64)
        except Exception as error:
            raise ValueError(f"similarity failed ({failure(error)})") from error
        if vectors.ndim != 2 or len(vectors) != len(distinct) or not np.isfinite(vectors).all():
            expected = f"expected one vector of finite numbers for each of {len(distinct)} texts"
            raise ValueError(f"similarity returned an array of shape {vectors.shape}, {expected}")
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return (vectors / np.where(lengths > 0, lengths, 1))[[distinct[text] for text in texts]]


def edit_distance(a: str, b: str) -> int:
    """How many letters have to be inserted, deleted or substituted to make one text of the other.

    >>> edit_distance("kitten", "sitting"), edit_distance("", "abc"), edit_distance("film", "flim")
    (3, 3, 2)
    """
    start = 0
    while start < min(len(a), len(b)) and a[start] == b[start]:
        start += 1
    a, b = a[start:], b[start:]
    end = 0
    while end < min(len(a), len(b)) and a[-1 - end] == b[-1 - end]:
        end += 1
    a, b = a[: len(a) - end], b[: len(b) - end]
    if not a or not b:
        return len(a) + len(b)
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, start=1):
        before, row[0] = row[0], i
        for j, y in enumerate(b, start=1):
            before, row[j] = row[j], before if x == y else 1 + min(before, row[j], row[j - 1])
    return row[-1]
