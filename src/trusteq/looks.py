"""How sure must one be to stop early? Bounds for verdicts that are looked at again and again as examples come in.

With a greatest number of examples: bounds by the error that may be spent up to each look (Lan and DeMets 1983), the
cube of the part of the examples that are there (Kim and DeMets 1987): in the end as strict as O'Brien and Fleming's,
which ask for more at first and so stop later (scripts/simulations/simulate_looks.py compares them). Without one: a
sequence of intervals that hold the truth at all sizes together (Robbins' normal mixture; of means of anything,
Waudby-Smith et al. 2021). Either way the looks together err no more often than one look would."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from scipy.special import ndtr, ndtri

from trusteq.intervals import normal_quantile
from trusteq.verdicts import Excess

GROWTH = 1.25  # from look to look; nor is there one so near to the last
EIGHTH = 8  # the first look is at this part of the greatest number: bounds of an earlier one hardly anybody crosses
TUNED = 8  # without a greatest number, the reach is nearly least at so many times the least number of examples
NODES = 96  # of the integration over what had not crossed by the look before
FARTHEST = 8.0  # standard errors: beyond lies a part of 1e-15


def sizes(least: int, most: int, endless: bool = False, unit: int = 1) -> tuple[int, ...]:
    """How many examples there are at each look, in units (of which the last need not be full).

    >>> sizes(128, 2000, unit=128), sizes(50, 100), sizes(128, 90)
    ((256, 384, 512, 640, 896, 1152, 1536, 2000), (50, 63, 79, 100), (90,))
    >>> sizes(128, 1000, endless=True, unit=128)
    (128, 256, 384, 512, 640, 1000)
    """
    size, found = float(least if endless else max(least, most / EIGHTH)), []
    while (full := math.ceil(round(size / unit, 6)) * unit) * GROWTH <= most:
        found.append(full)
        size = GROWTH * full
    return (*found, most)


def seen(excess: Excess, look: "Look | None") -> tuple[Excess, float]:
    """An excess with its interval and its one-sided chance as they are after this look, or where it is the only one."""
    return (excess, excess.chance) if look is None else (look.widened(excess), look.chance(excess.chance))


@dataclass(frozen=True)
class Look:
    """One dimension's look at its examples: how many there are and were at the looks before, of how many at most (None:
    no end is set)."""

    sizes: tuple[int, ...]  # up to this look
    most: int | None
    least: int  # with which a dimension may begin: what the sequence without an end is tuned for is TUNED times as many
    level: float = 0.95

    @property
    def reach(self) -> float:
        """Of the interval in standard errors: at one look alone it is 1.96.

        >>> round(Look((1000,), 1000, 1000).reach, 3), round(Look((250, 500), 1000, 250).reach, 2)
        (1.96, 2.76)
        >>> round(Look((250, 500), None, 250).reach, 2)
        3.23
        """
        if self.most is None:
            return endless_reach(self.sizes[-1] * self.mixture, 1 - self.level)
        return bounds(self.fractions, 1 - self.level)[-1]

    def widened(self, excess: Excess) -> Excess:
        """With the interval of this look. Draws do not reach so far: theirs is scaled as normal quantiles are."""
        factor = self.reach / normal_quantile(excess.level)
        low, high = (excess.value + factor * (end - excess.value) for end in (excess.low, excess.high))
        return replace(excess, low=low, high=high, level=math.erf(self.reach / 2**0.5))

    def chance(self, once: float) -> float:
        """A one-sided chance, were this the only look, as that of crossing at this look or one before.

        It is the rate of error at which the bounds would be crossed just now (the repeated p-value of Jennison and
        Turnbull 1999), so that Holm's correction may take it.

        >>> look = Look((250, 500), 1000, 250)
        >>> round(look.chance(float(ndtr(-look.reach))), 4), look.chance(0.6)
        (0.025, 1.0)
        """
        if once >= 0.5:
            return 1.0
        error = -float(ndtri(once)) if once else FARTHEST
        if self.most is None:
            return endless_chance(self.sizes[-1] * self.mixture, error) / 2
        rates, reaches = crossings(self.fractions)
        return float(np.exp(np.interp(-(error**2), -(reaches**2), np.log(rates)))) / 2

    @property
    def fractions(self) -> tuple[float, ...]:
        assert self.most is not None
        return tuple(size / self.most for size in self.sizes)

    @property
    def mixture(self) -> float:
        """The variance of the mixture that makes the reach nearly least at the size that it is tuned for."""
        least = -2 * math.log(1 - self.level)
        return (least + math.log(least) + 1) / (TUNED * self.least)


# With a greatest number of examples.


def spent(fraction: float, alpha: float) -> float:
    """Of the two-sided error, what may be spent by then: little at first, all in the end.

    >>> [round(spent(part, 0.05), 4) for part in (0.2, 0.5, 1.0)]
    [0.0004, 0.0063, 0.05]
    """
    return alpha * fraction**3


@cache
def bounds(
    fractions: tuple[float, ...], alpha: float, spending: Callable[[float, float], float] = spent
) -> tuple[float, ...]:
    """How many standard errors from 0 a figure has to be at each look, so that it is by chance so far at any of them
    (on either side) at the rate alpha. Looks at the same figure as it grows are alike; that is integrated.

    >>> [round(bound, 2) for bound in bounds((0.2, 0.4, 0.6, 0.8, 1.0), 0.05)]
    [3.54, 2.97, 2.6, 2.31, 2.05]
    """
    from scipy.optimize import brentq  # slow to import

    found: list[float] = []
    places, inside, past, gone = (
        np.zeros(1),
        np.ones(1),
        0.0,
        0.0,
    )  # sums that have not crossed, and how likely they are
    for fraction in fractions:
        step, allowed = math.sqrt(fraction - past), spending(fraction, alpha)
        now = places, inside, step, math.sqrt(fraction), allowed - gone
        bound = FARTHEST if too_often(FARTHEST, *now) > 0 else float(brentq(too_often, 0.0, FARTHEST, now, 1e-10))
        nodes, weights = legendre()
        edge = bound * math.sqrt(fraction)
        density = np.exp(-0.5 * ((edge * nodes[:, None] - places) / step) ** 2) / (step * math.sqrt(2 * math.pi))
        places, inside = edge * nodes, (density @ inside) * edge * weights
        past, gone = fraction, allowed
        found.append(bound)
    return tuple(found)


def too_often(bound: float, places: np.ndarray, inside: np.ndarray, step: float, root: float, allowed: float) -> float:
    """By how much more than allowed of what had not crossed yet crosses a bound at this look."""
    tails = ndtr((places - bound * root) / step) + ndtr((-bound * root - places) / step)
    return float(inside @ tails) - allowed


@cache
def legendre() -> tuple[np.ndarray, np.ndarray]:
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    return nodes, weights


@cache
def crossings(fractions: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Rates of error from rare to certain, and the bound of the last of these looks at each."""
    rates = np.concatenate([np.geomspace(1e-10, 0.05, 40), np.linspace(0.06, 0.99, 30)])
    return rates, np.array([bounds(fractions, rate)[-1] for rate in rates])


# Without one.


def endless_reach(weight: float, alpha: float) -> float:
    """In standard errors; `weight` is the number of examples times the variance of the mixture.

    >>> round(endless_reach(8.78, 0.05), 2), round(endless_reach(878.0, 0.05), 2)
    (3.04, 3.58)
    """
    return math.sqrt(2 * (weight + 1) / weight * (math.log(weight + 1) / 2 - math.log(alpha)))


def endless_chance(weight: float, error: float) -> float:
    """The rate at which the sequence would be crossed so far out.

    >>> round(endless_chance(8.78, endless_reach(8.78, 0.05)), 6)
    0.05
    """
    return min(1.0, math.sqrt(weight + 1) * math.exp(-(error**2) / 2 * weight / (weight + 1)))
