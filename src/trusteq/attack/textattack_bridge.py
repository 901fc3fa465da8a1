"""TextAttack's recipes as attacks of this metric: its search runs unchanged, but its questions go to our predictor.

There they become full batches with those of all other examples and models. The package does work when it is imported,
and is an extra of its own, so it is imported only when one of its attacks is asked for."""

import copy
import gc
import inspect
import re
from collections import OrderedDict
from contextvars import ContextVar
from typing import Any

import numpy as np

from trusteq.attack.outcomes import Outcome, Program, Questions, outcome
from trusteq.checks import brief
from trusteq.kinds.text import Text

PREFIX = "textattack:"
HINT = "what TextAttack has to download needs a network once"
COLUMNS = ("text 1", "text 2")  # of a pair; no recipe has a rule of its own for columns of these names
ASK: ContextVar[Questions] = ContextVar("ask")  # the question of the example at work: every greenlet has one of its own


def textattack_program(attack: Any, field: int = 1, max_queries: int | None = None) -> Program:
    """An attack of TextAttack: "textattack:NAME", a recipe class, or a function from a model wrapper to an `Attack`.

    `field` is the place of the text of a pair that may change; `max_queries` is TextAttack's query budget, which counts
    repeated questions too. The attack is built once; every example gets a copy of its own of the parts with a state.

    >>> textattack_program(7)
    Traceback (most recent call last):
    ValueError: attack must be 'textattack:NAME', a recipe class, or a function from a model wrapper to it, got int
    """
    name = attack if isinstance(attack, str) else getattr(attack, "__name__", type(attack).__name__)
    built = build(attack, name)

    def run(ask: Questions, text: Text, label: int, rng: np.random.Generator) -> Outcome:
        """Attack one text. TextAttack draws from the global generators, which are the job's own, and not from `rng`."""
        [scores] = ask([text])
        if scores.argmax() != label:
            return outcome(text, label, scores, ask.count)
        ASK.set(ask)
        mine = own_copy(built, max_queries, field if isinstance(text, tuple) else None)
        try:
            result = mine.attack(as_attacked_text(text), label)
            original, changed = (end.attacked_text for end in (result.original_result, result.perturbed_result))
            changeable = mine.get_indices_to_order(original)[0] > 0
        except Exception as error:
            reason = describe(error)
        else:
            adversarial = changed.tokenizer_input
            if isinstance(text, tuple) and adversarial[1 - field] != text[1 - field]:
                raise ValueError(f"attack {name} changed the other text of a pair too, which attack_field rules out")
            [adversarial_scores] = ask([adversarial])
            broken = adversarial_scores.argmax() != label  # whatever the attack's own goal was
            found = (adversarial, adversarial_scores, differing_words(original, changed)) if broken else None
            return outcome(text, label, scores, ask.count, found, changeable)
        raise ValueError(f"attack {name} failed: {reason} ({HINT})")

    return Program(run, global_random=True)


class Asked:
    """The model as TextAttack's parts see it: its probabilities for a list of texts, and nothing else."""

    model = None

    def __call__(self, texts: list[Text]) -> Any:
        import torch

        rows = ASK.get()(list(texts))
        return torch.tensor(rows / rows.sum(axis=1, keepdims=True))  # TextAttack takes the softmax of other sums than 1

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"the model is only asked for probabilities and has no {name}")


def build(attack: Any, name: str) -> Any:
    """The `textattack.Attack` that a recipe or function builds, or one sentence that says why there is none."""
    if not isinstance(attack, str) and not callable(attack):
        kinds = f"'{PREFIX}NAME', a recipe class, or a function from a model wrapper to it"
        raise ValueError(f"attack must be {kinds}, got {type(attack).__name__}")
    textattack = import_textattack()
    maker = find_recipe(attack) if isinstance(attack, str) else attack
    maker = maker.build if isinstance(maker, type) and hasattr(maker, "build") else maker
    logger = textattack.shared.logger
    logger.addFilter(is_news)
    try:
        built = maker(Asked())
    except Exception as error:
        built, reason = None, describe(error)
    finally:
        logger.removeFilter(is_news)
    if built is None:
        gc.collect()  # a download that failed holds its file lock as long as the error's frames live
        raise ValueError(f"attack {name} cannot be built: {reason} ({HINT})")
    if not isinstance(built, textattack.Attack):
        raise ValueError(f"attack {name} must build a textattack.Attack, got {type(built).__name__}")
    if not built.is_black_box:
        raise ValueError(f"attack {name} needs the model's gradients, and models are only asked for probabilities")
    goal = built.goal_function
    if not isinstance(goal, textattack.goal_functions.ClassificationGoalFunction) or goal.maximizable:
        raise ValueError(f"attack {name} has the goal {type(goal).__name__}, which is not to make a classifier wrong")
    return built


def import_textattack() -> Any:
    try:
        import textattack
    except Exception as error:  # a LookupError, where it cannot download NLTK's stop words
        missing = isinstance(error, ImportError) and error.name == "textattack"
        reason = "is not installed" if missing else f"cannot be imported: {describe(error)} ({HINT})"
    else:
        return textattack
    raise ValueError(f"attack needs the package textattack, which {reason}")


def find_recipe(attack: str) -> Any:
    from textattack import attack_recipes

    known = {key: value for key, value in vars(attack_recipes).items() if inspect.isclass(value)}
    del known["AttackRecipe"]  # what all others are
    name = attack.removeprefix(PREFIX)
    if name not in known:
        raise ValueError(
            f"attack {brief(attack)} is none of TextAttack's recipes, which are {', '.join(sorted(known))}"
        )
    return known[name]


def is_news(record: Any) -> bool:
    """What TextAttack logs, but for its doubt about every model that is not of its own kinds."""
    return not record.getMessage().startswith("Unknown if model")


def own_copy(built: Any, max_queries: int | None, field: int | None) -> Any:
    """The attack with goal and search of its own, because they keep count; all else is shared."""
    from textattack import Attack
    from textattack.constraints.pre_transformation import InputColumnModification

    goal, search = copy.copy(built.goal_function), copy.copy(built.search_method)
    goal.batch_size = 2**31  # the predictor cuts the batches
    if max_queries is not None:
        goal.query_budget = max_queries
    constraints = [*built.constraints, *built.pre_transformation_constraints]
    if field is not None:
        constraints.append(InputColumnModification(list(COLUMNS), {COLUMNS[1 - field]}))
    sizes = built.transformation_cache_size, built.constraint_cache_size
    return Attack(goal, constraints, built.transformation, search, *sizes)


def as_attacked_text(text: Text) -> Any:
    from textattack.shared import AttackedText

    return AttackedText(OrderedDict(zip(COLUMNS, text, strict=True)) if isinstance(text, tuple) else text)


def differing_words(original: Any, changed: Any) -> int:
    """How many words were replaced, added or taken away, words as TextAttack sees them."""
    import editdistance

    return int(editdistance.eval(original.words, changed.words))


def describe(error: Exception) -> str:
    """The error on one line, without the colours and rules that NLTK puts around its own.

    >>> describe(LookupError("*****\\n  Resource wordnet not found.\\n  Please use the NLTK Downloader"))
    'LookupError: Resource wordnet not found. Please use the NLTK Downloader'
    """
    words = re.sub(r"\x1b\[\d+m|\*{3,}", "", str(error)).split()
    return f"{type(error).__name__}: {' '.join(words)[:200]}"
