"""Does the stated number of examples settle an open verdict? Audits of few examples, gone on with to that number.

    python scripts/simulations/simulate_planning.py                    # the whole table
    python scripts/simulations/simulate_planning.py --datasets 100     # a quick look

A large model, its twin and a compressed one that differs more or less are simulated. An audit of the first examples
that leaves the verdict open states how many would decide, with 80 % power; the same audit of so many, of which those
are part, comes to a verdict or does not. Also whether the closed formulas of `trusteq plan` give the true widths.
"""

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # one process a core is faster than one call on all of them

import numpy as np
from scipy.special import expit
from trials import command, row, tries

from trusteq.audit.audit import compare_each
from trusteq.audit.options import AuditOptions
from trusteq.audit.planning import Guesses, guessed
from trusteq.dimensions.work import Work

MODELS = ("large", "twin", "compressed")
ROLES = dict(zip(MODELS, ("large", "twin", "compressed"), strict=True))
PAIRS = [("twin", "large"), ("compressed", "large")]
MOST = 20_000  # examples that a trial draws: what needs more is not gone on with


def errors(rng: np.random.Generator, truth: float, count: int) -> Work:
    """15 % of all examples are wrong, equally hard for all models (Beta distributed), but in a part of them the
    compressed model errs by itself; or, where that is negative, says what the large one says, as a copy of it does."""
    hard, other = rng.beta(0.34, 0.34 * 0.85 / 0.15, (2, count))
    differs = rng.random(count) < abs(truth)
    wrong = rng.random((count, 3)) < np.stack([hard, hard, np.where(differs & (truth > 0), other, hard)], axis=1)
    wrong[:, 2] = np.where(differs & (truth < 0), wrong[:, 0], wrong[:, 2])
    return made(np.zeros(count, int), np.where(wrong, 0.2, 0.8))


def calibration(rng: np.random.Generator, truth: float, count: int) -> Work:
    """All see nearly the same evidence; the twin is a little surer of it than it ought to be, and the compressed model
    is as sure as the twin, or less or more so."""
    seen = rng.standard_normal((count, 1)) + 0.3 * rng.standard_normal((count, 3))
    gold = (rng.random(count) >= expit(2 * seen.mean(axis=1))).astype(int)
    return made(gold, expit(2 * seen * np.array([1.0, 1.3, 1.3 * (1 + truth)])))


def made(gold: np.ndarray, first: np.ndarray) -> Work:
    work = Work(gold, ["a text"] * len(gold))
    for name, column in zip(MODELS, first.T, strict=True):
        work.probabilities[name] = np.stack([column, 1 - column], axis=1)
    return work


KINDS: dict[str, tuple[str, Callable[..., Work], int, tuple[float, float]]] = {  # the examples first, and the truths
    "errors": ("prediction_error_jaccard", errors, 300, (-0.8, 0.8)),
    "ECE": ("calibration_gap", calibration, 400, (-0.4, 0.8)),
}


def entry_of(work: Work, dimension: str) -> dict[str, Any]:
    found = compare_each(work, ROLES, PAIRS, {}, AuditOptions(dimensions=dimension))
    entry: dict[str, Any] = found[1]["dimensions"][dimension]
    return entry


def trial(kind: str, index: int) -> tuple[float, float]:
    """Whether the first audit left it open and stated a number that can be tried, and whether that many settle it."""
    dimension, draw, first, truths = KINDS[kind]
    rng = np.random.default_rng([index, len(kind)])
    work = draw(rng, rng.uniform(*truths), MOST)
    early = entry_of(work.within(range(first)), dimension)
    needed = early["examples_needed"]
    if early["verdict"] != "inconclusive" or needed is None or needed > MOST:
        return 0.0, 0.0
    later = entry_of(work.within(range(needed)), dimension)
    return 1.0, float(later["verdict"] != "inconclusive")


def width(kind: str, count: int, index: int) -> float:
    """Half the width of an audit's interval, where compressed and twin are alike."""
    dimension, draw, *_ = KINDS[kind]
    entry = entry_of(draw(np.random.default_rng([index, 7]), 0.0, count), dimension)
    return float(entry["divergence_high"] - entry["divergence_low"]) / 2


def guesses_for(kind: str) -> Guesses:
    """As good as they can be: from very many examples."""
    work = KINDS[kind][1](np.random.default_rng(0), 0.0, 300_000)
    wrong, other = (work.probabilities[name].argmax(axis=1) != work.gold for name in MODELS[:2])
    return Guesses(accuracy=1 - float(wrong.mean()), shared=float((wrong & other).sum() / (wrong | other).sum()))


def main() -> None:
    options = command(__doc__, datasets=1000, sizes=[500, 2000, 10_000]).parse_args()
    print(f"{options.datasets} audits each.\n")
    row("figure", "examples", "left open, with a number", "settled by that number")
    row(*["---"] * 4)
    with ProcessPoolExecutor() as pool:
        for kind, (_, _, first, _) in KINDS.items():
            tried, settled = tries(pool, partial(trial, kind), options.datasets).sum(axis=0)
            error = (settled / tried * (1 - settled / tried) / tried) ** 0.5
            row(kind, f"{first:,}", f"{tried:,.0f}", f"{settled / tried:.1%} ± {error:.1%}")
        print("\nHalf the width of the interval where compressed and twin are alike:\n")
        row("figure", "examples", "by formula", "on average")
        row(*["---"] * 4)
        for kind, (dimension, *_) in KINDS.items():
            plan = guessed(guesses_for(kind))
            (found,) = [one for one in plan["rows"] if one["dimension"] == dimension]
            for n in options.sizes:
                mean = tries(pool, partial(width, kind, n), min(40, options.datasets)).mean()
                row(kind, f"{n:,}", f"{found['half_widths'][plan['numbers'].index(n)]:.4f}", f"{mean:.4f}")


if __name__ == "__main__":
    main()
