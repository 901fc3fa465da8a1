"""Rows that look harmless: what would be read as something else is refused, in words for whoever gave it."""

import time

import numpy as np
import pytest

from trusteq.arrays import as_rows
from trusteq.attack.constraints import edit_distance
from trusteq.cli.audit import named
from trusteq.dimensions import representation_overlap
from trusteq.records.labelled_texts import whole_number
from trusteq.report.examples import shown

MASKED = np.ma.array([1, 2], mask=[False, True])
ROUNDED = "predictions holds integers beyond 2\\*\\*53 among other numbers, where they would be rounded$"
REFUSED = {
    "masked rows": ([MASKED, np.ma.array([1, 2])], "^predictions has masked entries: fill or drop them$"),
    "a masked entry": ([np.ma.masked, 1], "^predictions has masked entries"),
    "rounded": ([2**53 + 1, 0.5], ROUNDED),
    "rounded in rows": ([[0.5, 0.25], [2**60 + 1, 0.5]], ROUNDED),
    "rounded in arrays": ([np.array([2**60 + 1]), np.array([0.5])], ROUNDED),
    "unsigned and negative": ([2**63, -1], ROUNDED),
    "4,000 digits": (
        [10**4000, 1],
        "^predictions holds an integer of more than 64 bits: give smaller ones, or strings$",
    ),
    "5,000 digits": ([10**5000, 1], "^predictions holds an integer of more than 64 bits: "),
    "beside a fraction": ([10**400, 0.5], "^predictions holds an integer of more than 64 bits: "),
    "NUL in rows": ([["\0", "a"]], "^predictions needs numbers or strings, got strings in 2 dimensions$"),
    "bytes": ([b"\0"], "^predictions needs numbers or strings, got bytes$"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_would_be_read_as_something_else_is_refused(case):
    values, sentence = REFUSED[case]
    with pytest.raises(ValueError, match=sentence):
        as_rows("predictions", values)


def test_what_is_exact_is_taken():
    assert as_rows("predictions", [2**60 + 1, 1]).tolist() == [2**60 + 1, 1]
    assert as_rows("predictions", [2**53, 0.5]).tolist() == [2.0**53, 0.5]
    assert as_rows("predictions", [np.ma.array([1, 2]), np.ma.array([3, 4])]).tolist() == [[1, 2], [3, 4]]
    assert as_rows("predictions", [1e300, 1]).tolist() == [1e300, 1]
    assert as_rows("predictions", ["\0", "a"]).tolist() == ["\0", "a"]


def test_a_label_of_5000_digits_is_a_name():
    assert [whole_number(label) for label in ("1" * 5000, "-1", "7.0", "1" * 18)] == [None, -1, 7, int("1" * 18)]


@pytest.mark.parametrize(
    ("model", "found"),
    [
        ("./runs/lr=3e-5", {"lr=3e-5": "./runs/lr=3e-5"}),
        ("/data/a=b/tiny", {"tiny": "/data/a=b/tiny"}),
        ("C:\\runs\\lr=3", {"C:\\runs\\lr=3": "C:\\runs\\lr=3"}),
        ("small=./runs/lr=3e-5", {"small": "./runs/lr=3e-5"}),
    ],
)
def test_an_equals_sign_in_a_path_names_no_model(model, found):
    assert named([model]) == found


def test_letters_at_the_end_that_two_long_words_share_cost_no_square():
    def seconds(length):
        word = "ab" * (length // 2)
        times = []
        for _ in range(3):
            began = time.perf_counter()
            assert edit_distance(word, "x" + word) == 1
            times.append(time.perf_counter() - began)
        return min(times)

    assert seconds(400_000) < 9 * seconds(100_000)  # 16 times with a square


def test_blanks_alone_are_shown_as_they_are():
    assert shown([(" " * 100_000, "")]) == [(" " * 100_000, "")]
    assert shown([("  a  b ", "")]) == [("  a  b ", "")]


def test_embeddings_of_one_column_are_embeddings():
    rows = np.arange(9)[:, None]
    for kind in (int, float):
        figures = representation_overlap.DIMENSION.of(predictions=rows.astype(kind), large_predictions=rows, k=2)
        assert figures["neighbor_jaccard_at_2"] == 1
