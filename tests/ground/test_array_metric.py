"""What all array metrics share, where it is easy to get wrong: batches of other types, errors half-way, odd arrays."""

import os
from itertools import chain

import evaluate
import numpy as np
import pandas as pd
import pytest

GOOD = {"predictions": [0, 1, 1], "references": [0, 0, 1], "large_predictions": [0, 1, 0]}


@pytest.fixture
def errors(tmp_path):
    return evaluate.load("metrics/prediction_error_jaccard", cache_dir=str(tmp_path))


@pytest.fixture
def ood():
    return evaluate.load("metrics/ood_divergence")


def test_whole_numbers_first_and_fractions_later_give_the_result_of_one_call(ood):
    batches = [([1, 2], [0, 1], [2, 1]), ([0.5, 0.25], [1, 0], [0.5, 3])]
    for scores, references, large in batches:
        ood.add_batch(predictions=scores, references=references, large_predictions=large)
    whole = [list(chain(*column)) for column in zip(*batches, strict=True)]
    names = ("predictions", "references", "large_predictions")
    assert ood.compute(score="given") == ood.compute(**dict(zip(names, whole, strict=True)), score="given")


def test_single_rows_of_whole_numbers_and_fractions_mix(errors):
    for i in range(1100):
        row = [1, 0] if i < 1050 else [0.25, 0.75]
        errors.add(prediction=row, reference=0, large_prediction=row)
    assert errors.compute()["shared_errors"] == 50


def test_later_batches_that_would_be_rounded_are_refused(ood):
    first = np.array([0.5, 2.5], dtype=np.float32)
    ood.add_batch(predictions=first, references=[0, 1], large_predictions=first)
    with pytest.raises(ValueError, match="predictions had float in earlier batches and has double in this one, which"):
        ood.add_batch(predictions=[1e300, 0.1], references=[0, 1], large_predictions=first)
    exact = [0.25, 0.75]
    ood.add_batch(predictions=exact, references=[0, 1], large_predictions=exact)
    assert ood.compute(score="given")["auroc"] == 1  # 0.5 and 0.25 are ordinary, 2.5 and 0.75 strange


def test_batches_of_another_width_are_refused_by_name(errors):
    errors.add_batch(predictions=[[1.0, 0.0]], references=[0], large_predictions=[[1.0, 0.0]])
    with pytest.raises(ValueError, match="predictions had rows of 2 in earlier batches and has rows of 3"):
        errors.add_batch(predictions=[[1.0, 0, 0]], references=[0], large_predictions=[[1.0, 0.0]])
    assert errors.compute()["error_rate"] == 0


def test_batches_of_another_kind_are_refused_by_name(errors):
    errors.add_batch(**GOOD)
    with pytest.raises(ValueError, match="references had double in earlier batches and has string in this one"):
        errors.add_batch(**GOOD | {"references": ["a", "b", "c"]})


def test_an_error_in_compute_empties_the_module(errors, tmp_path):
    errors.add_batch(**GOOD)
    with pytest.raises(ValueError, match="references has 1"):
        errors.compute(**GOOD | {"references": [0]})
    assert errors.compute(**GOOD, details=True)["details"]["examples"] == 3
    assert not [name for _, _, names in os.walk(tmp_path) for name in names if name.endswith(".arrow")]


def test_an_error_in_a_buffered_row_empties_the_module(errors):
    errors.add(prediction=0, reference=0, large_prediction=0)
    errors.add(prediction="a", reference=0, large_prediction=0)
    with pytest.raises(ValueError, match="predictions mixes"):
        errors.compute()
    with pytest.raises(ValueError, match="nothing to compute"):
        errors.compute()
    assert errors.compute(**GOOD)["shared_errors"] == 1


def test_text_that_cannot_be_kept_is_refused_by_name(errors):
    with pytest.raises(ValueError, match="predictions holds what cannot be kept"):
        errors.add_batch(predictions=["\ud800"], references=["a"], large_predictions=["a"])
    question = {"id": "q", "answers": {"text": [b"x"], "answer_start": [0]}}
    answer = {"id": "q", "prediction_text": "x"}
    with pytest.raises(ValueError, match="references holds what cannot be kept"):
        errors.add_batch(predictions=[answer], references=[question], large_predictions=[answer])


def test_numpy_values_inside_dicts_wait_like_any_others(errors):
    question = {"id": "q", "answers": {"text": np.array(["x"]), "answer_start": np.array([0])}}
    answer = {"id": "q", "prediction_text": "x", "no_answer_probability": np.float32(0.5)}
    batch = {"predictions": [answer], "references": [question], "large_predictions": [answer]}
    errors.add_batch(**batch)
    assert errors.compute(task="squad_v2") == errors.compute(**batch, task="squad_v2")


def test_a_process_without_rows_is_named(tmp_path):
    settings = {"num_process": 2, "experiment_id": "alone", "cache_dir": str(tmp_path), "timeout": 0.2}
    main = evaluate.load("metrics/prediction_error_jaccard", process_id=0, **settings)
    with pytest.raises(ValueError, match="process"):
        main.compute(**GOOD)


@pytest.mark.parametrize(
    "rows",
    [
        np.array([[0.5, 0.5], [1, 0]], dtype=object),
        pd.DataFrame([[0.5, 0.5], [1.0, 0.0]], dtype="Float64"),
        pd.DataFrame([[0.5, 0.5], [1.0, 0.0]], dtype=object),
        pd.DataFrame([[0.5, 0.5], [1.0, 0.0]], index=[7, 3]),
    ],
)
def test_tables_of_python_numbers_are_read(errors, rows):
    result = errors.compute(predictions=rows, references=[0, 0], large_predictions=rows)
    assert result["error_rate"] == 0


@pytest.mark.parametrize("labels", [pd.Series([0, 1, 1], dtype="Int64"), pd.Categorical(["a", "b", "b"]), range(3)])
def test_columns_of_labels_are_read(errors, labels):
    assert errors.compute(predictions=labels, references=labels, large_predictions=labels)["error_rate"] == 0


@pytest.mark.parametrize(
    ("option", "value"),
    [("confidence_level", 10**400), ("confidence_level", "0.9"), ("seed", 1.0), ("seed", None), ("details", 1)],
)
def test_odd_options_are_refused_by_name(errors, option, value):
    with pytest.raises(ValueError, match=option):
        errors.compute(**GOOD, **{option: value})


def test_numpy_options_are_read(errors):
    plain = errors.compute(**GOOD, confidence_level=0.9, seed=3)
    assert errors.compute(**GOOD, confidence_level=np.float64(0.9), seed=np.int64(3)) == plain


@pytest.mark.parametrize(
    "value",
    [pd.Series([1, 2]), np.ma.masked_array([0.5], mask=[1]), "x" * 10_000, [10**5000], object(), "two\nlines"],
    ids=lambda value: type(value).__name__,
)
def test_a_value_in_a_message_is_short_and_on_one_line(errors, value):
    with pytest.raises(ValueError, match="seed must be a whole number of at least 0, got ") as caught:
        errors.compute(**GOOD, seed=value)
    message = str(caught.value)
    assert len(message) < 200
    assert len(message.splitlines()) == 1
    assert " at 0x" not in message


def test_an_error_of_what_was_handed_over_stays_on_one_line(errors):
    class Table:
        def __len__(self):
            return 3

        def __array__(self, *_, **__):
            raise RuntimeError("torn\nin two")

    with pytest.raises(ValueError, match="predictions could not be read as an array: RuntimeError: torn in two"):
        errors.compute(**GOOD | {"predictions": Table()})


@pytest.mark.parametrize("result", [None, 3, "details", [], {}, {"details": None}, {"details": True}])
def test_what_is_no_result_with_details_cannot_be_drawn(errors, ood, result):
    for metric in (errors, ood):
        with pytest.raises(ValueError, match="plot needs a result with details"):
            metric.plot(result)


def test_the_result_of_another_metric_cannot_be_drawn(errors, ood):
    result = errors.compute(**GOOD, details=True)
    with pytest.raises(ValueError, match="plot of ood_divergence needs its own result, got one of prediction_error_ja"):
        ood.plot(result)
