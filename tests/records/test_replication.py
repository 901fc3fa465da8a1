"""Replication data: answers and questions in two files."""

import json
import os
from pathlib import Path

import pytest

from trusteq.records.joined import join
from trusteq.records.read import read
from trusteq.records.readers.reader import ReadOptions

DATA = Path(os.environ.get("TRUST_EQUIVALENCE_DATA", "nowhere")) / "quantized_llms"
ITEMS = [
    {"id": "q0", "question": "Which?", "options": {"A": "this", "B": "that"}, "answer": "B"},
    {"id": "q1", "question": "And?", "options": {"A": "one", "B": "two", "C": "three"}, "answer": "A"},
]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "items.json").write_text(json.dumps({"arc": ITEMS}))
    return tmp_path


def write(folder, precision, benchmark="arc", **changes):
    run = {"model": "a/m", "precision": precision, "benchmark": benchmark, "preds": ["B", "C"], "confs": [0.5, 1.0]}
    path = folder / f"a__m__{precision}__{benchmark}.json"
    path.write_text(json.dumps({name: value for name, value in (run | changes).items() if value is not ...}))
    return path


def test_answers_are_joined_to_their_questions(folder):
    [found] = read(write(folder, "int8"))
    assert (found.head["model"], found.head["task"], found.head["format"]) == ("a/m int8", "arc", "replication")
    columns = found.table.to_pydict()
    assert columns.pop("doc_hash")[0] != found.table["doc_hash"][1].as_py()
    assert columns == {
        "id": ["q0", "q1"],
        "question": ["Which?", "And?"],
        "options": [["this", "that"], ["one", "two", "three"]],
        "gold": ["B", "A"],
        "said": ["B", "C"],
        "gold_index": [1, 0],
        "said_index": [1, 2],
        "right": [True, False],
        "confidence": [0.5, 1.0],
    }


def test_a_folder_of_several_models_needs_the_name_of_one(folder):
    write(folder, "fp16")
    write(folder, "int8")
    with pytest.raises(ValueError, match=r"holds runs of 2 models \(a/m fp16, a/m int8\): name one with model"):
        read(folder)
    [found] = read(folder, options=ReadOptions(model="int8"))
    assert found.head["model"] == "a/m int8"
    with pytest.raises(ValueError, match="holds no run of 'int4'; there are a/m fp16, a/m int8"):
        read(folder, options=ReadOptions(model="int4"))
    assert read(f"{folder}/*fp16*")[0].head["model"] == "a/m fp16"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"preds": ["B"]}, "has 1 preds, but items.json has 2 questions"),
        ({"confs": ...}, "has no field 'confs'; expected model"),
        ({"confs": ["0.5", "x"]}, "confidence holds other things than double"),
        ({"confs": [0.5, 1.2]}, "the confidence of 'q1' is 1.2"),
        ({"preds": "BC"}, "preds: a list is expected, got 'BC'"),
        ({"benchmark": "mmlu"}, "items.json: 'mmlu': a list of questions is expected, got None"),
        ({"benchmark": ["mmlu"]}, r"benchmark: a name is expected, got \['mmlu'\]"),
    ],
)
def test_what_does_not_fit_is_a_sentence(folder, changes, said):
    path = write(folder, "int8", **changes) if "benchmark" not in changes else write(folder, "int8")
    path.write_text(json.dumps(json.loads(path.read_text()) | {k: v for k, v in changes.items() if v is not ...}))
    with pytest.raises(ValueError, match=said):
        read(path)


def test_an_answer_that_is_no_option_is_wrong_and_told(folder):
    [found] = read(write(folder, "int8", preds=["E", None]))
    assert found.table["right"].to_pylist() == [False, False]
    assert found.table["said"].to_pylist() == ["E", None]
    assert found.head["noticed"] == ["2 answers are none of the options"]


@pytest.mark.skipif(not DATA.is_dir(), reason="the replication's data are not here")
def test_the_published_example_comes_out():
    """Qwen2.5-3B in 8 bits on CommonsenseQA: accuracy 81.6 % before and after, and one answer in sixteen is another."""
    large, compressed = (read(DATA / f"Qwen__Qwen2.5-3B-Instruct__{bits}__csqa.json")[0] for bits in ("fp16", "int8"))
    both = join(large, compressed)
    rights = [table["right"].to_numpy() for table in (both.large, both.compressed)]
    said = [table["said"].to_numpy() for table in (both.large, both.compressed)]
    assert [round(100 * right.mean(), 1) for right in rights] == [81.6, 81.6]
    assert 1 / 17 < (said[0] != said[1]).mean() < 1 / 16 + 0.001
