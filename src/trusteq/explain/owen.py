"""Shapley values within a tree of words, by the search of shap's partition explainer: closer where more changes.

The same nodes in the same order with the same draws, so that the values are the package's; but all questions about a
short text are asked at once, since the search will come to every node whatever it hears."""

import heapq
from collections.abc import Callable, Iterator
from itertools import islice

import numpy as np

MASKS = 5  # the search goes on when so many are planned; shap's number for texts
Masks = list[np.ndarray]  # of each: which words stay
Halves = tuple[np.ndarray, np.ndarray]


def owen_values(tree: np.ndarray, ask: Callable[[Masks], np.ndarray], most: int, seed: int) -> np.ndarray:
    """The value of each word for each class, from what `ask` says of `most` masks, and of none and all of the words.

    A row of `tree` holds two nodes, their height, and the number of words below; words come first.

    >>> worth = np.array([0.1, 0.3, -0.2])
    >>> tree = np.array([[0, 1, 0, 2], [3, 2, 0, 3]])
    >>> owen_values(tree, lambda masks: np.array(masks) @ worth[:, None], most=20, seed=0).round(9).ravel().tolist()
    [0.1, 0.3, -0.2]
    """
    count, random = len(tree) + 1, np.random.RandomState(seed)
    sides, spans = tree[:, :2].astype(int), spans_of(tree)
    known: dict[bytes, np.ndarray] = {}

    def rows(masks: Masks) -> list[np.ndarray]:
        new = {mask.tobytes(): mask for mask in masks if mask.tobytes() not in known}
        if new:
            known.update(zip(new, ask(list(new.values())), strict=True))
        return [known[mask.tobytes()] for mask in masks]

    empty = np.zeros(count, dtype=bool)
    nothing, everything, *_ = rows([empty, ~empty, *all_that_fit(sides, spans, most)])
    found = np.zeros((2 * count - 1, len(nothing)))
    queue = [(0.0, 0.0, (empty, nothing, everything, 2 * count - 2, 1.0))]
    asked = 0

    while queue and asked < most:
        opened: list[tuple[np.ndarray, Halves, np.ndarray, np.ndarray, int, float]] = []
        while queue and 2 * len(opened) < MASKS and asked + 2 * len(opened) < most:
            outside, without, within, node, weight = heapq.heappop(queue)[-1]
            if node < count:
                found[node] += (within - without) * weight
            else:
                opened.append((outside, halves(outside, node, sides, spans), without, within, node, weight / 2))
        said = rows([mask for _, both, *_ in opened for mask in both])
        asked += len(said)
        for (outside, (left, right), without, within, node, weight), (one, two) in zip(
            opened, zip(said[::2], said[1::2], strict=True), strict=True
        ):
            first, second = map(int, sides[node - count])
            for mask, before, after, inner in (
                (outside, without, one, first),
                (outside, without, two, second),
                (right, two, within, first),
                (left, one, within, second),
            ):
                most_changed = float(np.abs(after - before).max()) * weight
                heapq.heappush(queue, (-most_changed, random.randn(), (mask, before, after, inner, weight)))
    for *_, (_, without, within, node, weight) in queue:  # what was not opened counts as one
        found[node] += (within - without) * weight
    return shared_out(found, tree)


def halves(outside: np.ndarray, node: int, sides: np.ndarray, spans: np.ndarray) -> Halves:
    """What stays when one side of the node is put back beside what is outside of it, and when the other is."""
    one, other = outside.copy(), outside.copy()
    for mask, side in zip((one, other), sides[node - len(sides) - 1], strict=True):
        start, stop = spans[side]
        mask[start:stop] = True
    return one, other


def all_that_fit(sides: np.ndarray, spans: np.ndarray, most: int) -> Masks:
    """Everything that can be asked; nothing where that is more than will be."""
    every = list(islice(openings(sides, spans), most // 2 + 1))
    return [mask for both in every for mask in both] if 2 * len(every) <= most else []


def openings(sides: np.ndarray, spans: np.ndarray) -> Iterator[Halves]:
    """Every node beside everything that it can stand beside, level by level."""
    count = len(sides) + 1
    level = [(np.zeros(count, dtype=bool), 2 * count - 2)]
    while level:
        deeper = []
        for outside, node in level:
            if node < count:
                continue
            left, right = halves(outside, node, sides, spans)
            yield left, right
            first, second = map(int, sides[node - count])
            deeper += [(outside, first), (outside, second), (right, first), (left, second)]
        level = deeper


def spans_of(tree: np.ndarray) -> np.ndarray:
    """Where the words below every node begin and end: only neighbours are joined.

    >>> spans_of(np.array([[1, 2, 0, 2], [0, 3, 0, 3]])).tolist()
    [[0, 1], [1, 2], [2, 3], [1, 3], [0, 3]]
    """
    count = len(tree) + 1
    spans = np.zeros((2 * count - 1, 2), dtype=int)
    spans[:count] = np.arange(count)[:, None] + (0, 1)
    for row, (first, second) in enumerate(tree[:, :2].astype(int)):
        spans[count + row] = spans[first, 0], spans[second, 1]
    return spans


def shared_out(found: np.ndarray, tree: np.ndarray) -> np.ndarray:
    """The words' values, with what was left on the nodes above them shared out evenly."""
    count = len(tree) + 1
    sizes = np.concatenate([np.ones(count), tree[:, 3]])
    for row in reversed(range(count - 1)):
        for side in tree[row, :2].astype(int):
            found[side] += found[count + row] * sizes[side] / sizes[count + row]
    return found[:count]
