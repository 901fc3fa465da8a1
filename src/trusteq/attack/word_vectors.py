"""Which words mean nearly the same? The nearest by word vectors: of a file, a mapping, or a model's own embeddings."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from trusteq.attack.moves import Found, InContext
from trusteq.attack.outcomes import Questions
from trusteq.checks import brief, failure
from trusteq.kinds.text import Draft, in_case_of
from trusteq.models.classifiers import ModelPredictor
from trusteq.models.predictor import Predictor

PIECE = 128  # words whose neighbours are looked for at a time
SPARE = 5  # neighbours that are found beyond those wanted: the word itself, and other forms of it, are among them


class WordVectors(InContext):
    """The `nearest` words of a word by the cosine of their vectors, as a transformation.

    >>> vectors = WordVectors(["good", "great", "dull"], np.array([[1.0, 0.1], [1.0, 0.0], [0.1, 1.0]]), nearest=1)
    >>> vectors(["good", "dull"])
    [Found(words=['great']), Found(words=['good'])]
    """

    def __init__(self, words: list[str], vectors: np.ndarray, nearest: int = 5, source: str = "given"):
        self.source, self.nearest, self.words = source, nearest, words
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        self.vectors = (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32)
        self.places = {word: i for i, word in enumerate(words)}
        self.found: dict[str | None, Found] = {None: Found([])}

    def __len__(self) -> int:
        return len(self.words)

    def prepare(self, draft: Draft, indices: Sequence[int], ask: Questions) -> None:
        ask.of(self, [self.key(draft.original_words[index]) for index in indices])

    def replacements(self, draft: Draft, index: int, ask: Questions) -> list[str]:
        word = draft.original_words[index]
        (found,) = ask.of(self, [self.key(word)])
        return [in_case_of(word, other) for other in found.words]

    def key(self, word: str) -> str | None:
        """The word as the vectors have it: as it is, or else in small letters; None where it has no vector."""
        return next((form for form in (word, word.lower()) if form in self.places), None)

    def __call__(self, keys: Sequence[str | None]) -> list[Found]:
        """The neighbours of several words at once."""
        new = [key for key in dict.fromkeys(keys) if key not in self.found]
        for at in range(0, len(new), PIECE):
            self.look_up([key for key in new[at : at + PIECE] if key is not None])
        return [self.found[key] for key in keys]

    def look_up(self, words: list[str]) -> None:
        own = self.vectors[[self.places[word] for word in words]]
        cosines = own @ self.vectors.T
        count = min(self.nearest + SPARE, len(self))
        for word, vector, row in zip(words, own.astype(np.float64), cosines, strict=True):
            places = np.sort(np.argpartition(row, -count)[-count:])
            # Ordered again by themselves, in float64: the order must not depend on what was looked up beside them.
            near = (self.vectors[places].astype(np.float64) * vector).sum(axis=1).round(9)
            order = places[np.argsort(-near, kind="stable")]
            others = dict.fromkeys(self.words[i] for i in order if self.words[i].lower() != word.lower())
            self.found[word] = Found(list(others)[: self.nearest])


def open_vectors(given: Any, large: Predictor | None = None) -> WordVectors | None:
    """Vectors from a mapping or a file; without these, the large model's input embeddings, where it has them."""
    if isinstance(given, WordVectors):
        return given
    if isinstance(given, str | os.PathLike):
        return WordVectors(*read_vectors(os.fspath(given)), source="file")
    if isinstance(given, Mapping):
        return WordVectors(*take_vectors(given), source="mapping")
    if given is not None:
        raise ValueError(f"word_vectors must be a file or a mapping from word to vector, got {type(given).__name__}")
    return own_vectors(large) if isinstance(large, ModelPredictor) else None


def take_vectors(given: Mapping[str, Any]) -> tuple[list[str], np.ndarray]:
    try:
        vectors = np.array([np.asarray(vector, dtype=np.float64) for vector in given.values()])
    except (TypeError, ValueError):
        vectors = np.empty(0)
    if vectors.ndim != 2 or not vectors.size or not np.isfinite(vectors).all():
        raise ValueError("word_vectors needs vectors of finite numbers, all of one length, for one word or more")
    if odd := [word for word in given if not isinstance(word, str)]:
        raise ValueError(f"word_vectors needs words as its keys, got {brief(odd[0])}")
    return list(given), vectors


def read_vectors(path: str) -> tuple[list[str], np.ndarray]:
    """The usual text format: a line a word, the word and its numbers between blanks; a first line of two counts may be.

    Words that a text could not contain (with blanks or no letters) are left out.
    """
    words: dict[str, np.ndarray] = {}
    try:
        with open(path, encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                word, *numbers = line.rstrip().split(" ")
                if number == 1 and len(numbers) == 1:
                    continue
                try:
                    vector = np.array(numbers, dtype=np.float32)
                except ValueError:
                    raise ValueError(f"word_vectors: line {number} of {path} is no word with numbers") from None
                if words and len(vector) != len(next(iter(words.values()))):
                    many = f"{len(vector)} numbers, unlike the lines before"
                    raise ValueError(f"word_vectors: line {number} of {path} has {many}")
                if any(map(str.isalpha, word)):
                    words.setdefault(word, vector)
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"word_vectors: {path} could not be read ({failure(error)})") from None
    if not words or not len(next(iter(words.values()))):
        raise ValueError(f"word_vectors: {path} holds no word with numbers")
    return list(words), np.stack(list(words.values()))


def own_vectors(large: ModelPredictor) -> WordVectors | None:
    """The model's input embeddings of those tokens that are whole words."""
    embeddings = large.model.get_input_embeddings()
    weights = getattr(embeddings, "weight", None)
    if weights is None:
        return None
    words = {number: word for number, word in whole_words(large.tokenizer).items() if number < len(weights)}
    if len(words) < 2:
        return None
    vectors = weights.detach()[list(words)].float().cpu().numpy()
    return WordVectors(list(words.values()), vectors, source="large_model")


def whole_words(tokenizer: Any) -> dict[int, str]:
    """The tokens that are a word of letters by themselves, with their numbers, in the order of the numbers."""
    tokens = {number: token for token, number in tokenizer.get_vocab().items()}
    special = set(tokenizer.all_special_ids)
    starts = next((mark for mark in "\u0120\u2581" if any(token.startswith(mark) for token in tokens.values())), None)
    words: dict[int, str] = {}
    seen: set[str] = set()
    for number in sorted(tokens.keys() - special):
        token = tokens[number]
        if starts is not None:  # these vocabularies mark what begins a word, others ("##ing") what goes on
            token = token.removeprefix(starts) if token.startswith(starts) else ""
        if token.isalpha() and token not in seen:
            seen.add(token)
            words[number] = token
    return words
