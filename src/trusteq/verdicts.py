"""Can the difference be called small, or large, or neither yet? Intervals of a divergence against its margin.

The words for it are in audit/sentences.py.

An overlap diverges by what is missing to 1, a gap by its size. With a twin, what counts is the excess: by how much
large and compressed diverge more than large and twin, on the same examples. The verdict is `equivalent` when the
interval lies within the margin, `different` when it lies beyond, `inconclusive` when the margin is inside it."""

import math
from dataclasses import dataclass

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
