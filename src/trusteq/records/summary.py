"""What is left of any number of rows: a few thousand sums, which are JSON and add up over shards."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from trusteq.checks import brief, check_integer
from trusteq.intervals import BLOCKS

FORM = 1  # of the JSON; a change of it needs a new number
FINE = 2048  # cells of a histogram: twice the grid on which calibration_gap smooths
MOST_BINS = 50  # of each confidence
SAME = ("bins", "sums", "answers", "grouped", "histograms")


@dataclass(frozen=True)
class Summary:
    """Sums over rows.

    `cells` has a row for each outcome and pair of bins: how many rows of the tables fell into it, then the `sums`.
    With a group column `outcomes`, `totals` and `residuals` are kept apart for 256 blocks of groups: the outcomes'
    counts, the `sums`, and right less confidence by the bins of the compressed model and of the large one. A
    histogram has, for wrong and right, in every cell: how many, their confidence, and its square.
    """

    bins: int  # of each confidence; 0 without confidences
    sums: tuple[str, ...]  # what is summed beside the counts
    answers: bool  # is it known whether both said the same?
    rows: dict[str, int]  # of each table, where there were two
    noticed: tuple[str, ...]
    arrays: dict[str, np.ndarray]

    @property
    def grouped(self) -> bool:
        return "outcomes" in self.arrays

    @property
    def histograms(self) -> bool:
        return "histogram" in self.arrays

    def write(self, path: str | Path) -> None:
        Path(path).write_text(self.as_json(), encoding="utf-8")

    def as_json(self) -> str:
        head = {"trusteq_sums": FORM, "bins": self.bins, "sums": self.sums, "answers": self.answers, "rows": self.rows}
        arrays = {name: sparse(values) for name, values in self.arrays.items()}
        return json.dumps(head | {"noticed": self.noticed, "arrays": arrays}, separators=(",", ":")) + "\n"

    @classmethod
    def read(cls, path: str | Path) -> "Summary":
        try:
            found = json.loads(Path(path).read_text(encoding="utf-8"))
            if found["trusteq_sums"] != FORM:
                raise ValueError(f"it is of form {brief(found['trusteq_sums'])}, and this version reads form {FORM}")
            check_integer("bins", found["bins"], at_least=0, at_most=MOST_BINS)
            shapes = {name: tuple(array["shape"]) for name, array in found["arrays"].items()}
            if shapes != shapes_of(found["bins"], len(found["sums"]), "outcomes" in shapes, "histogram" in shapes):
                raise ValueError(f"its arrays have the shapes {brief(shapes)}")
            arrays = {name: dense(**values) for name, values in found["arrays"].items()}
            fields = {name: found[name] for name in ("bins", "answers", "rows")}
            return cls(sums=tuple(found["sums"]), noticed=tuple(found["noticed"]), arrays=arrays, **fields)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            told = error if isinstance(error, OSError | ValueError) else f"{type(error).__name__}: {error}"
            raise ValueError(f"{path} holds no sums written by summarize: {told}") from None


def shapes_of(bins: int, sums: int, grouped: bool, histograms: bool) -> dict[str, tuple[int, ...]]:
    """Of the arrays of a summary.

    >>> shapes_of(bins=10, sums=5, grouped=False, histograms=False)
    {'cells': (800, 6)}
    """
    shapes: dict[str, tuple[int, ...]] = {"cells": (8 * max(1, bins) ** 2, 1 + sums)}
    if grouped:
        shapes |= {"outcomes": (BLOCKS, 8), "totals": (BLOCKS, sums)}
        shapes |= {"residuals": (BLOCKS, 2, bins)} if bins else {}
    if histograms:
        shapes |= {"histogram": (2, FINE, 3), "large_histogram": (2, FINE, 3)}
    return shapes


def sparse(values: np.ndarray) -> dict[str, Any]:
    """Most cells of a table of bins are empty.

    >>> sparse(np.array([[0.0, 0.5], [0.0, 2.0]]))
    {'shape': [2, 2], 'at': [1, 3], 'values': [0.5, 2.0]}
    """
    at = np.flatnonzero(values)
    return {"shape": list(values.shape), "at": at.tolist(), "values": values.ravel()[at].tolist()}


def dense(shape: list[int], at: list[int], values: list[float]) -> np.ndarray:
    array = np.zeros(shape)
    array.ravel()[np.array(at, dtype=np.intp)] = values
    return array


def merge(summaries: Sequence[Summary]) -> Summary:
    """The sums of all shards together."""
    if not summaries:
        raise ValueError("there are no sums to merge")
    first, *others = summaries
    for other in others:
        for name in SAME:
            here, there = getattr(first, name), getattr(other, name)
            if here != there:
                raise ValueError(
                    f"sums of different kinds do not add up: {name} is {here} in one shard and {there} in another; "
                    "summarize all shards with the same columns and options"
                )
    arrays = {name: np.sum([one.arrays[name] for one in summaries], axis=0) for name in first.arrays}
    tables = dict.fromkeys(name for one in summaries for name in one.rows)
    rows = {name: sum(one.rows.get(name, 0) for one in summaries) for name in tables}
    return replace(first, rows=rows, noticed=tuple(told for one in summaries for told in one.noticed), arrays=arrays)
