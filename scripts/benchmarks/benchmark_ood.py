"""What ood_divergence takes beside scikit-learn's ROC curves. Part of benchmark.py."""

from collections.abc import Iterator

import numpy as np
from benchmark_rows import Row, Settings, best_times, load


def rows(given: Settings) -> Iterator[Row]:
    from sklearn.metrics import roc_auc_score

    n = given.size(1_000_000, tiny=1000)
    rng = np.random.default_rng(0)
    outside = rng.integers(0, 2, n)
    large = rng.normal(size=n) + 2 * outside
    compressed = 0.7 * large + rng.normal(size=n)
    ood = load("ood_divergence")

    def ours() -> None:
        ood.compute(predictions=compressed, references=outside, large_predictions=large, score="given")

    def areas() -> None:
        for scores in (compressed, large):
            roc_auc_score(outside, scores)

    mine, theirs = best_times(5, ours, areas)
    yield Row(f"{n:,} rows with intervals; scikit-learn's roc_auc_score of the two models", mine, theirs, 1.5)
