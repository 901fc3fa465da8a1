"""Into which of 256 blocks does a group fall? The same one in every engine and every shard.

Rows of a group belong together, so sums are kept apart by blocks of whole groups, from which intervals are made. Whole
numbers are mixed by arithmetic that all engines do alike, in 64 bits; of texts the distinct ones are hashed here."""

import zlib
from typing import Any

import narwhals as nw
import pyarrow as pa

from trusteq.checks import brief
from trusteq.intervals import BLOCKS
from trusteq.records.engines import Engine, collected, opened, schema_of

PRIME = 2**31 - 1  # so that a product of two remainders fits into 63 bits
FACTOR = 1_103_515_245


def with_block(engine: Engine, frame: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """A column `block` from the column `group`; rows without a group get none."""
    kind = schema_of(frame)["group"]
    if kind.is_integer():
        return frame.with_columns(block_of_number(nw.col("group").cast(nw.Int64)).alias("block"))
    if not isinstance(kind, nw.String | nw.Categorical):
        raise ValueError(f"group must hold texts or whole numbers, got {brief(kind)}")
    frame = frame.with_columns(nw.col("group").cast(nw.String))
    groups = collected(engine, frame.select("group").unique())["group"].drop_null()
    blocks = [block_of_text(text) for text in groups.to_pylist()]
    table = pa.table({"group": groups.cast(pa.string()), "block": pa.array(blocks, pa.int64())})
    return frame.join(opened(engine, table), on="group", how="left")


def block_of_number(number: Any) -> Any:
    """Of a column or of one number; `%` of a negative one has either sign, which the first line undoes.

    >>> [block_of_number(n) for n in (-1, 0, 1, 2)]
    [200, 0, 200, 35]
    """
    mixed = (number % PRIME + PRIME) % PRIME * FACTOR % PRIME
    return mixed * mixed % PRIME // (2**31 // BLOCKS)


def block_of_text(text: str) -> int:
    """
    >>> block_of_text("passage 7")
    166
    """
    return zlib.crc32(text.encode()) % BLOCKS
