"""Scalings of probabilities: what a linear layer takes exactly, and which one is chosen."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import softmax

from trusteq import scaling
from trusteq.scaling import METHODS, Scaling, choose, fit, folds_of, read_scaling, written


def examples(classes, count=400, seed=0, slope=1.0, bias=()):
    """Rows of honest probabilities but for a slope and a bias, and labels drawn by what is honest."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1.5, (count, classes))
    gold = np.array([rng.choice(classes, p=row) for row in softmax(logits, axis=1)])
    lean = np.zeros(classes)
    lean[: len(bias)] = bias
    return softmax(slope * logits + lean, axis=1), gold


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("method", METHODS)
def test_every_scaling_folds_exactly_into_the_last_linear_layer(method, classes):
    rows, gold = examples(classes, slope=2.0, bias=(0.7,))
    found = fit(method, rows, gold)
    rng = np.random.default_rng(1)
    weight, bias, hidden = rng.normal(size=(classes, 8)), rng.normal(size=classes), rng.normal(size=(50, 8))
    new_weight, new_bias = found.folded(weight, bias)
    expected = found.of(softmax(hidden @ weight.T + bias, axis=1))
    assert softmax(hidden @ new_weight.T + new_bias, axis=1) == pytest.approx(expected, abs=1e-12)
    assert np.abs(expected - softmax(hidden @ weight.T + bias, axis=1)).max() > 0.01  # it does something


@pytest.mark.parametrize("method", METHODS[:3])
def test_a_layer_with_one_logit_takes_it_too(method):
    rows, gold = examples(2, slope=2.0, bias=(0.7,))
    found = fit(method, rows, gold)
    logits = np.random.default_rng(1).normal(size=(50, 1))

    def both(values):
        return np.concatenate([1 / (1 + np.exp(values)), 1 / (1 + np.exp(-values))], axis=1)

    weight, bias = found.folded(np.ones((1, 1)), np.zeros(1))
    assert both(logits @ weight.T + bias) == pytest.approx(found.of(both(logits)), abs=1e-12)


def test_a_matrix_on_log_probabilities_whose_rows_add_up_differently_cannot_be_folded():
    """The log-odds that it gives are no linear function of the logits; those of one with equal sums are."""
    ends = np.array([[2.0, 0.0, -1.0], [-1.0, 3.0, 0.5]])

    def bend(matrix):
        def log_odds(logits):
            log = logits - np.log(np.exp(logits).sum())
            return (matrix @ log)[1:] - (matrix @ log)[0]

        return np.abs(log_odds(ends.mean(axis=0)) - (log_odds(ends[0]) + log_odds(ends[1])) / 2).max()

    equal = np.array([[1.2, -0.1, -0.3], [0.2, 0.9, -0.3], [-0.4, 0.1, 1.1]])
    assert equal.sum(axis=1) == pytest.approx(0.8)
    assert bend(equal) < 1e-12
    assert bend(equal + np.diag([0.5, 0.0, 0.0])) > 0.05


def test_the_temperature_is_the_one_that_a_search_finds():
    rows, gold = examples(3, count=2000, slope=2.5)
    logs = np.log(rows)

    def loss(slope):
        return -np.log(softmax(slope * logs, axis=1)[np.arange(len(gold)), gold]).mean()

    expected = minimize_scalar(loss, bounds=(0.05, 5), method="bounded").x
    assert fit("temperature", rows, gold).weight[0, 0] == pytest.approx(expected, abs=2e-3)  # one example's prior
    assert expected == pytest.approx(0.4, abs=0.04)


def test_the_gradient_of_each_method_is_that_of_its_loss():
    rows, gold = examples(3, count=60, slope=1.5, bias=(0.4,))
    inputs, chosen = scaling.centred(rows), np.eye(3)[gold]
    for method in METHODS:
        start, _ = scaling.begin(method, 3)
        at = start + 0.1 * np.arange(1, len(start) + 1) / len(start)

        def loss(values, method=method):
            return scaling.log_losses(scaling.spread(method, values, 3).of(rows), gold).mean()

        residual = (scaling.spread(method, at, 3).of(rows) - chosen) / len(gold)
        found = scaling.gathered(method, residual.T @ inputs, residual.sum(axis=0))
        step = 1e-6 * np.eye(len(at))
        slopes = [(loss(at + one) - loss(at - one)) / 2e-6 for one in step]
        assert found == pytest.approx(slopes, abs=1e-6)


@pytest.mark.parametrize(
    ("classes", "slope", "bias", "expected"),
    [(2, 1.0, (), "none"), (3, 1.0, (), "none"), (2, 3.0, (), "temperature"), (3, 0.3, (), "temperature"),
     (2, 1.0, (1.0,), "bias"), (3, 1.0, (1.0,), "bias"), (2, 3.0, (2.0,), "vector")],
)  # fmt: skip
def test_the_simplest_method_that_does_is_chosen(classes, slope, bias, expected):
    rows, gold = examples(classes, count=1500, seed=3, slope=slope, bias=bias)
    found = choose(rows, gold, np.arange(len(gold)), scaling.methods_for(classes), seed=0)
    assert found.scaling.method == expected
    assert list(found.losses) == ["none", *scaling.methods_for(classes)]


def test_two_classes_that_are_taken_for_each_other_need_a_matrix():
    rng = np.random.default_rng(0)
    rows, gold = examples(3, count=3000, slope=1.0)
    mixing = np.array([[1.0, 0.0, 0.0], [0.0, 1.2, -0.9], [0.0, 0.9, 0.3]])
    said = softmax(np.log(rows) @ mixing.T + 0.05 * rng.normal(size=rows.shape), axis=1)
    found = choose(said, gold, np.arange(len(gold)), scaling.methods_for(3), seed=0)
    assert found.scaling.method == "dirichlet"


def test_one_after_the_other_undone_and_in_another_order():
    rows, gold = examples(4, slope=2.0, bias=(0.3, -0.2))
    first, second = fit("vector", rows, gold), fit("dirichlet", rows[::-1], gold)
    assert second.after(first).of(rows) == pytest.approx(second.of(first.of(rows)), abs=1e-12)
    assert first.undone().of(first.of(rows)) == pytest.approx(rows, abs=1e-9)
    order = [2, 0, 3, 1]
    assert first.in_order(order).of(rows[:, order]) == pytest.approx(first.of(rows)[:, order], abs=1e-12)
    assert read_scaling("x", written(first), 4).of(rows) == pytest.approx(first.of(rows), abs=1e-15)


def test_labels_that_the_model_separates_leave_finite_numbers():
    rows = np.array([[0.9, 0.1], [0.2, 0.8]] * 50)
    gold = np.array([0, 1] * 50)
    for method in METHODS:
        found = fit(method, rows, gold)
        assert np.isfinite(found.weight).all()
        assert np.abs(found.weight).max() <= 50
    certain = np.array([[1.0, 0.0], [0.0, 1.0]] * 50)
    assert np.isfinite(fit("temperature", certain, gold).of(certain)).all()


def test_rows_of_a_unit_lie_in_one_fold():
    units = np.repeat(np.arange(20), 3)
    folds = folds_of(units, 5, seed=0).reshape(20, 3)
    assert (folds == folds[:, :1]).all()
    assert np.bincount(folds[:, 0]).tolist() == [4] * 5


@pytest.mark.parametrize("given", [3, {"weight": [[1]]}, {"weight": [[1, 0], [0, 1]], "bias": [0]}, {"weight": "a"}])
def test_a_calibration_that_is_none_is_one_sentence(given):
    with pytest.raises(ValueError, match=r"^x (must be a dict with|needs finite) weight"):
        read_scaling("x", given, 2)


def test_nothing_is_a_scaling_too():
    rows, _ = examples(3)
    assert scaling.identity(3).of(rows) == pytest.approx(rows, abs=1e-12)
    surer = Scaling("temperature", 2 * np.eye(3), np.zeros(3)).of(rows)
    assert (surer.argmax(axis=1) == rows.argmax(axis=1)).all()
