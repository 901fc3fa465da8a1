"""What a row costs through evaluate's own `compute`, and what it costs through ours. Part of benchmark.py."""

from collections.abc import Iterator
from typing import Any

import evaluate
import numpy as np
from benchmark_rows import Row, Settings, best_times, load


class Stock(evaluate.Metric):
    """A metric of ours as evaluate would run it: rows go through its `add_batch` and Arrow, then into our figures."""

    def __init__(self, ours: Any, **options: Any):
        self.ours, self.settings = ours, options
        super().__init__()

    def _info(self) -> Any:
        return evaluate.MetricInfo(description="", citation="", inputs_description="", features=self.ours.features)

    def _compute(self, **inputs: Any) -> Any:
        return self.ours.compute(**inputs, **self.settings)


def rows(given: Settings) -> Iterator[Row]:
    n = given.size(100_000, tiny=100)
    for name, (inputs, options) in inputs_of_all(n, points=given.size(2_000, tiny=50)).items():
        ours = load(name)
        stock = Stock(ours, **options)

        def fast(ours: Any = ours, given: Any = inputs | options) -> None:
            ours.compute(**given)

        def slow(stock: Any = stock, given: Any = inputs) -> None:
            stock.compute(**given)

        count = len(inputs["predictions"])
        mine, theirs = (seconds / count for seconds in best_times(3, fast, slow))
        yield Row(f"{name}, {count:,} rows, time of each; the same through evaluate's stock path", mine, theirs, 1)


def inputs_of_all(n: int, points: int) -> dict[str, tuple[dict[str, np.ndarray], dict[str, Any]]]:
    """For each metric on arrays what goes in, and the options."""
    rng = np.random.default_rng(0)
    gold, labels, large_labels = (rng.integers(0, 3, n) for _ in range(3))
    compressed, large = rng.dirichlet([1, 1, 1], n), rng.dirichlet([2, 1, 1], n)
    outside = rng.integers(0, 2, n)
    embedded = rng.standard_normal((2, points, 64))
    return {
        "prediction_error_jaccard": (arguments(labels, large_labels, gold), {}),
        "calibration_gap": (arguments(compressed, large, gold), {}),
        "representation_overlap": (arguments(*embedded), {"k": 10}),
        "ood_divergence": (arguments(compressed, large, outside), {"score": "msp"}),
    }


def arguments(compressed: np.ndarray, large: np.ndarray, gold: np.ndarray | None = None) -> dict[str, np.ndarray]:
    return {"predictions": compressed, "large_predictions": large} | ({} if gold is None else {"references": gold})
