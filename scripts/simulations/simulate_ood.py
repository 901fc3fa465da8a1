"""Out-of-distribution scores whose population figures are known, to see how often the intervals hold the truth.

Each row has two scores, the compressed model's and the large model's, that are normal and correlated. A row in
distribution has mean 0 and standard deviation 1 in both; out of distribution it is shifted, and spread out or not. The
numbers of both kinds of rows are fixed, as they are for a user who puts two data sets together.
"""

from typing import NamedTuple

import numpy as np
from scipy.integrate import quad
from scipy.special import ndtr, ndtri
from scipy.stats import multivariate_normal

KEEP = 0.95


class Scenario(NamedTuple):
    """`share` of the rows are out of distribution, where the scores' means are `shift` and `large_shift`.

    `spread` is their standard deviation there; `alike_in` and `alike_out` correlate the two models' scores. With a
    `grid` the scores are rounded to it, for ties.
    """

    share: float = 0.5
    shift: float = 1.5
    large_shift: float = 2.0
    spread: float = 1.0
    alike_in: float = 0.6
    alike_out: float = 0.6
    grid: float = 0.0


SCENARIOS = {
    "moderate": Scenario(),
    "near_perfect": Scenario(shift=3.2, large_shift=3.8, alike_in=0.5, alike_out=0.5),
    "few_outside": Scenario(share=0.1),
    "mostly_outside": Scenario(share=0.8),
    "equal": Scenario(shift=1.8, large_shift=1.8, alike_in=0.9, alike_out=0.9),
    "spread_out": Scenario(share=0.3, shift=1.0, large_shift=2.5, spread=2.0, alike_in=0.3, alike_out=0.7),
    "ties": Scenario(grid=0.8),
    "few_and_near_perfect": Scenario(share=0.2, shift=3.2, large_shift=3.8, alike_in=0.5, alike_out=0.5),
}

# Where 500 rows are too few for exact intervals: those of the first are too narrow, those of the second too wide.
LIMITS = {
    "fifty_and_near_perfect": Scenario(share=0.1, shift=3.2, large_shift=3.8, alike_in=0.5, alike_out=0.5),
    "equal_and_nearly_the_same": Scenario(shift=1.8, large_shift=1.8, spread=1.2, alike_in=0.95, alike_out=0.95),
}


def draw(scenario: Scenario, n: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """A data set of n rows, as `ood_divergence.compute(score="given")` takes it.

    >>> data = draw(SCENARIOS["moderate"], 4, np.random.default_rng(0))
    >>> data["references"].tolist()
    [1, 1, 0, 0]
    """
    references = (np.arange(n) < round(scenario.share * n)).astype(np.int64)
    first, second = rng.standard_normal((2, n))
    alike = np.where(references, scenario.alike_out, scenario.alike_in)
    second = alike * first + np.sqrt(1 - alike**2) * second
    spread = np.where(references, scenario.spread, 1.0)
    scores = [spread * first + scenario.shift * references, spread * second + scenario.large_shift * references]
    if scenario.grid:
        scores = [np.rint(values / scenario.grid) * scenario.grid for values in scores]
    return {"predictions": scores[0], "references": references, "large_predictions": scores[1]}


def truth(scenario: Scenario) -> dict[str, float]:
    """The population's `auroc_gap`, `aupr_gap`, `fpr95_gap` and `flagged_jaccard`, to ten digits or so.

    >>> {name: round(value, 4) for name, value in truth(SCENARIOS["moderate"]).items()}
    {'auroc_gap': -0.0658, 'aupr_gap': -0.068, 'fpr95_gap': 0.1963, 'flagged_jaccard': 0.4935}
    """
    share, spread, edge = scenario.share, scenario.spread, threshold(scenario.grid)
    compressed = separation(scenario.shift, scenario)
    large = separation(scenario.large_shift, scenario)
    z, large_z = (edge - scenario.shift) / spread, (edge - scenario.large_shift) / spread
    shared = (1 - share) * above(edge, edge, scenario.alike_in) + share * above(z, large_z, scenario.alike_out)
    flagged = 2 * (1 - share) * ndtr(-edge) + share * (ndtr(-z) + ndtr(-large_z))
    gaps = {f"{name}_gap": float(compressed[name] - large[name]) for name in compressed}
    return gaps | {"flagged_jaccard": float(shared / (flagged - shared))}


def threshold(grid: float) -> float:
    """Where the rows in distribution are cut; with a grid, the upper end of the cell that the threshold stands for."""
    cut = float(ndtri(KEEP))
    return cut if not grid else (np.ceil(cut / grid - 0.5) + 0.5) * grid


def separation(shift: float, scenario: Scenario) -> dict[str, float]:
    """One model's figures: closed forms and one integral, or sums over the grid's cells."""
    share, spread, grid = scenario.share, scenario.spread, scenario.grid
    fpr95 = float(ndtr((threshold(grid) - shift) / spread))
    if grid:
        edges = (np.arange(-200, 201) + 0.5) * grid
        inside, outside = ndtr(-edges), ndtr((shift - edges) / spread)  # the shares above each edge
        cells = outside[:-1] - outside[1:]
        auroc = float(cells @ (1 - (inside[:-1] + inside[1:]) / 2))
        total = share * outside[:-1] + (1 - share) * inside[:-1]
        precision = np.divide(share * outside[:-1], total, out=np.ones_like(total), where=total > 0)
        return {"auroc": auroc, "aupr": float(cells @ precision), "fpr95": fpr95}

    def precision_times_density(z: float) -> float:
        found, false = share * ndtr(-z), (1 - share) * ndtr(-(shift + spread * z))
        return np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi) * found / (found + false)

    aupr = quad(precision_times_density, -12, 12, points=[-3, 0, 3], epsabs=1e-12, limit=500)[0]
    return {"auroc": float(ndtr(shift / np.hypot(1, spread))), "aupr": float(aupr), "fpr95": fpr95}


def above(x: float, y: float, correlation: float) -> float:
    """The share of a standard bivariate normal above x and above y."""
    return float(multivariate_normal.cdf([-x, -y], cov=[[1, correlation], [correlation, 1]]))
