"""From texts and models to outcomes: every example of every model is attacked, all of them side by side."""

import os
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from trusteq.attack.constraints import Similarity
from trusteq.attack.goals import Targeted
from trusteq.attack.masked_words import MaskedWords
from trusteq.attack.outcomes import Outcome, Program, Questions
from trusteq.attack.recipes import RECIPES, Attack, bert_attack, textbugger, typos
from trusteq.attack.textattack_bridge import PREFIX, textattack_program
from trusteq.attack.whole_texts import WHOLE, whole_program
from trusteq.attack.word_vectors import open_vectors
from trusteq.checks import brief, first_line
from trusteq.kinds.text import Question, Text, check_not_blank, check_texts
from trusteq.models.labels import gold, gold_labels
from trusteq.models.predictor import Predictor
from trusteq.models.probing import Subject, answer, check_classes, every_job, gathered, subjects_of, wanted_of
from trusteq.models.prompted import Prompted, worded
from trusteq.models.prompts import check_fields, rewordings
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
    check_changeable(options.attack, texts)
    given = gold_labels(references, len(texts))
    subjects = subjects_of(models, indices, len(texts), options)
    for subject in subjects:
        subject.ask_first(texts[:1])  # which shows how many classes it has
    check_classes(subject.predictor for subject in subjects)
    large = subjects[0].predictor
    labels = gold(given, large, options.labels)
    field = 0 if isinstance(texts[0], Question) else FIELDS[options.attack_field]  # never a question's options
    program = as_program(options, large, field)
    for subject in subjects if options.attack == "wording" else ():
        check_prompted(subject.predictor)
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


def as_program(options: Any, large: Predictor, field: int) -> Program:
    """The program of the attack that was named, composed, or is TextAttack's."""
    if is_of_textattack(options.attack):
        return textattack_program(options.attack, field, options.max_queries)
    if isinstance(options.attack, str) and options.attack in WHOLE:
        prompts = wordings_of(options, large) if options.attack == "wording" else {}
        return whole_program(options.attack, field, options.max_queries, read_sentences(options.sentences), **prompts)
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


def wordings_of(options: Any, large: Predictor) -> dict[str, Any]:
    """The prompt, and how else it is said, to all models alike."""
    prompt = check_prompted(large).prompt
    if options.wordings is None:
        return {"prompt": prompt.prompt, "wordings": rewordings(prompt.prompt)}
    for i, wording in enumerate(options.wordings):
        other = replace(prompt, prompt=wording)
        check_fields(f"wordings[{i}]", other)
        if other.pairs != prompt.pairs:
            raise ValueError(f"wordings[{i}] must have the fields of the prompt, {brief(prompt.prompt)}")
    return {"prompt": prompt.prompt, "wordings": options.wordings}


def check_prompted(predictor: Predictor) -> Prompted:
    if not isinstance(predictor, Prompted):
        raise ValueError(no_wording(predictor.name))
    return predictor


def no_wording(name: str) -> str:
    return f"the attack wording is on the prompt of a language model, and {name} has none"


def check_changeable(attack: Any, texts: Sequence[Text]) -> None:
    if isinstance(attack, str) and attack in ("options", "reordered") and isinstance(texts[0], str):
        raise ValueError(f"the attack {attack} puts a question's options in another order, and the texts have none")


def read_sentences(given: Any) -> list[str] | None:
    """From a list, or from a text file with a sentence per line."""
    if given is None:
        return None
    if isinstance(given, str | os.PathLike):
        try:
            given = Path(os.path.expanduser(given)).read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"sentences: {os.fspath(given)} could not be read ({first_line(error)})") from None
    found = list(given) if isinstance(given, list | tuple) else []
    if not found or not all(isinstance(one, str) for one in found):
        raise ValueError(f"sentences must be a text file, or a list of sentences, got {brief(given)}")
    found = [" ".join(one.split()) for one in found if one.strip()]
    if not found:
        raise ValueError("sentences has no sentence: give at least one")
    return found


def said_under(predictor: Predictor, outcomes: Sequence[Outcome]) -> list[int]:
    """What a model says of these adversarial texts, asked as the one was that they broke."""
    rows = answer([(worded(predictor, one.wording), one.adversarial) for one in outcomes])
    return [int(row.argmax()) for row in rows]


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
