"""Did a repair help, and did anything suffer? Figures of a model before and after, on examples that it was not fitted
to, each with a paired interval: every draw weighs the examples anew, the same for both."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit, logit

from trusteq.dimensions.calibration_gap import CalibrationOptions, bin_of, edges_of, redrawn_ece
from trusteq.groups import Groups
from trusteq.resampling import Weights
from trusteq.scaling import log_losses

BINS = CalibrationOptions()
SURE = 1e-6  # that a confidence stays away from 0 and 1: the curve runs over its log-odds
POINTS = 100  # at which two curves are compared
LOSS = 0.01  # of accuracy that an interval may leave open, in shares
Rows = np.ndarray
Drawn = np.ndarray  # a figure, then its draws


@dataclass(frozen=True)
class Figure:
    """Before, after, and what changed; each with its interval."""

    before: tuple[float, float, float]
    after: tuple[float, float, float]
    change: tuple[float, float, float]


@dataclass(frozen=True)
class Checked:
    """What was found, and the confidence curves at the points that are told."""

    examples: int
    figures: dict[str, Figure]
    curves: dict[str, tuple[float, float, float]]  # stated confidence: right before, right after, right of large
    noise: float  # the calibration error that a wholly honest model would show on so many examples

    def suffered(self, target: str) -> str | None:
        """Why the repair is not to be kept, in a sentence, or None."""
        accuracy, loss, ece = (self.figures[name].change for name in ("accuracy", "log_loss", "ece"))
        if accuracy[1] < -LOSS:
            may = f"accuracy may have fallen by more than {100 * LOSS:.0f} point (by up to {-100 * accuracy[1]:.1f})"
            return f"{may} on {self.examples:,} examples"
        if target == "large":
            gap = self.figures["curve_gap"]
            if gap.change[2] >= 0:
                return f"its confidence curve did not come reliably nearer to the large model's ({told(gap.change)})"
            return None
        if loss[2] >= 0:
            return f"its log loss did not fall reliably ({told(loss)}): as far as these examples can tell, it is honest"
        if ece[0] > 0:
            return f"its calibration error did not fall ({told(ece)})"
        return None


def told(change: tuple[float, float, float]) -> str:
    value, low, high = (f"{part:+.3f}".replace("-", "−") for part in change)
    return f"{value}, {low} to {high}"


def check(before: Rows, after: Rows, large: Rows, gold: np.ndarray, groups: Groups, level: float, seed: int) -> Checked:
    """The figures of both, from rows of probabilities in one order of classes."""
    weights, sides = Weights(len(gold), seed, groups=groups), (before, after)
    of_large = right_of(large, gold)
    drawn: dict[str, list[Drawn]] = {
        "ece": [redrawn_ece(weights, rows.max(axis=1), right_of(rows, gold), BINS) for rows in sides],
        "brier": [mean(weights, brier(rows, gold)) for rows in sides],
        "log_loss": [mean(weights, log_losses(rows, gold)) for rows in sides],
        "accuracy": [mean(weights, right_of(rows, gold)) for rows in sides],
        "negative_flips": [mean(weights, of_large & ~right_of(rows, gold)) for rows in sides],
    }
    of_it, *own = (mean(weights, rows.max(axis=1) - right_of(rows, gold)) for rows in (large, *sides))
    drawn["overconfidence_gap"] = [np.abs(one - of_it) for one in own]
    lines = [redrawn_line(weights, rows, gold) for rows in (*sides, large)]
    drawn["curve_gap"] = []
    for rows, one in zip(sides, lines, strict=False):
        at = stated_by(rows, large)
        drawn["curve_gap"].append(np.abs(right_at(one, at) - right_at(lines[2], at)).mean(axis=1))
    points = stated_by(*sides, large)
    figures = {name: figure(weights, pair, level) for name, pair in drawn.items()}
    stated = [share for share in (0.6, 0.7, 0.8, 0.9, 0.95, 0.99) if points[0] <= share <= points[-1]]
    curves = {}
    for share in stated:
        was, now, of_large_one = (float(right_at(one[:1], share)[0, 0]) for one in lines)
        curves[f"{share:g}"] = was, now, of_large_one
    return Checked(len(gold), figures, curves, noise(after.max(axis=1), seed))


def noise(confidence: np.ndarray, seed: int) -> float:
    """The mean calibration error of one that is right exactly as often as it says: what is left in small bins."""
    trials = max(10, min(200, 2_000_000 // len(confidence)))  # of many examples a few tell as much, in little memory
    right = np.random.default_rng(seed).uniform(size=(trials, len(confidence))) < confidence
    bins = bin_of(confidence, edges_of(confidence, BINS))
    held = np.eye(BINS.n_bins)[bins]
    return float(np.abs((right - confidence) @ held).sum(axis=1).mean() / len(confidence))


def right_of(rows: Rows, gold: np.ndarray) -> np.ndarray:
    return np.asarray(rows.argmax(axis=1) == gold)


def brier(rows: Rows, gold: np.ndarray) -> np.ndarray:
    return np.asarray(((rows - np.eye(rows.shape[1])[gold]) ** 2).sum(axis=1))


def mean(weights: Weights, values: np.ndarray) -> Drawn:
    sums = weights.of(np.stack([values.astype(np.float64), np.ones(len(values))], axis=1))
    return np.asarray(sums[:, 0] / sums[:, 1])


def figure(weights: Weights, pair: list[Drawn], level: float) -> Figure:
    before, after = weights.spread(np.stack(pair))
    first, then = (at_least(0.0, ends(one, level)) for one in (before, after))
    return Figure(first, then, ends(after - before, level))


def ends(drawn: Drawn, level: float) -> tuple[float, float, float]:
    """The value and its interval: the wider of what was drawn and its reflection at the value."""
    value = float(drawn[0])
    low, high = np.quantile(drawn[1:], [(1 - level) / 2, (1 + level) / 2])
    return value, float(min(low, 2 * value - high, value)), float(max(high, 2 * value - low, value))


def at_least(least: float, values: tuple[float, float, float]) -> tuple[float, float, float]:
    return values[0], max(least, values[1]), values[2]


# The confidence curve: how often a model is right where it states a confidence, as a line in log-odds.


def line(rows: Rows, gold: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Intercept and slope of a logistic regression of right answers on stated log-odds; every example's part in them,
    and how the loss bends."""
    right = right_of(rows, gold).astype(np.float64)
    inputs = np.stack([np.ones(len(rows)), said(rows.max(axis=1))], axis=1)
    honest, prior = np.array([0.0, 1.0]), np.eye(2)  # as one example would: some models are never wrong
    found, bend = np.zeros(2), prior  # from where the loss bends most: from further out Newton's steps overshoot
    for _ in range(50):
        share = expit(inputs @ found)
        bend = inputs.T @ (inputs * (share * (1 - share))[:, None]) + prior
        step = np.linalg.solve(bend, inputs.T @ (right - share) - prior @ (found - honest))
        found = found + np.clip(step, -1, 1)
        if np.abs(step).max() < 1e-10:
            break
    return found, inputs * (right - expit(inputs @ found))[:, None], bend


def redrawn_line(weights: Weights, rows: Rows, gold: np.ndarray) -> np.ndarray:
    """The line, and its draws (to the first order: one step from the fit)."""
    found, scores, bend = line(rows, gold)
    sums = weights.of(np.concatenate([scores, np.ones((len(rows), 1))], axis=1))
    moved = sums[:, :2] / sums[:, 2:] * len(rows)
    return np.asarray(found + (moved - moved[0]) @ np.linalg.inv(bend))


def gap_between(rows: Rows, large: Rows, gold: np.ndarray) -> float:
    """Of two models' curves, where they state their confidence."""
    points = stated_by(rows, large)
    one, other = (right_at(line(some, gold)[0][None], points) for some in (rows, large))
    return float(np.abs(one - other).mean())


def stated_by(*models: Rows) -> np.ndarray:
    """Confidences as these models state them, evenly many of each."""
    return np.quantile([rows.max(axis=1) for rows in models], (np.arange(POINTS) + 0.5) / POINTS)


def said(confidence: Any) -> np.ndarray:
    return np.asarray(logit(np.clip(confidence, SURE, 1 - SURE)))


def right_at(lines: np.ndarray, confidence: Any) -> np.ndarray:
    """How often it is right where it states these confidences: lines first."""
    return np.asarray(expit(lines[:, :1] + lines[:, 1:] * said(np.atleast_1d(confidence))))


# In words.

NAMES = {
    "ece": "calibration error (ECE)",
    "brier": "Brier score",
    "log_loss": "log loss",
    "accuracy": "accuracy",
    "negative_flips": "wrong where large is right",
    "overconfidence_gap": "gap of overconfidence",
    "curve_gap": "gap of confidence curves",
}


def table(checked: Checked) -> str:
    """Before, after and the change of every figure, for a terminal of 100 columns."""

    def cells(values: tuple[float, float, float], plus: str) -> str:
        value, low, high = (format(part, plus).replace("-", "−") for part in values)
        return f"{value} ({low} to {high})"

    lines = [f"  {'':27}{'before':23}{'after':23}change"]
    for name, figure in checked.figures.items():
        before, after, change = cells(figure.before, ".3f"), cells(figure.after, ".3f"), cells(figure.change, "+.3f")
        lines.append(f"  {NAMES[name]:27}{before:23}{after:23}{change}")
    return "\n".join(lines)


def in_words(checked: Checked, percent: Callable[[float], str]) -> list[str]:
    """What it means where the model says that it is sure, and what the figures cannot show."""
    small = f"On {checked.examples:,} examples a wholly honest model would show a calibration error of"
    bound = f"{small} {checked.noise:.3f} by chance."
    stated = [share for share in ("0.9", "0.8", "0.7") if share in checked.curves]
    if not stated:
        return [bound]
    before, after, large = (percent(share) for share in checked.curves[stated[0]])
    where = f"Where it said {percent(float(stated[0]))}, it was right in {before} of cases"
    return [f"{where}; where it says so now, in {after}; the large model, in {large}.", bound]
