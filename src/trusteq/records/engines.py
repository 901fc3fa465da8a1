"""Who adds up the rows? Polars, DuckDB, Spark or Dask: tables are opened for it lazily, and what it found is collected.

The expressions of sums.py are the same for all; what differs between the engines stands here."""

import glob
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

import narwhals as nw
import pyarrow as pa

from trusteq.checks import brief, failure

SUFFIXES = (".parquet", ".csv", ".tsv")


@dataclass(frozen=True)
class Engine:
    """What narwhals calls it, the packages it needs, how it collects, reads csv, and lays rows of equal place together
    (None where its rows have no place)."""

    backend: Any
    packages: tuple[str, ...]
    collect: Mapping[str, Any] = field(default_factory=dict)
    parquet: Mapping[str, Any] = field(default_factory=dict)
    csv: Mapping[str, Any] = field(default_factory=dict)
    side_by_side: Callable[[Any, Any], Any] | None = None
    around: Callable[[], AbstractContextManager[None]] = nullcontext


def polars_side_by_side(large: Any, compressed: Any) -> Any:
    import polars

    return polars.concat([large, compressed], how="horizontal")


def duckdb_side_by_side(large: Any, compressed: Any) -> Any:
    import duckdb

    return duckdb.sql("SELECT * FROM large POSITIONAL JOIN compressed")


@contextmanager
def without_statistics() -> Iterator[None]:
    """Those of a parquet file leave NaN out, and DuckDB takes from them that no value is NaN (its issue 25521)."""
    import duckdb

    [(before,)] = duckdb.execute("SELECT current_setting('disabled_optimizers')").fetchall()
    duckdb.execute(f"SET disabled_optimizers = '{','.join(filter(None, (before, 'statistics_propagation')))}'")
    try:
        yield
    finally:
        duckdb.execute(f"SET disabled_optimizers = '{before}'")


ARROW = {"dtype_backend": "pyarrow"}  # columns with lists, and with values missing
ENGINES = {
    "polars": Engine("polars", ("polars",), collect={"engine": "streaming"}, side_by_side=polars_side_by_side),
    "duckdb": Engine("duckdb", ("duckdb",), side_by_side=duckdb_side_by_side, around=without_statistics),
    "spark": Engine("pyspark", ("pyspark",), csv={"header": True, "inferSchema": True}),
    "dask": Engine("dask", ("dask", "pandas"), parquet=ARROW, csv=ARROW),
}


def engine_named(name: Any) -> Engine:
    """The engine, or a sentence that says what is missing.

    >>> engine_named("sqlite")
    Traceback (most recent call last):
    ValueError: engine must be polars or duckdb or spark or dask, got 'sqlite'
    """
    if not isinstance(name, str) or name not in ENGINES:
        raise ValueError(f"engine must be {' or '.join(ENGINES)}, got {brief(name)}")
    for package in ENGINES[name].packages:
        found = find_spec(package)
        if found is None or found.origin is None:  # a folder of that name is no package
            raise ValueError(
                f'the engine {name} needs the package {package}: pip install {package}, or "trust-equivalence[engines]"'
                " for all four"
            )
    return ENGINES[name]


def opened(engine: Engine, table: Any) -> nw.LazyFrame[Any]:
    """A table for this engine: a path (which may hold * and ?), a frame of its own, or a table in memory."""
    session = {"session": spark_session()} if engine.backend == "pyspark" else {}
    if isinstance(table, str | os.PathLike):
        path = os.fspath(table)
        found = sorted(glob.glob(path))
        if not found:
            raise ValueError(f"no file is called {brief(path)}")
        suffix = os.path.splitext(found[0])[1].lower()
        if suffix not in SUFFIXES:
            raise ValueError(f"{found[0]} is none of {', '.join(SUFFIXES)}, which the engines read")
        if suffix == ".parquet":
            return attempt(lambda: nw.scan_parquet(path, backend=engine.backend, **engine.parquet, **session), path)
        separator = "\t" if suffix == ".tsv" else ","
        return attempt(
            lambda: nw.scan_csv(path, backend=engine.backend, separator=separator, **engine.csv, **session), path
        )
    try:
        frame = nw.from_native(table)
    except TypeError:
        raise ValueError(
            f"a table must be a path or a frame of Polars, DuckDB, Spark, Dask or Arrow, got {brief(table)}"
        ) from None
    if isinstance(frame, nw.LazyFrame):
        if frame.implementation.value != engine.backend:
            raise ValueError(
                f"a table is of {frame.implementation.value}, but the engine asked for is {engine.backend}"
            )
        return frame
    return frame.lazy(backend=engine.backend, **session)


def spark_session() -> Any:
    """The session that is there, or one on all cores of this machine."""
    from pyspark.sql import SparkSession

    return SparkSession.getActiveSession() or (
        SparkSession.builder.config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.sql.shuffle.partitions", "8")
        .getOrCreate()
    )


def schema_of(frame: nw.LazyFrame[Any]) -> dict[str, Any]:
    return attempt(lambda: dict(frame.collect_schema()))


def collected(engine: Engine, frame: nw.LazyFrame[Any]) -> pa.Table:
    with engine.around():
        return attempt(lambda: frame.collect(backend="pyarrow", **engine.collect).to_arrow())


def attempt(call: Callable[[], Any], what: Any = "the tables", ours: tuple[type[Exception], ...] = ()) -> Any:
    """Every engine has errors of its own; what it says of the files or their columns becomes one sentence."""
    try:
        return call()
    except ours:
        raise
    except Exception as error:
        raise ValueError(f"{what} could not be read: {failure(error)}") from error
