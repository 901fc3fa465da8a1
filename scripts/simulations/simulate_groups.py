"""How often do the 95 % intervals hold the truth where examples belong together, and where classes are lopsided?

python scripts/simulations/simulate_groups.py --out coverage.md   # the table, a few minutes on one core
python scripts/simulations/simulate_groups.py --quick             # in one
python scripts/simulations/simulate_groups.py --fewest            # how many groups a verdict takes

With the chance sqrt(0.3) an example is the one that its group has in common, and else one of its own: any two of a
group then have the intraclass correlation 0.3 in every figure, while the truth stays that of examples drawn alone.
"""

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import simulate
import simulate_ood
from scipy.special import ndtr
from scipy.stats import betabinom
from trials import LEVEL, command, row, section, tries

from trusteq.dimensions import calibration_gap, ood_divergence
from trusteq.dimensions.registry import DIMENSIONS
from trusteq.dimensions.work import Work
from trusteq.groups import codes_of
from trusteq.resampling import ends, of_sums

ICC, TOGETHER = 0.3, 20
TITLE = "Where examples belong together"
ABOUT = """Printed by `python scripts/simulations/simulate_groups.py --out coverage.md`: {datasets:,} data sets each; in
brackets the Monte-Carlo error, in points. `20 a group` has the intraclass correlation 0.3; of `every row three times` a
third of the examples are different ones; the last three kinds are of examples that stand alone. An excess is that of
the headline over a twin's, with the interval that a verdict is made of. In the second table groups are of unequal size,
as exponential numbers. Asked for: 92 % with `groups=`."""
Data = dict[str, Any]
Ends = dict[str, tuple[float, float, float]]  # value, low, high
Draw = Callable[[int, np.random.Generator], Data]
Study = tuple[Draw, Callable[[Data, Any], Ends], Mapping[str, float]]  # draws examples, measures them; the truth


def grouped(size: int, draw: Draw, n: int, rng: np.random.Generator, unequal: bool = False) -> Data:
    """Examples in groups of a size: each is the group's own with the chance that gives the intraclass correlation."""
    codes = np.repeat(np.arange(n // size), size)
    if unequal:  # as much as exponential numbers
        codes = np.sort(rng.choice(n // size, n, p=rng.dirichlet(np.ones(n // size))))
    own, common = draw(n, rng), draw(n // size, rng)
    which = np.where(rng.random(n) < ICC**0.5, n + codes, np.arange(n))
    return {name: np.concatenate([own[name], common[name]])[which] for name in own} | {"groups": codes}


def threefold(draw: Draw, n: int, rng: np.random.Generator) -> Data:
    codes = np.tile(np.arange(n // 3), 3)
    return {name: values[codes] for name, values in draw(n // 3, rng).items()} | {"groups": codes}


# What is measured: by a metric, or as a verdict does it.


def by_metric(metric: str, figures: list[str], data: Data, groups: Any, **options: Any) -> Ends:
    found = DIMENSIONS[metric].of(**data, groups=groups, **options)
    return {name: (found[name], found[f"{name}_low"], found[f"{name}_high"]) for name in figures}


def excess(drawn: np.ndarray) -> Ends:
    """Of the compressed model (first) over the twin."""
    return {"excess": (float(drawn[0, 0] - drawn[1, 0]), *ends(drawn[0] - drawn[1], LEVEL))}


def of_columns(kind: str, data: Data, groups: Any) -> Ends:
    each = np.arange(len(data["own"]))
    return excess(of_sums(kind, [(each, data["own"]), (each, data["twin"])], 0, groups))


def ece_excess(data: Data, groups: Any) -> Ends:
    work = Work(data["gold"], [], groups)
    work.probabilities = {name: data[name] for name in ("own", "twin", "large")}
    options = SimpleNamespace(seed=0, n_bins=10, binning="quantile", convention="usual")
    return excess(calibration_gap.redrawn(work, ("own", "twin"), "large", options))


def auroc_excess(data: Data, groups: Any) -> Ends:
    outside = data["outside"] == 1
    work = Work(outside[~outside], [])
    if groups is not None:
        work.groups, work.ood_groups = codes_of(groups[~outside]), codes_of(groups[outside])
    work.probabilities = {name: data[name][~outside] for name in ("own", "twin", "large")}
    work.ood = {name: data[name][outside] for name in ("own", "twin", "large")}
    options = SimpleNamespace(seed=0, score="msp", keep=0.95)
    return excess(ood_divergence.redrawn(work, ("own", "twin"), "large", options))


# Three models at once.


@dataclass(frozen=True)
class Wrong:
    """Large, twin and compressed are wrong about an example by chances that its difficulty gives to all three."""

    easy: float = 0.03
    hard: float = 0.6
    share: float = 0.2  # of hard examples
    worse: float = 1.3  # the compressed model's chance of a mistake

    def chances(self) -> list[tuple[float, float, float]]:
        return [(1 - self.share, self.easy, self.worse * self.easy), (self.share, self.hard, self.worse * self.hard)]

    def draw(self, n: int, rng: np.random.Generator) -> Data:
        hard = rng.random(n) < self.share
        chance = np.where(hard, self.hard, self.easy)
        large, twin, own = (rng.random(n) < factor * chance for factor in (1, 1, self.worse))
        pairs = {name: np.stack([x & large, x | large], axis=1) for name, x in (("own", own), ("twin", twin))}
        return {name: pair.astype(float) for name, pair in pairs.items()}

    def truth(self) -> dict[str, float]:
        def overlap(place: int) -> float:
            both = sum(one[0] * one[1] * one[place] for one in self.chances())
            either = sum(one[0] * (one[1] + one[place] - one[1] * one[place]) for one in self.chances())
            return both / either

        return {"excess": overlap(1) - overlap(2)}


@dataclass(frozen=True)
class Falls:
    """Right when clean, and broken under attack: what the gap of two falls is made of."""

    right: float = 0.85
    breaks: tuple[float, float, float] = (0.5, 0.55, 0.7)  # large, twin, compressed
    together: float = 0.5  # how often an example breaks or withstands for all alike

    def draw(self, n: int, rng: np.random.Generator) -> Data:
        shared, alike = rng.random(n), rng.random(n) < self.together
        right = rng.random((3, n)) < self.right
        broken = [right[i] & (np.where(alike, shared, rng.random(n)) < chance) for i, chance in enumerate(self.breaks)]
        pairs = {
            name: np.stack([broken[i], right[i], broken[0], right[0]], axis=1) for name, i in (("own", 2), ("twin", 1))
        }
        return {name: pair.astype(float) for name, pair in pairs.items()}

    def truth(self) -> dict[str, float]:
        large, twin, own = self.breaks
        return {"excess": abs(own - large) - abs(twin - large)}


@dataclass(frozen=True)
class Scores:
    """Normal scores; those of rows out of distribution are shifted by so much in large, twin and compressed."""

    shifts: tuple[float, float, float] = (1.5, 1.4, 1.0)

    def draw(self, n: int, rng: np.random.Generator) -> Data:
        outside, shared = np.arange(n) >= n // 2, rng.standard_normal(n)
        found = {"outside": outside.astype(int)}
        for name, shift in zip(("large", "twin", "own"), self.shifts, strict=True):
            unsure = ndtr(shift * outside + 0.8 * shared + 0.6 * rng.standard_normal(n)) / 2
            found[name] = np.stack([1 - unsure, unsure], axis=1)
        return found

    def truth(self) -> dict[str, float]:
        large, twin, own = (ndtr(shift / 2**0.5) for shift in self.shifts)
        return {"excess": abs(own - large) - abs(twin - large)}


@dataclass(frozen=True)
class Confidences:
    """Three models that are more or less over-confident: large, twin and compressed."""

    temperatures: tuple[float, float, float] = (1.2, 1.4, 2.0)

    @property
    def models(self) -> list[simulate.Model]:
        return [simulate.Model(3, 1, simulate.tempered(temperature)) for temperature in self.temperatures]

    def draw(self, n: int, rng: np.random.Generator) -> Data:
        shared, gold = rng.standard_normal((2, n)), rng.integers(0, 2, n)
        found = {"gold": gold}
        for name, model in zip(("large", "twin", "own"), self.models, strict=True):
            u, v = ndtr(0.8 * shared + 0.6 * rng.standard_normal((2, n)))
            confidence = model.confidence(u)
            label = np.where(v < model.right(confidence), gold, 1 - gold)
            found[name] = np.where(label[:, None] == np.arange(2), confidence[:, None], 1 - confidence[:, None])
        return found

    def truth(self) -> dict[str, float]:
        large, twin, own = (model.truth()["ece"] for model in self.models)
        return {"excess": abs(own - large) - abs(twin - large)}


@dataclass(frozen=True)
class Lopsided:
    """Predictions of many classes, or of two of which one is rare; mistakes fall on random other classes."""

    shares: tuple[float, ...]
    large: float = 0.1
    own: float = 0.14

    def draw(self, n: int, rng: np.random.Generator) -> Data:
        classes = len(self.shares)
        gold = rng.choice(classes, n, p=self.shares)
        shared, rows = rng.random(n), []
        for chance in (self.own, self.large):
            sure = np.where(rng.random(n) < 0.5, 1 - 0.5 * chance, 1 - 1.5 * chance)  # calibrated: two kinds of example
            right = np.where(rng.random(n) < 0.6, shared, rng.random(n)) < sure
            said = np.where(right, gold, (gold + rng.integers(1, classes, n)) % classes)
            row = np.repeat(((1 - sure) / (classes - 1))[:, None], classes, axis=1)
            row[np.arange(n), said] = sure
            rows.append(row)
        return {"predictions": rows[0], "references": gold, "large_predictions": rows[1]}

    def truth(self) -> dict[str, float]:
        def brier(chance: float) -> float:
            misses = np.array([0.5, 1.5]) * chance
            return float((1 - (1 - misses) ** 2 - misses**2 / (len(self.shares) - 1)).mean())

        gap = self.own - self.large
        return {"error_rate_gap": gap, "ece_gap": 0.0, "brier_gap": brier(self.own) - brier(self.large)}


def explained(n: int, rng: np.random.Generator) -> Data:
    """Shares of words that two explanations have in common, as a metric makes them of five words each."""
    shared = rng.binomial(5, rng.beta(3, 2, n))
    words = [[f"{side}{i}" for i in range(5)] for side in ("a", "b")]
    some = [dict.fromkeys(words[0][:k] + words[1][k:], 1.0) for k in shared]
    return {
        "predictions": np.array(some, dtype=object),
        "large_predictions": np.array([dict.fromkeys(words[0], 1.0)] * n),
    }


def kinds() -> dict[str, Study]:
    """What is measured: how examples are drawn one by one, how they are measured, and the truth."""
    errors, calibration = simulate.Errors(0.06, 0.04, 0.02), simulate.CALIBRATION["compressed a little over-confident"]
    scores = simulate_ood.SCENARIOS["moderate"]
    ood = {name: simulate_ood.truth(scores)[name] for name in ("auroc_gap", "aupr_gap", "flagged_jaccard")}
    of_calibration = {name: calibration.truth()[name] for name in ("ece_gap", "brier_gap", "accuracy_gap")}
    return {
        "errors": (
            errors.draw,
            partial(by_metric, "prediction_error_jaccard", ["jaccard", "error_rate_gap"]),
            errors.truth(),
        ),
        "calibration": (calibration.draw, partial(by_metric, "calibration_gap", list(of_calibration)), of_calibration),
        "out of distribution": (
            partial(simulate_ood.draw, scores),
            partial(by_metric, "ood_divergence", list(ood), score="given"),
            ood,
        ),
        "explanations": (
            explained,
            partial(by_metric, "attribution_alignment", ["jaccard_at_5"], k=5),
            {"jaccard_at_5": float((betabinom(5, 3, 2).pmf(np.arange(6)) * np.arange(6) / (10 - np.arange(6))).sum())},
        ),
        "errors beside a twin": (Wrong().draw, partial(of_columns, "overlap"), Wrong().truth()),
        "attacks beside a twin": (Falls().draw, partial(of_columns, "gap"), Falls().truth()),
        "AUROC beside a twin": (Scores().draw, auroc_excess, Scores().truth()),
        "ECE beside a twin": (Confidences().draw, ece_excess, Confidences().truth()),
    }


def lopsided(data: Data, groups: Any) -> Ends:
    errors = by_metric("prediction_error_jaccard", ["error_rate_gap"], data, groups)
    return errors | by_metric("calibration_gap", ["ece_gap", "brier_gap"], data, groups)


def alone() -> dict[str, Study]:
    """Examples that stand alone, where classes are lopsided or many, and errors rare."""
    rare, many, errors = Lopsided((0.99, 0.01)), Lopsided((0.05,) * 20), Wrong(easy=0.005, hard=0.3, share=0.05)
    return {
        "99 to 1": (rare.draw, lopsided, rare.truth()),
        "20 classes": (many.draw, lopsided, many.truth()),
        "2 % errors beside a twin": (errors.draw, partial(of_columns, "overlap"), errors.truth()),
    }


# How often the truth was held.


def held(
    draw: Draw,
    measure: Callable[..., Ends],
    truth: Mapping[str, float],
    n: int,
    with_groups: bool,
    index: int,
) -> list[list[bool]]:
    """Of one data set, for each figure whether its interval holds the truth: without groups, and with them."""
    data = draw(n, np.random.default_rng(index))
    groups = data.pop("groups", None)
    found = [measure(data, None), *([measure(data, groups)] if with_groups else [])]
    return [[bool(ends[name][1] <= truth[name] <= ends[name][2]) for ends in found] for name in truth]


def table(pool: ProcessPoolExecutor, sizes: list[int], datasets: int) -> list[str]:
    lines = [row("what", "examples", "figure", "truth", "held without groups", "held with groups"), row(*["---"] * 6)]
    studies: list[tuple[str, Draw, Study]] = []
    for how, together in ((f"{TOGETHER} a group", partial(grouped, TOGETHER)), ("every row three times", threefold)):
        studies += [(f"{kind}, {how}", partial(together, one[0]), one) for kind, one in kinds().items()]
    studies += [(kind, one[0], one) for kind, one in alone().items()]
    for name, draw, (_, measure, truth) in studies:
        for n in sizes:
            of = partial(held, draw, measure, truth, n, name not in alone())
            shares = tries(pool, of, datasets).mean(axis=0)
            for (figure, value), found in zip(truth.items(), shares, strict=True):
                cells = [f"{share:.1%} ({100 * (share * (1 - share) / datasets) ** 0.5:.1f})" for share in found]
                lines.append(row(name, f"{n:,}", figure, f"{value:.4f}", *cells, *[""] * (2 - len(cells))))
    return lines


def fewest(pool: ProcessPoolExecutor, datasets: int) -> list[str]:
    """How often the interval of the headline's excess holds the truth, by the number of groups."""
    counts = [2, 3, 5, 10, 20, 50]
    lines = [row("what", *(f"{count} groups" for count in counts)), row(*["---"] * (len(counts) + 1))]
    for name in ("errors beside a twin", "attacks beside a twin", "AUROC beside a twin", "ECE beside a twin"):
        draw, measure, truth = kinds()[name]
        cells = []
        for count in counts:
            of = partial(held, partial(grouped, TOGETHER, draw, unequal=True), measure, truth, TOGETHER * count, True)
            cells.append(f"{tries(pool, of, datasets)[:, 0, 1].mean():.1%}")
        lines.append(row(name, *cells))
    return lines


def main() -> None:
    parser = command(__doc__, datasets=100, sizes=[400, 2000])
    parser.add_argument("--quick", action="store_true", help="few data sets, in a minute")
    parser.add_argument("--fewest", action="store_true", help="only how many groups a verdict takes")
    parser.add_argument("--out", type=Path, help="also write the tables here, under their heading")
    options = parser.parse_args()
    datasets = 15 if options.quick else options.datasets
    with ProcessPoolExecutor() as pool:
        tables = (
            [fewest(pool, datasets)]
            if options.fewest
            else [table(pool, options.sizes, datasets), fewest(pool, datasets)]
        )
    if options.out:
        section(options.out, TITLE, "\n\n".join([ABOUT.format(datasets=datasets), *map("\n".join, tables)]))


if __name__ == "__main__":
    main()
