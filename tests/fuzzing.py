"""What may come out of a public entry, whatever went in: plain numbers, or a `ValueError` of one sentence.

`judged` makes a call and says which of the two came; anything else is an error of the test. A call that takes minutes
is one too: nothing here has much to do.
"""

import linecache
import math
import re
import signal
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SECONDS = 300  # generous: the machine may be shared, and the slowest case takes a few
LONGEST = 1500  # characters of a sentence: a message may list all the options, or what a library said
OURS = ("ValueError", "FunctionFailed", "Interrupted", "NoRoom", "OutOfTime")
RESULT, SENTENCE = "result", "sentence"


class Hang(BaseException):
    """Not an `Exception`: what catches those must not catch this."""


@dataclass
class Counted:
    """How often one entry was called, and what came out."""

    cases: Counter = field(default_factory=Counter)

    @property
    def total(self) -> int:
        return sum(self.cases.values())

    @property
    def share(self) -> float:
        return self.cases[RESULT] / self.total

    def __str__(self) -> str:
        return f"{self.total:6,} cases, {self.cases[RESULT]:6,} results ({100 * self.share:.0f} %)"


@contextmanager
def watched(seconds: int = SECONDS):
    """A call that does not come back is interrupted, so that its case is shown like any other that fails."""

    def ring(*_: Any) -> None:
        raise Hang(f"still at work after {seconds} seconds")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def judged(call: Callable[[], Any], check: Callable[[Any], None] | None = None) -> str:
    """Whether a result came out or a sentence; anything else raises."""
    try:
        with watched():
            result = call()
    except ValueError as error:
        check_error(error)
        return SENTENCE
    (check or check_result)(result)
    return RESULT


def check_error(error: ValueError) -> None:
    """One of our own, from a `raise` of our own code: a library's is about its own arguments, not about the user's."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    assert place is not None
    file = place.tb_frame.f_code.co_filename
    ours = ("evaluate_modules" in file or Path(file).is_relative_to(ROOT)) and "site-packages" not in file
    raised = linecache.getline(file, place.tb_lineno).strip().startswith("raise")
    if type(error).__name__ not in OURS or not ours or not raised:
        raise AssertionError(f"no error of ours, but {type(error).__name__}: {error}") from error
    check_sentence(str(error))


def check_sentence(text: str) -> None:
    """Something that a person can read, on one line."""
    assert text.strip(), "the error says nothing"
    assert len(text.splitlines()) == 1, f"not one line: {text!r}"
    assert len(text) <= LONGEST, f"{len(text)} characters: {text[:200]!r}"
    for odd in ("Traceback", " at 0x"):
        assert odd not in text, text
    assert re.search(r"[a-z]{2,}\S* \S+", text), f"no sentence: {text!r}"


def check_result(result: Any) -> None:
    """A flat dict of plain finite numbers; details may be deeper, but they are finite too."""
    assert isinstance(result, dict), type(result)
    assert result
    for name, value in result.items():
        if name == "details":
            check_details(value, name)
        else:
            assert type(name) is str
            assert type(value) in (int, float), f"{name} is a {type(value).__name__}"
            assert math.isfinite(value), f"{name} is {value}"


def check_details(value: Any, where: str) -> None:
    if isinstance(value, dict):
        for name, item in value.items():
            check_details(item, f"{where}.{name}")
    elif isinstance(value, list | tuple):
        for i, item in enumerate(value):
            check_details(item, f"{where}[{i}]")
    elif isinstance(value, float):
        assert math.isfinite(value), f"{where} is {value}"


def check_rows(rows: Any) -> None:
    """Probabilities, one row a text."""
    assert rows.ndim == 2
    assert (rows >= 0).all()
    assert (abs(rows.sum(axis=1) - 1) <= 0.01 + 1e-9).all()
