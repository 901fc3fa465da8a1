"""Tables, arrays and folders of datasets: what is taken from them, what is guessed, and what is refused."""

import json
import os

import datasets
import numpy as np
import pandas as pd
import pytest
from transformers.trainer_utils import PredictionOutput

from trusteq.records.read import read
from trusteq.records.readers.reader import ReadOptions
from trusteq.records.record import record

ROWS = {
    "id": ["a", "b", "c"],
    "gold": ["good", "bad", "good"],
    "said": ["good", "good", "bad"],
    "good": [0.75, 0.5, 0.25],
    "bad": [0.25, 0.5, 0.75],
}
TWO = {"probabilities": ("p_0", "p_1")}
NAMED = ReadOptions(probabilities=("good", "bad"))


def written(folder, kind, rows):
    path, frame = folder / f"table.{kind}", pd.DataFrame(rows)
    if kind == "parquet":
        frame.to_parquet(path)
    elif kind == "jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        frame.to_csv(path, index=False, sep="\t" if kind == "tsv" else ",")
    return path


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet"])
def test_the_same_table_is_the_same_record_in_every_kind(tmp_path, kind):
    [found] = read(written(tmp_path, kind, ROWS), options=NAMED)
    assert found.table.to_pydict() == {
        "id": ["a", "b", "c"],
        "probabilities": [[0.75, 0.25], [0.5, 0.5], [0.25, 0.75]],
        "options": [["good", "bad"]] * 3,
        "gold": ["good", "bad", "good"],
        "gold_index": [0, 1, 0],
        "said": ["good", "good", "bad"],
        "said_index": [0, 0, 1],
        "confidence": [0.75, 0.5, 0.75],
        "right": [True, False, False],
    }
    assert found.head["noticed"] == []
    assert (found.head["format"], found.head["place"], found.head["task"]) == ("table", f"table.{kind}", "table")


def test_guesses_are_told(tmp_path):
    rows = {"idx": [3, 4], "Label": [0, 1], "prediction": [0, 0], "p": [0.5, 0.5]}
    [found] = read(written(tmp_path, "csv", rows))
    assert found.table.to_pydict() == {
        "id": ["3", "4"],
        "gold": ["0", "1"],
        "gold_index": [0, 1],
        "said": ["0", "0"],
        "said_index": [0, 0],
        "right": [True, False],
    }
    assert found.head["noticed"] == [
        "id is taken to be the column 'idx'",
        "gold is taken to be the column 'Label'",
        "said is taken to be the column 'prediction'",
    ]


def test_probabilities_alone_say_the_most_probable(tmp_path):
    (tmp_path / "a.csv").write_text("gold,prob_0,prob_1\n0,0.5,0.5\n1,0.25,0.75\n,1,0\n")
    (tmp_path / "b.csv").write_text('gold,probs\n0,"[0.5, 0.5]"\n1,"[0.25, 0.75]"\n,"[1, 0]"\n')
    for name in ("a.csv", "b.csv"):
        [found] = read(tmp_path / name, options=ReadOptions(probabilities=("probs",) if name == "b.csv" else ()))
        assert found.table["said_index"].to_pylist() == [0, 1]
        assert found.table["right"].to_pylist() == [True, True]
        assert found.rows().tolist() == [[0.5, 0.5], [0.25, 0.75]]
        assert "1 example without a right answer is left out" in found.head["noticed"]
        assert found.head["by_order"]


def test_a_confidence_may_be_missing_but_not_be_no_number(tmp_path):
    (tmp_path / "a.csv").write_text("id,right,confidence\n1,1,0.5\n2,0,\n")
    assert read(tmp_path / "a.csv")[0].table["confidence"].to_pylist() == [0.5, None]
    (tmp_path / "a.csv").write_text("id,right,confidence\n1,1,0.5\n2,0,nan\n")
    with pytest.raises(ValueError, match="the confidence of '2' is nan"):
        read(tmp_path / "a.csv")


def test_right_or_wrong_is_enough(tmp_path):
    [found] = read(
        written(tmp_path, "csv", {"id": [1, 2, 3, 4], "ok": ["True", "no", "1", "0"]}), options=ReadOptions(right="ok")
    )
    assert found.table.to_pydict() == {"id": ["1", "2", "3", "4"], "right": [True, False, True, False]}


@pytest.mark.parametrize(
    ("rows", "options", "said"),
    [
        ({"id": [1], "said": [0]}, {}, "table.csv has no column of what is right; its columns are id, said: name it"),
        ({"id": [1], "gold": [0]}, {}, "table.csv has no column of what is said; its columns are id, gold: name it"),
        ({"id": [1], "gold": [0]}, {"said": "x"}, "table.csv has no column 'x'; its columns are id, gold"),
        ({"id": [1], "gold": [0]}, {"probabilities": ("x",)}, "table.csv has no column 'x'"),
        ({"id": [1, 1], "gold": [0, 1], "said": [0, 1]}, {}, "the id '1' is there 2 times"),
        ({"gold": [0, 1], "said": ["good", "bad"]}, {}, "gold holds numbers and said 'good'; name the classes"),
        ({"gold": [0, 2], "p_0": [1, 1], "p_1": [0, 0]}, TWO, "gold holds '2' in row 1"),
        ({"gold": [0], "p_0": ["x"], "p_1": [0]}, TWO, "p_0 must hold numbers, got 'x'"),
        ({"gold": [0], "p_0": [0.7], "p_1": [0.7]}, TWO, r"probabilities of '0' are \[0.7"),
        ({"gold": [0], "said": [0], "confidence": [1.2]}, {}, "the confidence of '0' is 1.2; expected a number"),
        ({"id": [1], "right": ["maybe"]}, {}, "right must say whether an answer is right .*, got 'maybe'"),
        ({"id": [1], "gold": [None], "said": [1]}, {}, "no row has a right answer"),
        ({"gold": [0], "probs": ["[1]"]}, {}, r"probs must hold lists of two or more numbers, .*, got \[1\]"),
    ],
)
def test_what_is_wrong_with_a_table_is_a_sentence(tmp_path, rows, options, said):
    with pytest.raises(ValueError, match=said):
        read(written(tmp_path, "csv", rows), options=ReadOptions(**options))


def test_a_truncated_line_is_named(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"id": 1, "gold": 1, "said": 1}\n{"id": 2, "go')
    with pytest.raises(ValueError, match="line 2"):
        read(tmp_path / "a.jsonl")


def test_a_corrupt_parquet_file_is_a_sentence(tmp_path):
    path = written(tmp_path, "parquet", ROWS)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match=r"table\.parquet could not be read as parquet"):
        read(path)


# Arrays.


def test_what_a_trainer_saved(tmp_path):
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(5, 3)), rng.integers(0, 3, 5)
    output = PredictionOutput(logits, labels, {"test_loss": 0.5})
    np.savez(tmp_path / "a.npz", predictions=logits, label_ids=labels)
    np.savez(tmp_path / "b.npz", *output)
    np.savez(tmp_path / "c.npz", **output._asdict())
    for name in "abc":
        [found] = read(tmp_path / f"{name}.npz")
        np.testing.assert_allclose(found.rows(), np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True))
        assert found.labels().tolist() == logits.argmax(axis=1).tolist()
        assert found.table["right"].to_pylist() == (logits.argmax(axis=1) == labels).tolist()
        assert any("taken to be logits" in sentence for sentence in found.head["noticed"])
        assert any("is not read" in sentence for sentence in found.head["noticed"]) == (name != "a")


def test_tokens_that_count_are_examples_and_texts_groups(tmp_path):
    labels = np.array([[0, 1, -100], [1, -100, -100]])
    np.savez(tmp_path / "a.npz", predictions=np.random.default_rng(0).normal(size=(2, 3, 2)), label_ids=labels)
    [found] = read(tmp_path / "a.npz")
    assert found.table["group"].to_pylist() == ["0", "0", "1"]
    assert found.table["gold_index"].to_pylist() == [0, 1, 1]


def test_labels_apart_from_predictions(tmp_path):
    np.save(tmp_path / "said.npy", np.array([0, 1, 1]))
    np.save(tmp_path / "gold.npy", np.array([0, 1, 0]))
    [found] = read(tmp_path / "said.npy", options=ReadOptions(references=str(tmp_path / "gold.npy")))
    assert found.table["right"].to_pylist() == [True, True, False]
    with pytest.raises(ValueError, match=r"said\.npy holds no right answers"):
        read(tmp_path / "said.npy")


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"x": [1]}, "a.npz holds no predictions: its arrays are x"),
        ({"predictions": [[1.0], [2.0]], "labels": [0, 1]}, r"a label, or a row .* shape \(2, 1\)"),
        ({"predictions": [0, 1], "labels": [0]}, r"gold must hold one value for each example, got the shape \(1,\)"),
        ({"predictions": [[np.nan, 1]], "labels": [0]}, "predictions holds NaN or infinity in row 0"),
        ({"probabilities": [[2.0, 1.0]], "labels": [0]}, r"the probabilities of '0' are \[2.0, 1.0\]"),
        ({"predictions": [[0.5, 0.5]], "labels": [2]}, "gold holds 2 in row 0; the classes are"),
        ({"predictions": np.array([{}, []], dtype=object), "labels": [0, 1]}, "predictions holds Python objects"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_arrays_is_a_sentence(tmp_path, arrays, said):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(ValueError, match=said):
        read(tmp_path / "a.npz")


# Folders of datasets.


@pytest.fixture
def saved(tmp_path):
    kinds = {"id": datasets.Value("string"), "label": datasets.ClassLabel(names=["no", "yes"])}
    features = datasets.Features(kinds | {"prediction": datasets.Value("int64")})
    rows = datasets.Dataset.from_dict({"id": ["a", "b"], "label": [0, 1], "prediction": [1, 1]}, features=features)
    datasets.DatasetDict({"test": rows, "other": rows}).save_to_disk(tmp_path / "both")
    rows.save_to_disk(tmp_path / "one")
    return tmp_path


def test_a_folder_of_datasets_with_the_names_of_its_classes(saved):
    for name, options in (("one", ReadOptions()), ("both", ReadOptions(split="test"))):
        [found] = read(saved / name, options=options)
        assert found.table["gold"].to_pylist() == ["no", "yes"]
        assert found.table["said"].to_pylist() == ["yes", "yes"]
        assert found.table["right"].to_pylist() == [False, True]
    with pytest.raises(ValueError, match="holds the splits test, other: name one by split, got None"):
        read(saved / "both")


def test_a_folder_of_datasets_that_leads_elsewhere_is_refused(saved):
    state = saved / "one" / "state.json"
    state.write_text(json.dumps({"_data_files": [{"filename": "../../secret.arrow"}]}))
    with pytest.raises(ValueError, match=r"names the file '../../secret.arrow', which is not in this folder"):
        read(saved / "one")


# Which format, and what else lies there.


def test_a_record_of_ours_is_read_as_it_is(tmp_path):
    made = record({"model": "m", "task": "t", "place": "a.parquet"}, {"id": ["a"], "right": [True]})
    made.write(tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet") == [made]


def test_a_folder_without_logs_says_what_was_looked_for(tmp_path):
    (tmp_path / "README.md").write_text("# Nothing")
    with pytest.raises(ValueError, match=r"holds no logs or tables that can be read; looked for .*MODEL__PRECISION"):
        read(tmp_path)


def test_a_file_of_no_format_names_what_the_nearest_lacks(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"model": "m", "precision": "int8", "preds": []}))
    with pytest.raises(ValueError, match="it holds model, precision, preds; for replication it lacks 'benchmark'"):
        read(path)
    path.write_text("[]")
    with pytest.raises(ValueError, match=r"is of no format that can be read; there are .*table"):
        read(path)
    with pytest.raises(ValueError, match=r"there is no file or folder .*nowhere"):
        read(tmp_path / "nowhere")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.json")
    for place in (tmp_path, tmp_path / "a.json", f"{tmp_path}/*.json"):
        with pytest.raises(ValueError, match=r"no logs or tables|no file or folder"):
            read(place)


def test_ids_that_are_texts_stay_as_they_are(tmp_path):
    (tmp_path / "a.csv").write_text("id,right\n01,1\n1,0\n1.0,1\n")
    assert read(tmp_path / "a.csv")[0].table["id"].to_pylist() == ["01", "1", "1.0"]


def test_a_format_by_name(tmp_path):
    path = written(tmp_path, "csv", ROWS)
    assert read(path, format="table", options=NAMED)[0].head["format"] == "table"
    with pytest.raises(ValueError, match=r"format must be .*'table'.*, got 'tables'"):
        read(path, format="tables")
    with pytest.raises(ValueError, match="holds nothing of the format datasets: looked for a folder of save_to_disk"):
        read(tmp_path, format="datasets")


def test_two_tasks_of_one_name_are_a_sentence(tmp_path):
    for name in ("a", "b"):
        record({"model": "m", "task": "t", "place": name}, {"id": ["a"], "right": [True]}).write(
            tmp_path / f"{name}.parquet"
        )
    with pytest.raises(ValueError, match="holds two tasks of the name 't', in a and b: name the file of one"):
        read(tmp_path)
