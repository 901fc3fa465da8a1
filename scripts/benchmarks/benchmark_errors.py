"""What prediction_error_jaccard takes beside the comparisons that nobody can do without. Part of benchmark.py."""

from collections.abc import Iterator

import numpy as np
from benchmark_rows import Row, Settings, best_times, load


def rows(given: Settings) -> Iterator[Row]:
    n = given.size(10_000_000, tiny=1000)
    rng = np.random.default_rng(0)
    gold, compressed, large = (rng.integers(0, 3, n) for _ in range(3))
    errors = load("prediction_error_jaccard")

    def ours() -> None:
        errors.compute(predictions=compressed, references=gold, large_predictions=large)

    def comparisons() -> None:
        _ = compressed == gold, large == gold, compressed == large

    mine, theirs = best_times(5, ours, comparisons)
    yield Row(f"{n:,} labels with intervals; three NumPy comparisons", mine, theirs, 5)
