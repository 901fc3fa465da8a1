"""Do the audit's intervals of the excess over the twin hold the truth?

    python scripts/simulations/simulate_audit.py                    # the whole table
    python scripts/simulations/simulate_audit.py --datasets 100     # a quick look

A large model, its twin and a compressed one are simulated whose divergences are known. The excess is by how much large
and compressed diverge more than large and twin; its interval is the one that an audit comes to its verdict by, from one
bootstrap of both pairs.
"""

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # one process a core is faster than one call on all of them

import numpy as np
from scipy.special import expit, ndtr, ndtri
from trials import LEVEL, command, row, tries

from trusteq.audit.options import AuditOptions
from trusteq.dimensions.registry import DIMENSIONS
from trusteq.dimensions.work import Work
from trusteq.resampling import ends, of_sums

COPULA = np.linalg.cholesky([[1, 0.7, 0.6], [0.7, 1, 0.5], [0.6, 0.5, 1]])  # large, twin, compressed: how alike

MODELS = ("large", "twin", "compressed")

Found = tuple[float, tuple[float, float]]
Trial = Callable[[int, np.random.Generator], Found]


def uniform(n: int, rng: np.random.Generator) -> np.ndarray:
    """A column for each of the three models, uniform and correlated."""
    return ndtr(rng.standard_normal((n, 3)) @ COPULA.T)


def excess_of(drawn: np.ndarray) -> Found:
    return float(drawn[0, 0] - drawn[1, 0]), ends(drawn[0] - drawn[1], LEVEL)


def paired(kind: str, own: list[np.ndarray], twins: list[np.ndarray]) -> Found:
    """Of figures that are made of sums over examples: the columns of the pair itself, and those of the twin's."""
    columns = [(np.arange(len(one[0])), np.stack(one, axis=1).astype(float)) for one in (own, twins)]
    return excess_of(of_sums(kind, columns, seed=0))


def errors(rates: tuple[float, float, float], n: int, rng: np.random.Generator) -> Found:
    """Every model is wrong about some examples; the excess of the missing error Jaccard."""
    large, twin, compressed = (uniform(n, rng) < rates).T
    return paired("overlap", [compressed & large, compressed | large], [twin & large, twin | large])


def means(shapes: tuple[float, float], n: int, rng: np.random.Generator) -> Found:
    """A Jaccard of every example, of both pairs; the excess of what is missing to 1 on average."""
    own, twins = uniform(n, rng)[:, 1:].T
    shares = [np.floor(values ** (1 / shape) * 6) / 5 for values, shape in zip((own, twins), shapes, strict=True)]
    ones = np.ones(n)
    return paired("overlap", [shares[0], ones], [shares[1], ones])


def falls(rates: tuple[float, float, float], n: int, rng: np.random.Generator) -> Found:
    """Three models of which each is right about 85 % and breaks at its own rate; the excess of the fall's gap."""
    right = uniform(n, rng) < 0.85
    broken = right & (uniform(n, rng) < rates)
    large, twin, compressed = ((broken[:, i], right[:, i]) for i in range(3))
    return paired("gap", [*compressed, *large], [*twin, *large])


def asked(name: str, options: AuditOptions, work: Work) -> Found:
    """Of a figure that is none of sums: as the audit has it, of three models' rows."""
    dimension = DIMENSIONS[name]
    return excess_of(dimension.redrawn(work, ("compressed", "twin"), "large", options))


def rows_of(first: np.ndarray) -> np.ndarray:
    """Two classes, from the probability of the first."""
    return np.stack([first, 1 - first], axis=1)


def confident(sharper: tuple[float, float, float], n: int, rng: np.random.Generator) -> Found:
    """Three models see nearly the same evidence, and each is as sure as its factor makes it (1 is honest)."""
    seen = ndtri(uniform(n, rng))
    gold = (rng.random(n) >= expit(1.5 * seen[:, 0])).astype(int)
    logits = 1.5 * seen * np.array(sharper)
    work = Work(gold=gold, texts=[])
    for i, name in enumerate(MODELS):
        work.probabilities[name] = rows_of(expit(logits[:, i]))
    return asked("calibration_gap", AuditOptions(), work)


def strange(shifts: tuple[float, float, float], n: int, rng: np.random.Generator) -> Found:
    """Three models' scores of n ordinary texts and half as many others, which each model finds so much stranger."""
    inside, outside = ndtri(uniform(n, rng)), ndtri(uniform(n // 2, rng)) + np.array(shifts)
    work = Work(gold=np.zeros(n, dtype=int), texts=[])
    for i, name in enumerate(MODELS):
        work.probabilities[name], work.ood[name] = (rows_of(1 - expit(side[:, i] - 4)) for side in (inside, outside))
    return asked("ood_divergence", AuditOptions(), work)


def studies() -> list[tuple[str, str, Trial]]:
    """Dimension, scenario, trial."""
    return [
        ("errors", "10, 10 and 10 % wrong", partial(errors, (0.1, 0.1, 0.1))),
        ("errors", "10, 10 and 20 % wrong", partial(errors, (0.1, 0.1, 0.2))),
        ("errors", "30, 30 and 45 % wrong", partial(errors, (0.3, 0.3, 0.45))),
        ("mean Jaccards", "alike", partial(means, (1.0, 1.0))),
        ("mean Jaccards", "0.4 and 0.8", partial(means, (0.7, 4.0))),
        ("fall", "40, 40 and 40 %", partial(falls, (0.4, 0.4, 0.4))),
        ("fall", "40, 45 and 85 %", partial(falls, (0.4, 0.45, 0.85))),
        ("fall", "5, 5 and 8 %", partial(falls, (0.05, 0.05, 0.08))),
        ("ECE gap", "all honest", partial(confident, (1.0, 1.0, 1.0))),
        ("ECE gap", "the compressed one twice too sure", partial(confident, (1.0, 1.0, 2.0))),
        ("AUROC gap", "all alike", partial(strange, (1.0, 1.0, 1.0))),
        ("AUROC gap", "1, 1.2 and 0.4 apart", partial(strange, (1.0, 1.2, 0.4))),
    ]


def trial(study: int, n: int, index: int) -> tuple[float, float, float]:
    value, (low, high) = studies()[study][2](n, np.random.default_rng([index, study]))
    return value, low, high


def truth(study: int, examples: int = 1_000_000) -> float:
    """The excess of very many examples at once: the truth but for a thousandth or so."""
    return studies()[study][2](examples, np.random.default_rng(study))[0]


def main() -> None:
    options = command(__doc__, datasets=1000, sizes=[60, 200, 1000]).parse_args()
    print(f"{options.datasets} data sets each, level {LEVEL:.0%}.\n")
    row("figure", "large, twin and compressed", "n", "excess", "held the truth", "mean width")
    row(*["---"] * 6)
    with ProcessPoolExecutor() as pool:
        for study, (figure, scenario, _) in enumerate(studies()):
            center = truth(study)
            for n in options.sizes:
                _, low, high = tries(pool, partial(trial, study, n), options.datasets).T
                held, width = np.mean((low <= center) & (center <= high)), np.mean(high - low)
                row(figure, scenario, f"{n:,}", f"{center:.3f}", f"{held:.1%}", f"{width:.3f}")


if __name__ == "__main__":
    main()
