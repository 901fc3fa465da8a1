"""Can the difference be called small, or large, or neither yet? The verdicts, by hand and by their properties."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from trusteq import verdicts
from trusteq.intervals import share_interval

# By hand.


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [
        ((-0.1, 0.1), "equivalent"),  # the margin itself is allowed
        ((-0.1, 0.11), "inconclusive"),
        ((0.1, 0.3), "inconclusive"),  # its low end is no more than allowed
        ((0.11, 0.3), "different"),
        ((-0.5, -0.2), "equivalent"),  # nearer to the large model than the twin is
        ((-1.0, 1.0), "inconclusive"),
    ],
)
def test_the_verdict_follows_from_the_interval_and_the_margin(interval, verdict):
    assert verdicts.judge(sum(interval) / 2, interval, margin=0.1, examples=100).verdict == verdict


def test_the_examples_needed_are_those_that_bring_the_interval_to_the_margin():
    # 0.05 reaches 0.10 upwards and has 0.05 of room: half the width, four times the examples.
    assert verdicts.judge(0.05, (-0.1, 0.15), 0.1, 100).examples_needed == 400
    # 0.3 reaches 0.40 downwards and has 0.2 of room: four times as well.
    assert verdicts.judge(0.3, (-0.1, 0.4), 0.1, 100).examples_needed == 400
    # 0.09 has 0.01 of room and reaches 0.06: 36 times; two figures, never down.
    assert verdicts.judge(0.09, (0.03, 0.15), 0.1, 113).examples_needed == 4100
    assert verdicts.judge(0.1, (0.0, 0.2), 0.1, 100).examples_needed is None  # at the margin itself nothing helps
    assert verdicts.judge(0.05, (0.0, 0.08), 0.1, 100).examples_needed is None  # it is settled
    assert verdicts.judge(0.3, (0.2, 0.4), 0.1, 100).examples_needed is None


def test_an_overlap_diverges_by_what_is_missing_and_a_gap_by_its_size():
    assert verdicts.of_overlap(0.75, (0.5, 0.875)) == (0.25, (0.125, 0.5))
    assert verdicts.of_gap(0.25, (0.125, 0.5)) == (0.25, (0.125, 0.5))
    assert verdicts.of_gap(-0.25, (-0.5, -0.125)) == (0.25, (0.125, 0.5))
    assert verdicts.of_gap(0.25, (-0.5, 0.375)) == (0.25, (0.0, 0.5))  # either sign: as little as nothing


def test_two_intervals_that_hold_together_at_the_level():
    # Each misses in 2.5 % of all data, so that both hold in at least 95 % (Bonferroni).
    assert verdicts.joint_level(0.95) == 0.975
    assert verdicts.apart((0.5, (0.25, 0.75)), (0.25, (0.125, 0.375))) == (0.25, (-0.125, 0.625))
    assert verdicts.apart((1.0, (0.0, 1.0)), (0.0, (0.0, 1.0))) == (1.0, (-1.0, 1.0))


# Properties.

shares = st.floats(0, 1)
levels = st.floats(0.5, 0.99)


@given(shares, shares, shares, st.floats(0.001, 1), st.integers(2, 10**6))
def test_a_verdict_is_sure_exactly_when_the_interval_clears_the_margin(low, middle, high, margin, examples):
    low, middle, high = sorted((low, middle, high))
    judged = verdicts.judge(middle, (low, high), margin, examples)
    assert (judged.divergence, judged.low, judged.high) == (middle, low, high)
    assert (judged.verdict == "inconclusive") == (low <= margin < high)
    assert judged.examples_needed is None or (judged.verdict == "inconclusive" and judged.examples_needed > examples)


@given(shares, shares, shares, st.floats(0.001, 1), st.integers(2, 10**6))
def test_the_examples_needed_suffice_where_the_width_goes_with_the_root(low, middle, high, margin, examples):
    low, middle, high = sorted((low, middle, high))
    needed = verdicts.judge(middle, (low, high), margin, examples).examples_needed
    assume(needed is not None)
    shrunk = math.sqrt(examples / needed)
    then = (middle - (middle - low) * shrunk, middle + (high - middle) * shrunk)
    if middle <= margin:
        assert then[1] <= margin + 1e-9  # a float's rounding
    else:
        assert then[0] >= margin - 1e-9


@given(st.floats(-1, 1), st.floats(-1, 1), st.floats(-1, 1))
def test_the_size_of_a_gap_has_no_sign(low, middle, high):
    low, middle, high = sorted((low, middle, high))
    assert verdicts.of_gap(middle, (low, high)) == verdicts.of_gap(-middle, (-high, -low))
    size, (least, most) = verdicts.of_gap(middle, (low, high))
    assert 0 <= least <= size <= most <= 1


@given(st.lists(shares, min_size=3, max_size=3), st.lists(shares, min_size=3, max_size=3))
def test_the_excess_of_two_intervals_holds_every_difference_that_they_allow(own, floor):
    own, floor = sorted(own), sorted(floor)
    value, (low, high) = verdicts.apart((own[1], (own[0], own[2])), (floor[1], (floor[0], floor[2])))
    assert value == own[1] - floor[1]
    for mine in own:
        for twins in floor:
            assert low <= mine - twins <= high


@given(st.floats(1, 1e8))
def test_an_estimate_is_rounded_up_to_two_figures(count):
    rounded = verdicts.rounded(count)
    assert count * (1 - 1e-6) <= rounded <= max(count + 1, count * 1.1 + 1e-6)
    assert len(str(rounded).rstrip("0")) <= 2


# The paired excess.


def jaccard_excess(sums):
    own, twins = (
        verdicts.ratio(sums[..., 0], sums[..., 1], empty=1.0),
        verdicts.ratio(sums[..., 2], sums[..., 3], empty=1.0),
    )
    return (1 - own) - (1 - twins)


UNSURE = np.array([[1, 1, 0, 1], [0, 1, 1, 1]], dtype=float)


def test_a_paired_excess_is_that_of_the_sums():
    rows = np.array([[1, 1, 1, 1], [0, 1, 1, 1], [0, 1, 0, 1], [0, 0, 1, 1]] * 25, dtype=float)
    value, (low, high) = verdicts.paired(rows, UNSURE, jaccard_excess, 0.95, seed=0)
    assert value == pytest.approx((1 - 1 / 3) - (1 - 3 / 4), rel=1e-12)
    assert low < value < high


def test_pairing_tells_apart_what_two_intervals_cannot():
    """The compressed model has lost 10 of 100 shared examples, the twin none: noise that both have cancels."""
    twins = np.array([[1, 1]] * 60 + [[0, 1]] * 40, dtype=float)
    own = twins.copy()
    own[:10, 0] = 0
    value, (low, high) = verdicts.paired(np.concatenate([own, twins], axis=1), UNSURE, jaccard_excess, 0.95, seed=0)
    assert value == pytest.approx(0.1)
    assert 0.03 < low < value < high < 0.19  # 0.1 +- 1.96 * sqrt(0.1 * 0.9 / 100) is 0.04 to 0.16, plus two unsure ones
    apart = verdicts.apart(
        verdicts.of_overlap(0.5, share_interval(50, 100, 0.975)),
        verdicts.of_overlap(0.6, share_interval(60, 100, 0.975)),
    )
    assert apart[1][0] < 0 < high - low < apart[1][1] - apart[1][0]


def test_a_few_examples_that_agree_are_not_the_whole_truth():
    same = np.ones((5, 4))
    value, (low, high) = verdicts.paired(same, UNSURE, jaccard_excess, 0.95, seed=0)
    assert value == 0
    assert low < -0.2
    assert high > 0.2


def test_no_example_at_all_that_counts_is_no_excess():
    value, (low, high) = verdicts.paired(np.zeros((50, 4)), UNSURE, jaccard_excess, 0.95, seed=0)
    assert value == 0
    assert low <= 0 <= high


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 700), st.integers(0, 10**6), levels)
def test_a_paired_interval_holds_its_value_stays_in_range_and_follows_from_the_seed(n, seed, level):
    rng = np.random.default_rng(seed)
    parts = rng.random((n, 2))
    rows = np.stack([parts[:, 0], np.ones(n), parts[:, 1], np.ones(n)], axis=1)
    value, (low, high) = verdicts.paired(rows, UNSURE, jaccard_excess, level, seed)
    assert -1 <= low <= value <= high <= 1
    assert value == pytest.approx(parts[:, 1].mean() - parts[:, 0].mean(), abs=1e-12)
    assert verdicts.paired(rows, UNSURE, jaccard_excess, level, seed) == (value, (low, high))


@settings(max_examples=10, deadline=None)
@given(st.integers(2, 400), st.integers(0, 10**6))
def test_swapping_the_two_pairs_turns_the_excess_round(n, seed):
    rows = np.random.default_rng(seed).random((n, 4)).round(3)
    rows[:, [1, 3]] = 1
    value, (low, high) = verdicts.paired(rows, UNSURE, jaccard_excess, 0.95, seed)
    back, (back_low, back_high) = verdicts.paired(
        rows[:, [2, 3, 0, 1]], UNSURE[::-1][:, [2, 3, 0, 1]], jaccard_excess, 0.95, seed
    )
    assert back == pytest.approx(-value, abs=1e-12)
    drawn = 0.1 * (high - low) + 0.02  # the two unsure rows change their random weights: the noise of 4,000 draws
    assert (back_low, back_high) == pytest.approx((-high, -low), abs=drawn)


def test_the_size_of_a_fall_gap_does_not_claim_a_sign_at_its_bend():
    """Both fall alike, and so does the twin: the excess of sizes is about 0, on both sides."""
    rng = np.random.default_rng(0)
    broken = rng.random((300, 2)) < 0.5
    rows = np.column_stack([broken[:, 0], np.ones(300), broken[:, 1], np.ones(300)] * 2).astype(float)
    unsure = np.array([[0, 1, 0, 1, 1, 1, 0, 1], [1, 1, 0, 1, 0, 1, 0, 1]], dtype=float)
    gap = verdicts.size_of_gap
    value, (low, high) = verdicts.paired(rows, unsure, lambda s: gap(s[..., :4]) - gap(s[..., 4:]), 0.95, seed=0)
    assert value == 0
    assert low < 0 < high


def test_codes_of_verdicts():
    assert verdicts.CODES == {"equivalent": 1, "inconclusive": 0, "different": -1}
