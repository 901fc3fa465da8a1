"""How sure must one be to stop early? Bounds against published ones and simulation, and looks by their properties."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from trusteq import looks
from trusteq.looks import Look, bounds, seen, sizes
from trusteq.verdicts import Excess

FIFTHS = (0.2, 0.4, 0.6, 0.8, 1.0)


def obrien_fleming(fraction, alpha):
    return 4 * norm.sf(norm.isf(alpha / 4) / fraction**0.5)


def pocock(fraction, alpha):
    return alpha * np.log(1 + (np.e - 1) * fraction)


# The bounds.


@pytest.mark.parametrize(
    ("spending", "published"),  # five equally spaced looks, 5 % in all: as R's ldbounds and gsDesign print them
    [(obrien_fleming, [4.8769, 3.3569, 2.6803, 2.2898, 2.0310]), (pocock, [2.4380, 2.4268, 2.4101, 2.3966, 2.3859])],
)
def test_bounds_are_those_that_are_published(spending, published):
    assert bounds(FIFTHS, 0.05, spending) == pytest.approx(published, abs=2e-4)


def test_bounds_that_spend_all_at_the_end_are_those_of_one_look():
    assert bounds((1.0,), 0.05) == pytest.approx([norm.isf(0.025)])
    assert bounds((0.5, 1.0), 0.05, lambda fraction, alpha: alpha * (fraction == 1.0))[1] == pytest.approx(
        norm.isf(0.025), abs=1e-6
    )


def paths(fractions, runs=400_000, seed=0):
    """Standardized sums at each look, of as many runs."""
    steps = np.sqrt(np.diff(fractions, prepend=0.0))
    return (np.random.default_rng(seed).standard_normal((runs, len(fractions))) * steps).cumsum(axis=1) / np.sqrt(
        fractions
    )


def test_as_much_is_spent_up_to_each_look_as_may_be():
    fractions = tuple(size / 2000 for size in sizes(128, 2000, unit=128))
    crossed = np.logical_or.accumulate(np.abs(paths(fractions)) >= bounds(fractions, 0.05), axis=1).mean(axis=0)
    allowed = np.array([looks.spent(fraction, 0.05) for fraction in fractions])
    assert (np.abs(crossed - allowed) < 4 * np.sqrt(allowed / 400_000)).all()


def test_without_a_greatest_number_the_sequence_is_crossed_no_more_often_than_it_may_be():
    counts = sizes(128, 200_000, endless=True, unit=128)
    reaches = [Look(counts[: i + 1], None, 128).reach for i in range(len(counts))]
    crossed = (np.abs(paths(np.array(counts) / counts[-1], runs=40_000)) >= reaches).any(axis=1).mean()
    assert 0.01 < crossed <= 0.05


def test_the_reach_without_a_greatest_number_is_nearly_least_where_it_is_tuned():
    def reach(count, least):
        return Look((count,), None, least).reach

    tuned = 128 * looks.TUNED
    others = [reach(tuned, least) for least in np.geomspace(10, 2000, 200)]
    assert reach(tuned, 128) == pytest.approx(min(others), rel=1e-3)


# Looks.


def test_one_look_is_a_plain_verdict():
    plain = Excess(0.1, 0.07, 0.14, margin=0.2, seeds=0.02, one_more=0.05)
    assert seen(plain, None) == (plain, plain.chance)
    once, chance = seen(plain, Look((500,), 500, 128))
    assert (once.low, once.high, once.seeds) == pytest.approx((0.07, 0.14, 0.02))
    far = Excess(0.3, 0.2, 0.4, margin=0.2)
    assert seen(far, Look((500,), 500, 128))[1] == pytest.approx(far.chance, rel=1e-3)
    assert chance == 1.0  # it is within the margin


def test_an_early_look_takes_more():
    """A quarter of the way, 3.36 standard errors where one look takes 1.96."""
    look = Look((500,), 2000, 128)
    assert look.reach == pytest.approx(norm.isf(0.05 / 64 / 2))
    excess = Excess(0.15, 0.1, 0.2, margin=0.21)
    wider, _ = seen(excess, look)
    assert wider.high - wider.value == pytest.approx(0.05 * look.reach / norm.isf(0.025))
    assert (excess.verdict, wider.verdict) == ("equivalent", "inconclusive")


def test_the_chance_of_a_look_is_the_rate_at_which_its_bound_would_be_crossed():
    counts = sizes(128, 2000, unit=128)
    for rate in (1e-6, 0.001, 0.01, 0.05, 0.3):
        for end, bound in enumerate(bounds(tuple(count / 2000 for count in counts), rate), start=1):
            if bound < looks.FARTHEST:
                chance = Look(counts[:end], 2000, 128).chance(norm.sf(bound))
                assert chance == pytest.approx(rate / 2, rel=0.01)


def test_the_chance_without_a_greatest_number_turns_the_reach_round():
    look = Look((128, 256, 640), None, 128)
    assert look.chance(norm.sf(look.reach)) == pytest.approx(0.025)


counts_and_most = st.integers(130, 50_000).flatmap(lambda most: st.tuples(st.just(most), st.integers(1, 10)))


@settings(max_examples=30, deadline=None)
@given(counts_and_most, st.floats(-3, 3), st.booleans(), st.floats(0.8, 0.99))
def test_a_verdict_of_a_look_is_a_plain_one_or_open_and_different_agrees_with_its_chance(given, value, endless, level):
    most, upto = given
    counts = sizes(128, most, endless, unit=128)[:upto]
    look = Look(counts, None if endless else most, 128, level)
    reach = norm.isf((1 - level) / 2)
    plain = Excess(value, value - reach, value + reach, margin=0.5, level=level)
    found, chance = seen(plain, look)
    assert found.verdict in (plain.verdict, "inconclusive")
    assert chance >= plain.chance * (1 - 1e-2)
    if found.verdict == "different":
        assert chance <= (1 - level) / 2 * 1.02


@given(st.integers(1, 500), st.integers(1, 10**6), st.booleans(), st.sampled_from([1, 128]))
def test_looks_grow_to_the_greatest_number(least, most, endless, unit):
    found = sizes(least, most, endless, unit)
    assert found[-1] == most
    assert all(size % unit == 0 for size in found[:-1])
    assert all(later >= looks.GROWTH * size for size, later in pairwise(found))
    assert len(found) <= 70
