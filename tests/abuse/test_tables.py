"""Tables that were made to stop the page: they end in a sentence, and in a time that grows with their length alone."""

import time

import pytest

from trusteq.faces import widget

NAMES = ("references", "predictions", "large_predictions")


def seconds(text):
    """The least of three runs, with what came of the last."""
    times, said = [], ""
    for _ in range(3):
        start = time.process_time()
        try:
            widget.read_table(text, NAMES, 5000)
        except ValueError as error:
            said = str(error)
        times.append(time.process_time() - start)
    return min(times), said


@pytest.mark.parametrize(
    "cell",
    [
        lambda n: "1" * n + "x",
        lambda n: "1." * (n // 2),
        lambda n: "1" * n + "e" + "1" * n + "x",
        lambda n: "." + "0" * n + "e",
    ],
    ids=["digits", "dots", "exponent", "no exponent"],
)
def test_a_cell_is_read_in_one_pass(cell, monkeypatch):
    """Ten times the characters take about ten times as long; a pattern that tries every split takes a hundred."""
    monkeypatch.setattr(widget, "MAX_CELL", 10**9)
    times = [min(once(widget.read_column, cell(n)) for _ in range(3)) for n in (10_000, 100_000)]
    assert times[1] < 30 * times[0] + 0.01


def once(read, cell):
    start = time.process_time()
    read("column", [cell])
    return time.process_time() - start


def test_a_cell_is_measured_before_it_is_read(monkeypatch):
    monkeypatch.setattr(widget, "read_column", lambda *_: pytest.fail("a cell was read"))
    table = ",".join(NAMES) + "\n1,1," + "1" * 40_000 + "x\n"
    with pytest.raises(ValueError, match="a cell of 40,001 characters; it may have 20,000"):
        widget.read_table(table, NAMES, 10)


def test_columns_are_counted_before_they_are_compared(monkeypatch):
    monkeypatch.setattr(widget, "Counter", lambda *_: pytest.fail("columns were compared"))
    header = ",".join(f"c{i}" for i in range(60_000))
    with pytest.raises(ValueError, match="60,000 columns; this page takes 4,096"):
        widget.read_table(f"{header}\n{'1,' * 59_999}1\n", NAMES, 10)


def test_the_most_columns_that_are_allowed_are_compared_in_one_pass():
    few, many = (
        seconds(",".join(f"c{i}" for i in range(n)) + "\n" + "1," * (n - 1) + "1\n") for n in (400, widget.MAX_COLUMNS)
    )
    assert many[0] < 40 * few[0] + 0.02
    assert "no column references" in many[1]
    assert len(many[1]) < 1000  # the header is not sent back whole


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ("references\ud800\n1\n", "half a character"),
        (None, "must be text"),
        (["references"], "must be text"),
        ("references\n" + "9" * 5000, "a whole number of 5,000 digits"),
        ("references," * 2 + "x\n1,1,1", "the column references more than once"),
        ("x" * 5000 + "," + "x" * 5000 + "\n1,1", "more than once"),
    ],
)
def test_what_is_no_table_is_refused_with_a_short_sentence(table, sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        widget.read_table(table, ["references"], 10)
    assert len(str(error.value)) < 600
