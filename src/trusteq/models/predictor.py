"""One way to talk to a model: examples in, probabilities (and embeddings) out. Equal examples are asked once, and what
comes back is checked."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from trusteq.checks import FunctionFailed, failure
from trusteq.kinds.text import PIECE, Text, check_texts, parts_of
from trusteq.progress import progress_bar

MOST = 8192  # distinct texts that are tokenized at a time


class Predictor:
    """A callable: a list of texts, or of text pairs, in; one row of probabilities a text out."""

    names: list[str] | None = None  # of the classes, where the model has names for them
    kind = "a transformers model"  # or what else it is

    def __init__(self, name: str):
        self.name = name
        self.order: np.ndarray | None = None  # of the classes, where it is not the model's own (see match_labels)
        self.classes: int | None = None
        self.asked = 0  # distinct texts that the model was asked about
        self.truncated = 0  # of them, texts that were longer than the model can read
        self.quiet = False  # no progress bar: somebody else shows one
        self.work: object | None = None  # what asks it again and again, while that lasts

    @property
    def lacks(self) -> dict[str, str]:
        """What it cannot be asked, and why."""
        return {}

    def __call__(self, texts: Sequence[Text]) -> np.ndarray:
        """Probabilities, one row a text.

        >>> predictor = FunctionPredictor(lambda texts: [[0.25, 0.75] for _ in texts], "model")
        >>> predictor(["a", "b", "a"]).shape, predictor.asked
        ((3, 2), 2)
        """
        return self.both(texts, embeddings=False)[0]

    def embed(self, texts: Sequence[Text]) -> np.ndarray:
        """Pooled embeddings, one row a text."""
        return self.both(texts, probabilities=False)[1]

    def both(
        self, texts: Sequence[Text], probabilities: bool = True, embeddings: bool = True
    ) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities and embeddings from one pass; what was not wanted comes back empty."""
        check_texts("texts", texts)
        distinct = list(dict.fromkeys(texts))
        place = {text: i for i, text in enumerate(distinct)}
        pieces: list[tuple[np.ndarray, np.ndarray]] = []
        with progress_bar(len(distinct), f"asking {self.name}", self.quiet) as bar:
            for part in in_pieces(distinct):
                try:
                    rows, pooled = self._answer(part, probabilities, embeddings, bar)
                except FunctionFailed:  # it says whose
                    raise
                except Exception as error:
                    error.add_note(f"{self.name} failed")  # one of many, and few errors say whose they are
                    raise
                pieces.append((self._check(rows, len(part)) if probabilities else np.empty(0), pooled))
        self.asked += len(distinct)
        back = np.array([place[text] for text in texts])
        rows, pooled = (np.concatenate(parts) for parts in zip(*pieces, strict=True))
        if probabilities:
            rows = rows[back] if self.order is None else rows[back][:, self.order]
        return rows, pooled[back] if embeddings else pooled

    def _answer(self, texts: list[Text], probabilities: bool, embeddings: bool, bar: Any) -> tuple[Any, np.ndarray]:
        raise NotImplementedError

    def _check(self, given: Any, count: int) -> np.ndarray:
        """Rows of probabilities, or one sentence that says what came instead."""
        try:
            rows = np.asarray(numbers(given))
            if rows.dtype.kind == "c":
                raise TypeError("complex numbers")
            rows = rows.astype(np.float64)
        except Exception:
            raise ValueError(f"{self.name} returned no regular array of numbers for {count} texts") from None
        if rows.ndim != 2 or len(rows) != count or rows.shape[1] < 2:
            expected = f"for {count} texts, expected ({count}, number of classes)"
            raise ValueError(f"{self.name} returned an array of shape {rows.shape} {expected}")
        if self.classes is not None and rows.shape[1] != self.classes:
            raise ValueError(f"{self.name} returned {rows.shape[1]} classes after {self.classes} in an earlier call")
        if not np.isfinite(rows).all():
            raise ValueError(f"{self.name} returned NaN or infinity")
        if rows.min() < 0 or np.abs(rows.sum(axis=1) - 1).max() > 0.01:
            raise ValueError(f"{self.name} returned rows that are not probabilities, positive and with a sum of 1")
        self.classes = rows.shape[1]
        return rows


def in_pieces(texts: list[Text]) -> Iterator[list[Text]]:
    """So many texts at a time, or so many characters, since tokens of long texts take more room than the texts.

    >>> [len(piece) for piece in in_pieces(["a"] * 10_000)], [len(piece) for piece in in_pieces(["a" * 10**6] * 9)]
    ([8192, 1808], [4, 4, 1])
    """
    upto = np.cumsum([sum(map(len, parts_of(text))) for text in texts])
    start = 0
    while start < len(texts):
        before = upto[start - 1] if start else 0
        stop = min(start + MOST, max(start + 1, int(np.searchsorted(upto, before + PIECE, side="right"))))
        yield texts[start:stop]
        start = stop


class FunctionPredictor(Predictor):
    """A callable, left alone."""

    kind = "a function"

    def __init__(self, function: Callable[[list[Text]], Any], name: str):
        super().__init__(name)
        self.function = function

    def _answer(self, texts: list[Text], probabilities: bool, embeddings: bool, bar: Any) -> tuple[Any, np.ndarray]:
        if embeddings:
            raise ValueError(f"{self.name} is a function and has no embeddings; give a transformers model")
        try:
            rows = self.function(list(texts))
        except Exception as error:
            raise FunctionFailed(f"{self.name} failed ({failure(error)})") from error
        bar.update(len(texts))
        return rows, np.empty(0)


def numbers(given: Any) -> Any:
    """What a callable returned as something that NumPy reads: tensors of any kind, and lists of them, too."""
    if hasattr(given, "detach"):
        return given.detach().cpu().double().numpy()
    if isinstance(given, list | tuple) and any(hasattr(row, "detach") for row in given):
        return [numbers(row) for row in given]
    return given
