"""Divergences drawn anew for two pairs at once: by hand, by their properties, and against what is not paired."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trusteq.resampling import DRAWS, Weights, ends, of_sums

levels = st.floats(0.5, 0.99)


def pair(*columns):
    """A pair's sums, of which every example has a row."""
    return np.arange(len(columns[0])), np.stack(columns, axis=1).astype(float)


def excess(kind, own, twin, level=0.95, seed=0):
    drawn = of_sums(kind, [own, twin], seed)
    return drawn[0, 0] - drawn[1, 0], ends(drawn[0] - drawn[1], level)


def test_an_excess_is_that_of_the_sums():
    rows = np.array([[1, 1, 1, 1], [0, 1, 1, 1], [0, 1, 0, 1], [0, 0, 1, 1]] * 25).T
    value, (low, high) = excess("overlap", pair(*rows[:2]), pair(*rows[2:]))
    assert value == pytest.approx((1 - 1 / 3) - (1 - 3 / 4), rel=1e-12)
    assert low < value < high


def test_noise_that_both_pairs_have_cancels():
    """The compressed model has lost 10 of 60 shared examples, the twin none."""
    shared = np.array([1] * 60 + [0] * 40)
    kept = np.where(np.arange(100) < 10, 0, shared)
    ones = np.ones(100)
    value, (low, high) = excess("overlap", pair(kept, ones), pair(shared, ones))
    assert value == pytest.approx(0.1)
    assert 0.03 < low < value < high < 0.19  # 0.1 +- 1.96 * sqrt(0.1 * 0.9 / 100) is 0.04 to 0.16, plus two unsure ones
    moved = np.random.default_rng(0).permutation(kept)  # as many, but others: nothing cancels
    _, (unpaired_low, unpaired_high) = excess("overlap", pair(moved, ones), pair(shared, ones))
    assert unpaired_high - unpaired_low > 1.5 * (high - low)


def test_a_few_examples_that_agree_are_not_the_whole_truth():
    ones = np.ones(5)
    value, (low, high) = excess("overlap", pair(ones, ones), pair(ones, ones))
    assert value == 0
    assert low < -0.2
    assert high > 0.2


def test_no_example_at_all_that_counts_is_no_excess():
    none = np.zeros(50)
    value, (low, high) = excess("overlap", pair(none, none), pair(none, none))
    assert value == 0
    assert low <= 0 <= high


def test_only_examples_of_both_pairs_count_in_whatever_order_they_come():
    own = np.array([7, 3, 5]), np.array([[1.0, 1.0], [0.0, 1.0], [0.0, 1.0]])
    twin = np.array([3, 9, 7]), np.array([[1.0, 1.0], [1.0, 1.0], [0.0, 1.0]])
    drawn = of_sums("overlap", [own, twin], seed=0)
    assert drawn[:, 0].tolist() == [0.5, 0.5]  # of examples 3 and 7


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 700), st.integers(0, 10**6), levels)
def test_an_interval_holds_its_value_stays_in_range_and_follows_from_the_seed(n, seed, level):
    parts, ones = np.random.default_rng(seed).random((2, n)), np.ones(n)
    value, (low, high) = excess("overlap", pair(parts[0], ones), pair(parts[1], ones), level, seed)
    assert -1 <= low <= value <= high <= 1
    assert value == pytest.approx(parts[1].mean() - parts[0].mean(), abs=1e-12)
    assert excess("overlap", pair(parts[0], ones), pair(parts[1], ones), level, seed) == (value, (low, high))


@settings(max_examples=10, deadline=None)
@given(st.integers(2, 400), st.integers(0, 10**6))
def test_swapping_the_two_pairs_turns_the_excess_round(n, seed):
    parts, ones = np.random.default_rng(seed).random((2, n)).round(3), np.ones(n)
    pairs = [pair(part, ones) for part in parts]
    value, (low, high) = excess("overlap", *pairs, seed=seed)
    back, (back_low, back_high) = excess("overlap", *pairs[::-1], seed=seed)
    assert back == pytest.approx(-value, abs=1e-12)
    drawn = 0.1 * (high - low) + 0.02  # the two unsure rows change their random weights: the noise of 4,000 draws
    assert (back_low, back_high) == pytest.approx((-high, -low), abs=drawn)


def test_the_size_of_a_fall_gap_does_not_claim_a_sign_at_its_bend():
    """Both fall alike, and so does the twin: the excess of sizes is about 0, on both sides."""
    broken, ones = np.random.default_rng(0).random((2, 300)) < 0.5, np.ones(300)
    same = pair(broken[0], ones, broken[1], ones)
    value, (low, high) = excess("gap", same, same)
    assert value == 0
    assert low < 0 < high


def test_the_first_draw_is_the_sample_and_the_others_scatter_as_a_bootstrap_does():
    values = np.random.default_rng(0).random((200, 1))
    weights = Weights(200, seed=1)
    drawn = (weights.of(values) / weights.of(np.ones((200, 1))))[:, 0]
    assert len(drawn) == 1 + DRAWS
    assert drawn[0] == pytest.approx(values.mean(), rel=1e-12)
    assert drawn[1:].std() == pytest.approx(values.std() / np.sqrt(200), rel=0.06)  # 4,000 draws: 1 % of themselves


def test_many_examples_are_drawn_in_blocks():
    weights = Weights(10_000, seed=0)
    assert weights.blocks == 256
    assert weights.sums(np.ones((10_000, 1))).sum() == 10_000
