"""From texts and models to outcomes: every example of every model is attacked, all of them side by side."""

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from .constraints import Similarity
from .goals import Targeted
from .masked_words import MaskedWords
from .outcomes import Outcome, Program, Questions, answer
from .predictor import Predictor, Text, as_predictor, brief, check_texts, failure, match_labels, progress_bar
from .recipes import RECIPES, Attack, bert_attack, textbugger, typos
from .references import example_seed, gold, gold_labels
from .side_by_side import Ask, Failure, Job, side_by_side
from .textattack_bridge import PREFIX, textattack_program
from .word_vectors import open_vectors

FIELDS = {"first": 0, "second": 1}
RATE = 0.05  # of typos: about a slip in every fourth word


class Interrupted(ValueError):
    """Not every example could be attacked; `partial` is the result of those that were."""

    partial: dict[str, Any] | None = None


def attack_each(
    texts: Sequence[Text],
    references: Any,
    models: Mapping[str, Any],
    indices: Mapping[str, Iterable[int]] | None,
    options: Any,
) -> Generator[tuple[int, str, Outcome], None, None]:
    """`(index, name, outcome)` as the attacks end, of any number of models; the first one is the large one."""
    check_texts("texts", texts)
    given = gold_labels(references, len(texts))
    predictors = open_models(models, options)
    large = next(iter(predictors.values()))
    known = first_answers(predictors.values(), texts[0])
    labels = gold(given, large, options.labels)
    program = as_program(options, large)
    wanted = {name: wanted_indices(name, indices, len(texts)) for name in predictors}
    for i in sorted(frozenset().union(*wanted.values())):
        text = texts[i]
        if not all(part.strip() for part in ((text,) if isinstance(text, str) else text)):
            raise ValueError(f"texts[{i}] is empty or blank")
    total = sum(map(len, wanted.values()))
    jobs = every_job(texts, labels, predictors, wanted, program, options.seed, known)
    failed: list[tuple[int, str, Exception]] = []
    finished = 0
    quiet = {name: predictor.quiet for name, predictor in predictors.items()}
    shown = progress_bar(total, f"attacking with {options.attack_name}", all(quiet.values()))
    with shown as bar, closing(side_by_side(jobs)) as results:
        try:
            for predictor in predictors.values():
                predictor.quiet = True
            for (index, name), result in results:
                bar.update(1)
                if isinstance(result, Failure):
                    failed.append((index, name, result.error))
                    continue
                finished += 1
                yield index, name, result
        except Exception as error:
            many = f"{finished} of {total} attacks were finished"
            raise Interrupted(f"the attacks broke off ({failure(error)}); {many}") from error
        finally:
            for name, predictor in predictors.items():
                predictor.quiet = quiet[name]
    if failed:
        index, name, cause = failed[0]
        many = f"{len(failed)} of {total} attacks failed"
        message = f"texts[{index}] could not be attacked for {name} ({failure(cause)}); {many}"
        raise Interrupted(message) from cause


def every_job(
    texts: Sequence[Text],
    labels: np.ndarray,
    predictors: dict[str, Predictor],
    wanted: dict[str, frozenset[int]],
    program: Program,
    seed: int,
    known: dict[tuple[Predictor, Text], np.ndarray],
) -> Iterator[Job]:
    """A job for every example and model. Own attacks draw from a generator of their own, so their jobs have no seed."""

    def run(ask: Ask, index: int, predictor: Predictor, own_seed: int) -> Outcome:
        rng = np.random.default_rng(own_seed)
        return program.run(Questions(ask, predictor), texts[index], int(labels[index]), rng)

    for index in range(len(texts)):
        for name, predictor in predictors.items():
            if index in wanted[name]:
                own_seed = example_seed(seed, index)
                question = (predictor, texts[index])
                yield Job(
                    key=(index, name),
                    model=answer,
                    run=partial(run, index=index, predictor=predictor, own_seed=own_seed),
                    seed=own_seed if program.global_random else None,
                    known={question: known[question]} if question in known else {},
                )


def open_models(models: Mapping[str, Any], options: Any) -> dict[str, Predictor]:
    """A predictor for each model, with the classes in the order of the first one's."""
    if not models:
        raise ValueError("models needs one model or more, the large one first")
    settings = {"device": options.device, "dtype": options.dtype, "trust_remote_code": options.trust_remote_code}
    predictors = {name: as_predictor(model, name, **settings) for name, model in models.items()}
    large, *others = predictors.values()
    for predictor in others or [large]:
        match_labels(large, predictor, options.labels)
    return predictors


def first_answers(predictors: Iterable[Predictor], text: Text) -> dict[tuple[Predictor, Text], np.ndarray]:
    """What each model says of the first text, which shows how many classes it has."""
    known = {}
    first: Predictor | None = None
    for predictor in predictors:
        try:
            (known[predictor, text],) = predictor([text])
        except Exception as error:
            raise Interrupted(f"a model failed at the first question ({failure(error)})") from error
        first = first or predictor
        if predictor.classes != first.classes:
            raise ValueError(f"{predictor.name} has {predictor.classes} classes but {first.name} has {first.classes}")
    return known


def wanted_indices(name: str, indices: Mapping[str, Iterable[int]] | None, count: int) -> frozenset[int]:
    if indices is None:
        return frozenset(range(count))
    wanted = frozenset(int(index) for index in indices.get(name, ()))
    if odd := [index for index in wanted if not 0 <= index < count]:
        raise ValueError(f"indices[{brief(name)}] holds {odd[0]}, but there are {count} texts")
    return wanted


# From what the user asks for to a program.


def as_program(options: Any, large: Predictor) -> Program:
    """The program of the attack that was named, composed, or is TextAttack's."""
    field = FIELDS[options.attack_field]
    if is_of_textattack(options.attack):
        return textattack_program(options.attack, field, options.max_queries)
    attack = options.attack if isinstance(options.attack, Attack) else named_attack(options, large)
    if options.target is not None:
        attack = replace(attack, goal=Targeted(class_number(options, large)))
    return Program(partial(attack.run, field=field, max_queries=options.max_queries))


def is_of_textattack(attack: Any) -> bool:
    return attack.startswith(PREFIX) if isinstance(attack, str) else callable(attack) and not isinstance(attack, Attack)


def named_attack(options: Any, large: Predictor) -> Attack:
    settings = {"device": options.device, "dtype": options.dtype, "trust_remote_code": options.trust_remote_code}
    similarity = None if options.similarity is None else Similarity(options.similarity, **settings)
    if options.attack == "textbugger":
        return textbugger(open_vectors(options.word_vectors, large), similarity)
    if options.attack == "bert_attack":
        return bert_attack(MaskedWords(options.masked_model, **settings), similarity)
    if options.attack == "typos":
        return typos(options.rate or RATE)
    return RECIPES[options.attack]()  # all that it needs is its name


def class_number(options: Any, large: Predictor) -> int:
    try:
        return int(gold([options.target], large, options.labels)[0])
    except ValueError as error:
        raise ValueError(f"target {str(error).removeprefix('references[0] ')}") from None


def check_attack(attack: Any) -> None:
    """One of the names, a composed attack, or one of TextAttack's."""
    if isinstance(attack, str):
        if attack not in RECIPES and not attack.startswith(PREFIX):
            known = ", ".join(map(repr, RECIPES))
            raise ValueError(f"attack must be one of {known} or '{PREFIX}NAME', got {brief(attack)}")
    elif not isinstance(attack, Attack) and not callable(attack):
        kinds = "a name, an Attack composed of parts, or one of TextAttack's"
        raise ValueError(f"attack must be {kinds}, got {type(attack).__name__}")
