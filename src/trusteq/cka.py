"""Linear centered kernel alignment (cka) of two tables of embeddings, and the same without each row in turn.

cka(x, y) = hsic(x, y) / sqrt(hsic(x, x) hsic(y, y)), each hsic the unbiased estimate of Song et al. 2012 (as in
arXiv 2010.15327). The grams K = x x' and L = y y', with a row and a column per example, are never formed. Once the
columns of x are centered, which changes no hsic, K's rows sum to 0, and without the diagonal k to -k; and the trace of
K L is the squared norm of x' y."""

from collections.abc import Callable
from typing import Any

import numpy as np

PIECE = 2048
PAIRS = (("x", "y"), ("x", "x"), ("y", "y"))


def cka(x: np.ndarray, y: np.ndarray, leave_one_out: bool = False) -> tuple[float, np.ndarray]:
    """The cka of two tables (n rows each), and with `leave_one_out` the n values without each row: a jackknife.

    >>> points = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [3.0, 1.0], [2.0, 2.0]])
    >>> value, without = cka(points, 5 * points[:, ::-1] + 7, leave_one_out=True)
    >>> round(value, 9), without.round(9).tolist()
    (1.0, [1.0, 1.0, 1.0, 1.0, 1.0])
    """
    n = len(x)
    if n < 4:
        return 1.0, np.empty(0)
    tables = {"x": centered(x), "y": centered(y)}
    pieces = [slice(start, start + PIECE) for start in range(0, n, PIECE)]
    diagonal = {"x": np.empty(n), "y": np.empty(n)}
    product: dict[Any, Any] = dict.fromkeys(PAIRS, 0.0)  # x' y
    weighted: dict[Any, Any] = dict.fromkeys((*PAIRS, ("y", "x")), 0.0)  # x' l: rows of x by the diagonal of L
    for piece in pieces:
        rows = {name: table(piece) for name, table in tables.items()}
        for a, u in rows.items():
            diagonal[a][piece] = np.einsum("ij,ij->i", u, u)
        for a, b in PAIRS:
            product[a, b] += rows[a].T @ rows[b]
        for a, b in weighted:
            weighted[a, b] += diagonal[b][piece] @ rows[a]
    sums, floor = {}, {}
    for a, b in PAIRS:
        kk, ll = diagonal[a], diagonal[b]
        square = (product[a, b] ** 2).sum()
        sums[a, b] = {"trace": square - kk @ ll, "k_sum": -kk.sum(), "l_sum": -ll.sum(), "row_sums": kk @ ll}
        floor[a, b] = 1e-12 * square if a == b else -np.inf
    value = align(*(hsic(n, floor[pair], **sums[pair]) for pair in PAIRS))
    if not leave_one_out or n < 5:
        return float(value), np.empty(0)
    without = np.empty(n)
    for piece in pieces:
        rows = {name: table(piece) for name, table in tables.items()}
        rest = []
        for a, b in PAIRS:
            u, v, kk, ll = rows[a], rows[b], diagonal[a][piece], diagonal[b][piece]
            shared = np.einsum("ij,ij->i", u @ product[a, b], v) - kk * ll  # the row's part of the trace
            total = sums[a, b]
            crossed = u @ weighted[a, b] + v @ weighted[b, a]
            estimate = hsic(
                n - 1,
                floor[a, b],
                trace=total["trace"] - 2 * shared,
                k_sum=total["k_sum"] + 2 * kk,
                l_sum=total["l_sum"] + 2 * ll,
                row_sums=total["row_sums"] + crossed - 3 * kk * ll + shared,
            )
            rest.append(estimate)
        without[piece] = align(*rest)
    return float(value), without


def hsic(n: int, floor: float, trace: Any, k_sum: Any, l_sum: Any, row_sums: Any) -> Any:
    """n (n - 3) times the unbiased estimate, from what K and L without their diagonals hold: the trace of their
    product, their sums, and the product of their row sums. Below `floor` it is rounding error, and 0."""
    value = trace + k_sum * l_sum / ((n - 1) * (n - 2)) - 2 * row_sums / (n - 2)
    return np.where(value > floor, value, 0.0)


def align(xy: Any, xx: Any, yy: Any) -> Any:
    """From the three estimates to cka; with no structure in either table 1 (nothing differs), in only one 0."""
    norm = np.sqrt(xx) * np.sqrt(yy)
    value = np.divide(xy, norm, out=np.zeros(np.shape(norm)), where=norm > 0)
    return np.where((xx == 0) & (yy == 0), 1.0, np.clip(value, -1, 1))


def centered(rows: np.ndarray) -> Callable[[slice], np.ndarray]:
    """Reads pieces of a table as float64, at most 1 in size, with columns that sum to 0; a table with more columns than
    rows is first replaced by a square one with the same gram."""
    scale = float(max(rows.max(), -rows.min())) or 1.0
    shift = rows[0].astype(np.float64) / scale  # from the first row, so that columns that never change become exactly 0

    def read(piece: slice) -> np.ndarray:
        table = np.divide(rows[piece], scale, dtype=np.float64)
        table -= shift
        return table

    total = sum(read(slice(start, start + PIECE)).sum(axis=0) for start in range(0, len(rows), PIECE))
    shift = shift + total / len(rows)
    if rows.shape[1] <= len(rows):
        return read
    factor: Any = np.linalg.qr(read(slice(None)).T, mode="r")  # x' = q factor, so x x' = factor' factor
    return lambda piece: factor.T[piece]
