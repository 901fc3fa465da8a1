"""Asking models more than once about each example, as explanations and attacks do: many examples and models at a time.

The models are opened with their classes in one order and asked a first question; every example and model is then a
piece of work of its own, and what comes of all of them is gathered: results as they are there, failures at the end."""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from trusteq.checks import InVain, brief, failure
from trusteq.kinds.text import Text
from trusteq.models.labels import match_labels
from trusteq.models.open import as_predictor
from trusteq.models.predictor import Predictor
from trusteq.progress import progress_bar
from trusteq.side_by_side import Failure, Job

Results = Generator[tuple[tuple[int, str], Any], None, None]  # of an example and a model, as they finish
PARTIAL = "; what was finished is in `partial`"  # of an `Interrupted`


class Interrupted(ValueError):
    """Not everything could be done; `partial` is the result of what was."""

    partial: dict[str, Any] | None = None


@dataclass
class Subject:
    """A model, the examples that it is asked about, and what it has said of some of them already."""

    name: str
    predictor: Predictor
    indices: frozenset[int]
    known: dict[Text, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.before = self.predictor.truncated

    @property
    def truncated(self) -> int:
        """Of the texts that it was asked about since, how many are longer than it can read."""
        return self.predictor.truncated - self.before

    def ask_first(self, texts: Sequence[Text]) -> None:
        """What the model says of these texts is known from here on; and how many classes it has."""
        with first_question():
            self.known |= zip(texts, self.predictor(texts), strict=True)


def open_models(models: Mapping[str, Any], options: Any, open_one: Callable[..., Any] = as_predictor) -> dict[str, Any]:
    """A predictor for each model, with the classes in the order of the first one's, the large one's."""
    if not models:
        raise ValueError("models needs one model or more, the large one first")
    predictors = {name: open_one(model, name, **options.opening) for name, model in models.items()}
    large, *others = predictors.values()
    for predictor in others or [large]:
        match_labels(large, predictor, options.labels)
    return predictors


def subjects_of(
    models: Mapping[str, Any], indices: Mapping[str, Iterable[int]] | None, count: int, options: Any
) -> list[Subject]:
    """Every model, opened, with the examples that are wanted of it; without `indices` all."""
    subjects = []
    for name, predictor in open_models(models, options).items():
        wanted = frozenset(range(count) if indices is None else map(int, indices.get(name, ())))
        if odd := [index for index in wanted if not 0 <= index < count]:
            raise ValueError(f"indices[{brief(name)}] holds {odd[0]}, but there are {count} texts")
        subjects.append(Subject(name, predictor, wanted))
    return subjects


def wanted_of(subjects: Sequence[Subject]) -> list[int]:
    """The examples that are wanted of any model, in their order."""
    return sorted(frozenset().union(*(subject.indices for subject in subjects)))


@contextmanager
def first_question() -> Iterator[None]:
    try:
        yield
    except InVain:
        raise
    except Exception as error:
        raise Interrupted(f"a model failed at the first question ({failure(error)})") from error


def check_classes(predictors: Iterable[Predictor]) -> None:
    first, *others = predictors
    for other in others:
        if other.classes != first.classes:
            raise ValueError(f"{other.name} has {other.classes} classes but {first.name} has {first.classes}")


def answer(questions: list[Any]) -> Any:
    """The answers to (whom, what), in their order; everybody is asked once about all that is theirs.

    >>> lengths, loud = (lambda some: [len(text) for text in some]), (lambda some: [text.upper() for text in some])
    >>> answer([(lengths, "good"), (loud, "good"), (lengths, "film!")])
    [4, 'GOOD', 5]
    """
    asked: dict[Any, tuple[list[Any], list[int]]] = {}
    for place, (whom, what) in enumerate(questions):
        whats, places = asked.setdefault(whom, ([], []))
        whats.append(what)
        places.append(place)
    answers: list[Any] = [None] * len(questions)
    for whom, (whats, places) in asked.items():
        for place, row in zip(places, whom(whats), strict=True):
            answers[place] = row
    return answers


def every_job(order: Iterable[int], subjects: list[Subject], job: Callable[[int, Subject], Job]) -> Iterator[Job]:
    """A job for every example and model, made when its turn comes."""
    return (job(int(i), subject) for i in order for subject in subjects if int(i) in subject.indices)


@contextmanager
def at_work(predictors: Sequence[Predictor]) -> Iterator[None]:
    """They are asked by one piece of work, which shows how far it is."""
    before = [(predictor, predictor.quiet, predictor.work) for predictor in predictors]
    work = object()
    for predictor in predictors:
        predictor.quiet, predictor.work = True, work
    try:
        yield
    finally:
        for predictor, quiet, earlier in before:
            predictor.quiet, predictor.work = quiet, earlier


def gathered(
    results: Results,
    subjects: Sequence[Subject],
    verb: str,
    means: str,
    unit: str,
    total: int | None = None,
    stopped: str = "",
    kept: str = "",
) -> Generator[tuple[int, str, Any], None, None]:
    """`(index, name, result)` as they finish, beside the one bar; what failed is told at the end, as an `Interrupted`.

    `verb` ("attack") and `means` ("typos") say what is done, and there are `total` of a `unit` ("attacks"), or one for
    every example and model. With `stopped` an error that ends all work is an `Interrupted` that begins with these
    words; without, it is raised as it is.
    """
    total = sum(len(subject.indices) for subject in subjects) if total is None else total
    failed: list[tuple[int, str, Exception]] = []
    finished = 0
    silent = bool(subjects) and all(subject.predictor.quiet for subject in subjects)
    bar_of_all = progress_bar(total, f"{verb}ing with {means}", silent, unit.removesuffix("s"))
    with bar_of_all as bar, closing(results), at_work([subject.predictor for subject in subjects]):
        try:
            for (index, name), result in results:
                bar.update(1)
                if isinstance(result, Failure):
                    failed.append((index, name, result.error))
                else:
                    finished += 1
                    yield index, name, result
        except Exception as error:
            if not stopped:
                raise
            many = f"{finished} of {total} {unit} were finished"
            raise Interrupted(f"{stopped} ({failure(error)}); {many}{kept}") from error
    if failed:
        index, name, cause = failed[0]
        what = f"texts[{index}] could not be {verb}ed for {name} ({failure(cause)})"
        raise Interrupted(f"{what}; {len(failed)} of {total} {unit} failed{kept}") from cause
