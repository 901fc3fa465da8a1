"""Tables of anybody's: csv, tsv, jsonl and parquet, an example a row."""

from pathlib import Path

from trusteq.records.readers.columns import GUESSES, record_of
from trusteq.records.readers.reader import Reader, ReadOptions, first_object, start_of
from trusteq.records.record import Record
from trusteq.records.tables import SUFFIXES, from_file


def recognises(path: Path) -> bool:
    suffix, start = path.suffix.lower(), start_of(path, 4)
    if suffix == ".parquet":
        return start == b"PAR1"
    return suffix in SUFFIXES and bool(start) and (suffix != ".jsonl" or bool(first_object(path)))


def read(path: Path, options: ReadOptions) -> list[Record]:
    """The task of a table is its file's name: two tables of one task may well have two."""
    if path.suffix.lower() not in SUFFIXES or not path.is_file():
        raise ValueError(f"{path} is no table: expected a file that ends with {', '.join(SUFFIXES)}")
    head = {"model": path.stem, "task": path.stem, "format": READER.name, "place": path.name}
    return [record_of(from_file(path), options, head)]


READER = Reader(
    name="table",
    looks_for="csv, tsv, jsonl or parquet files with a row per example",
    takes=(*GUESSES, "labels"),
    general=True,
    recognises=recognises,
    read=read,
)
