"""Is what the user gave what was expected? Errors in one sentence: what, where, what was expected, what came."""

from numbers import Integral
from typing import Any

import numpy as np


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


def check_integer(name: str, value: Any, at_least: int | None = None, at_most: int | None = None) -> None:
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not whole or (at_least is not None and value < at_least) or (at_most is not None and value > at_most):
        limits = "" if at_least is None else f" of at least {at_least}"
        limits = limits if at_most is None else f" from {at_least} to {at_most}"
        raise ValueError(f"{name} must be a whole number{limits}, got {brief(value)}")


def check_sizes(name: str, given: Any) -> list[int]:
    """One whole number of at least 1, or several different ones, as a list.

    >>> check_sizes("k", 10), check_sizes("k", np.array([5, 10]))
    ([10], [5, 10])
    """
    values = getattr(given, "tolist", lambda: given)()
    sizes = list(values) if isinstance(values, list | tuple) else [values]
    for size in sizes:
        check_integer(name, size, at_least=1)
    if not sizes or len(set(sizes)) < len(sizes):
        raise ValueError(f"{name} must be one number or several different ones, got {brief(given)}")
    return [int(size) for size in sizes]


def check_characters(where: str, text: str) -> None:
    """Half of a character (a lone surrogate, as broken JSON has it) can be neither tokenized nor written down.

    >>> check_characters("texts[0]", "a good \\ud83d film")
    Traceback (most recent call last):
    ValueError: texts[0] holds half of a character, '\\ud83d', in place 7: mend or remove it
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half = f"half of a character, {text[error.start]!r}, in place {error.start}"
        raise ValueError(f"{where} holds {half}: mend or remove it") from None


class InVain(ValueError):
    """Nothing more can be done, whatever comes next: all work ends."""


class FunctionFailed(ValueError):
    """A callable raised an error of its own, which is the cause of this one."""


def failure(error: BaseException) -> str:
    """Somebody else's error on one line, with its kind; of a callable that failed, what it raised itself.

    >>> failure(OSError("no room\\nleft")), failure(MemoryError())
    ('OSError: no room left', 'MemoryError')
    """
    if isinstance(error, FunctionFailed) and error.__cause__ is not None:
        error = error.__cause__
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__


def first_line(error: BaseException) -> str:
    """What a library says of an error, or its kind where it says nothing.

    >>> first_line(OSError("no room\\nleft")), first_line(MemoryError())
    ('no room', 'MemoryError')
    """
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
