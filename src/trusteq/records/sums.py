"""How do two models compare over any number of rows? Sums that an engine makes of them, written once for all engines.

Rows are counted in cells: who was right, whether both said the same, and the bins of both confidences. To a cell belong
sums of what its counts do not tell: confidences, their products, and distances between the distributions over the
options, where there are any. All of it adds up over shards."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import and_
from typing import Any

import narwhals as nw
import numpy as np

from trusteq.checks import check_choice, check_integer
from trusteq.intervals import BLOCKS
from trusteq.records.blocks import with_block
from trusteq.records.distributions import SIDES, checks_of, distances, options_in
from trusteq.records.engines import Engine, attempt, collected, engine_named, schema_of
from trusteq.records.pairs import EQUAL, Names, Pairs, pairs_of, without_partner
from trusteq.records.summary import FINE, MOST_BINS, Summary

CONFIDENCES = tuple(f"{side}confidence" for side in SIDES)
PRODUCTS = {"confidence_squared": (0, 0), "large_confidence_squared": (1, 1), "confidences": (0, 1)}


def summarize(
    large: Any,
    compressed: Any = None,
    *,
    engine: str = "polars",
    id: str | None = None,
    group: str | None = None,
    columns: Mapping[str, str] | None = None,
    n_bins: int = 10,
    histograms: bool = True,
) -> Summary:
    """The sums of a pair of tables, or of one shard of it.

    Args:
        large: the large model's table: a path, which may hold * and ?, of parquet, csv or tsv files; or a frame of the
            engine, or an Arrow table. Without `compressed`, one table of pairs, in which the columns of the large
            model end with _a and those of the compressed one with _b.
        compressed: the compressed model's table.
        engine: who adds up: polars, duckdb, spark or dask.
        id: the column that joins the two tables; without it they are in the same order.
        group: a column of texts or whole numbers; rows of one group belong together, and intervals allow for that.
        columns: what the columns are called that have other names than in records (right, said, gold, confidence,
            probabilities, gold_index, prompt_hash; of pairs also same), e.g. {"confidence": "p_max"}.
        n_bins: bins of equal width that each model's confidence is put into.
        histograms: count each model's confidences in 2048 cells too, for quantile bins, smooth ECE and AUROC.
    """
    check_integer("n_bins", n_bins, at_least=1, at_most=MOST_BINS)
    check_choice("histograms", histograms, (True, False))
    made = engine_named(engine)
    names = Names(id, group, columns)
    return attempt(
        lambda: summed(made, pairs_of(made, large, compressed, names), n_bins, histograms), ours=(ValueError,)
    )


def summed(engine: Engine, pairs: Pairs, n_bins: int, histograms: bool) -> Summary:
    rows = prepared(engine, pairs.frame)
    bins = n_bins if rows.confident else 1
    fine = reduce(and_, rows.checks.values())
    cell = nw.when(fine).then(cell_of(rows, bins)).otherwise(-1.0)
    key, sums = sums_by(engine, rows.frame, cell, rows.sums)
    if not len(key) or key.min() < 0:
        raise ValueError(what_is_wrong(engine, rows, pairs.rows))
    arrays = as_arrays(key, sums, bins, rows.grouped)
    if rows.confident and histograms:
        arrays |= {f"{side}histogram": histogram(engine, rows.frame, side) for side in SIDES}
    noticed = tuple(without_partner(engine, pairs, int(arrays["cells"][:, 0].sum())))
    return Summary(n_bins if rows.confident else 0, tuple(rows.sums), rows.answers, pairs.rows, noticed, arrays)


@dataclass
class Rows:
    """The pairs with every column that is counted or summed, what must hold in each row, and what there is."""

    frame: nw.LazyFrame[Any]
    checks: dict[str, Any]  # what is wrong where it does not hold
    sums: list[str]
    confident: bool
    answers: bool
    grouped: bool
    single: bool  # both confidences are of single precision


def prepared(engine: Engine, frame: nw.LazyFrame[Any]) -> Rows:
    schema = schema_of(frame)
    checks, made, sums, width = {}, {}, [], options_in(schema)
    for name in EQUAL:
        if name in schema and f"large_{name}" in schema:
            checks[f"{name} differs between the models"] = nw.col(name) == nw.col(f"large_{name}")
    for side, model in SIDES.items():
        right, what = nw.col(f"{side}right"), f"right of {model} is neither true (1) nor false (0)"
        if f"{side}right" not in schema:
            gold = next((name for name in (f"{side}gold", "gold", "large_gold") if name in schema), None)
            if gold is None or f"{side}said" not in schema:
                raise ValueError(
                    f"{model} needs a column right, or columns said and gold; of these known columns there "
                    f"are {', '.join(schema) or 'none'}"
                )
            right, what = nw.col(f"{side}said") == nw.col(gold), f"said or gold of {model} is missing"
        made[f"is_{side}right"], checks[what] = right.cast(nw.Float64), zero_or_one(right, schema.get(f"{side}right"))
    both_said = "said" in schema and "large_said" in schema
    if "same" in schema or both_said:
        same = nw.col("same") if "same" in schema else nw.col("said") == nw.col("large_said")
        made["is_same"] = same.cast(nw.Float64)
        checks["what was said, or whether it is the same, is missing"] = zero_or_one(same, schema.get("same"))
    if confident := width > 0 or all(name in schema for name in CONFIDENCES):
        pair = [
            nw.col(f"{side}confidence").cast(nw.Float64)
            if f"{side}confidence" in schema
            else nw.max_horizontal(*(nw.col(f"{side}p{i}") for i in range(width)))
            for side in SIDES
        ]
        made |= dict(zip(CONFIDENCES, pair, strict=True))
        made |= {name: pair[i] * pair[j] for name, (i, j) in PRODUCTS.items()}
        sums += [*CONFIDENCES, *PRODUCTS]
        for value, model in zip(pair, SIDES.values(), strict=True):
            checks[f"confidence of {model} is not a number from 0 to 1"] = (value >= 0) & (value <= 1)
    if width:
        gold = next((name for name in ("gold_index", "large_gold_index") if name in schema), None)
        checks |= checks_of(width, gold)
        frame, more = distances(frame, width, gold)
        sums += more
    if "group" in schema:
        frame = with_block(engine, frame)
        checks["group is missing"] = ~nw.col("block").is_null()
    frame = frame.with_columns(value.alias(name) for name, value in made.items())
    single = all(isinstance(schema.get(name), nw.Float32) for name in CONFIDENCES)
    return Rows(frame, checks, sums, confident, "is_same" in made, "group" in schema, single)


def zero_or_one(value: Any, kind: Any) -> Any:
    return ~value.is_null() if kind is None or isinstance(kind, nw.Boolean) else (value == 0) | (value == 1)


def cell_of(rows: Rows, bins: int) -> Any:
    """One number for: block, right, large right, same, bin of the confidence, bin of the large confidence.

    In floats, which are whole here, since some engines stumble over a missing value on its way to an integer."""
    cell = nw.col("is_right") * 2 + nw.col("is_large_right")
    if rows.grouped:
        cell = nw.col("block") * 4 + cell
    cell = cell * 2 + nw.col("is_same") if rows.answers else cell * 2
    if rows.confident:
        for name in CONFIDENCES:
            cell = cell * bins + bin_of(nw.col(name), bins, rows.single)
    return cell


def bin_of(value: Any, bins: int, single: bool = False) -> Any:
    """The bin of equal width, a value on an edge in the bin above, exactly as calibration_gap compares with edges."""
    place = (value * bins).floor().clip(0, bins - 1)
    for one, shift in misplaced(bins):
        if single and float(np.float32(one)) != one:
            continue
        place = place + (value == one).cast(nw.Float64) * shift
    return place


def misplaced(bins: int) -> list[tuple[float, int]]:
    """Numbers beside an edge whose product with `bins` is rounded over it, and how many bins they are to be moved.

    Products keep their order when they are rounded, so nothing else can lie wrong.

    >>> misplaced(10), misplaced(16)
    ([(0.8999999999999999, -1)], [])
    """
    edges = np.arange(1, bins) / bins
    found = []
    for k, edge in enumerate(edges.tolist(), start=1):
        for value, place in ((np.nextafter(edge, 0), k - 1), (edge, k)):
            if shift := place - int(np.floor(value * bins)):
                found.append((float(value), shift))
    return found


def sums_by(engine: Engine, frame: nw.LazyFrame[Any], key: Any, sums: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The keys that occur, and for each how many rows and the sums."""
    added = [nw.len().alias("rows"), *(nw.col(name).sum() for name in sums)]
    table = collected(engine, frame.select(key.cast(nw.Int64).alias("key"), *sums).group_by("key").agg(*added))
    found = [table[name].to_numpy().astype(np.float64) for name in ("rows", *sums)]
    return table["key"].to_numpy(), np.stack(found, axis=1)


def histogram(engine: Engine, frame: nw.LazyFrame[Any], side: str) -> np.ndarray:
    """Of a model's confidences: right (first), then cell, then how many, their sum and that of their squares."""
    key = nw.col(f"is_{side}right") * FINE + bin_of(nw.col(f"{side}confidence"), FINE)
    keys, sums = sums_by(engine, frame, key, [f"{side}confidence", f"{side}confidence_squared"])
    out = np.zeros((2 * FINE, 3))
    out[keys] = sums
    return out.reshape(2, FINE, 3)


def as_arrays(key: np.ndarray, sums: np.ndarray, bins: int, grouped: bool) -> dict[str, np.ndarray]:
    """The cells, added up over blocks; and of every block what intervals are made of, added up over cells."""
    block, cell = np.divmod(key, 8 * bins * bins)
    arrays = {"cells": added(cell, sums, 8 * bins * bins)}
    if grouped:
        outcome, pair = np.divmod(cell, bins * bins)
        own, large = np.divmod(pair, bins)
        arrays["outcomes"] = added(block * 8 + outcome, sums[:, :1], BLOCKS * 8).reshape(BLOCKS, 8)
        arrays["totals"] = added(block, sums[:, 1:], BLOCKS)
        if bins > 1:
            right = outcome[:, None] >> np.array([2, 1]) & 1
            residual = right * sums[:, :1] - sums[:, 1:3]
            arrays["residuals"] = np.stack(
                [
                    added(block * bins + at, residual[:, i : i + 1], BLOCKS * bins).reshape(BLOCKS, bins)
                    for i, at in enumerate((own, large))
                ],
                axis=1,
            )
    return arrays


def added(place: np.ndarray, values: np.ndarray, size: int) -> np.ndarray:
    out = np.empty((size, values.shape[1]))
    for i, column in enumerate(values.T):
        out[:, i] = np.bincount(place, column, size)
    return out


def what_is_wrong(engine: Engine, rows: Rows, tables: Mapping[str, int]) -> str:
    """A sentence: in how many rows what does not hold. It takes one more pass over the tables, in this case alone."""
    if not tables:
        empty = "the table of pairs has no rows"
    else:
        counts = f"{tables['large']} rows of the large table and {tables['compressed']} of the compressed one"
        empty = f"of {counts} no two belong together"
    broken = [nw.when(fine).then(0).otherwise(1).alias(f"{i}") for i, fine in enumerate(rows.checks.values())]
    counted = rows.frame.select(broken).select(
        nw.len().alias("rows"), *(nw.col(f"{i}").sum() for i in range(len(broken)))
    )
    found = {name: int(column[0] or 0) for name, column in collected(engine, counted).to_pydict().items()}
    told = [f"{what} in {found[str(i)]} of {found['rows']} rows" for i, what in enumerate(rows.checks) if found[str(i)]]
    return "; ".join(told) or empty
