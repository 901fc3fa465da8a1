"""The statistics and plots of attribution_alignment: worked cases, properties, independent code, and promises kept."""

import itertools
import json
import math

import numpy as np
import pandas as pd
import pytest
import simulate_alignment as simulate
import torch
from drawn import spans_of
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import hypergeom, kendalltau, t

from trusteq.dimensions.plots.alignment import LONGEST_WORD, MOST_ROWS, plot, shorten
from trusteq.dimensions.plots.drawable import drawable
from trusteq.explain.alignment import (
    compare,
    describe,
    finish,
    rank,
    rank_correlation,
    read_attributions,
    sign_agreement,
)
from trusteq.intervals import wilson_mean_interval
from trusteq.overlap import expected_jaccard, jaccard, relative_to
from trusteq.sequences import log_growth, lowest_left, sequence_interval, stakes, sure

words = st.sampled_from([f"w{i}" for i in range(12)])
weights = st.sampled_from([-1.0, -0.5, 0.0, 0.25, 0.5, 1.0]) | st.floats(-2, 2)
explanations = st.lists(st.tuples(words, weights), min_size=1, max_size=20).map(rank)
jaccards = st.lists(st.sampled_from([i / (20 - i) for i in range(11)]), min_size=1, max_size=60).map(np.array)


def rows_of(small, large, k, words):
    """What `compare` says of every example, from `small[run][example]` and `large[run][example]`."""
    examples = zip(zip(*small, strict=True), zip(*large, strict=True), strict=True)
    return [compare(a, b, k, words[i] if words else 0) for i, (a, b) in enumerate(examples)]


def measure(small, large, k, words=None, **options):
    return finish(rows_of(small, large, k, words), k, **options)


def details_of(small, large, k, words=None):
    examples = zip(zip(*small, strict=True), zip(*large, strict=True), rows_of(small, large, k, words), strict=True)
    return {"k": k, "runs": len(small), "per_example": [describe(*example) for example in examples]}


def one(small, large, k, **options):
    """The figures of one example and one run."""
    return measure([[small]], [[large]], k, **options)


# Worked by hand. The text has six words; the large model names four of them, the compressed one four others.

SMALL = [("dull", -0.8), ("plot", -0.4), ("good", 0.2), ("a", 0.1)]
LARGE = [("dull", -0.9), ("good", -0.5), ("acting", 0.3), ("plot", -0.2)]


def test_figures_of_one_example():
    result = one(SMALL, LARGE, [1, 2, 3], words=[6])
    assert result["jaccard_at_1"] == 1
    assert result["jaccard_at_2"] == pytest.approx(1 / 3)  # dull of dull, plot, good
    assert result["jaccard_at_3"] == pytest.approx(2 / 4)  # dull, good of dull, plot, good, acting
    assert result["sign_agreement_at_1"] == 1
    assert result["sign_agreement_at_2"] == 1
    assert result["sign_agreement_at_3"] == 0.5  # good is for the class in one model, against it in the other
    assert result["expected_jaccard_at_1"] == pytest.approx(1 / 6)
    assert result["expected_jaccard_at_2"] == pytest.approx(8 / 15 * 1 / 3 + 1 / 15)  # 0, 1, 2 shared: 6, 8, 1 of 15
    assert result["top_word_agreement"] == 1
    # Shared: dull, plot, good. Ranks 1 2 3 and 1 3 2: of the three pairs two are in the same order.
    assert result["rank_correlation"] == pytest.approx(1 / 3)
    assert result["examples_used"] == 1
    assert [result[f"short_examples_at_{k}"] for k in (1, 2, 3)] == [0, 0, 0]


def test_without_a_word_count_chance_is_among_the_words_of_both():
    named = {word for word, _ in SMALL + LARGE}
    assert one(SMALL, LARGE, [2])["expected_jaccard_at_2"] == expected_jaccard(2, 2, len(named))


def test_too_few_words_are_compared_as_they_are_and_counted():
    pair = [[[SMALL, SMALL, [("one", 1.0)]]], [[LARGE, LARGE[:2], [("one", 0.5)]]]]
    result = measure(*pair, k=[1, 4], words=[6, 6, 1])
    assert result["short_examples_at_1"] == 0
    assert result["short_examples_at_4"] == 2
    assert result["jaccard_at_4"] == pytest.approx((3 / 5 + 2 / 4 + 1) / 3)


def test_two_models_that_name_no_word_are_equal():
    result = one([], [], [10])
    assert (result["jaccard_at_10"], result["expected_jaccard_at_10"], result["top_word_agreement"]) == (1, 1, 1)
    assert one([], SMALL, [10])["jaccard_at_10"] == 0
    assert one([], SMALL, [10])["top_word_agreement"] == 0


def test_examples_that_share_nothing_do_not_count_for_signs_and_ranks():
    other = [("film", 1.0)]
    alone = one(SMALL, LARGE, [3])
    result = measure([[SMALL, SMALL]], [[LARGE, other]], [3])
    assert result["sign_agreement_at_3"] == alone["sign_agreement_at_3"]
    assert result["rank_correlation"] == alone["rank_correlation"]
    nothing = one(SMALL, other, [3])
    assert (nothing["sign_agreement_at_3"], nothing["rank_correlation"]) == (0, 0)


def test_weights_of_one_size_put_words_in_no_order():
    level = [("a", 0.5), ("b", -0.5)]
    assert one(level, SMALL[:2] + level, [2])["rank_correlation"] == 0
    assert math.isnan(rank_correlation(dict(level), {"a": 0.1, "b": 0.2}))


def test_a_weight_of_zero_is_a_sign_of_its_own():
    assert sign_agreement({"a": 0.0, "b": 0.0}, {"a": -0.0, "b": 0.1}, {"a", "b"}) == 0.5


# Several runs: two examples; the large model says the same twice, the compressed one changes its mind.

A, B, C = [("a", 1.0)], [("b", 1.0)], [("c", -1.0)]


def test_figures_over_runs():
    result = measure([[A, B], [A, C]], [[A, B], [A, B]], [1], words=[4, 4])
    assert result["jaccard_at_1"] == 0.75
    assert result["jaccard_at_1_variance"] == pytest.approx(((1 - 0.75) ** 2 + (0.5 - 0.75) ** 2) / 1)
    assert result["self_jaccard_at_1"] == 0.5
    assert result["large_self_jaccard_at_1"] == 1
    assert result["cross_jaccard_at_1"] == 0.75  # first example 1 and 1; second 1 (run 0 with 1) and 0 (run 1 with 0)
    assert result["alignment_at_1"] == pytest.approx((0.75 - 0.25) / (0.75 - 0.25))
    assert result["examples_used"] == 2


def test_one_run_has_no_self_agreement():
    assert not [key for key in one(SMALL, LARGE, [1]) if "self" in key or "variance" in key or "alignment_at" in key]


def noisy_explanations(seed, runs, examples, noise, base):
    rng = np.random.default_rng(seed)
    draws = base[None] + noise * rng.normal(size=(runs, examples, base.shape[1]))
    return [[rank([(f"w{j}", w) for j, w in enumerate(example)]) for example in run] for run in draws]


def test_the_explainers_noise_alone_leaves_full_alignment():
    """A model and its copy, whose explanations differ by noise: Jaccard is far below 1, alignment is 1."""
    base = np.random.default_rng(0).normal(size=(400, 30))
    first, second = (noisy_explanations(seed, 3, 400, 1.0, base) for seed in (1, 2))
    result = measure(first, second, [5], words=[30] * 400)
    assert result["jaccard_at_5"] < 0.5
    assert result["alignment_at_5"] == pytest.approx(1, abs=0.06)  # its standard error is near 0.02
    same_seeds = measure(first, first, [5], words=[30] * 400)  # the copy is explained with the same noise
    assert same_seeds["jaccard_at_5"] == 1
    assert same_seeds["alignment_at_5"] == pytest.approx(1, abs=1e-12)


def test_unrelated_models_have_no_alignment():
    rng = np.random.default_rng(3)
    first, second = (noisy_explanations(seed, 2, 400, 0.3, rng.normal(size=(400, 30))) for seed in (1, 2))
    result = measure(first, second, [5], words=[30] * 400)
    assert result["alignment_at_5"] == pytest.approx(0, abs=0.03)  # its standard error is near 0.01
    assert result["jaccard_at_5"] == pytest.approx(result["expected_jaccard_at_5"], abs=0.02)


def test_no_room_between_chance_and_ceiling_has_a_stated_answer():
    assert relative_to(1.0, chance=1.0, ceiling=1.0) == 1
    assert relative_to(0.3, chance=0.3, ceiling=0.3) == 0
    assert relative_to(0.3, chance=0.3, ceiling=0.2) == 0
    everything = measure([[A], [A]], [[A], [A]], [5])  # one word in all: every set is the same
    assert everything["alignment_at_5"] == 1


# Properties.


@given(explanations, explanations, st.integers(1, 12))
def test_swapping_the_models_changes_nothing(a, b, k):
    assert one(a, b, [k]) == pytest.approx(one(b, a, [k]), abs=1e-12)


@given(explanations, st.integers(1, 12))
def test_a_model_agrees_with_itself(a, k):
    result = one(a, a, [k])
    assert result["jaccard_at_" + str(k)] == result["top_word_agreement"] == result[f"sign_agreement_at_{k}"] == 1
    assert result["rank_correlation"] in (0, pytest.approx(1))


@given(explanations, explanations, st.integers(1, 12), st.floats(0.01, 100))
def test_the_scale_of_the_weights_does_not_matter(a, b, k, scale):
    scaled = [(word, weight * scale) for word, weight in a]
    assume(len({abs(w) for _, w in scaled} | {0}) == len({abs(w) for _, w in a} | {0}))  # no new ties, nor new zeros
    assert one(scaled, b, [k]) == one(a, b, [k])


@given(st.lists(st.tuples(explanations, explanations), min_size=1, max_size=6), st.integers(1, 12), st.data())
def test_figures_are_plain_finite_and_in_range(pairs, k, data):
    runs = data.draw(st.integers(1, 3))
    small, large = ([[pair[side] for pair in pairs]] * runs for side in (0, 1))
    result = measure(small, large, [k])
    for key, value in result.items():
        assert type(value) in (int, float)
        assert math.isfinite(value)
        if not key.startswith(("short", "examples", "alignment")):
            assert (-1 if key == "rank_correlation" else 0) <= value <= 1 + 1e-12
    assert result[f"jaccard_at_{k}_low"] <= result[f"jaccard_at_{k}"] <= result[f"jaccard_at_{k}_high"]


@given(st.lists(st.tuples(words, weights), min_size=1, max_size=20))
def test_rank_keeps_each_word_once_with_its_largest_weight(pairs):
    ranked = rank(pairs)
    assert {word for word, _ in ranked} == {word for word, _ in pairs}
    assert len(ranked) == len(dict(ranked))
    sizes = [abs(weight) for _, weight in ranked]
    assert sizes == sorted(sizes, reverse=True)
    for word, weight in ranked:
        assert abs(weight) == max(abs(other) for name, other in pairs if name == word)


def test_ties_stay_in_the_order_given():
    assert rank([("b", -1.0), ("a", 1.0), ("c", 2.0)]) == [("c", 2.0), ("b", -1.0), ("a", 1.0)]


# Agreement with independent code.


@given(st.integers(0, 12), st.integers(0, 12), st.integers(0, 12))
def test_expected_jaccard_is_scipys_hypergeometric_mean(a, b, spare):
    assume(a + b > 0)
    n = max(a, b) + spare
    shared = np.arange(min(a, b) + 1)
    assert expected_jaccard(a, b, n) == pytest.approx(
        float(hypergeom(n, a, b).pmf(shared) @ (shared / (a + b - shared)))
    )


@pytest.mark.parametrize(("a", "b", "n"), [(2, 3, 6), (1, 1, 4), (4, 4, 5), (3, 3, 3)])
def test_expected_jaccard_is_the_mean_over_all_pairs_of_sets(a, b, n):
    pairs = itertools.product(itertools.combinations(range(n), a), itertools.combinations(range(n), b))
    every = [len({*x} & {*y}) / len({*x} | {*y}) for x, y in pairs]
    assert expected_jaccard(a, b, n) == pytest.approx(np.mean(every))


def test_expected_jaccard_of_a_long_document():
    assert expected_jaccard(10, 10, 10_000) == pytest.approx(10 * 10 / 10_000 / 19, rel=0.01)  # one or none


@given(explanations, explanations)
def test_rank_correlation_is_scipys_tau_b(a, b):
    shared = sorted(dict(a).keys() & dict(b).keys())
    sides = [[abs(dict(side)[word]) for word in shared] for side in (a, b)]
    expected = kendalltau(*sides).statistic if len(shared) > 1 else math.nan
    assert rank_correlation(dict(a), dict(b)) == pytest.approx(expected, nan_ok=True)


def test_rank_correlation_of_many_words_is_that_of_few():
    rng = np.random.default_rng(0)
    for n in (256, 257):  # where the way of counting changes
        a, b = ({f"w{i}": w for i, w in enumerate(rng.integers(-9, 9, n).tolist())} for _ in range(2))
        sides = [np.abs(list(side.values())) for side in (a, b)]
        assert rank_correlation(a, b) == pytest.approx(kendalltau(*sides).statistic)


def test_variance_is_numpys_over_runs():
    base = np.random.default_rng(0).normal(size=(30, 15))
    small, large = (noisy_explanations(seed, 4, 30, 0.8, base) for seed in (1, 2))
    result = measure(small, large, [5])

    def mean_over(first, second, pairs):
        return np.mean([measure([first[i]], [second[j]], [5])["jaccard_at_5"] for i, j in pairs])

    each = [mean_over(small, large, [(i, i)]) for i in range(4)]
    assert result["jaccard_at_5_variance"] == pytest.approx(np.var(each, ddof=1))
    assert result["jaccard_at_5"] == pytest.approx(np.mean(each))
    assert result["self_jaccard_at_5"] == pytest.approx(mean_over(small, small, itertools.combinations(range(4), 2)))
    others = itertools.permutations(range(4), 2)
    assert result["cross_jaccard_at_5"] == pytest.approx(mean_over(small, large, others))


# Intervals of a fixed number of examples.


def test_one_example_says_nothing():
    assert wilson_mean_interval(np.array([0.4]), 0.95) == (0.0, 1.0)


def test_the_interval_of_zeros_and_ones_is_wilsons():
    values = np.repeat([1.0, 0.0], [30, 20])
    z2 = t.ppf(0.975, 49) ** 2  # with Student's quantile
    center, spread = (30 + z2 / 2) / (50 + z2), math.sqrt(z2 * 30 * 20 / 50 + z2**2 / 4) / (50 + z2)
    assert wilson_mean_interval(values, 0.95) == pytest.approx((center - spread, center + spread), rel=0.01)


def test_the_interval_of_many_values_is_students():
    values = np.random.default_rng(0).beta(4, 6, 5000)
    reach = t.ppf(0.975, 4999) * values.std(ddof=1) / math.sqrt(5000)
    expected = (values.mean() - reach, values.mean() + reach)
    assert wilson_mean_interval(values, 0.95) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("value", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("n", [2, 5, 50])
def test_equal_values_do_not_claim_certainty(value, n):
    low, high = wilson_mean_interval(np.full(n, value), 0.95)
    assert low <= value <= high
    assert high - low > 1 / (2 * n)
    assert (low == 0) == (value == 0)
    assert (high == 1) == (value == 1)


@given(jaccards)
def test_interval_holds_the_mean_mirrors_and_grows_with_the_level(values):
    low, high = wilson_mean_interval(values, 0.95)
    assert 0 <= low <= values.mean() <= high <= 1
    mirrored = wilson_mean_interval(1 - values, 0.95)
    assert (1 - mirrored[1], 1 - mirrored[0]) == pytest.approx((low, high))
    wider = wilson_mean_interval(values, 0.99)
    assert wider[0] <= low
    assert wider[1] >= high


@pytest.mark.parametrize("n", [3, 10, 50])
def test_fixed_intervals_hold_the_truth(n):
    """Seeded draws; 92 % of 500 is three standard errors below 95 %. Student's t holds as little as 10 % of these."""
    for name in simulate.POPULATIONS:
        held = np.mean([simulate.fixed_trial(name, n, seed)[0] for seed in range(500)])
        assert held >= 0.92, (name, n, held)


# Stop when sure.


def test_a_constant_stream_of_bets_by_hand():
    """Two values of 1 against a candidate m, stake s: wealth (1 + s (1 - m))^2; the interval ends where it is 40."""
    values, stake = np.array([1.0, 1.0]), np.array([0.5, 0.5])
    assert np.exp(log_growth(values, stake, 0.4).sum()) == pytest.approx(1.3**2)
    assert np.exp(log_growth(values, np.array([9.0, 9.0]), 0.5).sum()) == pytest.approx((1 + 1 * 0.5) ** 2)
    assert lowest_left(values, stake, 0.95) == 0  # nobody is rich after two values


def test_interval_ends_where_the_gambler_is_rich():
    values = np.random.default_rng(0).choice([0.0, 0.25, 1.0], 500)
    stake = stakes(values, 0.9, 0.1, None)
    low, high = sequence_interval(values, 0.9, 0.1)
    assert np.exp(log_growth(values, stake, low).sum()) == pytest.approx(2 / 0.1, rel=1e-4)
    assert np.exp(log_growth(1 - values, stake, 1 - high).sum()) == pytest.approx(2 / 0.1, rel=1e-4)


@given(jaccards)
def test_a_bet_is_placed_before_its_value_is_seen(values):
    stake = stakes(values, 0.95, 0.05, None)
    changed = np.append(values[:-1], 1 - values[-1])
    np.testing.assert_array_equal(stakes(changed, 0.95, 0.05, None), stake)


@given(jaccards, st.sampled_from([0.02, 0.1, 0.5]), st.sampled_from([None, 1, 100]))
def test_sequence_interval_holds_the_mean_and_mirrors(values, width, most):
    low, high = sequence_interval(values, 0.95, width, most)
    assert 0 <= low <= values.mean() <= high <= 1
    mirrored = sequence_interval(1 - values, 0.95, width, most)
    assert (1 - mirrored[1], 1 - mirrored[0]) == pytest.approx((low, high), abs=1e-6)
    assert sure(values, 0.95, width, most) == (high - low <= width)


def test_more_examples_are_needed_for_a_narrower_interval():
    values = simulate.POPULATIONS["half of the words"].draw(10_000, np.random.default_rng(0))
    stops = []
    for width in (0.1, 0.05, 0.02):
        stops.append(next(n for n in simulate.looks() if sure(values[:n], 0.95, width)))
    assert stops == sorted(stops)
    assert stops[-1] < 5000  # fewer than half of 10,000; a single look at a known variance would need 2,029
    low, high = sequence_interval(values[: stops[-1]], 0.95, 0.02)
    assert high - low <= 0.02


def test_the_interval_is_sharper_at_the_end_of_a_short_list_when_told_its_length():
    values = simulate.POPULATIONS["half of the words"].draw(500, np.random.default_rng(0))
    widths = [high - low for low, high in (sequence_interval(values, 0.95, 0.02, m) for m in (500, None))]
    assert widths[0] < 0.75 * widths[1]


@pytest.mark.parametrize("name", ["half of the words", "one word", "equal but for few", "nothing but for few"])
def test_the_truth_is_rarely_ever_outside(name):
    """Looked at after each of 10,000 examples; at most 5 % by proof, 8.5 % of 200 is two standard errors above."""
    population = simulate.POPULATIONS[name]
    missed = []
    for seed in range(200):
        values, mean = population.draw(10_000, np.random.default_rng(seed)), population.mean()
        stake = stakes(values, 0.95, 0.05, 10_000)
        bets = [(values, stake, mean), (1 - values, stake, 1 - mean)]
        missed.append(max(np.cumsum(log_growth(*bet)).max() for bet in bets) > math.log(40))
    assert np.mean(missed) <= 0.085


def test_plain_intervals_looked_at_often_do_not_keep_the_promise():
    """Why the sequence interval is there: a 95 % interval looked at 10,000 times misses far more often than 5 %."""
    population = simulate.POPULATIONS["half of the words"]
    n = np.arange(1, 10_001)
    missed = []
    for seed in range(50):
        values = population.draw(10_000, np.random.default_rng(seed))
        reach = 1.96 * population.deviation() / np.sqrt(n)
        missed.append((np.abs(np.cumsum(values) / n - population.mean()) > reach)[30:].any())
    assert np.mean(missed) > 0.3


def test_measure_uses_the_sequence_interval_when_asked():
    base = np.random.default_rng(0).normal(size=(40, 15))
    small, large = (noisy_explanations(seed, 2, 40, 0.8, base) for seed in (1, 2))
    rows = [compare([a[i] for a in small], [b[i] for b in large], [5]) for i in range(40)]
    values = np.array([row["jaccard_at_5"].mean() for row in rows])

    def ends(**options):
        result = measure(small, large, [5], **options)
        return result.get("jaccard_at_5_low"), result.get("jaccard_at_5_high")

    assert ends(target_width=0.2, most=100) == sequence_interval(values, 0.95, 0.2, 100)
    assert ends() == wilson_mean_interval(values, 0.95)
    assert ends(confidence_level=None) == (None, None)


# What was made elsewhere.


@pytest.mark.parametrize(
    "entry",
    [
        [("good", 0.5), ("film", -0.7)],
        [["good", 0.5], ["film", -0.7]],
        (("good", 0.5), ("film", -0.7)),
        {"good": 0.5, "film": -0.7},
        {"good": 0.5, "film": -0.7, "not here": None},
        [{"word": "good", "weight": 0.5}, {"word": "film", "weight": -0.7}],
        [("good", np.float64(0.5)), (np.str_("film"), np.float64(-0.7))],
        [("good", np.array(0.5)), ("film", torch.tensor(-0.7, dtype=torch.float64))],
        np.array([["good", 0.5], ["film", -0.7]], dtype=object),
        [("[CLS]", 9.0), (" good", 0.5), ("film ", -0.7), ("good", 0.1), ("", 3), ("  ", 4), ("[SEP]", 1), ("</s>", 2)],
    ],
)
def test_every_form_of_attributions_is_read(entry):
    for values in ([entry], (entry,), pd.Series([entry])):
        (explanation,) = read_attributions("predictions", values)
        assert explanation == [("film", -0.7), ("good", 0.5)]
        assert all(type(word) is str or isinstance(word, str) for word, _ in explanation)
        assert all(type(weight) is float for _, weight in explanation)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (None, "predictions is missing"),
        ([], "predictions is empty"),
        ("good", "predictions needs one list .* per example, got str"),
        ({"good": 1}, "predictions needs one list .* per example, got dict"),
        (3, "predictions needs one list .* per example, got int"),
        (
            [{"a": 1}, "good"],
            r"predictions, example 1: expected \(word, weight\) pairs .* got 'good'",
        ),
        ([{"a": 1}, 3.0], r"predictions, example 1: expected \(word, weight\) pairs .* got 3\.0"),
        ([{"a": 1}, None], r"predictions, example 1: expected \(word, weight\) pairs .* got None"),
        ([["ab"]], r"predictions, example 0: expected a \(word, weight\) pair, got 'ab'"),
        ([[("a", 1, 2)]], r"predictions, example 0: expected a \(word, weight\) pair, got \('a', 1, 2\)"),
        ([[5]], r"predictions, example 0: expected a \(word, weight\) pair, got 5"),
        ([[(1, "a")]], "predictions, example 0: a word must be a string, got 1"),
        ([[("a", "1")]], "predictions, example 0: the weight of 'a' must be a finite number, got '1'"),
        ([[("a", True)]], "predictions, example 0: the weight of 'a' must be a finite number, got True"),
        ([[("a", 1)], [("b", math.nan)]], "predictions, example 1: the weight of 'b' must be a finite number, got nan"),
        ([[("b", np.inf)]], "predictions, example 0: the weight of 'b' must be a finite number, got inf"),
        ([[("b", 10**400)]], "predictions, example 0: the weight of 'b' must be a finite number, got 1000"),
        ([[("b", None)]], "predictions, example 0: the weight of 'b' must be a finite number, got None"),
    ],
)
def test_bad_attributions_are_named(values, message):
    with pytest.raises(ValueError, match="^" + message):
        read_attributions("predictions", values)


# Details and plots.


@pytest.fixture(scope="module")
def detailed():
    base = np.random.default_rng(0).normal(size=(60, 25))
    small, large = (noisy_explanations(seed, 3, 60, 0.7, base) for seed in (1, 2))
    result = measure(small, large, [5, 10], words=[25] * 60)
    return result | {"details": details_of(small, large, [5, 10], words=[25] * 60)}


def test_details_are_json_and_agree_with_the_figures(detailed):
    details = json.loads(json.dumps(detailed["details"], allow_nan=False))
    assert (details["k"], details["runs"], len(details["per_example"])) == ([5, 10], 3, 60)
    for key in ("jaccard_at_5", "expected_jaccard_at_10", "self_jaccard_at_5", "cross_jaccard_at_10"):
        assert np.mean([entry[key] for entry in details["per_example"]]) == pytest.approx(detailed[key])
    first = details["per_example"][0]
    assert len(first["explanations"]) == len(first["large_explanations"]) == 3
    tops = [{word for word, _ in first[name][0][:5]} for name in ("explanations", "large_explanations")]
    runs = [jaccard({w for w, _ in a[:5]}, {w for w, _ in b[:5]})
            for a, b in zip(first["explanations"], first["large_explanations"], strict=True)]  # fmt: skip
    assert runs[0] == len(tops[0] & tops[1]) / len(tops[0] | tops[1])
    assert first["jaccard_at_5"] == pytest.approx(np.mean(runs))


def test_plot_shows_every_figure_it_compares(detailed, tmp_path):
    figure = plot(detailed)
    figure.savefig(tmp_path / "spread.png")
    assert len(figure.axes) == 2
    for axis, k in zip(figure.axes, (5, 10), strict=True):
        key = f"jaccard_at_{k}"
        lines = {line.get_label(): line.get_xdata()[0] for line in axis.lines}
        assert lines == {
            "two random sets (chance)": detailed[f"expected_{key}"],
            "mean and its interval": detailed[key],
            "large with itself (other seed)": detailed[f"large_self_{key}"],
            "compressed with itself (other seed)": detailed[f"self_{key}"],
        }
        assert spans_of(axis) == [(detailed[f"{key}_low"], detailed[f"{key}_high"])]
    text = "\n".join(text.get_text() for text in figure.axes[1].texts)
    for key in ("jaccard", "expected_jaccard", "self_jaccard", "large_self_jaccard", "alignment"):
        assert f"{detailed[f'{key}_at_10']:.3f}" in text
    heights = [sum(patch.get_height() for patch in axis.patches) for axis in figure.axes]
    assert heights == pytest.approx([100, 100])


def words_on(axis):
    return [text.get_text() for text in axis.texts if not text.get_text().startswith(("+", "-"))]


def test_plot_of_an_example_shows_the_words_of_both(detailed):
    figure = plot(detailed, example=3)
    entry = detailed["details"]["per_example"][3]
    for axis, name in zip(figure.axes, ("large_explanations", "explanations"), strict=True):
        top = entry[name][0][:10]
        assert words_on(axis) == [word for word, _ in top]
        signs = [patch.get_width() > 0 for patch in axis.patches]
        assert signs == [weight > 0 for _, weight in top]
    shared = {w for w, _ in entry["explanations"][0][:10]} & {w for w, _ in entry["large_explanations"][0][:10]}
    lines = [artist for artist in figure.artists + figure.patches if type(artist).__name__ == "ConnectionPatch"]
    assert len(lines) == len(shared)


HARD = [
    *("$5", "$x^{2$", "_a_", "a\nb\tc", "\x00", "x" * 5000),
    *("电影很好看", "שלום", "مرحبا", "हिन्दी", "e\u0301", "😀", "🧠", "👩\u200d👩\u200d👧"),
]


def test_any_word_can_be_drawn(tmp_path, recwarn):
    small = rank([(word, (-1) ** i / (i + 1)) for i, word in enumerate(HARD)])
    large = rank([(word, weight * 1e-9) for word, weight in small[::-1]])
    result = {"details": details_of([[small]], [[large]], [14])}
    result["details"]["per_example"][0]["text"] = [" ".join(HARD), "$ and $ 中文 " * 2000]
    figure = plot(result, example=0)
    figure.savefig(tmp_path / "words.png")
    for axis, words in zip(figure.axes, (large, small), strict=True):
        shown = [text.get_text() for text in axis.texts]
        assert shown[1::2] == [shorten(drawable(word)[0]) for word, _ in words]
        assert shown[::2] == [f"{weight:+.2g}" for _, weight in words]
    assert not [str(warning.message) for warning in recwarn if "Glyph" in str(warning.message)]


@pytest.mark.parametrize("pair", [([], []), ([("only", 0.0)], [("other", -1.0)]), (SMALL, LARGE)])
@pytest.mark.parametrize("k", [1, 50])
def test_plots_of_little_or_much(pair, k, tmp_path):
    small, large = ([[explanation]] for explanation in pair)
    result = measure(small, large, [k], confidence_level=None)
    result["details"] = details_of(small, large, [k])
    spread, words = plot(result), plot(result, example=0)
    spread.savefig(tmp_path / "spread.png")
    words.savefig(tmp_path / "words.png")
    (axis,) = spread.axes
    (bar,) = axis.patches
    assert bar.get_x() + bar.get_width() / 2 == pytest.approx(result[f"jaccard_at_{k}"])
    assert bar.get_height() == 100
    for axis, explanation in zip(words.axes, pair[::-1], strict=True):
        assert len(axis.patches) == min(k, len(explanation))
        assert words_on(axis) == ([word for word, _ in explanation[:k]] or ["no words"])


def test_a_long_explanation_is_cut_and_says_so():
    many = [(f"w{i}", 1.0 / (i + 1)) for i in range(200)]
    for k, cut in ((MOST_ROWS, False), (MOST_ROWS + 1, True)):
        figure = plot({"details": details_of([[many]], [[many]], [k])}, example=0)
        assert len(words_on(figure.axes[0])) == MOST_ROWS
        assert (f"only {MOST_ROWS} words" in figure.texts[0].get_text()) == cut


@pytest.mark.parametrize("example", [60, -1, 1.5, "0", True])
def test_an_example_that_is_not_there_is_named(detailed, example):
    with pytest.raises(ValueError, match="example must be a whole number from 0 to 59, got"):
        plot(detailed, example=example)


def test_plot_without_details_says_what_to_do(detailed):
    with pytest.raises(ValueError, match="details=True"):
        plot({key: value for key, value in detailed.items() if key != "details"})


@settings(max_examples=25)
@given(st.text(max_size=60))
def test_words_are_shortened_to_their_column(word):
    short = shorten(word)
    assert len(short) <= LONGEST_WORD
    if len(word) < LONGEST_WORD // 2:
        assert short == " ".join(word.split())
