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
from trusteq.audit.judging import key_of
from trusteq.audit.options import AuditOptions
from trusteq.dimensions.registry import DIMENSIONS

POOL, PROBED, EXPLAINED, OOD = 30_000, 4_000, 400, 1_000
SEED, SEEDS, OTHERS = "another seed", 40, 12
SIZES, TWINS = [400, 2000, 10_000], [1, 2, 3, 5]
ON_THE_MARGIN, LEAST = ("half of the data", "three times as sure"), 0.01
ATTACK = "attack_divergence"
MARGIN_TRIALS = 5  # times as many audits on the margin, where a small share is to be told
LARGE = 6  # seeds that stand as the large model on the margin, where every distance from it has to be known
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


def trial(recipe: str, n: int, twins: int, on_the_margin: bool, index: int) -> Trial:
    """One audit: of each dimension the verdict, the excess and the margin. On the margin only those dimensions count in
    which this very model is truly further from this large one than the other seeds are."""
    rng = np.random.default_rng([index, n, twins, list(RECIPES).index(recipe)])
    seeds = rng.permutation(SEEDS).tolist()
    if on_the_margin:
        large = int(rng.integers(LARGE))
        seeds = [large, *(seed for seed in seeds if seed != large)]
    names = [f"twin {i}" for i in range(twins)]
    models = {name: STATE["said"][SEED, seeds[i]] for i, name in enumerate(("large", *names))}
    seed = seeds[-1] if recipe == SEED else int(rng.integers(OTHERS))
    models["compressed"] = STATE["said"][recipe, seed]
    margins = true_excess(recipe, seed, seeds[0]) if on_the_margin else {}
    work = draw(rng, models, n)
    work.measured |= {(ATTACK, name, "large"): falls(work, name) for name in models if name != "large"}
    roles = {"large": "large", **dict.fromkeys(names, "twin"), "compressed": "compressed"}
    pairs = [(name, "large") for name in (*names, "compressed")]
    options = AuditOptions(method="occlusion", margins=margins or None, seed=index)
    entries = compare_all(work, roles, pairs, {}, options)[-1]["dimensions"]
    failed = {name: entry["reason"] for name, entry in entries.items() if entry["status"] != "done"}
    assert not failed, failed
    counted = margins if on_the_margin else entries
    return {name: tuple(entries[name][key] for key in ("verdict", "divergence", "margin")) for name in counted}


def true_excess(recipe: str, seed: int, large: int) -> dict[str, float]:
    """By how much a model is further from a large one than all other seeds are on average, over all phrases."""
    others = [STATE["apart"][SEED, other, large] for other in range(SEEDS) if other != large]
    own = STATE["apart"][recipe, seed, large]
    excess = {name: size - float(np.mean([other[name] for other in others])) for name, size in own.items()}
    return {name: size for name, size in excess.items() if size > LEAST}


def distances(job: tuple[str, int, int]) -> dict[str, float]:
    """The divergence in every dimension, over all phrases; the first of them are explained, attacked and neighbours."""
    recipe, seed, large = job
    models = {"large": STATE["said"][SEED, large], "other": STATE["said"][recipe, seed]}
    ood = np.arange(len(models["large"]["ood"]))
    whole = work_of(models, STATE["data"], np.arange(POOL), ood, PROBED)
    whole.measured[ATTACK, "other", "large"] = falls(whole, "other")
    near, options = whole.within(range(PROBED)), AuditOptions(method="occlusion")
    near.measured = whole.measured
    found = {}
    for name, dimension in DIMENSIONS.items():
        work = near if dimension.needs == "embeddings" else whole
        figures = work.measured.get((name, "other", "large"))
        figures = figures or dimension.measure(work, "other", "large", options, None)
        value = float(figures[key_of(dimension.headline, options)])
        found[name] = 1 - value if dimension.kind == "overlap" else abs(value)
    return found


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


def trials(pool: Any, recipe: str, n: int, twins: int, count: int, on_the_margin: bool = False) -> list[Trial]:
    return list(pool.map(partial(trial, recipe, n, twins, on_the_margin), range(count), chunksize=2))


def percent(hits: int, count: int) -> str:
    """A share with its Monte-Carlo error.

    >>> percent(5, 100)
    '5 ± 2 %'
    """
    share = hits / count
    return f"{100 * share:.0f} ± {100 * (share * (1 - share) / count) ** 0.5:.0f} %"


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
    for recipe in (recipe for recipe in RECIPES if recipe != SEED):
        found = trials(pool, recipe, 2000, 3, count)
        excess = {name: float(np.mean([one[name][1] for one in found])) for name in short}
        cells = [f"{both(found, name)} ({excess[name]:+.3f})" for name in short]
        yield line_of(recipe, *(answers(found, which) for which in ("Yes", "open", "No")), *cells)
    yield (
        "\n**On the margin**: the margin is the true excess of the very model (over all phrases, all other seeds as"
        " twins), so that `equivalent` is false. In brackets how many audits: those where the excess is above"
        f" {LEAST}.\n"
    )
    yield line_of("twins", "examples", "recipe", *short.values())
    yield line_of(*["---"] * (3 + len(short)))
    for m in (m for m in twins if m != 2):
        for n in sizes[:2]:
            for recipe in ON_THE_MARGIN:
                found = trials(pool, recipe, n, m, MARGIN_TRIALS * count, on_the_margin=True)
                false = {name: [one[name][0] == "equivalent" for one in found if name in one] for name in short}
                cells = [f"{percent(sum(some), len(some))} ({len(some)})" if some else "-" for some in false.values()]
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
    fork = partial(ProcessPoolExecutor, mp_context=get_context("fork"))  # which hands on what was said without a copy
    with fork() as pool:
        far = [
            (recipe, seed, large) for recipe, seed in jobs for large in range(LARGE) if (recipe, seed) != (SEED, large)
        ]
        far = [job for job in far if job[0] in (SEED, *ON_THE_MARGIN)]
        STATE["apart"] = dict(zip(far, pool.map(distances, far, chunksize=4), strict=True))
    with fork() as pool:
        for line in tables(pool, sizes, twins, count):
            print(line, flush=True)
            lines.append(line)
            if not options.quick:
                put([HEAD.format(given=given), *lines, ""], options.out, "verdicts")
    print(f"\n{(time.monotonic() - began) / 60:.0f} minutes")


if __name__ == "__main__":
    main()
