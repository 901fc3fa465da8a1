"""ood_divergence: worked cases, properties, agreement with scikit-learn, intervals, and bad input."""

from pathlib import Path

import evaluate
import numpy as np
import pytest
import simulate_ood
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import entr, logsumexp, softmax
from scipy.stats import t
from sklearn.metrics import average_precision_score, cohen_kappa_score, jaccard_score, roc_auc_score

from trusteq.dimensions.ood_divergence import DIMENSION, OodOptions, Ranking, score_rows

ROOT = Path(__file__).resolve().parents[2]
FIGURES = ("auroc", "aupr", "fpr95")


@pytest.fixture(scope="module")
def ood():
    return evaluate.load("metrics/ood_divergence")


def scores_of(seed, n=600, digits=None):
    """Scores of two related models and which rows are out of distribution; rounded scores tie."""
    rng = np.random.default_rng(seed)
    outside = (rng.random(n) < 0.4).astype(int)
    large = rng.normal(size=n) + 1.8 * outside
    small = 0.7 * large + rng.normal(size=n)
    if digits is not None:
        small, large = small.round(digits), large.round(digits)
    return {"predictions": small, "references": outside, "large_predictions": large}


def measure(ood, data, **options):
    return ood.compute(**data, score="given", **options)


# Worked by hand: in distribution 0.1, 0.2, 0.3, 0.6 and out 0.4, 0.5, 0.7, 0.8; large 1, 2, 3, 4 and 3, 5, 6, 7.

EIGHT = {
    "predictions": [0.1, 0.2, 0.3, 0.6, 0.4, 0.5, 0.7, 0.8],
    "references": [0, 0, 0, 0, 1, 1, 1, 1],
    "large_predictions": [1, 2, 3, 4, 3, 5, 6, 7],
}


def test_auroc_counts_pairs_in_order_and_ties_half(ood):
    result = measure(ood, EIGHT)
    assert result["auroc"] == (3 + 3 + 4 + 4) / 16
    assert result["large_auroc"] == (2.5 + 4 + 4 + 4) / 16
    assert result["auroc_gap"] == -0.5 / 16


def test_aupr_is_the_mean_precision_at_the_strange_rows(ood):
    result = measure(ood, EIGHT)
    assert result["aupr"] == pytest.approx((1 + 1 + 3 / 4 + 4 / 5) / 4, abs=1e-15)
    assert result["large_aupr"] == pytest.approx((1 + 1 + 1 + 4 / 6) / 4, abs=1e-15)


def test_fpr95_is_the_share_of_strange_rows_that_pass(ood):
    result = measure(ood, EIGHT)
    assert (result["fpr95"], result["large_fpr95"]) == (2 / 4, 1 / 4)
    assert result["fpr95_gap"] == 1 / 4


def test_flags_are_what_scores_above_the_models_own_threshold(ood):
    result = measure(ood, EIGHT)  # 0.7, 0.8 against 5, 6, 7
    assert (result["flagged_rate"], result["large_flagged_rate"]) == (2 / 8, 3 / 8)
    assert result["flagged_jaccard"] == 2 / 3
    assert result["expected_flagged_jaccard"] == pytest.approx(0.75 / (2 + 3 - 0.75), abs=1e-15)
    assert result["flagged_kappa"] == pytest.approx((7 / 8 - 36 / 64) / (1 - 36 / 64), abs=1e-15)


def test_keep_moves_the_flags_but_not_fpr95(ood):
    result = measure(ood, EIGHT, keep=0.5)  # thresholds 0.2 and 2: six rows each, the same ones
    assert (result["flagged_rate"], result["large_flagged_rate"], result["flagged_jaccard"]) == (6 / 8, 6 / 8, 1.0)
    assert result["fpr95"] == 2 / 4


def test_the_threshold_is_not_shifted_by_float_rounding_of_keep(ood):
    """0.07 * 100 is 7.000000000000001 in floats, but it is 7 rows of 100 that are kept."""
    data = {"predictions": np.arange(101.0), "references": np.arange(101) // 100}
    result = measure(ood, data | {"large_predictions": data["predictions"]}, keep=0.07)
    assert result["flagged_rate"] == (93 + 1) / 101


def test_the_auroc_interval_is_made_of_placements(ood):
    """Worked by hand: placement differences are 0, 0, 0.125, -0.25 in distribution and 0.125, -0.25, 0, 0 out of it.

    The squares of their distances from the means, with the largest counted twice, and Welch's degrees of freedom.
    """
    result = measure(ood, EIGHT)
    small_in, large_in = np.array([1, 1, 1, 0.5]), np.array([1, 1, 0.875, 0.75])
    small_out, large_out = np.array([0.75, 0.75, 1, 1]), np.array([0.625, 1, 1, 1])
    variances = []
    for difference in (small_in - large_in, small_out - large_out):
        squares = (difference - difference.mean()) ** 2
        variances.append((squares.sum() + squares.max()) / (4 * 3))
    freedom = sum(variances) ** 2 / sum(v**2 / 3 for v in variances)
    spread = t.ppf(0.975, freedom) * np.sqrt(sum(variances))
    assert result["auroc_gap_high"] - result["auroc_gap"] == pytest.approx(spread, rel=1e-9)
    assert result["auroc_gap"] - result["auroc_gap_low"] == pytest.approx(spread, rel=1e-9)


# Stated answers.


def test_equal_scores_everywhere_separate_nothing(ood):
    data = {"predictions": [1.0] * 5, "references": [0, 0, 0, 1, 1], "large_predictions": [2.0] * 5}
    result = measure(ood, data)
    assert (result["auroc"], result["aupr"], result["fpr95"]) == (0.5, 2 / 5, 1.0)
    assert (result["flagged_rate"], result["flagged_jaccard"], result["expected_flagged_jaccard"]) == (0, 1, 1)
    assert result["flagged_kappa"] == 1
    assert (result["flagged_jaccard_low"], result["flagged_jaccard_high"]) == (0, 1)  # nothing observed says nothing


def test_one_row_of_each_kind_gives_figures_and_intervals_that_promise_nothing(ood):
    result = measure(ood, {"predictions": [0.1, 0.9], "references": [0, 1], "large_predictions": [0.9, 0.1]})
    assert (result["auroc"], result["large_auroc"]) == (1, 0)
    for name in FIGURES:
        assert (result[f"{name}_gap_low"], result[f"{name}_gap_high"]) == (-1, 1)
    assert (result["flagged_jaccard"], result["flagged_kappa"]) == (0, 0)


def test_two_perfect_models_are_not_proved_equal(ood):
    n = 40
    data = {"predictions": np.arange(n), "references": np.arange(n) // 20, "large_predictions": np.arange(n) ** 2}
    result = measure(ood, data)
    for name in FIGURES:
        low, high = result[f"{name}_gap_low"], result[f"{name}_gap_high"]
        assert result[f"{name}_gap"] == 0
        assert -0.2 < low < 0 < high < 0.2


def test_flags_that_share_nothing_have_jaccard_0_and_an_interval_above_it(ood):
    data = {"predictions": [0] * 20 + [1, 0] * 5, "references": [0] * 20 + [1] * 10}
    result = measure(ood, data | {"large_predictions": [0] * 20 + [0, 1] * 5})
    assert (result["flagged_jaccard"], result["flagged_jaccard_low"]) == (0, 0)
    assert 0 < result["flagged_jaccard_high"] < 0.5


def test_without_a_confidence_level_there_are_no_intervals(ood):
    point = measure(ood, scores_of(0), confidence_level=None)
    whole = measure(ood, scores_of(0))
    assert not [name for name in point if name.endswith(("_low", "_high"))]
    assert point == {name: whole[name] for name in point}


# Scores that are made of rows.


@pytest.mark.parametrize(
    ("score", "from_logits", "formula"),
    [
        ("msp", False, lambda logits: 1 - softmax(logits, axis=1).max(axis=1)),
        ("msp", True, lambda logits: 1 - softmax(logits, axis=1).max(axis=1)),
        ("entropy", False, lambda logits: entr(softmax(logits, axis=1)).sum(axis=1)),
        ("entropy", True, lambda logits: entr(softmax(logits, axis=1)).sum(axis=1)),
        ("energy", True, lambda logits: -logsumexp(logits, axis=1)),
        ("max_logit", True, lambda logits: -logits.max(axis=1)),
    ],
)
def test_scores_of_rows_follow_their_formulas(score, from_logits, formula):
    logits = np.random.default_rng(0).normal(size=(500, 4)) * 5
    options = OodOptions(score=score, from_logits=from_logits)
    rows = logits if from_logits else softmax(logits, axis=1)
    found = score_rows("predictions", rows, options, 0)
    np.testing.assert_allclose(found, formula(logits), rtol=1e-12, atol=1e-15)


def test_every_score_is_higher_where_the_model_is_less_sure(ood):
    sure, unsure = [8.0, 0.0, 0.0], [0.2, 0.1, 0.0]
    data = {"predictions": [sure] * 3 + [unsure] * 2, "references": [0, 0, 0, 1, 1]}
    for score in ("msp", "entropy", "energy", "max_logit"):
        result = ood.compute(**data, large_predictions=data["predictions"], score=score, from_logits=True)
        assert result["auroc"] == 1


def test_the_two_models_may_have_different_classes(ood):
    rng = np.random.default_rng(0)
    small, large = (rng.dirichlet([1] * classes, 50) for classes in (3, 7))
    result = ood.compute(predictions=small, references=np.arange(50) % 2, large_predictions=large)
    assert result["auroc"] == pytest.approx(roc_auc_score(np.arange(50) % 2, 1 - small.max(axis=1)), abs=1e-12)
    assert result["large_auroc"] == pytest.approx(roc_auc_score(np.arange(50) % 2, 1 - large.max(axis=1)), abs=1e-12)


# Properties.


@st.composite
def data_sets(draw):
    """Two to forty rows of both kinds, with many ties."""
    n = draw(st.integers(2, 40))
    score = st.integers(-4, 4).map(float)
    outside = draw(st.lists(st.integers(0, 1), min_size=n, max_size=n).filter(lambda rows: 0 < sum(rows) < len(rows)))
    small, large = (draw(st.lists(score, min_size=n, max_size=n)) for _ in range(2))
    return {"predictions": small, "references": outside, "large_predictions": large}


@given(data=data_sets())
@settings(deadline=None, max_examples=200)
def test_identical_models_have_no_gap(ood, data):
    result = measure(ood, data | {"large_predictions": data["predictions"]})
    for name in FIGURES:
        assert result[f"{name}_gap"] == 0
        assert result[f"{name}_gap_low"] <= 0 <= result[f"{name}_gap_high"]
    assert (result["flagged_jaccard"], result["flagged_kappa"], result["flagged_jaccard_high"]) == (1, 1, 1)


@given(data=data_sets())
@settings(deadline=None, max_examples=200)
def test_only_the_order_of_the_scores_counts(ood, data):
    cubes = [score**3 / 7 + 1 for score in data["predictions"]]
    assert measure(ood, data | {"predictions": cubes}) == measure(ood, data)


@given(data=data_sets())
@settings(deadline=None, max_examples=200)
def test_swapping_the_models_turns_the_gaps_around(ood, data):
    one = measure(ood, data)
    swapped = {"predictions": data["large_predictions"], "large_predictions": data["predictions"]}
    other = measure(ood, data | swapped)
    for name in FIGURES:
        assert other[name] == one[f"large_{name}"]
        assert other[f"{name}_gap"] == -one[f"{name}_gap"]
        assert other[f"{name}_gap_low"] == pytest.approx(-one[f"{name}_gap_high"], abs=1e-12)
    for name in ("flagged_jaccard", "flagged_jaccard_low", "flagged_jaccard_high", "flagged_kappa"):
        assert other[name] == pytest.approx(one[name], abs=1e-12)


@given(data=data_sets(), seed=st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=200)
def test_the_order_of_the_rows_does_not_matter(ood, data, seed):
    order = np.random.default_rng(seed).permutation(len(data["references"]))
    shuffled = {name: np.array(values)[order] for name, values in data.items()}
    assert measure(ood, shuffled) == pytest.approx(measure(ood, data), abs=1e-9)


@given(data=data_sets(), keep=st.floats(0.01, 0.99), level=st.floats(0.5, 0.999))
@settings(deadline=None, max_examples=300)
def test_every_figure_lies_in_its_range_and_its_interval(ood, data, keep, level):
    result = measure(ood, data, keep=keep, confidence_level=level)
    for name in (*FIGURES, "flagged_rate", "flagged_jaccard", "expected_flagged_jaccard"):
        assert 0 <= result[name] <= 1
    for name in FIGURES:
        assert -1 <= result[f"{name}_gap_low"] <= result[f"{name}_gap"] <= result[f"{name}_gap_high"] <= 1
    assert -1 <= result["flagged_kappa"] <= 1
    low, high = result["flagged_jaccard_low"], result["flagged_jaccard_high"]
    assert 0 <= low <= result["flagged_jaccard"] + 1e-12
    assert result["flagged_jaccard"] - 1e-12 <= high <= 1


@given(
    small=st.lists(st.floats(), max_size=8),
    outside=st.lists(st.integers(-1, 2), max_size=8),
    large=st.lists(st.floats(), max_size=8),
    score=st.sampled_from(["given", "msp", "energy"]),
    details=st.booleans(),
)
@settings(deadline=None, max_examples=500)
def test_hostile_numbers_give_one_sentence_or_finite_figures(ood, small, outside, large, score, details):
    data = {"predictions": small, "references": outside, "large_predictions": large}
    try:
        result = ood.compute(**data, score=score, details=details)
    except ValueError as error:
        assert "\n" not in str(error)
        assert any(name in str(error) for name in (*data, "score", "arguments"))
    else:
        result.pop("details", None)
        assert np.isfinite(list(result.values())).all()


@given(
    scores=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=12),
    other=st.lists(st.floats(-1e-300, 1e-300), min_size=12, max_size=12),
)
@settings(deadline=None, max_examples=300)
def test_any_finite_scores_can_be_measured_and_drawn(ood, scores, other):
    outside = np.arange(len(scores)) % 2
    data = {"predictions": scores, "references": outside, "large_predictions": other[: len(scores)]}
    result = measure(ood, data, details=True)
    with np.errstate(over="ignore"):  # scikit-learn's, not ours
        assert result["auroc"] == pytest.approx(roc_auc_score(outside, scores), abs=1e-12)
    assert sum(result["details"]["out_counts"]) == outside.sum()
    assert sum(result["details"]["large_in_counts"]) == (1 - outside).sum()


# Agreement with scikit-learn and with direct computation.


@pytest.mark.parametrize("digits", [None, 1, 0])
def test_figures_agree_with_scikit_learn(ood, digits):
    for seed in range(5):
        data = scores_of(seed, digits=digits)
        result, outside = measure(ood, data, keep=0.9), data["references"] == 1
        flags = []
        for prefix, name in (("", "predictions"), ("large_", "large_predictions")):
            scores = data[name]
            assert result[prefix + "auroc"] == pytest.approx(roc_auc_score(outside, scores), abs=1e-12)
            assert result[prefix + "aupr"] == pytest.approx(average_precision_score(outside, scores), abs=1e-12)
            inside = np.sort(scores[~outside])
            threshold = next(x for x in inside if (inside <= x).mean() >= 0.95)
            assert result[prefix + "fpr95"] == (scores[outside] <= threshold).mean()
            flags.append(scores > next(x for x in inside if (inside <= x).mean() >= 0.9))
        assert result["flagged_jaccard"] == pytest.approx(jaccard_score(*flags), abs=1e-12)
        assert result["flagged_kappa"] == pytest.approx(cohen_kappa_score(*flags), abs=1e-12)


@pytest.mark.parametrize("digits", [None, 1])
@pytest.mark.parametrize(("name", "peer"), [("auroc", roc_auc_score), ("aupr", average_precision_score)])
def test_moves_are_the_derivatives_by_the_weight_of_a_row(name, peer, digits):
    """The weights of a kind always sum to the number of its rows, since the mix of the two kinds is taken as given."""
    data = scores_of(1, n=80, digits=digits)
    scores, outside = data["predictions"], data["references"] == 1
    moves = getattr(Ranking(scores, outside), name)(with_moves=True).moves
    step = 1e-4
    for row in range(80):
        kind = outside == outside[row]
        ends = []
        for sign in (1, -1):
            weights = np.ones(80)
            weights[row] += sign * step
            weights[kind] *= kind.sum() / weights[kind].sum()
            ends.append(peer(outside, scores, sample_weight=weights))
        slope = (ends[0] - ends[1]) / (2 * step) * kind.sum()
        assert moves[row] - moves[kind].mean() == pytest.approx(slope, abs=1e-6)  # central differences, error step^2


def test_batches_give_what_one_call_gives(ood):
    data = scores_of(3, n=150_000, digits=2)
    for start in range(0, 150_000, 40_000):
        ood.add_batch(**{name: values[start : start + 40_000] for name, values in data.items()})
    assert ood.compute(score="given") == measure(ood, data)


# Intervals.


def test_truth_is_what_a_large_sample_shows(ood):
    """Two million rows: the truth lies in an interval that misses it once in 100,000 times (42 figures, one seed)."""
    for scenario in (simulate_ood.SCENARIOS | simulate_ood.LIMITS).values():
        data = simulate_ood.draw(scenario, 2_000_000, np.random.default_rng(0))
        result = measure(ood, data, confidence_level=0.99999)
        for name, value in simulate_ood.truth(scenario).items():
            assert result[f"{name}_low"] < value < result[f"{name}_high"]
            assert result[f"{name}_high"] - result[f"{name}_low"] < 0.025


def test_intervals_hold_the_truth_about_as_often_as_they_claim(ood):
    """400 data sets: 0.95 plus or minus three and a half standard errors. scripts/coverage.py has the full table."""
    scenario = simulate_ood.SCENARIOS["moderate"]
    truth = simulate_ood.truth(scenario)
    held = dict.fromkeys(truth, 0)
    for seed in range(400):
        result = measure(ood, simulate_ood.draw(scenario, 500, np.random.default_rng(seed)))
        for name, value in truth.items():
            held[name] += result[f"{name}_low"] <= value <= result[f"{name}_high"]
    for name, count in held.items():
        assert 0.912 < count / 400 < 0.988, name


def test_intervals_are_paired(ood):
    """The large model beside a near copy and beside a stranger of equal quality: the copy's interval is narrower."""
    rng = np.random.default_rng(0)
    outside = np.arange(2000) % 2
    large = rng.normal(size=2000) + outside
    widths = []
    for small in (large + 0.1 * rng.normal(size=2000), rng.normal(size=2000) + outside):
        result = measure(ood, {"predictions": small, "references": outside, "large_predictions": large})
        widths.append([result[f"{name}_gap_high"] - result[f"{name}_gap_low"] for name in FIGURES])
    assert (np.array(widths[0]) < np.array(widths[1]) / 2).all()


# Bad input.

GOOD = {"predictions": [0.1, 0.2, 0.8], "references": [0, 0, 1], "large_predictions": [0.3, 0.1, 0.5]}
ROWS = [[0.9, 0.1], [0.8, 0.2], [0.5, 0.5]]
LOGITS = [[3.0, -1.0], [2.0, 0.0], [0.1, 0.0]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"predictions": [0.1, 0.2]}, "predictions has 2"),
        ({"predictions": []}, "predictions is empty"),
        ({"predictions": [0.1, np.nan, 0.8]}, "predictions holds NaN or infinity (first in row 1)"),
        ({"large_predictions": [0.1, 0.2, np.inf]}, "large_predictions holds NaN or infinity (first in row 2)"),
        ({"predictions": ROWS}, "predictions needs one score (a number) per example"),
        ({"large_predictions": ["a", "b", "c"]}, "large_predictions needs one score (a number) per example"),
        ({"references": [0, 2, 1]}, "references must be 1 (out of distribution) or 0 (in distribution), got 2 in row"),
        ({"references": [0, -1, 1]}, "references must be 1 (out of distribution) or 0 (in distribution), got -1 in"),
        ({"references": [0, 0.5, 1]}, "references needs labels"),
        ({"references": ["in", "in", "out"]}, "references must be 1 (out of distribution) or 0 (in distribution)"),
        ({"references": [0, 0, 0]}, "references hold only in-distribution rows (0); out-of-distribution rows (1) are"),
        ({"references": [1, 1, 1]}, "references hold only out-of-distribution rows (1); in-distribution rows (0) are"),
        ({"score": "mahalanobis"}, "score must be 'msp' or 'energy'"),
        ({"score": "energy"}, 'score="energy" is made of logits'),
        ({"score": "max_logit"}, 'score="max_logit" is made of logits'),
        ({"from_logits": True}, 'score="given" takes the scores as they are'),
        ({"score": "msp"}, 'predictions needs a row of probabilities per example for score="msp", got one number'),
        ({"keep": 0}, "keep must be a number above 0 and below 1"),
        ({"keep": 1}, "keep must be a number above 0 and below 1"),
        ({"keep": "most"}, "keep must be a number above 0 and below 1"),
        ({"confidence_level": 95}, "confidence_level must be a number"),
        ({"kep": 0.9}, "unknown option kep; did you mean keep?"),
    ],
)
def test_bad_input_is_named_and_the_module_works_again(ood, change, message):
    with pytest.raises(ValueError, match=r"^[^\n]+$") as caught:
        ood.compute(**{"score": "given", **GOOD, **change})
    assert message in str(caught.value)
    assert measure(ood, GOOD)["auroc"] == 1


def test_logits_that_are_taken_for_probabilities_are_recognized(ood):
    with pytest.raises(ValueError, match=r"predictions .* look like logits: pass from_logits=True"):
        ood.compute(predictions=LOGITS, references=[0, 0, 1], large_predictions=ROWS)


def test_references_may_be_booleans_or_whole_floats(ood):
    expected = measure(ood, GOOD)
    for kind in (bool, float, np.uint8):
        assert measure(ood, GOOD | {"references": np.array([0, 0, 1]).astype(kind)}) == expected


# Details and plot.


def test_the_histograms_count_every_row_and_split_at_the_threshold(ood):
    data = scores_of(4, n=5000)
    details = measure(ood, data, details=True)["details"]
    for prefix, name in (("", "predictions"), ("large_", "large_predictions")):
        scores, outside = data[name], data["references"] == 1
        beyond = np.array(details[prefix + "edges"])[:-1] >= details[prefix + "threshold"]
        for kind, rows in (("out", scores[outside]), ("in", scores[~outside])):
            counts = np.array(details[f"{prefix}{kind}_counts"])
            flagged = (rows > details[prefix + "threshold"]).sum()
            assert (counts.sum(), counts[beyond].sum()) == (len(rows), flagged)
            assert details[f"{prefix}{kind}_flagged"] == pytest.approx(flagged / len(rows), abs=1e-12)


@pytest.mark.parametrize("digits", [None, 0])
def test_the_short_curve_keeps_the_area(ood, digits):
    result = measure(ood, scores_of(5, n=20_000, digits=digits), details=True)
    for prefix in ("", "large_"):
        x, y = result["details"][prefix + "roc_in_flagged"], result["details"][prefix + "roc_out_flagged"]
        assert len(x) == len(y) <= 500
        assert (x[0], y[0], x[-1], y[-1]) == (0, 0, 1, 1)
        area = np.trapezoid(y, x)
        assert area == pytest.approx(result[prefix + "auroc"], abs=1e-12 if digits == 0 else 2e-3)


def test_plot_draws_both_models_and_wants_details(ood):
    result = measure(ood, scores_of(6), details=True)
    figure = ood.plot(result)
    texts = [axis.get_title(loc="left") for axis in figure.axes]
    assert [text.split(":")[0] for text in texts[:2]] == ["compressed", "large"]
    assert f"{abs(result['auroc_gap']):.3f}" in texts[2]
    labels = [label.get_text() for axis in figure.axes[:2] for label in axis.get_yticklabels()]
    assert labels[1] == f"out of distribution:\n{100 * result['details']['out_flagged']:.1f} % flagged"
    details = result["details"]
    for axis, prefix in zip(figure.axes, ("", "large_"), strict=False):
        inside, outside = (np.array(details[f"{prefix}{kind}_counts"]) for kind in ("in", "out"))
        drawn = [patch.get_data() for patch in axis.patches if hasattr(patch, "get_data")]
        assert drawn[0].values == pytest.approx(inside / inside.max())
        assert drawn[1].values == pytest.approx(-outside / outside.max())
        assert all(stairs.edges.tolist() == details[prefix + "edges"] for stairs in drawn)
        assert details[prefix + "threshold"] in [line.get_xdata()[0] for line in axis.lines]
    _, curve, mark, large_curve, large_mark = figure.axes[2].lines
    for prefix, line, point in (("", curve, mark), ("large_", large_curve, large_mark)):
        assert line.get_xdata() == pytest.approx(details[prefix + "roc_in_flagged"])
        assert line.get_ydata() == pytest.approx(details[prefix + "roc_out_flagged"])
        at = [details[prefix + "in_flagged"]], [details[prefix + "out_flagged"]]
        assert tuple(map(list, point.get_data())) == at
    legend = [label.get_text() for label in figure.axes[2].get_legend().get_texts()]
    sides = [f"compressed, {result['auroc']:.3f}", f"large, {result['large_auroc']:.3f}"]
    assert legend == ["chance, 0.500", *sides]
    with pytest.raises(ValueError, match=r"compute\(\.\.\., details=True\)"):
        ood.plot(measure(ood, scores_of(6)))


@pytest.mark.parametrize(("groups", "tells"), [(10, False), (19, False), (20, True), (40, True)])
def test_a_threshold_within_a_single_group_tells_nothing_of_what_is_flagged(groups, tells):
    """At a threshold that keeps 95 %, less than one of 19 groups lies beyond it."""
    rng = np.random.default_rng(0)
    outside = np.repeat([0, 1], 400)
    scores = rng.normal(size=(2, 800)) + outside
    arrays = {"predictions": scores[0], "large_predictions": scores[1], "references": outside}
    found = DIMENSION.of(**arrays, score="given", groups=np.arange(800) % groups + outside * groups)
    ends = found["flagged_jaccard_low"], found["flagged_jaccard_high"]
    assert (ends != (0.0, 1.0)) is tells
