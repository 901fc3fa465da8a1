"""`trusteq compare --engine` and `--merge`: what an engine adds up, printed and written; here DuckDB."""

import json
import re

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from one_pair import flat, tables

from trusteq.cli import compare
from trusteq.dimensions.summed import finish
from trusteq.records import engines
from trusteq.records.summary import Summary
from trusteq.records.sums import summarize

DUCKDB = ["--engine", "duckdb"]
DIMENSIONS = ("prediction_error_jaccard", "calibration_gap", "answers")


def written(folder, name="figures.json"):
    return json.loads((folder / name).read_text())


def figures(folder):
    return flat({name: found for name, found in written(folder).items() if name in DIMENSIONS})


def save(folder, **made):
    folder.mkdir(exist_ok=True)
    for name, one in made.items():
        pyarrow.parquet.write_table(one, folder / f"{name}.parquet")
    return [str(folder / f"{name}.parquet") for name in made]


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    large, small = tables(2000)
    return save(tmp_path_factory.mktemp("pair"), large=large, small=small)


# By hand.

FOUR = {"right_a": [1, 0, 1, 0], "right_b": [1, 1, 0, 0], "same": [1, 0, 0, 1]}


def test_four_pairs_worked_by_hand(tmp_path, capsys):
    (place,) = save(tmp_path, pairs=pa.table(FOUR))
    assert compare.main([place, *DUCKDB, "--out", str(tmp_path / "out")]) == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"figures.json", "sums.json"}
    found = written(tmp_path / "out")
    errors = found["prediction_error_jaccard"]
    assert [errors[name] for name in ("right_to_wrong", "wrong_to_right", "answer_change_rate")] == [0.25, 0.25, 0.5]
    assert errors["jaccard"] == 1 / 3
    assert found["answers"] == {"rows": 4}
    verdict = found["verdicts"]["prediction_error_jaccard"]
    assert verdict["open_because"] == "4 examples are too few for a verdict, which takes at least 50."
    printed = capsys.readouterr().out
    assert re.search(r"^  right_to_wrong +0\.250  \[", printed, re.MULTILINE)
    assert re.search(r"^  rows +4$", printed, re.MULTILINE)
    assert "no confidences, so calibration was left out" in printed


def test_patterns_of_csv_by_id_say_who_has_no_partner(tmp_path, capsys):
    ids = [f"q{i}" for i in range(100)]
    large = pa.table({"name": ids, "answer": ["A"] * 80 + ["B"] * 20, "label": ["A"] * 100})
    small = pa.table({"name": ids, "answer": ["A"] * 70 + ["B"] * 30, "label": ["A"] * 100}).slice(1)
    for name, one in (("large", large), ("small", small)):
        for part in range(2):
            pyarrow.csv.write_csv(one.slice(50 * part, 50), tmp_path / f"{name}-{part}.csv")
    words = [str(tmp_path / "large-*.csv"), f"int4={tmp_path}/small-?.csv", "--id", "name", "--said", "answer"]
    assert compare.main([*words, "--gold", "label", *DUCKDB, "--out", str(tmp_path / "out")]) == 0
    found = written(tmp_path / "out")
    assert (found["large"], found["compressed"]) == ("large-*.csv", "int4")
    assert found["prediction_error_jaccard"]["right_to_wrong"] == 10 / 99
    assert found["noticed"] == ["1 of 100 rows of the large table have no partner, e.g. q0"]
    assert found["noticed"][0] in capsys.readouterr().out


# Beside the library, the report, and one pass.


@pytest.mark.parametrize("more", [{}, {"group": "group", "histograms": True}])
def test_figures_are_those_of_the_library(more, pair, tmp_path):
    flags = ["--histograms", "--group", "group"] if more else []
    assert compare.main([*pair, *DUCKDB, "--id", "id", *flags, "--out", str(tmp_path)]) == 0
    summary = summarize(*pair, engine="duckdb", id="id", **{"histograms": False} | more)
    assert figures(tmp_path) == pytest.approx(flat(finish(summary)), abs=1e-12)
    assert finish(Summary.read(tmp_path / "sums.json")).keys() == finish(summary).keys()


@pytest.mark.parametrize("margins", [[], ["--margin", "calibration_gap=0.2", "prediction_error_jaccard=0.1"]])
def test_verdicts_are_those_of_the_report(margins, tmp_path):
    large, small = (one.select(["id", "said", "gold", "confidence"]) for one in tables(20_000))
    words = [*save(tmp_path, large=large, small=small), "--id", "id", "--binning", "uniform", *margins]
    assert compare.main([*words, "--out", str(tmp_path / "report")]) == 0
    assert compare.main([*words, *DUCKDB, "--out", str(tmp_path / "sums")]) == 0
    theirs = written(tmp_path / "report", "report.json")["pairs"][0]["dimensions"]
    for name, ours in written(tmp_path / "sums")["verdicts"].items():
        assert ours["verdict"] == theirs[name]["verdict"], name
        # Sums do not hold what chance adds to a calibration error: of 20,000 rows 0.003.
        apart = 0.005 if name == "calibration_gap" else 1e-12
        assert ours["divergence"] == pytest.approx(theirs[name]["divergence"], abs=apart), name
        assert ours["margin"] == pytest.approx(theirs[name]["margin"], abs=1e-12), name
        assert ours["divergence_low"] < theirs[name]["divergence_low"] + 0.001 + apart, name  # wider, if anything
        assert ours["divergence_high"] > theirs[name]["divergence_high"] - 0.001 - apart, name


def test_merged_shards_are_one_pass(pair, tmp_path, capsys):
    shared = [*DUCKDB, "--id", "id", "--group", "group", "--histograms"]
    assert compare.main([*pair, *shared, "--out", str(tmp_path / "once")]) == 0
    sums = []
    for i, (start, stop) in enumerate(((0, 3), (3, 1200), (1200, 2000))):
        part = [one.slice(start, stop - start) for one in tables(2000)]
        places = save(tmp_path / str(i), large=part[0], small=part[1])
        assert compare.main([*places, *shared, "--out", str(tmp_path / str(i))]) == 0
        sums.append(str(tmp_path / str(i) / "sums.json"))
    capsys.readouterr()
    assert compare.main(["--merge", *sums[:2], "--out", str(tmp_path / "two")]) == 0
    assert compare.main(["--merge", str(tmp_path / "two" / "sums.json"), sums[2], "--out", str(tmp_path / "all")]) == 0
    assert figures(tmp_path / "all") == pytest.approx(figures(tmp_path / "once"), abs=1e-12)
    once, merged = (written(tmp_path / name)["verdicts"] for name in ("once", "all"))
    assert {name: entry["verdict"] for name, entry in merged.items()} == {n: e["verdict"] for n, e in once.items()}
    assert re.search(r"^  rows +2,000$", capsys.readouterr().out, re.MULTILINE)


def test_a_gate_on_the_verdicts(pair, tmp_path, capsys):
    words = [*pair, *DUCKDB, "--out", str(tmp_path), "--fail-on", "different"]
    assert compare.main(words) == 0
    capsys.readouterr()
    assert compare.main([*words, "--margin", "prediction_error_jaccard=0.1"]) == 1
    said = capsys.readouterr()
    assert said.err == (
        "trusteq compare: small.parquet is different in prediction_error_jaccard (--fail-on different)\n"
    )
    assert re.search(r"^  prediction_error_jaccard  jaccard .* different$", said.out, re.MULTILINE)


def test_bins_of_equal_count_have_no_verdict(pair, tmp_path, capsys):
    assert compare.main([*pair, *DUCKDB, "--binning", "quantile", "--out", str(tmp_path)]) == 0
    assert written(tmp_path)["verdicts"]["calibration_gap"]["status"] == "skipped"
    assert "without an interval of ece_gap there is no verdict" in capsys.readouterr().out


# What is wrong is one sentence, and nothing is written.


def sentence(words, capsys):
    assert compare.main(words) == 2
    said = capsys.readouterr()
    assert (said.err.count("\n"), said.out) == (1, "")
    return said.err.removeprefix("trusteq compare: ")


@pytest.mark.parametrize(
    "more, told",
    [
        (["--floor", "c.parquet"], "--floor does not go with --engine"),
        (["--ood-task", "arc"], "--ood-task does not go with --engine"),
        (["--format", "table"], "--format does not go with --engine"),
        (["--dimensions", "calibration_gap"], "--dimensions does not go with --engine"),
        (["--neighbors", "5"], "--neighbors does not go with --engine"),
        (["--convention", "paper-b"], "--convention does not go with --engine"),
        (["--allow-different-prompts"], "--allow-different-prompts does not go with --engine"),
        (["--compressed", "c.parquet"], "--engine compares two tables, of the large model and of a compressed one, "),
        (["--probabilities", "a", "b"], "with --engine, --probabilities takes one column, which holds lists"),
        (["--engine", "sqlite"], "--engine must be polars or duckdb or spark or dask, got 'sqlite'"),
        (["--n-bins", "60"], "--n-bins must be a whole number from 1 to 50, got 60"),
        (["--id", "ids"], "the large table has no column ids; did you mean id?"),
        (["--confidence", "p"], "the large table has no column p; it has id, group"),
        (["--margin", "calibration=0.1"], "--margins must be"),
        (["--fail-on", "never"], "--fail-on must be"),
    ],
)
def test_what_does_not_go_together(more, told, pair, tmp_path, capsys):
    assert sentence([*pair, *DUCKDB, "--out", str(tmp_path / "out"), *more], capsys).startswith(told)
    assert not (tmp_path / "out").exists()


def test_places_that_cannot_be_added_up(pair, tmp_path, capsys):
    out = ["--out", str(tmp_path / "out")]
    assert sentence([pair[0], *DUCKDB, "--id", "id", *out], capsys).startswith("give a second table")
    assert sentence([*DUCKDB, *out], capsys).endswith("got 0\n")
    assert "no file is called" in sentence([pair[0], str(tmp_path / "no*.parquet"), *DUCKDB, *out], capsys)
    assert sentence([*pair, "--histograms", *out], capsys) == "--histograms needs --engine\n"
    assert not (tmp_path / "out").exists()
    (tmp_path / "file").write_text("")
    assert "is no folder that can be written to" in sentence([*pair, *DUCKDB, "--out", str(tmp_path / "file")], capsys)
    (tmp_path / "full" / "sums.json").mkdir(parents=True)
    assert "is a folder, and a file goes there" in sentence([*pair, *DUCKDB, "--out", str(tmp_path / "full")], capsys)
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["sums.json"]


def test_sums_that_cannot_be_merged(pair, tmp_path, capsys):
    compare.main([*pair, *DUCKDB, "--out", str(tmp_path / "a")])
    compare.main([*pair, *DUCKDB, "--n-bins", "5", "--out", str(tmp_path / "b")])
    capsys.readouterr()
    a, b = (str(tmp_path / name / "sums.json") for name in "ab")
    out = ["--out", str(tmp_path / "out")]
    assert "sums of different kinds do not add up: bins is 10" in sentence(["--merge", a, b, *out], capsys)
    assert "holds no sums" in sentence(["--merge", a, str(tmp_path / "a" / "figures.json"), *out], capsys)
    twice = str(tmp_path / "b" / ".." / "a" / "sums.json")
    assert "is given twice: its rows would count twice" in sentence(["--merge", a, twice, *out], capsys)
    assert "is one of the shards" in sentence(["--merge", a, b, "--out", str(tmp_path / "a")], capsys)
    assert sentence([*pair, "--merge", a, *out], capsys) == "a place does not go with --merge\n"
    assert sentence(["--merge", a, *DUCKDB, *out], capsys) == "--engine does not go with --merge\n"
    assert sentence(["--merge", a, "--id", "id", *out], capsys) == "--id does not go with --merge\n"
    assert "needs sums that were made with --histograms" in sentence(
        ["--merge", a, "--binning", "quantile", *out], capsys
    )
    assert not (tmp_path / "out").exists()


def test_a_missing_engine_names_its_extra(pair, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(engines, "find_spec", lambda package: None)
    said = sentence([*pair, "--engine", "polars", "--out", str(tmp_path / "out")], capsys)
    assert said.startswith("the engine polars needs the package polars: pip install polars")
    assert '"trust-equivalence[engines]"' in said
    assert not (tmp_path / "out").exists()


def test_without_ids_rows_need_an_order(pair, tmp_path, capsys, monkeypatch):
    ordered = engines.ENGINES["duckdb"]
    monkeypatch.setitem(engines.ENGINES, "duckdb", engines.Engine(ordered.backend, ordered.packages))
    said = sentence([*pair, *DUCKDB, "--out", str(tmp_path / "out")], capsys)
    assert said.endswith("name the column of ids that joins the tables (--id)\n")
