"""Which rows of two models belong together? One lazy table of pairs: joined before, joined by id, or in the same order.

In the pairs the compressed model's columns have the names of records; those of the large model begin with large_."""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import pyarrow as pa

from trusteq.checks import brief
from trusteq.records.distributions import widened
from trusteq.records.engines import Engine, collected, opened, schema_of

EACH = ("right", "said", "gold", "confidence", "probabilities", "gold_index", "prompt_hash")
EQUAL = ("gold", "gold_index", "prompt_hash")  # in both tables of a pair of rows


@dataclass(frozen=True)
class Pairs:
    frame: nw.LazyFrame[Any]
    rows: dict[str, int]  # of each table, where there are two
    given: dict[str, nw.LazyFrame[Any]]  # the two tables, for naming ids without a partner


@dataclass(frozen=True)
class Names:
    """What the columns are called in the files: `columns` holds those that are not called as in records."""

    id: str | None = None
    group: str | None = None
    columns: Mapping[str, str] | None = None

    def taken(
        self, frame: nw.LazyFrame[Any], which: str, known: list[tuple[str, str]], keys: list[tuple[str, str]]
    ) -> Any:
        """Of a table its keys and the columns that are known, each under our name, the second of its pair."""
        have, given = list(schema_of(frame)), self.columns or {}
        wanted = [(name, ours, True) for name, ours in keys]
        wanted += [(given.get(name, name), ours, name in given) for name, ours in known]
        for theirs, _, must in wanted:
            if must and theirs not in have:
                near = difflib.get_close_matches(theirs, have, n=1)
                hint = f"; did you mean {near[0]}?" if near else f"; it has {', '.join(have[:20])}"
                raise ValueError(f"{which} has no column {theirs}{hint}")
        return frame.select(nw.col(theirs).alias(ours) for theirs, ours, _ in wanted if theirs in have)


def pairs_of(engine: Engine, large: Any, compressed: Any | None, names: Names) -> Pairs:
    group = [(names.group, "group")] if names.group else []
    if compressed is None:
        known = [(f"{name}{end}", side + name) for name in EACH for end, side in (("_a", "large_"), ("_b", ""))]
        known += [(name, name) for name in ("same", "gold", "gold_index")]
        check_known(names, known)
        frame = names.taken(opened(engine, large), "the table", known, group)
        return Pairs(widened(engine, [(frame, ("", "large_"))])[0], {}, {})
    key = [(names.id, "id")] if names.id else []
    if not key and engine.side_by_side is None:
        raise ValueError(
            f"rows have no order in {engine.backend}: name the column of ids that joins the tables (id=...)"
        )
    sides = {"large": (large, "large_", key + group), "compressed": (compressed, "", key)}
    each = {}
    for which, (table, side, keys) in sides.items():
        known = [(name, side + name) for name in EACH]
        check_known(names, known)
        each[which] = names.taken(opened(engine, table), f"the {which} table", known, keys)
    wide = widened(engine, [(each["large"], ("large_",)), (each["compressed"], ("",))])
    each = dict(zip(each, wide, strict=True))
    if key:
        rows = {which: distinct_ids(engine, frame, which, key[0][0]) for which, frame in each.items()}
        return Pairs(each["large"].join(each["compressed"], on="id", how="inner"), rows, each)
    assert engine.side_by_side is not None
    frame = nw.from_native(engine.side_by_side(*(one.to_native() for one in each.values())))
    rows = {which: collected(engine, one.select(nw.len().alias("n")))["n"][0].as_py() for which, one in each.items()}
    if rows["large"] != rows["compressed"]:
        raise ValueError(
            f"the large table has {rows['large']} rows and the compressed one {rows['compressed']}: tables in the same "
            "order need a row per example each; or name the column of ids that joins them (id=...)"
        )
    return Pairs(frame, rows, {})


def check_known(names: Names, known: list[tuple[str, str]]) -> None:
    ours = [name for name, _ in known]
    for name in names.columns or {}:
        if name not in ours:
            near = difflib.get_close_matches(name, ours, n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; known are {', '.join(ours)}"
            raise ValueError(f"unknown column {name}{hint}")


def distinct_ids(engine: Engine, frame: nw.LazyFrame[Any], which: str, name: str) -> int:
    """How many rows there are, if every one has an id of its own."""
    ids = nw.col("id")
    counts = frame.select(ids.count().alias("ids"), ids.n_unique().alias("distinct"), nw.len().alias("rows"))
    found = {k: int(v[0]) for k, v in collected(engine, counts).to_pydict().items()}
    if missing := found["rows"] - found["ids"]:
        raise ValueError(f"{missing} rows of the {which} table have no {name}: give every example an id")
    if found["distinct"] < found["rows"]:
        counted = frame.group_by("id").agg(nw.len().alias("n")).filter(nw.col("n") > 1)
        told = collected(engine, counted.select(nw.len().alias("n"), ids.min().alias("id")))
        raise ValueError(
            f"{told['n'][0]} ids of the {which} table stand there more than once, e.g. {brief(told['id'][0].as_py())}: "
            "give every example an id of its own"
        )
    return found["rows"]


def without_partner(engine: Engine, pairs: Pairs, count: int) -> Iterator[str]:
    """A sentence for each table with rows that the other lacks."""
    for which, other in (("large", "compressed"), ("compressed", "large")):
        if pairs.given and pairs.rows[which] > count:
            alone = pairs.given[which].join(pairs.given[other], on="id", how="anti").select(nw.col("id").min())
            first: pa.Table = collected(engine, alone)
            missing = pairs.rows[which] - count
            yield f"{missing} of {pairs.rows[which]} rows of the {which} table have no partner, e.g. {first['id'][0]}"
