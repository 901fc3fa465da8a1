"""Two records side by side: only the same examples are compared, and only if both mean the same by them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trusteq.records.joined import join
from trusteq.records.record import record


def made(place, ids, **columns):
    return record({"place": place}, {"id": ids, "right": [True] * len(ids)} | columns)


@settings(deadline=None)
@given(*[st.lists(st.integers(0, 30).map(str), unique=True, min_size=1)] * 2)
def test_the_same_examples_in_the_same_order_and_the_others_are_counted(ids, others):
    if not set(ids) & set(others):
        return
    joined = join(made("large", ids), made("small", others))
    assert joined.large["id"].to_pylist() == joined.compressed["id"].to_pylist() == [i for i in ids if i in others]
    assert joined.only_large == len(set(ids) - set(others))
    assert joined.only_compressed == len(set(others) - set(ids))
    assert set(joined.named) <= set(ids) ^ set(others)
    assert len(joined.noticed) == (joined.only_large > 0) + (joined.only_compressed > 0)


def test_values_follow_their_ids():
    large = made("large", ["a", "b"], said=["x", "y"])
    joined = join(large, made("small", ["b", "a"], said=["y", "x"]))
    assert joined.compressed["said"].to_pylist() == ["x", "y"]


@pytest.mark.parametrize(
    ("column", "one", "other", "said"),
    [
        ("gold", ["A", "B"], ["A", "C"], r"gold answers of large and small differ \(1 of 2, first 'b', 'B' and 'C'"),
        ("gold_index", [0, 1], [1, 1], r"the gold answers of large and small differ \(1 of 2, first 'a', 0 and 1"),
        ("doc_hash", ["1", "2"], ["1", "3"], r"the examples of large and small differ \(1 of 2, first 'b'"),
        ("options", [["x", "y"]] * 2, [["x", "y"], ["y", "x"]], "the options, or their order, of large and small"),
        ("prompt_hash", ["1", "2"], ["1", "3"], "1 of 2 prompts differ between large and small, first that of 'b'"),
    ],
)  # fmt: skip
def test_what_contradicts_is_a_sentence(column, one, other, said):
    with pytest.raises(ValueError, match=said):
        join(made("large", ["a", "b"], **{column: one}), made("small", ["a", "b"], **{column: other}))


def test_prompts_may_differ_if_that_is_wanted_and_it_is_told():
    large, small = made("large", ["a"], prompt_hash=["1"]), made("small", ["a"], prompt_hash=["2"])
    joined = join(large, small, allow_different_prompts=True)
    assert joined.noticed == ["1 of 1 prompts differ between large and small, and are compared all the same"]


def test_a_value_that_only_one_record_has_contradicts_nothing():
    joined = join(made("large", ["a", "b"], gold=["A", None]), made("small", ["a", "b"], gold=["A", "B"]))
    assert len(joined.large) == 2


def test_nothing_in_common_is_a_sentence():
    with pytest.raises(ValueError, match="large and small have no example in common: the ids are such as 'a' in one"):
        join(made("large", ["a"]), made("small", ["b"]))


def test_rows_without_ids_are_matched_by_order_only_if_there_are_as_many():
    large, small = (record({"place": place, "by_order": True}, {"id": ["0"], "right": [True]}) for place in "ab")
    assert len(join(large, small).large) == 1
    with pytest.raises(ValueError, match="a has no ids, and the other record has: they cannot be matched"):
        join(large, made("c", ["0"]))
    longer = record({"place": "c", "by_order": True}, {"id": ["0", "1"], "right": [True, False]})
    with pytest.raises(ValueError, match="a has 1 rows and c 2, and no ids to match them by"):
        join(large, longer)
