"""A record: what it holds, what it refuses, and that it comes back from a file as it was."""

import numpy as np
import pyarrow as pa
import pytest

from trusteq.records.record import Record, labels_of, record, rows_of

WHO = {"model": "m", "task": "t", "place": "here.csv"}
THREE = {"id": ["a", "b", "c"], "right": [True, False, True]}


def test_a_record_comes_back_from_a_file_as_it_was(tmp_path):
    columns = THREE | {
        "gold": ["A", "B", "A"],
        "said": ["A", "A", None],
        "gold_index": [0, 1, 0],
        "said_index": [0, 0, None],
        "options": [["x", "y"], ["x", "y"], []],
        "confidence": [0.5, 1.0, None],
        "probabilities": [[0.5, 0.5], [1, 0], None],
        "score:f1": [0.5, None, 1],
    }
    made = record(WHO | {"harness": {"acc": 2 / 3}}, columns)
    made.write(tmp_path / "record.parquet")
    again = Record.read(tmp_path / "record.parquet")
    assert again == made
    assert again.table.to_pydict() == columns
    assert again.head == {**WHO, "format": "", "noticed": [], "harness": {"acc": 2 / 3}}


def test_probabilities_are_scaled_to_a_sum_of_one():
    made = record(WHO, THREE | {"probabilities": [[0.5, 0.495], [0.25, 0.75], [0.2, 0.2, 0.6]]})
    np.testing.assert_allclose(made.table["probabilities"][0].as_py(), [0.5 / 0.995, 0.495 / 0.995])
    assert rows_of(made.table) is None  # not all over the same options
    assert rows_of(made.table.slice(0, 2)).shape == (2, 2)


def test_labels_are_class_numbers_where_all_are_known():
    made = record(WHO, THREE | {"said": ["x", "y", "x"], "said_index": [0, 1, 0], "gold": ["x", "y", "z"]})
    assert made.labels().tolist() == [0, 1, 0]
    assert labels_of(made.table, "gold").tolist() == ["x", "y", "z"]
    assert made.rows() is None


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"id": ["a", "b", "b"]}, "here.csv: the id 'b' is there 2 times; every example needs an id of its own"),
        ({"id": ["a", None, "b"]}, "here.csv: row 1 has no id"),
        ({"right": [True, None, True]}, "here.csv: 'b' has no `right`"),
        ({"right": ["yes", "no", "no"]}, "here.csv: right holds other things than bool"),
        ({"confidence": [0.5, 1.2, 1]}, "here.csv: the confidence of 'b' is 1.2; expected a number from 0 to 1"),
        ({"confidence": [0.5, float("nan"), 1]}, "the confidence of 'b' is nan; expected a number from 0 to 1"),
        ({"probabilities": [[1], [0.5, 0.6], [1]]}, r"the probabilities of 'b' are \[0.5, 0.6\]; expected"),
        ({"probabilities": [[1], [1], [float("nan")]]}, r"the probabilities of 'c' are \[nan\]; expected"),
        ({"probabilities": [[1], [-0.2, 1.2], [1]]}, r"the probabilities of 'b' are \[-0.2, 1.2\]; expected"),
        ({"loss": [1, 2, 3]}, "a record has no column 'loss'"),
        ({"id": [], "right": []}, "here.csv holds no example"),
    ],
)
def test_what_cannot_be_true_is_a_sentence(columns, said):
    with pytest.raises(ValueError, match=said):
        record(WHO, THREE | columns)


def test_half_a_character_is_spelled_out_and_told():
    made = record(WHO, THREE | {"said": ["\ud83d", "ok", None]})
    assert made.table["said"].to_pylist() == ["\\ud83d", "ok", None]
    assert made.head["noticed"] == ["half characters in said are written as \\ud83d and the like"]


def test_a_parquet_file_of_others_is_no_record(tmp_path):
    pa.parquet.write_table(pa.table({"id": ["a"]}), tmp_path / "other.parquet")
    with pytest.raises(ValueError, match=r"other\.parquet is no record of ours"):
        Record.read(tmp_path / "other.parquet")
