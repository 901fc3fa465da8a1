"""From texts and models to outcomes: every example of every model is attacked, all of them side by side."""

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from trusteq.attack.constraints import Similarity
from trusteq.attack.goals import Targeted
from trusteq.attack.masked_words import MaskedWords
from trusteq.attack.outcomes import Outcome, Program, Questions, answer
from trusteq.attack.recipes import RECIPES, Attack, bert_attack, textbugger, typos
from trusteq.attack.textattack_bridge import PREFIX, textattack_program
from trusteq.attack.whole_texts import WHOLE, whole_program
from trusteq.attack.word_vectors import open_vectors
from trusteq.checks import brief
from trusteq.kinds.text import Text, check_not_blank, check_texts
from trusteq.models.labels import gold, gold_labels
from trusteq.models.predictor import Predictor
from trusteq.models.probing import Subject, check_classes, every_job, gathered, subjects_of, wanted_of
from trusteq.side_by_side import Ask, Job, example_seed, side_by_side

FIELDS = {"first": 0, "second": 1}
RATE = 0.05  # of typos: about a slip in every fourth word


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
    subjects = subjects_of(models, indices, len(texts), options)
    for subject in subjects:
        subject.ask_first(texts[:1])  # which shows how many classes it has
    check_classes(subject.predictor for subject in subjects)
    large = subjects[0].predictor
    labels = gold(given, large, options.labels)
    program = as_program(options, large)
    order = wanted_of(subjects)
    check_not_blank(texts, order)

    def run(ask: Ask, index: int, predictor: Predictor, own_seed: int) -> Outcome:
        rng = np.random.default_rng(own_seed)
        return program.run(Questions(ask, predictor), texts[index], int(labels[index]), rng)

    def job(index: int, subject: Subject) -> Job:
        own_seed, text = example_seed(options.seed, index), texts[index]
        return Job(
            key=(index, subject.name),
            model=answer,
            run=partial(run, index=index, predictor=subject.predictor, own_seed=own_seed),
            seed=own_seed if program.global_random else None,  # own attacks draw from a generator of their own
            known={(subject.predictor, text): subject.known[text]} if text in subject.known else {},
        )

    results = side_by_side(every_job(order, subjects, job))
    yield from gathered(results, subjects, "attack", options.attack_name, "attacks", stopped="the attacks broke off")


# From what the user asks for to a program.


def as_program(options: Any, large: Predictor) -> Program:
    """The program of the attack that was named, composed, or is TextAttack's."""
    field = FIELDS[options.attack_field]
    if is_of_textattack(options.attack):
        return textattack_program(options.attack, field, options.max_queries)
    if isinstance(options.attack, str) and options.attack in WHOLE:
        return whole_program(options.attack, field, options.max_queries)
    attack = options.attack if isinstance(options.attack, Attack) else named_attack(options, large)
    if options.target is not None:
        attack = replace(attack, goal=Targeted(class_number(options, large)))
    return Program(partial(attack.run, field=field, max_queries=options.max_queries))


def is_of_textattack(attack: Any) -> bool:
    return attack.startswith(PREFIX) if isinstance(attack, str) else callable(attack) and not isinstance(attack, Attack)


def named_attack(options: Any, large: Predictor) -> Attack:
    similarity = None if options.similarity is None else Similarity(options.similarity, **options.opening)
    if options.attack == "textbugger":
        return textbugger(open_vectors(options.word_vectors, large), similarity)
    if options.attack == "bert_attack":
        return bert_attack(MaskedWords(options.masked_model, **options.opening), similarity)
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
        if attack not in RECIPES and attack not in WHOLE and not attack.startswith(PREFIX):
            known = ", ".join(map(repr, (*RECIPES, *WHOLE)))
            raise ValueError(f"attack must be one of {known} or '{PREFIX}NAME', got {brief(attack)}")
    elif not isinstance(attack, Attack) and not callable(attack):
        kinds = "a name, an Attack composed of parts, or one of TextAttack's"
        raise ValueError(f"attack must be {kinds}, got {type(attack).__name__}")
