"""Attacks on what a question is, rather than on its words: its wrong options in another order, or a sentence beside it
that has nothing to do with it. The first that makes the model change its mind is the one."""

from collections.abc import Callable
from functools import partial
from itertools import islice, permutations

import numpy as np

from trusteq.attack.outcomes import Outcome, Program, Questions, outcome
from trusteq.kinds.text import Text, options_of

ORDERS = 120  # of the wrong options, at most: all of five
BESIDE = (
    "The weather was mild that day.",
    "Somebody in the next room was laughing.",
    "The train to the coast leaves at nine.",
    "Many people disagree about this.",
    "This sentence has nothing to do with the rest.",
)

Variants = Callable[[Text, int, int], list[tuple[Text, int]]]  # (text, label, field) -> texts, words changed


def other_orders(text: Text, label: int, field: int) -> list[tuple[Text, int]]:
    """A question with its wrong options in every other order; the right one keeps its place, and so its letter.

    >>> [order for order, _ in other_orders(("What purrs?", "a dog\\na cat\\na cow"), label=1, field=0)]
    [('What purrs?', 'a cow\\na cat\\na dog')]
    """
    options = [] if isinstance(text, str) else options_of(text)
    wrong = [option for place, option in enumerate(options) if place != label]
    found: list[tuple[Text, int]] = []
    for order in islice(permutations(range(len(wrong))), 1, ORDERS):
        ordered = [wrong[place] for place in order]
        ordered.insert(label, options[label])
        moved = sum(one != other for one, other in zip(ordered, options, strict=True))
        found.append(((text[0], "\n".join(ordered)), moved))
    return found


def distracted(text: Text, label: int, field: int) -> list[tuple[Text, int]]:
    """The text with one of some sentences behind or before it."""
    own = text if isinstance(text, str) else text[field]
    found: list[tuple[Text, int]] = []
    for sentence in BESIDE:
        for part in (f"{own.rstrip()} {sentence}", f"{sentence} {own.lstrip()}"):
            other: Text = part
            if not isinstance(text, str):
                other = (part, text[1]) if field == 0 else (text[0], part)
            found.append((other, len(sentence.split())))
    return found


WHOLE: dict[str, Variants] = {"options": other_orders, "distraction": distracted}


def whole_program(name: str, field: int, max_queries: int | None) -> Program:
    return Program(partial(first_that_breaks, variants=WHOLE[name], field=field, max_queries=max_queries))


def first_that_breaks(
    ask: Questions,
    text: Text,
    label: int,
    rng: np.random.Generator,
    variants: Variants,
    field: int,
    max_queries: int | None,
) -> Outcome:
    ask.most = max_queries
    clean = ask([text])[0]
    if clean.argmax() != label:
        return outcome(text, label, clean, ask.count)
    some = variants(text, label, field)
    rows = ask([other for other, _ in some]) if some else np.empty((0, 0))
    found = None
    for (other, changed), row in zip(some, rows, strict=False):
        if row.argmax() != label:
            found = other, row, changed
            break
    return outcome(text, label, clean, ask.count, found, changeable=bool(some))
