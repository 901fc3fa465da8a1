"""prediction_error_jaccard: worked cases, the published error lists, agreement with others' code, and bad input."""

import itertools
import json

import evaluate
import numpy as np
import pytest
from drawn import spans_of
from hypothesis import given, settings
from hypothesis import strategies as st
from lmsim.metrics import CAPA, EC
from scipy.special import softmax
from scipy.stats import binomtest, hypergeom
from sklearn.metrics import cohen_kappa_score, jaccard_score
from torchmetrics.functional.text import squad

from trusteq.records.read import read
from trusteq.records.record import record

PUBLISHED = {  # from arXiv 2407.13174's published lists, to three decimals
    ("bert_large", "bert_base"): 0.528,
    ("bert_large", "distil_bert"): 0.410,
    ("bert_large", "bert_medium"): 0.421,
    ("bert_base", "distil_bert"): 0.487,
    ("bert_base", "bert_medium"): 0.502,
    ("distil_bert", "bert_medium"): 0.566,
}


@pytest.fixture(scope="module")
def errors():
    return evaluate.load("metrics/prediction_error_jaccard")


def right_and_wrong(shared, only, large_only, both_right):
    """Predictions for references of all ones."""
    small = [0] * (shared + only) + [1] * (large_only + both_right)
    large = [0] * shared + [1] * only + [0] * large_only + [1] * both_right
    return {"predictions": small, "references": [1] * len(small), "large_predictions": large}


# Worked by hand.


def test_two_shared_one_of_each_and_two_right(errors):
    result = errors.compute(**right_and_wrong(2, 1, 1, 2))
    assert result["jaccard"] == 2 / 4
    assert result["expected_jaccard"] == pytest.approx(1.5 / (6 - 1.5))  # o = 3 * 3 / 6
    assert result["max_jaccard"] == 1
    assert result["chance_corrected_jaccard"] == pytest.approx((1 / 2 - 1 / 3) / (1 - 1 / 3))
    assert result["error_consistency"] == pytest.approx((4 / 6 - 1 / 2) / (1 - 1 / 2))
    assert (result["shared_errors"], result["compressed_only_errors"], result["large_only_errors"]) == (2, 1, 1)
    assert result["negative_flip_rate"] == pytest.approx(1 / 6)
    assert result["error_rate_gap"] == 0
    assert result["mcnemar_p"] == 1


def test_mcnemar_is_exact(errors):
    assert errors.compute(**right_and_wrong(0, 5, 0, 5))["mcnemar_p"] == pytest.approx(2 * 0.5**5)
    for only, large_only in ((3, 9), (120, 80), (700, 810)):
        ours = errors.compute(**right_and_wrong(4, only, large_only, 30))["mcnemar_p"]
        assert ours == pytest.approx(binomtest(only, only + large_only).pvalue, rel=1e-9)


def test_label_agreement_counts_equal_wrong_answers(errors):
    result = errors.compute(predictions=[2, 2, 0], references=[1, 1, 0], large_predictions=[2, 0, 0])
    assert result["label_agreement"] == pytest.approx(2 / 3)
    assert result["jaccard"] == 1


FLIPS = ("flip_rate", "right_to_wrong", "wrong_to_right", "wrong_to_other_wrong", "answer_change_rate")


def test_flips_are_told_apart_by_what_they_turn_into(errors):
    """Of ten: 3 right to wrong, 1 wrong to right, 2 to another wrong answer, 1 wrong as before, 3 right in both."""
    gold = ["A"] * 10
    large = ["A", "A", "A", "B", "B", "B", "B", "A", "A", "A"]
    small = ["B", "C", "B", "A", "C", "C", "B", "A", "A", "A"]
    result = errors.compute(predictions=small, references=gold, large_predictions=large)
    assert [result[name] for name in FLIPS] == [0.4, 0.3, 0.1, 0.2, 0.6]
    assert result["flip_rate"] == result["right_to_wrong"] + result["wrong_to_right"]
    assert result["right_to_wrong"] == result["negative_flip_rate"]
    for name in FLIPS:
        wilson = binomtest(round(10 * result[name]), 10).proportion_ci(method="wilson")
        assert [result[f"{name}_low"], result[f"{name}_high"]] == pytest.approx(list(wilson), abs=1e-12)
    bare = errors.compute(predictions=small, references=gold, large_predictions=large, confidence_level=None)
    assert [bare[name] for name in FLIPS] == [result[name] for name in FLIPS]
    assert not [name for name in bare if name.endswith(("_low", "_high"))]


def test_repeated_rows_of_one_group_make_the_flips_no_surer(errors):
    rng = np.random.default_rng(0)
    gold, small, large = (rng.integers(0, 3, 100) for _ in range(3))
    once = errors.compute(predictions=small, references=gold, large_predictions=large)
    thrice = errors.compute(
        predictions=np.repeat(small, 3),
        references=np.repeat(gold, 3),
        large_predictions=np.repeat(large, 3),
        groups=np.repeat(np.arange(100), 3),
    )
    for name in FLIPS:
        assert thrice[name] == pytest.approx(once[name])
        reach = [one[f"{name}_high"] - one[f"{name}_low"] for one in (once, thrice)]
        assert reach[1] == pytest.approx(reach[0], rel=0.05)


def test_a_model_beside_itself_flips_nothing(errors):
    result = errors.compute(predictions=[0, 1, 2], references=[0, 2, 1], large_predictions=[0, 1, 2])
    assert [result[name] for name in FLIPS] == [0.0] * 5
    assert result["flip_rate_high"] > 0.5  # three examples are not much


def test_wilson_interval_of_the_jaccard(errors):
    result = errors.compute(**right_and_wrong(8, 1, 1, 90))
    theirs = binomtest(8, 10).proportion_ci(0.95, method="wilson")
    assert (result["jaccard_low"], result["jaccard_high"]) == pytest.approx((theirs.low, theirs.high))


# The published error lists.


def test_the_six_jaccards_of_paper_a(errors, data):
    folder = data("miniature_errors")
    questions = json.loads((folder / "question_ids.json").read_text())
    right = {}
    for model in {name for pair in PUBLISHED for name in pair}:
        wrong = set(json.loads((folder / f"{model}.json").read_text()))
        assert wrong <= set(questions)
        right[model] = [id not in wrong for id in questions]
    for (large, small), jaccard in PUBLISHED.items():
        result = errors.compute(
            predictions=right[small], references=[True] * len(questions), large_predictions=right[large]
        )
        keys = ("jaccard", "expected_jaccard", "max_jaccard", "chance_corrected_jaccard")
        print(large, small, *(f"{result[key]:.3f}" for key in keys))
        assert round(result["jaccard"], 3) == jaccard
        assert result["jaccard_low"] < result["jaccard"] < result["jaccard_high"]


# Stated answers.


def test_no_errors_in_either_model_are_equal_error_sets(errors):
    result = errors.compute(**right_and_wrong(0, 0, 0, 5))
    assert result["jaccard"] == result["chance_corrected_jaccard"] == result["error_consistency"] == 1
    assert (result["jaccard_low"], result["jaccard_high"]) == (0, 1)
    assert result["error_rate_gap_low"] < 0 < result["error_rate_gap_high"]


def test_all_errors_in_both_models_are_equal_error_sets(errors):
    result = errors.compute(**right_and_wrong(5, 0, 0, 0))
    assert result["jaccard"] == result["chance_corrected_jaccard"] == result["error_consistency"] == 1


def test_one_perfect_model_shares_nothing(errors):
    result = errors.compute(**right_and_wrong(0, 3, 0, 2))
    assert result["jaccard"] == result["max_jaccard"] == result["chance_corrected_jaccard"] == 0


def test_one_always_wrong_model_leaves_no_room_above_chance(errors):
    result = errors.compute(**right_and_wrong(3, 2, 0, 0))
    assert result["jaccard"] == result["expected_jaccard"] == result["max_jaccard"] == 3 / 5
    assert result["chance_corrected_jaccard"] == 0


def test_two_certain_and_right_models_agree_fully(errors):
    rows = [[1.0, 0.0], [0.0, 1.0]]
    assert errors.compute(predictions=rows, references=[0, 1], large_predictions=rows)["capa"] == 1


# Properties.


@settings(max_examples=200, deadline=None)
@given(*[st.integers(0, 40)] * 4)
def test_figures_stay_in_their_ranges_and_mirror_when_models_swap(errors, shared, only, large_only, both_right):
    if shared + only + large_only + both_right == 0:
        both_right = 1
    one = errors.compute(**right_and_wrong(shared, only, large_only, both_right))
    other = errors.compute(**right_and_wrong(shared, large_only, only, both_right))
    assert 0 <= one["jaccard_low"] <= one["jaccard"] <= one["jaccard_high"] <= 1
    assert one["expected_jaccard"] <= one["max_jaccard"] + 1e-12
    assert one["jaccard"] <= one["max_jaccard"]
    assert one["chance_corrected_jaccard"] <= 1 + 1e-12
    assert -1 - 1e-12 <= one["error_consistency"] <= 1
    for key in ("jaccard", "expected_jaccard", "max_jaccard", "mcnemar_p", "error_consistency"):
        assert one[key] == pytest.approx(other[key])
    assert one["error_rate_gap"] == -other["error_rate_gap"]
    assert one["error_rate_gap_low"] == pytest.approx(-other["error_rate_gap_high"])
    assert one["error_rate_gap_low"] <= one["error_rate_gap"] <= one["error_rate_gap_high"]


def test_expected_jaccard_is_near_the_mean_over_random_error_sets(errors):
    """The formula takes the ratio of means; the mean of ratios under the hypergeometric law differs by O(1 / n)."""
    n, a, b = 1000, 230, 350
    result = errors.compute(**right_and_wrong(80, a - 80, b - 80, n - a - b + 80))
    overlap = np.arange(min(a, b) + 1)
    mean = (hypergeom.pmf(overlap, n, a, b) * overlap / (a + b - overlap)).sum()
    assert result["expected_jaccard"] == pytest.approx(mean, abs=1e-3)


hostile = st.one_of(
    st.lists(st.integers(-2, 3), max_size=4),
    st.lists(st.text(max_size=2), max_size=4),
    st.lists(st.one_of(st.none(), st.booleans(), st.floats(), st.text(max_size=1), st.binary(max_size=2)), max_size=4),
    st.lists(st.lists(st.floats(), max_size=3), max_size=4),
    st.lists(st.dictionaries(st.sampled_from(["id", "answers", "prediction_text"]), st.text(max_size=1)), max_size=3),
    st.none(),
    st.integers(),
    st.text(),
)


@settings(max_examples=1000, deadline=None)
@given(hostile, hostile, hostile, st.sampled_from(["classification", "exact_match", "squad_v2"]), st.booleans())
def test_hostile_input_gives_a_sentence_or_finite_figures(errors, small, gold, large, task, from_logits):
    try:
        result = errors.compute(
            predictions=small, references=gold, large_predictions=large, task=task, from_logits=from_logits
        )
    except ValueError as error:
        assert str(error)
    else:
        assert np.isfinite(list(result.values())).all()


# Agreement with code that others wrote.


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_capa_and_error_consistency_agree_with_lm_sim(errors, classes):
    rng = np.random.default_rng(classes)
    logits = rng.normal(size=(300, classes)) * 2
    small, large = (softmax(logits + rng.normal(size=logits.shape), axis=1) for _ in range(2))
    gold = np.where(rng.random(300) < 0.7, logits.argmax(axis=1), rng.integers(0, classes, 300))
    result = errors.compute(predictions=small, references=gold, large_predictions=large)
    assert result["capa"] == pytest.approx(CAPA().compute_k(small, large, gold), abs=1e-12)
    assert result["error_consistency"] == pytest.approx(EC().compute_k(small, large, gold), abs=1e-12)


def test_jaccard_and_kappa_agree_with_scikit_learn(errors):
    rng = np.random.default_rng(0)
    gold, small, large = (rng.integers(0, 4, 500) for _ in range(3))
    result = errors.compute(predictions=small, references=gold, large_predictions=large)
    assert result["jaccard"] == pytest.approx(jaccard_score(small != gold, large != gold))
    assert result["error_consistency"] == pytest.approx(cohen_kappa_score(small == gold, large == gold))


# SQuAD 2.0 and strings.


def question(id, *texts):
    return {"id": id, "answers": {"text": list(texts), "answer_start": [0] * len(texts)}}


def answer(id, text, absent=0.0):
    return {"id": id, "prediction_text": text, "no_answer_probability": absent}


ANSWERS = ["The  cat", "a cat!", "cat's", "", "the", "An.apple", "U.S.", "naïve  Ünïcode", "don't", "$1,000"]


@pytest.mark.parametrize(("gold", "given"), list(itertools.product(ANSWERS, ANSWERS)))
def test_squad_answers_are_right_when_torchmetrics_says_so(errors, gold, given):
    theirs = squad({"id": "q", "prediction_text": given}, {"id": "q", "answers": question("q", gold)["answers"]})
    result = errors.compute(
        predictions=[answer("q", given)],
        references=[question("q", gold)],
        large_predictions=[answer("q", "")],
        task="squad_v2",
    )
    assert result["error_rate"] == 1 - theirs["exact_match"] / 100


def test_squad_questions_without_gold_answers_want_the_empty_answer(errors):
    for text, error in (("", 0), ("the", 0), ("x", 1)):
        small = [answer("q", text)]
        result = errors.compute(predictions=small, references=[question("q")], large_predictions=small, task="squad_v2")
        assert result["error_rate"] == error


def test_squad_no_answer_threshold_turns_an_answer_into_none(errors):
    references = [question("q")]
    small, large = [answer("q", "x", 0.7)], [answer("q", "")]
    arguments = {"predictions": small, "references": references, "large_predictions": large}
    assert errors.compute(**arguments, task="squad_v2")["error_rate"] == 1
    assert errors.compute(**arguments, task="squad_v2", no_answer_threshold=0.5)["error_rate"] == 0


def test_squad_answers_as_a_list_of_dicts_are_read_too(errors):
    references = [{"id": "q", "answers": [{"text": "Cat", "answer_start": 0}]}]
    small = [answer("q", "the cat")]
    result = errors.compute(predictions=small, references=references, large_predictions=small, task="squad_v2")
    assert result["error_rate"] == 0


def test_squad_is_matched_by_id_whatever_the_order(errors):
    references = [question("a", "x"), question("b", "y"), question("c", "z")]
    small, large = [answer("a", "x"), answer("b", "x"), answer("c", "x")], [answer(i, "y") for i in "abc"]
    orders = zip(*(list(itertools.permutations(rows)) for rows in (small, references, large[::-1])), strict=True)
    results = [
        errors.compute(predictions=list(s), references=list(r), large_predictions=list(q), task="squad_v2")
        for s, r, q in orders
    ]
    assert all(result == results[0] for result in results)
    assert results[0]["jaccard"] == pytest.approx(1 / 3)


def test_exact_match_is_exact(errors):
    small, gold, large = ["Paris", "rome"], ["Paris", "Rome"], ["paris", "Rome"]
    result = errors.compute(predictions=small, references=gold, large_predictions=large, task="exact_match")
    assert (result["error_rate"], result["large_error_rate"], result["shared_errors"]) == (0.5, 0.5, 0)


# Bad input.

GOOD = {"predictions": [0, 1, 1], "references": [0, 0, 1], "large_predictions": [0, 1, 0]}
ROWS = [[0.5, 0.5]] * 3
SQUAD = {
    "predictions": [answer("q", "x")],
    "references": [question("q", "x")],
    "large_predictions": [answer("q", "y")],
    "task": "squad_v2",
}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (GOOD | {"references": [0]}, "references has 1"),
        (GOOD | {"large_predictions": None}, "large_predictions is missing"),
        (GOOD | {"predictions": []}, "predictions is empty"),
        (GOOD | {"predictions": ["a", "b", "c"]}, "predictions are strings but references are numbers"),
        (GOOD | {"predictions": ["a", 1, None]}, "predictions mixes str with"),
        (GOOD | {"predictions": [0.5, 1, 1]}, "predictions needs labels"),
        (GOOD | {"predictions": [np.nan, 1, 1]}, "predictions holds NaN"),
        (GOOD | {"predictions": 3}, "predictions needs one entry per example"),
        (GOOD | {"predictions": "abc"}, "predictions needs one entry per example"),
        (GOOD | {"predictions": np.zeros((3, 2, 2))}, "3 dimensions"),
        (GOOD | {"predictions": [[2.0, -3.0]] * 3}, "look like logits"),
        (GOOD | {"predictions": ROWS, "references": [0, 1, 2]}, "label 2 in row 2, outside the 2 classes"),
        (GOOD | {"predictions": ROWS, "large_predictions": [0, 1, 5]}, "large_predictions holds the label 5"),
        (GOOD | {"predictions": ROWS, "large_predictions": [[0.2, 0.3, 0.5]] * 3}, "2 classes but"),
        (GOOD | {"task": "ner"}, "task must be 'classification' or"),
        (GOOD | {"task": "exact_match"}, 'must be strings for task="exact_match"'),
        (GOOD | {"task": "squad_v2"}, 'dicts with "id"'),
        (GOOD | {"confidence_level": 1}, "confidence_level must be"),
        (GOOD | {"no_answer_threshold": 2}, "no_answer_threshold must be"),
        (SQUAD | {"predictions": [answer("p", "x")]}, "predictions and references hold different ids"),
        (SQUAD | {"predictions": [{"id": "q"}]}, 'predictions must be dicts with "id" and "prediction_text"'),
        (SQUAD | {"predictions": [answer(7, "x")]}, "predictions needs string ids"),
        (SQUAD | {"predictions": [answer("q", None)]}, "predictions needs a string as prediction_text"),
        (SQUAD | {"predictions": [answer("q", "x", 7.0)]}, "no_answer_probability between 0 and 1"),
        (SQUAD | {"references": [{"id": "q", "answers": "x"}]}, "references needs answers"),
        ({k: v * 2 for k, v in SQUAD.items() if k != "task"} | {"task": "squad_v2"}, "the same id more than once"),
    ],
)
def test_bad_input_is_named_in_one_sentence_and_leaves_the_module_usable(errors, arguments, words):
    with pytest.raises(ValueError, match=words):
        errors.compute(**arguments)
    assert errors.compute(**GOOD)["shared_errors"] == 1


def test_an_array_without_entries_is_no_list_of_answers(errors):
    answer = [{"id": "q", "prediction_text": "a"}]
    gold = [{"id": "q", "answers": {"text": np.array("a")}}]
    with pytest.raises(ValueError, match="references needs answers with a list of strings"):
        errors.compute(predictions=answer, references=gold, large_predictions=answer, task="squad_v2")


# The plot.


@pytest.mark.parametrize("level", [0.95, None])
def test_plot_shows_whose_errors_they_are_and_where_the_jaccard_lies(errors, level):
    result = errors.compute(**right_and_wrong(8, 3, 2, 87), confidence_level=level, details=True)
    top, bottom = errors.plot(result).axes
    assert [(bar.get_x(), bar.get_width()) for bar in top.patches] == [(0, 3), (3, 8), (11, 2)]
    legend = ["only compressed wrong: 3", "both wrong: 8", "only large wrong: 2"]
    assert [label.get_text() for label in top.get_legend().get_texts()] == legend
    assert top.get_title(loc="left").startswith("13 of 100 examples")
    (mark,) = bottom.lines
    assert mark.get_xdata().tolist() == [result["jaccard"]] == [8 / 13]
    reach = [(0, 1), (result["expected_jaccard"], result["max_jaccard"])]
    assert spans_of(bottom) == reach + ([(result["jaccard_low"], result["jaccard_high"])] if level else [])
    said = {text.get_text(): text.xy[0] for text in bottom.texts if text.get_text()}
    assert said == {
        f"jaccard {result['jaccard']:.3f}": result["jaccard"],
        f"chance {result['expected_jaccard']:.3f}": result["expected_jaccard"],
        f"most possible {result['max_jaccard']:.3f}": result["max_jaccard"],
    }


def test_plot_of_two_models_without_errors_draws_no_bars(errors):
    result = errors.compute(**right_and_wrong(0, 0, 0, 5), details=True)
    top, bottom = errors.plot(result).axes
    assert [bar.get_width() for bar in top.patches] == [0, 0, 0]
    assert bottom.lines[0].get_xdata().tolist() == [1]


# Records in place of arrays.


def test_records_are_joined_by_id_and_judged_as_they_were(errors):
    """Of three shared questions: both right, though in other words; large right alone; both wrong, differently."""
    said = {"gold": list("5431"), "said": ["x", "y", "3", "one"], "right": [False, False, False, True]}
    small = record({}, {"id": list("dcba"), **said})
    said = {"gold": list("134"), "said": ["1", "3", "z"], "right": [True, True, False]}
    large = record({}, {"id": list("abc"), **said})
    result = errors.compute(predictions=[small], large_predictions=large)
    assert (result["shared_errors"], result["compressed_only_errors"], result["large_only_errors"]) == (1, 1, 0)
    assert result["wrong_to_other_wrong"] == pytest.approx(1 / 3)


def test_real_records_give_what_their_labels_give(errors, data):
    place = str(data("quantized_llms") / "Qwen__Qwen2.5-3B-Instruct__{}__csqa.json")
    small, large = (read(place.format(precision)) for precision in ("int8", "fp16"))
    given = {"predictions": small[0].table["said"], "references": small[0].table["gold"]}
    expected = errors.compute(**given, large_predictions=large[0].table["said"])
    assert errors.compute(predictions=small, large_predictions=large) == expected
    errors.add_batch(predictions=small, large_predictions=large)
    assert errors.compute() == expected


def test_records_that_do_not_fit_are_one_sentence(errors):
    one = record({"place": "a.csv"}, {"id": ["a"], "right": [True]})
    other = record({"place": "b.csv"}, {"id": ["b"], "right": [True]})
    with pytest.raises(ValueError, match=r"^a\.csv and b\.csv have no example in common"):
        errors.compute(predictions=other, large_predictions=one)
    with pytest.raises(ValueError, match=r"^references are taken from the records"):
        errors.compute(predictions=one, references=one, large_predictions=one)
