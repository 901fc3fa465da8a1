"""How often is a verdict right? Audits of seeds of one recipe, and of recipes that truly differ, on real text.

    python scripts/simulations/verdicts.py --data FOLDER            # the whole table, into coverage.md
    python scripts/simulations/verdicts.py --data FOLDER --quick    # a look, in three minutes

FOLDER holds sst2/train.tsv (sentence TAB label) and agnews/test.tsv (text TAB topic). Every trial draws a large model,
its twins and a compressed model at random from those that were trained, and its examples from the held-out phrases.
"""

import argparse
import os
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # one process a core is faster than one call on all of them

import numpy as np
import torch
from seeds import RECIPES, read, said, trained, work_of
from trials import line_of, put

from trusteq.audit.audit import compare_all
from trusteq.audit.options import AuditOptions
from trusteq.dimensions.registry import DIMENSIONS

POOL, PROBED, EXPLAINED, OOD = 30_000, 4_000, 400, 1_000
SEED, SEEDS, OTHERS = "another seed", 40, 12
SIZES, TWINS = [400, 2000, 10_000], [1, 2, 3, 5]
ON_THE_MARGIN, LEAST = ("half of the data", "three times as sure"), 0.01
HEAD = """
## Are the verdicts right?

Printed by `python scripts/simulations/verdicts.py --data FOLDER{given}`: audits of small
networks on SST-2, 40 seeds of one recipe and recipes that truly differ, judged as `trusteq audit` judges. Asked for: no
more than 5 % false No; at most 5 % `equivalent` on the margin with three twins; at 2,000 examples and three twins a Yes
for 60 % of third seeds, and a No for 90 % of "ten times as sure" and of "ten points less right".
"""
Trial = dict[str, tuple[str, float, float]]
STATE: dict[str, Any] = {}


def begin(data: Path) -> None:
    torch.set_num_threads(1)
    STATE["data"] = read(data, POOL)


def train(job: tuple[str, int]) -> dict[str, Any]:
    recipe, seed = job
    return said(trained(RECIPES[recipe], seed, STATE["data"]), STATE["data"], PROBED)


def draw(rng: np.random.Generator, models: dict[str, dict[str, Any]], n: int) -> Any:
    """The work of an audit: so many phrases, the first of which are explained and attacked."""
    probed = min(EXPLAINED, n)
    first = rng.choice(PROBED, probed, replace=False)
    rest = rng.permutation(np.setdiff1d(np.arange(POOL), first))[: n - probed]
    ood = rng.choice(len(next(iter(models.values()))["ood"]), min(OOD, n), replace=False)
    return work_of(models, STATE["data"], np.concatenate([first, rest]), ood, probed)


def trial(recipe: str, n: int, twins: int, margins: Any, index: int) -> Trial:
    """One audit: of each dimension the verdict, the excess and the margin."""
    rng = np.random.default_rng([index, n, twins, list(RECIPES).index(recipe)])
    seeds = rng.permutation(SEEDS).tolist()
    names = [f"twin {i}" for i in range(twins)]
    models = {name: STATE["said"][SEED, seeds[i]] for i, name in enumerate(("large", *names))}
    models["compressed"] = STATE["said"][recipe, seeds[-1] if recipe == SEED else int(rng.integers(OTHERS))]
    work = draw(rng, models, n)
    work.measured |= {("attack_divergence", name, "large"): falls(work, name) for name in models if name != "large"}
    roles = {"large": "large", **dict.fromkeys(names, "twin"), "compressed": "compressed"}
    pairs = [(name, "large") for name in (*names, "compressed")]
    options = AuditOptions(method="occlusion", margins=margins, seed=index)
    entries = compare_all(work, roles, pairs, {}, options)[-1]["dimensions"]
    failed = {name: entry["reason"] for name, entry in entries.items() if entry["status"] != "done"}
    assert not failed, failed
    return {name: (entry["verdict"], entry["divergence"], entry["margin"]) for name, entry in entries.items()}


def falls(work: Any, name: str) -> dict[str, Any]:
    """Of attacks only what a verdict needs: thousands of outcomes are not read anew for every pair."""
    lost = {}
    for prefix, one in (("", name), ("large_", "large")):
        statuses = [outcome["status"] for outcome in work.outcomes[one].values()]
        lost[f"{prefix}accuracy_fall"] = statuses.count("broken") / max(1, len(statuses) - statuses.count("skipped"))
    gap = lost["accuracy_fall"] - lost["large_accuracy_fall"]
    return lost | {"accuracy_fall_gap": gap, "accuracy_fall_gap_low": -1, "accuracy_fall_gap_high": 1, "details": {}}


def whole(found: Trial) -> str:
    verdicts = {verdict for verdict, *_ in found.values()}
    return "No" if "different" in verdicts else "Yes" if verdicts == {"equivalent"} else "open"


def trials(pool: Any, recipe: str, n: int, twins: int, count: int, margins: Any = None) -> list[Trial]:
    return list(pool.map(partial(trial, recipe, n, twins, margins), range(count), chunksize=2))


def percent(hits: int, count: int) -> str:
    """A share with its Monte-Carlo error.

    >>> percent(5, 100)
    '5 ± 2 %'
    """
    share = hits / count
    return f"{100 * share:.0f} ± {100 * (share * (1 - share) / count) ** 0.5:.0f} %"


def shares(found: list[Trial], name: str, verdict: str) -> str:
    return percent(sum(one[name][0] == verdict for one in found), len(found))


def answers(found: list[Trial], which: str) -> str:
    return percent(sum(whole(one) == which for one in found), len(found))


def tables(pool: Any, sizes: list[int], twins: list[int], count: int) -> Iterator[str]:
    short = {name: dimension.question.rstrip("?").lower() for name, dimension in DIMENSIONS.items()}
    yield (
        f"{count} audits a row. In the columns of dimensions: equivalent / different, in percent. "
        f"{EXPLAINED} phrases are explained and attacked at most; {OOD:,} news are out of distribution.\n"
    )
    yield "**Third seeds of the large model.** A No is false; a Yes is right.\n"
    yield line_of("twins", "examples", "Yes", "open", "No", *short.values())
    yield line_of(*["---"] * (5 + len(short)))
    for m in twins:
        for n in sizes:
            found = trials(pool, SEED, n, m, count)
            cells = [both(found, name) for name in short]
            yield line_of(str(m), f"{n:,}", *(answers(found, which) for which in ("Yes", "open", "No")), *cells)
    yield "\n**Recipes that differ**, beside three twins, 2,000 examples. After the verdicts: the mean excess.\n"
    yield line_of("recipe", "Yes", "open", "No", *short.values())
    yield line_of(*["---"] * (4 + len(short)))
    excess: dict[str, dict[str, float]] = {}
    for recipe in (recipe for recipe in RECIPES if recipe != SEED):
        found = trials(pool, recipe, 2000, 3, count)
        excess[recipe] = {name: float(np.mean([one[name][1] for one in found])) for name in short}
        cells = [f"{both(found, name)} ({excess[recipe][name]:+.3f})" for name in short]
        yield line_of(recipe, *(answers(found, which) for which in ("Yes", "open", "No")), *cells)
    yield "\n**On the margin**: the margin is the mean excess of that recipe, so that `equivalent` is false.\n"
    yield line_of("twins", "examples", "recipe", *short.values())
    yield line_of(*["---"] * (3 + len(short)))
    for m in (m for m in twins if m != 2):
        for n in sizes[:2]:
            for recipe in ON_THE_MARGIN:
                margins = {name: size for name, size in excess[recipe].items() if size > LEAST}
                found = trials(pool, recipe, n, m, count, margins)
                cells = [shares(found, name, "equivalent") if name in margins else "-" for name in short]
                yield line_of(str(m), f"{n:,}", recipe, *cells)


def both(found: list[Trial], name: str) -> str:
    counts = [sum(one[name][0] == verdict for one in found) for verdict in ("equivalent", "different")]
    return " / ".join(f"{100 * hits / len(found):.0f}" for hits in counts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of sst2/ and agnews/")
    parser.add_argument("--trials", type=int, default=40, help="audits a row (40)")
    parser.add_argument("--twins", type=int, nargs="+", default=TWINS, help="how many, of each row of third seeds")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="how many examples")
    parser.add_argument("--quick", action="store_true", help="few audits, few rows, and nothing is written")
    parser.add_argument("--out", type=Path, default=Path("coverage.md"), help="the table goes between its marks there")
    options = parser.parse_args()
    began = time.monotonic()
    shapes = ("twins", options.twins), ("sizes", options.sizes)
    given = (
        "".join(f" --{name} {' '.join(map(str, values))}" for name, values in shapes) + f" --trials {options.trials}"
    )
    with ProcessPoolExecutor(initializer=begin, initargs=(options.data,)) as pool:
        jobs = [(recipe, seed) for recipe in RECIPES for seed in range(SEEDS if recipe == SEED else OTHERS)]
        said = dict(zip(jobs, pool.map(train, jobs), strict=True))
    STATE["said"], STATE["data"] = said, read(options.data, POOL)
    sizes, twins, count = ([400, 2000], [1, 3], 8) if options.quick else (options.sizes, options.twins, options.trials)
    lines = []
    with ProcessPoolExecutor(mp_context=get_context("fork")) as pool:  # which hands on what was said without a copy
        for line in tables(pool, sizes, twins, count):
            print(line, flush=True)
            lines.append(line)
            if not options.quick:
                put([HEAD.format(given=given), *lines, ""], options.out, "verdicts")
    print(f"\n{(time.monotonic() - began) / 60:.0f} minutes")


if __name__ == "__main__":
    main()
