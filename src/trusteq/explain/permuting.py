"""Shapley values by random orders: words are put back one after another, and taken away again in the same order.

What a word changes each time, on average, is its value. The same orders and values as shap's permutation explainer,
whose own draws come from a generator that nothing but its compiled code can seed."""

from collections.abc import Callable, Iterator

import numpy as np


def budget(samples: int, words: int) -> int:
    """Questions about a text: as many as asked, but always enough to put every word back and take it away once.

    >>> budget(100, 20), budget(100, 80)
    (100, 161)
    """
    return max(samples, 2 * words + 1)


def masks(order: np.ndarray, fixed: np.ndarray) -> Iterator[np.ndarray]:
    """What each question of a round keeps: what is fixed, then one more each time, then one less.

    >>> [mask.astype(int).tolist() for mask in masks(np.array([2, 0]), np.array([False, True, False]))]
    [[0, 1, 0], [0, 1, 1], [1, 1, 1], [1, 1, 0], [0, 1, 0]]
    """
    kept = fixed.copy()
    yield kept.copy()
    for state in (True, False):
        for place in order:
            kept[place] = state
            yield kept.copy()


def values(orders: list[np.ndarray], said: np.ndarray, count: int) -> np.ndarray:
    """From what the model said in all rounds, a question after another, the value of each word.

    >>> values([np.array([1, 0])], np.array([0.1, 0.4, 0.6, 0.3, 0.1]), 2).round(2).tolist()
    [0.2, 0.3]
    """
    found = np.zeros(count)
    for order, row in zip(orders, said.reshape(len(orders), -1), strict=True):
        steps = np.diff(row)
        found[order] += steps[: len(order)] - steps[len(order) :]
    return found / (2 * len(orders))


def orders_of(tree: np.ndarray, places: np.ndarray, rounds: int, seed: int) -> list[np.ndarray]:
    """Random orders of the places, in which the words below every node of the tree stay together."""
    random, wanted = np.random.RandomState(seed), set(places.tolist())
    return [np.array([i for i in leaves(tree, random.standard_normal) if i in wanted]) for _ in range(rounds)]


def leaves(tree: np.ndarray, draw: Callable[[], float]) -> Iterator[int]:
    """The leaves of the tree (numbered first, its root last), each node's two sides in random order."""
    count = len(tree) + 1
    waiting = [2 * count - 2]
    while waiting:
        node = waiting.pop()
        if node < count:
            yield node
        else:
            first, second = map(int, tree[node - count, :2])
            waiting += [second, first] if draw() < 0 else [first, second]
