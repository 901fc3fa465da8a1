"""Which texts, and which labels? Reads a data set from the Hub or from a local file, and says what is wrong with it.

A local file is csv, tsv, jsonl or parquet (see tables.py); a local folder holds such files, named by split. From the
Hub: `name`, `owner/name`, or either with the name of a configuration behind it, `glue/sst2`."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trusteq.checks import first_line
from trusteq.groups import is_missing
from trusteq.models.checkpoints import looks_local
from trusteq.records.tables import SUFFIXES, Columns, from_file

Text = str | tuple[str, str]
MOST_CLASSES = 100_000  # where they have no names; a number beyond is an id, or a mistake
OTHERS = (".xlsx", ".xls", ".ods", ".json", ".txt", ".zip", ".gz", ".npz", ".arrow", ".feather", ".pkl", ".pickle")
ENDS = f"a file that ends in {', '.join(SUFFIXES)}"


@dataclass(frozen=True)
class LabelledTexts:
    """Texts (or pairs of texts), one class number each, and the names of the classes where they have names."""

    texts: list[Text]
    labels: list[int]
    names: list[str] | None
    unlabelled: int = 0  # rows without a gold label (none, or -1 as the Hub's data sets have it), which are left out
    groups: list[Any] | None = None  # what belongs together, where a column says so


def read(
    dataset: str,
    split: str = "train",
    text: str = "text",
    text_pair: str | None = None,
    label: str = "label",
    names: Sequence[str] | None = None,
    limit: int | None = None,
    group: str | None = None,
) -> LabelledTexts:
    """The first `limit` labelled rows. `names` are the classes in order, where the data leave that open.

    >>> folder = getfixture("tmp_path")
    >>> _ = (folder / "reviews.csv").write_text("text,label\\na fine film,good\\na dull film,bad\\n")
    >>> read(str(folder / "reviews.csv"))
    LabelledTexts(texts=['a fine film', 'a dull film'], labels=[1, 0], names=['bad', 'good'], unlabelled=0, groups=None)
    """
    wanted = [column for column in (text, text_pair, label) if column is not None]
    rows, classes = rows_of(dataset, split, wanted if group is None else [*wanted, group])
    place = len(wanted) - 1
    kept = [row for row in rows if not is_unlabelled(row[place])]
    if not kept:
        raise ValueError(f"{dataset}: no row has a label in the column {label!r}")
    unlabelled, kept = len(rows) - len(kept), kept[:limit]
    for number, row in enumerate(kept):
        for column, value in zip(wanted[:-1], row, strict=False):
            if not isinstance(value, str):
                raise ValueError(f"{dataset}: the column {column!r} holds {value!r}, no text, in labelled row {number}")
    groups = None if group is None else [row[-1] for row in kept]
    if missing := sum(map(is_missing, groups or [])):
        first = next(number for number, row in enumerate(kept) if is_missing(row[-1]))
        where = f"{missing:,} of {len(kept):,} labelled rows, the first of them labelled row {first}"
        raise ValueError(f"{dataset}: the column {group!r} holds no group in {where}: fill it, or leave these rows out")
    texts: list[Text] = [row[0] if text_pair is None else (row[0], row[1]) for row in kept]
    labels, found = class_numbers(dataset, [row[place] for row in kept], names or classes.get(label))
    return LabelledTexts(texts, labels, found, unlabelled, groups)


def read_more(dataset: str, split: str, label: str, columns: Sequence[str]) -> dict[str, list[Any]]:
    """Further columns of the rows that have a label; classes by their names."""
    rows, classes = rows_of(dataset, split, [label, *columns])
    kept = list(zip(*(row[1:] for row in rows if not is_unlabelled(row[0])), strict=True))
    found = dict(zip(columns, map(list, kept), strict=True))
    names = {column: classes[column] for column in columns if column in classes}
    return found | {
        name: [known[i] if i is not None and i >= 0 else None for i in found[name]] for name, known in names.items()
    }


def read_texts(dataset: str, split: str = "train", text: str = "text", text_pair: str | None = None) -> list[Text]:
    """The texts alone, of a data set that needs no labels."""
    rows, _ = rows_of(dataset, split, [column for column in (text, text_pair) if column is not None])
    return [row if text_pair else row[0] for row in rows]


def rows_of(dataset: str, split: str, wanted: list[str]) -> tuple[list[Any], dict[str, list[str]]]:
    columns, classes = read_columns(dataset, split)
    for column in wanted:
        if column not in columns:
            raise ValueError(f"{dataset} has no column {column!r}; its columns are {', '.join(columns)}")
    if not columns[wanted[0]]:
        raise ValueError(f"{dataset} holds no rows (split {split!r}, where it has splits)")
    return list(zip(*(columns[column] for column in wanted), strict=True)), classes


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
    return int(str(value).split(".")[0]) if re.fullmatch(r"-?\d{1,18}(\.0+)?", str(value)) else None


def is_unlabelled(value: Any) -> bool:
    return value is None or value == "" or value != value or whole_number(value) == -1


def left_out(name: str, count: int) -> str:
    """
    >>> left_out("reviews.csv", 1), left_out("reviews.csv", 1200)
    ('reviews.csv: 1 row has no label and is left out', 'reviews.csv: 1,200 rows have no label and are left out')
    """
    return f"{name}: {count:,} {'row has no label and is' if count == 1 else 'rows have no label and are'} left out"


# From a name to columns.


def read_columns(dataset: str, split: str) -> tuple[Columns, dict[str, list[str]]]:
    """Every column as a list, and the names of its classes where a column has them. (A file has no splits.)"""
    path = Path(os.path.expanduser(dataset))
    if os.path.isdir(path):
        return from_folder(path, split), {}
    if is_table(dataset) and os.path.isfile(path):
        return from_file(path), {}
    if os.path.exists(path):
        raise ValueError(f"{dataset} lies here and is no data set of the Hub: give {ENDS}")
    local = looks_local("/".join(dataset.split("/")[:2])) or dataset.count("/") > 2
    if is_table(dataset) or path.suffix.lower() in OTHERS or local:
        raise ValueError(f"there is no file {dataset}" + ("" if is_table(dataset) else f"; expected {ENDS}"))
    return from_hub(dataset, split)


def is_table(dataset: str) -> bool:
    return Path(dataset).suffix.lower() in SUFFIXES


def from_folder(folder: Path, split: str) -> Columns:
    """The files of one split, as they lie in a clone of a data set of the Hub; nothing is unpacked, and nothing run."""
    begins = re.compile(rf"{re.escape(split)}(?![A-Za-z0-9])")
    files = sorted(path for path in folder.rglob("*") if is_table(path.name) and begins.match(path.name))
    if not files:
        such = f"such as {split}.csv or {split}-00000-of-00001.parquet"
        raise ValueError(f"the folder {folder} holds no file of the split {split!r}, {such}")
    tables = [from_file(path) for path in files]
    for path, table in zip(files, tables, strict=True):
        if table.keys() != tables[0].keys():
            raise ValueError(f"{path} has the columns {', '.join(table)}, but {files[0]} has {', '.join(tables[0])}")
    return {name: [value for table in tables for value in table[name]] for name in tables[0]}


def from_hub(dataset: str, split: str) -> tuple[Columns, dict[str, list[str]]]:
    import datasets

    owner, _, rest = dataset.rpartition("/")
    tries = [(dataset,), (owner, rest)] if owner else [(dataset,)]
    where = ", neither on the Hub nor here"
    for names in tries:
        if os.path.exists(names[0]):  # the loader of the Hub's data sets would unpack whatever archives lie there
            raise ValueError(f"{names[0]} lies here and is no data set of the Hub: give {ENDS}")
        try:
            if not is_on_hub(names[0]):
                continue
            loaded = datasets.load_dataset(*names, split=split)
            break
        except NoAnswer as error:
            where = f" here, and the Hub cannot be asked ({error})"
        except (datasets.exceptions.DatasetNotFoundError, FileNotFoundError):
            continue
        except (OSError, ValueError, RuntimeError) as error:
            raise ValueError(f"the data set {dataset} could not be loaded: {first_line(error)}") from None
    else:
        raise ValueError(f"there is no data set {dataset}{where}; expected its name on the Hub, or {ENDS}")
    named = {name: kind for name, kind in loaded.features.items() if isinstance(kind, datasets.ClassLabel)}
    classes = {name: list(kind.names) for name, kind in named.items()}
    return {name: list(loaded[name]) for name in loaded.column_names}, classes


class NoAnswer(Exception):
    """The Hub cannot be reached."""


def is_on_hub(name: str) -> bool:
    """Asked once, where the loader would go on asking for half a minute; what was fetched before needs no Hub."""
    import datasets
    from huggingface_hub import HfApi
    from huggingface_hub.errors import GatedRepoError, HFValidationError, RepositoryNotFoundError

    kept = Path(datasets.config.HF_DATASETS_CACHE) / name.replace("/", "___")
    if datasets.config.HF_HUB_OFFLINE or kept.is_dir():
        return True
    try:
        HfApi().dataset_info(name, timeout=10)
    except GatedRepoError:
        return True  # the loader says what to do
    except (RepositoryNotFoundError, HFValidationError):
        return False
    except Exception as error:  # each way to have no network has errors of its own
        raise NoAnswer(first_line(error)) from None
    return True
