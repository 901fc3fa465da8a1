"""Rows of any origin come in, are checked, and become arrays, or a `ValueError` of one sentence."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

Arrays = dict[str, np.ndarray]

# What comes in becomes arrays.


def take(inputs: dict[str, Any], read: Callable[[str, Any], np.ndarray]) -> Arrays:
    """Every argument as an array with one entry or row per example, all of one length."""
    arrays = {}
    for name, values in inputs.items():
        try:
            arrays[name] = read(name, values)
        except ValueError:
            raise
        except Exception as error:  # what comes in may be anything, and every library has errors of its own
            reason = " ".join(str(error).split())[:200]
            raise ValueError(f"{name} could not be read as an array: {type(error).__name__}: {reason}") from None
    lengths = {name: len(values) for name, values in arrays.items()}
    if len(set(lengths.values())) > 1:
        counts = ", ".join(f"{name} has {count}" for name, count in lengths.items())
        raise ValueError(f"all arguments need one entry per example, but {counts}")
    return arrays


def as_entries(name: str, values: Any, kind: str) -> Any:
    """A list, or a column of Arrow or pandas, of one entry per example; `kind` is what a sentence calls such an entry.

    >>> as_entries("predictions", {}, "an outcome (a dict)")
    Traceback (most recent call last):
    ValueError: predictions needs an outcome (a dict) per example, got dict
    """
    if values is None:
        raise ValueError(f"{name} is missing")
    for method in ("to_pylist", "tolist"):
        values = getattr(values, method)() if hasattr(values, method) else values
    if isinstance(values, str | bytes | dict) or not hasattr(values, "__len__"):
        raise ValueError(f"{name} needs {kind} per example, got {type(values).__name__}")
    if len(values) == 0:
        raise ValueError(f"{name} is empty")
    return values


def as_objects(values: list[Any]) -> np.ndarray:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def as_rows(name: str, values: Any, labels: bool = True) -> np.ndarray:
    """A list, NumPy, torch, JAX, pandas or Arrow column as an array: numbers in 1 or 2 dimensions, strings, or dicts.

    A single column of integers is one of labels, unless there can be none.

    >>> as_rows("predictions", [[0.25, 0.75]]).shape
    (1, 2)
    """
    if values is None:
        raise ValueError(f"{name} is missing")
    if isinstance(values, tuple) and getattr(values[0] if values else None, "ndim", 0) == 2:
        values = values[0]  # a Trainer gives (logits, hidden states, ...) when the model returns more than logits
    try:
        array = read_array(name, values)
    except ValueError as error:
        raise error if str(error).startswith(name) else ValueError(f"{name} is not a regular array: {error}") from None
    if labels and array.ndim == 2 and array.shape[1] == 1 and array.dtype.kind in "iu":
        array = array[:, 0]
    if array.ndim not in (1, 2):
        what = "a single value" if array.ndim == 0 else f"an array of {array.ndim} dimensions"
        raise ValueError(f"{name} needs one entry or one row per example, got {what} of shape {array.shape}")
    if array.size == 0:
        raise ValueError(f"{name} is empty")
    return array


def read_array(name: str, values: Any) -> np.ndarray:
    library = type(values).__module__.partition(".")[0]
    if library == "torch":
        values = values.detach().cpu()
        return (values.float() if values.dtype.itemsize < 4 and values.dtype.is_floating_point else values).numpy()
    if library == "pyarrow":
        values = values.combine_chunks() if hasattr(values, "combine_chunks") else values
        return from_arrow(name, values) if isinstance(values, pa.Array) else read_array(name, values.to_pandas())
    if library == "datasets":
        return read_array(name, values[:])
    if hasattr(values, "to_numpy"):
        values = values.to_numpy()
    if np.ma.is_masked(values):
        raise ValueError(f"{name} has masked entries: fill or drop them")
    if isinstance(values, np.ndarray) and values.dtype.kind == "O":
        values = values.tolist()
    if isinstance(values, str | bytes | dict) or not hasattr(values, "__len__"):
        raise ValueError(f"{name} needs one entry per example, got {type(values).__name__}")
    if isinstance(values, list | tuple) and values:
        return read_list(name, values)
    return read_dtype(name, np.asarray(values))


def read_list(name: str, values: Any) -> np.ndarray:
    kinds = {type(value) for value in values}
    for kind in (str, dict):
        if any(issubclass(k, kind) for k in kinds):
            if odd := [k.__name__ for k in kinds if not issubclass(k, kind)]:
                raise ValueError(f"{name} mixes {kind.__name__} with {', '.join(sorted(odd))}")
            return as_objects(values)
    if any(issubclass(k, np.ma.MaskedArray) for k in kinds) and any(map(np.ma.is_masked, values)):
        raise ValueError(f"{name} has masked entries: fill or drop them")
    if any(k.__module__.partition(".")[0] == "torch" for k in kinds):
        values = [np.asarray(read_array(name, value)) for value in values]
    array = np.asarray(values)
    if array.dtype.kind == "f" and (np.abs(array) >= 2**53).any() and any(map(is_rounded, values)):
        raise ValueError(f"{name} holds integers beyond 2**53 among other numbers, where they would be rounded")
    return read_dtype(name, array)


def is_rounded(value: Any) -> bool:
    """An integer that as a float may become another one, by itself or in a row."""
    if isinstance(value, list | tuple | np.ndarray):
        return any(map(is_rounded, value))
    return isinstance(value, int | np.integer) and abs(int(value)) > 2**53


def read_dtype(name: str, array: np.ndarray) -> np.ndarray:
    """The few types that the metrics work in: integers, float32, float64, and objects that are all strings."""
    kind = array.dtype.kind
    if kind in "iu" or array.dtype in (np.float32, np.float64):
        return array
    if kind == "b":
        return array.view(np.int8)
    if kind == "U" and array.ndim == 1:
        return array.astype(object)
    if array.dtype == np.float16 or (kind == "V" and "float" in array.dtype.name):
        return array.astype(np.float32)  # half precision, also JAX's bfloat16
    if kind == "f":
        return array.astype(np.float64)
    if kind == "O" and all(isinstance(value, int | float) for value in array.flat):
        raise ValueError(f"{name} holds an integer of more than 64 bits: give smaller ones, or strings")
    what = {"O": "None or mixed types", "U": f"strings in {array.ndim} dimensions", "S": "bytes"}.get(kind, array.dtype)
    raise ValueError(f"{name} needs numbers or strings, got {what}")


def to_arrow(name: str, array: np.ndarray) -> pa.Array:
    """A column for the file in which rows wait: dicts as JSON in a binary column, integers as floats that hold them.

    (A later batch of the same column may have fractions, and the file's types are those of the first.)
    """
    if array.dtype.kind == "O":
        try:
            if isinstance(array[0], dict):
                return pa.array([json.dumps(value, default=plain).encode() for value in array], pa.binary())
            return pa.array(array.tolist(), pa.string())
        except (TypeError, UnicodeEncodeError) as error:
            raise ValueError(f"{name} holds what cannot be kept until compute: {error}") from None
    if array.dtype.kind in "iu" and np.abs(array).max() <= 2**53:
        array = array.astype(np.float64)
    if array.ndim == 2:
        return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(array).ravel()), array.shape[1])
    return pa.array(array)


def plain(value: Any) -> Any:
    """NumPy's values as Python's own, for JSON."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is neither text, a number, a list nor a dict")


def from_arrow(name: str, column: pa.Array) -> np.ndarray:
    """The array that `to_arrow` was given, or that an Arrow column of a user's holds."""
    if column.null_count:
        raise ValueError(f"{name} holds {column.null_count} missing values")
    kind = column.type
    if pa.types.is_binary(kind):
        return read_list(name, [json.loads(value) for value in column.to_pylist()])
    if pa.types.is_fixed_size_list(kind):
        return read_dtype(name, from_arrow(name, column.flatten()).reshape(len(column), kind.list_size))
    if pa.types.is_primitive(kind) and not pa.types.is_boolean(kind):
        return read_dtype(name, column.to_numpy(zero_copy_only=False))
    return read_array(name, column.to_pylist())


def match_schema(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """A later batch in the types of the first one, or an error that names the argument."""
    if odd := set(table.schema.names) ^ set(schema.names):
        raise ValueError(f"{odd.pop()} are missing for some batches of rows: give them with all, or with none")
    for name in schema.names:
        have, want = table.schema.field(name).type, schema.field(name).type
        if have != want:
            was, now = (f"rows of {t.list_size}" if pa.types.is_fixed_size_list(t) else t for t in (want, have))
            message = f"{name} had {was} in earlier batches and has {now} in this one"
            try:
                column = table[name].cast(want)
                if column.cast(have) != table[name]:
                    raise ValueError(f"{message}, which would be rounded: give all batches in one type")
            except pa.ArrowException:
                raise ValueError(message) from None
            table = table.set_column(table.schema.get_field_index(name), name, column)
    return table


def check_finite(name: str, values: np.ndarray, start: int = 0) -> None:
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        row = start + int(np.argmin(np.isfinite(values.reshape(len(values), -1)).all(axis=1)))
        raise ValueError(f"{name} holds NaN or infinity (first in row {row})")


def check_labels(name: str, labels: np.ndarray, start: int = 0) -> np.ndarray:
    """Labels: whole numbers (floats that are whole become integers) or strings, one per example."""
    if labels.ndim != 1 or (labels.dtype.kind == "O" and not isinstance(labels[0], str)):
        what = f"rows of shape {labels.shape}" if labels.ndim != 1 else type(labels[0]).__name__
        raise ValueError(f"{name} needs one label per example, got {what}")
    if labels.dtype.kind == "f":
        check_finite(name, labels, start)
        whole = np.clip(labels, -(2.0**53), 2.0**53).astype(np.int64)
        if not np.array_equal(whole, labels):
            row = int(np.argmax(whole != labels))
            raise ValueError(f"{name} needs labels, integers or strings, got {labels[row]} in row {start + row}")
        return whole
    return labels


def check_classes(name: str, labels: np.ndarray, n_classes: int, start: int = 0) -> np.ndarray:
    """Labels that are column numbers of the probability rows."""
    labels = check_labels(name, labels, start)
    if labels.dtype.kind == "O":
        raise ValueError(f"{name} holds strings, but probability rows need class numbers, 0 to {n_classes - 1}")
    if labels.min() < 0 or labels.max() >= n_classes:
        row = int(np.argmax((labels < 0) | (labels >= n_classes)))
        raise ValueError(f"{name} holds the label {labels[row]} in row {start + row}, outside the {n_classes} classes")
    return labels


def check_columns(name: str, rows: np.ndarray, from_logits: bool, start: int = 0) -> np.ndarray:
    """Probability rows, or logit rows, as float64 probabilities with one row per *class*: sums run along memory.

    Rows may miss a sum of 1 by 0.01, since bfloat16 rounds every entry by up to 0.4 %; they are scaled to it.
    """
    if rows.ndim != 2 or rows.shape[1] < 2 or rows.dtype.kind == "O":
        binary = "; for a binary model's single column p give the two columns 1 - p and p"
        what = "strings" if rows.dtype.kind == "O" else f"shape {rows.shape}{binary}"
        raise ValueError(f"{name} needs one row per example and a column per class, two or more of them, got {what}")
    columns = np.ascontiguousarray(rows.T, dtype=np.float64)
    if from_logits:
        check_finite(name, rows, start)
        if len(rows) >= 8 and columns.min() >= 0 and np.abs(columns.sum(axis=0) - 1).max() <= 0.01:
            raise ValueError(f"{name} look like probabilities: leave out from_logits=True")
        columns = columns - columns.max(axis=0)  # a copy: without one these may be the user's own numbers
        np.exp(columns, out=columns)
        columns /= columns.sum(axis=0)
        return columns
    total = columns.sum(axis=0)
    good = (np.abs(total - 1) <= 0.01) & (columns.min(axis=0) >= 0)
    if not good.all():
        check_finite(name, rows, start)
        row = int(np.argmin(good))
        shown = ", ".join(f"{value:.4g}" for value in rows[row][:4]) + (", ..." if rows.shape[1] > 4 else "")
        logits = "they look like logits: pass from_logits=True"
        hint = logits if columns.min() < 0 else "each row must sum to 1 (if these are logits, pass from_logits=True)"
        raise ValueError(f"{name} are not probabilities (row {start + row} is [{shown}], sum {total[row]:.4g}); {hint}")
    return columns / total


def top_class(columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The predicted class of each example (the first of equals) and its probability."""
    label, confidence = np.zeros(columns.shape[1], dtype=np.int64), columns[0].copy()
    for k, column in enumerate(columns[1:], start=1):
        np.copyto(label, k, where=column > confidence)
        np.maximum(confidence, column, out=confidence)
    return label, confidence
