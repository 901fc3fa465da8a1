"""From texts and two models to explanations of both, one example after another, made side by side."""

import re
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from .explainers import Explanation, explain, integrated_gradients
from .predictor import ModelPredictor, Predictor, Text, as_predictor, check_texts, match_labels, progress_bar
from .side_by_side import Ask, Failure, Job, side_by_side

METHODS = ("lime", "shap", "occlusion", "integrated_gradients")
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
) -> Iterator[Explained]:
    """Explanations of both models for every text, in the texts' order, or in a random one with `target_width`."""
    check_texts("texts", texts)
    for i, text in enumerate(texts):
        if not all(part.strip() for part in ((text,) if isinstance(text, str) else text)):
            raise ValueError(f"texts[{i}] is empty or blank")
    small, large = open_models(model, large_model, options)
    targets = choose_targets(texts, references, small, large, options.explain)
    order = np.arange(len(texts))
    if options.target_width is not None:
        order = np.random.default_rng(options.seed).permutation(len(texts))
    models = {"model": (small, targets[0]), "large_model": (large, targets[1])}
    make = by_gradients if options.method == "integrated_gradients" else by_asking
    done: dict[int, dict[str, Any]] = {}
    failed: list[tuple[int, str, Exception]] = []
    place = finished = 0
    with progress_bar(len(texts), f"explaining with {options.method}") as bar:
        small.quiet = large.quiet = True
        results = make(texts, models, order, options)
        try:
            for (index, name), result in results:
                if isinstance(result, Failure):
                    failed.append((index, name, result.error))
                done.setdefault(index, {})[name] = result
                while place < len(order) and len(done.get(order[place], {})) == len(models):
                    index = int(order[place])
                    pair = done.pop(index)
                    place += 1
                    bar.update(1)
                    if not any(isinstance(one, Failure) for one in pair.values()):
                        finished += 1
                        words = distinct_words(options.method, texts[index])
                        counts = {"truncated_texts": small.truncated, "large_truncated_texts": large.truncated}
                        yield Explained(index, texts[index], pair["model"], pair["large_model"], words, counts)
        except Exception as error:
            many = f"{finished} of {len(texts)} examples were finished; their figures are in `partial`"
            raise Interrupted(f"a model failed ({type(error).__name__}: {error}); {many}") from error
        finally:
            results.close()
    if failed:
        index, name, cause = failed[0]
        many = f"{len({index for index, *_ in failed})} of {len(texts)} examples failed; the others are in `partial`"
        message = f"texts[{index}] could not be explained for {name} ({type(cause).__name__}: {cause}); {many}"
        raise Interrupted(message) from cause


def open_models(model: Any, large_model: Any, options: Any) -> tuple[Predictor, Predictor]:
    settings = {"device": options.device, "dtype": options.dtype, "trust_remote_code": options.trust_remote_code}
    small, large = as_predictor(model, "model", **settings), as_predictor(large_model, "large_model", **settings)
    match_labels(large, small, options.labels)
    if options.method == "integrated_gradients":
        for predictor in (small, large):
            if not isinstance(predictor, ModelPredictor):
                raise ValueError(f"integrated_gradients needs transformers models, and {predictor.name} is a function")
    return small, large


def choose_targets(
    texts: Sequence[Text], references: Any, small: Predictor, large: Predictor, which: str
) -> tuple[np.ndarray, np.ndarray]:
    """The class to explain for every text: of the compressed model, of the large one."""
    some = texts if which != "gold" else texts[:1]
    predicted, large_predicted = small(some), large(some)
    if predicted.shape[1] != large_predicted.shape[1]:
        raise ValueError(f"model has {predicted.shape[1]} classes but large_model has {large_predicted.shape[1]}")
    if which == "own":
        return predicted.argmax(axis=1), large_predicted.argmax(axis=1)
    target = large_predicted.argmax(axis=1) if which == "large" else gold(references, len(texts), large)
    return target, target


def gold(references: Any, count: int, large: Predictor) -> np.ndarray:
    """References as class numbers; names are looked up among the large model's classes."""
    if references is None:
        raise ValueError('references is missing: explain="gold" explains the gold class')
    labels = list(references)
    if len(labels) != count:
        raise ValueError(f"references needs one entry per text, got {len(labels)} for {count} texts")
    names = {name.casefold(): i for i, name in enumerate(large.names or [])}
    found = [names.get(label.casefold()) if isinstance(label, str) else label for label in labels]
    for i, (label, number) in enumerate(zip(labels, found, strict=True)):
        if number is None or int(number) != number or not 0 <= number < (large.classes or 0):
            raise ValueError(f"references[{i}] is {label!r}, which is none of large_model's {large.classes} classes")
    return np.array(found, dtype=np.int64)


Models = dict[str, tuple[Predictor, np.ndarray]]


def by_asking(texts: Sequence[Text], models: Models, order: np.ndarray, options: Any) -> Results:
    """Explanations by methods that only ask: every text and model is a job, and all jobs ask together."""

    def explain_runs(ask: Ask, index: int, target: int) -> list[Explanation]:
        seeds = [example_seed(options.seed + run, index) for run in range(options.runs)]
        extra = {"samples": options.samples, "features": options.features}
        return [explain(options.method, texts[index], ask, target, seed, **extra) for seed in seeds]

    return side_by_side(
        Job(
            key=(int(index), name),
            model=predictor,
            run=partial(explain_runs, index=int(index), target=int(targets[index])),
            seed=example_seed(options.seed, int(index)),
        )
        for index in order
        for name, (predictor, targets) in models.items()
    )


def by_gradients(texts: Sequence[Text], models: Models, order: np.ndarray, options: Any) -> Results:
    """Explanations from inside the models, a few texts at a time; every run gives the same."""
    for at in range(0, len(order), GRADIENT_PIECE):
        piece = [int(index) for index in order[at : at + GRADIENT_PIECE]]
        for name, (predictor, targets) in models.items():
            assert isinstance(predictor, ModelPredictor)
            columns = [int(targets[i] if predictor.order is None else predictor.order[targets[i]]) for i in piece]
            some = [texts[index] for index in piece]
            with predictor.in_evaluation():
                found = integrated_gradients(
                    predictor.model, predictor.tokenizer, some, columns, max_length=predictor.length
                )
            for index, explanation in zip(piece, found, strict=True):
                yield (index, name), [explanation[: options.features]] * options.runs


def distinct_words(method: str, text: Text) -> int:
    """How many words an explanation of the text can choose from: lime's are letters and digits, others' have no space.

    >>> distinct_words("lime", "good, good!"), distinct_words("shap", "good, good!")
    (1, 2)
    """
    words = re.compile(r"\w+" if method == "lime" else r"\S+")
    return len({word for part in ((text,) if isinstance(text, str) else text) for word in words.findall(part)})


def example_seed(seed: int, index: int) -> int:
    """A seed of its own for every example, the same whatever is explained beside it."""
    return int(np.random.SeedSequence([seed, index]).generate_state(1)[0])
