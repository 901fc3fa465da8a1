"""Records that were written before, by Record.write."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet

from trusteq.records.readers.reader import Reader, ReadOptions, start_of
from trusteq.records.record import MARK, Record


def recognises(path: Path) -> bool:
    if start_of(path, 4) != b"PAR1":
        return False
    try:
        return MARK in (pyarrow.parquet.read_schema(path).metadata or {})
    except (OSError, pa.ArrowException, ValueError):
        return False


def read(path: Path, options: ReadOptions) -> list[Record]:
    return [Record.read(path)]


READER = Reader(name="record", looks_for="records of ours", recognises=recognises, read=read)
