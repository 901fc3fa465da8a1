"""What did one model say about a set of examples? A row an example, and a head that says who asked and how.

The columns, of which `id` and `right` are always there:

    id, group, prompt_hash, doc_hash, question    strings
    options                 what could be said, list<string>
    gold, said              the right answer and the model's, as they are compared: a letter, a label, a text
    gold_index, said_index  their places among the options (or classes), int64
    right                   bool
    confidence              the probability of what was said, float64
    probabilities           of all options, list<float64>, with a sum of 1
    answer, tokens          the text that `said` was read from, as it was written, and its tokens, list<string>
    score:NAME              float64, as whoever scored it did
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from trusteq.checks import brief
from trusteq.records.tables import parquet
from trusteq.wording import clean

TEXT = ("id", "group", "prompt_hash", "doc_hash", "question", "gold", "said", "answer")
TYPES = {
    **dict.fromkeys(TEXT, pa.string()),
    **dict.fromkeys(("gold_index", "said_index"), pa.int64()),
    **dict.fromkeys(("options", "tokens"), pa.list_(pa.string())),
    "right": pa.bool_(),
    "confidence": pa.float64(),
    "probabilities": pa.list_(pa.float64()),
}
OFF = 0.01  # what a sum of probabilities may miss 1 by: bfloat16 rounds each by up to 0.4 %
MARK = b"trusteq"


@dataclass(frozen=True)
class Record:
    """`head`: model, task, format, place, noticed (sentences: what was dropped, cut or guessed); where known, filter,
    time, and harness, the figures of whoever scored the answers."""

    head: dict[str, Any]
    table: pa.Table

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def labels(self) -> np.ndarray:
        """What was said, as an array metric takes it."""
        return labels_of(self.table, "said")

    def rows(self) -> np.ndarray | None:
        """The probabilities as a row an example, if every example has them over the same number of options."""
        return rows_of(self.table)

    def write(self, path: Path) -> None:
        """One Parquet file.

        >>> path = getfixture("tmp_path") / "record.parquet"
        >>> made = record({"model": "m", "task": "t"}, {"id": ["a", "b"], "right": [True, False]})
        >>> made.write(path)
        >>> Record.read(path) == made
        True
        """
        head = {**(self.table.schema.metadata or {}), MARK: json.dumps(self.head).encode()}
        pyarrow.parquet.write_table(self.table.replace_schema_metadata(head), path, compression="zstd")

    @classmethod
    def read(cls, path: Path) -> "Record":
        """What `write` wrote, checked like any other record."""
        try:
            with parquet(path) as file:
                table = file.read()
            head = json.loads((table.schema.metadata or {})[MARK])
        except (OSError, pa.ArrowException, KeyError, TypeError, ValueError, RecursionError):
            raise ValueError(f"{path} is no record of ours, as Record.write makes them") from None
        if not isinstance(head, dict):
            raise ValueError(f"{path} is no record of ours: its head is {brief(head)}")
        return record({"place": Path(path).name} | head, {name: table[name] for name in table.column_names})


def record(head: dict[str, Any], columns: Mapping[str, Any]) -> Record:
    """Columns, checked: what cannot be true is a sentence with the place and the row. Columns of None are left out.

    >>> record({"place": "a.csv"}, {"id": ["x", "x"], "right": [True, False]})
    Traceback (most recent call last):
    ValueError: a.csv: the id 'x' is there 2 times; every example needs an id of its own
    """
    head = {"model": "", "task": "", "format": "", "place": "", **head, "noticed": list(head.get("noticed", []))}
    place = head["place"]
    made = {name: as_column(name, values, head) for name, values in columns.items() if values is not None}
    table = pa.table(made)
    if not len(table):
        raise ValueError(f"{place} holds no example")
    if table["right"].null_count:
        raise ValueError(f"{place}: {brief(table['id'][first(pc.is_null(table['right']))].as_py())} has no `right`")
    check_ids(place, table["id"])
    if "probabilities" in made:
        table = with_sums_of_one(place, table)
    if "confidence" in made:
        check_shares(place, "confidence", table["confidence"], table["id"])
    head["noticed"] = [clean(sentence) for sentence in head["noticed"]]
    return Record(head, table)


def as_column(name: str, values: Any, head: dict[str, Any]) -> pa.Array:
    kind = pa.float64() if name.startswith("score:") else TYPES.get(name)
    if kind is None:
        raise ValueError(f"{head['place']}: a record has no column {brief(name)}; there are {', '.join(TYPES)}")
    try:
        if isinstance(values, pa.ChunkedArray | pa.Array):
            return values.cast(kind)
        return as_strings(values, kind, name, head["noticed"])
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        raise ValueError(f"{head['place']}: {name} holds other things than {kind}") from None


def as_strings(values: Any, kind: Any, name: str, noticed: list[str]) -> pa.Array:
    """Texts (or anything) as a column: halves of characters, which broken JSON has, are spelled out, which is told."""
    try:
        return pa.array(values, kind, from_pandas=False)
    except UnicodeEncodeError:
        noticed.append(f"half characters in {name} are written as \\ud83d and the like")
        return pa.array([whole(value) for value in values], kind)


def whole(value: Any) -> Any:
    """A text that can be written down: half of a character is spelled out."""
    if isinstance(value, list):
        return [whole(one) for one in value]
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


# What can be wrong.


def first(flags: Any) -> int:
    """Where the first true one is."""
    return int(np.argmax(flags.to_numpy(zero_copy_only=False) if isinstance(flags, pa.Array) else flags.to_numpy()))


def check_ids(place: str, ids: Any) -> None:
    if ids.null_count:
        raise ValueError(f"{place}: row {first(pc.is_null(ids))} has no id")
    if pc.count_distinct(ids).as_py() < len(ids):
        counts = pc.value_counts(ids)
        most = pc.index(counts.field("counts"), pc.max(counts.field("counts"))).as_py()
        name, count = counts.field("values")[most].as_py(), counts.field("counts")[most].as_py()
        raise ValueError(f"{place}: the id {brief(name)} is there {count} times; every example needs an id of its own")


def check_shares(place: str, name: str, values: Any, ids: Any) -> None:
    good = pc.fill_null(pc.and_(pc.greater_equal(values, 0), pc.less_equal(values, 1 + 1e-6)), True)
    if not pc.all(good).as_py():
        row = first(pc.invert(good))
        where = f"{place}: the {name} of {brief(ids[row].as_py())}"
        raise ValueError(f"{where} is {values[row].as_py():.4g}; expected a number from 0 to 1")


def with_sums_of_one(place: str, table: pa.Table) -> pa.Table:
    """Every row of probabilities checked, and divided by its sum."""
    column = table["probabilities"].combine_chunks()
    column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    flat = column.flatten().to_numpy(zero_copy_only=False).astype(np.float64)
    owner = np.repeat(np.arange(len(column)), lengths)
    total = np.bincount(owner, flat, len(column))
    bad = np.zeros(len(column), dtype=bool)
    bad[owner[~((flat >= 0) & (flat <= 1 + OFF))]] = True
    bad |= (lengths > 0) & ~(np.abs(total - 1) <= OFF)
    if bad.any():
        row = int(np.argmax(bad))
        shown = brief([float(f"{p:.4g}") for p in flat[owner == row]])
        where = f"{place}: the probabilities of {brief(table['id'][row].as_py())} are {shown}"
        raise ValueError(f"{where}; expected numbers from 0 to 1 with a sum of 1")
    total[np.abs(total - 1) < 1e-12] = 1  # they are as exact as they can be
    made = pa.ListArray.from_arrays(offsets(lengths, pc.is_null(column)), pa.array(flat / total[owner]))
    return table.set_column(table.column_names.index("probabilities"), "probabilities", made)


def offsets(lengths: np.ndarray, missing: Any) -> pa.Array:
    """Where each list begins; a list that begins nowhere is missing."""
    ends = np.concatenate([[0], np.cumsum(lengths)])
    nowhere = np.append(missing.to_numpy(zero_copy_only=False), False)
    return pa.array(ends, pa.int32(), mask=nowhere)


# Columns as arrays.


def labels_of(table: pa.Table, name: str) -> np.ndarray:
    """`said` or `gold` as labels: class numbers where all are known, otherwise texts.

    >>> labels_of(record({}, {"id": ["a"], "right": [True], "said": ["good"]}).table, "said")
    array(['good'], dtype=object)
    """
    index = f"{name}_index"
    if index in table.column_names and not table[index].null_count:
        return np.asarray(table[index].to_numpy())
    if name not in table.column_names:
        raise ValueError(f"the record does not hold what was {'said' if name == 'said' else 'right'}")
    return np.array(table[name].to_pylist(), dtype=object)


def rows_of(table: pa.Table) -> np.ndarray | None:
    if "probabilities" not in table.column_names or table["probabilities"].null_count:
        return None
    column = table["probabilities"]
    widths = pc.unique(pc.list_value_length(column)).to_pylist()
    return np.asarray(pc.list_flatten(column).to_numpy()).reshape(-1, widths[0]) if len(widths) == 1 else None
