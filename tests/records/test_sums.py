"""What an engine adds up, here DuckDB; tests/engines asks the other engines for the same."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from one_pair import answers, flat, table, tables

from trusteq.dimensions import calibration_gap, ood_divergence, prediction_error_jaccard
from trusteq.dimensions.calibration_gap import bin_of as bin_of_rows
from trusteq.dimensions.summed import SumOptions, finish, out_of_distribution
from trusteq.records import engines
from trusteq.records.blocks import block_of_number
from trusteq.records.summary import FINE, Summary, merge
from trusteq.records.sums import summarize

ENGINE = {"engine": "duckdb"}


def one_pair(right=(1, 1, 0, 0), large_right=(1, 0, 1, 0), same=(1, 0, 0, 1), **more):
    return pa.table({"right_b": list(right), "right_a": list(large_right), "same": list(same), **more})


def some(columns, **values):
    """A small table with what is given in place of the usual."""
    usual = {
        "id": ["a", "b", "c"],
        "right": [True, False, True],
        "said": ["A", "B", "C"],
        "confidence": [0.9, 0.5, 1.0],
    }
    return pa.table({name: (usual | values)[name] for name in columns})


# By hand.


def test_four_rows_are_counted_by_outcome():
    found = finish(summarize(one_pair(), **ENGINE))["prediction_error_jaccard"]
    assert found["shared_errors"] == found["compressed_only_errors"] == found["large_only_errors"] == 1
    assert found["flip_rate"] == 0.5
    assert found["right_to_wrong"] == found["wrong_to_right"] == 0.25
    assert found["wrong_to_other_wrong"] == 0
    assert found["answer_change_rate"] == 0.5


def test_confidences_of_two_rows():
    pair = one_pair((1, 0), (1, 1), (1, 0), confidence_b=[0.75, 0.5], confidence_a=[1.0, 0.5])
    summary = summarize(pair, **ENGINE, n_bins=2)
    found = finish(summary)["calibration_gap"]
    assert found["ece"] == pytest.approx(0.125, abs=1e-15)  # both in the upper bin: 1 right, 1.25 sure
    assert found["large_ece"] == pytest.approx(0.25, abs=1e-15)
    assert found["confidence"] == pytest.approx(0.625, abs=1e-15)


def test_without_answers_nothing_is_said_of_them():
    pair = one_pair().drop_columns("same")
    found = finish(summarize(pair, **ENGINE))
    assert (
        not {"label_agreement", "answer_change_rate", "wrong_to_other_wrong"} & found["prediction_error_jaccard"].keys()
    )
    assert found["prediction_error_jaccard"]["flip_rate"] == 0.5
    assert "calibration_gap" not in found


# Beside the dimensions, on the same rows.


@pytest.fixture(scope="module")
def rows():
    return answers(3000)


@pytest.fixture(scope="module")
def summary():
    return summarize(*tables(3000), **ENGINE)


def test_errors_are_those_of_the_metric(rows, summary):
    compressed, large, gold, *_ = rows
    theirs = prediction_error_jaccard.DIMENSION.of(
        predictions=compressed, references=gold, large_predictions=large, details=False
    )
    ours = finish(summary)["prediction_error_jaccard"]
    assert ours.keys() == theirs.keys()
    capa = ours.pop("capa"), theirs.pop("capa")
    assert ours == theirs
    assert capa[0] == pytest.approx(capa[1], abs=1e-12)


def test_calibration_is_that_of_the_metric(rows, summary):
    compressed, large, gold, *_ = rows
    theirs = calibration_gap.DIMENSION.of(
        predictions=compressed, references=gold, large_predictions=large, binning="uniform"
    )
    ours = finish(summary)["calibration_gap"]
    missing = theirs.keys() - ours.keys()
    assert {name.replace("large_", "") for name in missing} == {
        *("classwise_ece", "classwise_ece_gap", "classwise_ece_gap_low", "classwise_ece_gap_high"),
        *("smooth_ece_gap_low", "smooth_ece_gap_high"),
    }
    for name, value in ours.items():
        if not name.endswith(("_low", "_high")):
            assert value == pytest.approx(theirs[name], abs=1e-12), name
    for name in theirs:  # theirs come from 256 blocks, whose spread is itself known to about 1/16
        if name.endswith("_low") and name in ours and not name.startswith("mce"):
            high = name.removesuffix("_low") + "_high"
            assert ours[high] - ours[name] == pytest.approx(theirs[high] - theirs[name], rel=0.2), name


def test_intervals_of_counts_are_those_of_the_metric(rows, summary):
    compressed, large, gold, *_ = rows
    theirs = calibration_gap.DIMENSION.of(predictions=compressed, references=gold, large_predictions=large)
    ours = finish(summary)["calibration_gap"]
    for name in ("accuracy_gap_low", "accuracy_gap_high", "label_loyalty_low", "label_loyalty_high"):
        assert ours[name] == theirs[name]


def test_divergences_are_means_over_rows(rows, summary):
    p, q, *_ = rows
    ours = finish(summary)["answers"]
    assert ours["kl_divergence"] == pytest.approx((q * np.log(q / p)).sum(axis=1).mean(), abs=1e-12)
    assert ours["js_divergence"] == pytest.approx(calibration_gap.jensen_shannon(p.T, q.T).mean(), abs=1e-12)
    assert ours["kl_divergence_low"] < ours["kl_divergence"] < ours["kl_divergence_high"]


def test_quantile_bins_are_off_by_no_more_than_a_cell(rows, summary):
    """A row that a cell puts into the neighbouring bin moves two residuals; a cell holds a part of the rows."""
    compressed, large, gold, *_ = rows
    theirs = calibration_gap.DIMENSION.of(predictions=compressed, references=gold, large_predictions=large)
    ours = finish(summary, SumOptions(binning="quantile"))["calibration_gap"]
    for prefix, column in (("", compressed), ("large_", large)):
        fullest = np.bincount((column.max(axis=1) * FINE).astype(int)).max() / len(gold)
        assert ours[f"{prefix}ece"] == pytest.approx(theirs[f"{prefix}ece"], abs=2 * 9 * fullest)
        assert ours[f"{prefix}ece"] != theirs[f"{prefix}ece"]
    assert "ece_gap_low" not in ours


def test_auroc_is_off_by_no_more_than_it_says():
    inside, outside = answers(3000), answers(2000, seed=1)
    flatter = [np.sqrt(rows) / np.sqrt(rows).sum(axis=1, keepdims=True) for rows in outside[:2]]
    tables_of = [tables(3000), [table(rows, *outside[2:]) for rows in reversed(flatter)]]
    ours = out_of_distribution(*(summarize(*pair, **ENGINE) for pair in tables_of))
    theirs = ood_divergence.DIMENSION.of(
        predictions=np.concatenate([inside[0], flatter[0]]),
        large_predictions=np.concatenate([inside[1], flatter[1]]),
        references=np.repeat([0, 1], [3000, 2000]),
        score="msp",
    )
    for name in ("auroc", "large_auroc"):
        assert ours[f"{name}_within"] < 1e-3
        assert ours[name] == pytest.approx(theirs[name], abs=ours[f"{name}_within"])


@given(st.integers(1, 50), st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_bins_are_those_of_calibration_gap_to_the_last_bit(bins, seed):
    edges = np.arange(bins + 1) / bins
    near = [np.nextafter(edges, 0), edges, np.nextafter(edges, 1), np.random.default_rng(seed).random(50)]
    values = np.concatenate(near).clip(0, 1)
    pair = one_pair(*[np.ones(len(values), int)] * 3, confidence_a=np.zeros(len(values)), confidence_b=values)
    cells = summarize(pair, **ENGINE, n_bins=bins, histograms=False).arrays["cells"]
    counts = cells[:, 0].reshape(8, bins, bins).sum(axis=(0, 2))
    assert counts.tolist() == np.bincount(bin_of_rows(values, edges), minlength=bins).tolist()


# Shards.


@pytest.mark.parametrize("options", [{}, {"group": "group"}])
def test_merged_shards_have_the_figures_of_one_pass(options, tmp_path):
    large, compressed = tables(2000)
    once = summarize(large, compressed, id="id", **ENGINE, **options)
    parts = []
    for i, (start, stop) in enumerate(((0, 1), (1, 700), (700, 2000))):
        part = [one.slice(start, stop - start) for one in (large, compressed)]
        summarize(*part, id="id", **ENGINE, **options).write(tmp_path / f"{i}.json")
        parts.append(Summary.read(tmp_path / f"{i}.json"))
    merged = merge(parts)
    assert merged.rows == once.rows == {"large": 2000, "compressed": 2000}
    for binning in ("uniform", "quantile"):
        asked = SumOptions(binning=binning)
        assert flat(finish(merged, asked)) == pytest.approx(flat(finish(once, asked)), abs=1e-12)


def test_sums_are_the_same_after_they_were_written(summary, tmp_path):
    summary.write(tmp_path / "sums.json")
    read = Summary.read(tmp_path / "sums.json")
    assert finish(read) == finish(summary)
    assert (tmp_path / "sums.json").stat().st_size < 1_000_000


@pytest.mark.parametrize(
    "other",
    [{"n_bins": 20}, {"histograms": False}, {"columns": {"probabilities": "none"}}, {"group": "group"}],
)
def test_shards_of_different_kinds_do_not_add_up(other):
    large, compressed = tables(20)
    if "columns" in other:
        large, other = large.drop_columns("probabilities"), {}
    with pytest.raises(ValueError, match="sums of different kinds do not add up"):
        merge([summarize(*tables(20), **ENGINE), summarize(large, compressed, **ENGINE, **other)])


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"trusteq_sums": 2}', '{"trusteq_sums": 1, "bins": 10}'])
def test_what_holds_no_sums_is_one_sentence(text, tmp_path):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ValueError, match=r"a\.json holds no sums written by summarize: .+") as error:
        Summary.read(tmp_path / "a.json")
    assert "\n" not in str(error.value)


def test_nothing_to_merge():
    with pytest.raises(ValueError, match="there are no sums to merge"):
        merge([])


@pytest.mark.parametrize(
    "broken",
    [
        lambda found: found["arrays"]["cells"]["at"].__setitem__(0, 10**9),
        lambda found: found["arrays"]["cells"].update(shape=[10**15]),
        lambda found: found["arrays"].pop("cells"),
        lambda found: found["arrays"].pop("large_histogram"),
        lambda found: found["arrays"]["cells"]["values"].pop(),
        lambda found: found["arrays"]["cells"].update(values="many"),
        lambda found: found.update(bins=10**9),
        lambda found: found.update(bins=0),
        lambda found: found.update(sums=None),
        lambda found: found.update(arrays=[]),
    ],
)
def test_broken_sums_are_one_sentence(broken, summary, tmp_path):
    summary.write(tmp_path / "a.json")
    found = json.loads((tmp_path / "a.json").read_text())
    broken(found)
    (tmp_path / "a.json").write_text(json.dumps(found))
    with pytest.raises(ValueError, match="holds no sums"):
        Summary.read(tmp_path / "a.json")


# Groups.


def test_rows_that_are_repeated_with_their_group_tell_no_more():
    large, compressed = tables(4000, groups_of=1)
    thrice = [pa.concat_tables([one] * 3) for one in (large, compressed)]
    once = flat(finish(summarize(large, compressed, group="group", **ENGINE)))
    again = flat(finish(summarize(*thrice, group="group", **ENGINE)))
    alone = flat(finish(summarize(*thrice, **ENGINE)))
    for name in (name for name in once if name.endswith("_low") and "mce" not in name):
        high = name.removesuffix("_low") + "_high"
        width, repeated, narrow = (found[high] - found[name] for found in (once, again, alone))
        assert repeated == pytest.approx(width, rel=0.05), name
        assert narrow < 0.75 * repeated, name


def test_one_group_says_nothing_about_spread():
    large, compressed = tables(50, groups_of=50)
    found = finish(summarize(large, compressed, group="group", **ENGINE))
    assert found["calibration_gap"]["ece_gap_low"] == -1
    assert found["prediction_error_jaccard"]["error_rate_gap_high"] > 0.99


def test_groups_of_numbers_fall_into_the_blocks_of_the_arithmetic():
    numbers = [-(2**40), -1, 0, 1, 2**40, 2**62]
    pair = one_pair(*[[1] * 6] * 3, passage=numbers)
    blocks = summarize(pair, group="passage", **ENGINE).arrays["outcomes"].sum(axis=1)
    assert blocks.tolist() == np.bincount([block_of_number(n) for n in numbers], minlength=256).tolist()


def test_neighbouring_groups_spread_over_all_blocks():
    counts = np.bincount([block_of_number(n) for n in range(100_000)], minlength=256)
    assert counts.min() > 250
    assert counts.max() < 550


# Files, and how rows find each other.


def write(tmp_path, **made):
    for name, one in made.items():
        pyarrow.parquet.write_table(one, tmp_path / f"{name}.parquet")
    return [tmp_path / f"{name}.parquet" for name in made]


def test_ids_join_what_lies_in_another_order(tmp_path):
    large, compressed = tables(300)
    moved = compressed.take(pa.array(np.random.default_rng(0).permutation(300)))
    places = write(tmp_path, large=large, moved=moved)
    assert flat(finish(summarize(*places, id="id", **ENGINE))) == pytest.approx(
        flat(finish(summarize(large, compressed, **ENGINE))), abs=1e-12
    )


def test_ids_without_a_partner_are_counted_and_named():
    large, compressed = tables(30)
    summary = summarize(large.slice(2), compressed.slice(0, 29), id="id", **ENGINE)
    assert summary.noticed == (
        "1 of 28 rows of the large table have no partner, e.g. q000029",
        "2 of 29 rows of the compressed table have no partner, e.g. q000000",
    )
    assert finish(summary)["answers"]["rows"] == 27


def test_many_files_and_csv_are_one_table(tmp_path):
    large, compressed = (one.drop_columns("probabilities") for one in tables(100))
    for name, one in (("large", large), ("small", compressed)):
        for part in range(2):
            pyarrow.csv.write_csv(one.slice(50 * part, 50), tmp_path / f"{name}-{part}.csv")
    found = summarize(str(tmp_path / "large-*.csv"), str(tmp_path / "small-?.csv"), id="id", **ENGINE)
    assert flat(finish(found)) == pytest.approx(flat(finish(summarize(large, compressed, **ENGINE))), abs=1e-12)


def test_columns_of_other_names():
    large, compressed = (one.rename_columns([f"the {name}" for name in one.column_names]) for one in tables(50))
    columns = {name: f"the {name}" for name in ("right", "said", "confidence")}
    found = summarize(large, compressed, id="the id", group="the group", columns=columns, **ENGINE)
    assert found.sums[0] == "confidence"
    assert found.grouped


def test_right_is_what_was_said_and_is_gold():
    large, compressed = (one.select(["id", "said", "gold"]) for one in tables(200))
    assert (
        finish(summarize(large, compressed, **ENGINE))["prediction_error_jaccard"]
        == finish(summarize(*(one.select(["right", "said"]) for one in tables(200)), **ENGINE))[
            "prediction_error_jaccard"
        ]
    )


# What is wrong is said.


@pytest.mark.parametrize(
    "values, options, sentence",
    [
        (
            {"confidence": [0.1, 1.2, 0.3]},
            {},
            r"confidence of the compressed model is not a number from 0 to 1 in 1 of 3 r",
        ),
        (
            {"confidence": [0.1, -0.1, np.nan]},
            {},
            r"confidence of the compressed model is not a number from 0 to 1 in 2 ",
        ),
        (
            {"confidence": [None, np.inf, -np.inf]},
            {},
            r"confidence of the compressed model is not a number from 0 to 1 in 3",
        ),
        (
            {"right": [2, None, 1]},
            {},
            r"right of the compressed model is neither true \(1\) nor false \(0\) in 2 of 3 rows",
        ),
        ({"said": ["A", None, "B"]}, {}, r"what was said, or whether it is the same, is missing in 1 of 3 rows"),
        (
            {"id": ["a", "a", "b"]},
            {"id": "id"},
            r"1 ids of the compressed table stand there more than once, e\.g\. 'a'",
        ),
        (
            {"id": ["a", None, "b"]},
            {"id": "id"},
            r"1 rows of the compressed table have no id: give every example an id",
        ),
        (
            {"id": ["x", "y", "z"]},
            {"id": "id"},
            r"of 3 rows of the large table and 3 of the compressed one no two belong",
        ),
        ({}, {"id": "ids"}, r"the large table has no column ids; did you mean id\?"),
        ({}, {"group": "passage"}, r"the large table has no column passage; it has id, right, said, confidence"),
        ({}, {"group": "confidence"}, r"group must hold texts or whole numbers, got Float64"),
        ({}, {"columns": {"confidnce": "p"}}, r"unknown column confidnce; did you mean confidence\?"),
        ({}, {"columns": {"confidence": "p"}}, r"the large table has no column p; it has"),
        ({}, {"engine": "sqlite"}, r"engine must be polars or duckdb or spark or dask, got 'sqlite'"),
        ({}, {"engine": None}, r"engine must be polars or duckdb or spark or dask, got None"),
        ({}, {"n_bins": 51}, r"n_bins must be a whole number from 1 to 50, got 51"),
        ({}, {"histograms": "no"}, r"histograms must be True or False, got 'no'"),
    ],
)
def test_bad_input_is_one_sentence(values, options, sentence):
    names = ["id", "right", "said", "confidence"]
    with pytest.raises(ValueError, match=sentence) as error:
        summarize(some(names), some(names, **values), **(ENGINE | options))
    assert "\n" not in str(error.value)


def test_tables_that_cannot_be_compared():
    with pytest.raises(ValueError, match="the compressed model needs a column right, or columns said and gold"):
        summarize(some(["id", "confidence"]), some(["id", "confidence"]), **ENGINE)
    with pytest.raises(ValueError, match="the large table has 3 rows and the compressed one 2"):
        summarize(some(["right"]), some(["right"]).slice(1), **ENGINE)
    with pytest.raises(ValueError, match="the table of pairs has no rows"):
        summarize(one_pair().slice(4), **ENGINE)
    large, compressed = (some(["right"]).append_column("gold", [one]) for one in (["A", "B", "C"], ["A", "B", "A"]))
    with pytest.raises(ValueError, match="gold differs between the models in 1 of 3 rows"):
        summarize(large, compressed, **ENGINE)


def test_probabilities_that_are_none():
    large, compressed = tables(3)
    broken = compressed.set_column(7, "probabilities", [[[0.5, 0.5, 0.5, 0.5], [1.5, -0.5, 0, 0], [0.5, 0.5]]])
    with pytest.raises(
        ValueError, match=r"probabilities of the compressed model .* in 1 of 3 rows; .*different numbers"
    ):
        summarize(large, broken, **ENGINE)


def test_nan_that_the_statistics_of_a_file_leave_out(tmp_path):
    pair = one_pair(confidence_a=[0.5] * 4, confidence_b=[0.1, np.nan, 0.2, 1])
    with pytest.raises(
        ValueError, match="confidence of the compressed model is not a number from 0 to 1 in 1 of 4 rows"
    ):
        summarize(*write(tmp_path, pairs=pair), **ENGINE)


@pytest.mark.parametrize("name, sentence", [("none-*.parquet", "no file is called"), ("a.txt", "is none of .parquet")])
def test_files_that_no_engine_reads(name, sentence, tmp_path):
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(ValueError, match=sentence):
        summarize(str(tmp_path / name), **ENGINE)


def test_a_corrupt_file_is_one_sentence(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"PAR1 is not enough")
    with pytest.raises(ValueError, match="could not be read") as error:
        summarize(tmp_path / "a.parquet", **ENGINE)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", list(engines.ENGINES))
def test_a_missing_engine_is_a_sentence_that_names_the_extra(name, monkeypatch):
    monkeypatch.setattr(engines, "find_spec", lambda package: None)
    with pytest.raises(
        ValueError, match=rf"the engine {name} needs the package .+: pip install .+trust-equivalence\[eng"
    ):
        summarize(one_pair(), engine=name)


def test_a_folder_that_is_called_like_an_engine_is_none(tmp_path, monkeypatch):
    (tmp_path / "no_engine").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(engines.ENGINES, "polars", engines.Engine("polars", ("no_engine",)))
    with pytest.raises(ValueError, match="the engine polars needs the package no_engine"):
        summarize(one_pair(), engine="polars")


def test_frames_that_no_engine_knows():
    with pytest.raises(ValueError, match="a table must be a path or a frame"):
        summarize(object(), **ENGINE)


def test_another_convention_is_refused_and_not_ignored():
    with pytest.raises(ValueError, match="sums are of the usual convention, got 'paper-b': give calibration_gap rows"):
        SumOptions(convention="paper-b")


def test_details_and_quantiles_need_histograms():
    summary = summarize(*tables(50), **ENGINE, histograms=False)
    with pytest.raises(ValueError, match="need histograms"):
        finish(summary, SumOptions(binning="quantile"))
    with pytest.raises(ValueError, match="needs histograms of both tasks"):
        out_of_distribution(summary, summary)
    assert calibration_gap.plot(finish(summarize(*tables(50), **ENGINE), SumOptions(details=True))["calibration_gap"])
