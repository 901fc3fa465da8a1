"""How far apart are two distributions over the options? Expressions per row, for every engine, of list columns."""

from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

import narwhals as nw
import numpy as np

from trusteq.records.engines import Engine, collected, schema_of

MOST = 256  # options: an expression has a term for each
SMALLEST = float(np.finfo(np.float64).eps)  # as in calibration_gap
TINY = float(np.finfo(np.float64).tiny)
SIDES = {"": "the compressed model", "large_": "the large model"}


def widened(engine: Engine, tables: Sequence[tuple[nw.LazyFrame[Any], tuple[str, ...]]]) -> list[nw.LazyFrame[Any]]:
    """The tables, each with the sides that it holds, with a column for each option in place of lists of probabilities:
    before they are joined, since engines send lists around badly. Where a side has none, the others go unused."""
    lists = [[f"{side}probabilities" for side in sides] for _, sides in tables]
    have = [schema_of(frame) for frame, _ in tables]
    if not all(name in names for wanted, names in zip(lists, have, strict=True) for name in wanted):
        return [frame.drop(lists[i], strict=False) for i, (frame, _) in enumerate(tables)]
    width = max(widest(engine, frame, names) for (frame, _), names in zip(tables, lists, strict=True))
    made = []
    for frame, sides in tables:
        for side in sides:
            listed = nw.col(f"{side}probabilities")
            options = [listed.list.get(i).cast(nw.Float64).fill_null(0.0).alias(f"{side}p{i}") for i in range(width)]
            frame = frame.with_columns(listed.list.len().cast(nw.Float64).alias(f"{side}options"), *options)
        made.append(frame.drop([f"{side}probabilities" for side in sides]))
    return made


def widest(engine: Engine, frame: nw.LazyFrame[Any], lists: list[str]) -> int:
    """The most options that a row has."""
    found = collected(engine, frame.select(nw.col(name).list.len().max() for name in lists))
    width = max(int(value or 0) for column in found.columns for value in column.to_pylist())
    if not 2 <= width <= MOST:
        raise ValueError(f"probabilities need 2 to {MOST} options in the widest row, got {width}")
    return width


def options_in(schema: Mapping[str, Any]) -> int:
    return next(i for i in count() if f"p{i}" not in schema)


def total(terms: list[Any]) -> Any:
    """Their sum, from left to right, so that every engine rounds alike."""
    out = terms[0]
    for term in terms[1:]:
        out = out + term
    return out


def checks_of(width: int, gold: str | None) -> dict[str, Any]:
    checks = {}
    for side, model in SIDES.items():
        values = [nw.col(f"{side}p{i}") for i in range(width)]
        fine = (total(values) - 1).abs() <= 0.01  # as everywhere: bfloat16 rounds every entry by up to 0.4 %
        for value in values:
            fine = fine & (value >= 0)
        checks[f"the probabilities of {model} are not at least 0 with the sum 1"] = fine
    checks["the two models have probabilities of different numbers of options"] = nw.col("options") == nw.col(
        "large_options"
    )
    if gold is not None:
        checks["gold_index is not the number of an option"] = (nw.col(gold) >= 0) & (nw.col(gold) < width)
    return checks


def distances(frame: nw.LazyFrame[Any], width: int, gold: str | None) -> tuple[nw.LazyFrame[Any], list[str]]:
    """Columns of what is summed per row, and their names; `gold` is the column of the right option's number."""
    p, q = ([nw.col(f"{side}p{i}") for i in range(width)] for side in SIDES)
    frame = frame.with_columns(
        (value / total(side)).alias(f"{name}{i}")
        for name, side in (("p", p), ("large_p", q))
        for i, value in enumerate(side)
    )
    pairs = list(zip(p, q, strict=True))
    js = total([(x_log_x(a) + x_log_x(b)) / 2 - x_log_x((a + b) / 2) for a, b in pairs]).clip(0.0, 1.0)
    kl = total([b * (b.clip(lower_bound=SMALLEST).log() - a.clip(lower_bound=SMALLEST).log()) for a, b in pairs])
    made = {"loyalty": 1 - js.sqrt(), "js": js, "kl": kl}
    if gold is not None:
        for side, values in (("", p), ("large_", q)):
            at_gold = total([nw.when(nw.col(gold) == i).then(v).otherwise(0.0) for i, v in enumerate(values)])
            made[f"{side}gold_probability"] = at_gold
            made[f"{side}brier"] = total([v * v for v in values]) - 2 * at_gold + 1
            made[f"{side}nll"] = -at_gold.clip(lower_bound=SMALLEST).log()
        made["overlap"] = total([a * b for a, b in pairs])
        made["classes"] = nw.col("options")
    frame = frame.with_columns(value.alias(name) for name, value in made.items())
    squares = {f"{name}_squared": nw.col(name) * nw.col(name) for name in ("loyalty", "js", "kl")}
    if gold is not None:
        for name in ("brier", "nll"):
            gap = nw.col(name) - nw.col(f"large_{name}")
            squares[f"{name}_gap_squared"] = gap * gap
    return frame.with_columns(value.alias(name) for name, value in squares.items()), [*made, *squares]


def x_log_x(x: Any) -> Any:
    return x * x.clip(lower_bound=TINY).log(2)
