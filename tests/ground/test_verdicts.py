"""Can the difference be called small, or large, or neither yet? The verdicts, by hand and by their properties."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from trusteq import verdicts
from trusteq.verdicts import Excess

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
    assert Excess(sum(interval) / 2, *interval, margin=0.1).verdict == verdict


def test_the_seeds_widen_an_interval_and_one_more_seed_must_not_be_enough_for_a_difference():
    alone = Excess(0.2, 0.17, 0.23, margin=0.1)
    assert alone.verdict == "different"
    with_seeds = Excess(0.2, 0.17, 0.23, margin=0.1, seeds=0.04, one_more=0.08)
    assert with_seeds.interval == pytest.approx((0.15, 0.25))  # 3, 4, 5
    assert with_seeds.verdict == "different"  # 0.2 - sqrt(0.03^2 + 0.08^2) = 0.115
    further = Excess(0.2, 0.17, 0.23, margin=0.12, seeds=0.04, one_more=0.08)
    assert further.interval[0] > further.margin
    assert further.verdict == "inconclusive"  # one more seed might lie there


def test_chance_is_what_the_normal_distribution_gives():
    # 1.96 standard errors are 0.05, so 0.08 beyond the margin are 3.136 of them.
    assert Excess(0.18, 0.13, 0.23, margin=0.1).chance == pytest.approx(norm.sf(0.08 / 0.05 * norm.ppf(0.975)))
    assert Excess(0.1, 0.1, 0.1, margin=0.2).chance == 1
    assert Excess(0.3, 0.3, 0.3, margin=0.2).chance == 0


def test_holms_correction_is_that_of_adjusted_p_values():
    rng = np.random.default_rng(0)
    for _ in range(200):
        chances = (rng.random(int(rng.integers(1, 12))) ** 4).tolist()
        order = np.argsort(chances)
        adjusted = np.maximum.accumulate(np.sort(chances) * np.arange(len(chances), 0, -1))
        stands = np.empty(len(chances), bool)
        stands[order] = adjusted <= 0.025
        assert verdicts.rejected(chances, level=0.95) == stands.tolist()


def test_true_differences_are_taken_for_chance_in_no_more_than_one_audit_of_forty():
    """Eighteen verdicts of models that lie on the margin, which move together or do not."""
    rng = np.random.default_rng(0)
    for together in (0.0, 0.5, 0.95):
        common = rng.standard_normal((20_000, 1)) * together**0.5
        chances = norm.sf(common + rng.standard_normal((20_000, 18)) * (1 - together) ** 0.5)
        assert np.mean([any(verdicts.rejected(one.tolist(), level=0.95)) for one in chances]) < 0.028


def test_no_number_of_examples_helps_where_the_twins_scatter_too_much():
    open_yet = Excess(0.05, -0.02, 0.12, margin=0.1, seeds=0.2, one_more=0.4)
    assert open_yet.needs_twins
    assert open_yet.needed(1000) is None
    assert not Excess(0.05, -0.02, 0.12, margin=0.1).needs_twins


# Properties.

shares = st.floats(0, 1)
reaches = st.floats(0, 0.5)


@given(shares, shares, shares, st.floats(0.001, 1), reaches, reaches)
def test_seeds_never_make_a_verdict_surer(low, middle, high, margin, seeds, more):
    low, middle, high = sorted((low, middle, high))
    alone = Excess(middle, low, high, margin)
    assert (alone.verdict == "inconclusive") == (low <= margin < high)
    verdict = Excess(middle, low, high, margin, seeds=seeds, one_more=seeds + more).verdict
    assert verdict in (alone.verdict, "inconclusive")


@given(st.floats(-0.3, 0.3), st.floats(0.01, 0.5), st.floats(0.01, 0.3), st.integers(50, 5000))
def test_with_as_many_as_are_said_to_decide_four_of_five_do(value, reach, margin, examples):
    """Against a simulation: further examples of the same kind join those that are there."""
    excess = Excess(value, value - reach, value + reach, margin)
    needed = excess.needed(examples)
    if needed is None or excess.verdict != "inconclusive":  # nobody is told of a number when it is settled
        return
    growth, error = needed / examples, reach / norm.ppf(0.975)
    later = value + error * np.sqrt(1 - 1 / growth) * np.random.default_rng(0).standard_normal(20_000)
    settled = np.abs(later - margin) >= reach / np.sqrt(growth)
    assert settled.mean() > 0.78
    if needed > 2 * examples:
        assert settled.mean() < 0.9


@given(st.floats(1, 1e8))
def test_an_estimate_is_rounded_up_to_two_figures(count):
    rounded = verdicts.rounded(count)
    assert count * (1 - 1e-6) <= rounded <= max(count + 1, count * 1.1 + 1e-6)
    assert len(str(rounded).rstrip("0")) <= 2


def test_codes_of_verdicts():
    assert verdicts.CODES == {"equivalent": 1, "inconclusive": 0, "different": -1}
