"""How often do the intervals of running text hold the truth? Tokens of one document are alike, and divergences skewed.

python scripts/simulations/simulate_running_text.py --out coverage.md
python scripts/simulations/simulate_running_text.py --datasets 200 --sizes 30     # a quick look, within 1.5 points

A document has its own level of divergence (it scatters by a factor of 1.6 between documents, more than between stories
of AG News for SmolLM2 in bfloat16, 1.1), its tokens scatter around it by a factor of 3.5 (there 2.9), and documents are
short and alike in length, or of very uneven lengths.
"""

import math
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from pathlib import Path

import numpy as np
from trials import LEVEL, command, line_of, put, tries

from trusteq.next_tokens import figures_of, mean_interval

BETWEEN, WITHIN = 0.45, 1.25  # of the logarithm of a divergence
SHAPES = {"about 50 tokens each": (50, 0.2), "5 to 2,000 tokens, mostly 60": (60, 1.0)}
NEARNESS = {"near": 0.002, "far": 0.4}  # the typical divergence
FIGURES = ("moved_probability", "kl_mean", "kl_median", "kl_p95", "right_change_rms", "same_top", "perplexity_ratio")
ALONE = "kl mean, tokens as independent"
TRUTH = 60_000  # documents
HEAD = """
## Running text: intervals by document

How often 95 % intervals of `trusteq audit --task text` hold the truth, in {datasets:,} data sets each, printed by
`python scripts/simulations/simulate_running_text.py --out coverage.md`; 95 % is known to {error:.1f} points. Asked for:
93 %. Models are near (a typical divergence of 0.002) or far (0.4). The last column is what taking tokens as independent
gives, as `llama-perplexity` does.
"""


def draw(rng: np.random.Generator, documents: int, shape: tuple[int, float], kl: float) -> dict[str, np.ndarray]:
    """What two models say of the tokens of so many documents."""
    lengths = np.clip(shape[0] * np.exp(shape[1] * rng.standard_normal(documents)), 5, 2000).astype(int)
    groups = np.repeat(np.arange(documents), lengths)
    own = BETWEEN * rng.standard_normal(documents)
    hard = 0.5 * rng.standard_normal(documents)
    count = len(groups)
    found = np.minimum(kl * np.exp(own[groups] + WITHIN * rng.standard_normal(count)), 20.0)
    right = -rng.gamma(1.2, 2.5, count) * np.exp(hard[groups] / 2)
    size = np.sqrt(2 * found)
    change = size * rng.standard_normal(count) - found
    moved = np.minimum(1.0, size / 2.5)
    same = rng.random(count) > np.minimum(0.9, moved)
    return {
        "groups": groups,
        "kl": found,
        "moved": moved,
        "large": right,
        "right": np.minimum(right + change, 0.0),
        "top": same.astype(int),
    }


def measured(drawn: dict[str, np.ndarray], level: float | None) -> dict[str, float]:
    count = len(drawn["kl"])
    large = {"right": drawn["large"], "top": np.ones(count, int), "entropy": np.zeros(count)}
    said = {name: drawn[name] for name in ("right", "top", "kl", "moved")} | {"entropy": np.zeros(count)}
    return figures_of(said, large, drawn["groups"], level)


@cache
def truth(shape: tuple[int, float], kl: float) -> dict[str, float]:
    return measured(draw(np.random.default_rng(10**9), TRUTH, shape, kl), None)


def trial(documents: int, shape: tuple[int, float], kl: float, true: dict[str, float], index: int) -> list[float]:
    """For each figure whether its interval holds the truth; and whether that of the mean divergence does which takes
    tokens as independent."""
    drawn = draw(np.random.default_rng(index), documents, shape, kl)
    found = measured(drawn, LEVEL)
    held = [float(found[f"{name}_low"] <= true[name] <= found[f"{name}_high"]) for name in FIGURES]
    low, high = mean_interval(drawn["kl"], np.arange(len(drawn["kl"])), LEVEL)
    return [*held, float(low <= true["kl_mean"] <= high)]


def main() -> None:
    parser = command(__doc__, datasets=4000, sizes=[15, 60])
    parser.add_argument("--out", type=Path, help="also write the table here")
    options = parser.parse_args()
    lines = [line_of("documents", "how many", "models", *(name.replace("_", " ") for name in FIGURES), ALONE)]
    lines.append(line_of(*["---"] * (4 + len(FIGURES))))
    print(*lines, sep="\n")
    with ProcessPoolExecutor() as pool:
        for title, shape in SHAPES.items():
            for documents in options.sizes:
                for near, kl in NEARNESS.items():
                    once = partial(trial, documents, shape, kl, truth(shape, kl))
                    held = tries(pool, once, options.datasets).mean(axis=0)
                    lines.append(line_of(title, f"{documents}", near, *(f"{one:.1%}" for one in held)))
                    print(lines[-1], flush=True)
    if options.out:
        error = 100 * math.sqrt(LEVEL * (1 - LEVEL) / options.datasets)
        put([HEAD.format(datasets=options.datasets, error=error), *lines, ""], options.out, "running text")


if __name__ == "__main__":
    main()
