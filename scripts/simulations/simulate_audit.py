"""Do the audit's intervals of the excess over the twin hold the truth?

    python scripts/simulations/simulate_audit.py                    # the whole table
    python scripts/simulations/simulate_audit.py --datasets 100     # a quick look

A large model, its twin and a compressed one are simulated whose divergences are known. The excess is by how much large
and compressed diverge more than large and twin; its interval is the one that an audit comes to its verdict by: paired,
from one bootstrap of both pairs, or for the two figures that are no ratio of sums from two intervals that hold at once.
"""

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # one process a core is faster than one call on all of them

import numpy as np
import simulate
import simulate_ood
from scipy.special import ndtr
from trials import LEVEL, command, row, tries

from trusteq import verdicts
from trusteq.dimensions.registry import DIMENSIONS

COPULA = np.linalg.cholesky([[1, 0.7, 0.6], [0.7, 1, 0.5], [0.6, 0.5, 1]])  # large, twin, compressed: how alike

Found = tuple[float, tuple[float, float]]
Trial = Callable[[int, np.random.Generator], Found]


def uniform(n: int, rng: np.random.Generator) -> np.ndarray:
    """A column for each of the three models, uniform and correlated."""
    return ndtr(rng.standard_normal((n, 3)) @ COPULA.T)


def paired(dimension: str, rows: np.ndarray) -> Found:
    """As `excess_over_twin` has it: a row of sums for the pair itself and one for the twin's."""
    figure, alike, unlike = verdicts.DIVERGENCES[DIMENSIONS[dimension].kind]
    unsure = np.array([[*alike, *unlike], [*unlike, *alike]], dtype=float)
    half = len(alike)

    def excess(sums: np.ndarray) -> np.ndarray:
        return figure(sums[..., :half]) - figure(sums[..., half:])

    return verdicts.paired(rows.astype(float), unsure, excess, LEVEL, seed=0)


def errors(rates: tuple[float, float, float], n: int, rng: np.random.Generator) -> Found:
    """Every model is wrong about some examples; the excess of the missing error Jaccard."""
    large, twin, compressed = (uniform(n, rng) < rates).T
    rows = np.stack([compressed & large, compressed | large, twin & large, twin | large], axis=1)
    return paired("prediction_error_jaccard", rows)


def means(shapes: tuple[float, float], n: int, rng: np.random.Generator) -> Found:
    """A Jaccard of every example, of both pairs; the excess of what is missing to 1 on average."""
    own, twins = uniform(n, rng)[:, 1:].T
    shares = [np.floor(values ** (1 / shape) * 6) / 5 for values, shape in zip((own, twins), shapes, strict=True)]
    ones = np.ones(n)
    return paired("attribution_alignment", np.stack([shares[0], ones, shares[1], ones], axis=1))


def falls(rates: tuple[float, float, float], n: int, rng: np.random.Generator) -> Found:
    """Three models of which each is right about 85 % and breaks at its own rate; the excess of the fall's gap."""
    right = uniform(n, rng) < 0.85
    broken = right & (uniform(n, rng) < rates)
    large, twin, compressed = ((broken[:, i], right[:, i]) for i in range(3))
    return paired("attack_divergence", np.stack([*compressed, *large, *twin, *large], axis=1))


def two(metric: str, figure: str, turn: str, draws: list[Any], options: dict[str, Any], n: int, rng: Any) -> Found:
    """The excess from two intervals that hold together."""
    sides = []
    for draw in draws:
        level = verdicts.joint_level(LEVEL)
        found = DIMENSIONS[metric].of(**draw(n, rng), confidence_level=level, **options)
        sides.append(getattr(verdicts, turn)(found[figure], (found[f"{figure}_low"], found[f"{figure}_high"])))
    return verdicts.apart(*sides)


def studies() -> list[tuple[str, str, Trial, float | None]]:
    """Dimension, scenario, trial, and the true excess; None where it is the mean of very many examples at once."""
    calibration = simulate.CALIBRATION
    worse, alike = calibration["compressed clearly over-confident"], calibration["compressed a little over-confident"]
    near, far = simulate_ood.SCENARIOS["equal"], simulate_ood.SCENARIOS["moderate"]
    gaps = [abs(one.truth()["ece_gap"]) for one in (worse, alike)]
    ood = [simulate_ood.truth(one)["flagged_jaccard"] for one in (far, near)]
    draws = [partial(simulate_ood.draw, one) for one in (far, near)]
    confident: Trial = partial(two, "calibration_gap", "ece_gap", "of_gap", [worse.draw, alike.draw], {})
    flagged: Trial = partial(two, "ood_divergence", "flagged_jaccard", "of_overlap", draws, {"score": "given"})
    return [
        ("errors", "10, 10 and 10 % wrong", partial(errors, (0.1, 0.1, 0.1)), None),
        ("errors", "10, 10 and 20 % wrong", partial(errors, (0.1, 0.1, 0.2)), None),
        ("errors", "30, 30 and 45 % wrong", partial(errors, (0.3, 0.3, 0.45)), None),
        ("mean Jaccards", "alike", partial(means, (1.0, 1.0)), None),
        ("mean Jaccards", "0.4 and 0.8", partial(means, (0.7, 4.0)), None),
        ("fall", "40, 40 and 40 %", partial(falls, (0.4, 0.4, 0.4)), None),
        ("fall", "40, 45 and 85 %", partial(falls, (0.4, 0.45, 0.85)), None),
        ("fall", "5, 5 and 8 %", partial(falls, (0.05, 0.05, 0.08)), None),
        ("ECE gap", "clearly and a little over-confident", confident, gaps[0] - gaps[1]),
        ("flagged Jaccard", "moderate and equal", flagged, ood[1] - ood[0]),
    ]


def trial(study: int, n: int, index: int) -> tuple[float, float, float]:
    value, (low, high) = studies()[study][2](n, np.random.default_rng([index, study]))
    return value, low, high


def truth(study: int, examples: int = 1_000_000) -> float:
    """The excess of very many examples: of sums over examples it is the truth but for a thousandth or so."""
    known = studies()[study][3]
    return studies()[study][2](examples, np.random.default_rng(study))[0] if known is None else known


def main() -> None:
    options = command(__doc__, datasets=1000, sizes=[60, 200, 1000]).parse_args()
    print(f"{options.datasets} data sets each, level {LEVEL:.0%}.\n")
    row("figure", "large, twin and compressed", "n", "excess", "held the truth", "mean width")
    row(*["---"] * 6)
    with ProcessPoolExecutor() as pool:
        for study, (figure, scenario, *_) in enumerate(studies()):
            center = truth(study)
            for n in options.sizes:
                _, low, high = tries(pool, partial(trial, study, n), options.datasets).T
                held, width = np.mean((low <= center) & (center <= high)), np.mean(high - low)
                row(figure, scenario, f"{n:,}", f"{center:.3f}", f"{held:.1%}", f"{width:.3f}")


if __name__ == "__main__":
    main()
