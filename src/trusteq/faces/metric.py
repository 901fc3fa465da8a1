"""The `evaluate` side of a metric: one call, batches that wait on disk, or several processes, with one result."""

import abc
import os
from collections.abc import Iterator
from typing import Any

import evaluate
import numpy as np
import pyarrow as pa
from datasets import Features

from trusteq.arrays import Arrays, from_arrow, match_schema, to_arrow
from trusteq.checks import failure
from trusteq.dimensions.record import Dimension
from trusteq.groups import count_of, take_with_groups
from trusteq.options import Options, read_options, with_signature
from trusteq.records.given import from_records
from trusteq.rows import Rows

END_OF_STREAM = 8  # bytes that end a stream of Arrow batches


class ArrayMetric(evaluate.Metric, abc.ABC):
    """A metric on arrays: one call measures them where they lie, batches wait on disk, and both give the same result.

    A subclass names its `dimension`; one that is none sets `options` and defines `_compute(rows, options)`.
    """

    dimension: Dimension
    options: Any  # the dataclass of what can be asked
    writer: Any
    buf_writer: Any
    filelock: Any
    filelocks: Any
    file_paths: Any

    def __init_subclass__(cls) -> None:
        if hasattr(cls, "dimension"):
            cls.options = cls.dimension.options

    @abc.abstractmethod
    def plot(self, result: dict[str, Any]) -> Any:
        """The figures for the eye; a matplotlib Figure."""

    def _compute(self, rows: Rows, options: Any) -> dict[str, Any]:
        """Measure the rows; a flat dict of plain floats and ints, and `details` when asked for."""
        return self.dimension.compute(rows, options)

    def compute(self, *, predictions: Any = None, references: Any = None, **kwargs: Any) -> dict[str, Any] | None:
        """Measure the rows of this call and of earlier `add` and `add_batch` calls.

        `groups` say what belongs together, a string or a whole number per example: intervals then count groups. The
        module is empty afterwards, also after an error in the rows.
        """
        groups = kwargs.pop("groups", None)
        inputs, settings = self._split({"predictions": predictions, "references": references, **kwargs})
        inputs, groups = from_records(inputs, groups)
        options = read_options(self.options, settings)
        given = any(values is not None for values in (*inputs.values(), groups))
        waiting = self.writer is not None or bool(self._waiting())
        if given and not waiting and self.num_process == 1:
            arrays = take_with_groups(inputs, groups, self._rows)
            return self._measure(Rows(lambda: iter([arrays])), options)
        if not given and not waiting:
            raise ValueError(f"nothing to compute: give {' and '.join(inputs)}, or call add_batch first")
        try:
            if given:
                self.add_batch(**inputs, groups=groups)
            self._flush()
            self._finalize()
            if self.process_id != 0:
                return None
            return self._measure(Rows(self._read), options)
        finally:
            self._discard()

    def add_batch(self, *, predictions: Any = None, references: Any = None, **kwargs: Any) -> None:
        """Keep a batch of rows, on disk, until `compute`."""
        self._flush()
        groups = kwargs.pop("groups", None)
        inputs, unknown = self._split({"predictions": predictions, "references": references, **kwargs})
        inputs, groups = from_records(inputs, groups)
        if unknown:
            taken = ", ".join([*inputs, "groups"])
            raise ValueError(f"add_batch takes {taken}, not {', '.join(unknown)}; options go to compute")
        arrays = take_with_groups(inputs, groups, self._rows)
        table = pa.table({name: to_arrow(name, values) for name, values in arrays.items()})
        if self.writer is None:
            self.selected_feature_format = Features.from_arrow_schema(table.schema)
            self._init_writer()
        self.writer.write_table(match_schema(table, self.selected_feature_format.arrow_schema))

    def add(self, *, prediction: Any = None, reference: Any = None, **kwargs: Any) -> None:
        """Keep one row until `compute`: `prediction=`, `reference=`, `large_prediction=`, `group=` (or plurals)."""
        row = {"predictions": prediction, "references": reference}
        row |= {name if name.endswith("s") else name + "s": value for name, value in kwargs.items()}
        group = {name: row.pop(name) for name in ("groups",) if name in row}
        inputs, unknown = self._split(row)
        if unknown:
            taken = ", ".join([*inputs, "groups"])
            raise ValueError(f"add takes {taken}, not {', '.join(unknown)}; options go to compute")
        inputs |= group
        if missing := [name for name, value in inputs.items() if value is None]:
            raise ValueError(f"{missing[0]} is missing from this row")
        self._waiting().append(inputs)
        if len(self._waiting()) >= 1024:
            self._flush()

    def _rows(self, name: str, values: Any) -> np.ndarray:
        """One argument as an array."""
        return self.dimension.read(name, values)

    def _split(self, given: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Inputs and options apart. A metric without `references` leaves them out: `evaluate.combine` passes them."""
        inputs = {name: given.pop(name, None) for name in self._feature_names()}
        given.pop("references", None)
        return inputs, given

    def _measure(self, rows: Rows, options: Options) -> dict[str, Any]:
        return with_signature(self.name, self._compute(rows, options), options, count_of(rows.groups))

    # Rows that wait: `add` fills a short list, `add_batch` writes to the file that `evaluate` locks and shares.

    def _waiting(self) -> list[dict[str, Any]]:
        return self.__dict__.setdefault("_waiting_rows", [])

    def _flush(self) -> None:
        rows = self.__dict__.pop("_waiting_rows", None)
        if rows:
            try:
                names = dict.fromkeys(name for row in rows for name in row)
                self.add_batch(**{name: [row.get(name) for row in rows] for name in names})
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
        for process, source in enumerate(sources):
            if isinstance(source, str) and not os.path.exists(source):
                raise ValueError("the rows of another process are missing: it failed, or has computed already")
            with pa.OSFile(source) if isinstance(source, str) else source as stream:
                for batch in whole_stream(stream, process):
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


def whole_stream(stream: Any, process: int) -> Iterator[pa.RecordBatch]:
    """The batches of a stream that its writer has ended; Arrow itself takes what a dead process left for the whole."""
    try:
        batches = pa.ipc.open_stream(stream)
        read = stream.tell()
        for batch in batches:
            read = stream.tell()
            yield batch
        ended, reason = stream.tell() - read == END_OF_STREAM, "its file has no end"
    except (OSError, pa.ArrowException) as error:
        ended, reason = False, failure(error)
    if not ended:
        cause = f"process {process} ended before it called compute, and some of its rows are lost ({reason})"
        raise ValueError(f"{cause}: see why it ended, and give the rows of all processes again")
