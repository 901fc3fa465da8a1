"""How often do the 95 % intervals hold the truth? Simulated data sets whose truth is known, measured by the metrics.

    python scripts/coverage.py --out coverage.md                 # the whole table
    python scripts/coverage.py --datasets 200 --only errors      # a quick look
"""

if __name__ == "coverage":  # a script beside this one imports something that looks for the package of that name
    raise ImportError("this is a program of its own, not the package coverage")

import argparse
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # one process a core is faster than one call on all of them

import evaluate
import numpy as np
import simulate
import simulate_neighbors
import simulate_ood

METRICS = Path(__file__).resolve().parent.parent / "metrics"
LEVEL = 0.95
RESAMPLES = 200
NAIVE_DATASETS = 100
SIZES = {"neighbors": [200, 1000]}  # other kinds: 500 and 5,000

HEAD = """# Do the intervals cover?

Printed by `python scripts/coverage.py --out coverage.md`: data sets are simulated whose truth is known, and
the metrics' 95 % intervals are counted that hold it. The two scenarios `fifty_and_near_perfect` and
`equal_and_nearly_the_same` are the known limits of `ood_divergence` (see its card).

Of the points in clouds and clusters (`representation_overlap`) the truth is the mean of the figure over all data sets
of that size: every point is drawn anew each time, while the interval of `neighbor_jaccard_at_10` takes the other
points, among which the neighbours lie, as given.

"""

Draw = Callable[[int, np.random.Generator], dict[str, Any]]


@cache
def load(name: str) -> Any:
    return evaluate.load(str(METRICS / name))


def studies() -> dict[str, list[tuple[str, str, Draw, Mapping[str, float | None], dict[str, Any]]]]:
    """Kind of simulation: (scenario, metric, draw, truth, options). A truth of None is the mean over the data sets."""
    return {
        "errors": [
            (name, "prediction_error_jaccard", s.draw, s.truth(), {}) for name, s in simulate.ERRORS.items()
        ],
        "calibration": [(name, "calibration_gap", s.draw, s.truth(), {}) for name, s in simulate.CALIBRATION.items()],
        "ood": [
            (name, "ood_divergence", partial(simulate_ood.draw, s), simulate_ood.truth(s), {"score": "given"})
            for name, s in (simulate_ood.SCENARIOS | simulate_ood.LIMITS).items()
        ],
        "neighbors": [
            (name, "representation_overlap", s.draw, {"neighbor_jaccard_at_10": None, "cka": None}, {})
            for name, s in simulate_neighbors.NEIGHBORS.items()
        ],
    }


def trial(metric: str, draw: Draw, names: list[str], options: dict[str, Any], n: int, index: int) -> np.ndarray:
    """One data set: every figure and the ends of its interval."""
    result = load(metric).compute(**draw(n, np.random.default_rng(index)), confidence_level=LEVEL, **options)
    return np.array([[result[f"{name}{end}"] for end in ("", "_low", "_high")] for name in names])


def naive_trial(draw: Draw, truth: float, n: int, index: int) -> np.ndarray:
    """What a plain percentile bootstrap of ece_gap would have said of the same data set."""
    rng = np.random.default_rng(index)
    data = draw(n, rng)
    gaps = []
    for _ in range(RESAMPLES):
        rows = rng.integers(0, n, n)
        again = {name: values[rows] for name, values in data.items()}
        gaps.append(load("calibration_gap").compute(**again, confidence_level=None)["ece_gap"])
    low, high = np.quantile(gaps, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return np.array([low <= truth <= high, high - low])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--datasets", type=int, default=1000)
    parser.add_argument("--sizes", type=int, nargs="+", help="default: 500 5000; neighbors: 200 1000")
    parser.add_argument("--only", nargs="+", choices=list(studies()), default=list(studies()))
    parser.add_argument("--out", type=Path, help="also write the table here")
    arguments = parser.parse_args()
    naive_datasets = min(NAIVE_DATASETS, arguments.datasets)
    naive = f"; the naive bootstrap of ece_gap on {naive_datasets} of them" if "calibration" in arguments.only else ""
    lines = [
        f"{arguments.datasets} data sets each{naive}.",
        "",
        "| scenario | n | figure | truth | held the truth | mean width | naive bootstrap |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    print(*lines, sep="\n", flush=True)
    with ProcessPoolExecutor() as pool:
        for kind in arguments.only:
            for scenario, metric, draw, truths, options in studies()[kind]:
                for n in arguments.sizes or SIZES.get(kind, [500, 5000]):
                    run = partial(trial, metric, draw, list(truths), options, n)
                    found = np.stack(list(pool.map(run, range(arguments.datasets), chunksize=10)), axis=-1)
                    for (name, truth), (value, low, high) in zip(truths.items(), found, strict=True):
                        center = value.mean() if truth is None else truth
                        held, width = np.mean((low <= center) & (center <= high)), np.mean(high - low)
                        beside = ""
                        if name == "ece_gap":
                            trials = pool.map(partial(naive_trial, draw, center, n), range(naive_datasets))
                            beside = "{:.1%}, width {:.4f}".format(*np.mean(list(trials), axis=0))
                        row = (scenario, f"{n:,}", name, f"{center:.4f}", f"{held:.1%}", f"{width:.4f}", beside)
                        lines.append("| " + " | ".join(row) + " |")
                        print(lines[-1], flush=True)
    if arguments.out:
        arguments.out.write_text(HEAD + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
