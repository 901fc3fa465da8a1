"""What became of one example under attack: the form in which attacks are made, kept, handed in and compared."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from numbers import Integral
from typing import Any

import numpy as np

from .predictor import Text
from .side_by_side import Ask

STATUSES = ("skipped", "broken", "withstood")


@dataclass
class Outcome:
    """One example, one model. `adversarial` is the text itself where nothing was found or nothing may be changed."""

    label: int | None  # the gold class
    text: Text | None
    adversarial: Text | None
    scores: list[float] | None  # the model's probabilities of the text
    adversarial_scores: list[float] | None  # and of the adversarial one
    status: str  # "skipped" (wrong when clean, so not attacked), "broken" or "withstood"
    queries: int  # distinct questions that the attack put to the model, the clean text included
    changed_words: int
    changeable: bool = True  # False: nothing in the text may be changed, which counts as withstood
    transfers: bool | None = None  # does the adversarial text fool the other model of the pair?

    def as_dict(self) -> dict[str, Any]:
        """The outcome as plain data, which JSON can keep."""
        return asdict(self)


@dataclass(frozen=True)
class Program:
    """An attack as a program that only talks to the model: `run(ask, text, label, rng)` gives an `Outcome`.

    `ask` takes a list of texts and gives their probabilities, one row a text, whatever else runs beside it. Random
    choices come from `rng`; a library that draws from the global generators sets `global_random`, and then these are
    seeded for each example as well.
    """

    run: Callable[[Ask, Text, int, np.random.Generator], Outcome]
    global_random: bool = False


def outcome(
    text: Text,
    label: int,
    scores: np.ndarray,
    queries: int,
    found: tuple[Text, np.ndarray, int] | None = None,
    changeable: bool = True,
) -> Outcome:
    """The outcome of an attack that found an adversarial text, its scores and how many words differ; or found none.

    >>> outcome("a good film", 1, np.array([0.25, 0.75]), 9, ("a goood film", np.array([0.5, 0.5]), 1)).status
    'broken'
    >>> outcome("a good film", 0, np.array([0.25, 0.75]), 1).status
    'skipped'
    """
    status = "skipped" if scores.argmax() != label else "broken" if found else "withstood"
    adversarial, adversarial_scores, changed = found or (text, scores, 0)
    rows = scores.tolist(), adversarial_scores.tolist()
    return Outcome(label, text, adversarial, *rows, status, queries, changed, changeable)
