"""LIME's arithmetic: which words are left out of a text, and the linear model of what its probability then does.

The same draws and the same equations as the package lime (Ribeiro et al. 2016), in matrices."""

from itertools import compress
from typing import Any

import numpy as np

WIDTH = 25.0  # of the kernel, whose distances go up to 100
CHOOSING, FITTING = 0.01, 1.0  # ridge penalties: of the model that chooses words, and of the one that weighs them
FORWARD = 6  # up to so many features are chosen one after another


def words_kept(words: int, samples: int, seed: int) -> np.ndarray:
    """Which of the distinct words each sample keeps: all of them in the first, a random number of them in the others.

    >>> words_kept(3, 4, seed=0).astype(int).tolist()
    [[1, 1, 1], [0, 1, 1], [0, 1, 0], [1, 1, 0]]
    """
    random = np.random.RandomState(seed)
    kept = np.ones((samples, words), dtype=bool)
    for row, size in zip(kept[1:], random.randint(1, words + 1, samples - 1), strict=True):
        row[random.permutation(words)[:size]] = False
    return kept


def lines_of(pieces: list[str], word_of: np.ndarray, kept: np.ndarray) -> list[str]:
    """The text in each sample, from its pieces and the number of the distinct word that each is (-1: none).

    >>> lines_of(["a", " ", "b", " ", "a"], np.array([0, -1, 1, -1, 0]), np.array([[True, False], [False, True]]))
    ['a  a', ' b ']
    """
    stays = np.ones((len(kept), len(pieces)), dtype=bool)
    stays[:, word_of >= 0] = kept[:, word_of[word_of >= 0]]
    return ["".join(compress(pieces, row)) for row in stays.tolist()]


def word_weights(kept: np.ndarray, said: np.ndarray, features: int, forward: Any) -> list[tuple[int, float]]:
    """The distinct words that the local model keeps, in the text's order, with their weights.

    Samples count by their cosine distance from the whole text. `forward(data, said, weights, features)` chooses few
    features; many are those of largest weight.
    """
    data, words = kept.astype(np.float64), kept.shape[1]
    distance = 100 * (1 - np.sqrt(data.mean(axis=1)))
    weights = np.exp(-((distance / WIDTH) ** 2) / 2)
    chosen = np.arange(words)
    if FORWARD < features < words:
        chosen = np.sort(np.argsort(-np.abs(ridge(data, said, weights, CHOOSING)), kind="stable")[:features])
    elif features < words:
        chosen = np.sort(forward(data, said, weights, features))
    return list(zip(chosen.tolist(), ridge(data[:, chosen], said, weights, FITTING).tolist(), strict=True))


def ridge(data: np.ndarray, said: np.ndarray, weights: np.ndarray, penalty: float) -> np.ndarray:
    """The coefficients of a weighted ridge regression with an intercept, by the smaller of the two systems."""
    share, root = weights / weights.sum(), np.sqrt(weights)
    said = said - said[0]  # so that a model that says the same of all gives weights of exactly 0
    a = (data - share @ data) * root[:, None]
    b = (said - share @ said) * root
    if a.shape[1] <= len(a):
        return np.linalg.solve(a.T @ a + penalty * np.eye(a.shape[1]), a.T @ b)
    return a.T @ np.linalg.solve(a @ a.T + penalty * np.eye(len(a)), b)
