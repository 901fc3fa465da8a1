"""Rows in pieces: wherever they lie, they are read in the same pieces, and summaries of the pieces are added up.

Which group a row is in is kept apart from what the models said of it."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np

from trusteq.arrays import Arrays
from trusteq.groups import Groups, codes_of


class Rows:
    """The rows of every argument, in memory or on disk; read as often as needed, in the same pieces either way."""

    def __init__(self, read: Callable[[], Iterator[Arrays]]):
        self._read = read

    @cached_property
    def count(self) -> int:
        return sum(map(length, self._read()))

    @cached_property
    def groups(self) -> Groups:
        given = [arrays["groups"] for arrays in self._read() if "groups" in arrays]
        if given and sum(map(len, given)) < self.count:
            raise ValueError("groups are missing for some batches of rows: give them with all, or with none")
        return codes_of(np.concatenate(given)) if given else None

    def _pieces(self) -> Iterator[Arrays]:
        for arrays in self._read():
            yield {name: values for name, values in arrays.items() if name != "groups"}

    def chunks(self) -> Iterator[tuple[int, Arrays]]:
        """`(index of the first row, arrays)` in pieces of a size that depends on the rows' width alone."""
        start, held = 0, []
        for arrays in self._pieces():
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
        return join(list(self._pieces()))

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
