"""Can the difference be called small, or large, or neither yet? Intervals of a divergence against its margin.

The words for it are in audit/sentences.py.

An overlap diverges by what is missing to 1, a gap by its size. With a twin, what counts is the excess: by how much
large and compressed diverge more than large and twin, on the same examples. The verdict is `equivalent` when the
interval lies within the margin, `different` when it lies beyond, `inconclusive` when the margin is inside it."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from trusteq.intervals import blocks_of

DRAWS = 4000
CODES = {"equivalent": 1, "inconclusive": 0, "different": -1}
LEAST_ROOM = 0.02  # between chance and a full overlap: with less, an overlap tells nothing
Interval = tuple[float, float]


@dataclass
class Judgement:
    """A divergence (or its excess over the twin's) with its interval, and what that says."""

    divergence: float
    low: float
    high: float
    verdict: str
    examples_needed: int | None  # about so many would settle it, where it is not settled


def judge(divergence: float, interval: Interval, margin: float, examples: int) -> Judgement:
    """The verdict of an interval against the margin, and about how many examples would settle an open one.

    >>> judge(0.02, (-0.03, 0.07), margin=0.1, examples=400).verdict
    'equivalent'
    >>> judge(0.08, (0.03, 0.13), margin=0.1, examples=400)
    Judgement(divergence=0.08, low=0.03, high=0.13, verdict='inconclusive', examples_needed=2500)
    """
    low, high = interval
    verdict = "equivalent" if high <= margin else "different" if low > margin else "inconclusive"
    return Judgement(divergence, low, high, verdict, needed(divergence, interval, margin, examples, verdict))


def needed(divergence: float, interval: Interval, margin: float, examples: int, verdict: str) -> int | None:
    """An interval narrows with the root of the number of examples: how many until it clears the margin."""
    if verdict != "inconclusive":
        return None
    reach = interval[1] - divergence
    if divergence > margin:
        reach = max(reach, divergence - interval[0])  # whose low end may be cut off at 0
    distance = abs(margin - divergence)
    if not distance > 0:
        return None
    count = examples * (reach / distance) ** 2
    return rounded(max(count, examples + 1)) if count <= 1e6 else None


def rounded(count: float) -> int:
    """Two figures are all that such an estimate has; never down.

    >>> rounded(2501), rounded(96.2)
    (2600, 97)
    """
    unit = 10 ** max(0, math.floor(math.log10(count)) - 1)
    return math.ceil(round(count / unit, 6)) * unit


def tells(expected: float | None) -> bool:
    """Whether an overlap could tell two models apart: not where chance alone overlaps (nearly) fully, as in texts of
    hardly more than K words, or where neither model makes a mistake.

    >>> tells(0.4), tells(1.0), tells(None)
    (True, False, True)
    """
    return expected is None or 1 - expected >= LEAST_ROOM


# A pair by itself.


def of_overlap(value: float, interval: Interval) -> tuple[float, Interval]:
    """What is missing to a full overlap.

    >>> of_overlap(0.75, (0.5, 1.0))
    (0.25, (0.0, 0.5))
    """
    return 1 - value, (1 - interval[1], 1 - interval[0])


def of_gap(value: float, interval: Interval) -> tuple[float, Interval]:
    """The size of a gap.

    >>> of_gap(-0.25, (-0.5, 0.25))
    (0.25, (0.0, 0.5))
    """
    low, high = interval
    return abs(value), (max(0.0, low, -high), max(abs(low), abs(high)))


# A pair beside large and twin.


def apart(own: tuple[float, Interval], twins: tuple[float, Interval]) -> tuple[float, Interval]:
    """The excess from two divergences whose intervals hold together: as wide as both, so rather too wide.

    >>> apart((0.25, (0.125, 0.5)), (0.125, (0.0, 0.25)))
    (0.125, (-0.125, 0.5))
    """
    (value, (low, high)), (floor, (floor_low, floor_high)) = own, twins
    return value - floor, (max(-1.0, low - floor_high), min(1.0, high - floor_low))


def joint_level(level: float) -> float:
    """The level of each of two intervals that hold together at `level`.

    >>> joint_level(0.95)
    0.975
    """
    return (1 + level) / 2


def paired(
    sums_of: np.ndarray, unsure: np.ndarray, excess: Callable[[np.ndarray], np.ndarray], level: float, seed: int
) -> tuple[float, Interval]:
    """The excess from figures that are made of sums over examples, drawn anew for both pairs at once.

    `sums_of` has one row per example, `excess` maps sums (on the last axis) to the excess; only ratios of sums count.
    Examples are weighted at random (Rubin's Bayesian bootstrap), in at most 256 blocks; `unsure` are two more rows, an
    example that speaks wholly for the one pair and one for the other, so that a few examples that agree do not claim
    to be the whole truth. The ends are the wider of what was drawn and its reflection at the value, since the size of
    a gap bends at 0.

    >>> shares = np.array([[1.0, 0.0, 1.0], [1.0, 1.0, 1.0]] * 50)  # shared in the one pair, in the other; of one
    >>> unsure = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])
    >>> value, (low, high) = paired(shares, unsure, lambda s: (s[..., 0] - s[..., 1]) / s[..., 2], 0.95, seed=0)
    >>> value, round(low, 1), round(high, 1)
    (0.5, 0.4, 0.6)
    """
    n = len(sums_of)
    block = blocks_of(seed, 0, n, n)
    sums = np.zeros((block.max() + 1, sums_of.shape[1]))
    np.add.at(sums, block, sums_of)
    rows = np.concatenate([sums, unsure])
    weight = np.random.Generator(np.random.PCG64(seed)).standard_exponential((DRAWS, len(rows)))
    drawn = excess(weight @ rows)
    value = float(excess(sums_of.sum(axis=0)))
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    low, high = min(low, 2 * value - high), max(high, 2 * value - low)
    return value, (float(max(-1.0, min(low, value))), float(min(1.0, max(high, value))))


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
