"""What became of one example under attack: the form in which attacks are made, kept, handed in and compared."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from trusteq.arrays import as_entries
from trusteq.checks import brief
from trusteq.kinds.text import Text
from trusteq.models.prompted import worded
from trusteq.side_by_side import Ask, key_of

STATUSES = ("skipped", "broken", "withstood")
WHOLE_NUMBERS = ("queries", "changed_words", "label", "adversarial_label")
MOST = 2**53  # of what is counted: up to here the means, which are floats, know every whole number


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
    adversarial_label: int | None = None  # the gold class of the adversarial text, where the right option has moved
    wording: str | None = None  # the prompt under which the model broke, where that was changed and not the text

    def as_dict(self) -> dict[str, Any]:
        """The outcome as plain data, which JSON can keep."""
        found = asdict(self)
        return {name: value for name, value in found.items() if value is not None or name not in OF_FEW}

    @property
    def right(self) -> int | None:
        """What the right answer to the adversarial text is."""
        return self.label if self.adversarial_label is None else self.adversarial_label


OF_FEW = ("adversarial_label", "wording")  # only some attacks change these


class Questions:
    """What one attack asks of the model: a callable from texts to rows that counts, and ends where `most` is reached.

    Where the texts are more than may still be asked, only the rows of the first ones come back. `of` asks a helper (an
    encoder, a masked language model) beside the model; that is not counted.
    """

    def __init__(self, ask: Ask, model: Any):
        self.ask, self.model = ask, model
        self.most: int | None = None
        self.asked: set[Any] = set()  # as `key_of` has them
        self.none = np.empty(0)

    @property
    def count(self) -> int:
        return len(self.asked)

    def __call__(self, texts: Sequence[Text]) -> np.ndarray:
        return self.each([(self.model, text) for text in texts])

    def each(self, questions: list[tuple[Any, Text]]) -> np.ndarray:
        """The same, of the model asked in whichever way each question says (see `Prompted.under`)."""
        if self.most is not None and self.count + len(questions) > self.most:
            questions = self.first(questions, self.most)
            if not questions:
                return self.none
        self.asked.update(map(key_of, questions))
        rows = self.ask(questions)
        self.none = rows[:0]
        return rows

    def first(self, questions: list[tuple[Any, Text]], most: int) -> list[tuple[Any, Text]]:
        distinct = self.asked.copy()
        for place, question in enumerate(questions):
            distinct.add(key_of(question))
            if len(distinct) > most:
                return questions[:place]
        return questions

    def model_under(self, wording: str | None) -> Any:
        """Whom to ask: the model, or that with its prompt said otherwise."""
        return worded(self.model, wording)

    def of(self, helper: Callable[[list[Any]], Any], questions: Sequence[Any]) -> Any:
        return self.ask([(helper, question) for question in questions])


@dataclass(frozen=True)
class Program:
    """An attack as a program that only talks to the model: `run(ask, text, label, rng)` gives an `Outcome`.

    `ask` takes a list of texts and gives their probabilities, one row a text, whatever else runs beside it. Random
    choices come from `rng`; a library that draws from the global generators sets `global_random`, and then these are
    seeded for each example as well.
    """

    run: Callable[[Questions, Text, int, np.random.Generator], Outcome]
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
    return Outcome(int(label), text, adversarial, *rows, status, queries, changed, changeable)


# Attacks that were made elsewhere.


def read_outcomes(name: str, values: Any) -> list[Outcome]:
    """One outcome per example, from dicts; only status, queries and changed_words are needed for the figures.

    >>> read_outcomes("predictions", [{"status": "broken", "queries": 12, "changed_words": 1}])[0].transfers
    """
    entries = as_entries(name, values, "one outcome (a dict)")
    return [read_outcome(f"{name}, example {i}:", entry) for i, entry in enumerate(entries)]


def read_outcome(where: str, given: Any) -> Outcome:
    if isinstance(given, Outcome):
        return given
    if not isinstance(given, dict):
        raise ValueError(f"{where} expected a dict with status, queries and changed_words, got {brief(given)}")
    fields = {key: value for key, value in given.items() if value is not None}  # Arrow gives every row all keys
    if unknown := fields.keys() - Outcome.__dataclass_fields__.keys():
        known = ", ".join(Outcome.__dataclass_fields__)
        raise ValueError(f"{where} unknown key {brief(min(unknown, key=str))}; the keys are {known}")
    if missing := [key for key in ("status", "queries", "changed_words") if key not in fields]:
        raise ValueError(f"{where} {missing[0]} is missing")
    if not isinstance(fields["status"], str) or fields["status"] not in STATUSES:
        raise ValueError(f"{where} status must be {' or '.join(map(repr, STATUSES))}, got {brief(fields['status'])}")
    for key in WHOLE_NUMBERS:
        if key in fields and (not is_whole(fields[key]) or not 0 <= fields[key] <= MOST):
            raise ValueError(f"{where} {key} must be a whole number from 0 to {MOST}, got {brief(fields[key])}")
    for key in ("changeable", "transfers"):
        if key in fields and not is_truth(fields[key]):
            raise ValueError(f"{where} {key} must be True or False, got {brief(fields[key])}")
    for key in ("text", "adversarial"):
        if key in fields:
            fields[key] = read_text(f"{where} {key}", fields[key])
    if not isinstance(fields.get("wording", ""), str):
        raise ValueError(f"{where} wording must be a prompt, got {brief(fields['wording'])}")
    for key in ("scores", "adversarial_scores"):
        if key in fields:
            fields[key] = read_scores(f"{where} {key}", fields[key])
    same = "text" in fields and fields["text"] == fields.get("adversarial")
    if fields["status"] == "broken" and same and "wording" not in fields:
        raise ValueError(f"{where} status is 'broken' but the adversarial text equals the text")
    numbers = {key: int(fields[key]) for key in WHOLE_NUMBERS if key in fields}
    truths = {key: bool(fields[key]) for key in ("changeable", "transfers") if key in fields}
    empty = dict.fromkeys(("label", "text", "adversarial", "scores", "adversarial_scores"))
    return Outcome(**{**empty, **fields, **numbers, **truths})


def check_pair(index: int, compressed: Outcome, large: Outcome) -> None:
    """The two outcomes of one row are of one example, as far as they say which.

    >>> compressed, large = (Outcome(1, text, text, None, None, "withstood", 9, 0) for text in ("good", "bad"))
    >>> check_pair(3, compressed, large)
    Traceback (most recent call last):
    ValueError: example 3: predictions and large_predictions are of different texts
    """
    for name in ("text", "label"):
        one, other = getattr(compressed, name), getattr(large, name)
        if one is not None and other is not None and one != other:
            raise ValueError(f"example {index}: predictions and large_predictions are of different {name}s")


def is_whole(value: Any) -> bool:
    return isinstance(value, int | np.integer | float | np.floating) and not isinstance(value, bool) and value % 1 == 0


def is_truth(value: Any) -> bool:
    return isinstance(value, bool | np.bool_) or (is_whole(value) and value in (0, 1))


def read_text(where: str, value: Any) -> Text:
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple) and len(value) == 2 and all(isinstance(part, str) for part in value):
        return value[0], value[1]
    raise ValueError(f"{where} must be a string or a pair of strings, got {brief(value)}")


def read_scores(where: str, value: Any) -> list[float]:
    try:
        scores = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        scores = np.empty((0, 0))
    if scores.ndim != 1 or len(scores) < 2 or not np.isfinite(scores).all():
        raise ValueError(f"{where} must be the probabilities of two or more classes, got {brief(value)}")
    return scores.tolist()
