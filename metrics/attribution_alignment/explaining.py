"""From texts and two models to explanations of both, one example after another, made side by side."""

import re
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from .explainers import METHODS, Explanation, explain, integrated_gradients
from .predictor import (
    ModelPredictor,
    Predictor,
    Text,
    as_predictor,
    check_texts,
    failure,
    match_labels,
    progress_bar,
)
from .references import example_seed, gold, gold_labels
from .side_by_side import Ask, Failure, Job, side_by_side

GRADIENT_PIECE = 64  # texts that are explained by gradients at a time

Results = Generator[tuple[tuple[int, str], Any], None, None]


@dataclass
class Explained:
    """One example: the explanations of both models, a run each, and how many distinct words its text has."""

    index: int
    text: Text | None
    small: list[Explanation]
    large: list[Explanation]
    words: int
    counts: dict[str, int] = field(default_factory=dict)  # of the models so far


class Interrupted(ValueError):
    """Not every example could be explained; `partial` is the result of those that were."""

    partial: dict[str, Any] | None = None


def explain_both(
    texts: Sequence[Text], references: Any, model: Any, large_model: Any, options: Any
) -> Generator[Explained, None, None]:
    """Explanations of both models for every text, in the texts' order, or in a random one with `target_width`."""
    check_texts("texts", texts)
    for i, text in enumerate(texts):
        if not all(part.strip() for part in ((text,) if isinstance(text, str) else text)):
            raise ValueError(f"texts[{i}] is empty or blank")
    labels = gold_labels(references, len(texts)) if options.explain == "gold" else None
    small, large = open_models(model, large_model, options)
    before = [(predictor, predictor.truncated, predictor.quiet) for predictor in (small, large)]
    subjects = choose_targets(texts, labels, small, large, options)
    order = np.arange(len(texts))
    if options.target_width is not None:
        order = np.random.default_rng(options.seed).permutation(len(texts))
    make = by_gradients if options.method == "integrated_gradients" else by_asking
    done: dict[int, dict[str, Any]] = {}
    failed: list[tuple[int, str, Exception]] = []
    place = finished = 0
    results = make(texts, subjects, order, options)
    with progress_bar(len(texts), f"explaining with {options.method}") as bar:
        try:
            small.quiet = large.quiet = True
            for (index, name), result in results:
                if isinstance(result, Failure):
                    failed.append((index, name, result.error))
                done.setdefault(index, {})[name] = result
                while place < len(order) and len(done.get(order[place], {})) == len(subjects):
                    index = int(order[place])
                    pair = done.pop(index)
                    place += 1
                    bar.update(1)
                    if not any(isinstance(one, Failure) for one in pair.values()):
                        finished += 1
                        words = distinct_words(options.method, texts[index])
                        cut, large_cut = (predictor.truncated - truncated for predictor, truncated, _ in before)
                        counts = {"truncated_texts": cut, "large_truncated_texts": large_cut}
                        yield Explained(index, texts[index], pair["model"], pair["large_model"], words, counts)
        except Exception as error:
            many = f"{finished} of {len(texts)} examples were finished; their figures are in `partial`"
            raise Interrupted(f"a model failed ({failure(error)}); {many}") from error
        finally:
            results.close()
            for predictor, _, quiet in before:
                predictor.quiet = quiet
    if failed:
        index, name, cause = failed[0]
        many = f"{len({index for index, *_ in failed})} of {len(texts)} examples failed; the others are in `partial`"
        message = f"texts[{index}] could not be explained for {name} ({failure(cause)}); {many}"
        raise Interrupted(message) from cause


def explain_each(
    texts: Sequence[Text],
    references: Any,
    models: dict[str, Any],
    indices: dict[str, Iterable[int]] | None,
    options: Any,
) -> Generator[tuple[int, str, list[Explanation]], None, None]:
    """`(index, name, explanation of each run)` as they finish, of any number of models; the first one is the large."""
    check_texts("texts", texts)
    settings = {"device": options.device, "dtype": options.dtype, "trust_remote_code": options.trust_remote_code}
    predictors = {name: as_predictor(model, name, **settings) for name, model in models.items()}
    large, *others = predictors.values()
    for predictor in others:
        match_labels(large, predictor, options.labels)
    check_method(options.method, predictors.values())
    wanted = {name: frozenset(range(len(texts)) if indices is None else indices[name]) for name in models}
    labels = gold_labels(references, len(texts)) if options.explain == "gold" else None
    order = np.array(sorted(frozenset().union(*wanted.values())), dtype=int)
    subjects: list[Subject] = []
    for name, predictor in predictors.items():
        ask = options.explain == "own" or (options.explain == "large" and not subjects)
        known = first_answers(predictor, [texts[0], *(texts[i] for i in order)] if ask else texts[:1])
        if ask:
            targets = np.zeros(len(texts), dtype=int)  # of the texts that are explained
            targets[order] = [known[texts[i]].argmax() for i in order]
        elif not subjects:
            targets = gold(labels or [], large, options.labels)
        subjects.append(Subject(name, predictor, targets, known, wanted[name]))
    make = by_gradients if options.method == "integrated_gradients" else by_asking
    failed: list[tuple[int, str, Exception]] = []
    quiet = [predictor.quiet for predictor in predictors.values()]
    try:
        for predictor in predictors.values():
            predictor.quiet = True
        with closing(make(texts, subjects, order, options)) as results:
            for (index, name), result in results:
                if isinstance(result, Failure):
                    failed.append((index, name, result.error))
                else:
                    yield index, name, result
    finally:
        for predictor, was in zip(predictors.values(), quiet, strict=True):
            predictor.quiet = was
    if failed:
        index, name, cause = failed[0]
        message = f"texts[{index}] could not be explained for {name} ({failure(cause)})"
        raise Interrupted(message) from cause


def open_models(model: Any, large_model: Any, options: Any) -> tuple[Predictor, Predictor]:
    settings = {"device": options.device, "dtype": options.dtype, "trust_remote_code": options.trust_remote_code}
    small, large = as_predictor(model, "model", **settings), as_predictor(large_model, "large_model", **settings)
    match_labels(large, small, options.labels)
    check_method(options.method, [small, large])
    return small, large


def check_method(method: str, predictors: Iterable[Predictor]) -> None:
    for predictor in predictors:
        if method == "integrated_gradients" and type(predictor) is not ModelPredictor:
            kind = "a language model with a prompt" if isinstance(predictor, ModelPredictor) else "a function"
            needs = "transformers models that are classifiers"
            raise ValueError(f"integrated_gradients needs {needs}, and {predictor.name} is {kind}")


@dataclass
class Subject:
    """A model, the class that is explained of every text, what the model has already said, and the texts to explain."""

    name: str
    predictor: Predictor
    targets: np.ndarray
    known: dict[Text, np.ndarray]
    indices: frozenset[int] | None = None  # None: all texts


def choose_targets(
    texts: Sequence[Text], labels: list[Any] | None, small: Predictor, large: Predictor, options: Any
) -> list[Subject]:
    """The class to explain for every text, of both models; it takes their predictions, unless it is the gold class."""
    known = first_answers(small, texts if options.explain == "own" else texts[:1])
    large_known = first_answers(large, texts if labels is None else texts[:1])
    if small.classes != large.classes:
        raise ValueError(f"model has {small.classes} classes but large_model has {large.classes}")
    if labels is not None:
        targets = large_targets = gold(labels, large, options.labels)
    else:
        targets = large_targets = np.array([large_known[text].argmax() for text in texts])
    if options.explain == "own":
        targets = np.array([known[text].argmax() for text in texts])
    return [Subject("model", small, targets, known), Subject("large_model", large, large_targets, large_known)]


def first_answers(predictor: Predictor, texts: Sequence[Text]) -> dict[Text, np.ndarray]:
    try:
        return dict(zip(texts, predictor(texts), strict=True))
    except Exception as error:
        raise Interrupted(f"a model failed at the first question ({failure(error)})") from error


def by_asking(texts: Sequence[Text], subjects: list[Subject], order: np.ndarray, options: Any) -> Results:
    """Explanations by methods that only ask: every text and model is a job, and all jobs ask together.

    The jobs have no seed: none draws from the global random generators.
    """
    features, usual = options.features, METHODS[options.method].features
    if features is None and usual is not None:
        features = max(usual, *options.sizes)

    def explain_runs(ask: Ask, index: int, target: int) -> list[Explanation]:
        seeds = [example_seed(options.seed + run, index) for run in range(options.runs)]
        extra = {"samples": options.samples, "features": features}
        return [explain(options.method, texts[index], ask, target, seed, **extra) for seed in seeds]

    return side_by_side(
        Job(
            key=(int(index), subject.name),
            model=subject.predictor,
            run=partial(explain_runs, index=int(index), target=int(subject.targets[index])),
            known={text: subject.known[text] for text in (texts[index],) if text in subject.known},
        )
        for index in order
        for subject in subjects
        if subject.indices is None or int(index) in subject.indices
    )


def by_gradients(texts: Sequence[Text], subjects: list[Subject], order: np.ndarray, options: Any) -> Results:
    """Explanations from inside the models, a few texts at a time; every run gives the same."""
    for at in range(0, len(order), GRADIENT_PIECE):
        part = [int(index) for index in order[at : at + GRADIENT_PIECE]]
        for subject in subjects:
            piece = [index for index in part if subject.indices is None or index in subject.indices]
            some = [texts[index] for index in piece]
            predictor = subject.predictor
            assert isinstance(predictor, ModelPredictor)
            if new := [text for text in dict.fromkeys(some) if text not in subject.known]:
                predictor.encode(new)  # counts those that are too long
            columns = subject.targets[piece] if predictor.order is None else predictor.order[subject.targets[piece]]
            with predictor.in_evaluation():
                found = integrated_gradients(
                    predictor.model, predictor.tokenizer, some, columns.tolist(), max_length=predictor.length
                )
            if not all(np.isfinite(weight) for explanation in found for _, weight in explanation):
                raise ValueError(f"{subject.name}'s gradients hold NaN or infinity")
            for index, explanation in zip(piece, found, strict=True):
                yield (index, subject.name), [explanation[: options.features]] * options.runs


def distinct_words(method: str, text: Text) -> int:
    """How many words an explanation of the text can choose from: lime's are letters and digits, others' have no space.

    >>> distinct_words("lime", "good, good!"), distinct_words("shap", "good, good!")
    (1, 2)
    """
    words = re.compile(METHODS[method].words if method in METHODS else r"\S+")
    return len({word for part in ((text,) if isinstance(text, str) else text) for word in words.findall(part)})
