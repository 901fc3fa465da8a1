"""How do two models fall under the same attacks? Outcomes of both become figures and intervals."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .intervals import normal_quantile, share_interval
from .outcomes import Outcome

Row = tuple[int, ...]
Columns = dict[str, np.ndarray]

NAMES = ("right", "broken", "queries", "changed", "changeable", "transfers")


def summarize(outcome: Outcome) -> Row:
    """What the figures need of one example: a few numbers; `transfers` is -1 where nobody knows."""
    transfers = -1 if outcome.transfers is None else int(outcome.transfers)
    right, broken = outcome.status != "skipped", outcome.status == "broken"
    return right, broken, outcome.queries, outcome.changed_words, outcome.changeable, transfers


def columns(rows: Sequence[Row]) -> Columns:
    found = dict(zip(NAMES, np.array(rows, dtype=np.int64).T, strict=True))
    return found | {name: found[name].astype(bool) for name in ("right", "broken", "changeable")}


def finish(small: Columns, large: Columns, level: float | None) -> dict[str, Any]:
    """The figures of both models' columns.

    >>> broken = (True, True, 5, 1, True, 0)  # right when clean, broken, 5 questions, 1 word, changeable, no transfer
    >>> withstood = (True, False, 9, 0, True, -1)
    >>> result = finish(columns([broken, broken]), columns([broken, withstood]), level=None)
    >>> result["accuracy_fall"], result["large_accuracy_fall"], result["broken_jaccard"], result["transfer_to_large"]
    (1.0, 0.5, 0.5, 0.0)
    """
    n = len(small["right"])
    result: dict[str, Any] = {}
    models = (("", small), ("large_", large))
    for prefix, model in models:
        right, broken = int(model["right"].sum()), int(model["broken"].sum())
        result[f"{prefix}accuracy"] = right / n
        result[f"{prefix}attacked_accuracy"] = (right - broken) / n
        result[f"{prefix}accuracy_fall"] = share(broken, right)
        result[f"{prefix}success_rate"] = share(broken, right)
    for name in ("accuracy", "attacked_accuracy", "accuracy_fall", "success_rate"):
        result[f"{name}_gap"] = result[name] - result[f"large_{name}"]
    both = small["right"] & large["right"]
    first, second = small["broken"][both], large["broken"][both]
    shared, either = int((first & second).sum()), int((first | second).sum())
    result["broken_jaccard"] = share(shared, either, nothing=1.0)
    result["expected_broken_jaccard"] = expected_jaccard(int(first.sum()), int(second.sum()), int(both.sum()))
    if level is not None:
        low, high = fall_gap_interval(small, large, level)
        result["accuracy_fall_gap_low"], result["accuracy_fall_gap_high"] = low, high
        result["broken_jaccard_low"], result["broken_jaccard_high"] = share_interval(shared, either, level)
    for name, one, other in (("transfer_to_large", small, large), ("transfer_from_large", large, small)):
        transfers = one["transfers"][one["broken"] & other["right"]]
        if (transfers >= 0).all():
            result[name] = share(int(transfers.sum()), len(transfers))
    for prefix, model in models:
        result[f"{prefix}mean_queries"] = mean(model["queries"][model["right"]])
        result[f"{prefix}mean_changed_words"] = mean(model["changed"][model["broken"]])
        result[f"{prefix}unchangeable_texts"] = int((model["right"] & ~model["changeable"]).sum())
    return result | {"examples": n}


def share(part: int, whole: int, nothing: float = 0.0) -> float:
    return part / whole if whole else nothing


def mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else 0.0


def expected_jaccard(first: int, second: int, n: int) -> float:
    """What two unrelated sets of these sizes, out of n, share; two empty ones are equal.

    >>> expected_jaccard(50, 50, 100)
    0.3333333333333333
    """
    if not first + second:
        return 1.0
    chance = first * second / n
    return chance / (first + second - chance)


def fall_gap_interval(small: Columns, large: Columns, level: float) -> tuple[float, float]:
    """Interval of the difference of two relative falls on the same examples.

    A fall is a ratio, the broken of the right, so its error comes by the delta method; examples that both models had
    right make the two errors go together. As in Bonett and Price (2012) two examples are added, one that broke either
    model alone: where all were right, the interval is theirs.
    """
    right, large_right = int(small["right"].sum()), int(large["right"].sum())
    broken, large_broken = int(small["broken"].sum()), int(large["broken"].sum())
    both = small["right"] & large["right"]
    first, second = small["broken"][both], large["broken"][both]
    n, large_n = right + 2, large_right + 2
    fall, large_fall = (broken + 1) / n, (large_broken + 1) / large_n
    together = int((first & second).sum()) + fall * large_fall * (int(both.sum()) + 2)
    together -= large_fall * (int(first.sum()) + 1) + fall * (int(second.sum()) + 1)
    variance = fall * (1 - fall) / n + large_fall * (1 - large_fall) / large_n - 2 * together / (n * large_n)
    reach = normal_quantile(level) * max(variance, 0.0) ** 0.5
    gap, center = share(broken, right) - share(large_broken, large_right), fall - large_fall
    return max(-1.0, min(center - reach, gap)), min(1.0, max(center + reach, gap))
