"""Data sets whose truth is known: pairs of models with chosen errors and chosen calibration.

Each scenario has `draw(n, rng)`, the arguments of its metric, and `truth()`, the exact population value of its figures.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
from scipy.special import expit, logit, ndtr
from scipy.stats import beta


@dataclass(frozen=True)
class Errors:
    """Two models that are wrong with chosen probabilities, together and alone."""

    shared: float
    compressed_only: float
    large_only: float

    def draw(self, n: int, rng: np.random.Generator) -> dict[str, Any]:
        probabilities = (self.shared, self.compressed_only, self.large_only)
        kind = rng.choice(4, n, p=[*probabilities, 1 - sum(probabilities)])
        return {
            "predictions": (kind > 1).astype(int),
            "references": np.ones(n, int),
            "large_predictions": (kind % 2 == 1).astype(int),
        }

    def truth(self) -> dict[str, float]:
        either = self.shared + self.compressed_only + self.large_only
        return {"jaccard": self.shared / either, "error_rate_gap": self.compressed_only - self.large_only}


def calibrated(confidence: np.ndarray) -> np.ndarray:
    return confidence


def at_temperature(temperature: float, confidence: np.ndarray) -> np.ndarray:
    """Above 1 the model is over-confident: its chance of being right is its confidence at a higher temperature."""
    return expit(logit(np.clip(confidence, 1e-12, 1 - 1e-12)) / temperature)


def tempered(temperature: float) -> Callable[[np.ndarray], np.ndarray]:
    return partial(at_temperature, temperature)


@dataclass(frozen=True)
class Model:
    """Confidence is 0.5 + Beta(a, b) / 2; the chance of being right is `right(confidence)`."""

    a: float
    b: float
    right: Callable[[np.ndarray], np.ndarray]

    def confidence(self, uniform: np.ndarray) -> np.ndarray:
        return 0.5 + beta.ppf(uniform, self.a, self.b) / 2

    @cache  # noqa: B019 - scenarios live as long as the program
    def truth(self, n_bins: int = 10, points: int = 200_000) -> dict[str, float]:
        """ECE over population quantile bins and Brier score, integrated over the quantiles of the confidence."""
        confidence = self.confidence((np.arange(n_bins * points // n_bins) + 0.5) / points)
        right = self.right(confidence)
        bins = (right - confidence).reshape(n_bins, -1).mean(axis=1)
        brier = 2 * (right * (1 - confidence) ** 2 + (1 - right) * confidence**2)
        return {"ece": float(np.abs(bins).mean()), "brier": float(brier.mean()), "accuracy": float(right.mean())}


@dataclass(frozen=True)
class Calibration:
    """Two binary classifiers on the same examples, whose confidences and successes go together to a chosen degree."""

    compressed: Model
    large: Model
    together: float = 0.6

    def draw(self, n: int, rng: np.random.Generator) -> dict[str, Any]:
        mixing = np.linalg.cholesky([[1, self.together], [self.together, 1]])
        confidence_uniform, right_uniform = (ndtr(mixing @ rng.standard_normal((2, n))) for _ in range(2))
        gold = rng.integers(0, 2, n)
        rows = []
        for model, u, v in zip((self.compressed, self.large), confidence_uniform, right_uniform, strict=True):
            confidence = model.confidence(u)
            label = np.where(v < model.right(confidence), gold, 1 - gold)
            rows.append(np.where(label[:, None] == np.arange(2), confidence[:, None], 1 - confidence[:, None]))
        return {"predictions": rows[0], "references": gold, "large_predictions": rows[1]}

    def truth(self) -> dict[str, float]:
        compressed, large = self.compressed.truth(), self.large.truth()
        return {f"{name}_gap": compressed[name] - large[name] for name in compressed}


ERRORS = {
    "errors 23 % and 35 %, Jaccard 0.41": Errors(shared=0.168, compressed_only=0.182, large_only=0.06),
    "errors 8 % and 10 %, Jaccard 0.50": Errors(shared=0.06, compressed_only=0.04, large_only=0.02),
    "errors 12 % and 12 %, Jaccard 0.06": Errors(shared=0.0144, compressed_only=0.1056, large_only=0.1056),
}

CALIBRATION = {
    "both calibrated": Calibration(Model(3, 1, calibrated), Model(4, 0.8, calibrated)),
    "compressed a little over-confident": Calibration(Model(3, 1, tempered(1.2)), Model(3, 1, calibrated)),
    "compressed clearly over-confident": Calibration(Model(3, 1, tempered(2)), Model(3, 1, calibrated)),
    "both over-confident": Calibration(Model(4, 0.6, tempered(2)), Model(4, 0.6, tempered(1.6))),
    "large under-confident": Calibration(Model(3, 1, tempered(1.1)), Model(2, 1, tempered(0.8))),
}
