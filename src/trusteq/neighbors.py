"""Which points lie nearest to which, how much do two such lists share, and how far does each point move that?"""

import math
from collections.abc import Iterator

import numpy as np

PIECE = 2**22  # numbers in a table of candidates, or of comparisons
TWICE = 0.9  # of the squared pushes: what the Jaccards show already (without it intervals are too wide)


def row_jaccard(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Row by row the Jaccard of two sets of the same size.

    >>> row_jaccard(np.array([[1, 2], [1, 2]]), np.array([[2, 3], [2, 1]])).round(3).tolist()
    [0.333, 1.0]
    """
    both = np.sort(np.concatenate([a, b], axis=1), axis=1)
    shared = (both[:, 1:] == both[:, :-1]).sum(axis=1)
    return shared / (2 * a.shape[1] - shared)


def neighbors(rows: np.ndarray, queries: np.ndarray, k: int) -> np.ndarray:
    """The k nearest other rows of each queried row by cosine, nearest first, of equals the one that comes first.

    >>> neighbors(np.array([[1.0, 0.0], [0.0, 1.0], [2.0, 1.0], [2.0, 1.0]]), np.array([0, 3]), 2).tolist()
    [[2, 3], [2, 0]]

    The largest of each row of similarities are found in two steps. Columns are dealt out to `blocks` hands; the k + 1
    hands with the highest maxima hold the k + 1 highest similarities, so that only those few are looked at.
    """
    n = len(rows)
    points, point_of = directions(rows)
    depth = math.isqrt(n // (4 * (k + 1))) or 1
    blocks = -(-n // depth)
    nearest = np.empty((len(queries), k), dtype=np.int32)
    size = max(32, 2**21 // n)
    similarity = np.full((size, depth * blocks), -np.inf, dtype=rows.dtype)
    for start in range(0, len(queries), size):
        asked = queries[start : start + size]
        each = np.arange(len(asked))
        table = similarity[: len(asked)]
        if len(points) == n:
            np.matmul(points[asked], points.T, out=table[:, :n])
        else:
            distinct = points[point_of[asked]] @ points.T
            distinct[each, point_of[asked]] *= 2  # a point's own duplicates come before all others
            np.take(distinct, point_of, axis=1, out=table[:, :n], mode="clip")
        table[each, asked] = -np.inf
        nearest[start : start + size] = highest(table, k, blocks)
    return nearest


def directions(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct rows, scaled to length 1 (zero stays zero), in the order of their first appearance; and for each
    row which of them it is. Equal rows share one, since a product may round differently from place to place."""
    scale = np.maximum(rows.max(axis=1), -rows.min(axis=1))  # first by the largest entry: squares cannot overflow
    points = rows / np.where(scale > 0, scale, 1)[:, None]
    points += 0.0  # -0.0 is 0.0
    seen: dict[bytes, int] = {}
    point_of = np.array([seen.setdefault(row.tobytes(), len(seen)) for row in points])
    if len(seen) < len(points):
        points = points[np.unique(point_of, return_index=True)[1]]
    squares = np.einsum("ij,ij->i", points, points)
    points /= np.sqrt(np.where(squares > 0, squares, 1))[:, None]
    return points, point_of


def highest(table: np.ndarray, k: int, blocks: int) -> np.ndarray:
    """The columns of the k highest entries of each row, highest first, of equals the leftmost."""
    maxima = table.reshape(len(table), -1, blocks).max(axis=1)
    best = np.argpartition(maxima, blocks - k - 1, axis=1)[:, None, blocks - k - 1 :]
    columns = (best + np.arange(0, table.shape[1], blocks)[:, None]).reshape(len(table), -1)
    values = np.take_along_axis(table, columns, axis=1)
    best = np.argpartition(values, values.shape[1] - k - 1, axis=1)[:, values.shape[1] - k - 1 :]
    columns, values = np.take_along_axis(columns, best, axis=1), np.take_along_axis(values, best, axis=1)
    order = np.lexsort((columns, -values), axis=1)
    columns, values = np.take_along_axis(columns, order, axis=1), np.take_along_axis(values, order, axis=1)
    tied = np.flatnonzero(values[:, k - 1] == values[:, k])  # which of the equals are in was chance: look at the row
    if len(tied):
        columns[tied, :k] = highest_of_tied(table[tied], values[tied, k - 1], k)
    return columns[:, :k]


def highest_of_tied(table: np.ndarray, least: np.ndarray, k: int) -> np.ndarray:
    """As `highest`, where the k-th highest entry of each row is known to be `least` and others may equal it."""
    above, equal = table > least[:, None], table == least[:, None]
    wanted = k - above.sum(axis=1, dtype=np.int32)
    equal &= equal.cumsum(axis=1, dtype=np.int32) <= wanted[:, None]
    columns = np.nonzero(above | equal)[1].reshape(len(table), k)
    order = np.argsort(-np.take_along_axis(table, columns, axis=1), axis=1, kind="stable")
    return np.take_along_axis(columns, order, axis=1)


def neighbors_among(rows: np.ndarray, queries: np.ndarray, k: int, among: int, seed: int) -> np.ndarray:
    """As `neighbors`, but each point chooses from `among` others, drawn by the seed, so that the lists mean the same
    however many points there are. The points stand in a random circle, and each looks at the same steps ahead: every
    point is among the candidates of equally many others.

    >>> rows = np.random.default_rng(0).normal(size=(50, 4))
    >>> neighbors_among(rows, np.arange(50), k=3, among=20, seed=0).shape
    (50, 3)
    """
    n, rng = len(rows), np.random.default_rng(seed)
    points, point_of = directions(rows)
    circle = rng.permutation(n)
    steps = 1 + rng.choice(n - 1, among, replace=False)
    place = np.argsort(circle)
    nearest = np.empty((len(queries), k), dtype=np.int32)
    size = max(1, PIECE // (among * points.shape[1]))
    for start in range(0, len(queries), size):
        asked = queries[start : start + size]
        candidates = np.sort(circle[(place[asked][:, None] + steps) % n], axis=1)
        table = np.full((len(asked), among + 1), -np.inf, dtype=points.dtype)
        table[:, :among] = np.einsum("id,ijd->ij", points[point_of[asked]], points[point_of[candidates]])
        found = highest(table, k, among + 1)
        nearest[start : start + size] = np.take_along_axis(candidates, found, axis=1)
    return nearest


def moves(nearest: np.ndarray, other_nearest: np.ndarray, queries: np.ndarray, k: int, n: int) -> np.ndarray:
    """For each query, by how much it moves the sum of all Jaccards: its own, and what it does as a neighbour of others.

    A point that leaves the others' lists makes room for the next one, so the lists have one more than k. What a point
    does to others is in part their own scatter, which their Jaccards show already; its pushes are shrunk by that part.
    They are centred: the mean of the moves is that of the Jaccards. (Where not all points are queries, those that are
    stand for the rest.)

    >>> lists = np.array([[1, 2], [0, 2], [1, 0]]), np.array([[1, 2], [2, 0], [0, 1]])
    >>> moves(*lists, np.arange(3), k=1, n=3).round(3).tolist()
    [1.0, 0.0, 0.0]
    """
    own = row_jaccard(nearest[:, :k], other_nearest[:, :k])
    if nearest.shape[1] == k:
        return own
    push, squares = np.zeros((2, n))
    size = max(1, PIECE // (k + 1) ** 2)
    for start in range(0, len(queries), size):
        piece = slice(start, start + size)
        for lists, leaving, change in pushes(nearest[piece], other_nearest[piece], own[piece], k):
            push += np.bincount(lists[leaving], change[leaving], n)
            squares += np.bincount(lists[leaving], change[leaving] ** 2, n)
    own_part = max(0.0, 1 - TWICE * squares.mean() / max(push.var(), 1e-300))
    push = push[queries] * math.sqrt(own_part * n / len(queries))
    return own + push - push.mean()


def pushes(a: np.ndarray, b: np.ndarray, jaccard: np.ndarray, k: int) -> Iterator[tuple[np.ndarray, ...]]:
    """What each query's Jaccard loses with each neighbour, for those of one model, of the other and of both: the lists,
    which of their points are meant, and the loss."""
    next_a, next_b, a, b = a[:, k], b[:, k], a[:, :k], b[:, :k]
    same = a[:, :, None] == b[:, None, :]
    in_b, in_a = same.any(axis=2), same.any(axis=1)
    shared = in_b.sum(axis=1)
    a_enters, b_enters = (b == next_a[:, None]).any(axis=1), (a == next_b[:, None]).any(axis=1)
    for lists, leaving, left in (
        (a, ~in_b, shared + a_enters),
        (b, ~in_a, shared + b_enters),
        (a, in_b, shared - 1 + a_enters + b_enters + (next_a == next_b)),
    ):
        yield lists, leaving, np.broadcast_to((jaccard - left / (2 * k - left))[:, None], lists.shape)


NEAREST = 10  # of the others, by which a row is near or far
SOME = 1024  # rows that are compared with all others at a time


def apart(rows: np.ndarray, queries: np.ndarray, own: bool = False) -> np.ndarray:
    """How far each query is from the rows near it: 1 - the mean cosine to its nearest; `own`: it is one of the rows.

    >>> apart(np.array([[1.0, 0.0], [2.0, 0.0]]), np.array([[0.0, 3.0], [5.0, 0.0]])).tolist()
    [1.0, 0.0]
    """
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(min=1e-12)
    found = []
    for at in range(0, len(queries), SOME):
        some = queries[at : at + SOME]
        alike = (some / np.linalg.norm(some, axis=1, keepdims=True).clip(min=1e-12)) @ unit.T
        if own:
            alike[np.arange(len(some)), at + np.arange(len(some))] = -np.inf
        count = min(NEAREST, len(rows) - own)
        found.append(1 - np.sort(alike, axis=1)[:, -count:].mean(axis=1))
    return np.concatenate(found)
