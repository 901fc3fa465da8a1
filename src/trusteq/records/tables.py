"""What columns does a file hold? Reads csv, tsv, jsonl and parquet, and says which line is wrong.

In a csv file commas, semicolons or tabs part the cells, whichever its first line has; a text that holds one stands in
double quotes. In a tsv file tabs do, and quotes are text like any other."""

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet

from trusteq.checks import first_line
from trusteq.records.memory import check_fits

Columns = dict[str, list[Any]]
SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")
PARTS = {",": "comma", ";": "semicolon", "\t": "tab"}
LONGEST = 2**31 - 1  # characters of a cell; the csv module's own limit is that of a short essay
CELL = 16  # bytes of a cell in memory; a parquet file holds a million equal ones in a few


def from_file(path: Path) -> Columns:
    """Every column as a list, or one sentence."""
    kind = path.suffix.lower()
    try:
        if kind == ".parquet":
            return from_parquet(path)
        return from_jsonl(path) if kind == ".jsonl" else from_lines(path, quoted=kind == ".csv")
    except UnicodeDecodeError:
        raise ValueError(f"{path} could not be read as {kind[1:]}: it is not text in UTF-8") from None
    except (ValueError, OSError, RecursionError) as error:
        raise ValueError(f"{path} could not be read as {kind[1:]}: {first_line(error)}") from None


def from_lines(path: Path, quoted: bool) -> Columns:
    csv.field_size_limit(LONGEST)
    with path.open(encoding="utf-8-sig", newline="") as file:
        first = next((line for line in file if line.strip()), "")
        file.seek(0)
        delimiter = parted_by(first) if quoted else "\t"
        spaced = f"{delimiter} " in first  # as some write it: a, "b, c", d
        quoting: Any = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
        rows = csv.reader(file, delimiter=delimiter, quoting=quoting, strict=True, skipinitialspace=quoted and spaced)
        header: list[str] = []
        kept = []
        try:
            for row in filter(None, rows):
                if not header:
                    header = checked([cell.strip() for cell in trimmed(row, 1)])
                    continue
                row = trimmed(row, len(header))
                if len(row) != len(header):
                    advice = f"; put double quotes around a text that holds a {PARTS[delimiter]}" if quoted else ""
                    many = f"line {rows.line_num} has {len(row)} cells, but the header has {len(header)}"
                    raise ValueError(f"{many} ({', '.join(header)}){advice}")
                kept.append(row)
        except csv.Error as error:
            advice = "a text that begins with a double quote ends with one, and those inside are doubled"
            raise ValueError(f"line {rows.line_num}: {error}; {advice}") from None
    if not header:
        raise ValueError("it is empty")
    return dict(zip(header, map(list, zip(*kept, strict=True)) if kept else [[] for _ in header], strict=True))


def parted_by(first: str) -> str:
    """What parts the cells of this line, outside of quotes.

    >>> parted_by("text;label"), parted_by('"text, whole";label'), parted_by("text")
    (';', ';', ',')
    """

    def cells(delimiter: str) -> int:
        try:
            return len(next(csv.reader([first], delimiter=delimiter, strict=True), []))
        except csv.Error:
            return 0

    return max(PARTS, key=cells)


def trimmed(row: list[str], least: int) -> list[str]:
    """Without empty cells at the end, where a line ends with a comma."""
    while len(row) > least and not row[-1]:
        row.pop()
    return row


def checked(header: list[str]) -> list[str]:
    if repeated := [name for name in header if name and header.count(name) > 1]:
        raise ValueError(f"its header has the column {repeated[0]} more than once")
    return header


def from_jsonl(path: Path) -> Columns:
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            rows.append(json.loads(line))
        except (ValueError, RecursionError) as error:
            raise ValueError(f"line {number}: {first_line(error)}") from None
        if not isinstance(rows[-1], dict):
            raise ValueError(f"line {number}: every line must be an object")
    return {name: [row.get(name) for row in rows] for name in dict.fromkeys(key for row in rows for key in row)}


def from_parquet(path: Path) -> Columns:
    """Equal texts are kept once, as they are in the file, which may be far smaller than all of them together."""
    with parquet(path) as file:
        words = [field.name for field in file.schema_arrow if field.type in (pyarrow.string(), pyarrow.large_string())]
    table = pyarrow.parquet.read_table(path, read_dictionary=words)
    return {name: [value for chunk in table[name].chunks for value in values_of(chunk)] for name in table.column_names}


def parquet(path: Path) -> pyarrow.parquet.ParquetFile:
    """A file whose rows fit into memory, as far as their number tells."""
    file = pyarrow.parquet.ParquetFile(path)
    check_fits(path, file.metadata.num_rows * file.metadata.num_columns * CELL)
    return file


def values_of(column: Any) -> list[Any]:
    if not isinstance(column, pyarrow.DictionaryArray):
        return column.to_pylist()
    words = column.dictionary.to_pylist()
    return [None if i is None else words[i] for i in column.indices.to_pylist()]
