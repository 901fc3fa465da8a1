"""How often is a verdict right? Audits of seeds of one recipe, and of recipes that truly differ, on real text.

    python scripts/simulations/verdicts.py --data FOLDER            # the whole table, into coverage.md
    python scripts/simulations/verdicts.py --data FOLDER --quick    # a look, in three minutes

FOLDER holds sst2/train.tsv (sentence TAB label) and agnews/test.tsv (text TAB topic). Every trial draws a large model,
its twins and a compressed model at random from those that were trained, and its examples from the held-out phrases.
"""

import os
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # one process a core is faster than one call on all of them

import numpy as np
import torch
from seeds import RECIPES, read, said, trained, work_of

from trusteq.audit.audit import compare_all
from trusteq.audit.options import AuditOptions

POOL, PROBED, OOD = 30_000, 4_000, 1_000
SEEDS, OTHERS = 40, 12
PLACE = "<!-- verdicts -->"
STATE: dict[str, Any] = {}


def begin(data: Path) -> None:
    torch.set_num_threads(1)
    STATE["data"] = read(data, POOL)


def train(job: tuple[str, int]) -> dict[str, Any]:
    recipe, seed = job
    return said(trained(RECIPES[recipe], seed, STATE["data"]), STATE["data"], PROBED)


def draw(rng: np.random.Generator, models: dict[str, dict[str, Any]], n: int, probed: int) -> Any:
    """The work of an audit: so many phrases, the first of which are explained and attacked."""
    probed = min(probed, n)
    first = rng.choice(PROBED, probed, replace=False)
    rest = rng.permutation(np.setdiff1d(np.arange(POOL), first))[: n - probed]
    ood = rng.choice(len(next(iter(models.values()))["ood"]), min(OOD, n), replace=False)
    return work_of(models, STATE["data"], np.concatenate([first, rest]), ood, probed)


def trial(recipe: str, n: int, twins: int, probed: int, margins: Any, index: int) -> dict[str, tuple[str, Any]]:
    """The verdicts of one audit."""
    rng = np.random.default_rng([index, n, twins, len(recipe)])
    seeds = rng.permutation(SEEDS)
    names = [f"twin {i}" for i in range(twins)]
    models = {
        name: STATE["said"]["another seed", int(seed)] for name, seed in zip(("large", *names), seeds, strict=False)
    }
    which = int(seeds[-1]) if recipe == "another seed" else int(rng.integers(OTHERS))
    models["compressed"] = STATE["said"][recipe, which]
    work = draw(rng, models, n, probed)
    roles = {"large": "large", **dict.fromkeys(names, "twin"), "compressed": "compressed"}
    options = AuditOptions(method="occlusion", margins=margins, seed=index)
    pairs = [(name, "large") for name in (*names, "compressed")]
    entries = compare_all(work, roles, pairs, {}, options)[-1]["dimensions"]
    failed = {name: entry["reason"] for name, entry in entries.items() if entry["status"] != "done"}
    assert not failed, failed
    return {name: (entry["verdict"], entry["divergence"], entry["margin"]) for name, entry in entries.items()}


def whole(verdicts: dict[str, tuple[str, Any]]) -> str:
    found = [verdict for verdict, *_ in verdicts.values()]
    return "No" if "different" in found else "Yes" if set(found) == {"equivalent"} else "open"
