"""Divergences from large, drawn anew for several models at once: random weights for the examples, the same for all.

What comes back has a row per model: first the divergence itself, then as many draws of it. The difference of two rows
is an excess over a twin with its scatter, since what all models find hard moves all rows alike."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from trusteq.groups import Groups, some_of, together_of, units_of
from trusteq.intervals import BLOCKS, block_of_groups, blocks_of

DRAWS = 4000
Columns = tuple[np.ndarray, np.ndarray]  # which examples, and a row of numbers for each


class Weights:
    """Rubin's Bayesian bootstrap: exponential weights, in at most 256 blocks of examples, so that any number of rows
    costs the same. The first draw weighs all alike: it is the sample itself. `more` are rows beyond the examples.
    Examples of one group lie in one block.

    >>> weights = Weights(3, seed=0)
    >>> weights.of(np.array([[1.0], [2.0], [4.0]]))[0]
    array([7.])
    """

    def __init__(self, count: int, seed: int, more: int = 0, groups: Groups = None):
        self.block = blocks_of(seed, 0, count, count) if groups is None else block_of_groups(groups, seed)
        self.units = None if groups is None else min(units_of(groups), BLOCKS)
        self.seed = seed
        self.blocks = int(self.block.max()) + 1
        self.weight = exponential(seed, self.blocks, more)

    def sums(self, rows: np.ndarray) -> np.ndarray:
        """The rows' sum within each block."""
        sums = np.zeros((self.blocks, rows.shape[1]))
        np.add.at(sums, self.block, rows)
        return sums

    def of(self, rows: np.ndarray, more: Any = ()) -> np.ndarray:
        """The weighted sum of the rows in every draw."""
        sums = self.sums(rows)
        return self.weight @ (np.concatenate([sums, more]) if len(more) else sums)

    def spread(self, drawn: np.ndarray) -> np.ndarray:
        """Figures (a row per model) as far from the first, their value, as so few groups leave them unsure.

        Weights on g groups scatter a mean by sqrt((g - 1) / (g + 1)) of what it is unsure by, and their own scatter is
        known to g - 1 degrees of freedom: as a normal error becomes Student's, each draw is stretched by chance, the
        same for all models.
        """
        if self.units is None:
            return drawn
        chance = np.random.Generator(np.random.PCG64(self.seed)).chisquare(max(self.units - 1, 0.1), DRAWS)
        stretched = (drawn[:, 1:] - drawn[:, :1]) * np.sqrt((self.units + 1) / chance)
        return np.concatenate([drawn[:, :1], drawn[:, :1] + stretched], axis=1)


@lru_cache(maxsize=3)
def exponential(seed: int, blocks: int, more: int) -> np.ndarray:
    """The weights of blocks and of rows beyond them; kept, since comparisons of many tasks draw the same ones."""
    rng = np.random.Generator(np.random.PCG64(seed))
    weight = np.concatenate([np.ones((1, blocks)), rng.standard_exponential((DRAWS, blocks))])
    others = np.concatenate([np.zeros((1, more)), rng.standard_exponential((DRAWS, more))])
    found = np.concatenate([weight, others], axis=1)
    found.setflags(write=False)
    return found


def ends(drawn: np.ndarray, level: float) -> tuple[float, float]:
    """The interval of a figure from -1 to 1 and its draws: the wider of what was drawn and its reflection at the
    figure, since the size of a gap bends at 0.

    >>> ends(np.array([0.5, 0.25, 0.5, 0.625]), level=1.0)
    (0.25, 0.75)
    """
    value = float(drawn[0])
    low, high = np.quantile(drawn[1:], [(1 - level) / 2, (1 + level) / 2])
    low, high = min(low, 2 * value - high), max(high, 2 * value - low)
    return float(max(-1.0, min(low, value))), float(min(1.0, max(high, value)))


def ratio(part: np.ndarray, whole: np.ndarray, empty: float) -> np.ndarray:
    """A share of sums; of nothing it is `empty`.

    >>> ratio(np.array([1.0, 0.0]), np.array([4.0, 0.0]), empty=1.0).tolist()
    [0.25, 1.0]
    """
    some = whole > 0
    return np.where(some, part / np.where(some, whole, 1.0), empty)


def missing_overlap(sums: np.ndarray) -> np.ndarray:
    """1 - shared / either."""
    return 1 - ratio(sums[..., 0], sums[..., 1], empty=1.0)


def size_of_gap(sums: np.ndarray) -> np.ndarray:
    """|part / whole - large part / large whole|."""
    return np.abs(ratio(sums[..., 0], sums[..., 1], empty=0.0) - ratio(sums[..., 2], sums[..., 3], empty=0.0))


# By kind: the divergence from a pair's sums, and an example that is wholly alike and one that is not.
DIVERGENCES: dict[str, tuple[Callable[[np.ndarray], np.ndarray], tuple[int, ...], tuple[int, ...]]] = {
    "overlap": (missing_overlap, (1, 1), (0, 1)),
    "gap": (size_of_gap, (0, 1, 0, 1), (1, 1, 0, 1)),
}


def of_sums(kind: str, pairs: Sequence[Columns], seed: int, groups: Groups = None) -> np.ndarray:
    """Divergences that are made of sums over examples, on the examples that all pairs have.

    For each pair a further example (or a group of them) joins every draw that speaks wholly against it and for the
    others, so that a few examples that agree do not claim to be the whole truth.

    >>> own = np.arange(100), np.array([[1.0, 1.0], [0.0, 1.0]] * 50)  # shared, of one
    >>> twin = np.arange(100), np.array([[1.0, 1.0], [1.0, 1.0]] * 50)
    >>> drawn = of_sums("overlap", [own, twin], seed=0)
    >>> drawn[:, 0].tolist(), [round(end, 1) for end in ends(drawn[0] - drawn[1], 0.95)]
    ([0.5, 0.0], [0.4, 0.6])
    """
    figure, alike, unlike = DIVERGENCES[kind]
    common = np.sort(pairs[0][0])
    for examples, _ in pairs[1:]:
        common = np.intersect1d(common, examples)
    rows = [rows[np.argsort(examples)[np.searchsorted(np.sort(examples), common)]] for examples, rows in pairs]
    more = np.array([[unlike if one == pair else alike for one in range(len(pairs))] for pair in range(len(pairs))])
    groups = some_of(groups, common)
    weights = Weights(len(common), seed, len(pairs), groups)
    more = more.reshape(len(pairs), -1).astype(np.float64)
    if groups is not None:  # a further group has as many examples that count as come together elsewhere
        more *= [[together_of(groups, row[:, 1])] for row in rows]
    drawn = weights.of(np.concatenate(rows, axis=1), more)
    return weights.spread(np.stack([figure(part) for part in np.split(drawn, len(pairs), axis=1)]))
