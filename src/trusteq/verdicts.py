"""Can the difference be called small, or large, or neither yet? An excess, what is unsure about it, and its margin.

The words for it are in audit/sentences.py.

An overlap diverges by what is missing to 1, a gap by its size. With twins, what counts is the excess: by how much large
and compressed diverge more than large and its twins do on average, on the same examples. The verdict is `equivalent`
when the interval lies within the margin, `different` when it lies beyond, `inconclusive` when it holds the margin."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from trusteq.intervals import normal_quantile

CODES = {"equivalent": 1, "inconclusive": 0, "different": -1}
LEAST_ROOM = 0.02  # between chance and a full overlap: with less, an overlap tells nothing
POWER = 0.8  # how often the stated number of examples decides
MOST = 1_000_000  # examples that anybody could be asked for


@dataclass(frozen=True)
class Excess:
    """A divergence, or by how much it exceeds the twins', with its interval over examples.

    With two twins or more, the seeds of training have a reach of their own: of the twins' mean (`seeds`), and of one
    further large model beside it (`one_more`), which a difference has to exceed. (The reaches add as independent errors
    do, each with its own degrees of freedom: Zou and Donner 2008.)
    """

    value: float
    low: float
    high: float
    margin: float
    level: float = 0.95
    seeds: float = 0.0
    one_more: float = 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Over examples, and over the seeds of the twins.

        >>> Excess(0.1, 0.07, 0.13, margin=0.2, seeds=0.04).interval
        (0.05, 0.15000000000000002)
        """
        below, above = math.hypot(self.value - self.low, self.seeds), math.hypot(self.high - self.value, self.seeds)
        return min(self.low, self.value - below), max(self.high, self.value + above)

    @property
    def verdict(self) -> str:
        """
        >>> Excess(0.02, -0.03, 0.07, margin=0.1).verdict, Excess(0.2, 0.15, 0.25, margin=0.1).verdict
        ('equivalent', 'different')
        >>> Excess(0.2, 0.15, 0.25, margin=0.1, seeds=0.06, one_more=0.12).verdict  # one more seed might lie there
        'inconclusive'
        """
        if self.interval[1] <= self.margin:
            return "equivalent"
        low = min(self.low, self.value - math.hypot(self.value - self.low, self.one_more))
        return "different" if low > self.margin else "inconclusive"

    def at(self, level: float) -> "Excess":
        """The same with intervals of another level, as wide as a normal distribution has them.

        >>> Excess(0.2, 0.1, 0.3, margin=0.05).at(0.998).verdict
        'inconclusive'
        """
        wider = normal_quantile(level) / normal_quantile(self.level)
        low, high = self.value - wider * (self.value - self.low), self.value + wider * (self.high - self.value)
        return Excess(self.value, low, high, self.margin, level, wider * self.seeds, wider * self.one_more)

    @property
    def chance(self) -> float:
        """How often one would come out so far beyond the margin that is not beyond it (one-sided).

        >>> round(Excess(0.2, 0.1, 0.3, margin=0.1).chance, 3), Excess(0.1, 0.0, 0.2, margin=0.1).chance
        (0.025, 0.5)
        """
        error = math.hypot(self.value - self.low, self.one_more) / normal_quantile(self.level)
        ahead = self.value - self.margin
        return float(ndtr(-ahead / error)) if error else float(ahead <= 0)

    def settled(self, growth: np.ndarray) -> np.ndarray:
        """The chance that so many times the examples decide, whichever way, if these are among them (or they of these).

        The excess moves as its scatter lets it; the interval narrows with the root, but not by what the seeds reach.

        >>> Excess(0.0, -0.1, 0.1, margin=0.2).settled(np.array([1.0, 4.0])).round(2).tolist()
        [1.0, 1.0]
        """
        below, above = self.value - self.low, self.high - self.value
        error = max(below, above) / normal_quantile(self.level) * np.sqrt(np.abs(1 - 1 / growth))
        near = self.margin - np.hypot(above / np.sqrt(growth), self.seeds)
        far = self.margin + np.hypot(below / np.sqrt(growth), self.one_more)
        with np.errstate(divide="ignore", invalid="ignore"):
            chance = ndtr((near - self.value) / error) + ndtr((self.value - far) / error)
        return np.where(error > 0, chance, (self.value <= near) | (self.value > far))

    def needed(self, examples: int) -> int | None:
        """About how many examples decide, with 80 % power; None where a million might not.

        >>> Excess(0.08, 0.03, 0.13, margin=0.1).needed(400)
        14000
        """
        growth = np.geomspace(1, max(MOST / examples, 1), 500)[1:]
        enough = np.flatnonzero(self.settled(growth) >= POWER)
        return rounded(max(examples * float(growth[enough[0]]), examples + 1)) if len(enough) else None

    @property
    def needs_twins(self) -> bool:
        """Whether the seeds are what keeps it open: with any number of examples, and seeds that do not scatter, it
        would be decided; with seeds as they are, not."""
        endless = np.array([1e12])
        return bool(self.seeds and self.settled(endless)[0] < POWER)


def rounded(count: float) -> int:
    """Two figures are all that such an estimate has; never down.

    >>> rounded(2501), rounded(96.2)
    (2600, 97)
    """
    unit = 10 ** max(0, math.floor(math.log10(count)) - 1)
    return math.ceil(round(count / unit, 6)) * unit


def rejected(chances: Sequence[float], level: float) -> list[bool]:
    """Holm's correction: which of several differences stand when all are looked at together (one-sided).

    >>> rejected([0.001, 0.02, 0.009], level=0.95)
    [True, True, True]
    >>> rejected([0.02, 0.02], level=0.95)
    [False, False]
    """
    out, alpha = [False] * len(chances), (1 - level) / 2
    for rank, place in enumerate(sorted(range(len(chances)), key=lambda i: chances[i])):
        if chances[place] > alpha / (len(chances) - rank):
            break
        out[place] = True
    return out


def tells(expected: float | None) -> bool:
    """Whether an overlap could tell two models apart: not where chance alone overlaps (nearly) fully, as in texts of
    hardly more than K words, or where neither model makes a mistake.

    >>> tells(0.4), tells(1.0), tells(None)
    (True, False, True)
    """
    return expected is None or 1 - expected >= LEAST_ROOM
