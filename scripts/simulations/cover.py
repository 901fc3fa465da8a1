"""How often do the 95 % intervals hold the truth? Simulated data sets whose truth is known, measured by the metrics.

python scripts/simulations/cover.py --out coverage.md                 # the whole table
python scripts/simulations/cover.py --datasets 200 --only errors      # a quick look
"""

import os
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # one process a core is faster than one call on all of them

import numpy as np
import simulate
import simulate_neighbors
import simulate_ood
from trials import LEVEL, command, row, tries

from trusteq.dimensions.registry import DIMENSIONS

RESAMPLES = 200
NAIVE_DATASETS = 100
SIZES = {"neighbors": [200, 1000]}  # other kinds: 500 and 5,000

HEAD = """# Do the intervals cover?

Printed by `python scripts/simulations/cover.py --out coverage.md`, which simulates data sets whose true figures are
known and counts how often the 95 % interval holds the truth. The scenarios `fifty_and_near_perfect` and
`equal_and_nearly_the_same` are the known limits of `ood_divergence` (see its card).

For points in clouds and clusters (`representation_overlap`), the truth is the mean of the figure over all data sets of
that size. Every point is drawn anew each time.

"""

Draw = Callable[[int, np.random.Generator], dict[str, Any]]


def studies() -> dict[str, list[tuple[str, str, Draw, Mapping[str, float | None], dict[str, Any]]]]:
    """Kind of simulation: (scenario, metric, draw, truth, options). A truth of None is the mean over the data sets."""
    return {
        "errors": [(name, "prediction_error_jaccard", s.draw, s.truth(), {}) for name, s in simulate.ERRORS.items()],
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
    result = DIMENSIONS[metric].of(**draw(n, np.random.default_rng(index)), confidence_level=LEVEL, **options)
    return np.array([[result[f"{name}{end}"] for end in ("", "_low", "_high")] for name in names])


def naive_trial(draw: Draw, truth: float, n: int, index: int) -> np.ndarray:
    """What a plain percentile bootstrap of ece_gap would have said of the same data set."""
    rng = np.random.default_rng(index)
    data = draw(n, rng)
    gaps = []
    for _ in range(RESAMPLES):
        rows = rng.integers(0, n, n)
        again = {name: values[rows] for name, values in data.items()}
        gaps.append(DIMENSIONS["calibration_gap"].of(**again, confidence_level=None)["ece_gap"])
    low, high = np.quantile(gaps, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return np.array([low <= truth <= high, high - low])


def main() -> None:
    parser = command(__doc__, datasets=1000, sizes=None)
    parser.add_argument("--only", nargs="+", choices=list(studies()), default=list(studies()))
    parser.add_argument("--out", type=Path, help="also write the table here")
    options = parser.parse_args()
    naive_datasets = min(NAIVE_DATASETS, options.datasets)
    naive = f"; the naive bootstrap of ece_gap on {naive_datasets} of them" if "calibration" in options.only else ""
    lines = [f"{options.datasets} data sets each{naive}.", ""]
    print(*lines, sep="\n")
    lines.append(row("scenario", "n", "figure", "truth", "held the truth", "mean width", "naive bootstrap"))
    lines.append(row(*["---"] * 7))
    with ProcessPoolExecutor() as pool:
        for kind in options.only:
            for scenario, metric, draw, truths, given in studies()[kind]:
                for n in options.sizes or SIZES.get(kind, [500, 5000]):
                    found = tries(pool, partial(trial, metric, draw, list(truths), given, n), options.datasets)
                    for (name, truth), (value, low, high) in zip(truths.items(), found.transpose(1, 2, 0), strict=True):
                        center = value.mean() if truth is None else truth
                        held, width = np.mean((low <= center) & (center <= high)), np.mean(high - low)
                        beside = ""
                        if name == "ece_gap":
                            naively = tries(pool, partial(naive_trial, draw, center, n), naive_datasets)
                            beside = "{:.1%}, width {:.4f}".format(*naively.mean(axis=0))
                        figures = f"{center:.4f}", f"{held:.1%}", f"{width:.4f}"
                        lines.append(row(scenario, f"{n:,}", name, *figures, beside))
    if options.out:
        old = options.out.read_text(encoding="utf-8") if options.out.is_file() else ""
        kept = re.findall(r"^## .*", old, flags=re.MULTILINE | re.DOTALL)  # the parts that other scripts write
        options.out.write_text("\n\n".join([HEAD + "\n".join(lines), *kept]).strip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
