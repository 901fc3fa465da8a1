"""Inputs for every metric folder, so that test_metrics.py can call each one; a new folder adds its own here.

Every number is a multiple of 1/64 of modest size, so that float16 and bfloat16 hold it exactly, and probability rows
sum to exactly 1: what is fed in as another type is then the same input, and must give the same result.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Inputs = dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Example:
    inputs: Callable[[int], Inputs]  # so many rows of every argument
    options: dict[str, Any] = field(default_factory=dict)
    many: int = 70_000  # rows enough for more than one piece, where the metric works in pieces


def label_inputs(n: int) -> Inputs:
    rng = np.random.default_rng(n)
    gold = rng.integers(3, size=n)
    return {
        "predictions": np.where(rng.random(n) < 0.7, gold, rng.integers(3, size=n)),
        "references": gold,
        "large_predictions": np.where(rng.random(n) < 0.8, gold, rng.integers(3, size=n)),
    }


def word_inputs(n: int) -> Inputs:
    words = np.array(["yes", "no", "maybe"], dtype=object)
    return {name: words[values] for name, values in label_inputs(n).items()}


def probability_inputs(n: int) -> Inputs:
    return {
        "predictions": probabilities(n, seed=1),
        "references": np.random.default_rng(n).integers(3, size=n),
        "large_predictions": probabilities(n, seed=2),
    }


def logit_inputs(n: int) -> Inputs:
    rng = np.random.default_rng(n)
    rows = {name: rng.integers(-128, 128, (n, 3)) / 64 for name in ("predictions", "large_predictions")}
    return rows | {"references": rng.integers(3, size=n)}


def ood_inputs(n: int) -> Inputs:
    return probability_inputs(n) | {"references": np.arange(n) % 3 // 2}


def ood_logit_inputs(n: int) -> Inputs:
    return logit_inputs(n) | {"references": np.arange(n) % 3 // 2}


def ood_score_inputs(n: int) -> Inputs:
    rows = ood_logit_inputs(n)
    return {name: values[:, 0].copy() if values.ndim == 2 else values for name, values in rows.items()}


def embedding_inputs(n: int) -> Inputs:
    rng = np.random.default_rng(n)
    large = rng.integers(-128, 128, (n, 7))
    noise = rng.integers(-64, 64, (n, 5))
    return {"predictions": (large[:, :5] + noise) / 64, "large_predictions": large / 64}


def attribution_inputs(n: int) -> Inputs:
    rng = np.random.default_rng(n)
    words = np.array(["good", "film", "dull", "plot", "not", "great", "end"])
    columns = {}
    for name in ("predictions", "large_predictions"):
        columns[name] = np.empty(n, dtype=object)
        for i in range(n):
            some = rng.permutation(words)[: rng.integers(1, 7)]
            weights = rng.permutation(128)[: len(some)] / 64 * rng.choice([-1, 1], len(some))  # no two of one size
            columns[name][i] = dict(zip(some.tolist(), weights.tolist(), strict=True))
    return columns


def outcome_inputs(n: int) -> Inputs:
    rng = np.random.default_rng(n)
    columns = {}
    for name in ("predictions", "large_predictions"):
        columns[name] = np.empty(n, dtype=object)
        for i in range(n):
            status = ["skipped", "broken", "broken", "withstood"][rng.integers(4)]
            columns[name][i] = {
                "status": status,
                "queries": 1 if status == "skipped" else int(rng.integers(2, 99)),
                "changed_words": int(rng.integers(1, 9)) if status == "broken" else 0,
                "changeable": bool(status != "withstood" or rng.random() < 0.9),
                "transfers": bool(rng.random() < 0.5) if status == "broken" else None,
            }
    return columns


def probabilities(n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng([n, seed])
    return rng.multinomial(64, rng.dirichlet([0.5, 0.5, 0.5], size=n)) / 64


EXAMPLES = {
    "prediction_error_jaccard": [
        Example(probability_inputs),
        Example(label_inputs),
        Example(word_inputs, {"task": "exact_match"}),
    ],
    "calibration_gap": [
        Example(probability_inputs),
        Example(logit_inputs, {"from_logits": True, "binning": "uniform", "n_bins": 7}),
    ],
    "representation_overlap": [
        Example(embedding_inputs, {"k": [1, 10]}, many=1_500),
        Example(embedding_inputs, {"k": [3], "queries": 50}, many=1_500),
    ],
    "trust_equivalence": [
        Example(probability_inputs),
        Example(label_inputs),
        Example(logit_inputs, {"from_logits": True, "dimensions": ["calibration_gap"]}),
    ],
    "attribution_alignment": [Example(attribution_inputs, {"k": [1, 3]}, many=1_500)],
    "attack_divergence": [Example(outcome_inputs, many=1_500)],
    "ood_divergence": [
        Example(ood_inputs),
        Example(ood_logit_inputs, {"score": "energy", "from_logits": True}),
        Example(ood_score_inputs, {"score": "given", "keep": 0.9}),
    ],
}
