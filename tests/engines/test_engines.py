"""Do all engines add up to the same? Spark and Dask run with two workers each.

In an environment of its own, since Spark and Dask are large (see .ci/run)."""

import benchmark_sums
import dask.dataframe
import dask.distributed
import duckdb
import numpy as np
import polars
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from one_pair import flat, tables
from pyspark.sql import SparkSession

from trusteq.dimensions.summed import finish
from trusteq.records.engines import ENGINES
from trusteq.records.summary import merge
from trusteq.records.sums import summarize

OTHERS = [name for name in ENGINES if name != "duckdb"]
ORDERED = [name for name, engine in ENGINES.items() if engine.side_by_side]


@pytest.fixture(scope="module", autouse=True)
def workers():
    """Two of Spark and two of Dask."""
    session = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    session = session.config("spark.sql.shuffle.partitions", "2").getOrCreate()
    cluster = dask.distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
    with cluster, dask.distributed.Client(cluster) as client:
        assert len(client.scheduler_info()["workers"]) == session.sparkContext.defaultParallelism == 2
        yield
    session.stop()


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """The tables of two models in two files each, the compressed model's in another order, without the last ten."""
    folder = tmp_path_factory.mktemp("tables")
    large, compressed = tables(2000)
    moved = compressed.take(pa.array(np.random.default_rng(0).permutation(1990)))
    for name, one in (("large", large), ("moved", moved)):
        for part in range(2):
            piece = one.slice(1000 * part, 1000)
            pyarrow.parquet.write_table(piece, folder / f"{name}-{part}.parquet", row_group_size=300)
            pyarrow.csv.write_csv(piece.drop_columns("probabilities"), folder / f"{name}-{part}.csv")
    return folder


def same_sums(one, other):
    """Counts to the last one; sums as far as the order in which they are added allows."""
    assert one.rows == other.rows
    assert one.noticed == other.noticed
    assert one.sums == other.sums
    assert one.arrays.keys() == other.arrays.keys()
    for name, values in one.arrays.items():
        np.testing.assert_allclose(values, other.arrays[name], rtol=1e-12, atol=1e-12 * 2000)
    assert (one.arrays["cells"][:, 0] == other.arrays["cells"][:, 0]).all()
    assert flat(finish(one)) == pytest.approx(flat(finish(other)), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
@pytest.mark.parametrize("engine", OTHERS)
def test_joined_by_id_with_groups(engine, suffix, places):
    large, moved = (str(places / f"{name}-*.{suffix}") for name in ("large", "moved"))
    found, reference = (summarize(large, moved, id="id", group="group", engine=name) for name in (engine, "duckdb"))
    assert found.noticed == ("10 of 2000 rows of the large table have no partner, e.g. q001990",)
    same_sums(found, reference)


@pytest.mark.parametrize("engine", OTHERS)
def test_joined_before_with_groups_that_are_numbers(engine, tmp_path):
    count = 3000
    rng = np.random.default_rng(0)
    confidences = rng.random((2, count)).astype(np.float32)
    confidences[:, :22] = np.concatenate([np.arange(11) / 10, np.nextafter(np.arange(11) / 10, 0).clip(0)])
    right, large_right, same = rng.random((3, count)) < 0.7
    pair = {"right_a": large_right, "right_b": right, "same": same, "conf_a": confidences[0], "conf_b": confidences[1]}
    pyarrow.parquet.write_table(
        pa.table(pair | {"user": rng.integers(-(2**62), 2**62, count)}), tmp_path / "pairs.parquet"
    )
    columns = {"confidence_a": "conf_a", "confidence_b": "conf_b"}
    found, reference = (
        summarize(tmp_path / "pairs.parquet", group="user", columns=columns, engine=name) for name in (engine, "duckdb")
    )
    same_sums(found, reference)


@pytest.mark.parametrize("engine", OTHERS)
def test_merged_shards_of_one_engine_are_one_pass_of_another(engine, places):
    moved = str(places / "moved-*.parquet")
    shards = [summarize(places / f"large-{part}.parquet", moved, id="id", engine=engine) for part in range(2)]
    once = summarize(str(places / "large-*.parquet"), moved, id="id", engine="duckdb")
    merged = merge(shards)
    assert merged.rows["large"] == once.rows["large"] == 2000
    assert flat(finish(merged))["answers rows"] == 1990
    for name, value in flat(finish(once)).items():
        if not name.endswith("compressed_rows"):
            assert flat(finish(merged))[name] == pytest.approx(value, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_same_order(engine):
    large, compressed = tables(500)
    if engine in ORDERED:
        found = summarize(large, compressed, engine=engine)
        assert flat(finish(found)) == pytest.approx(
            flat(finish(summarize(large, compressed, engine="duckdb"))), abs=1e-12
        )
    else:
        with pytest.raises(ValueError, match=r"rows have no order in .*: name the column of ids that joins the tables"):
            summarize(large, compressed, engine=engine)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "values, sentence",
    [
        ([0.9, 1.2, 1.0], "confidence of the compressed model is not a number from 0 to 1 in 1 of 3 rows"),
        ([0.9, float("nan"), -0.1], "confidence of the compressed model is not a number from 0 to 1 in 2 of 3 rows"),
        ([None, float("inf"), 0.5], "confidence of the compressed model is not a number from 0 to 1 in 2 of 3 rows"),
    ],
)
def test_bad_confidences(engine, values, sentence, tmp_path):
    for name, confidence in (("large", [0.5, 0.5, 0.5]), ("small", values)):
        one = pa.table({"id": ["a", "b", "c"], "right": [True] * 3, "said": ["A"] * 3, "confidence": confidence})
        pyarrow.parquet.write_table(one, tmp_path / f"{name}.parquet")
    with pytest.raises(ValueError, match=sentence) as error:
        summarize(tmp_path / "large.parquet", tmp_path / "small.parquet", id="id", engine=engine)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "columns, sentence",
    [
        ({"id": ["a", "a", "b"]}, "1 ids of the compressed table stand there more than once, e.g. 'a'"),
        ({"id": ["a", None, "b"]}, "1 rows of the compressed table have no id"),
        ({"id": ["x", "y", "z"]}, "no two belong together"),
        (
            {"right": [True, None, False]},
            "right of the compressed model is neither true .1. nor false .0. in 1 of 3 rows",
        ),
        ({"right": [1, 2, 0]}, "right of the compressed model is neither true .1. nor false .0. in 1 of 3 rows"),
        ({"said": ["A", None, "B"]}, "what was said, or whether it is the same, is missing in 1 of 3 rows"),
        ({"name": ["a", "b", "c"], "id": None}, "the compressed table has no column id"),
    ],
)
def test_bad_columns(engine, columns, sentence, tmp_path):
    usual = {"id": ["a", "b", "c"], "right": [True, False, True], "said": ["A", "B", "C"]}
    for name, made in (("large", usual), ("small", {k: v for k, v in (usual | columns).items() if v is not None})):
        pyarrow.parquet.write_table(pa.table(made), tmp_path / f"{name}.parquet")
    with pytest.raises(ValueError, match=sentence) as error:
        summarize(tmp_path / "large.parquet", tmp_path / "small.parquet", id="id", engine=engine)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_corrupt_file_is_one_sentence(engine, tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"PAR1 is not enough")
    with pytest.raises(ValueError, match="could not be read") as error:
        summarize(tmp_path / "a.parquet", engine=engine)
    assert "\n" not in str(error.value)


def test_frames_of_the_engines_themselves():
    large, compressed = (one.drop_columns("probabilities") for one in tables(200))
    reference = summarize(large, compressed, id="id", engine="duckdb")
    frames = {
        "polars": polars.from_arrow,
        "duckdb": duckdb.from_arrow,
        "spark": lambda one: SparkSession.getActiveSession().createDataFrame(one.to_pandas()),
        "dask": lambda one: dask.dataframe.from_pandas(one.to_pandas(), npartitions=2),
    }
    for engine, made in frames.items():
        same_sums(summarize(made(large), made(compressed), id="id", engine=engine), reference)
    with pytest.raises(ValueError, match="a table is of duckdb, but the engine asked for is dask"):
        summarize(duckdb.from_arrow(large), duckdb.from_arrow(compressed), id="id", engine="dask")


def test_the_benchmark_runs(capsys):
    benchmark_sums.main(["--tiny", "--billion", "--turns", "1"])
    printed = capsys.readouterr().out
    assert "Polars, 100,000 rows, really added up in one pass" in printed
    assert printed.count("asked for |") == 1
    assert printed.count("\n| ") == 12
