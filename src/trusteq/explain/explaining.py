"""From texts and models to explanations: every example of every model is explained, all of them side by side."""

from collections import defaultdict, deque
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from trusteq.explain.gradients import BATCH_TOKENS, GRADIENTS, classifier_gradients
from trusteq.explain.language_gradients import language_gradients
from trusteq.explain.methods import METHODS, Explanation, explain
from trusteq.explain.units import Left, explain_units
from trusteq.kinds.sentences import Sentences
from trusteq.kinds.shots import Shots
from trusteq.kinds.text import Text, check_not_blank, check_texts
from trusteq.models.classifiers import ModelPredictor
from trusteq.models.labels import gold, gold_labels
from trusteq.models.language import CausalPredictor
from trusteq.models.predictor import Predictor
from trusteq.models.probing import (
    PARTIAL,
    Results,
    Subject,
    answer,
    check_classes,
    every_job,
    gathered,
    subjects_of,
    wanted_of,
)
from trusteq.models.prompted import Prompted
from trusteq.side_by_side import Ask, Failure, Job, example_seed, side_by_side

GRADIENT_PIECE = 64  # texts that are explained by gradients at a time
Targets = dict[str, np.ndarray]  # by the models' names: the class to explain of every text


@dataclass
class Explained:
    """One example: the explanations of both models, a run each."""

    index: int
    text: Text | None
    compressed: list[Explanation]
    large: list[Explanation]
    counts: dict[str, int] = field(default_factory=dict)  # of the models so far


def explain_both(
    texts: Sequence[Text], references: Any, model: Any, large_model: Any, options: Any
) -> Generator[Explained, None, None]:
    """Explanations of both models for every text, in the texts' order, or in a random one with `target_width`."""
    check_texts("texts", texts)
    check_not_blank(texts, range(len(texts)))
    order = np.arange(len(texts))
    if options.target_width is not None:
        order = np.random.default_rng(options.seed).permutation(len(texts))
    models = {"large_model": large_model, "model": model}
    (large, compressed), results = explanations(texts, references, models, None, order, options)
    pairs = in_order(results, order, count=2)
    told = "explain", options.method, "examples", len(texts), "a model failed", PARTIAL
    with closing(gathered(pairs, [compressed, large], *told)) as examples:
        for index, _, pair in examples:
            counts = {"truncated_texts": compressed.truncated, "large_truncated_texts": large.truncated}
            yield Explained(index, texts[index], pair["model"], pair["large_model"], counts)


def explain_each(
    texts: Sequence[Text],
    references: Any,
    models: Mapping[str, Any],
    indices: Mapping[str, Iterable[int]] | None,
    options: Any,
) -> Generator[tuple[int, str, list[Explanation]], None, None]:
    """`(index, name, explanation of each run)` as they finish, of any number of models; the first one is the large."""
    check_texts("texts", texts)
    subjects, results = explanations(texts, references, models, indices, None, options)
    yield from gathered(results, subjects, "explain", options.method, "explanations")


def explanations(
    texts: Sequence[Text],
    references: Any,
    models: Mapping[str, Any],
    indices: Mapping[str, Iterable[int]] | None,
    order: np.ndarray | None,
    options: Any,
) -> tuple[list[Subject], Results]:
    """The models, and the explanations of those texts that are wanted of each, begun in this order."""
    labels = gold_labels(references, len(texts)) if options.explain == "gold" else None
    subjects = subjects_of(models, indices, len(texts), options)
    check_method(options, [subject.predictor for subject in reversed(subjects)])
    if order is None:
        order = np.array(wanted_of(subjects), dtype=int)
    targets = choose_targets(texts, labels, subjects, order, options)
    make = by_gradients if options.method in GRADIENTS else by_asking
    return subjects, make(texts, subjects, targets, order, options)


def check_method(options: Any, predictors: Sequence[Predictor]) -> None:
    """Whether these models can be explained in this way, and in this."""
    method = options.method
    for predictor in predictors:
        if options.explains == "next_token" and not isinstance(predictor, CausalPredictor):
            what = "is a server" if isinstance(predictor, Prompted) else "has no prompt"
            raise ValueError(f'explains="next_token" is for language models at hand, and {predictor.name} {what}')
        if options.units == "shots":
            check_shots(predictor, predictors[-1], method)
        if method in GRADIENTS and (lack := predictor.lacks.get("gradients")):
            raise ValueError(f"{method}: {predictor.name} {lack}")
        if method in GRADIENTS and not (isinstance(predictor, CausalPredictor) or type(predictor) is ModelPredictor):
            needs = "transformers models that are classifiers or language models"
            raise ValueError(f"{method} needs {needs}, and {predictor.name} is {predictor.kind}")


def check_shots(predictor: Predictor, large: Predictor, method: str) -> None:
    if method in GRADIENTS:
        raise ValueError(f'{method} takes no shot away: give lime, shap or occlusion for units="shots"')
    own, larges = (one.prompt.shots if isinstance(one, Prompted) else () for one in (predictor, large))
    if not own:
        raise ValueError(no_shots(predictor.name))
    if larges and Shots(own).names != Shots(larges).names:
        raise ValueError(f'units="shots" compares the same shots, and {predictor.name} has others than {large.name}')


def no_shots(name: str) -> str:
    return f'units="shots" explains the solved examples before a question, and {name} has none: give `shots`'


def choose_targets(
    texts: Sequence[Text], labels: list[Any] | None, subjects: list[Subject], order: np.ndarray, options: Any
) -> Targets:
    """The class to explain of every text, of each model; it takes their predictions, unless it is the gold class."""
    large = subjects[0]
    said: Targets = {}
    for subject in subjects:
        asks = options.explain == "own" or (options.explain == "large" and subject is large)
        subject.ask_first([texts[0], *(texts[i] for i in order)] if asks else texts[:1])
        if asks:
            said[subject.name] = np.zeros(len(texts), dtype=int)  # of the texts that are explained
            said[subject.name][order] = [subject.known[texts[i]].argmax() for i in order]
    check_classes(subject.predictor for subject in subjects)
    usual = said[large.name] if labels is None else gold(labels, large.predictor, options.labels)
    return {subject.name: said.get(subject.name, usual) for subject in subjects}


def in_order(results: Results, order: np.ndarray, count: int) -> Results:
    """One example after another: the explanations of so many models, or the first failure among them."""
    found: dict[int, dict[str, Any]] = defaultdict(dict)
    left = deque(order.tolist())
    with closing(results):
        for (index, name), result in results:
            found[index][name] = result
            while left and len(found[left[0]]) == count:
                whole = found.pop(first := left.popleft())
                failed = [(name, one) for name, one in whole.items() if isinstance(one, Failure)]
                name, what = failed[0] if failed else ("", whole)
                yield (first, name), what


def by_asking(
    texts: Sequence[Text], subjects: list[Subject], targets: Targets, order: np.ndarray, options: Any
) -> Results:
    """Explanations by methods that only ask: every text and model is a job, and all jobs ask together.

    The jobs have no seed: none draws from the global random generators.
    """
    features, usual = options.features, METHODS[options.method].features
    if features is None and usual is not None and options.units == "words":
        features = max(usual, *options.k)
    extra = {"samples": options.samples, "features": features, "rank": options.rank}

    def explain_runs(ask: Ask, index: int, subject: Subject) -> list[Explanation]:
        seeds = [example_seed(options.seed + run, index) for run in range(options.runs)]
        explained = unit_explainer(options, subject.predictor, texts[index], ask)
        return [explained(target=int(targets[subject.name][index]), seed=seed, **extra) for seed in seeds]

    def job(index: int, subject: Subject) -> Job:
        text, whom = texts[index], asked_of(subject.predictor, options)
        job = Job((index, subject.name), answer, partial(explain_runs, index=index, subject=subject))
        if whom is subject.predictor and text in subject.known:
            job.known[whom, text] = subject.known[text]
        return job

    return side_by_side(every_job(order, subjects, job))


def asked_of(predictor: Predictor, options: Any, shots: Any = None) -> Callable[[Sequence[Text]], np.ndarray]:
    """Who is asked: the model as it is, or of a language model with other shots, or for what comes next."""
    if not isinstance(predictor, Prompted):
        return predictor
    prompt = predictor.prompt if shots is None else replace(predictor.prompt, shots=shots)
    return predictor.under(prompt, next_token=options.explains == "next_token")


def unit_explainer(options: Any, predictor: Predictor, text: Text, ask: Ask) -> Callable[..., Explanation]:
    """What explains a text by the units that are wanted, but for the target, the seed and how much is asked."""
    whom = asked_of(predictor, options)

    def ask_texts(some: Sequence[Text]) -> np.ndarray:
        return ask([(whom, one) for one in some])

    if options.units == "words":
        return partial(explain, options.method, text, ask_texts)
    if options.units == "sentences":
        sentences = Sentences(text)
        return partial(
            explain_units,
            options.method,
            sentences.names,
            lambda lefts: ask_texts([sentences.left(*left) for left in lefts]),
        )
    assert isinstance(predictor, Prompted)
    shots = Shots(predictor.prompt.shots)

    def ask_with(lefts: list[Left]) -> np.ndarray:
        return ask([(asked_of(predictor, options, shots.left(*left)), text) for left in lefts])

    return partial(explain_units, options.method, shots.names, ask_with)


def by_gradients(
    texts: Sequence[Text], subjects: list[Subject], targets: Targets, order: np.ndarray, options: Any
) -> Results:
    """Explanations from inside the models, a few texts at a time; every run gives the same."""
    for at in range(0, len(order), GRADIENT_PIECE):
        part = [int(index) for index in order[at : at + GRADIENT_PIECE]]
        for subject in subjects:
            piece = [index for index in part if index in subject.indices]
            some = [texts[index] for index in piece]
            predictor = subject.predictor
            assert isinstance(predictor, ModelPredictor)
            if new := [text for text in dict.fromkeys(some) if text not in subject.known]:
                predictor.encode(new)  # counts those that are too long
            columns = targets[subject.name][piece]
            columns = columns if predictor.order is None else predictor.order[columns]
            with predictor.in_evaluation():
                found = gradients_of(predictor, some, columns.tolist(), options)
            if not all(np.isfinite(weight) for explanation in found for _, weight in explanation):
                raise ValueError(f"{subject.name}'s gradients hold NaN or infinity")
            for index, explanation in zip(piece, found, strict=True):
                yield (index, subject.name), [explanation[: options.features]] * options.runs


def gradients_of(predictor: ModelPredictor, texts: list[Text], targets: list[int], options: Any) -> list[Explanation]:
    how: dict[str, Any] = {"rank": options.rank, "batch_tokens": min(BATCH_TOKENS, predictor.tokens)}
    how |= {"method": options.method, "units": options.units}
    if isinstance(predictor, CausalPredictor):
        return language_gradients(predictor, texts, targets, next_token=options.explains == "next_token", **how)
    return classifier_gradients(
        predictor.model, predictor.tokenizer, texts, targets, max_length=predictor.length, **how
    )
