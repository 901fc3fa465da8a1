"""Can the difference be called small, or large, or neither yet? The verdicts, by hand and by their properties."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from trusteq import verdicts

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


@given(st.floats(1, 1e8))
def test_an_estimate_is_rounded_up_to_two_figures(count):
    rounded = verdicts.rounded(count)
    assert count * (1 - 1e-6) <= rounded <= max(count + 1, count * 1.1 + 1e-6)
    assert len(str(rounded).rstrip("0")) <= 2


def test_codes_of_verdicts():
    assert verdicts.CODES == {"equivalent": 1, "inconclusive": 0, "different": -1}
