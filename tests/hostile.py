"""Hostile values: what broken pipelines, careless loops and strangers hand to a function that wants rows and options.

A call is a dict of arguments. `spoiled` takes good ones, and breaks none, one or two things in each: most of what
comes out is near the border between what is allowed and what is not.
"""

import copy
import datetime
import decimal
import fractions
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from hypothesis import strategies as st


class Named:
    """An object that is shown by its name, so that a case can be read and made again."""

    def __init__(self, name: str):
        self.name = name

    def __repr__(self) -> str:
        return self.name


class Refuses(Named):
    """Has a length and looks like an array, until it is asked."""

    def __len__(self) -> int:
        return 3

    def __getitem__(self, _: Any) -> Any:
        raise RuntimeError("two lines\nof an error")

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise OSError("no array")


class Hides(Named):
    """Its length is an error."""

    def __len__(self) -> int:
        raise TypeError("no length")


def endless() -> list:
    found: list = [0]
    found.append(found)
    return found


NUMBERS = [0, 1, 2, 3, -1, 10, 257, 2**31, 2**63, -(2**63) - 1, 10**400, True, False]
NUMBERS += [0.0, -0.0, 0.5, 0.95, 1.0, 1.5, 2.0, -1.0, 1e-300, 5e-324, 1e308, float("nan"), float("inf"), -float("inf")]
NUMPYS = [np.int64(3), np.int8(-1), np.uint64(2**64 - 1), np.float16(0.5), np.float32(0.9), np.float64("nan")]
NUMPYS += [np.bool_(True), np.array(3), np.array(0.9), np.array("a"), np.datetime64("2024-01-01"), np.complex64(1j)]
WORDS = ["", " ", "a", "0", "1", "0.5", "nan", "None", "True", "lime", "\ud800", "\x00", "مرحبا", "a\nb", "x" * 1000]
ODD = [None, b"", b"a", 1j, decimal.Decimal("0.5"), fractions.Fraction(1, 3), datetime.date(2024, 1, 1), pd.NA, pd.NaT]
ODD += [Named("object"), object, len, ..., slice(3), range(3), {1, 2}, frozenset(), {}, {"a": 1}, {1: "a"}, (), (1,)]
ODD += [[], [1], [1, 2], [[]], ["a"], [None], [0.5, "a"], [float("nan")], torch.tensor(2), torch.tensor([0.5])]
SCALARS = st.sampled_from([*NUMBERS, *NUMPYS, *WORDS, *ODD])

ARRAYS = [np.empty(0), np.empty((0, 2)), np.empty((2, 0)), np.array(0.5), np.zeros((2, 2, 2)), np.zeros((3, 1))]
ARRAYS += [np.array([None, 1, "a"], dtype=object), np.array([[0.5, 0.5], None, 3], dtype=object)]
ARRAYS += [np.array([10**30, 1, 2], dtype=object), np.array([1j, 2, 3]), np.array(["2024-01-01"], dtype="M8[D]")]
ARRAYS += [np.ma.masked_array([0.5, 1.0], mask=[0, 1]), np.zeros(3, dtype=[("a", int)]), np.array([b"a", b"b"])]
ARRAYS += [np.array([0.0, np.nan, np.inf]), np.full((3, 2), np.nan), np.array([2**64 - 1, 0], dtype=np.uint64)]
ARRAYS += [np.array(["\ud800", "b"]), np.array([["a", "b"], ["c", "d"]]), np.array([np.timedelta64(1, "D")])]
TABLES = [[[1], [1, 2]], [[0.5, 0.5], []], [[0.5, 0.5], None], [["a", "b"]], [[[0.5]]], [10**400, 1], [b"a", b"b"]]
TABLES += [["a", 1], [{"a": 1}, {"b": 2}], [{}, {}], [{"a": 1}, "a"], [(), ()], [True, False], [[True, False]]]
TABLES += [[torch.tensor([0.5, 0.5]), None], [np.array([0.5]), np.array([0.5, 0.5])], (np.zeros((2, 2)), None)]
TABLES += [pd.Series([0.5, None]), pd.DataFrame(), pd.DataFrame({"a": ["x", 1]}), pd.Series([pd.Timestamp(0)])]
TABLES += [pa.array([1, None]), pa.array([]), pa.chunked_array([[1], [2]]), pa.array([[1.0], [1.0, 2.0]])]
TABLES += [pa.array([{"a": 1}]), torch.zeros(2, 2, requires_grad=True), torch.zeros(2, dtype=torch.complex64)]
TABLES += [torch.empty(0), torch.eye(2).to_sparse(), torch.zeros(2, device="meta"), Refuses("refuses"), Hides("hides")]
TABLES += [endless(), "abc", iter([1, 2]), np.array([[1.5, "a"]], dtype=object), [decimal.Decimal(1)] * 3]
WRONG = st.one_of(SCALARS, st.sampled_from(ARRAYS), st.sampled_from(TABLES))


def mostly(good: Any, odd: Any, one_in: int = 4) -> Any:
    """Good ones, and one in so many that is odd."""
    return st.integers(1, one_in).flatmap(lambda i: odd if i == one_in else good)


def strided(array: np.ndarray) -> np.ndarray:
    wide = np.repeat(array, 2, axis=0)
    return wide[::2]


CONTAINERS = {
    "list": lambda array: array.tolist(),
    "tuple": lambda array: tuple(array.tolist()),
    "array": lambda array: array,
    "backwards": lambda array: array[::-1].copy()[::-1],
    "strided": strided,
    "Fortran": np.asfortranarray,
    "read-only": lambda array: np.frombuffer(array.tobytes(), array.dtype).reshape(array.shape),
    "half": lambda array: array.astype(np.float16),
    "single": lambda array: array.astype(np.float32),
    "long double": lambda array: array.astype(np.longdouble),
    "big-endian": lambda array: array.astype(array.dtype.newbyteorder(">")),
    "objects": lambda array: array.astype(object),
    "masked": np.ma.masked_array,
    "torch": torch.tensor,
    "bfloat16": lambda array: torch.tensor(array).to(torch.bfloat16),
    "list of tensors": lambda array: list(torch.tensor(array)),
    "list of arrays": list,
    "pandas": lambda array: pd.DataFrame(array) if array.ndim == 2 else pd.Series(array),
    "arrow": lambda array: pa.array(array.tolist()),
    "small": lambda array: array.astype(np.int8),
    "unsigned": lambda array: array.astype(np.uint64),
}


def contained(how: str, values: list) -> Any:
    """A good list as another container; one that cannot hold it leaves it a list."""
    try:
        with np.errstate(all="ignore"):
            array = np.array(values)
            return CONTAINERS[how](array if array.dtype.kind in "iuf" else np.array(values, dtype=object))
    except (TypeError, ValueError, OverflowError, pa.ArrowException):
        return values


UNKNOWN = ["confidence", "n_bin", "Seed", "k_", "", "large_prediction", "logits"]


@st.composite
def spoiled(draw: Any, good: Any, options: dict[str, Any] | None = None, harm: Any = WRONG) -> dict[str, Any]:
    """The arguments of a call: good ones with some options, of which up to two things are broken."""
    given = draw(good)
    call = {name: copy.copy(value) for name, value in given.items()}
    if options:
        call |= draw(st.fixed_dictionaries({}, optional={k: v for k, v in options.items() if k not in call}))
    for _ in range(draw(st.sampled_from([0, 0, 1, 1, 1, 2]))):
        way = draw(st.sampled_from(["replace", "cell", "cell", "length", "option", "option", "drop", "unknown"]))
        name = draw(st.sampled_from(sorted(given)))
        values = call.get(name)
        if way == "option" and options:
            call[draw(st.sampled_from(sorted(options)))] = draw(SCALARS)
        elif way == "unknown":
            call[draw(st.sampled_from(UNKNOWN))] = draw(SCALARS)
        elif way == "drop":
            call.pop(name, None)
        elif way == "length" and isinstance(values, list) and values:
            call[name] = values[:-1] if draw(st.booleans()) else [*values, values[0]]
        elif way == "cell" and isinstance(values, list) and values:
            call[name] = with_cell(values, draw(st.integers(0, 999)), draw(SCALARS))
        else:
            call[name] = draw(harm)
    for name in given:
        if isinstance(call.get(name), list) and (how := draw(st.sampled_from(["list", "list", *CONTAINERS]))) != "list":
            call[name] = contained(how, call[name])
    return call


def with_cell(values: list, number: int, value: Any) -> list:
    """The list with another entry, or with another one inside of an entry; the number says which."""
    place = number % len(values)
    entry = values[place]
    if isinstance(entry, list) and entry:
        value = [*entry[:-1], value]
    elif isinstance(entry, dict) and entry:
        value = {**entry, sorted(entry)[number % len(entry)]: value}
    return [*values[:place], value, *values[place + 1 :]]
