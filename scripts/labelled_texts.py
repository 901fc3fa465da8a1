"""Which texts, and which labels? Reads a data set from the Hub or from a local file, and says what is wrong with it.

A local file is csv, tsv (fields apart by tabs, no quoting), jsonl or parquet; a local folder holds such files, named by
split. From the Hub: `name`, `owner/name`, or either with the name of a configuration behind it, `glue/sst2`.
"""

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow
import pyarrow.parquet
from unpacking import check_fits

Text = str | tuple[str, str]
MOST_CLASSES = 100_000  # where they have no names; a number beyond is an id, or a mistake
SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")
CELL = 16  # bytes of a cell in memory; a parquet file holds a million equal ones in a few


@dataclass(frozen=True)
class LabelledTexts:
    """Texts (or pairs of texts), one class number each, and the names of the classes where they have names."""

    texts: list[Text]
    labels: list[int]
    names: list[str] | None
    unlabelled: int = 0  # rows without a gold label (none, or -1 as the Hub's data sets have it), which are left out


def read(
    dataset: str,
    split: str = "train",
    text: str = "text",
    text_pair: str | None = None,
    label: str = "label",
    names: Sequence[str] | None = None,
    limit: int | None = None,
) -> LabelledTexts:
    """The first `limit` labelled rows. `names` are the classes in order, where the data leave that open.

    >>> folder = getfixture("tmp_path")
    >>> _ = (folder / "reviews.csv").write_text("text,label\\na fine film,good\\na dull film,bad\\n")
    >>> read(str(folder / "reviews.csv"))
    LabelledTexts(texts=['a fine film', 'a dull film'], labels=[1, 0], names=['bad', 'good'], unlabelled=0)
    """
    columns, classes = read_columns(dataset, split)
    wanted = [column for column in (text, text_pair, label) if column is not None]
    for column in wanted:
        if column not in columns:
            raise ValueError(f"{dataset} has no column {column!r}; its columns are {', '.join(columns)}")
    rows = list(zip(*(columns[column] for column in wanted), strict=True))
    if not rows:
        raise ValueError(f"{dataset} holds no rows (split {split!r}, where it has splits)")
    kept = [row for row in rows if not is_unlabelled(row[-1])]
    if not kept:
        raise ValueError(f"{dataset}: no row has a label in the column {label!r}")
    unlabelled, kept = len(rows) - len(kept), kept[:limit]
    for number, row in enumerate(kept):
        for column, value in zip(wanted[:-1], row, strict=False):
            if not isinstance(value, str):
                raise ValueError(f"{dataset}: the column {column!r} holds {value!r}, no text, in labelled row {number}")
    texts: list[Text] = [row[0] if text_pair is None else (row[0], row[1]) for row in kept]
    labels, found = class_numbers(dataset, [row[-1] for row in kept], names or classes.get(label))
    return LabelledTexts(texts, labels, found, unlabelled)


def read_texts(dataset: str, split: str = "train", text: str = "text", text_pair: str | None = None) -> list[Text]:
    """The texts alone, of a data set that needs no labels."""
    columns, _ = read_columns(dataset, split)
    wanted = [column for column in (text, text_pair) if column is not None]
    for column in wanted:
        if column not in columns:
            raise ValueError(f"{dataset} has no column {column!r}; its columns are {', '.join(columns)}")
    if not columns[text]:
        raise ValueError(f"{dataset} holds no rows")
    return [row if text_pair else row[0] for row in zip(*(columns[column] for column in wanted), strict=True)]


def class_numbers(dataset: str, labels: list[Any], names: Sequence[str] | None) -> tuple[list[int], list[str] | None]:
    """Numbers stay as they are; words become the place of their name, by the alphabet where no names are given."""
    numbers = [number for value in labels if (number := whole_number(value)) is not None]
    if len(numbers) < len(labels):
        found = list(names) if names else sorted({str(value) for value in labels})
        places = {name: i for i, name in enumerate(found)}
        for number, value in enumerate(labels):
            if str(value) not in places:
                raise ValueError(f"{dataset}: labelled row {number} has the label {value!r}; the classes are {found}")
        return [places[str(value)] for value in labels], found
    if max(numbers) >= MOST_CLASSES and not names:
        raise ValueError(f"{dataset}: the label {max(numbers)} is no class number; expected 0 to {MOST_CLASSES - 1}")
    if min(numbers) < 0 or (names and max(numbers) >= len(names)):
        wrong = min(numbers) if min(numbers) < 0 else max(numbers)
        expected = f"0 to {len(names) - 1}" if names else "0 and up"
        raise ValueError(f"{dataset}: the label {wrong} is no class number; expected {expected}")
    return numbers, list(names) if names else None


def whole_number(value: Any) -> int | None:
    """A column with gaps has its class numbers as floats.

    >>> [whole_number(value) for value in (1, "1", "1.0", 0.0, "1.5", "good")]
    [1, 1, 1, 0, None, None]
    """
    if isinstance(value, int):
        return int(value)
    return int(str(value).split(".")[0]) if re.fullmatch(r"-?\d+(\.0+)?", str(value)) else None


def is_unlabelled(value: Any) -> bool:
    return value is None or value == "" or value != value or whole_number(value) == -1


# From a name to columns.


def read_columns(dataset: str, split: str) -> tuple[dict[str, list[Any]], dict[str, list[str]]]:
    """Every column as a list, and the names of its classes where a column has them. (A file has no splits.)"""
    path = Path(os.path.expanduser(dataset))
    if os.path.isdir(path):
        return from_folder(path, split), {}
    if path.suffix not in SUFFIXES:
        return from_hub(dataset, split)
    if not os.path.isfile(path):
        raise ValueError(f"there is no file {dataset}")
    return from_file(path), {}


def from_folder(folder: Path, split: str) -> dict[str, list[Any]]:
    """The files of one split, as they lie in a clone of a data set of the Hub; nothing is unpacked, and nothing run."""
    begins = re.compile(rf"{re.escape(split)}(?![A-Za-z0-9])")
    files = sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES and begins.match(path.name))
    if not files:
        such = f"such as {split}.csv or {split}-00000-of-00001.parquet"
        raise ValueError(f"the folder {folder} holds no file of the split {split!r}, {such}")
    tables = [from_file(path) for path in files]
    for path, table in zip(files, tables, strict=True):
        if table.keys() != tables[0].keys():
            raise ValueError(f"{path} has the columns {', '.join(table)}, but {files[0]} has {', '.join(tables[0])}")
    return {name: [value for table in tables for value in table[name]] for name in tables[0]}


def from_file(path: Path) -> dict[str, list[Any]]:
    try:
        return columns_of(path)
    except (ValueError, OSError, RecursionError, pd.errors.ParserError) as error:
        raise ValueError(f"{path} could not be read as {path.suffix[1:]}: {first_line(error)}") from None


def columns_of(path: Path) -> dict[str, list[Any]]:
    if path.suffix == ".jsonl":
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        if not all(isinstance(row, dict) for row in rows):
            raise ValueError("every line must be an object")
        return {name: [row.get(name) for row in rows] for name in dict.fromkeys(key for row in rows for key in row)}
    if path.suffix == ".parquet":
        return from_parquet(path)
    if path.suffix == ".tsv":
        table = pd.read_csv(path, sep="\t", quoting=3, dtype=str, keep_default_na=False)  # 3: no quoting
    else:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    return {str(name): values.tolist() for name, values in table.items()}


def from_parquet(path: Path) -> dict[str, list[Any]]:
    """Equal texts are kept once, as they are in the file, which may be far smaller than all of them together."""
    with pyarrow.parquet.ParquetFile(path) as file:
        check_fits(path, file.metadata.num_rows * file.metadata.num_columns * CELL)
        words = [field.name for field in file.schema_arrow if field.type in (pyarrow.string(), pyarrow.large_string())]
    table = pyarrow.parquet.read_table(path, read_dictionary=words)
    return {name: [value for chunk in table[name].chunks for value in values_of(chunk)] for name in table.column_names}


def values_of(column: Any) -> list[Any]:
    if not isinstance(column, pyarrow.DictionaryArray):
        return column.to_pylist()
    words = column.dictionary.to_pylist()
    return [None if i is None else words[i] for i in column.indices.to_pylist()]


def from_hub(dataset: str, split: str) -> tuple[dict[str, list[Any]], dict[str, list[str]]]:
    import datasets

    owner, _, rest = dataset.rpartition("/")
    tries = [(dataset,), (owner, rest)] if owner else [(dataset,)]
    ends = ", ".join(SUFFIXES)
    for names in tries:
        if os.path.exists(names[0]):  # the loader of the Hub's data sets would unpack whatever archives lie there
            raise ValueError(f"{names[0]} lies here and is no data set of the Hub: give a file that ends in {ends}")
        try:
            loaded = datasets.load_dataset(*names, split=split)
            break
        except (datasets.exceptions.DatasetNotFoundError, FileNotFoundError):
            continue
        except (OSError, ValueError, RuntimeError) as error:
            raise ValueError(f"the data set {dataset} could not be loaded: {first_line(error)}") from None
    else:
        raise ValueError(f"there is no data set {dataset}, neither on the Hub nor here (a file ends in {ends})")
    named = {name: kind for name, kind in loaded.features.items() if isinstance(kind, datasets.ClassLabel)}
    classes = {name: list(kind.names) for name, kind in named.items()}
    return {name: list(loaded[name]) for name in loaded.column_names}, classes


def first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
