"""calibration_gap: worked cases, properties, agreement with independent libraries, and bad input."""

import re
import tracemalloc

import evaluate
import numpy as np
import pytest
import relplot
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import jensenshannon
from scipy.special import softmax
from scipy.stats import binomtest
from sklearn.metrics import brier_score_loss, log_loss
from torchmetrics.functional.classification import multiclass_calibration_error

from trusteq.dimensions.calibration_gap import (
    DIMENSION,
    CalibrationOptions,
    as_it_is,
    from_confidence,
    redrawn_ece,
    without_chance,
)
from trusteq.resampling import Weights

FIGURES = ("accuracy", "confidence", "overconfidence", "ece", "mce", "brier", "nll", "classwise_ece", "smooth_ece")


@pytest.fixture(scope="module")
def gap():
    return evaluate.load("metrics/calibration_gap")


def rows_of(seed, n=2000, classes=3, sharpness=1.0):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n, classes)) * 1.5
    gold = np.array([rng.choice(classes, p=row) for row in softmax(logits, axis=1)])
    other = logits + rng.normal(size=logits.shape)
    return softmax(other * sharpness, axis=1), gold, softmax(logits, axis=1)


def binary(confidence):
    """Rows of a model that always predicts class 0, this sure of it."""
    confidence = np.asarray(confidence)
    return np.stack([confidence, 1 - confidence], axis=1)


# Worked by hand.


def test_ece_mce_and_overconfidence_of_two_bins(gap):
    # bin 1: confidences .6 .6, one right: |.5 - .6| = .1; bin 2: .9 .9, one right: |.5 - .9| = .4
    p = binary([0.6, 0.6, 0.9, 0.9])
    result = gap.compute(predictions=p, references=[0, 1, 0, 1], large_predictions=p, n_bins=2)
    assert result["ece"] == pytest.approx((0.1 + 0.4) / 2)
    assert result["mce"] == pytest.approx(0.4)
    assert result["confidence"] == pytest.approx(0.75)
    assert result["overconfidence"] == pytest.approx(0.25)


def test_brier_and_nll_of_one_example(gap):
    result = gap.compute(predictions=[[0.7, 0.2, 0.1]], references=[1], large_predictions=[[0, 1, 0]])
    assert result["brier"] == pytest.approx(0.7**2 + 0.8**2 + 0.1**2)
    assert result["nll"] == pytest.approx(-np.log(0.2))
    assert result["large_brier"] == 0
    assert result["large_nll"] == 0


def test_classwise_ece_counts_every_class(gap):
    # one bin: class 0 is said with .7 on average and happens in half of the rows, class 1 the other way round
    p = binary([0.6, 0.8])
    result = gap.compute(predictions=p, references=[0, 1], large_predictions=p, n_bins=1)
    assert result["classwise_ece"] == pytest.approx(0.2)


def test_loyalty_of_opposite_and_of_equal_rows(gap):
    p, q = [[1.0, 0.0], [0.5, 0.5]], [[0.0, 1.0], [0.5, 0.5]]
    result = gap.compute(predictions=p, references=[0, 0], large_predictions=q)
    assert result["label_loyalty"] == 0.5
    assert result["probability_loyalty"] == 0.5


def test_equal_confidences_at_a_quantile_edge_fall_into_one_bin(gap):
    p = binary([0.6] * 5 + [0.9] * 5)
    details = gap.compute(predictions=p, references=[0] * 10, large_predictions=p, details=True)["details"]
    assert details["compressed"]["rows"] == [5, 5]


def test_uniform_bins_take_their_lower_edge(gap):
    p = binary([0.75, 0.7499])
    result = gap.compute(
        predictions=p, references=[0, 0], large_predictions=p, n_bins=4, binning="uniform", details=True
    )
    bins = result["details"]["large"]
    assert (bins["from"], bins["to"], bins["rows"]) == ([0.5, 0.75], [0.75, 1.0], [1, 1])


def test_a_perfectly_calibrated_model_shows_an_ece_near_one_percent_at_500_rows_a_bin(gap):
    """The upward bias that the card speaks of."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(50):
        confidence = 0.5 + rng.beta(3, 1, 5000) / 2
        p, gold = binary(confidence), (rng.random(5000) > confidence).astype(int)
        found.append(gap.compute(predictions=p, references=gold, large_predictions=p, confidence_level=None)["ece"])
    assert np.mean(found) == pytest.approx(0.0106, abs=0.001)  # four standard errors of the mean of 50


# Stated answers.


def test_identical_models_have_no_gap_and_an_interval_that_holds_zero(gap):
    p, gold, _ = rows_of(0)
    result = gap.compute(predictions=p, references=gold, large_predictions=p)
    for name in FIGURES:
        assert result[f"{name}_gap"] == 0
        assert result[f"{name}_gap_low"] <= 0 <= result[f"{name}_gap_high"]
    assert result["label_loyalty"] == result["probability_loyalty"] == 1


def test_one_example_leaves_the_whole_range_open(gap):
    result = gap.compute(predictions=[[0.6, 0.4]], references=[0], large_predictions=[[0.9, 0.1]])
    assert (result["ece_gap_low"], result["ece_gap_high"]) == (-1, 1)
    assert (result["brier_gap_low"], result["brier_gap_high"]) == (-2, 2)
    assert result["nll_gap_high"] == pytest.approx(-np.log(np.finfo(float).eps))
    assert (result["probability_loyalty_low"], result["probability_loyalty_high"]) == (0, 1)


def test_a_certain_and_wrong_model_has_a_finite_loss(gap):
    result = gap.compute(predictions=[[1.0, 0.0]] * 3, references=[1, 1, 1], large_predictions=[[0.0, 1.0]] * 3)
    assert result["nll"] == pytest.approx(36.04, abs=0.01)
    assert (result["ece_gap"], result["brier_gap"]) == (1, 2)


@pytest.mark.parametrize("n_bins", [1, 10, 1000])
def test_more_bins_than_distinct_confidences_is_fine(gap, n_bins):
    p = binary([0.7] * 50)
    result = gap.compute(predictions=p, references=[0] * 35 + [1] * 15, large_predictions=p, n_bins=n_bins)
    assert result["ece"] == pytest.approx(0, abs=1e-12)


# Properties.


def test_swapping_the_models_negates_every_gap(gap):
    p, gold, q = rows_of(1)
    one = gap.compute(predictions=p, references=gold, large_predictions=q)
    other = gap.compute(predictions=q, references=gold, large_predictions=p)
    for name in FIGURES:
        assert one[f"{name}_gap"] == -other[f"{name}_gap"]
        assert one[f"{name}_gap_low"] == pytest.approx(-other[f"{name}_gap_high"], abs=1e-12)


def test_point_figures_do_not_depend_on_seed_or_intervals(gap):
    p, gold, q = rows_of(2)
    plain = gap.compute(predictions=p, references=gold, large_predictions=q, confidence_level=None)
    for seed in (0, 1):
        result = gap.compute(predictions=p, references=gold, large_predictions=q, seed=seed)
        assert {name: result[name] for name in plain} == pytest.approx(plain, abs=1e-12)


def test_a_higher_level_gives_wider_intervals(gap):
    p, gold, q = rows_of(3)
    arguments = {"predictions": p, "references": gold, "large_predictions": q}
    narrow, wide = (gap.compute(**arguments, confidence_level=level) for level in (0.8, 0.99))
    for name in FIGURES:
        assert wide[f"{name}_gap_low"] < narrow[f"{name}_gap_low"] <= narrow[f"{name}_gap"]
        assert narrow[f"{name}_gap"] <= narrow[f"{name}_gap_high"] < wide[f"{name}_gap_high"]


def test_intervals_see_rows_sorted_by_outcome(gap):
    """Blocks are random: an order that a block could follow must not shrink the interval."""
    p, gold, q = rows_of(4)
    order = np.argsort(p[np.arange(len(gold)), gold])
    one = gap.compute(predictions=p, references=gold, large_predictions=q)
    other = gap.compute(predictions=p[order], references=gold[order], large_predictions=q[order])
    widths = [r["brier_gap_high"] - r["brier_gap_low"] for r in (one, other)]
    assert widths[0] == pytest.approx(widths[1], rel=0.25)  # the error of a standard error from 256 blocks is 4.4 %


def test_logits_give_what_their_softmax_gives(gap):
    rng = np.random.default_rng(5)
    a, b, gold = rng.normal(size=(500, 4)) * 5, rng.normal(size=(500, 4)), rng.integers(0, 4, 500)
    one = gap.compute(predictions=a, references=gold, large_predictions=b, from_logits=True)
    other = gap.compute(predictions=softmax(a, axis=1), references=gold, large_predictions=softmax(b, axis=1))
    assert one == pytest.approx(other, abs=1e-9)


hostile = st.one_of(
    arrays(np.float64, st.tuples(st.integers(0, 6), st.integers(0, 4)), elements=st.floats(width=64)),
    arrays(np.float32, st.integers(0, 6), elements=st.floats(width=32)),
    st.lists(st.lists(st.floats(0, 1), min_size=1, max_size=3), max_size=5),
    st.lists(st.one_of(st.integers(), st.text(max_size=3), st.none(), st.booleans()), max_size=5),
)


@settings(max_examples=300, deadline=None)
@given(hostile, hostile, st.one_of(hostile, arrays(np.int64, st.integers(0, 6), elements=st.integers(-1, 4))))
def test_hostile_input_gives_a_sentence_or_finite_figures(gap, p, q, gold):
    for options in ({}, {"from_logits": True}):
        try:
            result = gap.compute(predictions=p, references=gold, large_predictions=q, **options)
        except ValueError as error:
            assert str(error)
        else:
            assert np.isfinite(list(result.values())).all()


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_probabilities_give_figures_in_their_range(gap, data):
    n, classes = data.draw(st.integers(1, 8)), data.draw(st.integers(2, 4))
    weights = arrays(np.float64, (n, classes), elements=st.one_of(st.just(0.0), st.floats(1e-9, 1)))
    p, q = (w + (w.sum(axis=1, keepdims=True) == 0) for w in (data.draw(weights), data.draw(weights)))
    p, q = p / p.sum(axis=1, keepdims=True), q / q.sum(axis=1, keepdims=True)
    gold = data.draw(arrays(np.int64, n, elements=st.integers(0, classes - 1)))
    result = gap.compute(predictions=p, references=gold, large_predictions=q, n_bins=data.draw(st.integers(1, 12)))
    top = {"brier": 2, "nll": 36.05}
    for name in FIGURES:
        assert -1 - 1e-9 <= result[name] <= top.get(name, 1) + 1e-9
        assert result[f"{name}_gap_low"] <= result[f"{name}_gap_high"]
    assert result["ece"] <= result["mce"] + 1e-12
    assert 0 <= result["probability_loyalty_low"] <= result["probability_loyalty_high"] <= 1


# Agreement with libraries that others wrote.


@pytest.mark.parametrize("n_bins", [5, 10, 15])
def test_ece_and_mce_agree_with_torchmetrics(gap, n_bins):
    p, gold, q = rows_of(6)
    result = gap.compute(predictions=p, references=gold, large_predictions=q, n_bins=n_bins, binning="uniform")
    for prefix, rows in (("", p), ("large_", q)):
        for name, norm in (("ece", "l1"), ("mce", "max")):
            theirs = multiclass_calibration_error(
                torch.tensor(rows), torch.tensor(gold), rows.shape[1], n_bins=n_bins, norm=norm
            )
            assert result[prefix + name] == pytest.approx(float(theirs), abs=2e-6)  # theirs is computed in float32


def test_brier_and_nll_agree_with_scikit_learn(gap):
    pytest.importorskip(
        "sklearn", minversion="1.7", reason="scikit-learn before 1.7 has no Brier score of three classes"
    )
    p, gold, q = rows_of(7)
    result = gap.compute(predictions=p, references=gold, large_predictions=q)
    for prefix, rows in (("", p), ("large_", q)):
        assert result[prefix + "nll"] == pytest.approx(log_loss(gold, rows), abs=1e-12)
        assert result[prefix + "brier"] == pytest.approx(brier_score_loss(gold, rows), abs=1e-12)


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 2.5])
def test_smooth_ece_agrees_with_relplot(gap, sharpness):
    """relplot looks for the width in steps of 1 / 1024, and its figure moves by less than the width. (Confidences stay
    below 0.999: of rows above it relplot 1.0.3 loses up to half, which the next test's definition does not.)"""
    p, gold, q = rows_of(8, classes=4, sharpness=sharpness)
    p = 0.995 * p + 0.005 / 4
    result = gap.compute(predictions=p, references=gold, large_predictions=q)
    theirs = relplot.smECE(p.max(axis=1), (p.argmax(axis=1) == gold).astype(float))
    assert result["smooth_ece"] == pytest.approx(theirs, abs=1e-3)


def test_smooth_ece_agrees_with_its_definition(gap):
    """The integral over t of |mean of residual * reflected Gaussian(t - confidence)|, by brute force."""
    p, gold, q = rows_of(9, n=400, sharpness=2)
    ours = gap.compute(predictions=p, references=gold, large_predictions=q)["smooth_ece"]
    confidence, residual = p.max(axis=1), (p.argmax(axis=1) == gold) - p.max(axis=1)
    t = (np.arange(4000) + 0.5) / 4000
    images = np.concatenate([2 * k + s * confidence for k in (-1, 0, 1) for s in (1, -1)])

    def smoothed(width):
        kernel = np.exp(-((t[:, None] - images) ** 2) / (2 * width**2)) / (np.sqrt(2 * np.pi) * width)
        return np.abs(kernel @ np.tile(residual, 6) / len(residual)).mean()

    assert smoothed(ours) == pytest.approx(ours, abs=2e-5)  # the grid's cells are 1 / 1024 wide


def test_probability_loyalty_agrees_with_scipy(gap):
    p, gold, q = rows_of(10)
    result = gap.compute(predictions=p, references=gold, large_predictions=q)
    assert result["probability_loyalty"] == pytest.approx(1 - jensenshannon(p, q, base=2, axis=1).mean(), abs=1e-9)


def test_reliability_bars_agree_with_scipy(gap):
    p, gold, q = rows_of(11)
    bins = gap.compute(predictions=p, references=gold, large_predictions=q, details=True)["details"]["compressed"]
    for i, rows in enumerate(bins["rows"]):
        theirs = binomtest(round(bins["accuracy"][i] * rows), rows).proportion_ci(0.95, method="exact")
        assert (bins["accuracy_low"][i], bins["accuracy_high"][i]) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def test_quantile_bins_hold_equally_many_rows(gap):
    p, gold, q = rows_of(12)
    bins = gap.compute(predictions=p, references=gold, large_predictions=q, details=True)["details"]["compressed"]
    assert bins["rows"] == [200] * 10
    assert [*bins["from"], bins["to"][-1]] == pytest.approx(np.quantile(p.max(axis=1), np.linspace(0, 1, 11)))


def test_accuracy_gap_and_label_loyalty_are_those_of_prediction_error_jaccard(gap):
    p, gold, q = rows_of(13)
    one = gap.compute(predictions=p, references=gold, large_predictions=q)
    errors = evaluate.load("metrics/prediction_error_jaccard")
    other = errors.compute(predictions=p, references=gold, large_predictions=q)
    assert one["accuracy_gap"] == pytest.approx(-other["error_rate_gap"])
    assert one["accuracy_gap_low"] == pytest.approx(-other["error_rate_gap_high"])
    assert one["label_loyalty"] == other["label_agreement"]


def test_two_examples_in_one_block_leave_the_intervals_open(gap):
    for seed in range(20):
        p, q = [[0.9, 0.1], [0.6, 0.4]], [[0.7, 0.3], [0.8, 0.2]]
        result = gap.compute(predictions=p, references=[0, 1], large_predictions=q, seed=seed)
        assert result["brier_gap_low"] < result["brier_gap"] < result["brier_gap_high"]


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 40), st.integers(0, 10**6), st.sampled_from([0.05, 0.5, 0.8, 0.95]))
def test_every_interval_holds_its_figure(gap, n, seed, level):
    rng = np.random.default_rng(seed)
    p, q, gold = rng.dirichlet([1, 1], n), rng.dirichlet([1, 1], n), rng.integers(0, 2, n)
    result = gap.compute(predictions=p, references=gold, large_predictions=q, confidence_level=level)
    for name in [f"{figure}_gap" for figure in FIGURES] + ["label_loyalty", "probability_loyalty"]:
        assert result[f"{name}_low"] <= result[name] <= result[f"{name}_high"], name


def test_rows_that_rounding_put_above_one_are_scaled(gap):
    p, q = [[1.005, 0.0], [0.5, 0.5]], [[1, 0], [0.5, 0.5]]
    result = gap.compute(predictions=p, references=[0, 1], large_predictions=q)
    assert result["confidence_gap"] == result["nll_gap"] == 0


def test_values_on_the_edges_of_uniform_bins_are_in_the_bin_above(gap):
    p = binary(np.arange(5, 10) / 10)
    options = {"binning": "uniform", "details": True}
    bins = gap.compute(predictions=p, references=[0] * 5, large_predictions=p, **options)["details"]["large"]
    assert bins["rows"] == [1] * 5


def test_many_classes_take_little_more_memory_than_the_rows(gap):
    """Sums per class, bin and block would take 3.5 GiB; ten times the rows is what they may take here."""
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(20_000) / 100, 50)
    tracemalloc.start()
    gap.compute(predictions=p, references=rng.integers(0, 20_000, 50), large_predictions=p[::-1])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40 * p.nbytes


def test_probabilities_given_as_logits_are_noticed(gap):
    p, gold, q = rows_of(14)
    with pytest.raises(ValueError, match="predictions look like probabilities: leave out from_logits=True"):
        gap.compute(predictions=p, references=gold, large_predictions=q, from_logits=True)
    with pytest.raises(ValueError, match="large_predictions look like probabilities"):
        gap.compute(predictions=np.log(p), references=gold, large_predictions=q, from_logits=True)


# Bad input.

GOOD = {"predictions": [[0.9, 0.1], [0.2, 0.8]], "references": [0, 1], "large_predictions": [[0.8, 0.2], [0.4, 0.6]]}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"references": [0]}, "references has 1"),
        ({"references": None}, "references is missing"),
        ({"predictions": []}, "predictions is empty"),
        ({"predictions": [[np.nan, 0.1], [0.2, 0.8]]}, r"predictions holds NaN or infinity \(first in row 0\)"),
        ({"large_predictions": [[0.8, 0.2], [np.inf, 0.6]]}, r"large_predictions holds NaN .*row 1"),
        ({"predictions": [[3.0, -1.0], [0.2, 0.8]]}, "look like logits: pass from_logits=True"),
        ({"predictions": [[0.5, 0.1], [0.2, 0.8]]}, "predictions are not probabilities .*must sum to 1"),
        ({"predictions": [[90.0, 10.0], [0.2, 0.8]]}, "predictions are not probabilities .*must sum to 1"),
        ({"predictions": np.ma.masked_equal([[0.9, 0.1], [0.2, 0.8]], 0.1)}, "predictions has masked entries"),
        ({"predictions": [0, 1]}, "predictions needs one row per example"),
        ({"predictions": [0.9, 0.2]}, "two columns 1 - p and p"),
        ({"predictions": [[0.9, 0.1], [0.2]]}, "predictions is not a regular array"),
        ({"predictions": [["a", "b"], ["c", "d"]]}, "predictions needs numbers"),
        ({"references": [0, 2]}, "references holds the label 2 in row 1, outside the 2 classes"),
        ({"references": [0, -1]}, "references holds the label -1 in row 1"),
        ({"references": ["yes", "no"]}, "references holds strings"),
        ({"references": [0.5, 1]}, "references needs labels"),
        ({"large_predictions": [[0.8, 0.1, 0.1], [0.4, 0.3, 0.3]]}, "2 classes but large_predictions have 3"),
        ({"n_bins": 0}, "n_bins must be a whole number from 1 to 1000"),
        ({"n_bins": 10**25}, "n_bins must be a whole number from 1 to 1000"),
        ({"n_bins": 2.5}, "n_bins must be a whole number"),
        ({"binning": "equal"}, "binning must be 'quantile' or 'uniform', got 'equal'"),
        ({"from_logits": "yes"}, "from_logits must be True or False"),
        ({"confidence_level": 95}, "confidence_level must be a number above 0 and below 1"),
        ({"seed": -1}, "seed must be a whole number"),
        ({"n_bin": 5}, "unknown option n_bin; did you mean n_bins"),
    ],
)
def test_bad_input_is_named_in_one_sentence_and_leaves_the_module_usable(gap, change, words):
    with pytest.raises(ValueError, match=words):
        gap.compute(**GOOD | change)
    assert gap.compute(**GOOD)["accuracy"] == 1


# The plot.


@pytest.mark.parametrize("level", [0.95, None])
def test_plot_shows_every_bin_of_both_models(gap, level):
    p, gold, q = rows_of(3, n=500)
    result = gap.compute(
        predictions=p, references=gold, large_predictions=q, n_bins=5, confidence_level=level, details=True
    )
    figure = gap.plot(result)
    for i, (name, prefix) in enumerate((("compressed", ""), ("large", "large_"))):
        top, bottom, bins = figure.axes[i], figure.axes[2 + i], result["details"][name]
        confidence, accuracy = np.array(bins["confidence"]), np.array(bins["accuracy"])
        assert (
            top.get_title() == f"{name}: ece {result[prefix + 'ece']:.3f}, accuracy {result[prefix + 'accuracy']:.3f}"
        )
        distances, marks = top.containers
        assert [bar.get_y() for bar in distances] == pytest.approx(confidence)
        assert [bar.get_height() for bar in distances] == pytest.approx(accuracy - confidence)
        assert marks.lines[0].get_ydata() == pytest.approx(accuracy)
        ends = [segment[:, 1].tolist() for segment in marks.lines[2][0].get_segments()]
        assert ends == [pytest.approx(pair) for pair in zip(bins["accuracy_low"], bins["accuracy_high"], strict=True)]
        shares = bottom.patches[0].get_data().values
        assert shares == pytest.approx(np.array(bins["histogram"]) / 500)
        assert shares.sum() == pytest.approx(1)
    said = figure.get_suptitle().replace("\N{MINUS SIGN}", "-")
    assert said.startswith(f"ece gap {result['ece_gap']:+.3f}")
    assert said.endswith(f"{result['ece_gap_low']:+.3f} to {result['ece_gap_high']:+.3f})" if level else said)
    assert ("interval" in said) == (level is not None)


def test_plot_needs_details(gap):
    with pytest.raises(ValueError, match="details=True"):
        gap.plot(gap.compute(**GOOD))


# From the confidence in the answer given alone.


@pytest.mark.parametrize("binning", ["quantile", "uniform"])
@pytest.mark.parametrize("groups", [None, np.arange(600) // 20])
def test_confidence_alone_gives_the_figures_that_it_can_give(binning, groups):
    rng = np.random.default_rng(3)
    rows, larges = (rng.dirichlet(np.ones(4) * 0.7, 600) for _ in range(2))
    gold = rng.integers(0, 4, 600)
    whole = DIMENSION.of(
        predictions=rows, references=gold, large_predictions=larges, groups=groups, binning=binning, details=True
    )
    said = {"confidence": rows.max(axis=1), "large_confidence": larges.max(axis=1)}
    said |= {"right": rows.argmax(axis=1) == gold, "large_right": larges.argmax(axis=1) == gold}
    alone = from_confidence(said, CalibrationOptions(binning=binning, details=True), groups)
    missing = {name for name in whole if re.search("brier|nll|classwise|loyalty", name)}
    assert set(whole) - set(alone) == missing
    for name in set(alone) - {"details"}:
        assert alone[name] == pytest.approx(whole[name], abs=1e-12), name
    assert alone["details"]["signature"] == whole["details"]["signature"]
    for side in ("compressed", "large"):
        assert alone["details"][side]["rows"] == whole["details"][side]["rows"]


def test_one_answer_with_a_confidence_says_nothing_about_spread():
    said = {name: np.array([0.75]) for name in ("confidence", "large_confidence")}
    said |= {"right": np.array([True]), "large_right": np.array([False])}
    found = from_confidence(said, CalibrationOptions())
    assert (found["ece"], found["large_ece"], found["ece_gap"]) == (0.25, 0.75, -0.5)
    assert (found["ece_gap_low"], found["ece_gap_high"]) == (-1.0, 1.0)


# Paper B's conventions, computed from what is known of them, row by row.


def paper_b(rows, gold, n_bins=10):
    """Its figures of one model: bins by quantiles of the top probability, closed above; the binary Brier score of two
    classes; log loss within float32's epsilon; bars of 1.96 standard errors."""
    rows, edges = np.asarray(rows), np.quantile(np.max(rows, axis=1), np.arange(n_bins + 1) / n_bins)
    bins = [[] for _ in range(n_bins)]
    brier = loss = 0.0
    for row, label in zip(rows.tolist(), gold, strict=True):
        top = max(row)
        place = next(i for i in range(n_bins) if top <= edges[i + 1])
        bins[place].append((top, row.index(top) == label))
        if len(row) == 2:
            brier += (row[1] - label) ** 2 / len(rows)
        else:
            brier += sum((p - (i == label)) ** 2 for i, p in enumerate(row)) / len(rows)
        loss -= np.log(min(max(row[label], 2**-23), 1 - 2**-23)) / len(rows)
    found = [(len(one), *np.mean(one, axis=0)) for one in bins if one]
    gaps = [(count, abs(right - sure)) for count, sure, right in found]
    return {
        "ece": sum(count * gap for count, gap in gaps) / len(rows),
        "mce": max(gap for _, gap in gaps),
        "brier": brier,
        "nll": loss,
        "bars": [(right - 1.96 * (right * (1 - right) / count) ** 0.5) for count, _, right in found],
        "rows": [count for count, *_ in found],
    }


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("n", [500, 501, 61])  # of 501 and 61 rows, quantiles are rows: they lie on edges
def test_paper_bs_convention_gives_its_figures_to_all_digits(gap, classes, n):
    p, gold, q = rows_of(n, n=n, classes=classes)
    p[:9], q[:7] = np.eye(classes)[np.arange(9) % classes], p[10]  # certain ones, some of them wrong, and ties
    result = gap.compute(predictions=p, references=gold, large_predictions=q, convention="paper-b", details=True)
    for prefix, name, rows in (("", "compressed", p), ("large_", "large", q)):
        known, details = paper_b(rows, gold.tolist()), result["details"][name]
        for figure in ("ece", "mce", "brier", "nll"):
            assert result[prefix + figure] == pytest.approx(known[figure], abs=1e-12)
        assert details["rows"] == known["rows"]
        assert details["accuracy_low"] == pytest.approx(known["bars"], abs=1e-12)


def test_every_part_of_a_convention_can_be_given_by_itself(gap):
    p, gold, q = rows_of(3, n=301, classes=2)
    p[:3] = [1, 0]
    gold[:3] = 1
    given = {"predictions": p, "references": gold, "large_predictions": q, "details": True}
    usual, whole = gap.compute(**given), gap.compute(**given, convention="paper-b")
    parts = {"brier": "binary", "edge": "below", "clip": float(np.finfo(np.float32).eps), "bars": "wald"}
    told = whole["details"].pop("signature").replace("convention=paper-b", "convention=usual")
    same = gap.compute(**given, **parts)
    assert same["details"].pop("signature") == told
    assert same == whole
    assert gap.compute(**given, brier="binary")["brier"] == pytest.approx(usual["brier"] / 2)
    assert gap.compute(**given, edge="below")["ece"] != usual["ece"]
    clipped = gap.compute(**given, clip=0.01)
    assert clipped["nll"] == pytest.approx(log_loss(gold, p.clip(0.01, 0.99), labels=[0, 1]))
    one = gap.compute(predictions=[[1, 0]], references=[1], large_predictions=[[0, 1]], **parts)
    assert (one["brier_gap_low"], one["brier_gap_high"]) == (-1, 1)
    assert one["nll"] == one["nll_gap_high"] == pytest.approx(-np.log(parts["clip"]))


def test_bins_that_take_their_upper_edge_are_the_same_in_pieces(gap):
    p, gold, q = rows_of(4, n=90_001, classes=2)
    p, q = p.round(2), q.round(2)  # ties on every edge
    p, q = (rows / rows.sum(axis=1, keepdims=True) for rows in (p, q))
    given = {"convention": "paper-b", "confidence_level": None}
    whole = gap.compute(predictions=p, references=gold, large_predictions=q, **given)
    for start in range(0, len(p), 30_001):
        part = slice(start, start + 30_001)
        gap.add_batch(predictions=p[part], references=gold[part], large_predictions=q[part])
    assert gap.compute(**given) == pytest.approx(whole, abs=1e-12)
    assert whole["ece"] == pytest.approx(paper_b(p, gold.tolist())["ece"], abs=1e-12)


def test_confidences_alone_are_binned_by_the_convention():
    said = {"confidence": np.arange(1, 12) / 12, "large_confidence": np.arange(11, 0, -1) / 12}  # all on edges
    said |= {name: np.arange(11) % 3 == 0 for name in ("right", "large_right")}
    rows = {}
    for convention in ("usual", "paper-b"):
        options = CalibrationOptions(convention=convention, n_bins=5, details=True, confidence_level=None)
        rows[convention] = from_confidence(said, options)["details"]["compressed"]["rows"]
    assert rows == {"usual": [2, 2, 2, 2, 3], "paper-b": [3, 2, 2, 2, 2]}


@pytest.mark.parametrize(
    "option, words",
    [
        ({"convention": "paper-a"}, "convention must be 'usual' or 'paper-b', got 'paper-a'"),
        ({"brier": "half"}, "brier must be 'sum' or 'binary', got 'half'"),
        ({"edge": "none"}, "edge must be 'above' or 'below', got 'none'"),
        ({"clip": 0.0}, "clip must be a number above 0 and below 0.5"),
        ({"bars": "wilson"}, "bars must be 'clopper-pearson' or 'wald', got 'wilson'"),
    ],
)
def test_a_convention_that_is_none_is_named(gap, option, words):
    with pytest.raises(ValueError, match=words):
        gap.compute(predictions=[[1, 0]], references=[0], large_predictions=[[1, 0]], **option)


def test_the_diagram_has_every_model_and_the_diagonal(gap):
    results = {}
    for name, sharpness in (("half", 1.0), ("tenth", 2.0)):
        p, gold, q = rows_of(7, sharpness=sharpness)
        results[name] = gap.compute(
            predictions=p, references=gold, large_predictions=q, details=True, convention="paper-b"
        )
    (axes,) = gap.diagram(results).axes
    assert [text.get_text() for text in axes.get_legend().get_texts()][1:] == ["large", "half", "tenth"]
    diagonal, *lines = [line.get_xydata() for line in axes.get_lines() if len(line.get_xydata())][0:1] + [
        container[0].get_xydata() for container in axes.containers
    ]
    assert diagonal.tolist() == [[0, 0], [1, 1]]
    for name, line in zip(("large", "compressed", "compressed"), lines, strict=True):
        details = results["tenth" if line is lines[2] else "half"]["details"][name]
        assert line.tolist() == np.stack([details["confidence"], details["accuracy"]], axis=1).tolist()
    (alone,) = gap.diagram(results["half"]).axes
    assert len(alone.containers) == 2
    p, gold, q = rows_of(8)
    other = gap.compute(predictions=p, references=gold, large_predictions=q, details=True)
    with pytest.raises(ValueError, match="that of other is another"):
        gap.diagram(results | {"other": other})
    with pytest.raises(ValueError, match="got an empty one"):
        gap.diagram({})


# What a verdict is about: without what chance adds.


def test_of_an_honest_model_s_error_less_than_half_is_left_without_what_chance_adds():
    """Ten bins of 40 examples, honest: their ECE is 0.05 in the mean, all by chance. A true error of 0.2 stays."""
    rng, found = np.random.default_rng(0), {0.0: [], 0.2: []}
    for off, kept in found.items():
        for _ in range(200):
            confidence = rng.uniform(0.6, 0.99, 400)
            right = rng.uniform(size=400) < confidence - off
            weights, own = Weights(400, 0), CalibrationOptions()
            kept.append([redrawn_ece(weights, confidence, right, own, size)[0] for size in (as_it_is, without_chance)])
    (plain, corrected), (_, truly_off) = (np.mean(kept, axis=0) for kept in found.values())
    assert plain == pytest.approx(0.05, abs=0.01)
    assert abs(corrected) < plain / 2
    assert truly_off == pytest.approx(0.2, abs=0.01)
