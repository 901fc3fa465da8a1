# Shared file: the original is metrics/calibration_gap/array_metric.py, and scripts/copy_shared.py writes the copies.
"""What every metric on arrays shares: rows of any origin come in, are checked, and are measured in pieces.

`ArrayMetric` is the `evaluate` side (one call, batches, several processes); `Rows` hands the rows to a metric in
pieces of a fixed size, wherever they lie; `as_rows` and the `check_*` functions turn what a user gave into arrays or
into a `ValueError` of one sentence.
"""

import abc
import dataclasses
import difflib
import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from itertools import islice
from numbers import Integral
from typing import Any

import evaluate
import numpy as np
import pyarrow as pa
from datasets import Features

VERSION = "0.1.0"

Arrays = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Options:
    """What every array metric can be asked; a metric adds its own fields and checks."""

    confidence_level: float | None = 0.95
    seed: int = 0
    details: bool = False

    def __post_init__(self) -> None:
        if self.confidence_level is not None:
            check_number("confidence_level", self.confidence_level, above=0, below=1)
        check_integer("seed", self.seed, at_least=0)
        check_choice("details", self.details, (True, False))


class ArrayMetric(evaluate.Metric, abc.ABC):
    """A metric on arrays: one call measures them where they lie, batches wait on disk, and both give the same result.

    A subclass sets `options` to its dataclass of options and defines `_compute(rows, options)`.
    """

    options: type[Options] = Options
    writer: Any
    buf_writer: Any
    filelock: Any
    filelocks: Any
    file_paths: Any

    @abc.abstractmethod
    def _compute(self, rows: "Rows", options: Any) -> dict[str, Any]:
        """Measure the rows; a flat dict of plain floats and ints, and `details` when asked for."""

    def compute(self, *, predictions: Any = None, references: Any = None, **kwargs: Any) -> dict[str, Any] | None:
        """Measure the rows of this call and of earlier `add` and `add_batch` calls.

        The module is empty afterwards, also after an error in the rows.
        """
        inputs, settings = self._split({"predictions": predictions, "references": references, **kwargs})
        options = read_options(self.options, settings)
        given = any(values is not None for values in inputs.values())
        waiting = self.writer is not None or bool(self._waiting())
        if given and not waiting and self.num_process == 1:
            arrays = take(inputs, self._rows)
            return self._sign(self._compute(Rows(lambda: iter([arrays])), options), options)
        if not given and not waiting:
            raise ValueError(f"nothing to compute: give {' and '.join(inputs)}, or call add_batch first")
        try:
            if given:
                self.add_batch(**inputs)
            self._flush()
            self._finalize()
            if self.process_id != 0:
                return None
            return self._sign(self._compute(Rows(self._read), options), options)
        finally:
            self._discard()

    def add_batch(self, *, predictions: Any = None, references: Any = None, **kwargs: Any) -> None:
        """Keep a batch of rows, on disk, until `compute`."""
        self._flush()
        inputs, unknown = self._split({"predictions": predictions, "references": references, **kwargs})
        if unknown:
            raise ValueError(f"add_batch takes {', '.join(inputs)}, not {', '.join(unknown)}; options go to compute")
        table = pa.table({name: to_arrow(name, values) for name, values in take(inputs, self._rows).items()})
        if self.writer is None:
            self.selected_feature_format = Features.from_arrow_schema(table.schema)
            self._init_writer()
        self.writer.write_table(match_schema(table, self.selected_feature_format.arrow_schema))

    def add(self, *, prediction: Any = None, reference: Any = None, **kwargs: Any) -> None:
        """Keep one row until `compute`: `prediction=`, `reference=`, `large_prediction=` (plurals work too)."""
        row = {"predictions": prediction, "references": reference}
        row |= {name if name.endswith("s") else name + "s": value for name, value in kwargs.items()}
        inputs, unknown = self._split(row)
        if unknown:
            raise ValueError(f"add takes {', '.join(inputs)}, not {', '.join(unknown)}; options go to compute")
        if missing := [name for name, value in inputs.items() if value is None]:
            raise ValueError(f"{missing[0]} is missing from this row")
        self._waiting().append(inputs)
        if len(self._waiting()) >= 1024:
            self._flush()

    def _rows(self, name: str, values: Any) -> np.ndarray:
        """One argument as an array; a metric whose rows are of its own kind reads them itself."""
        return as_rows(name, values)

    def _split(self, given: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Inputs and options apart. A metric without `references` leaves them out: `evaluate.combine` passes them."""
        inputs = {name: given.pop(name, None) for name in self._feature_names()}
        given.pop("references", None)
        return inputs, given

    def _sign(self, result: dict[str, Any], options: Options) -> dict[str, Any]:
        """Plain numbers, and in the details the line that makes the figures reproducible."""
        plain = {k: v if isinstance(v, int) else float(v) for k, v in result.items() if k != "details"}
        if not options.details:
            return plain
        return plain | {"details": {"signature": signature(self.name, options), **result["details"]}}

    # Rows that wait: `add` fills a short list, `add_batch` writes to the file that `evaluate` locks and shares.

    def _waiting(self) -> list[dict[str, Any]]:
        return self.__dict__.setdefault("_waiting_rows", [])

    def _flush(self) -> None:
        rows = self.__dict__.pop("_waiting_rows", None)
        if rows:
            try:
                self.add_batch(**{name: [row[name] for row in rows] for name in rows[0]})
            except ValueError:
                self._discard()
                raise

    def _finalize(self) -> None:
        """Close the file, and in the main process lock those of all. (The stock method maps them all to memory.)"""
        if self.writer is not None:
            self.writer.finalize()
        self.writer = None
        if self.process_id > 0:
            self.filelock.release()  # the main process reads the file, and deletes it
            self.filelock = self.cache_file_name = None
        elif not self.keep_in_memory:
            self.file_paths, self.filelocks = self._get_all_cache_files()

    def _read(self) -> Iterator[Arrays]:
        """The rows that were kept, piece by piece, each read from the file only when its turn comes."""
        sources = [pa.BufferReader(self.buf_writer.getvalue())] if self.keep_in_memory else self.file_paths
        for source in sources:
            if isinstance(source, str) and not os.path.exists(source):
                raise ValueError("the rows of another process are missing: it failed, or has computed already")
            with pa.OSFile(source) if isinstance(source, str) else source as stream:
                for batch in pa.ipc.open_stream(stream):
                    yield {name: from_arrow(name, batch.column(name)) for name in batch.schema.names}

    def _discard(self) -> None:
        """Empty the module: close and delete the files, release their locks."""
        self.__dict__.pop("_waiting_rows", None)
        if self.writer is not None:
            self.writer.finalize()
        paths = self.file_paths or ([self.cache_file_name] if self.cache_file_name else [])
        locks = self.filelocks or ([self.filelock] if self.filelock else [])
        for lock, path in reversed(list(zip(locks, paths, strict=True))):
            if os.path.exists(path):
                os.remove(path)
            lock.release()
        self.writer = self.buf_writer = self.selected_feature_format = None
        self.cache_file_name = self.filelock = self.filelocks = self.file_paths = None


class Rows:
    """The rows of every argument, in memory or on disk; read as often as needed, in the same pieces either way."""

    def __init__(self, read: Callable[[], Iterator[Arrays]]):
        self._read = read

    @cached_property
    def count(self) -> int:
        return sum(map(length, self._read()))

    def chunks(self) -> Iterator[tuple[int, Arrays]]:
        """`(index of the first row, arrays)` in pieces of a size that depends on the rows' width alone."""
        start, held = 0, []
        for arrays in self._read():
            held.append(arrays)
            size = chunk_size(arrays)
            if sum(map(length, held)) < size:
                continue
            joined = join(held)
            stop = length(joined) - length(joined) % size
            for at in range(0, stop, size):
                yield start + at, {k: v[at : at + size] for k, v in joined.items()}
            start, held = start + stop, [{k: v[stop:] for k, v in joined.items()}]
        if length(rest := join(held)):
            yield start, rest

    def whole(self) -> Arrays:
        """All rows at once, for figures that need them together."""
        return join(list(self._read()))

    def map(self, function: Callable[[int, Arrays], Any]) -> Iterator[Any]:
        """`function` of every chunk, in order, a few at a time on as many threads as there are cores."""
        chunks = self.chunks()
        first = list(islice(chunks, 2))
        if len(first) < 2:
            yield from (function(*chunk) for chunk in first)
            return
        workers = os.cpu_count() or 1
        with ThreadPoolExecutor(workers) as pool:
            group = first
            while group:
                yield from pool.map(lambda chunk: function(*chunk), group)
                group = list(islice(chunks, workers))

    def total(self, function: Callable[[int, Arrays], Arrays]) -> Arrays:
        """The sum of the summaries of all chunks."""
        total: Arrays | None = None
        for summary in self.map(function):
            total = summary if total is None else {name: total[name] + summary[name] for name in total}
        assert total is not None
        return total


def length(arrays: Arrays) -> int:
    return len(next(iter(arrays.values())))


def join(pieces: list[Arrays]) -> Arrays:
    if len(pieces) == 1:
        return pieces[0]
    return {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}


def chunk_size(arrays: Arrays) -> int:
    """Rows a piece: 65,536 narrow ones (they stay in the processor's cache), fewer when rows are wide."""
    width = max(values.shape[1] if values.ndim == 2 else 1 for values in arrays.values())
    return max(1024, 2**16 // max(1, width // 8))


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


def as_rows(name: str, values: Any) -> np.ndarray:
    """A list, NumPy, torch, JAX, pandas or Arrow column as an array: numbers in 1 or 2 dimensions, strings, or dicts.

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
    if array.ndim == 2 and array.shape[1] == 1 and array.dtype.kind in "iu":
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
            array = np.empty(len(values), dtype=object)
            array[:] = values
            return array
    if any(k.__module__.partition(".")[0] == "torch" for k in kinds):
        values = [np.asarray(read_array(name, value)) for value in values]
    return read_dtype(name, np.asarray(values))


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
    raise ValueError(f"{name} needs numbers or strings, got {'None or mixed types' if kind == 'O' else array.dtype}")


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


# Options and contents are checked.


def read_options(kind: type[Options], given: dict[str, Any]) -> Any:
    """The options as their dataclass; an unknown name is an error that suggests the nearest."""
    known = [field.name for field in dataclasses.fields(kind)]
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; the options are {', '.join(known)}"
            raise ValueError(f"unknown option {name}{hint}")
    return kind(**given)


def signature(metric: str, options: Options) -> str:
    """One line that says how the figures were made.

    >>> signature("calibration_gap", Options())
    'calibration_gap:0.1.0|confidence_level=0.95|seed=0'
    """
    fields = {k: v for k, v in dataclasses.asdict(options).items() if k != "details"}
    return "|".join([f"{metric}:{VERSION}", *(f"{k}={v}" for k, v in sorted(fields.items()))])


def details_of(result: Any, metric: str) -> dict[str, Any]:
    """What a plot is drawn from, or a sentence where that is not there."""
    details = result.get("details") if isinstance(result, dict) else None
    if not isinstance(details, dict):
        raise ValueError("plot needs a result with details: call compute(..., details=True)")
    if (made := details.get("signature", metric).partition(":")[0]) != metric:
        raise ValueError(f"plot of {metric} needs its own result, got one of {made}")
    return details


def brief(value: Any) -> str:
    """A value as a sentence can hold it: on one line, and not much of it.

    >>> brief("good"), brief(np.zeros((2, 2))), brief(10**5000)
    ("'good'", 'array([[0., 0.], [0., 0.]])', 'int')
    """
    try:
        text = " ".join(repr(value).split())
    except Exception:  # of a number too long to be written, or of a repr that fails
        text = type(value).__name__
    text = type(value).__name__ if " at 0x" in text else text
    return text if len(text) <= 80 else f"{text[:76]} ..."


def check_choice(name: str, value: Any, allowed: tuple[Any, ...]) -> None:
    if not any(value is option or (isinstance(value, str) and value == option) for option in allowed):
        raise ValueError(f"{name} must be {' or '.join(map(repr, allowed))}, got {brief(value)}")


def check_number(name: str, value: Any, above: float, below: float) -> None:
    number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if not number or not above < value < below:
        raise ValueError(f"{name} must be a number above {above} and below {below}, got {brief(value)}")


def check_integer(name: str, value: Any, at_least: int, at_most: int | None = None) -> None:
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not whole or value < at_least or (at_most is not None and value > at_most):
        limits = f"of at least {at_least}" if at_most is None else f"from {at_least} to {at_most}"
        raise ValueError(f"{name} must be a whole number {limits}, got {brief(value)}")


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
