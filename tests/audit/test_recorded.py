"""From answers on disk to figures, worked by hand: distances, changed answers, tasks that moved, texts that part."""

import numpy as np
import pytest
from scipy.stats import entropy, ttest_rel

from trusteq.audit import answers
from trusteq.audit.options import AuditOptions
from trusteq.audit.recorded import Family, audit_answers
from trusteq.audit.said import said_of
from trusteq.records.record import record
from trusteq.records.runs import tasks_of

LARGE = {"id": ["a", "b", "c", "d"], "gold": list("xxxx"), "said": list("xxyy"), "right": [True, True, False, False]}
SMALL = {"id": ["d", "c", "b", "a"], "gold": list("xxxx"), "said": list("xzyx"), "right": [True, False, False, True]}


def tasks(large, small, **more):
    runs = {"large": [record({"task": "t"}, large)], "small": [record({"task": "t"}, small)]}
    return tasks_of(runs, **more)[0]


def test_answers_become_numbers_of_which_0_is_right():
    said = said_of(tasks(LARGE, SMALL))
    large, small = (said.work.labels[name] for name in ("large", "small"))
    assert [label == 0 for label in large] == [True, True, False, False]
    assert [label == 0 for label in small] == [True, False, False, True]
    assert large[2] == small[1] != small[2]  # y and y; z


def test_an_answer_that_is_right_in_other_words_has_not_changed():
    large = {"id": ["a", "b"], "gold": ["4", "5"], "said": ["four", "5"], "right": [True, True]}
    small = {"id": ["a", "b"], "gold": ["4", "5"], "said": ["4", "6"], "right": [True, False]}
    (flip,) = answers.flips(tasks(large, small)[0], "small", "large")
    assert (flip["id"], flip["kind"]) == ("b", "right to wrong")


def test_each_kind_of_change_by_hand():
    kinds = {flip["id"]: flip["kind"] for flip in answers.flips(tasks(LARGE, SMALL)[0], "small", "large")}
    assert kinds == {"b": "right to wrong", "c": "wrong to other wrong", "d": "wrong to right"}
    found = answers.figures(said_of(tasks(LARGE, SMALL)), "small", "large", 0.95)
    assert (found["accuracy"], found["large_accuracy"], found["accuracy_gap"]) == (0.5, 0.5, 0.0)


def with_rows(seed, count=50, options=4):
    rng = np.random.default_rng(seed)
    rows, gold = rng.dirichlet(np.ones(options), count), np.random.default_rng(9).integers(0, options, count)
    said = rows.argmax(axis=1)
    table = {"id": [str(i) for i in range(count)], "gold_index": gold, "said_index": said, "right": said == gold}
    return table | {"probabilities": rows.tolist(), "said": [f"{i}" for i in said]}, rows


def test_distances_of_distributions_agree_with_scipy():
    (large, p), (small, q) = with_rows(1), with_rows(2)
    found = answers.figures(said_of(tasks(large, small)), "small", "large", 0.95)
    assert found["kl_divergence"] == pytest.approx(entropy(p, q, axis=1).mean(), abs=1e-12)
    middle = (p + q) / 2
    shannon = (entropy(p, middle, axis=1, base=2) + entropy(q, middle, axis=1, base=2)) / 2
    assert found["js_divergence"] == pytest.approx(shannon.mean(), abs=1e-12)
    low, high = found["kl_divergence_low"], found["kl_divergence_high"]
    ends = ttest_rel(entropy(p, q, axis=1), np.zeros(50)).confidence_interval(0.95)
    assert (low, high) == pytest.approx((ends.low, ends.high))


def test_questions_with_fewer_options_are_padded_and_change_nothing():
    table = {"id": ["a", "b"], "gold_index": [0, 1], "said_index": [0, 0], "right": [True, False], "said": ["A", "A"]}
    table |= {"probabilities": [[0.5, 0.25, 0.25], [0.75, 0.25]]}
    said = said_of(tasks(table, table))
    assert said.work.probabilities["small"].tolist() == [[0.5, 0.25, 0.25], [0.75, 0.25, 0.0]]
    assert answers.figures(said, "small", "large", 0.95)["kl_divergence"] == 0.0


def test_what_was_scored_otherwise_than_by_the_highest_probability_is_no_distribution_of_the_answers():
    table, _ = with_rows(1)
    normed = table | {"right": ~np.array(table["right"])}
    said = said_of(tasks(normed, normed))
    assert said.work.probabilities == {}
    assert said.work.confidence.keys() == {"large", "small"}


def stepped_down(chances, level):
    """Holm's procedure as he wrote it: from the smallest on, until one is above level / (how many are left)."""
    rejected = set()
    for rank, place in enumerate(np.argsort(chances)):
        if chances[place] > level / (len(chances) - rank):
            break
        rejected.add(place)
    return rejected


@pytest.mark.parametrize("level", [0.001, 0.05, 0.2, 0.7])
def test_corrected_chances_reject_what_holms_procedure_rejects(level):
    chances = np.random.default_rng(0).random(20) ** 4
    corrected = np.array(answers.holm(chances))
    assert set(np.flatnonzero(corrected <= level)) == stepped_down(chances, level)


def test_where_texts_part_by_hand():
    """The same to the end; parted after three words; parted at once; a beginning of the other."""
    large = ["the cat sat on the mat", "a b c d e", "one two three four", "red green blue black"]
    small = ["the cat sat on the mat", "a b c x e", "two one three four", "red green"]
    ids = ["a", "b", "c", "d"]
    one, two = ({"id": ids, "gold": ids, "said": said, "right": [False] * 4} for said in (large, small))
    found = answers.parting(tasks(one, two)[0], "small", "large", 0.95, None)
    assert found["identical"] == 0.25
    assert dict(zip(found["words"], found["same"], strict=True)) == {0: 1.0, 1: 0.75, 2: 0.75, 3: 0.5, 5: 0.25}
    assert answers.parting(tasks(LARGE, SMALL)[0], "small", "large", 0.95, None) is None  # single letters are no texts


def test_one_score_of_the_harness_by_hand():
    large = LARGE | {"score:f1": [1.0, 0.5, 0.0, None]}
    small = SMALL | {"score:f1": [0.25, 0.5, 0.0, 0.5]}  # d, c, b, a
    found = answers.scores(tasks(large, small)[0], "small", "large", 0.95, None)
    assert found["f1"]["value"] == pytest.approx((0.5 + 0.0 + 0.5) / 3)
    assert found["f1"]["large_value"] == pytest.approx(0.5)
    assert found["f1"]["gap"] == pytest.approx(-1 / 6)


def test_some_answers_have_no_confidence_and_are_left_out_of_calibration_alone():
    count = 30
    sure = [0.5 if i else None for i in range(count)]
    table = {"id": [str(i) for i in range(count)], "gold": ["x"] * count, "said": ["x", "y"] * (count // 2)}
    table |= {"right": [True, False] * (count // 2), "confidence": sure}
    family = Family({"large": "l", "small": "s"}, {"large": "large", "small": "compressed"}, "t", tasks(table, table))
    found, changed = audit_answers(family, AuditOptions())
    entries = found["pairs"][0]["dimensions"]
    assert (entries["prediction_error_jaccard"]["examples"], entries["calibration_gap"]["examples"]) == (30, 29)
    assert "calibration_gap leaves out the answers that come without a confidence: 1 of t" in found["data"]["noticed"]
    assert entries["calibration_gap"]["figures"]["ece"] == pytest.approx(abs(14 / 29 - 0.5))
    assert changed == {"small": []}
