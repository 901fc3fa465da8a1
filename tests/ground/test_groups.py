"""What belongs together counts together: by hand, by what may not matter, and what groups may not be."""

import numpy as np
import pytest

from trusteq.dimensions.registry import DIMENSIONS
from trusteq.groups import ALONE, Design, codes_of, design, read_groups, together_of, units_of
from trusteq.intervals import (
    block_of_groups,
    jackknife_interval,
    padded_mean_interval,
    paired_share_gap_interval,
    share_interval,
    wilson_mean_interval,
)
from trusteq.resampling import Weights, ends, of_sums

NAMES = [name for name in DIMENSIONS if DIMENSIONS[name].inputs]


def examples(name, count, seed=0):
    """Something of every kind that a metric takes."""
    rng = np.random.default_rng(seed)
    gold = rng.integers(3, size=count)
    rows = [(rng.dirichlet([1, 1, 1], size=count) + 0.5 * np.eye(3)[gold]) / 1.5 for _ in range(2)]
    points = rng.normal(size=(count, 5))
    if name == "representation_overlap":
        return {"predictions": points + rng.normal(size=points.shape), "large_predictions": points}
    if name == "attack_divergence":
        told = [outcomes(rng.choice(["skipped", "broken", "withstood"], size=count)) for _ in range(2)]
    elif name == "attribution_alignment":
        told = [
            [{f"w{k}": 1 / (i + 1) for i, k in enumerate(rng.permutation(12)[:10])} for _ in range(count)] for _ in "ab"
        ]
    else:
        references = np.arange(count) % 2 if name == "ood_divergence" else gold
        return {"predictions": rows[0], "references": references, "large_predictions": rows[1]}
    return {"predictions": told[0], "large_predictions": told[1]}


def outcomes(kinds):
    return [{"status": k, "queries": int(k != "skipped"), "changed_words": int(k == "broken")} for k in kinds.tolist()]


def taken(data, rows):
    return {
        name: values[rows] if isinstance(values, np.ndarray) else [values[i] for i in rows]
        for name, values in data.items()
    }


def intervals(figures):
    return {
        key.removesuffix("_low"): (value, figures[f"{key[:-4]}_high"])
        for key, value in figures.items()
        if key.endswith("_low")
    }


# By hand.


def test_a_design_effect_by_hand():
    """Four groups of two: (1 1) (0 0) (1 1) (0 0). Over groups the variance is twice that over rows, and the group that
    joins is twice as well."""
    values = np.array([1, 1, 0, 0, 1, 1, 0, 0.0])
    assert design(values - 0.5, np.repeat(np.arange(4), 2)) == Design(effect=2.0, freedom=3.0)
    mixed = np.array([1, 0, 1, 0, 1, 0, 1, 0.0])  # groups that are all alike: never below 1
    assert design(mixed - 0.5, np.repeat(np.arange(4), 2)) == Design(effect=1.0, freedom=3.0)


def test_of_a_share_of_errors_only_the_groups_with_errors_count():
    """8 errors in 2 of 4 groups, of which one shares all and the other none: Jaccard 1/2, sums 2 and -2."""
    groups = np.repeat(np.arange(4), 4)
    either, shared = np.repeat([1, 1, 0, 0], 4), np.repeat([1, 0, 0, 0], 4)
    found = design(shared - 0.5 * either, groups, either)
    # over groups (4 + 4) / (1 - 1/2) * (1 - 1/2) = 8, over rows 8/4 = 2; one group more of 4 rows: 4^2/4 = 4 and 1
    assert found == Design(effect=(8 + 4) / (2 + 1), freedom=1.0)


def test_unequal_groups_are_worth_fewer_equal_ones():
    assert units_of(np.array([0, 0, 1, 1, 2, 2])) == 3
    assert units_of(np.array([0, 0, 0, 1])) == pytest.approx(16 / 10)
    assert together_of(np.array([0, 0, 0, 1]), np.ones(4)) == pytest.approx(10 / 4)


def test_intervals_of_a_design_by_hand():
    """Ten rows of which two tell as much as one are five rows, with Student's t."""
    two = Design(effect=2.0, freedom=np.inf)
    assert share_interval(8, 10, 0.95, two) == share_interval(4, 5, 0.95)
    assert paired_share_gap_interval(4, 2, 10, 0.95, two)[0] == pytest.approx(
        paired_share_gap_interval(2, 1, 5, 0.95)[0]
    )
    values = np.array([0.1, 0.4, 0.5, 0.6, 0.9])
    once, twice = Design(1.0, 4.0), Design(2.0, 4.0)
    for interval in (wilson_mean_interval, padded_mean_interval):
        assert interval(np.repeat(values, 2), 0.95, twice) == pytest.approx(interval(values, 0.95, once))
    low, high = jackknife_interval(0.5, values, 0.95)
    wider = jackknife_interval(0.5, values, 0.95, Design(effect=4.0, freedom=4.0))
    assert wider == pytest.approx((max(-1, 0.5 - 2 * (0.5 - low)), min(1, 0.5 + 2 * (high - 0.5))))
    assert share_interval(8, 10, 0.95, Design(freedom=9.0)) > (0, 0)
    assert share_interval(8, 10, 0.95, Design(freedom=9.0))[0] < share_interval(8, 10, 0.95, ALONE)[0]


@pytest.mark.parametrize("name", NAMES)
def test_one_group_says_nothing(name):
    found = DIMENSIONS[name].of(**examples(name, 40), groups=["all"] * 40)
    for figure, (low, high) in intervals(found).items():
        if figure != "cka":  # whose range is from -1
            assert high - low > 0.85, figure


# What may not matter.


@pytest.mark.parametrize("name", NAMES)
def test_rows_that_are_their_own_groups_have_the_interval_of_no_groups(name):
    """But for Student's t, and for a share of errors the number of errors: within 6 % of 60 rows, and 1.5 % of 300."""
    for count, near in ((60, 0.06), (300, 0.015)):
        data = examples(name, count)
        plain, own = (
            intervals(DIMENSIONS[name].of(**data)),
            intervals(DIMENSIONS[name].of(**data, groups=np.arange(count))),
        )
        for figure, (low, high) in plain.items():
            assert own[figure][1] - own[figure][0] == pytest.approx(high - low, rel=near), figure


@pytest.mark.parametrize("name", [name for name in NAMES if name != "representation_overlap"])
def test_rows_three_times_are_the_rows_once(name):
    """(Of neighbours the figure itself is another: a point's repetitions are its nearest ones.)"""
    data, rows = examples(name, 100), np.arange(100)
    once = intervals(DIMENSIONS[name].of(**data, groups=rows))
    thrice = intervals(DIMENSIONS[name].of(**taken(data, np.repeat(rows, 3)), groups=np.repeat(rows, 3)))
    for figure, found in once.items():
        assert thrice[figure] == pytest.approx(found, abs=1e-9), figure


@pytest.mark.parametrize("name", NAMES)
def test_names_and_order_of_groups_do_not_matter(name):
    data, groups = examples(name, 120), np.arange(120) // 6
    found = DIMENSIONS[name].of(**data, groups=groups)
    assert DIMENSIONS[name].of(**data, groups=[f"passage {5 * g}" for g in groups]) == found
    order = np.random.default_rng(1).permutation(120)
    moved = intervals(DIMENSIONS[name].of(**taken(data, order), groups=groups[order], seed=0))
    for figure, (low, high) in intervals(found).items():  # blocks are drawn for some, which are dealt in another order
        assert moved[figure] == pytest.approx((low, high), abs=0.1 * (high - low) + 1e-9), figure


@pytest.mark.parametrize("name", NAMES)
def test_groups_that_are_alike_make_intervals_wider(name):
    data = taken(examples(name, 60), np.repeat(np.arange(60), 4))
    plain, wide = (intervals(DIMENSIONS[name].of(**data, groups=g)) for g in (None, np.repeat(np.arange(60), 4)))
    widths = [(wide[figure][1] - wide[figure][0]) / (high - low) for figure, (low, high) in plain.items() if high > low]
    assert np.median(widths) > 1.5
    assert min(widths) > 0.99


@pytest.mark.parametrize("name", NAMES)
def test_the_signature_and_the_details_say_how_many_groups(name):
    data = examples(name, 40)
    details = DIMENSIONS[name].of(**data, groups=np.arange(40) // 4, details=True)["details"]
    assert details["groups"] == 10
    assert "|groups=10" in details["signature"]
    without = DIMENSIONS[name].of(**data, details=True)["details"]
    assert "groups" not in without
    assert "groups" not in without["signature"]


# Draws.


def test_blocks_never_split_a_group():
    groups = np.random.default_rng(0).integers(1000, size=5000)
    groups = codes_of(groups)
    block = block_of_groups(groups, seed=3)
    assert all(len(set(block[groups == g].tolist())) == 1 for g in range(50))
    assert block.max() < 256


def test_draws_of_few_groups_reach_as_far_as_students_t():
    """A mean over g groups: what weights on them scatter, in Student's t with g - 1 degrees of freedom."""
    from scipy.special import stdtrit

    groups = np.repeat(np.arange(8), 5)
    values = np.random.default_rng(0).normal(size=8)[groups]
    weights = Weights(40, seed=0, groups=groups)
    drawn = weights.of(np.stack([values, np.ones(40)], axis=1))
    drawn = weights.spread((drawn[:, 0] / drawn[:, 1])[None] / 10)[0]
    low, high = ends(drawn, 0.95)
    error = values[::5].std(ddof=1) / 8**0.5 / 10
    assert (high - low) / 2 == pytest.approx(stdtrit(7, 0.975) * error, rel=0.15)


def test_an_excess_of_rows_three_times_is_that_of_the_rows_once():
    rng = np.random.default_rng(0)
    pairs = [rng.integers(2, size=(100, 1)) * np.array([[1.0, 1.0]]) + [[0.0, 1.0]] for _ in range(2)]
    pairs = [np.minimum(pair, 1) for pair in pairs]
    once = of_sums("overlap", [(np.arange(100), pair) for pair in pairs], 0, np.arange(100))
    thrice = of_sums(
        "overlap", [(np.arange(300), np.repeat(p, 3, axis=0)) for p in pairs], 0, np.repeat(np.arange(100), 3)
    )
    assert thrice == pytest.approx(once)
    alone = of_sums("overlap", [(np.arange(300), np.repeat(p, 3, axis=0)) for p in pairs], 0)
    widths = [np.subtract(*ends(drawn[0] - drawn[1], 0.95)[::-1]) for drawn in (thrice, alone)]
    assert widths[0] / widths[1] == pytest.approx(3**0.5, rel=0.15)


# Bad input.


@pytest.mark.parametrize(
    ("groups", "says"),
    [
        (["a", None, "b", "b"], "groups are missing for 1 of 4 examples, the first in row 1: give every example one"),
        ([1.0, 2.0, float("nan"), float("nan")], "groups are missing for 2 of 4 examples, the first in row 2"),
        (["a", "", "b", "b"], "groups are missing for 1 of 4 examples, the first in row 1"),
        (["a", "b", "c"], "all arguments need one entry per example, but .* has 4, groups has 3"),
        (["a", 1, "b", "b"], "groups mixes str with int"),
        ([0.5, 1, 2, 3], "groups needs labels, integers or strings, got 0.5 in row 0"),
        ("abcd", "groups needs a group .* per example, got str"),
        ([], "groups is empty"),
    ],
)
def test_groups_that_are_none(groups, says):
    data = examples("prediction_error_jaccard", 4)
    with pytest.raises(ValueError, match=says):
        DIMENSIONS["prediction_error_jaccard"].of(**data, groups=groups)


def test_groups_of_every_library():
    import pandas as pd
    import pyarrow as pa
    import torch

    for groups in ([3, 3, 7], np.array([3, 3, 7]), torch.tensor([3, 3, 7]), pd.Series([3, 3, 7]), pa.array([3, 3, 7])):
        assert codes_of(read_groups(groups)).tolist() == [0, 0, 1]
    assert codes_of(read_groups(pd.Series(["a", "b", "a"], dtype="string"))).tolist() == [0, 1, 0]
    with pytest.raises(ValueError, match="missing for 1 of 3"):
        read_groups(pd.Series([1, None, 2], dtype="Int64"))


def test_a_target_width_is_for_examples_that_stand_alone():
    data = examples("attribution_alignment", 20)
    with pytest.raises(ValueError, match="target_width takes examples that stand alone: leave it out, or the groups"):
        DIMENSIONS["attribution_alignment"].of(**data, groups=np.arange(20) // 2, target_width=0.1)
