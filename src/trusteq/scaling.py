"""Which probabilities would have been honest? Temperature, biases, vector and Dirichlet scaling, fitted to labels.

All are lines through a row's centred log-probabilities, u = log p - mean(log p): the repaired row is softmax(A u + c).
Of a classifier with the logits z = W h + b, u is z less its mean, which is linear, too (u = C z). So the last linear
layer can take all of it, exactly: W' = A C W and b' = A C b + c.

Dirichlet scaling (Kull et al. 2019) is softmax(M log p + c). Of M what is the same in all rows drops out of the
softmax; a model's logits have it exactly if the rows of M add up to the same number, since log p = z - logsumexp(z)
and only then does the second term drop out as well. What is fitted here is Dirichlet scaling with such an M; one whose
rows add up to different numbers bends what a linear layer cannot bend. Of two classes that leaves one slope and one
bias (Platt 1999), which vector scaling has as well."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

# From the fewest parameters to the most: temperature (Guo et al. 2017), a bias for each class (which moves thresholds),
# both with a slope for each class (vector scaling, the same paper), and a whole matrix.
METHODS = ("temperature", "bias", "vector", "dirichlet")
FOLDS = 5
LARGEST = 50.0  # slope: labels that a model separates would have it grow for ever
PRIOR = 1.0  # examples that the unscaled model counts for: of nearly no data nothing is learned
SMALLEST = 1e-300


@dataclass(frozen=True)
class Scaling:
    """A line on centred log-probabilities: A (`weight`, classes by classes) and c (`bias`).

    >>> rows = np.array([[0.2, 0.8], [0.5, 0.5]])
    >>> Scaling("temperature", 0.5 * np.eye(2), np.zeros(2)).of(rows).round(3).tolist()
    [[0.333, 0.667], [0.5, 0.5]]
    """

    method: str
    weight: np.ndarray
    bias: np.ndarray

    def of(self, rows: np.ndarray) -> np.ndarray:
        """Probabilities as they should have been."""
        return np.exp(log_softmax(centred(rows) @ self.weight.T + self.bias))

    def after(self, first: "Scaling") -> "Scaling":
        """Both in one, where the other comes first."""
        between = self.weight @ centring(len(self.bias))
        return Scaling(self.method, between @ first.weight, between @ first.bias + self.bias)

    def undone(self) -> "Scaling":
        """What leads back: from honest probabilities to what this model would say.

        >>> scaling = Scaling("vector", np.diag([0.5, 2.0]), np.array([0.3, 0.0]))
        >>> scaling.undone().of(scaling.of(np.array([[0.2, 0.8]]))).round(6).tolist()
        [[0.2, 0.8]]
        """
        middle = centring(len(self.bias))
        back = np.linalg.pinv(middle @ self.weight @ middle)
        return Scaling(self.method, back, -back @ self.bias)

    def in_order(self, order: Sequence[int] | np.ndarray) -> "Scaling":
        """The same for rows whose classes stand in another order: where `order` says each one is now."""
        places = np.asarray(order, dtype=np.intp)
        return Scaling(self.method, self.weight[places][:, places], self.bias[places])

    def folded(self, weight: np.ndarray, bias: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """The last linear layer with this in it. Of a layer with one logit, whose classes have 1 - p and p, too."""
        if len(weight) == 1:
            sides = np.array([-1.0, 1.0])
            slope = sides @ self.weight @ sides / 2
            return slope * weight, slope * (0.0 if bias is None else bias) + sides @ self.bias[:, None]
        onto = self.weight @ centring(len(weight))
        return onto @ weight, self.bias + (0.0 if bias is None else onto @ bias)


def identity(classes: int) -> Scaling:
    return Scaling("none", np.eye(classes), np.zeros(classes))


def centring(classes: int) -> np.ndarray:
    return np.eye(classes) - 1 / classes


def centred(rows: np.ndarray) -> np.ndarray:
    """
    >>> centred(np.array([[0.5, 0.5]])).tolist()
    [[0.0, 0.0]]
    """
    logs = np.log(np.maximum(rows, SMALLEST))
    return np.asarray(logs - logs.mean(axis=1, keepdims=True))


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """As SciPy's, which takes ten times as long over rows of few classes.

    >>> log_softmax(np.array([[0.0, np.log(3)]])).round(3).tolist()
    [[-1.386, -0.288]]
    """
    lower = logits - logits.max(axis=1, keepdims=True)
    return np.asarray(lower - np.log(np.exp(lower).sum(axis=1, keepdims=True)))


def methods_for(classes: int, bias: bool = True) -> tuple[str, ...]:
    """Those that differ: of two classes a matrix can do no more than vector scaling; without a bias there is but one.

    >>> methods_for(2), methods_for(3, bias=False)
    (('temperature', 'bias', 'vector'), ('temperature',))
    """
    if not bias:
        return METHODS[:1]
    return METHODS[:3] if classes == 2 else METHODS


# Fitting.


def fit(method: str, rows: np.ndarray, gold: np.ndarray) -> Scaling:
    """The scaling whose log loss on these labels is least (a convex problem, but for a slope's limits).

    >>> rng = np.random.default_rng(0)
    >>> p = rng.uniform(0, 1, 20_000)
    >>> gold = (rng.uniform(0, 1, 20_000) < p).astype(int)
    >>> said = Scaling("", 3.0 * np.eye(2), np.zeros(2)).of(np.stack([1 - p, p], axis=1))  # three times too sure
    >>> abs(float(fit("temperature", said, gold).weight[0, 0]) - 1 / 3) < 0.02
    True
    """
    from scipy.optimize import minimize  # slow to import, and what only applies a scaling does not need it

    n, classes = rows.shape
    inputs, chosen = centred(rows), np.eye(classes)[gold]
    start, limits = begin(method, classes)

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        scaling = spread(method, values, classes)
        logs = log_softmax(inputs @ scaling.weight.T + scaling.bias)
        residual = (np.exp(logs) - chosen) / n
        apart = values - start
        value = -float((chosen * logs).sum()) / n + PRIOR * float(apart @ apart) / (2 * n)
        return value, gathered(method, residual.T @ inputs, residual.sum(axis=0)) + PRIOR * apart / n

    found = minimize(loss, start, jac=True, bounds=limits, method="L-BFGS-B")
    return spread(method, found.x, classes)


def begin(method: str, classes: int) -> tuple[np.ndarray, list[tuple[float | None, float | None]]]:
    """The parameters that change nothing, and their limits: a slope never turns around."""
    slope: list[tuple[float | None, float | None]] = [(1 / LARGEST, LARGEST)]
    free: list[tuple[float | None, float | None]] = [(None, None)]
    if method == "temperature":
        return np.ones(1), slope
    if method == "bias":
        return np.zeros(classes), free * classes
    if method == "vector":
        return np.concatenate([np.ones(classes), np.zeros(classes)]), slope * classes + free * classes
    return np.concatenate([np.eye(classes).ravel(), np.zeros(classes)]), free * (classes * classes + classes)


def spread(method: str, values: np.ndarray, classes: int) -> Scaling:
    weight, bias = np.eye(classes), np.zeros(classes)
    if method == "temperature":
        weight = values[0] * weight
    elif method == "bias":
        bias = values
    elif method == "vector":
        weight, bias = np.diag(values[:classes]), values[classes:]
    else:
        weight, bias = values[: classes * classes].reshape(classes, classes), values[classes * classes :]
    return Scaling(method, weight, bias)


def gathered(method: str, of_weight: np.ndarray, of_bias: np.ndarray) -> np.ndarray:
    """The gradient in a method's own parameters."""
    if method == "temperature":
        return np.array([np.trace(of_weight)])
    if method == "bias":
        return of_bias
    if method == "vector":
        return np.concatenate([np.diag(of_weight), of_bias])
    return np.concatenate([of_weight.ravel(), of_bias])


# The choice among the methods.


@dataclass(frozen=True)
class Choice:
    """What was chosen, and each method's cross-validated log loss."""

    scaling: Scaling
    losses: dict[str, float]


def choose(
    rows: np.ndarray, gold: np.ndarray, units: np.ndarray, methods: Sequence[str], seed: int, cautious: bool = True
) -> Choice:
    """The method with the least cross-validated log loss, fitted to all rows; where that is to be `cautious`, the
    simplest (to change nothing is the simplest) that is within a standard error of it.

    Rows of a unit (a group, a repeated text) lie in one fold.
    """
    folds = folds_of(units, FOLDS, seed)
    losses = {"none": log_losses(rows, gold)}
    for method in methods:
        losses[method] = np.empty(len(gold))
        for fold in range(FOLDS):
            out = folds == fold
            losses[method][out] = log_losses(fit(method, rows[~out], gold[~out]).of(rows[out]), gold[out])
    best = min(losses, key=lambda method: losses[method].mean())
    behind = {method: found - losses[best] for method, found in losses.items()}
    near = (one for one, by in behind.items() if by.mean() <= cautious * by.std() / len(gold) ** 0.5)
    method = next(near)  # the best one at the latest
    scaling = identity(rows.shape[1]) if method == "none" else fit(method, rows, gold)
    return Choice(scaling, {method: float(found.mean()) for method, found in losses.items()})


def folds_of(units: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Each row's part of so many equal ones, drawn at random; rows of a unit stay together."""
    _, unit = np.unique(units, return_inverse=True)
    dealt = np.random.default_rng(seed).permutation(int(unit.max()) + 1) % count
    return np.asarray(dealt[unit])


def log_losses(rows: np.ndarray, gold: np.ndarray) -> np.ndarray:
    return -np.log(np.maximum(rows[np.arange(len(gold)), gold], np.finfo(np.float64).eps))


def read_scaling(name: str, given: Any, classes: int) -> Scaling:
    """From a dict with `weight` and `bias`, as `trusteq repair` writes it."""
    try:
        weight, bias = (np.asarray(given[key], dtype=np.float64) for key in ("weight", "bias"))
    except (TypeError, KeyError, ValueError):
        raise ValueError(f"{name} must be a dict with weight and bias, as trusteq repair writes it") from None
    known = np.isfinite(weight).all() and np.isfinite(bias).all()
    if weight.shape != (classes, classes) or bias.shape != (classes,) or not known:
        shapes = f"({classes}, {classes}) and ({classes},)"
        raise ValueError(f"{name} needs finite weight and bias of the shapes {shapes}, a row for each label")
    return Scaling(str(given.get("method", "")), weight, bias)


def written(scaling: Scaling) -> dict[str, Any]:
    return {"method": scaling.method, "weight": scaling.weight.tolist(), "bias": scaling.bias.tolist()}
