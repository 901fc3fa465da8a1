"""What does it cost to stop when sure? False verdicts, and examples saved, of audits that look again and again.

    python scripts/simulations/simulate_looks.py            # the whole table, into coverage.md
    python scripts/simulations/simulate_looks.py --quick    # a look, in a minute

First an excess that is normal, as the bounds take it to be, by the audit's own looks and verdicts; then errors of three
models of which the excess is drawn anew at every look, as the audit does it.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # one process a core is faster than one call on all of them

import numpy as np
from scipy.special import ndtr, ndtri, stdtrit
from simulate_audit import uniform
from trials import command, put, row, tries

from trusteq.audit.audit import compare
from trusteq.audit.options import LEAST, AuditOptions
from trusteq.audit.settling import clean_sizes
from trusteq.dimensions.work import Work
from trusteq.looks import Look, bounds, spent
from trusteq.verdicts import CODES, Excess

MOST, REACH, MARGIN = 2000, 1.959964, 10.0  # examples; in standard errors of the whole sample
ROLES = {"large": "large", "twin": "twin", "compressed": "compressed"}
ERRORS = "prediction_error_jaccard"
TWINS = 3


HEAD = f"""Printed by `python scripts/simulations/simulate_looks.py`. Verdicts with looks and of the whole sample of
{MOST:,} examples: equivalent / different. On the margin each is false, and at most 2.5 % is meant. `the same`: of the
verdicts of the whole sample, how many the looks come to; `the contrary`: how many runs say the one and then the other.
Parts are of the examples that were asked about. `part³` are the audit's bounds; beside them those of O'Brien and
Fleming, and the sequence that has no greatest number."""


def obrien_fleming(fraction: float, alpha: float) -> float:
    return float(4 * ndtr(ndtri(alpha / 4) / fraction**0.5))


# One run: the verdict of the whole sample, that of the looks, and the part of the examples that these took.

Ran = tuple[float, float, float]


def looked(verdict_at: Callable[[int], str], looks: list[Look], whole: str) -> Ran:
    for number, look in enumerate(looks):
        if (verdict := verdict_at(number)) != "inconclusive" or number + 1 == len(looks):
            return CODES[whole], CODES[verdict], look.sizes[-1] / MOST
    raise AssertionError("no looks")


def looks_of(most: Any) -> list[Look]:
    some = clean_sizes(MOST, AuditOptions(until_settled=most))
    return [Look(some[: i + 1], None if most is True else most, LEAST) for i in range(len(some))]


def normal(truth: float, seeds: float, kind: str, index: int) -> Ran:
    """An excess that lies so many standard errors of the whole sample beyond the margin; with three twins whose mean
    scatters by `seeds` of them."""
    rng = np.random.default_rng(index)
    looks = looks_of(True if kind == "no greatest number" else MOST)
    parts = np.array([look.sizes[-1] / MOST for look in looks])
    path = np.cumsum(rng.standard_normal(len(parts)) * np.sqrt(np.diff(parts, prepend=0.0))) / parts
    center = MARGIN + truth + seeds * float(rng.standard_normal())
    freedom = TWINS * (TWINS + 1) // 2 - 1
    apart = seeds * TWINS**0.5 * (rng.chisquare(freedom) / freedom) ** 0.5 * stdtrit(freedom, 0.975)
    more = {"seeds": apart / TWINS**0.5, "one_more": apart * (1 + 1 / TWINS) ** 0.5}
    spending = obrien_fleming if kind == "O'Brien and Fleming" else spent

    def verdict_at(number: int) -> str:
        value, reach = center + path[number], REACH / parts[number] ** 0.5
        once = Excess(value, value - reach, value + reach, MARGIN, **more)
        if kind == "O'Brien and Fleming":
            factor = bounds(tuple(parts[: number + 1]), 0.05, spending)[-1] / REACH
            return Excess(value, value - factor * reach, value + factor * reach, MARGIN, **more).verdict
        return looks[number].widened(once).verdict

    value = center + path[-1]
    return looked(verdict_at, looks, Excess(value, value - REACH, value + REACH, MARGIN, **more).verdict)


def errors(rates: tuple[float, float, float], margin: float | None, index: int) -> Ran:
    """Three models that are wrong at these rates."""
    rng = np.random.default_rng(index)
    gold, wrong = rng.integers(2, size=MOST), uniform(MOST, rng) < rates
    options = AuditOptions(dimensions=[ERRORS], margins=margin and {ERRORS: margin}, seed=index)
    looks = looks_of(MOST)

    def verdict(look: Look | None) -> str:
        count = look.sizes[-1] if look else MOST
        work = Work(gold[:count], [])
        for i, name in enumerate(ROLES):
            said = gold[:count] ^ wrong[:count, i]
            work.probabilities[name] = np.where(np.arange(2) == said[:, None], 0.9, 0.1)
        work.looks = {ERRORS: look} if look else {}
        pairs = [compare(work, ROLES, (name, "large"), {}, options) for name in ("twin", "compressed")]
        return str(pairs[-1]["dimensions"][ERRORS]["verdict"])

    return looked(lambda number: verdict(looks[number]), looks, verdict(None))


def excess(rates: tuple[float, float, float], examples: int = 2_000_000) -> float:
    """The truth but for a thousandth or so."""
    large, twin, compressed = (uniform(examples, np.random.default_rng(0)) < rates).T
    shared = [float((other & large).sum() / (other | large).sum()) for other in (compressed, twin)]
    return shared[1] - shared[0]


# The tables.


def told(name: str, kind: str, found: np.ndarray) -> str:
    whole, verdict, part = found.T
    error = (0.025 * 0.975 / len(found)) ** 0.5
    codes = [CODES["equivalent"], CODES["different"]]
    shares = [" / ".join(f"{np.mean(some == code):.2%}" for code in codes) for some in (verdict, whole)]
    decided = whole != 0
    same = f"{np.mean(verdict[decided] == whole[decided]):.1%}" if decided.mean() > 10 * error else "-"
    against = f"{np.sum(verdict * whole < 0)}"
    return row(name, kind, *shares, same, against, f"{np.median(part):.0%}", f"{part.mean():.0%}")


def tables(pool: ProcessPoolExecutor, runs: int, drawn: int) -> Iterator[str]:
    head = ["with looks", "whole sample", "the same", "the contrary", "median part", "mean part"]
    kinds = ("part³", "O'Brien and Fleming", "no greatest number")
    normals = [(0.0, 0.0), (0.0, 1.0), (-2.8, 0.0), (-4.5, 0.0), (-6.0, 0.0), (-9.0, 0.0), (6.0, 0.0)]
    yield HEAD + "\n"
    yield f"{runs:,} runs of a normal excess (a rate of 2.5 % is known to {(0.025 * 0.975 / runs) ** 0.5:.2%}).\n"
    yield row("true excess, from the margin", "bounds", *head)
    yield row(*["---"] * (2 + len(head)))
    for truth, seeds in normals:
        name = f"{truth:+.1f} standard errors" if truth else "on it"
        name += ", seeds of three twins as large" if seeds else ""
        for kind in kinds:
            yield told(name, kind, tries(pool, partial(normal, truth, seeds, kind), runs))
    known = f"{(0.025 * 0.975 / drawn) ** 0.5:.2%}"
    yield f"\n{drawn:,} runs of errors on the margin, {drawn // 5} elsewhere, drawn anew at every look ({known}).\n"
    yield row("wrong: large, twin, compressed", "margin", *head)
    yield row(*["---"] * (2 + len(head)))
    on_it, alike, apart = (0.2, 0.2, 0.35), (0.3, 0.15, 0.3), (0.2, 0.2, 0.75)
    truth = excess(on_it)
    for rates, margin in ((on_it, truth), (alike, None), (apart, None)):
        says = f"{margin:.3f}, the truth" if margin else "usual"
        found = tries(pool, partial(errors, rates, margin), drawn if margin else drawn // 5)
        yield told(", ".join(f"{rate:.0%}" for rate in rates), says, found)


def main() -> None:
    parser = command(__doc__, datasets=10_000, sizes=None)
    parser.add_argument("--drawn", type=int, default=1000, help="runs of errors, which take longer (1000)")
    parser.add_argument("--quick", action="store_true", help="a tenth of it, and nothing is written")
    parser.add_argument("--out", type=Path, default=Path("coverage.md"), help="the table goes between its marks there")
    options = parser.parse_args()
    runs, drawn = (options.datasets // 10, options.drawn // 10) if options.quick else (options.datasets, options.drawn)
    with ProcessPoolExecutor() as pool:
        lines = list(tables(pool, runs, drawn))
    if not options.quick:
        put(["", "## Does looking again and again cost false verdicts?", "", *lines, ""], options.out, "looks")


if __name__ == "__main__":
    main()
