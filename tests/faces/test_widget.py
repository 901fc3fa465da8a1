"""How the widget reads a table and shows figures; that each folder's widget works is tested in test_metrics.py."""

import dataclasses
import doctest

import pytest

from trusteq.faces import widget

NAMES = ["predictions", "references", "large_predictions"]


def test_examples_run():
    result = doctest.testmod(widget)
    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_labels_and_rows_are_told_apart(separator, end):
    lines = ["id,references,predictions_1, predictions_0 ,large_predictions", 'a,1,.5,5e-1,"yes, sir"', "b,-0,1,0.0,no"]
    if separator != ",":
        lines = [line.replace('"yes, sir"', "yes").replace(",", separator) for line in lines]
    inputs, rows, unused = widget.read_table(end.join(lines), NAMES, 10)
    words = ["yes, sir" if separator == "," else "yes", "no"]
    assert inputs == {"predictions": [[0.5, 0.5], [0.0, 1]], "references": [1, 0], "large_predictions": words}
    assert (rows, unused) == (2, ["id"])


def test_ten_and_more_columns_stay_in_order():
    text = widget.to_csv({"predictions": [list(range(12))]})
    assert widget.read_table(text, ["predictions"], 1)[0] == {"predictions": [list(range(12))]}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "the table is empty"),
        ("references,predictions,large_predictions\n", "the table is empty"),
        ("references,predictions\n1,1", "the table has no column large_predictions"),
        ("references,predictions,large_predictions\n1,1", "row 1 of the table has 2 cells, but the header has 3"),
        ("references,references,predictions\n1,1,1", "the column references more than once"),
        ("references,predictions,large_predictions\n1,,1", "the column predictions is empty in row 1"),
        ("references,predictions,predictions_0,large_predictions\n1,1,1,1", "both predictions and predictions_0"),
        ("references,predictions_1,large_predictions\n1,1,1", "must be numbered from 0 without gaps"),
        ("references,predictions,large_predictions\n" + "1,1,1\n" * 4, "4 rows; this page takes up to 3"),
        ('references,predictions,large_predictions\n1,"1,1', "could not be read as CSV"),
        ("x" * 2_000_001, "the table is too long"),
    ],
)
def test_a_bad_table_is_answered_with_a_sentence(text, sentence):
    with pytest.raises(ValueError, match=sentence):
        widget.read_table(text, NAMES, 3)


@dataclasses.dataclass(frozen=True)
class Options:
    level: float | None = 0.95
    k: tuple[int, ...] = (10,)
    queries: int | None = None
    seed: int = 0


def test_settings_become_options():
    typed = {"level": None, "k": "5, 10", "queries": "", "seed": 3}
    assert widget.read_settings(Options(), typed) == {"level": None, "k": [5, 10], "queries": None, "seed": 3}
    assert widget.read_settings(Options(), {"queries": "20", "level": 0.9}) == {"queries": 20, "level": 0.9}
    for name in ("k", "queries"):
        with pytest.raises(ValueError, match=f"{name} takes whole numbers"):
            widget.read_settings(Options(), {name: "ten"})


def test_uploads_are_text_or_a_sentence():
    assert widget.read_upload("\ufeffa,b\n1,2".encode()) == "a,b\n1,2"
    with pytest.raises(ValueError, match="not text in UTF-8"):
        widget.read_upload(b"\x80\x04\x95")
    with pytest.raises(ValueError, match="the file is too large"):
        widget.read_upload(b"x" * 2_000_001)


def test_what_was_typed_is_escaped():
    attack = "<img src=x onerror=alert(1)>"
    assert "<img" not in widget.say(attack, alert=True) + widget.say(attack)
    assert "<img" not in widget.figures_table({attack: 1.0})


def test_figures_of_both_models_stand_side_by_side():
    result = {"ece": 0.2, "large_ece": 0.1, "ece_gap": 0.1, "ece_gap_low": 0.0, "ece_gap_high": 0.2, "rows": 1200}
    each, pair = widget.figures_table(result).split("<caption>The pair")
    assert "<td>0.200</td><td>0.100</td><td>0.100 <small>[0.000, 0.200]</small></td>" in each
    assert "<code>rows</code></th><td>1,200</td>" in pair
    assert "ece" not in pair
